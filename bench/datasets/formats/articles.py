"""Articles as `bench run` asks about them: a test set to measure on, with its labels.

In: an Example. Out: a line that `articles.path` and `bench articles freeze` read, one Article.
"""

from __future__ import annotations

from bench.datasets.formats import Example
from bench.records import Article, Entity

SUFFIX = ".jsonl"
NEEDS_TASK = False


def line(example: Example) -> str:
    """The row as an Article."""
    row = example.row
    entity = Entity(name=row.entity) if row.entity else None
    parts = dict(row.parts)
    article = Article(
        id=Article.make_id(row.text, entity, parts),
        text=row.text,
        title=row.title,
        source=row.source or "dataset",
        entity=entity,
        label=row.label,
        reference_score=row.score,
        parts=parts,
    )
    return article.model_dump_json(exclude_none=True, exclude_defaults=True)
