"""Tweet Sentiment Extraction (Kaggle 2020): tweets, their label, and the words that support it.

In: `train.csv` (textID, text, selected_text, sentiment) or `test.csv` (without selected_text). Out: one
row a record; the supporting words become the reasoning `The words "..." say so.` where they are in the
text. A record without a text is left out, a span that a spreadsheet damaged (`#NAME?`) or that is not
in its text is: both are counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench.datasets.readers import Counts, FileOptions, one_file
from bench.datasets.readers._records import csv_records, is_excel_error
from bench.datasets.row import Row

LICENCE = "CC BY 4.0"
CREDIT = (
    "Figure Eight, Data for Everyone: Sentiment Analysis: Emotion in Text (Kaggle tweet-sentiment-extraction)"
)
_COLUMNS = ("textID", "text", "sentiment")


class Options(FileOptions):
    """The file."""


inputs = one_file


def read(options: Options, root: Path, counts: Counts) -> Iterator[Row]:
    """Its tweets."""
    for path in inputs(options, root):
        for found in csv_records(path, _COLUMNS):
            columns = found.columns
            text = columns["text"]
            if text is None or not text.strip():
                counts["left out: no text"] += 1
                continue
            yield Row(
                text=text,
                label=columns["sentiment"],
                reasoning=_reason(text, columns.get("selected_text"), counts),
                id=columns["textID"],
                place=found.place,
            )


def _reason(text: str, span: str | None, counts: Counts) -> str | None:
    if span is None:
        return None
    if span not in text:
        counts["supporting words left out: " + ("#NAME?" if is_excel_error(span) else "not in the text")] += 1
        return None
    flat = " ".join(span.split())
    return f'The words "{flat}" say so.' if flat and flat != " ".join(text.split()) else None
