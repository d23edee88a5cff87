"""A task: what is asked about an item, and what a right-shaped answer is.

In: the fields of a task file, and an article. Out: the Prompt that every arm of one style gets. It reads
no file and judges no answer: the answer schema goes to `bench.validation`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Annotated, Any, Self

from pydantic import Field, JsonValue, model_validator

from bench import choices, validation
from bench.errors import ConfigError
from bench.identity import content_id
from bench.records import (
    SCORE_LABELS,
    AnswerSchema,
    Article,
    Entity,
    Message,
    Outcome,
    Prompt,
    Record,
    Style,
    Text,
)
from bench.yaml_file import PlacedError, PlacedGroupError

TAG = "article"
_RESERVED = ("entity", "article", "prompt", "options")
Tag = Annotated[str, Field(pattern=r"^[a-z][a-z_]{0,30}$")]


class Item(Record):
    """One thing to ask about that comes with the task."""

    text: Text = Field(pattern=r"\S")
    """The text."""
    title: Text | None = None
    """The headline."""
    entity: Entity | None = None
    """Who the question is about."""
    parts: dict[str, Text] = Field(default_factory=dict)
    """The named parts that the task shows besides the text."""
    label: Text | None = None
    """The right label, where known."""
    reference_score: float | None = None
    """The right score, where known."""

    def article(self, source: str) -> Article:
        """The item as a run asks about it."""
        identity = Article.make_id(self.text, self.entity, self.parts)
        fields = {name: getattr(self, name) for name in Item.model_fields}
        return Article(id=identity, source=source, **fields)


class Example(Record):
    """One worked example; in `few_shot` it becomes a user turn and an assistant turn."""

    entity: Entity | None = None
    """Who the example's question is about."""
    article: Text
    """The example's text."""
    parts: dict[str, Text] = Field(default_factory=dict)
    """Its parts, as an item has them."""
    answer: JsonValue
    """The right answer: an object with the fields, or the label where the answer is a bare one."""


class Task(Record):
    """A question with its wording, its examples and the schema of its answers."""

    name: str
    """Name, recorded with every prompt."""
    version: str
    """Raised whenever wording, examples or schema change."""
    description: str = ""
    """One line for `bench tasks list`."""
    system: Text = ""
    """The system message, the same for every item; none where it is empty."""
    user: Text
    """The user's turn; `{entity}`, `{article}`, `{options}` and the parts by name are filled in. `{prompt}`
    is the text without anything around it, for items that are whole prompts."""
    tag: Tag = TAG
    """What the text stands between: `<article>` and `</article>`."""
    parts: tuple[Tag, ...] = ()
    """Names of what every item has besides its text, each shown between tags of its name."""
    no_entity: Text = "the main subject of the article"
    """What `{entity}` becomes when the article has none."""
    examples: tuple[Example, ...] = ()
    """The worked examples of the `few_shot` style, in order."""
    answer: AnswerSchema
    """What a valid answer is."""
    labels: tuple[str, ...] = ()
    """The labels items may carry, in their natural order."""
    items: tuple[Item, ...] = ()
    """What a run with `source: sample` asks about."""
    code: str | None = None
    """Digest of the Python file that the task came from, where one did."""

    @model_validator(mode="after")
    def _asks_and_can_be_answered(self) -> Self:
        self._check_wording()
        self._check_answer()
        faults = [*self._example_faults(), *self._item_faults()]
        if faults:
            raise PlacedGroupError(faults)
        return self

    def _example_faults(self) -> Iterator[PlacedError]:
        for place, example in enumerate(self.examples):
            try:
                self._check_example(("examples", place), example)
            except PlacedError as error:
                yield error

    def _item_faults(self) -> Iterator[PlacedError]:
        seen: dict[str, int] = {}
        for place, item in enumerate(self.items):
            fault = self._fault(item)
            first = seen.setdefault(item.article("").id, place)
            if fault is None and first != place:
                fault = f"the same as items.{first}; remove one"
            if fault is not None:
                yield PlacedError(("items", place), fault)

    def _check_wording(self) -> None:
        if "{article}" not in self.user and "{prompt}" not in self.user:
            raise PlacedError(("user",), "it has no {article}, so no article would be shown")
        tags = (self.tag, *self.parts)
        if len(set(tags)) < len(tags) or set(self.parts) & set(_RESERVED):
            raise PlacedError(("parts",), f"a name is there twice, or is one of {', '.join(_RESERVED)}")
        unused = [name for name in self.parts if f"{{{name}}}" not in self.user]
        if unused:
            raise PlacedError(("user",), f"it has no {{{unused[0]}}}, which `parts` declares")
        if self.answer.form == "letter" and "{options}" not in self.user:
            raise PlacedError(("user",), "it has no {options}, so no model could know a letter's meaning")

    def _check_answer(self) -> None:
        answer = self.answer
        numbers = [field.name for field in answer.fields if field.type in {"number", "integer"}]
        for role, name in (("score", answer.score), ("confidence", answer.confidence)):
            if name is not None and name not in numbers:
                shown = ", ".join(numbers) or "there is none"
                raise PlacedError(("answer", role), f"{name!r} is none of the number fields ({shown})")
        if answer.label is not None and answer.label_thresholds is not None:
            raise PlacedError(("answer", "label_thresholds"), "the label is a field already; leave one out")
        if answer.label_thresholds is not None and answer.score is None:
            raise PlacedError(("answer", "label_thresholds"), "there is no score to read them on")
        if answer.label_thresholds is not None and self.labels not in {(), SCORE_LABELS}:
            raise PlacedError(("labels",), f"thresholds on a score give {', '.join(SCORE_LABELS)}")
        if answer.label is not None and self.labels != answer.label_names:
            raise PlacedError(
                ("labels",), f"they are not those of the answer ({', '.join(answer.label_names)})"
            )
        if answer.form != "json" and (same := choices.ambiguous(answer)):
            raise PlacedError(("answer", "tolerates"), f"{same} would be the same")
        if answer.form == "letter" and (answer.label_map or len(self.labels) > len(choices.LETTERS)):
            raise PlacedError(("answer", "form"), "letters go to 26 labels, and have no label_map")

    def _check_example(self, place: tuple[str, int], example: Example) -> None:
        missing = [name for name in self.parts if not example.parts.get(name, "").strip()]
        if missing:
            raise PlacedError((*place, "parts"), f"{missing[0]} is missing")
        if isinstance(example.answer, str) != (self.answer.form != "json"):
            wanted = "an object with the fields" if self.answer.form == "json" else "the label alone"
            raise PlacedError((*place, "answer"), f"the form {self.answer.form} wants {wanted}")
        if self.answer.form != "json":
            if example.answer not in self.labels:
                raise PlacedError(
                    (*place, "answer"), f"{example.answer!r} is none of {', '.join(self.labels)}"
                )
            return
        verdict = validation.judge_text(self.written(example.answer), self.answer)
        if verdict.outcome != Outcome.VALID:
            raise PlacedError((*place, "answer"), f"{verdict.outcome}: {'; '.join(verdict.errors)}")

    def _fault(self, item: Item | Article) -> str | None:
        """What keeps the task from asking about an item, or from knowing whether an answer is right."""
        missing = [name for name in self.parts if not item.parts.get(name, "").strip()]
        if missing:
            return f"the part {missing[0]!r} is missing, which the task shows"
        if item.label is not None and self.labels and item.label not in self.labels:
            known = ", ".join(self.labels)
            return f"the label {item.label!a} is none of {known}"
        limits = self.answer.score_limits
        score = item.reference_score
        if score is not None and limits is not None and not limits[0] <= score <= limits[1]:
            return f"the reference score {score:g} is outside {limits[0]:g} to {limits[1]:g}"
        return None

    def check_articles(self, articles: Iterable[Article]) -> None:
        """ConfigError for the first article that lacks a part, or whose label or score is not the task's."""
        for article in articles:
            fault = self._fault(article)
            if fault:
                remedy = "; `articles.label_map` can map it" if fault.startswith("the label") else ""
                raise ConfigError(
                    f"article {article.id} ({article.source}): {fault}{remedy} (task {self.name})"
                )

    @property
    def digest(self) -> str:
        """Hash of everything that decides what a model sees of an item and how it is judged."""
        return content_id(self.model_dump(mode="json", exclude={"items"}))

    def articles(self) -> tuple[Article, ...]:
        """The items that come with the task."""
        return tuple(item.article(self.name) for item in self.items)

    def written(self, answer: Any) -> str:
        """An example's answer as the model should write it, after a prefix that it is given."""
        if self.answer.form == "json":
            return answer_text(answer)
        return choices.written(answer, self.answer)

    def render(self, article: Article, style: Style) -> Prompt:
        """The prompt for one article in one style; ConfigError where it lacks a part that is shown."""
        missing = [name for name in self.parts if name not in article.parts]
        if missing:
            raise ConfigError(
                f"article {article.id} ({article.source}): the part {missing[0]!r} is missing, which "
                f"the task {self.name} shows"
            )
        messages = [Message(role="system", content=self.system)] if self.system else []
        if style == "few_shot":
            for example in self.examples:
                messages.append(self._user_turn(example.entity, None, example.article, example.parts))
                messages.append(Message(role="assistant", content=self.written(example.answer)))
        messages.append(self._user_turn(article.entity, article.title, article.text, article.parts))
        prefix = self.answer.prefix
        if prefix is not None and self.answer.prefix_as == "turn":
            messages.append(Message(role="assistant", content=prefix))
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

    def _user_turn(
        self, entity: Entity | None, title: str | None, text: str, parts: Mapping[str, str]
    ) -> Message:
        body = _body(title, text)
        tags = (self.tag, *self.parts)
        asked = _inert(_name(entity), tags) if entity else ""
        values = {name: delimited(parts[name], name, tags) for name in self.parts} | {
            "entity": asked or self.no_entity,
            "article": delimited(body, self.tag, tags),
            "prompt": body,
            "options": choices.options(self.answer) if self.answer.label else ", ".join(self.labels),
        }
        # one pass, so that a placeholder inside an article stays text
        content = _placeholders(self.parts).sub(lambda match: values[match[1]], self.user)
        if self.answer.prefix is not None and self.answer.prefix_as == "instruction":
            content += f"\n\nBegin your answer with: {self.answer.prefix}"
        return Message(role="user", content=content)


@lru_cache(maxsize=64)
def _placeholders(parts: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"\{{({'|'.join((*_RESERVED, *parts))})\}}")


@lru_cache(maxsize=64)
def _delimiter(tags: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(rf"<(\s*/?\s*(?:{'|'.join(tags)}))", re.IGNORECASE)


def _body(title: str | None, text: str) -> str:
    return f"{title}\n\n{text}" if title else text


def _name(entity: Entity) -> str:
    """The entity on one line; it stands outside the delimiter, so it must not look like one either."""
    name, ticker = (" ".join(part.split()) for part in (entity.name, entity.ticker or ""))
    return f"{name} ({ticker})" if name and ticker else name or ticker


def _inert(text: str, tags: tuple[str, ...]) -> str:
    """`text` in which no tag such as `<article>` or `</article>` is left, whatever its case and spacing."""
    return _delimiter(tags).sub(r"&lt;\1", text)


def delimited(text: str, tag: str = TAG, tags: tuple[str, ...] = (TAG,)) -> str:
    """`text` between tags that nothing inside it can close, nor anything that has one of the `tags`."""
    return f"<{tag}>\n{_inert(text.strip(), tags)}\n</{tag}>"


def answer_text(answer: Mapping[str, Any]) -> str:
    """An example's answer as the model should write it: one line of JSON, keys in the given order."""
    return json.dumps(dict(answer), ensure_ascii=False)
