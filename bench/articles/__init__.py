"""Articles: where the texts come from that every arm is asked about.

In: the `articles` section of a config. Out: Article records in a stable order. `load` is for a run: it takes
what does not change by itself (the bundled articles, files, frozen sets); what is fetched is collected and
frozen first, by `bench.articles.collect` and `bench.articles.frozen`. It renders no prompt and judges no
answer; a run keeps its own copy of the articles, so nothing here is read again once a run has begun.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from bench import plugins
from bench.articles import frozen, sources
from bench.articles.jsonl import read_jsonl, write_jsonl
from bench.config import ArticlesConfig
from bench.errors import ConfigError, MissingExtraError, NoArticlesError
from bench.records import Article

__all__ = ["Found", "find", "identity", "load", "names", "read_jsonl", "write_jsonl"]


class Found(NamedTuple):
    """What a source gives to a run."""

    articles: tuple[Article, ...]
    left_out: Mapping[str, int] = MappingProxyType({})
    """How many were not taken, by the word that says why; those beyond the limit are not counted."""


def load(source: str | ArticlesConfig, limit: int | None = None) -> tuple[Article, ...]:
    """The first `limit` articles (all if None) of a source, a `.jsonl` file or a frozen set.

    Raises NoArticlesError where nothing is left to measure on, ConfigError for an unknown source, for one
    that has to be fetched and frozen first, and for a file that holds something else.
    """
    if isinstance(source, str) and limit is not None and limit < 1:
        raise NoArticlesError(f"articles: the limit is {limit}; set it to 1 or more, or leave it out for all")
    settings = source if isinstance(source, ArticlesConfig) else ArticlesConfig(source=source, limit=limit)
    return find(settings).articles


def find(settings: ArticlesConfig) -> Found:
    """What `load` gives, and how many texts were left out on the way, by reason."""
    found = _from(settings)
    if not found.articles:
        raise NoArticlesError(f"articles: source {settings.source!r} gave none; choose another source")
    return found._replace(articles=found.articles[: settings.limit])


def names() -> tuple[str, ...]:
    """The names of the sources."""
    return plugins.names(sources.ROOM, ".py")


def identity(settings: ArticlesConfig) -> dict[str, Any]:
    """What a run's manifest says of the articles it took: the source, and a frozen set's digest."""
    if settings.source in names() or not _is_set(settings.source):
        return {"source": settings.source}
    return {"source": settings.source, "digest": frozen.read_manifest(_set_name(settings.source)).digest}


def _is_set(source: str) -> bool:
    """Whether a source is a frozen set, by its name or by its file's path."""
    path = Path(source)
    return frozen.is_frozen(source) or (path.parent == frozen.ROOT and frozen.is_frozen(_set_name(source)))


def _set_name(source: str) -> str:
    return Path(source).name.removesuffix(".jsonl")


def _from(settings: ArticlesConfig) -> Found:
    path = Path(settings.source).expanduser()
    if settings.source in sources.FETCHED:
        raise ConfigError(
            f"articles: what the source {settings.source!r} gives changes by the hour; keep it with "
            "`bench articles freeze NAME` and set `source: NAME`"
        )
    if settings.source not in names() and _is_set(settings.source):
        return Found(frozen.load(_set_name(settings.source)))
    if path.suffix.lower() == ".jsonl":
        return Found(read_jsonl(path))
    try:
        plugins.locate(sources.ROOM, settings.source)
    except ConfigError as error:
        sets = ", ".join(frozen.list_sets()) or "none"
        raise ConfigError(
            f"{error}; or give the path of a .jsonl file of articles, or a frozen set ({sets})"
        ) from error
    return _collected(settings)


def _collected(settings: ArticlesConfig) -> Found:
    """A local source through the same steps as a fetched one; the bundled articles need none of them."""
    is_as_it_is = not (settings.relevant_only or settings.max_age_days or settings.all_companies)
    if settings.source == "sample" and is_as_it_is:
        from bench.articles.sources import sample

        return Found(tuple(sample.articles()))
    try:
        from bench.articles.collect import collect
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"articles: {error.name} is not installed; pip install 'bench[articles]'"
        ) from error
    collection = collect(settings)
    if not collection.articles:
        reasons = ", ".join(f"{n} {status}" for status, n in collection.counts.items()) or "it is empty"
        raise NoArticlesError(f"articles: source {settings.source!r} gave none ({reasons})")
    reasons_of = {
        status: n for status, n in collection.counts.items() if status not in ("kept", "over_limit")
    }
    return Found(collection.articles, reasons_of)
