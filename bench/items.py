"""Joins a task and the articles: what a run asks about, and whether the task can ask it.

In: a task and the `articles` section of a config. Out: the articles, their labels in the task's words,
each with every part that the task shows. `source: sample` means what comes with the task; a task that
brings nothing is asked about the bundled articles.
"""

from __future__ import annotations

from typing import Any

from bench import articles as article_room
from bench.articles import Found
from bench.config import ArticlesConfig
from bench.errors import ConfigError
from bench.records import Article
from bench.tasks import Item, Task

SAMPLE = "sample"


def load(task: Task, settings: ArticlesConfig) -> tuple[Article, ...]:
    """The articles of a run; ConfigError for one that the task cannot ask about or has no such label for."""
    return find(task, settings).articles


def find(task: Task, settings: ArticlesConfig) -> Found:
    """What `load` gives, and how many texts of the source were left out, by reason."""
    if _come_with_task(task, settings):
        _refuse_unused(task, settings)
        found = Found(task.articles()[: settings.limit])
    else:
        found = article_room.find(settings)
    mapped = tuple(_with_mapped_label(article, settings) for article in found.articles)
    if settings.source == SAMPLE and not task.items and not _fit(task, mapped):
        raise ConfigError(
            f"task {task.name}: it brings no `items`, and the bundled news articles do not fit it; add "
            "items, or say in the config's `articles:` what it is asked about"
        )
    task.check_articles(mapped)
    return found._replace(articles=mapped)


def stand_ins(task: Task) -> tuple[Article, ...]:
    """Something to show a task with: what a run asks about by itself, else the task's examples."""
    bundled = article_room.load(ArticlesConfig())
    if task.items or _fit(task, bundled):
        return task.articles() or bundled
    if task.examples:
        shown = (Item(text=e.article, entity=e.entity, parts=e.parts) for e in task.examples)
        return tuple(item.article(task.name) for item in shown)
    blank = {"label": None, "reference_score": None, "parts": dict.fromkeys(task.parts, "...")}
    return tuple(article.model_copy(update=blank) for article in bundled)


def _fit(task: Task, articles: tuple[Article, ...]) -> bool:
    try:
        task.check_articles(articles)
    except ConfigError:
        return False
    return True


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
