"""Tasks: what is asked about an article, and what a right-shaped answer is. One file a task.

In: a task's YAML file (by name from this folder, or a user's file by path) and an article.
Out: a frozen Task, and the Prompt that every arm of one style gets. It judges no answer: the
answer schema goes to `bench.validation`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import yaml
from pydantic import JsonValue, ValidationError, model_validator

from bench import plugins, validation
from bench.errors import ConfigError
from bench.identity import canonical_json, content_id
from bench.records import AnswerSchema, Article, Entity, Message, Outcome, Prompt, Record, Style, Text

ROOM = "tasks"
_PLACEHOLDER = re.compile(r"\{(entity|article)\}")
_DELIMITER = re.compile(r"<(\s*/?\s*article)", re.IGNORECASE)


class Example(Record):
    """One worked example; in `few_shot` it becomes a user turn and an assistant turn."""

    entity: Entity | None = None
    """Who the example's question is about."""
    article: Text
    """The example's text."""
    answer: dict[str, JsonValue]
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

    @model_validator(mode="after")
    def _asks_and_can_be_answered(self) -> Self:
        if "{article}" not in self.user:
            raise ValueError("user: it has no {article}, so no article would be shown")
        numbers = [field.name for field in self.answer.fields if field.type in {"number", "integer"}]
        for role, name in (("score", self.answer.score), ("confidence", self.answer.confidence)):
            if name is not None and name not in numbers:
                raise ValueError(
                    f"answer.{role}: {name!r} is none of the number fields ({', '.join(numbers)})"
                )
        for place, example in enumerate(self.examples):
            verdict = validation.judge_text(answer_text(example.answer), self.answer)
            if verdict.outcome != Outcome.VALID:
                raise ValueError(f"examples.{place}.answer: {verdict.outcome}: {'; '.join(verdict.errors)}")
        return self

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
            text=_body(article.title, article.text),
        )

    def _user_turn(self, entity: Entity | None, title: str | None, text: str) -> Message:
        name = (_name(entity) if entity else "") or self.no_entity
        values = {"entity": name, "article": delimited(_body(title, text))}
        # one pass, so that a placeholder inside an article stays text
        content = _PLACEHOLDER.sub(lambda match: values[match.group(1)], self.user)
        return Message(role="user", content=content)


def _body(title: str | None, text: str) -> str:
    return f"{title}\n\n{text}" if title else text


def _name(entity: Entity) -> str:
    """The entity on one line; it stands outside the delimiter, so it must not look like one either."""
    name, ticker = (" ".join(part.split()) for part in (entity.name, entity.ticker or ""))
    return _inert(f"{name} ({ticker})" if name and ticker else name or ticker)


def _inert(text: str) -> str:
    """`text` in which no `<article>` or `</article>` is left, whatever its case and spacing."""
    return _DELIMITER.sub(r"&lt;\1", text)


def delimited(text: str) -> str:
    """`text` between `<article>` tags that nothing inside it can close."""
    return f"<article>\n{_inert(text.strip())}\n</article>"


def answer_text(answer: Mapping[str, Any]) -> str:
    """An example's answer as the model should write it: one line of JSON, keys in the given order."""
    return json.dumps(dict(answer), ensure_ascii=False)


def load(name_or_path: str) -> Task:
    """A task by its name, or from a user's `.yaml` file by path. ConfigError says what is wrong."""
    is_path = name_or_path.endswith((".yaml", ".yml"))
    path = Path(name_or_path) if is_path else plugins.locate(ROOM, name_or_path)
    try:
        task = Task.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        canonical_json(task.model_dump(mode="json"))  # refuses NaN and infinities
    except OSError as error:
        raise ConfigError(f"task {path}: {error.strerror}; give a task's name or a readable file") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"task {path}: not UTF-8; save the file as UTF-8") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"task {path}: not YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = "".join(f"{part}." for part in first["loc"])[:-1]
        message = first["msg"].removeprefix("Value error, ")
        raise ConfigError(
            f"task {path}: {where}: {message}" if where else f"task {path}: {message}"
        ) from error
    except RecursionError as error:
        raise ConfigError(f"task {path}: nested too deeply") from error
    except ValueError as error:  # an impossible date, NaN or an infinity
        raise ConfigError(f"task {path}: a value cannot be read: {error}") from error
    return task


def names() -> tuple[str, ...]:
    """The names of the shipped tasks."""
    return plugins.names(ROOM, ".yaml")
