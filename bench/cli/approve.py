"""`bench approve`: record that a person reviewed a run's report and lets an arm be deployed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

RUNS, REPORTS, HEATMAPS = Path("sentiments"), Path("reports"), Path("heatmaps")
CONFIG = Path("config.yaml")


def command(
    run: Annotated[str, typer.Argument(help="Name or folder of a run, or `latest`.")],
    arm: Annotated[str, typer.Option(help="The arm that may be deployed.")],
    by: Annotated[str, typer.Option(metavar="NAME", help="Who approves.")],
    note: Annotated[str, typer.Option(metavar="TEXT", help="What was looked at, and why it is fine.")],
    baseline: Annotated[
        str | None, typer.Option(metavar="ARM|QUANT", help="As given to bench gate, if it was.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="Where margins and baseline are; config.yaml.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The approval as JSON on stdout.")] = False,
) -> None:
    """Sign off an arm, bound to the run, report and verdict reviewed."""
    from bench.approval import APPROVAL, approve, folders_of
    from bench.config import load_config
    from bench.safe_text import inert
    from bench.store import find_run

    path = config or (CONFIG if CONFIG.is_file() else None)
    folders = folders_of(find_run(RUNS, run), REPORTS, HEATMAPS)
    given = approve(folders, arm, by, note, load_config(path) if path else None, baseline)
    if as_json:
        typer.echo(given.model_dump_json(indent=2))
    else:
        word = given.verdict.replace("_", " ")
        typer.echo(inert(f"{given.arm}: approved by {given.by}; the gate says: {word}"))
    typer.echo(str(folders.report / APPROVAL), err=True)
