"""Sarcasm on Reddit (SARC, the Kaggle file): a comment, whether it is sarcastic, and what it answers.

In: `train-balanced-sarcasm.csv` (label 0 or 1, comment, parent_comment, and others that are not read).
Out: one row a comment, the parent as the part `parent`; a record without a comment is left out and
counted. A split keeps all answers to one parent, and that parent's own row, on one side.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench.datasets.readers import Counts, FileOptions, one_file
from bench.datasets.readers._records import csv_records, is_excel_error
from bench.datasets.row import Row
from bench.errors import ConfigError

LICENCE = None
CREDIT = "Khodak, Saunshi, Vodrahalli (2018), A Large Self-Annotated Corpus for Sarcasm"
LABELS = {"0": "not_sarcastic", "1": "sarcastic"}


class Options(FileOptions):
    """The file."""


inputs = one_file


def read(options: Options, root: Path, counts: Counts) -> Iterator[Row]:
    """Its comments."""
    for path in inputs(options, root):
        for found in csv_records(path, ("label", "comment", "parent_comment")):
            comment, parent = found.columns["comment"], found.columns["parent_comment"]
            label = found.columns["label"] or ""
            if label not in LABELS:
                raise ConfigError(f"{path}: record {found.number}: label {label!a} is neither 0 nor 1")
            if comment is None or not comment.strip() or is_excel_error(comment):
                counts["left out: no comment"] += 1
                continue
            parts = (("parent", parent),) if parent and parent.strip() else ()
            counts["without a parent"] += not parts
            yield Row(text=comment, label=LABELS[label], parts=parts, place=found.place)
