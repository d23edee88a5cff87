"""Tweets to US airlines (CrowdFlower, 2015): text, label and how sure the annotators were.

In: `Tweets.csv`. Out: one row a record, the id as text (18 digits), `entity` the airline, the label's
confidence kept. Tweets that stand twice, and the 18 ids with two labels, are left to the steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench.datasets.readers import Counts, FileOptions, one_file
from bench.datasets.readers._records import csv_records, number
from bench.datasets.row import Row

LICENCE = "CC BY-NC-SA 4.0"
CREDIT = "CrowdFlower / Figure Eight, Twitter US Airline Sentiment, 2015"
_COLUMNS = ("tweet_id", "airline_sentiment", "airline_sentiment_confidence", "airline", "text")


class Options(FileOptions):
    """The file."""


inputs = one_file


def read(options: Options, root: Path, counts: Counts) -> Iterator[Row]:
    """Its tweets."""
    for path in inputs(options, root):
        for found in csv_records(path, _COLUMNS):
            columns = found.columns
            counts["newline inside the text"] += "\n" in (columns["text"] or "")
            yield Row(
                text=columns["text"] or "",
                label=columns["airline_sentiment"],
                confidence=number(columns["airline_sentiment_confidence"], found.place),
                entity=columns["airline"],
                id=columns["tweet_id"],
                place=found.place,
            )
