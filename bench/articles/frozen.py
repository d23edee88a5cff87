"""Frozen sets: articles that never change again, with what they are and where they came from.

    articles/<name>.jsonl             the articles, one a line
    articles/<name>.manifest.json     digest of that file, sources, times, text hashes, tool versions

In: articles. Out: the two files, or the articles of a set whose digest still fits. A name means one content
for ever: freezing the same again changes nothing, freezing something else is refused.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from bench import provenance, store
from bench.articles import sources
from bench.articles.jsonl import read_jsonl
from bench.errors import NoArticlesError, StorageError, UsageError, disk_errors
from bench.plugins import names
from bench.records import Article, Record

ROOT = Path("articles")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_TOOLS = (
    "bench", "trafilatura", "lxml", "beautifulsoup4", "feedparser", "htmldate", "httpx2", "protego",
)  # fmt: skip


class FrozenArticle(Record):
    """What the manifest says of one article."""

    id: str
    text_sha256: str
    url: str | None
    source: str
    published_at: datetime | None
    fetched_at: datetime | None


class SetManifest(Record):
    """What a frozen set is."""

    schema_version: int = 1
    name: str
    """The set's name."""
    digest: str
    """`sha256:...` of the .jsonl file."""
    n_articles: int
    """How many there are."""
    created_at: datetime
    """When it was frozen (UTC)."""
    sources: dict[str, int]
    """Articles by source."""
    settings: dict[str, Any]
    """The `articles` section they were collected with."""
    left_out: dict[str, int]
    """Leads that were not kept, by reason."""
    tools: dict[str, str | None]
    """Versions of what fetched and read them."""
    articles: tuple[FrozenArticle, ...]
    """One by one, in the order of the set."""


def freeze(
    name: str,
    articles: tuple[Article, ...],
    settings: dict[str, Any],
    left_out: dict[str, int],
    root: Path = ROOT,
) -> SetManifest:
    """Write a set. UsageError for a name that is taken by other articles, NoArticlesError for none."""
    _check_name(name)
    if not articles:
        raise NoArticlesError(f"nothing to freeze as {name!r}: no article was kept")
    content = b"".join(article.model_dump_json().encode("utf-8") + b"\n" for article in articles)
    manifest = _manifest(name, content, articles, settings, left_out)
    articles_path, manifest_path = paths(name, root)
    if manifest_path.exists():
        there = read_manifest(name, root)
        if _content_id(there) != _content_id(manifest):
            raise UsageError(f"{articles_path}: {name!r} is frozen with other articles; choose another name")
        load(name, root)
        return there
    if articles_path.exists():
        raise UsageError(f"{articles_path} is there without a manifest; move it or choose another name")
    with disk_errors(root):
        root.mkdir(parents=True, exist_ok=True)
    store.write_whole(articles_path, content)
    # last, so that a set with a manifest is always whole
    store.write_whole(manifest_path, manifest.model_dump_json(indent=2).encode("utf-8") + b"\n")
    return manifest


def load(name: str, root: Path = ROOT) -> tuple[Article, ...]:
    """The articles of a set; StorageError where they are not those that were frozen."""
    manifest = read_manifest(name, root)
    path = paths(name, root)[0]
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}; restore it") from error
    if digest_of(content) != manifest.digest:
        raise StorageError(
            f"{path} was changed since it was frozen; restore it, or freeze it under another name"
        )
    return read_jsonl(path)


def read_manifest(name: str, root: Path = ROOT) -> SetManifest:
    """The manifest of a set; UsageError where there is none of that name."""
    _check_name(name)
    path = paths(name, root)[1]
    try:
        return SetManifest.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        known = ", ".join(list_sets(root)) or "none yet; `bench articles freeze` makes one"
        raise UsageError(f"no frozen set {name!r} in {root}; there are: {known}") from error
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}") from error
    except ValidationError as error:
        raise StorageError(f"{path}: not a manifest: {error.errors()[0]['msg']}; restore it") from error


def list_sets(root: Path = ROOT) -> list[str]:
    """The names of the frozen sets."""
    return sorted(p.name.removesuffix(".manifest.json") for p in root.glob("*.manifest.json"))


def is_frozen(name: str, root: Path = ROOT) -> bool:
    """Whether there is a set of this name."""
    return bool(_NAME.fullmatch(name)) and paths(name, root)[1].is_file()


def paths(name: str, root: Path = ROOT) -> tuple[Path, Path]:
    """The two files of a set."""
    return root / f"{name}.jsonl", root / f"{name}.manifest.json"


def digest_of(content: bytes) -> str:
    """The digest of a set's file."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name) or name.endswith((".jsonl", ".manifest")):
        raise UsageError(
            f"{name!a} cannot name a set; use letters, digits, `.`, `_` and `-`, without a suffix"
        )
    if name in names(sources.ROOM, ".py"):
        raise UsageError(f"{name!r} is the name of a source; choose another name for the set")


def _content_id(manifest: SetManifest) -> str:
    """What a set holds, but for when it was fetched: freezing the same twice is the same."""
    return json.dumps([[a.id, a.text_sha256, a.url] for a in manifest.articles])


def _manifest(
    name: str,
    content: bytes,
    articles: tuple[Article, ...],
    settings: dict[str, Any],
    left_out: dict[str, int],
) -> SetManifest:
    return SetManifest(
        name=name,
        digest=digest_of(content),
        n_articles=len(articles),
        created_at=datetime.now(UTC),
        sources=dict(Counter(article.source for article in articles)),
        settings=settings,
        left_out=left_out,
        tools={tool: provenance.package_version(tool) for tool in _TOOLS},
        articles=tuple(
            FrozenArticle(
                id=a.id,
                text_sha256=hashlib.sha256(a.text.encode("utf-8")).hexdigest(),
                url=a.url,
                source=a.source,
                published_at=a.published_at,
                fetched_at=a.fetched_at,
            )
            for a in articles
        ),
    )
