"""The workbook, written and read back cell by cell."""

import dataclasses
import io
import zipfile
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pytest
from openpyxl.utils import quote_sheetname
from openpyxl.utils.escape import unescape

from bench import plugins
from bench.records import Article
from bench.reports import ReportInput
from bench.reports.excel import workbook_bytes, write_workbook
from tests.builders import manifest, spec
from tests.reports.synthetic import report_input
from tests.reports.test_page import gate

SHEETS = [
    "Decision", "Validity", "Arms", "Drift", "Drift by article", "Variance", "ANOVA", "Fine-tuning",
    "Latency", "Articles", "Cells", "Failures", "Reasoning", "Iterations", "Provenance",
]  # fmt: skip
HOSTILE = [
    "=1+1", "+1", "-1", "@A1", "\t=1", "#N/A", "#REF!", "a\x00b\x07\x1b[2J", chr(0xD800), "x" * 40_000,
    "<script>alert(1)</script>", "[/b]", "_x0041_", "\ufffe", "\u202eabc", "TRUE", "1e5", "=HYPERLINK(\"x\")",
    "http://example.org", "'quoted", "two\nlines", "\r\n",
]  # fmt: skip


@pytest.fixture(scope="module")
def data():
    return report_input()


@pytest.fixture(scope="module")
def small():
    return report_input(1, 3)


@pytest.fixture(scope="module")
def workbook(data):
    return openpyxl.load_workbook(io.BytesIO(workbook_bytes(data)))


def find(sheet: Any, text: str) -> Any:
    """The first cell whose value is `text`."""
    return next(cell for row in sheet.iter_rows() for cell in row if cell.value == text)


def column_below(sheet: Any, title: str) -> list[Any]:
    """The values below a header, to the end of its table."""
    header = find(sheet, title)
    cells = [sheet.cell(row, header.column).value for row in range(header.row + 1, sheet.max_row + 1)]
    return cells


def test_every_sheet_of_the_room_is_there_in_order(workbook):
    assert workbook.sheetnames == SHEETS


def test_only_labelled_articles_give_a_sheet_of_accuracy(small):
    accuracy = pd.DataFrame({"arm": [small.manifest.arms[0].arm], "label_accuracy": [0.5]})
    labelled = dataclasses.replace(small, tables={**small.tables, "accuracy": accuracy})
    assert "Accuracy" in openpyxl.load_workbook(io.BytesIO(workbook_bytes(labelled))).sheetnames


@pytest.mark.parametrize("name", plugins.names("reports.sheets", ".py"))
def test_every_sheet_keeps_its_contract(name):
    module = plugins.load("reports.sheets", name)
    sheet = openpyxl.Workbook().create_sheet(module.TITLE)
    assert module.ORDER > 0
    assert quote_sheetname(module.TITLE) == f"'{module.TITLE}'"
    module.write(sheet, ReportInput(tables={}, manifest=manifest(), articles=()))
    assert sheet["A1"].value


def test_every_table_of_a_full_run_is_frozen_filtered_and_set_up_for_print(workbook):
    for name in ("Decision", "Validity", "Drift", "ANOVA", "Latency", "Cells", "Articles", "Reasoning"):
        sheet = workbook[name]
        assert sheet.freeze_panes is not None
        assert sheet.auto_filter.ref
        assert sheet.print_title_rows or name in {"Decision", "Validity", "Latency"}  # two tables
        assert sheet.page_setup.orientation == "landscape"
        assert sheet.sheet_properties.pageSetUpPr.fitToPage


def test_numbers_are_numbers_with_a_format(workbook, data):
    sheet = workbook["Cells"]
    rates = column_below(sheet, "Valid rate")
    assert rates == data.tables["cells"]["valid_rate"].tolist()
    header = find(sheet, "Valid rate")
    assert sheet.cell(header.row + 1, header.column).number_format == "0.0%"


def test_an_undefined_value_is_an_empty_cell(workbook, data):
    scores = column_below(workbook["Cells"], "Mean score")
    expected = data.tables["cells"]["score_mean"]
    assert scores[0] is None
    assert scores[1:] == pytest.approx(expected[1:].tolist(), rel=1e-15)


def test_the_naive_test_stands_beside_the_paired_one_and_says_so(workbook):
    sheet = workbook["Drift"]
    assert find(sheet, "NAIVE p (do not use)").column - find(sheet, "p, Holm").column == 2
    assert find(workbook["ANOVA"], "NAIVE F (do not use)")


def test_arms_stand_by_group_with_their_quantizations_in_order(workbook):
    arms = [arm.split("/", 1)[1] for arm in column_below(workbook["Decision"], "Arm")[:8]]
    assert arms[:4] == ["base/q4_K_M@fake", "base/q5_K_M@fake", "base/q8_0@fake", "base/fp16@fake"]


def test_without_the_gate_the_decision_shows_intervals_and_no_verdict(workbook):
    sheet = workbook["Decision"]
    assert (
        column_below(sheet, "Valid answers")[0]
        == "69.2\N{NO-BREAK SPACE}% (61.2\N{NO-BREAK SPACE}% to 77.2\N{NO-BREAK SPACE}%)"
    )
    words = column_below(sheet, "In words")
    assert words[0] == "Compared with model-0/base/fp16@fake."
    assert words[3] == "The baseline of its group."
    assert any("did not judge" in str(sheet.cell(row, 1).value) for row in range(1, 8))
    assert "Verdict" not in [cell.value for row in sheet.iter_rows() for cell in row]


def test_with_the_gate_the_decision_has_a_word_for_every_question(small):
    made = openpyxl.load_workbook(io.BytesIO(workbook_bytes(dataclasses.replace(small, gate=gate(small)))))
    sheet = made["Decision"]
    verdicts = column_below(sheet, "Verdict")[:4]
    assert sorted(map(str, verdicts)) == ["= baseline", "✓ pass", "✓ pass", "✓ pass"]
    shown = column_below(sheet, "Mean score")
    assert "✓ pass\n0.010 (−0.020 to 0.040)\nmargin 0.050" in shown
    assert 0.01 in column_below(sheet, "Estimate")


def test_charts_stand_where_they_help(workbook):
    charts = {sheet.title: len(sheet._charts) for sheet in workbook.worksheets}
    assert charts["Latency"] == charts["Validity"] == 1


def test_every_arm_argues_about_the_same_articles(workbook):
    sheet = workbook["Reasoning"]
    arms, said = column_below(sheet, "Arm"), column_below(sheet, "What it said")
    assert len(arms) == 2 * 8
    assert arms[:8] == arms[8:]
    assert set(said) == {"=Sales rose"}


def test_without_labels_it_says_agreement_not_correctness(small):
    bare = tuple(a.model_copy(update={"label": None, "reference_score": None}) for a in small.articles)
    made = openpyxl.load_workbook(io.BytesIO(workbook_bytes(dataclasses.replace(small, articles=bare))))
    notes = [str(made["Decision"].cell(row, 1).value) for row in range(1, 9)]
    assert any("not correctness" in note for note in notes)


def test_at_most_twenty_invalid_answers_of_an_arm_are_shown(workbook):
    arms = column_below(workbook["Failures"], "The whole answer")
    assert len([text for text in arms if text]) == 8 * 20


def test_hostile_text_arrives_as_inert_text(small):
    articles = tuple(
        Article(id=f"id{i}", text=text, title=text, source="x") for i, text in enumerate(HOSTILE)
    )
    invalid = [
        {
            "arm": small.manifest.arms[0].arm,
            "article_id": "none",
            "completion": {"text": text},
            "verdict": {"errors": [text]},
        }
        for text in HOSTILE[:20]
    ]
    content = workbook_bytes(dataclasses.replace(small, articles=articles, invalid=invalid))
    made = openpyxl.load_workbook(io.BytesIO(content))
    texts = column_below(made["Failures"], "The whole answer")[:20]
    for sheet in made.worksheets:
        assert {cell.data_type for row in sheet.iter_rows() for cell in row} <= {"s", "n", "b"}
    assert [unescape(text) for text in texts[:7]] == HOSTILE[:7]
    assert unescape(texts[7]) == "a\\x00b\\x07\\x1b[2J"
    assert texts[8] == "\\ud800"
    assert texts[9].endswith("[cut here; 40000 characters in all]")
    assert unescape(texts[12]) == "_x0041_"
    titles = column_below(made["Articles"], "Title")
    assert titles[:4] == HOSTILE[:4]


def test_the_same_input_gives_the_same_bytes(small, tmp_path):
    write_workbook(tmp_path / "deep" / "report.xlsx", small)
    content = workbook_bytes(report_input(1, 3))
    assert tmp_path.joinpath("deep", "report.xlsx").read_bytes() == content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert archive.read("docProps/core.xml").count(b"2026-01-02T03:04:05Z") == 2


def test_a_run_without_any_number_still_gives_a_workbook():
    empty = {
        name: pd.DataFrame({"arm": ["a"], "score_mean": [np.nan]}) for name in ("cells", "arms", "pairs")
    }
    data = ReportInput(tables=empty, manifest=manifest([spec()]), articles=())
    made = openpyxl.load_workbook(io.BytesIO(workbook_bytes(data)))
    assert "score_mean" in str(made["Cells"]["A3"].value)
