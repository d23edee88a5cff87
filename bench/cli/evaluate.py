"""`bench evaluate`: measure what a training was worth. Tables on stdout, progress and paths on stderr."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from bench.evaluate import Evaluation
    from bench.evaluation.shown import Shown

WIDTH = 200
"""Columns of the widest table where there is no terminal to fit."""


def command(
    folder: Annotated[Path, typer.Argument(help="What `bench train RECIPE.yaml` made: models/NAME.")],
    data_root: Annotated[
        Path, typer.Option("--data-root", help="Where the recipe's general text lies.")
    ] = Path(),
    iterations: Annotated[
        int, typer.Option(min=1, max=10_000, help="Answers to each item; needs a temperature.")
    ] = 1,
    temperature: Annotated[
        float, typer.Option(min=0, max=5, help="0 is greedy: one answer to each item.")
    ] = 0.0,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Only the first so many items; written beside the evaluation of all."),
    ] = None,
    width: Annotated[int | None, typer.Option(min=1, max=254, help="Instead of the recipe's.")] = None,
    forgetting: Annotated[
        bool, typer.Option(help="Also compare how well general text is foretold, before and after.")
    ] = True,
    only: Annotated[
        str | None, typer.Option(help="Of the report write only these: csv, xlsx, png, html (by comma).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The result as JSON on stdout.")] = False,
) -> None:
    """Measure what a training was worth: untuned, tuned and baselines on the held-out items."""
    from bench.cli.progress import sweep_progress
    from bench.cli.run import interruptible
    from bench.evaluate import evaluate
    from bench.evaluation.arms import Settings

    if iterations > 1 and temperature == 0:
        raise UsageError(
            f"--iterations {iterations}: at temperature 0 all answers are the same; add --temperature"
        )
    with interruptible(f"bench evaluate {folder}"):
        result = evaluate(
            folder,
            Settings(iterations, temperature, limit, width),
            data_root,
            forgetting=forgetting,
            only=None if only is None else [name.strip() for name in only.split(",")],
            watch=sweep_progress,
            say=lambda text: typer.echo(text, err=True),
        )
    if as_json:
        typer.echo(json.dumps(summary(result), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        print_evaluation(result)
    for path in result.paths:
        if path.suffix not in {".csv", ".png"} or path.parent == result.folder:
            typer.echo(str(path), err=True)  # the tables and pictures of a report are many


def summary(result: Evaluation) -> dict[str, Any]:
    """Everything the terminal shows, for a script; what is undefined is null."""
    lost = result.forgetting
    return {
        "name": result.name,
        "limit": result.limit,
        "tasks": [
            {
                "task": part.task,
                "run": part.run_id,
                "is_trained": part.is_trained,
                "arms": _rows(part.arms),
                "comparisons": _rows(part.pairs),
                "notes": list(part.notes),
            }
            for part in result.tasks
        ],
        "forgetting": _rows(lost.table) if lost else None,
        "findings": list(lost.sentences) if lost else [],
        "notes": [*result.notes, *(lost.notes if lost else ())],
        "files": [str(path) for path in result.paths],
    }


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): _plain(v) for k, v in row.items()} for row in table.to_dict("records")]


def _plain(value: Any) -> Any:
    item = value.item() if hasattr(value, "item") else value
    return None if isinstance(item, float) and not math.isfinite(item) else item


def print_evaluation(result: Evaluation) -> None:
    """What was found, for a person at a terminal."""
    from rich.console import Console

    from bench.evaluate import task_tables
    from bench.evaluation import shown
    from bench.safe_text import inert

    width = None if sys.stdout.isatty() else WIDTH
    console = Console(highlight=False, markup=False, emoji=False, width=width)

    def say(text: str) -> None:
        console.print(inert(text), soft_wrap=not sys.stdout.isatty())

    for part in result.tasks:
        say(
            f"{part.task}, run {part.run_id}"
            + (f", {part.limited}" if part.limited else "")
            + ("" if part.is_trained else " (not trained: before and after)")
        )
        for table in task_tables(part, whole=False):
            console.print(_table(table))
        for note in part.notes:
            say(note)
    if result.forgetting is not None:
        if len(result.forgetting.table):
            console.print(_table(shown.forgetting_shown(result.forgetting.table)))
        for text in (*result.forgetting.sentences, *result.forgetting.notes):
            say(text)
    for text in (*result.notes, shown.LEGEND):
        say(text)


def _table(found: Shown) -> Any:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from bench.safe_text import inert

    table = Table(box=box.SIMPLE, pad_edge=False, title=Text(inert(found.title)), title_justify="left")
    for place, header in enumerate(found.headers):
        table.add_column(header, justify="left" if place == 0 else "right", overflow="fold")
    for row in found.rows:
        table.add_row(*(Text(inert(cell)) for cell in row))
    return table
