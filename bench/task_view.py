"""Joins a task with what it asks about: how it looks to a model, and what its writer should know of it.

    bench tasks list | show TASK | check TASK

In: a task's name or file, and for tokens a model. Out: a line for each shipped task, one prompt with its
size in every style, or what a check found. A broken file is a ConfigError with file and line; what a
check notes is no mistake, but likely not meant. It loads no weights and asks no model.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from bench import backends, choices, items, tasks
from bench.backends import CountsTokens
from bench.config import ArticlesConfig
from bench.errors import UsageError
from bench.records import Article, Form, Message, Prompt, Record, Style
from bench.tasks import Task

STYLES: tuple[Style, ...] = get_args(Style)


class TaskRow(Record):
    """A task in one line."""

    name: str
    """What `task:` calls it."""
    version: str
    """Its version."""
    form: Form
    """What an answer looks like."""
    labels: tuple[str, ...]
    """What an answer can be read as."""
    n_examples: int
    """Examples of the few-shot style."""
    n_items: int
    """Items that come with it."""
    description: str
    """What it asks."""


class PromptSize(Record):
    """What a style costs before any answer."""

    n_messages: int
    """Turns of the conversation."""
    n_characters: int
    """Characters of all turns."""
    n_tokens: int | None = None
    """Tokens for the model that was named, template included; None without one, or where it refuses."""


class PromptView(Record):
    """One item as a model is shown it."""

    task: str
    """The task's name."""
    version: str
    """Its version."""
    style: Style
    """The style shown."""
    article_id: str
    """The item."""
    label: str | None
    """Its right label, where known; the model does not see it."""
    place: int
    """Which of the items, from 1."""
    n_items: int
    """How many there are."""
    messages: tuple[Message, ...]
    """The conversation."""
    answer: str
    """What a valid answer is, in words."""
    sizes: dict[str, PromptSize]
    """The item's prompt in each style."""
    model: str | None = None
    """The model whose tokens were counted."""


class TaskCheck(Record):
    """What a check of a sound task found."""

    task: TaskRow
    """The task."""
    digest: str
    """Digest of all that decides what a model sees and how it is judged."""
    n_asked: int
    """Items that were looked at; where a task brings none, the bundled articles or its examples."""
    n_labelled: int
    """Those of them with a right label or score."""
    longest: dict[str, PromptSize]
    """The longest prompt of its items in each style."""
    notes: tuple[str, ...]
    """What is likely not meant."""


def rows() -> tuple[TaskRow, ...]:
    """The shipped tasks."""
    return tuple(row(tasks.load(name)) for name in tasks.names())


def row(task: Task) -> TaskRow:
    """A task in one line."""
    return TaskRow(
        name=task.name,
        version=task.version,
        form=task.answer.form,
        labels=task.labels or task.answer.label_names,
        n_examples=len(task.examples),
        n_items=len(task.items),
        description=task.description,
    )


def view(
    task: Task,
    style: Style,
    place: int = 1,
    model: str | None = None,
    articles: ArticlesConfig | None = None,
) -> PromptView:
    """One item, `place` from 1, in one style: of those `articles` names, else of the task's stand-ins."""
    found = _asked(task, articles)
    if not 1 <= place <= len(found):
        raise UsageError(f"task {task.name}: no item {place}; there are 1 to {len(found)}")
    article = found[place - 1]
    prompts = {each: task.render(article, each) for each in STYLES}
    counts = _n_tokens(tuple(prompts.values()), model)
    return PromptView(
        task=task.name,
        version=task.version,
        style=style,
        article_id=article.id,
        label=article.label,
        place=place,
        n_items=len(found),
        messages=prompts[style].messages,
        answer=answer_in_words(task),
        sizes={each: _size(prompts[each], n) for each, n in zip(prompts, counts, strict=True)},
        model=model,
    )


def check(task: Task, model: str | None = None, articles: ArticlesConfig | None = None) -> TaskCheck:
    """Every item in every style, rendered, and what the writer of the task should know."""
    found = _asked(task, articles)
    longest = {}
    for style in STYLES:
        prompts = [task.render(article, style) for article in found]
        _refuse_equal(task, style, prompts, found)
        longest[style] = max(prompts, key=_n_characters)
    counts = _n_tokens(tuple(longest.values()), model)
    return TaskCheck(
        task=row(task),
        digest=task.digest,
        n_asked=len(found),
        n_labelled=sum(a.label is not None or a.reference_score is not None for a in found),
        longest={each: _size(longest[each], n) for each, n in zip(longest, counts, strict=True)},
        notes=tuple(_notes(task, found, is_own=articles is None)),
    )


def _asked(task: Task, articles: ArticlesConfig | None) -> tuple[Article, ...]:
    return items.stand_ins(task) if articles is None else items.load(task, articles)


def answer_in_words(task: Task) -> str:
    """What a valid answer is."""
    schema = task.answer
    if schema.form == "json":
        return "one JSON object: " + ", ".join(f"{f.name} ({f.type})" for f in schema.fields)
    known = ", ".join(choices.texts(schema))
    what = f"one of the letters {known}" if schema.form == "letter" else f"one of {known}"
    tolerated = f", tolerating {', '.join(schema.tolerates)}" if schema.tolerates else ""
    begun = f', after "{schema.prefix}"' if schema.prefix else ""
    return f"{what} and nothing else{begun}{tolerated}"


# ---------------------------------------------------------------- sizes


def _n_characters(prompt: Prompt) -> int:
    return sum(len(message.content) for message in prompt.messages)


def _size(prompt: Prompt, n_tokens: int | None) -> PromptSize:
    return PromptSize(n_messages=len(prompt.messages), n_characters=_n_characters(prompt), n_tokens=n_tokens)


def _n_tokens(prompts: tuple[Prompt, ...], model: str | None) -> list[int | None]:
    """Tokens of prompts for a model: a GGUF file, or a folder that transformers reads."""
    if model is None:
        return [None] * len(prompts)
    name = "hf" if Path(model).is_dir() else "llama_cpp"
    backend = backends.get(name)
    assert isinstance(backend, CountsTokens), "both backends do"
    return backend.prompt_tokens(model, prompts)


# ---------------------------------------------------------------- notes


def _refuse_equal(task: Task, style: Style, prompts: list[Prompt], found: tuple[Article, ...]) -> None:
    seen: dict[str, str] = {}
    for prompt, article in zip(prompts, found, strict=True):
        if seen.setdefault(prompt.id, article.id) != article.id:
            raise UsageError(
                f"task {task.name}: in style {style} the items {seen[prompt.id]} and {article.id} are asked "
                "about in the same words; show what tells them apart"
            )


def _notes(task: Task, asked: tuple[Article, ...], *, is_own: bool) -> Iterator[str]:
    shown = {
        task.answer.label_of(e.answer) if isinstance(e.answer, dict) else e.answer for e in task.examples
    }
    unseen = [label for label in task.labels if label not in shown]
    if not task.examples:
        yield "no examples: few_shot asks the same as zero_shot"
    elif unseen:
        yield f"no example shows the label {', '.join(unseen)}: few_shot may keep models from answering it"
    yield from _untold(task)
    if is_own and not task.items:
        yield "no items: say in a config's `articles:` what it is asked about; --config checks with those"
        return
    texts = {article.text.strip() for article in asked}
    if leaked := [i for i, e in enumerate(task.examples) if e.article.strip() in texts]:
        yield f"examples.{leaked[0]} is one of the items as well: few_shot would be shown its answer"
    n_unlabelled = sum(a.label is None and a.reference_score is None for a in asked)
    if n_unlabelled:
        yield f"{n_unlabelled} of {len(asked)} items have no right answer, so none counts as right"


def _untold(task: Task) -> Iterator[str]:
    """Keys and labels that no model could know of, but from examples or training."""
    told = f"{task.system}\n{task.user}"
    if "{prompt}" in task.user:
        return  # the items are whole prompts
    if task.answer.form == "json":
        missing = [f.name for f in task.answer.fields if f.name not in told]
        if missing:
            yield f"the prompt never names the key {', '.join(missing)}: zero_shot cannot be answered"
    if task.answer.label is not None and "{options}" not in task.user:
        missing = [label for label in task.labels if label not in told]
        if missing:
            yield f"the prompt never names the label {', '.join(missing)}: zero_shot can hardly be answered"
