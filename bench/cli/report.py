"""`bench report`: tables, workbook, page and heatmaps of a run, and what they say on the terminal.

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
WIDTH = 160
"""Columns of the widest table; also where there is no terminal to fit."""


def command(
    run: Annotated[str, typer.Argument(help="Name or folder of a run, or `latest`.")] = "latest",
    only: Annotated[
        str | None, typer.Option(help="Write only these: csv, xlsx, png, html (by comma).")
    ] = None,
    compare: Annotated[
        list[str] | None, typer.Option(metavar="A::B", help="Compare two more arms, A minus B.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="Where comparisons and margins are; config.yaml.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A summary as JSON on stdout.")] = False,
) -> None:
    """Turn a run into tables, a workbook, a page and heatmaps."""
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
        print_report(result)
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
        "quality": rows("quality"),
        "quality_pairs": rows("quality_pairs"),
        "verdicts": {arm.arm: arm.verdict for arm in result.gate.arms},
        "findings": list(result.sentences),
        "notes": list(result.notes),
        "files": [str(path) for path in result.paths],
    }


def _plain(value: Any) -> Any:
    item = value.item() if hasattr(value, "item") else value
    return None if isinstance(item, float) and not math.isfinite(item) else item


# ---------------------------------------------------------------- the terminal

RIGHT = {"accuracy": "right\nanswers", "error_absolute": "score\nerror"}
"""Columns of `quality` that the table shows where the run has them, and their headers."""
NOT_JUDGED = "no candidate"
"""An A/A arm, which the gate does not judge."""
LEGEND = (
    "Brackets: 95 % interval over articles. Minus baseline: paired by article; p is the paired t-test's, "
    "before any correction."
)


def print_report(result: ReportResult) -> None:
    """What a run says, for a person at a terminal."""
    from rich.console import Console

    from bench.cli.gate import verdict_lines
    from bench.safe_text import inert

    width = None if sys.stdout.isatty() else WIDTH
    console = Console(highlight=False, markup=False, emoji=False, width=width)
    narrow = console.width < WIDTH
    for group, members in result.arms.groupby("group", sort=False):
        console.print(_table(result, inert(str(group)), list(members["arm"]), narrow=narrow))
    lines = (LEGEND, *map(_a_finding_a_line, result.sentences), *result.notes)
    for line in (*lines, *verdict_lines(result.gate, with_others=False)):
        console.print(inert(line), soft_wrap=not sys.stdout.isatty())


def _a_finding_a_line(sentence: str) -> str:
    about, _, found = sentence.partition(": ")
    return about + ":" + ";".join(f"\n    {one}" for one in found.split("; ")) if "; " in found else sentence


def _table(result: ReportResult, title: str, members: list[str], *, narrow: bool) -> Table:
    """One group's arms, a row each. In a narrow terminal an interval gets a line of its own."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from bench.analysis.frames import short_names
    from bench.cli.gate import said_in_short
    from bench.safe_text import inert

    quality = result.tables.get("quality")
    right = {} if quality is None else _by_arm(quality)
    known = [name for name in RIGHT if quality is not None and name in quality.columns]
    arms, differences = _by_arm(result.tables["arms"]), _differences(result)
    headers = ["quant", "answers", "valid", "mean score", "s per\nanswer", "minus\nbaseline", "p"]
    headers += [*(RIGHT[name] for name in known), "size\nMB", "may it be shipped"]
    table = Table(
        box=box.SIMPLE, pad_edge=False, padding=(0, 1, 0, 0) if narrow else (0, 1), title_justify="left"
    )
    table.title = Text(title)
    for header in headers:
        last = header == headers[-1]  # the longest text gives way first
        table.add_column(
            header, justify="left" if last or header == headers[0] else "right", no_wrap=not (narrow or last)
        )
    judged = {found.arm: said_in_short(found) for found in result.gate.arms}
    name_of = short_names(result.arms)
    for arm in members:
        shown = {name: right[arm][name] for name in known}
        cells = _cells(name_of[arm], arms[arm], shown, differences.get(arm, ("", "")))
        cells.append(judged.get(arm, NOT_JUDGED))
        table.add_row(*(Text(inert(cell.replace(" [", "\n[") if narrow else cell)) for cell in cells))
    return table


def _cells(name: str, row: dict[str, Any], right: dict[str, Any], difference: tuple[str, str]) -> list[str]:
    shown = ("valid_rate", "valid_clustered_low", "valid_clustered_high")
    rate, low, high = (100 * row[name] for name in shown)
    cells = [
        name,
        str(row["n_samples"] - row["n_failed_measurements"]),
        _interval(rate, low, high, ".1f", "%"),
        _interval(row["score_mean"], row["score_ci_low"], row["score_ci_high"], "+z.3f"),
        _number(row["duration_mean_s"], ".2f"),
        *difference,
    ]
    if "accuracy" in right:
        cells.append(_number(100 * right["accuracy"], ".1f", "%"))
    if "error_absolute" in right:
        cells.append(_number(right["error_absolute"], ".3f"))
    return [*cells, _number(row["file_bytes"] / 1e6, ".1f")]


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
        span = _interval(turned["mean_difference"], turned["ci_low"], turned["ci_high"], "+z.3f")
        shown[turned["arm_a"]] = (span, _number(turned["p_value"], ".3f"))
    return shown


def _interval(value: float, low: float, high: float, form: str, unit: str = "") -> str:
    span = "" if math.isnan(low) or math.isnan(high) else f" [{low:{form}}, {high:{form}}]"
    return _number(value, form, unit) + span


def _number(value: float, form: str, unit: str = "") -> str:
    return "–" if math.isnan(value) else f"{value:{form}} {unit}".rstrip()
