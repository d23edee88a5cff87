"""News articles as CSV, whatever their columns are called.

In: a file with a header. Out: one row an article. Text, headline, company, label and id are found under
the names that such files use (`text, content, body, article, ...`); `columns` says it where that is not
enough, as for the reader `table`. An article without text is left out and counted; one of a headline
alone is, too, unless `headlines: true`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from bench.datasets.readers import Counts, FileOptions, files_of
from bench.datasets.readers._records import csv_records, is_excel_error
from bench.datasets.row import Row
from bench.errors import ConfigError
from bench.records import Text

LICENCE = None
CREDIT = None
KNOWN = {
    "text": ("text", "content", "body", "article", "article_text", "full_text", "story", "news"),
    "title": ("title", "headline", "heading", "news_title"),
    "entity": ("entity", "company", "company_name", "ticker", "symbol", "stock"),
    "label": ("label", "sentiment", "class", "category"),
    "id": ("id", "article_id", "guid", "url", "link"),
}
"""What a column may be called, the likeliest first; case and spaces do not matter."""


class Options(FileOptions):
    """The file, or a folder of them."""

    columns: dict[str, Text] = Field(default_factory=dict)
    """Columns that are called otherwise: {text: "Artikel"}."""
    encoding: str = "utf-8"
    """`utf-8`, `iso-8859-1`, `cp1252`, ..."""
    headlines: bool = False
    """Keep an article that has a headline only, with the headline as its text."""


def inputs(options: FileOptions, root: Path) -> list[Path]:
    """The file, or the files of the folder."""
    return files_of(options, root, (".csv",))


def read(options: Options, root: Path, counts: Counts) -> Iterator[Row]:
    """The articles of every file."""
    unknown = [name for name in options.columns if name not in KNOWN]
    if unknown:
        raise ConfigError(f"columns: unknown {unknown[0]!a}; known: {', '.join(KNOWN)}")
    for path in inputs(options, root):
        yield from _articles(path, options, counts)


def _articles(path: Path, options: Options, counts: Counts) -> Iterator[Row]:
    where: dict[str, str | None] | None = None
    for found in csv_records(path, options.columns.values(), encoding=options.encoding):
        where = _columns(path, list(found.columns), options) if where is None else where
        values = {name: found.columns[column] if column else None for name, column in where.items()}
        text, title = values["text"], values["title"]
        if text is None and options.headlines:
            text, title = title, None
        if text is None or not text.strip() or is_excel_error(text):
            counts["left out: no text"] += 1
            continue
        yield Row(
            text=text,
            title=title,
            entity=values["entity"],
            label=values["label"],
            id=values["id"],
            place=found.place,
        )


def _columns(path: Path, there: list[str], options: Options) -> dict[str, str | None]:
    by_name = {column.strip().lower().replace(" ", "_"): column for column in reversed(there)}
    found = {
        name: options.columns.get(name) or next((by_name[n] for n in names if n in by_name), None)
        for name, names in KNOWN.items()
    }
    if found["text"] is None and not (options.headlines and found["title"]):
        raise ConfigError(
            f"{path}:1: no column with the text; there are: {', '.join(there)}; say `columns: {{text: ...}}`"
        )
    return found
