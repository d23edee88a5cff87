"""`bench report`: tables, workbook and heatmaps of a run, and what they say on the terminal.

In: a run's name. Out: a table and plain sentences (or `--json`) on stdout, the written paths on stderr.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from bench.report import ReportResult

RUNS, REPORTS, HEATMAPS = Path("sentiments"), Path("reports"), Path("heatmaps")
CONFIG = Path("config.yaml")
MIN_WIDTH = 140
"""Columns of the table where there is no terminal to fit."""


def command(
    run: Annotated[str, typer.Argument(help="Name or folder of a run, or `latest`.")] = "latest",
    only: Annotated[str | None, typer.Option(help="Write only these: csv, xlsx, png (by comma).")] = None,
    compare: Annotated[
        list[str] | None, typer.Option(metavar="A::B", help="Compare two more arms, A minus B.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="Where comparisons and margins are; config.yaml.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A summary as JSON on stdout.")] = False,
) -> None:
    """Turn a run into tables, a workbook and heatmaps."""
    from bench.config import load_config
    from bench.report import make_report
    from bench.store import find_run

    path = config or (CONFIG if CONFIG.is_file() else None)
    result = make_report(
        find_run(RUNS, run),
        REPORTS,
        HEATMAPS,
        only=[name.strip() for name in only.split(",")] if only is not None else None,
        compare=[_pair(text) for text in compare or []],
        config=load_config(path) if path else None,
    )
    if as_json:
        typer.echo(json.dumps(_summary(result), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        _print(result)
    for written in result.paths:
        typer.echo(str(written), err=True)


def _pair(text: str) -> tuple[str, str]:
    parts = text.split("::")
    if len(parts) != 2 or not all(parts):
        raise UsageError(f"--compare {text!r}: write two arms as A::B")
    return parts[0], parts[1]


def _summary(result: ReportResult) -> dict[str, Any]:
    """Everything the terminal shows, for a script; what is undefined is null."""

    def rows(name: str) -> list[dict[str, Any]]:
        table = result.tables.get(name)
        records = [] if table is None else table.to_dict("records")
        return [{str(key): _plain(value) for key, value in record.items()} for record in records]

    return {
        "run": result.run_id,
        "arms": rows("arms"),
        "pairs": rows("pairs"),
        "accuracy": rows("accuracy"),
        "findings": list(result.sentences),
        "notes": list(result.notes),
        "files": [str(path) for path in result.paths],
    }


def _plain(value: Any) -> Any:
    item = value.item() if hasattr(value, "item") else value
    return None if isinstance(item, float) and not math.isfinite(item) else item


# ---------------------------------------------------------------- the terminal


def _print(result: ReportResult) -> None:
    from rich.console import Console

    from bench.safe_text import inert

    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, emoji=False, width=max(console.width, MIN_WIDTH))
    console.print(_table(result))
    for line in (*result.sentences, *result.notes):
        console.print(inert(line), soft_wrap=not sys.stdout.isatty())


def _table(result: ReportResult) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from bench.safe_text import inert

    accuracy = _by_arm(result.tables["accuracy"]) if "accuracy" in result.tables else {}
    differences = _differences(result)
    headers = [
        "arm",
        "answers",
        "valid (95 %)",
        "mean score (95 %)",
        "s/answer",
        "minus baseline (95 %)",
        "p",
    ]
    table = Table(box=box.SIMPLE, title=Text(inert(result.run_id)))
    for place, header in enumerate([*headers, *(("label right", "score error") if accuracy else ()), "MB"]):
        table.add_column(header, justify="left" if place == 0 else "right", overflow="fold")
    for arm, row in _by_arm(result.tables["arms"]).items():
        cells = [
            arm,
            f"{row['n_samples'] - row['n_failed_measurements']}",
            _interval(row["valid_rate"], row["valid_ci_low"], row["valid_ci_high"], ".1%"),
            _interval(row["score_mean"], row["score_ci_low"], row["score_ci_high"], "+.3f"),
            _number(row["duration_mean_s"], ".2f"),
            *differences.get(arm, ("", "")),
        ]
        if accuracy:
            cells += [
                _number(accuracy[arm]["label_accuracy"], ".1%"),
                _number(accuracy[arm]["mean_absolute_error"], ".3f"),
            ]
        cells.append(_number(row["file_bytes"] / 1e6, ".1f"))
        table.add_row(*(Text(inert(cell)) for cell in cells))
    return table


def _by_arm(table: Any) -> dict[str, dict[str, Any]]:
    return {row["arm"]: row for row in table.to_dict("records")}


def _differences(result: ReportResult) -> dict[str, tuple[str, str]]:
    """Each arm's difference to its group's baseline with interval, and its paired p-value."""
    from bench.analysis.comparisons import baseline_arms
    from bench.analysis.sentences import oriented, records

    baselines = set(baseline_arms(result.arms, result.baseline).values())
    pairs = result.tables["pairs"]
    shown = dict.fromkeys(baselines, ("baseline", ""))
    for row in records(pairs[pairs["kind"] == "quantization"]):
        turned = oriented(row, baselines)
        span = _interval(turned["mean_difference"], turned["ci_low"], turned["ci_high"], "+.3f")
        shown[turned["arm_a"]] = (span, _number(turned["p_value"], ".4f"))
    return shown


def _interval(value: float, low: float, high: float, form: str) -> str:
    span = "" if math.isnan(low) or math.isnan(high) else f" ({low:{form}} to {high:{form}})"
    return _number(value, form) + span


def _number(value: float, form: str) -> str:
    return "–" if math.isnan(value) else f"{value:{form}}"
