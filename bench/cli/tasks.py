"""`bench tasks`: the tasks there are, a prompt as a model reads it, and whether a task file is sound."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from bench.config import ArticlesConfig
    from bench.records import Style
    from bench.task_view import PromptSize, PromptView, TaskCheck, TaskRow

app = typer.Typer(no_args_is_help=True, help="List tasks, show their prompts, check a task file.")

Name = Annotated[
    str, typer.Argument(metavar="TASK", help="A shipped task, or a .yaml, .py (it is executed) or .csv file.")
]
Model = Annotated[
    str | None,
    typer.Option(help="Count this model's tokens: a GGUF file, or a transformers folder. Loads no weights."),
]
Config = Annotated[
    Path | None, typer.Option("--config", "-c", help="Ask about the `articles` of this config.")
]
AsJson = Annotated[bool, typer.Option("--json", help="The result as JSON on stdout.")]


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the shipped tasks."""
    from bench import task_view

    found = task_view.rows()
    if as_json:
        typer.echo(json.dumps([row.model_dump(mode="json") for row in found], indent=2))
        return
    width = max(len(row.name) for row in found)
    facts = max(len(_facts(row)) for row in found)
    for row in found:
        typer.echo(f"{row.name:{width}}  {_facts(row):{facts}}  {row.description}")


@app.command()
def show(
    name: Name,
    style: Annotated[str, typer.Option(help="zero_shot, or few_shot with the examples.")] = "zero_shot",
    item: Annotated[int, typer.Option(min=1, help="Which of its items, from 1.")] = 1,
    model: Model = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Show one prompt as every arm of a style is shown it, with its size."""
    from bench import task_view, tasks

    found = task_view.view(tasks.load(name), _style(style), item, model, _articles(config))
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
    else:
        _print_view(found)


@app.command()
def check(name: Name, model: Model = None, config: Config = None, as_json: AsJson = False) -> None:
    """Check a task: its schema, its examples and items; exit code 2 and file:line where one is wrong."""
    from bench import task_view, tasks

    found = task_view.check(tasks.load(name), model, _articles(config))
    if as_json:
        typer.echo(found.model_dump_json(indent=2))
    else:
        _print_check(found)


def _articles(config: Path | None) -> ArticlesConfig | None:
    from bench.config import load_config

    return None if config is None else load_config(config).articles


def _style(given: str) -> Style:
    from bench.errors import UsageError
    from bench.task_view import STYLES

    for style in STYLES:
        if given.replace("-", "_") == style:
            return style
    raise UsageError(f"--style {given}: there are {', '.join(STYLES)}")


# ---------------------------------------------------------------- printing


def _print_view(found: PromptView) -> None:
    from bench.safe_text import inert

    label = f", right label {inert(found.label)}" if found.label is not None else ""
    typer.echo(
        f"{inert(found.task)} {inert(found.version)}, {found.style}, item {found.place} of {found.n_items} "
        f"({found.article_id}{label})"
    )
    for message in found.messages:
        typer.echo(f"\n--- {message.role}, {len(message.content):,} characters")
        typer.echo(inert(message.content))
    typer.echo(f"\nanswer: {inert(found.answer)}")
    _print_sizes(found.sizes, found.model)


def _print_check(found: TaskCheck) -> None:
    from bench.safe_text import inert

    task = found.task
    typer.echo(
        f"{inert(task.name)} {inert(task.version)}: sound; {_facts(task)}, "
        f"{found.n_labelled} of {found.n_asked} asked with answer"
    )
    if task.labels:
        typer.echo(f"labels: {inert(', '.join(task.labels))}")
    _print_sizes(found.longest, None, "longest ")
    for note in found.notes:
        typer.echo(f"note: {inert(note)}")


def _print_sizes(sizes: dict[str, PromptSize], model: str | None, which: str = "") -> None:
    for style, size in sizes.items():
        tokens = "" if size.n_tokens is None else f", {size.n_tokens:,} tokens"
        where = f" ({model})" if model and size.n_tokens is not None else ""
        typer.echo(
            f"{which}{style} prompt: {size.n_messages} turns, {size.n_characters:,} characters{tokens}{where}"
        )


def _facts(row: TaskRow) -> str:
    labels = f"{len(row.labels)} labels" if row.labels else "no labels"
    return f"{row.form}, {labels}, {row.n_examples} examples, {row.n_items} items"
