"""Frozen articles as JSON lines: the file a user keeps, and the file `bench` writes.

    {"text": "...", "title": "...", "entity": {"name": "...", "ticker": null}, "label": "positive"}

In: a path. Out: Article records, every line checked, or an error that names file and line. `text` is
the only key a line must have: `id` follows from text, entity and parts, `source` is the file's name where
it is missing. Labels and scores are not compared with any task here.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from bench import store
from bench.errors import ConfigError, NoArticlesError, StorageError, disk_errors
from bench.records import Article


def read_jsonl(path: Path) -> tuple[Article, ...]:
    """The articles of a file, in its order; blank lines are passed over.

    Raises NoArticlesError where there is no such file or no article in it, StorageError where it cannot
    be read, ConfigError for the first line that is not an article or repeats an earlier one.
    """
    first_seen: dict[str, int] = {}
    articles: list[Article] = []
    for number, line in _lines(path):
        article = _article(line, path, number)
        earlier = first_seen.setdefault(article.id, number)
        if earlier != number:
            raise ConfigError(
                f"{path}:{number}: the same text and entity as line {earlier} (id {article.id}); remove one"
            )
        articles.append(article)
    if not articles:
        raise NoArticlesError(f"{path}: no article in it; write one JSON object with a `text` on each line")
    return tuple(articles)


def write_jsonl(path: Path, articles: Iterable[Article]) -> None:
    """Write articles so that a reader sees the old or the new file, and never a part; StorageError."""
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    store.write_articles(path, tuple(articles))


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Line numbers (from 1) and lines. Only a newline ends one: U+2028 may stand inside a JSON text."""
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise NoArticlesError(f"{path}: no such file; give the path of a .jsonl file of articles") from error
    except IsADirectoryError as error:
        raise NoArticlesError(f"{path}: a folder, not a file; name a .jsonl file of articles") from error
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}; check the path and its rights") from error
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        if line.strip():
            yield number, line


def _article(line: bytes, path: Path, number: int) -> Article:
    where = f"{path}:{number}"
    record = _json_object(line, where)
    given_id = record.get("id")
    try:
        # as JSON again, because only in JSON does pydantic's strict mode take a date from text
        checked = json.dumps({"source": path.name, **record, "id": given_id or ""}, allow_nan=False)
        article = Article.model_validate_json(checked, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "line"
        raise ConfigError(f"{where}: {field}: {first['msg']}") from error
    if not article.text.strip():
        raise ConfigError(f"{where}: text: it is blank; remove the line or give the article's text")
    identity = Article.make_id(article.text, article.entity, article.parts)
    if given_id not in (None, identity):
        raise ConfigError(
            f"{where}: id: {given_id!a} does not belong to this text, entity and parts ({identity} does); "
            "leave the id out to have it computed"
        )
    return article.model_copy(update={"id": identity})


def _json_object(line: bytes, where: str) -> dict[str, Any]:
    """One line as a JSON object, by rules as strict as those for a model's answer."""
    try:
        value = json.loads(line.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{where}: not UTF-8 (byte {error.start + 1}); save the file as UTF-8") from error
    except UnicodeEncodeError as error:
        raise ConfigError(f"{where}: half of a surrogate pair (\\uD800 to \\uDFFF); remove it") from error
    except json.JSONDecodeError as error:
        raise ConfigError(f"{where}: not JSON: {error.msg} at column {error.colno}") from error
    except ValueError as error:
        raise ConfigError(f"{where}: not JSON: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"{where}: nested too deeply for an article") from error
    if not isinstance(value, dict):
        raise ConfigError(f"{where}: not a JSON object; each line is one article, {{...}}")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        raise ValueError(f"the key {twice!a} stands twice")
    return record


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number in JSON")
