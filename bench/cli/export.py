"""`bench export`: a run in the seed project's layout.

In: a run's name and a new folder. Out: the folders written, one a line, on stdout.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bench.errors import UsageError

RUNS = Path("sentiments")


def command(
    run: Annotated[str, typer.Argument(help="Name or folder of a run, or `latest`.")],
    target: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    layout: Annotated[str, typer.Option(help="How the files are laid out: seed.")],
) -> None:
    """Write a run's results in another project's layout."""
    from bench.seed_export import export_seed
    from bench.seed_layout import LAYOUTS
    from bench.store import find_run

    if layout not in LAYOUTS:
        raise UsageError(f"--layout {layout}: unknown; choose from {', '.join(LAYOUTS)}")
    for folder in export_seed(find_run(RUNS, run), target):
        typer.echo(str(folder))
