"""`bench gate`: may these arms be deployed? A table in plain words, and an exit code for a pipeline.

In: a run's name. Out: the verdicts (or `--json`) on stdout; exit code 0 pass, 1 fail, 3 not enough
data, 4 measurement invalid, 12 approval missing or stale.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from bench.records import GateAnswer, GateArm, GateResult

RUNS, REPORTS, HEATMAPS = Path("sentiments"), Path("reports"), Path("heatmaps")
CONFIG = Path("config.yaml")
WIDTH = 160
"""Columns where there is no terminal to fit."""
WORDS = {
    "pass": "pass",
    "fail": "FAIL",
    "not_enough_data": "not enough data",
    "not_testable": "not testable",
    "measurement_invalid": "MEASUREMENT INVALID",
    "baseline": "baseline",
}


def command(
    run: Annotated[str, typer.Argument(help="Name or folder of a run, or `latest`.")] = "latest",
    baseline: Annotated[
        str | None, typer.Option(metavar="ARM|QUANT", help="Compare with this instead of the config's.")
    ] = None,
    arm: Annotated[
        list[str] | None, typer.Option(metavar="GLOB", help="Judge only these arms; may be repeated.")
    ] = None,
    family_wise: Annotated[
        bool, typer.Option("--family-wise", help="One error rate for all candidates together (Holm).")
    ] = False,
    require_approval: Annotated[
        bool,
        typer.Option(
            "--require-approval",
            help="End with 12 unless each --arm (without it: some arm) has a sign-off and none is stale.",
        ),
    ] = False,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a JUnit file too.")] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="Where margins and baseline are; config.yaml.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print gate.json on stdout.")] = False,
) -> None:
    """Say which arms may be deployed, by margins and their uncertainty."""
    from bench.config import load_config
    from bench.gate_reading import gate_json, read_gate
    from bench.store import find_run

    path = config or (CONFIG if CONFIG.is_file() else None)
    settings = load_config(path) if path else None
    folder = find_run(RUNS, run)
    result = read_gate(folder, REPORTS, settings, baseline, arm or (), family_wise=family_wise)
    if junit is not None:
        from bench.reports.junit import write_junit

        write_junit(junit, result)
    if as_json:
        typer.echo(gate_json(result).decode("utf-8"), nl=False)
    else:
        _print(result)
    typer.echo(str(REPORTS / result.run_id / "gate.json"), err=True)
    if require_approval:
        from bench.approval import folders_of
        from bench.approval import require_approval as required
        from bench.gate import candidates
        from bench.safe_text import inert

        folders = folders_of(folder, REPORTS, HEATMAPS)
        names = [found.arm for found in candidates(result.arms) or result.arms] if arm else []
        for given in required(folders, names, settings, baseline):
            typer.echo(inert(f"{given.arm}: approved by {given.by}, {given.at:%Y-%m-%d}"), err=True)
    raise typer.Exit(result.exit_code)


# ---------------------------------------------------------------- the terminal


def _print(result: GateResult) -> None:
    from rich.console import Console

    from bench.safe_text import inert

    console = Console(
        highlight=False, markup=False, emoji=False, width=None if sys.stdout.isatty() else WIDTH
    )
    apply = {name for arm in result.arms for name, answer in arm.questions.items() if answer.applies}
    for arm in result.arms:
        _print_arm(console, arm, apply)
    for line in (*result.notes, *verdict_lines(result)):
        console.print(inert(line), soft_wrap=not sys.stdout.isatty())


def _print_arm(console: Console, arm: GateArm, shown: set[str]) -> None:
    from bench.safe_text import inert

    against = f", against {arm.baseline} on {arm.n_articles} articles" if arm.baseline else ""
    console.print(inert(f"{arm.arm}: {WORDS[arm.verdict]}{against}"), soft_wrap=True)
    for reason in arm.reasons if arm.verdict == "measurement_invalid" else arm.reasons[:1]:
        if arm.verdict == "measurement_invalid" or reason.startswith("family-wise"):
            console.print(inert(f"  {reason}"), soft_wrap=True)
    console.print(_table(arm, shown))
    console.print()


def _table(arm: GateArm, shown: set[str]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from bench.safe_text import inert

    table = Table(box=box.SIMPLE, pad_edge=False, show_edge=False)
    for header, justify in (
        ("  question", "left"),
        ("verdict", "left"),
        ("found", "right"),
        ("90 % interval", "right"),
        ("margin", "right"),
    ):
        table.add_column(header, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("why")
    asked = [(name, answer) for name, answer in arm.questions.items() if name in shown]
    for name, answer in sorted(asked, key=lambda question: not question[1].applies):
        if arm.verdict == "baseline" and answer.verdict == "not_testable":
            continue
        span = "–" if answer.lower is None else f"{_value(answer, 'lower')} to {_value(answer, 'upper')}"
        word = WORDS[answer.verdict] if answer.applies else "does not apply"
        cells = (f"  {name}", word, _value(answer, "estimate"), span, _value(answer, "margin"), answer.reason)
        table.add_row(*(Text(inert(cell)) for cell in cells))
    return table


def _value(answer: GateAnswer, name: str) -> str:
    value = getattr(answer, name)
    if value is None:
        return "–"
    if answer.unit == "rate":
        return f"{100 * value:z.1f} %"
    return f"{value:z.2f}" if answer.unit == "ratio" and abs(value) >= 0.1 else f"{value:z.4f}"


def said_in_short(arm: GateArm) -> str:
    """An arm's verdict in a few words, with the questions it hangs on."""
    word = WORDS[arm.verdict]
    if arm.verdict == "pass":
        return f"{word}, place {arm.rank}"
    if arm.verdict not in ("fail", "not_enough_data"):
        return word
    asked = [name for name, answer in arm.questions.items() if answer.verdict == arm.verdict]
    return f"{word}: {', '.join(asked)}" if asked else word


def verdict_lines(result: GateResult, *, with_others: bool = True) -> list[str]:
    """Which arms pass, in which order and at what cost, which do not, and how often this was asked.

    Without `with_others` the arms that do not pass are left to a table that names them.
    """
    from bench.reports.headline import about, headline

    found = headline(result)
    others = found.others if with_others else ()
    lines = [f"{WORDS[verdict]}: {', '.join(arms)}" for verdict, arms in others]
    said = [(arm, about(arm)) for arm in found.passing]
    lines += [f"passes, place {arm.rank}: {arm.arm}{f' ({why})' if why else ''}" for arm, why in said]
    if result.looks:
        lines.append(f"the gate of this run was read {_times(result.looks)} before")
    if result.looks_at_less_data:
        lines.append(
            f"{_times(result.looks_at_less_data)} of these with fewer samples: adding data until the verdict "
            "pleases makes a wrong pass likelier than 5 %"
        )
    return [*lines, found.summary]


def _times(n: int) -> str:
    return "once" if n == 1 else f"{n} times"
