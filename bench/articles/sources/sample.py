"""The bundled articles: news written for this project about invented companies, with labels.

In: `_sample/articles.yaml`. Out: its articles in file order, the labels taking turns so that the first
N are balanced too. `topic` and `why` in the file are for people and are left behind here; `fetched_at`
stays empty, so that the records are the same bytes on every machine.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from bench.articles.sources import Failed, Get, Lead
from bench.config import ArticlesConfig
from bench.records import Article, Entity

DATA = Path(__file__).with_name("_sample") / "articles.yaml"
_FOR_PEOPLE = {"topic", "why"}


class Source:
    """The bundled articles."""

    def __init__(self, settings: ArticlesConfig) -> None:
        """It needs no settings."""

    async def leads(self, get: Get) -> list[Lead | Failed]:
        """All of them; nothing is fetched."""
        return [Lead(where=f"sample {article.id}", article=article) for article in articles()]


def articles() -> list[Article]:
    """All of them, in file order."""
    return [_article(record) for record in yaml.safe_load(DATA.read_text(encoding="utf-8"))]


def _article(record: dict[str, Any]) -> Article:
    fields = {key: value for key, value in record.items() if key not in _FOR_PEOPLE}
    identity = Article.make_id(record["text"], Entity(**record["entity"]))
    return Article.model_validate({**fields, "id": identity, "source": "sample"})
