"""Tasks: what is asked about an article, and what a right-shaped answer is. One file a task.

In: a task's YAML file (by name from this folder, or a user's file by path) and an article.
Out: a frozen Task, and the Prompt that every arm of one style gets. It judges no answer: the
answer schema goes to `bench.validation`.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from bench import plugins
from bench.errors import ConfigError
from bench.identity import canonical_json, content_id
from bench.records import AnswerSchema, Article, Entity, Message, Prompt, Record, Style, Text

ROOM = "tasks"
_PLACEHOLDER = re.compile(r"\{(entity|article)\}")
_DELIMITER = re.compile(r"<(\s*/?\s*article)", re.IGNORECASE)


class Example(Record):
    """One worked example; in `few_shot` it becomes a user turn and an assistant turn."""

    entity: Entity | None = None
    """Who the example's question is about."""
    article: Text
    """The example's text."""
    answer: dict[str, Any]
    """The right answer, written as the model should write it."""


class Task(Record):
    """A question with its wording, its examples and the schema of its answers."""

    name: str
    """Name, recorded with every prompt."""
    version: str
    """Raised whenever wording, examples or schema change."""
    description: str = ""
    """One line for `bench tasks`."""
    system: Text
    """The system message, the same for every article."""
    user: Text
    """The user's turn; `{entity}` and `{article}` are filled in."""
    no_entity: Text = "the main subject of the article"
    """What `{entity}` becomes when the article has none."""
    examples: tuple[Example, ...] = ()
    """The worked examples of the `few_shot` style, in order."""
    answer: AnswerSchema
    """What a valid answer is."""
    labels: tuple[str, ...] = ()
    """The labels items may carry, in their natural order."""

    @property
    def digest(self) -> str:
        """Hash of everything that decides what a model sees and how it is judged."""
        return content_id(self.model_dump(mode="json"))

    def render(self, article: Article, style: Style) -> Prompt:
        """The prompt for one article in one style."""
        messages = [Message(role="system", content=self.system)]
        if style == "few_shot":
            for example in self.examples:
                messages.append(self._user_turn(example.entity, None, example.article))
                messages.append(Message(role="assistant", content=answer_text(example.answer)))
        messages.append(self._user_turn(article.entity, article.title, article.text))
        identity = [self.name, self.version, style, [m.model_dump() for m in messages]]
        return Prompt(
            id=content_id(identity),
            task=self.name,
            task_version=self.version,
            style=style,
            article_id=article.id,
            messages=tuple(messages),
        )

    def _user_turn(self, entity: Entity | None, title: str | None, text: str) -> Message:
        body = f"{title}\n\n{text}" if title else text
        values = {"entity": _name(entity) or self.no_entity, "article": delimited(body)}
        # one pass, so that a placeholder inside an article stays text
        content = _PLACEHOLDER.sub(lambda match: values[match.group(1)], self.user)
        return Message(role="user", content=content)


def _name(entity: Entity | None) -> str | None:
    if entity is None:
        return None
    name = " ".join(entity.name.split())
    return f"{name} ({entity.ticker})" if entity.ticker else name


def delimited(text: str) -> str:
    """`text` between `<article>` tags that nothing inside it can close."""
    inert = _DELIMITER.sub(r"&lt;\1", text.strip())
    return f"<article>\n{inert}\n</article>"


def answer_text(answer: dict[str, Any]) -> str:
    """An example's answer as the model should write it: one line of JSON, keys in the given order."""
    return json.dumps(answer, ensure_ascii=False)


def load(name_or_path: str) -> Task:
    """A task by its name, or from a user's `.yaml` file by path. ConfigError says what is wrong."""
    is_path = name_or_path.endswith((".yaml", ".yml"))
    path = Path(name_or_path) if is_path else plugins.locate(ROOM, name_or_path)
    try:
        task = Task.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigError(f"task {path}: {error.strerror}; give a task's name or a readable file") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"task {path}: not YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"task {path}: {where}: {first['msg']}") from error
    canonical_json(task.model_dump(mode="json"))  # refuses NaN and infinities in examples
    return task


def names() -> tuple[str, ...]:
    """The names of the shipped tasks."""
    return plugins.names(ROOM, ".yaml")
