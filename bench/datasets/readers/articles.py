"""Frozen articles: what `bench articles freeze` wrote, or any file in that form.

In: a .jsonl file of Articles. Out: one row an article with headline, company, parts, label and score.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from bench.datasets.readers import Counts, FileOptions, one_file
from bench.datasets.row import Row
from bench.errors import ConfigError
from bench.records import Article

LICENCE = None
CREDIT = None


class Options(FileOptions):
    """The file."""


inputs = one_file


def read(options: Options, root: Path, counts: Counts) -> Iterator[Row]:
    """Its articles."""
    for path in inputs(options, root):
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield _row(line, path, number)


def _row(line: bytes, path: Path, number: int) -> Row:
    try:
        article = Article.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "line"
        raise ConfigError(f"{path}:{number}: {where}: {first['msg']}") from error
    return Row(
        text=article.text,
        title=article.title,
        entity=article.entity.name if article.entity else None,
        label=article.label,
        score=article.reference_score,
        parts=tuple(article.parts.items()),
        id=article.url or article.id,
        place=f"{path.name}:{number}",
    )
