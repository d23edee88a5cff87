"""The workbook's sheets, one file each: a new file is a new sheet.

Each module has TITLE (the sheet's name), ORDER (a number; sheets stand in its order) and
`write(sheet, data)`, which fills an empty openpyxl worksheet from a ReportInput. `applies(data)`, where
a module has it, says whether the workbook has this sheet at all. A sheet formats; it computes nothing,
and says what is absent.
"""
