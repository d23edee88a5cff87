"""`bench doctor`: what is installed, what is not, and the command that mends it."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from bench.doctor import Diagnosis

DEFAULT_CONFIG = Path("config.yaml")
_STYLES = {"ok": "green", "missing": "red", "warning": "yellow"}


def command(
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="The config to check; config.yaml where it is there."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="All findings as JSON on stdout.")] = False,
) -> None:
    """Say what is installed, what the config needs, and how to mend it."""
    from bench.doctor import examine

    diagnosis = examine(config or DEFAULT_CONFIG, is_required=config is not None)
    if as_json:
        typer.echo(diagnosis.model_dump_json(indent=2))
    else:
        _print(diagnosis)
    if diagnosis.exit_code:
        raise typer.Exit(diagnosis.exit_code)


def _print(diagnosis: Diagnosis) -> None:
    from rich.console import Console
    from rich.text import Text

    from bench.safe_text import inert

    console = Console(highlight=False)
    for part, group in groupby(diagnosis.findings, key=lambda finding: finding.part):
        findings = list(group)
        width = max(len(inert(finding.name)) for finding in findings)
        console.print(Text(part, style="bold"))
        for finding in findings:
            line = Text("  ").append(f"{finding.state:<8}", style=_STYLES[finding.state])
            line.append(f"{inert(finding.name):<{width}}  {inert(finding.detail)}")
            if finding.remedy is not None:
                line.append(f"  ->  {finding.remedy}")
            # never wrapped, so that a command can be copied
            console.print(line, soft_wrap=True)
    if diagnosis.exit_code:
        typer.echo("the config cannot be run yet; see what is missing above", err=True)
