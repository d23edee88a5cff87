"""`bench run`: measure every arm of a config on the same articles, N times."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from bench.errors import UsageError

if TYPE_CHECKING:
    from bench.config import Config
    from bench.sweep import Plan

RUNS = Path("sentiments")
THROUGHPUT, LATENCY = "throughput", "latency"


def command(
    config: Annotated[Path, typer.Option("--config", "-c", help="The config file.")] = Path("config.yaml"),
    run_id: Annotated[
        str | None, typer.Option("--run-id", help="Name of the run; one of that name is resumed.")
    ] = None,
    resume: Annotated[str | None, typer.Option(help="Go on with this run (a name, or `latest`).")] = None,
    extend: Annotated[
        str | None, typer.Option(help="Add the config's new articles, iterations or arms to this run.")
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(help="Instead of the config's: a task, or a .yaml, .py (it is executed) or .csv file."),
    ] = None,
    iterations: Annotated[int | None, typer.Option(min=1, help="Instead of the config's.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many articles.")] = None,
    width: Annotated[
        str | None,
        typer.Option(help="Answers decoded together: a number, or `auto`; instead of the config's."),
    ] = None,
    mode: Annotated[
        str, typer.Option(help="`throughput`, or `latency`: one answer at a time, for honest seconds.")
    ] = THROUGHPUT,
    latency_samples: Annotated[
        int | None, typer.Option(min=1, help="Articles that latency mode times (20).")
    ] = None,
    fidelity: Annotated[
        bool, typer.Option("--fidelity", help="Also compare token probabilities with each group's fp16.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done; do nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The result as JSON on stdout.")] = False,
) -> None:
    """Measure every arm on the same articles, N times."""
    from bench import sweep
    from bench.cli.progress import sweep_progress
    from bench.config import load_config
    from bench.latency import DEFAULT_SAMPLES
    from bench.store import find_run

    if sum(option is not None for option in (run_id, resume, extend)) > 1:
        raise UsageError("--run-id, --resume and --extend exclude each other; give one of them")
    if mode not in {THROUGHPUT, LATENCY}:
        raise UsageError(f"--mode {mode}: there are {THROUGHPUT} and {LATENCY}")
    if mode != LATENCY and latency_samples is not None:
        raise UsageError(f"--latency-samples belongs to --mode {LATENCY}; add that, or leave it out")
    if mode == LATENCY and extend is not None:
        raise UsageError("--mode latency adds no articles or arms; --extend the run first, then time it")
    plan = sweep.plan(_override(load_config(config), task, iterations, limit, width))
    if dry_run:
        _print_plan(plan, as_json)
        return
    _print_left_out(plan)
    named = resume or extend
    folder = find_run(RUNS, named) if named else existing_run(run_id) if run_id is not None else None
    name = folder.name if folder else run_id or sweep.new_run_id()
    again = f"bench run --resume {name}" + (f" --task {task}" if task else "")
    again += f" --mode {mode}" if mode == LATENCY else ""
    if mode == LATENCY:
        with interruptible(again):
            _time_answers(plan, folder, name, latency_samples or DEFAULT_SAMPLES, as_json)
    else:
        with sweep_progress(plan) as progress, interruptible(again):
            if folder is None:
                manifest = sweep.start(plan, RUNS, name, progress)
            else:
                manifest = sweep.resume(plan, folder, progress, extend=extend is not None)
        _print_result(RUNS / name, manifest.status, plan.n_samples, as_json)
    if fidelity:
        with interruptible(again + " --fidelity"):
            _compare_probabilities(plan, RUNS / name)


def _time_answers(plan: Plan, folder: Path | None, name: str, n_samples: int, as_json: bool) -> None:
    from bench import sweep
    from bench.cli.progress import latency_progress
    from bench.latency import measure_latency

    opened = sweep.created(plan, RUNS, name) if folder is None else sweep.continued(plan, folder, None)
    n_expected = len(plan.arms) * min(n_samples, len(plan.articles))
    with opened as (writer, whole), latency_progress(n_expected) as progress:
        n_new = measure_latency(whole, writer, progress, n_samples)
    _print_result(RUNS / name, "timed", n_new, as_json)


def _compare_probabilities(plan: Plan, folder: Path) -> None:
    from bench import sweep
    from bench.fidelity import measure_fidelity

    with sweep.continued(plan, folder, None) as (writer, whole):
        found, notes = measure_fidelity(whole, writer)
    for one in found:
        kl, top1 = f"KL {one.kl_mean:.4f} nats", f"same top token {100 * one.top1_agreement:.1f} %"
        typer.echo(f"{one.arm}: {kl}, {top1}, perplexity {one.perplexity_of_baseline:.3f}", err=True)
    for note in notes:
        typer.echo(note, err=True)


def existing_run(run_id: str) -> Path | None:
    """The folder of the run of that name, None if there is none; UsageError for what is no name."""
    from bench.store import checked_run_id, is_run

    folder = RUNS / checked_run_id(run_id)
    return folder if is_run(folder) else None


@contextmanager
def interruptible(command_line: str) -> Iterator[None]:
    """SIGTERM ends the block as Ctrl-C does; both say how to go on."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"interrupted; go on with: {command_line}", err=True)
        raise


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _override(
    config: Config, task: str | None, iterations: int | None, limit: int | None, width: str | None
) -> Config:
    """The config with what the command line says instead; validated again as a whole."""
    from pydantic import ValidationError

    from bench.config import Config

    data = config.model_dump(mode="json")
    if task is not None:
        data["task"] = task
    if iterations is not None:
        data["iterations"] = iterations
    if limit is not None:
        data["articles"]["limit"] = limit
    if width is not None:
        data["width"] = int(width) if width.isdecimal() else width
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        problem = error.errors()[0]
        what = {"iterations": f"--iterations {iterations}", "width": f"--width {width}"}
        limits = "a number from 1 to 254, or auto" if problem["loc"][0] == "width" else problem["msg"].lower()
        raise UsageError(f"{what.get(str(problem['loc'][0]), 'options')}: {limits}") from error


def _print_plan(plan: Plan, as_json: bool) -> None:
    import json

    from bench.estimate import expected_seconds

    seconds = expected_seconds(plan, RUNS)
    n_cells = len(plan.articles) * len(plan.arms)
    known = [value for value in seconds.values() if value is not None]
    total = sum(known) if len(known) == len(seconds) else None
    _print_left_out(plan)
    if as_json:
        summary = {
            "arms": [{"arm": arm, "expected_s": value} for arm, value in seconds.items()],
            "n_articles": len(plan.articles),
            "left_out": dict(plan.left_out),
            "iterations": plan.iterations,
            "n_cells": n_cells,
            "n_samples": plan.n_samples,
            "width": plan.width,
            "expected_s": total,
        }
        typer.echo(json.dumps(summary, indent=2))
        return
    for arm, value in seconds.items():
        typer.echo(f"{arm}  {'time unknown' if value is None else f'about {value:.0f} s'}")
    fewer = "" if plan.n_samples == n_cells * plan.iterations else ", as classifiers answer once"
    typer.echo(
        f"{len(plan.arms)} arms x {len(plan.articles)} articles = {n_cells} cells, "
        f"x {plan.iterations} iterations = {plan.n_samples} samples{fewer}"
    )
    if total is None:
        typer.echo("expected time: unknown, no earlier run has answers of every model")
    else:
        typer.echo(f"expected time: about {total / 60:.1f} min, from the answers of earlier runs")


def _print_left_out(plan: Plan) -> None:
    if plan.left_out:
        counts = ", ".join(f"{n} {reason.replace('_', ' ')}" for reason, n in plan.left_out.items())
        typer.echo(f"texts left out: {counts}", err=True)


def _print_result(folder: Path, status: str, n_samples: int, as_json: bool) -> None:
    import json

    if as_json:
        typer.echo(json.dumps({"run": folder.name, "status": status, "n_samples": n_samples}))
    else:
        typer.echo(folder.name)
        print(f"{n_samples} samples in {folder}; next: bench report {folder.name}", file=sys.stderr)  # noqa: T201
