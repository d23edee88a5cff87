"""`bench compare`: the same arms in two runs, side by side."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from bench.compare import Comparison

RUNS, REPORTS = Path("sentiments"), Path("reports")
CONFIG = Path("config.yaml")
WIDTH = 150


def command(
    run_a: Annotated[str, typer.Argument(help="Name or folder of a run.")],
    run_b: Annotated[str, typer.Argument(help="The run to compare it with: A minus B.")],
    arm: Annotated[
        list[str] | None, typer.Option(metavar="GLOB", help="Compare only these arms; may be repeated.")
    ] = None,
    config: Annotated[Path | None, typer.Option("--config", "-c", help="Where margins are.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A summary as JSON on stdout.")] = False,
) -> None:
    """Compare the same arms in two runs that asked the same questions."""
    from bench.compare import compare_folder, compare_runs
    from bench.config import load_config
    from bench.reports.csv import write_tables
    from bench.store import find_run

    path = config or (CONFIG if CONFIG.is_file() else None)
    settings = load_config(path) if path else None
    result = compare_runs(find_run(RUNS, run_a), find_run(RUNS, run_b), settings, arm or ())
    written = write_tables(compare_folder(result, REPORTS) / "tables", result.tables)
    if as_json:
        typer.echo(json.dumps(_summary(result), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        _print(result)
    for file in written:
        typer.echo(str(file), err=True)


def _summary(result: Comparison) -> dict[str, Any]:
    def rows(name: str) -> list[dict[str, Any]]:
        records = result.tables[name].to_dict("records")
        return [{str(key): _plain(value) for key, value in record.items()} for record in records]

    return {
        "run_a": result.run_a,
        "run_b": result.run_b,
        "arms": rows("arms"),
        "pairs": rows("pairs"),
        "differences": list(result.differences),
        "notes": list(result.notes),
    }


def _plain(value: Any) -> Any:
    item = value.item() if hasattr(value, "item") else value
    return None if isinstance(item, float) and not math.isfinite(item) else item


def _print(result: Comparison) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from bench.analysis.sentences import finding
    from bench.safe_text import inert

    console = Console(
        highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else WIDTH
    )
    console.print(inert(f"{result.run_a} minus {result.run_b}, paired by article"))
    table = Table(box=box.SIMPLE, pad_edge=False)
    for header in ("arm", "articles", "mean score", "drift, rms", "variance ratio", "valid", "seconds ratio"):
        table.add_column(header)
    for name, row in zip(result.arms, result.tables["pairs"].to_dict("records"), strict=True):
        said = {str(key): value for key, value in row.items()}
        cells = (
            name,
            str(row["n_articles"]),
            finding(said),
            _number(row["rms_drift"], f" (noise alone {_number(row['noise_floor'])})"),
            _number(row["variance_ratio"]),
            _number(100 * row["valid_difference"], " points"),
            _number(row["latency_ratio"]),
        )
        table.add_row(*(Text(inert(cell)) for cell in cells))
    console.print(table)
    for line in (*(f"differs: {text}" for text in result.differences), *result.notes):
        console.print(inert(line), soft_wrap=not sys.stdout.isatty())
    if not result.differences:
        console.print("engine, weights, options and machine are the same in both runs")


def _number(value: float, unit: str = "") -> str:
    return "–" if math.isnan(value) else f"{value:z.3f}{unit}"
