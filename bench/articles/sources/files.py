"""Files of one's own: JSON lines, CSV, a folder of texts or of saved pages, or one such file.

In: `articles.path`. Out: leads: whole articles of .jsonl, .csv and .txt, saved pages of .html (also .gz), in
the order of the file or of the names. CSV needs a column `text`; `title`, `url`, `published_at`, `label`,
`reference_score`, `name` and `ticker` are read where there are any. It fetches nothing.
"""

from __future__ import annotations

import asyncio
import csv
import io
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
_COLUMNS = frozenset({"id", "text", "name", "ticker", "source", "fetched_at", *_ARTICLE_COLUMNS})


class Source:
    """The file or folder of the config."""

    def __init__(self, settings: ArticlesConfig) -> None:
        if settings.path is None:
            raise ConfigError("articles.path: the source `files` needs the path of a file or a folder")
        self._path = Path(settings.path).expanduser()

    async def leads(self, get: Get) -> list[Lead | Failed]:
        """What the files hold."""
        return await asyncio.to_thread(_read, self._path)


def _read(path: Path) -> list[Lead | Failed]:
    if not path.exists():
        raise NoArticlesError(f"{path}: no such file or folder; set articles.path to one")
    try:
        if not path.is_dir():
            return _file(path)
        known = (".jsonl", ".csv", *_TEXTS, *_PAGES)
        files = sorted(p for p in path.rglob("*") if p.is_file() and p.name.lower().endswith(known))
        return [lead for file in files for lead in _file(file)]
    except OSError as error:
        raise NoArticlesError(f"{error.filename or path}: cannot be read: {error.strerror}") from error


def _file(path: Path) -> list[Lead | Failed]:
    name = path.name.lower()
    if name.endswith(".jsonl"):
        return [Lead(where=f"{path.name} {a.id}", article=a) for a in read_jsonl(path)]
    if name.endswith(".csv"):
        return list(_csv(path))
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


def _csv(path: Path) -> list[Lead | Failed]:
    rows = csv.DictReader(io.StringIO(decoded(path.read_bytes()).lstrip("\ufeff"), newline=""), strict=True)
    leads: list[Lead | Failed] = []
    try:
        columns = [c.strip().lower() for c in rows.fieldnames or ()]
        if "text" not in columns:
            raise ConfigError(f"{path}:1: no column `text`; there are: {', '.join(columns) or 'none'}")
        if unknown := [c for c in columns if c not in _COLUMNS]:
            raise ConfigError(
                f"{path}:1: unknown column {unknown[0]!a}; known: {', '.join(sorted(_COLUMNS))}"
            )
        rows.fieldnames = columns
        for row in rows:
            leads.append(_row(row, f"{path.name}:{rows.line_num}"))
    except csv.Error as error:
        raise ConfigError(f"{path}:{rows.line_num}: not CSV: {error}") from error
    return leads


def _row(row: dict[str, str | None], where: str) -> Lead | Failed:
    text = (row.get("text") or "").strip()
    if not text:
        return Failed(where, "empty", "there is no text in it")
    name, ticker = (row.get("name") or "").strip(), (row.get("ticker") or "").strip()
    entity = Entity(name=name or ticker, ticker=ticker or None) if name or ticker else None
    fields = {c: row[c] for c in _ARTICLE_COLUMNS if (row.get(c) or "").strip()}
    try:
        article = Article.model_validate(
            {**fields, "id": Article.make_id(text, entity), "text": text, "source": "files", "entity": entity}
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"{where}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    return Lead(where=where, article=article)
