"""Files of one's own: JSON lines, CSV, a folder of texts or of saved pages, or one such file.

In: `articles.path`. Out: leads: whole articles of .jsonl, .csv and .txt, saved pages of .html (also .gz), in
the order of the file or of the names. CSV needs a column `text`; `title`, `url`, `published_at`, `label`,
`reference_score`, `name`, `ticker`, `parts.NAME` and `groups.NAME` are read where there are any. A table with
other columns needs `articles.columns`, which says where each of these is found; the rest is then left alone.
It fetches nothing.
"""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from bench.articles.extract.decode import decoded
from bench.articles.feeds import FeedError, inflated
from bench.articles.jsonl import read_jsonl
from bench.articles.sources import Failed, Get, Lead
from bench.config import ArticlesConfig
from bench.errors import ConfigError, NoArticlesError
from bench.records import Article, Entity

_PAGES = (".html", ".htm", ".xhtml", ".html.gz", ".htm.gz")
_TEXTS = (".txt",)
_ARTICLE_COLUMNS = ("title", "url", "published_at", "label", "reference_score")
_PART, _GROUP = "parts.", "groups."
_COLUMNS = frozenset({"id", "text", "name", "ticker", "source", "fetched_at", *_ARTICLE_COLUMNS})


class Source:
    """The file or folder of the config."""

    def __init__(self, settings: ArticlesConfig) -> None:
        if settings.path is None:
            raise ConfigError("articles.path: the source `files` needs the path of a file or a folder")
        self._path = Path(settings.path).expanduser()
        self._columns = settings.columns

    async def leads(self, get: Get) -> list[Lead | Failed]:
        """What the files hold."""
        return await asyncio.to_thread(_read, self._path, self._columns)


def _read(path: Path, columns: Mapping[str, str]) -> list[Lead | Failed]:
    if not path.exists():
        raise NoArticlesError(f"{path}: no such file or folder; set articles.path to one")
    try:
        if not path.is_dir():
            return _file(path, columns)
        known = (".jsonl", ".csv", *_TEXTS, *_PAGES)
        files = sorted(p for p in path.rglob("*") if p.is_file() and p.name.lower().endswith(known))
        return [lead for file in files for lead in _file(file, columns)]
    except OSError as error:
        raise NoArticlesError(f"{error.filename or path}: cannot be read: {error.strerror}") from error


def _file(path: Path, columns: Mapping[str, str]) -> list[Lead | Failed]:
    name = path.name.lower()
    if name.endswith(".jsonl"):
        return [Lead(where=f"{path.name} {a.id}", article=a) for a in read_jsonl(path)]
    if name.endswith(".csv"):
        return list(_csv(path, columns))
    if name.endswith(_TEXTS):
        text = decoded(path.read_bytes()).strip()
        return (
            [_text_lead(path.name, text)] if text else [Failed(path.name, "empty", "there is no text in it")]
        )
    if name.endswith(_PAGES):
        try:
            return [Lead(where=path.name, page=inflated(path.read_bytes()))]
        except FeedError as error:
            return [Failed(path.name, "encoding", str(error))]
    raise ConfigError(f"{path}: not .jsonl, .csv, .txt or .html; give one of these, or a folder of them")


def _text_lead(where: str, text: str) -> Lead:
    return Lead(where=where, article=Article(id=Article.make_id(text, None), text=text, source="files"))


def _csv(path: Path, wanted: Mapping[str, str]) -> list[Lead | Failed]:
    rows = csv.reader(io.StringIO(decoded(path.read_bytes()).lstrip("\ufeff"), newline=""), strict=True)
    leads: list[Lead | Failed] = []
    try:
        header = next(rows, [])
        places = _named_columns(header, wanted, path) if wanted else _plain_columns(header, path)
        for cells in rows:
            if cells:
                whole = [*cells, *[""] * (len(header) - len(cells))]
                row = {name: whole[place] for name, place in places.items()}
                leads.append(_row(row, f"{path.name}:{rows.line_num}"))
    except csv.Error as error:
        raise ConfigError(f"{path}:{rows.line_num}: not CSV: {error}") from error
    return leads


def _plain_columns(header: list[str], path: Path) -> dict[str, int]:
    """Where each column is in a table that has our names."""
    columns = [c.strip().lower() for c in header]
    if "text" not in columns:
        raise ConfigError(
            f"{path}:1: no column `text`; there are: {', '.join(columns) or 'none'}; "
            "`articles.columns` can say which one it is"
        )
    if unknown := [c for c in columns if not _is_known(c)]:
        raise ConfigError(
            f"{path}:1: unknown column {unknown[0]!a}; known: {', '.join(sorted(_COLUMNS))}, parts.NAME, "
            "groups.NAME; with `articles.columns` the others are left alone"
        )
    return {name: place for place, name in enumerate(columns)}


def _named_columns(header: list[str], wanted: Mapping[str, str], path: Path) -> dict[str, int]:
    """Where each column is in a table that has names of its own."""
    if "text" not in wanted or not all(map(_is_known, wanted)):
        raise ConfigError(
            f"articles.columns: names the column of `text`, and of any of {', '.join(sorted(_COLUMNS))}, "
            f"parts.NAME, groups.NAME; found {', '.join(map(ascii, wanted))}"
        )
    missing = [column for column in wanted.values() if header.count(column) != 1]
    if missing:
        raise ConfigError(
            f"{path}:1: not one column {missing[0]!a}; there are: {', '.join(map(ascii, header))}"
        )
    return {name: header.index(column) for name, column in wanted.items()}


def _is_known(name: str) -> bool:
    kind, point, rest = name.partition(".")
    return name in _COLUMNS or (f"{kind}{point}" in {_PART, _GROUP} and bool(rest))


def _row(row: dict[str, str], where: str) -> Lead | Failed:
    text = row["text"].strip()
    if not text:
        return Failed(where, "empty", "there is no text in it")
    name, ticker = (row.get(key, "").strip() for key in ("name", "ticker"))
    entity = Entity(name=name or ticker, ticker=ticker or None) if name or ticker else None
    parts, groups = (_named(row, prefix) for prefix in (_PART, _GROUP))
    fields = {c: row[c] for c in _ARTICLE_COLUMNS if row.get(c, "").strip()}
    identity = Article.make_id(text, entity, parts)
    try:
        given = {"source": "files", "entity": entity, "parts": parts, "groups": groups}
        article = Article.model_validate({**fields, **given, "id": identity, "text": text})
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"{where}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    return Lead(where=where, article=article)


def _named(row: Mapping[str, str], prefix: str) -> dict[str, str]:
    """The cells of the columns that begin with `prefix`, by the rest of their names; no blank ones."""
    return {c.removeprefix(prefix): cell for c, cell in row.items() if c.startswith(prefix) and cell.strip()}
