"""`bench export`: a run in another project's layout.

In: a run's name and a new folder. Out: the files or folders written, one a line, on stdout.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from bench.errors import UsageError

RUNS = Path("sentiments")
LAYOUTS = ("seed", "inspect", "lm-eval")


def command(
    run: Annotated[str, typer.Argument(help="Name or folder of a run, or `latest`.")],
    target: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder.")],
    layout: Annotated[str, typer.Option(help="How the files are laid out: seed, inspect or lm-eval.")],
) -> None:
    """Write a run's results in another project's layout."""
    from bench.store import find_run

    if layout not in LAYOUTS:
        raise UsageError(f"--layout {layout}: unknown; choose from {', '.join(LAYOUTS)}")
    for path in _writer(layout)(find_run(RUNS, run), target):
        typer.echo(str(path))


def _writer(layout: str) -> Callable[[Path, Path], list[Path]]:
    if layout == "inspect":
        from bench.inspect_log import export_inspect

        return export_inspect
    if layout == "lm-eval":
        from bench.lm_eval_log import export_lm_eval

        return export_lm_eval
    from bench.seed.export import export_seed

    return export_seed
