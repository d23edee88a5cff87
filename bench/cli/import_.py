"""`bench import`: results measured by the seed project become a run that every report works on.

In: a folder. Out: the assumed map as YAML (or a summary as JSON) on stdout, the rest on stderr.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from bench.errors import UsageError

RUNS = Path("sentiments")


def command(
    path: Annotated[Path, typer.Argument(help="The folder that holds `sentiments/` or the model folders.")],
    layout: Annotated[str, typer.Option(help="How the files are laid out: seed.")],
    run_id: Annotated[str | None, typer.Option("--run-id", help="Name of the run; the folder's.")] = None,
    map_file: Annotated[
        Path | None, typer.Option("--map", help="YAML: folder -> family, variant, quant.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="A summary as JSON on stdout.")] = False,
) -> None:
    """Make a run from results that are already there."""
    from bench.identity import slug
    from bench.seed.layout import LAYOUTS, import_seed
    from bench.seed.names import map_text
    from bench.store import checked_run_id

    if layout not in LAYOUTS:
        raise UsageError(f"--layout {layout}: unknown; choose from {', '.join(LAYOUTS)}")
    name = checked_run_id(run_id if run_id is not None else slug(path.resolve().name))
    made = import_seed(path, RUNS, name, map_file)
    if as_json:
        summary = {
            "run": name,
            "n_samples": made.n_samples,
            "map": {folder: arm.model_dump() for folder, arm in made.arms.items()},
            "comparisons": made.comparisons,
            "left_out": made.left_out,
            "unused": made.unused,
        }
        typer.echo(json.dumps(summary, indent=2, ensure_ascii=False))
    else:
        typer.echo(map_text(made.arms), nl=False)
    for folder in made.unused:
        typer.echo(f"map: {folder} is not among the folders", err=True)
    for a, b in made.left_out:
        absent = " and ".join(name for name in (a, b) if name not in made.arms) or "two different models"
        typer.echo(f"left out: {a} against {b}, for want of {absent}", err=True)
    typer.echo(
        f"{made.n_samples} samples of {len(made.arms)} arms in {made.folder}, {len(made.comparisons)} "
        f"comparisons; next: bench report {name}",
        err=True,
    )
