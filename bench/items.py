"""Joins a task and the articles: what a run asks about, and whether the task can ask it.

In: a task and the `articles` section of a config. Out: the articles, their labels in the task's words,
each with every part that the task shows. `source: sample` means what comes with the task; a task that
brings nothing is asked about the bundled articles.
"""

from __future__ import annotations

from typing import Any

from bench import articles as article_room
from bench.config import ArticlesConfig
from bench.errors import ConfigError
from bench.records import Article
from bench.tasks import Task

SAMPLE = "sample"


def load(task: Task, settings: ArticlesConfig) -> tuple[Article, ...]:
    """The articles of a run; ConfigError for one that the task cannot ask about or has no such label for."""
    if _come_with_task(task, settings):
        _refuse_unused(task, settings)
        found = task.articles()[: settings.limit]
    else:
        found = article_room.load(settings)
    mapped = tuple(_with_mapped_label(article, settings) for article in found)
    task.check_articles(mapped)
    return mapped


def identity(task: Task, settings: ArticlesConfig) -> dict[str, Any]:
    """What a run's manifest says of the articles it took."""
    if _come_with_task(task, settings):
        return {"source": settings.source, "task": task.name}
    return article_room.identity(settings)


def _come_with_task(task: Task, settings: ArticlesConfig) -> bool:
    return settings.source == SAMPLE and bool(task.items)


def _refuse_unused(task: Task, settings: ArticlesConfig) -> None:
    plain = ArticlesConfig(source=settings.source, limit=settings.limit, label_map=settings.label_map)
    unused = [n for n in ArticlesConfig.model_fields if getattr(settings, n) != getattr(plain, n)]
    if unused:
        raise ConfigError(
            f"articles.{unused[0]}: the items that come with the task {task.name} are taken as they are; "
            "remove it, or choose another source"
        )


def _with_mapped_label(article: Article, settings: ArticlesConfig) -> Article:
    if article.label not in settings.label_map:
        return article
    return article.model_copy(update={"label": settings.label_map[article.label]})
