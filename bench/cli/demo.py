"""`bench demo`: train, sweep and report in one go, and say how long each part took."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer


def command(
    run_id: Annotated[
        str, typer.Option("--run-id", help="Name of the run; it is resumed if there.")
    ] = "demo",
    train_only: Annotated[bool, typer.Option("--train-only", help="Stop when the models are there.")] = False,
) -> None:
    """Train two small models, sweep eight arms, time them, report."""
    from bench import demo, sweep
    from bench.cli.progress import latency_progress, sweep_progress
    from bench.cli.report import HEATMAPS, REPORTS, print_report
    from bench.cli.run import RUNS, existing_run, interruptible
    from bench.fidelity import measure_fidelity
    from bench.latency import measure_latency
    from bench.report import make_report
    from bench.train import models_present, train
    from bench.training.display import Display

    watch = demo.Stopwatch()
    if not models_present(demo.MODELS, demo.PRESET):
        display = Display()
        try:
            train(demo.PRESET, demo.MODELS, display)
        finally:
            display.close()
    watch.lap("train")
    if train_only:
        return
    config = demo.demo_config()
    plan = sweep.plan(config)
    with sweep_progress(plan) as progress, interruptible("bench demo"):
        folder = existing_run(run_id)
        if folder is None:
            sweep.start(plan, RUNS, run_id, progress)
        else:
            sweep.resume(plan, folder, progress)
    watch.lap("sweep")
    again, n_timed = sweep.continued(plan, RUNS / run_id, None), len(plan.arms) * demo.LATENCY_SAMPLES
    with again as (writer, whole), latency_progress(n_timed) as progress, interruptible("bench demo"):
        measure_latency(whole, writer, progress, demo.LATENCY_SAMPLES)
        measure_fidelity(whole, writer)
    watch.lap("timing")
    result = make_report(RUNS / run_id, REPORTS, HEATMAPS, config=config)
    watch.lap("report")
    print_report(result)
    _print_end(result.paths, watch.parts)


def _print_end(paths: Sequence[Path], parts: Sequence[tuple[str, float]]) -> None:
    wanted = [path for path in paths if path.suffix in {".xlsx", ".html"}]
    folders = sorted({path.parent for path in paths if path.suffix in {".csv", ".png"}})
    for path in (*wanted, *folders):
        typer.echo(f"look at {path}")
    typer.echo("took " + ", ".join(f"{part} {seconds:.0f} s" for part, seconds in parts))
