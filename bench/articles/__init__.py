"""Articles: where the texts come from that every arm is asked about.

In: the name of a source (a file in `sources/`) or the path of a `.jsonl` file of frozen articles.
Out: Article records in a stable order. It renders no prompt and judges no answer; a run keeps its own
copy of the articles, so nothing here is read again once a run has begun.
"""

from __future__ import annotations

from pathlib import Path

from bench import plugins
from bench.articles import sources
from bench.articles.jsonl import read_jsonl, write_jsonl
from bench.errors import ConfigError, NoArticlesError
from bench.records import Article

__all__ = ["load", "names", "read_jsonl", "write_jsonl"]


def load(source: str, limit: int | None = None) -> tuple[Article, ...]:
    """The first `limit` articles (all if None) of a named source or of a `.jsonl` file.

    Raises NoArticlesError where nothing is left to measure on, ConfigError for an unknown source and
    for a file that holds something else.
    """
    if limit is not None and limit < 1:
        raise NoArticlesError(f"articles: the limit is {limit}; set it to 1 or more, or leave it out for all")
    path = Path(source).expanduser()
    found = read_jsonl(path) if path.suffix.lower() == ".jsonl" else _from_source(source)
    if not found:
        raise NoArticlesError(f"articles: source {source!r} gave none; choose another source")
    return found[:limit]


def names() -> tuple[str, ...]:
    """The names of the sources."""
    return plugins.names(sources.ROOM, ".py")


def _from_source(name: str) -> tuple[Article, ...]:
    try:
        source = sources.get(name)
    except ConfigError as error:
        raise ConfigError(f"{error}; or give the path of a .jsonl file of articles") from error
    return tuple(source.articles())
