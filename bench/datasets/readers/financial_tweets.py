"""Twitter Financial News Sentiment (zeroshot): 0 bearish, 1 bullish, 2 neutral.

In: `sent_train.csv` or `sent_valid.csv` (text, label; records end in CRLF, newlines inside a tweet are
LF). Out: one row a record with the label in words.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench.datasets.readers import Counts, FileOptions, one_file
from bench.datasets.readers._records import csv_records
from bench.datasets.row import Row
from bench.errors import ConfigError

LICENCE = "MIT"
CREDIT = "zeroshot/twitter-financial-news-sentiment"
LABELS = {"0": "bearish", "1": "bullish", "2": "neutral"}


class Options(FileOptions):
    """The file."""


inputs = one_file


def read(options: Options, root: Path, counts: Counts) -> Iterator[Row]:
    """Its tweets."""
    for path in inputs(options, root):
        for found in csv_records(path, ("text", "label")):
            label = found.columns["label"] or ""
            if label not in LABELS:
                raise ConfigError(f"{path}: record {found.number}: label {label!a} is none of 0, 1, 2")
            counts["newline inside the text"] += "\n" in (found.columns["text"] or "")
            yield Row(text=found.columns["text"] or "", label=LABELS[label], place=found.place)
