"""`bench train`: make the models of a recipe. Files and parity on stdout, progress on stderr."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.train import Trained

_DEFAULT_OUT = Path("models")


def command(
    recipe: Annotated[Path | None, typer.Argument(help="A recipe file.", show_default=False)] = None,
    preset: Annotated[
        str | None, typer.Option("--preset", help="A recipe that ships with bench.", show_default=False)
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder for the models.")] = _DEFAULT_OUT,
    list_presets: Annotated[bool, typer.Option("--list", help="List the presets and stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Train the models of a recipe, base and fine-tuned, and export them at four quants."""
    if list_presets:
        _list(as_json)
        return
    if (recipe is None) == (preset is None):
        raise UsageError("give either a recipe file or --preset NAME (bench train --list shows the names)")
    from bench.train import train
    from bench.training.display import Display

    display = Display()
    try:
        trained = train(recipe if recipe is not None else str(preset), out, display)
    finally:
        display.close()
    typer.echo(json.dumps(_as_data(trained), indent=1) if as_json else _as_table(trained))


def _list(as_json: bool) -> None:
    from bench.train import presets
    from bench.training.recipe import load_recipe

    found = {name: load_recipe(path).description for name, path in presets().items()}
    if as_json:
        typer.echo(json.dumps(found, indent=1))
        return
    for name, description in found.items():
        typer.echo(f"{name:<10} {description}")


def _as_data(trained: Trained) -> dict[str, Any]:
    files = [
        {"variant": f.variant, "quant": f.quant, "path": str(f.path), "bytes": f.n_bytes, "digest": f.digest}
        for f in trained.files
    ]
    return {
        "family": trained.family,
        "folder": str(trained.folder),
        "files": files,
        "max_logit_difference": trained.max_logit_difference,
        "seconds": trained.seconds,
    }


def _as_table(trained: Trained) -> str:
    lines = [f"{'file':<40} {'MB':>7}  tensors"]
    for file in trained.files:
        types = ", ".join(f"{n} {kind}" for kind, n in file.tensor_types.items())
        lines.append(f"{file.path!s:<40} {file.n_bytes / 1e6:>7.1f}  {types}")
    for variant, difference in trained.max_logit_difference.items():
        lines.append(f"{variant}: fp16 GGUF and transformers agree, logits within {difference:.4f}")
    lines.append("seconds: " + ", ".join(f"{stage} {s:.0f}" for stage, s in trained.seconds.items()))
    return "\n".join(lines)
