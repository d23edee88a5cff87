"""`bench train`: make the models of a recipe. What was made on stdout, progress on stderr.

A recipe with `trainings` fine-tunes a base; any other makes a small model line from nothing.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.train import Trained
    from bench.tune import TrainedArm, Tuned

_DEFAULT_OUT = Path("models")


def command(
    recipe: Annotated[Path | None, typer.Argument(help="A recipe file.", show_default=False)] = None,
    preset: Annotated[
        str | None, typer.Option("--preset", help="A recipe that ships with bench.", show_default=False)
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder for the models.")] = _DEFAULT_OUT,
    data_root: Annotated[
        Path | None,
        typer.Option("--data-root", help="Folder that the data's paths begin at.", show_default=False),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option("--only", help="A training, or a sweep; repeatable.", show_default=False),
    ] = None,
    no_evaluate: Annotated[bool, typer.Option("--no-evaluate", help="Train and stop.")] = False,
    list_presets: Annotated[bool, typer.Option("--list", help="List the presets and stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Train the models of a recipe, and measure them on what was held out."""
    if list_presets:
        _list(as_json)
        return
    if (recipe is None) == (preset is None):
        raise UsageError("give either a recipe file or --preset NAME (bench train --list shows the names)")
    from bench.train import find_recipe, is_tuning

    path = recipe if recipe is not None else find_recipe(str(preset))
    if is_tuning(path):
        _tune(path, out, data_root or Path(), only, evaluates=not no_evaluate, as_json=as_json)
        return
    given = {"--data-root": data_root, "--only": only, "--no-evaluate": no_evaluate or None}
    for option, value in given.items():
        if value is not None:
            raise UsageError(
                f"{option} belongs to a recipe with `trainings`; {path} makes a model from nothing"
            )
    _train(path, out, as_json=as_json)


def _train(path: Path, out: Path, *, as_json: bool) -> None:
    from bench.train import train
    from bench.training.display import Display

    display = Display()
    try:
        trained = train(path, out, display)
    finally:
        display.close()
    typer.echo(json.dumps(_as_data(trained), indent=1) if as_json else _as_table(trained))


def _tune(
    path: Path, out: Path, root: Path, only: list[str] | None, *, evaluates: bool, as_json: bool
) -> None:
    from bench.cli.run import interruptible
    from bench.training.display import Display
    from bench.tune import is_main_process, tune

    display = Display()
    try:
        with interruptible("the same command"):
            tuned = tune(path, out, root, display, only)
    finally:
        display.close()
    if not is_main_process():
        return
    if not as_json:
        typer.echo(_tuned_as_table(tuned))
    measured = _evaluated(tuned, root, as_json=as_json) if evaluates and tuned.is_measured else None
    if as_json:
        typer.echo(json.dumps(_tuned_as_data(tuned) | {"evaluation": measured}, indent=1, allow_nan=False))


def _evaluated(tuned: Tuned, root: Path, *, as_json: bool) -> dict[str, Any]:
    """Measure what was made, and print it unless it goes into the JSON."""
    from bench.cli.evaluate import print_evaluation, summary
    from bench.cli.progress import sweep_progress
    from bench.cli.run import interruptible
    from bench.evaluate import evaluate

    with interruptible(f"bench evaluate {tuned.folder}"):
        result = evaluate(
            tuned.folder, root=root, watch=sweep_progress, say=lambda text: typer.echo(text, err=True)
        )
    if not as_json:
        print_evaluation(result)
    return summary(result)


def _list(as_json: bool) -> None:
    from bench.train import descriptions

    found = descriptions()
    if as_json:
        typer.echo(json.dumps(found, indent=1))
        return
    width = max((len(name) for name in found), default=0)
    for name, description in found.items():
        typer.echo(f"{name:<{width}}  {description}")


# ---------------------------------------------------------------- a line of models from nothing


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


# ---------------------------------------------------------------- trainings on a base


def _tuned_as_data(tuned: Tuned) -> dict[str, Any]:
    return {
        "name": tuned.name,
        "folder": str(tuned.folder),
        "base": None if tuned.base is None else str(tuned.base),
        "tests": [str(path) for path in tuned.tests],
        "trainings": [
            {"name": made.name, "kind": made.kind, "is_new": made.is_new, "arm": made.arm, "card": made.facts}
            for made in tuned.trainings
        ],
    }


def _tuned_as_table(tuned: Tuned) -> str:
    width = max(len("training"), *(len(made.name) for made in tuned.trainings))
    head = f"{'training':<{width}}  {'method':<11} {'trained':>12} {'steps':>6} {'loss':>7}"
    head += f" {'tokens/s':>9} {'MiB':>7}"
    return "\n".join([head, *(_line(made, width) for made in tuned.trainings), f"{tuned.folder}/"])


def _line(made: TrainedArm, width: int) -> str:
    facts = made.facts["facts"]
    losses, speed, memory = facts.get("losses"), facts.get("tokens_per_s"), facts.get("peak_memory_bytes")
    values = (
        _shown(facts.get("trainable_parameters"), ",.0f", 12),
        _shown(facts.get("steps"), ",.0f", 6),
        _shown(losses[-1] if losses else None, ".3f", 7),
        _shown(speed, ",.0f", 9),
        _shown(memory / 2**20 if memory else None, ",.0f", 7),
    )
    kept = "" if made.is_new else "  unchanged, kept"
    return f"{made.name:<{width}}  {made.kind:<11} {' '.join(values)}{kept}"


def _shown(value: float | None, form: str, width: int) -> str:
    return f"{'-' if value is None else format(value, form):>{width}}"
