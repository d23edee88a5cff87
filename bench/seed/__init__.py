"""The seed project's folders as runs, and runs as its folders.

    layout   import: its answers as samples      reading       its files     names   its models as arms
    export   samples as its answers              comparisons   its pairs

They join `store` and `config` with files that know none of our nouns. `layout` is where to begin.
"""
