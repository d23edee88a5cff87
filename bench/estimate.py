"""How long a sweep would take, from what earlier runs measured on this machine.

In: a plan and the folder of runs. Out: seconds per arm, None where no earlier run has answers of the
same arm. It guesses nothing: a model nobody ran has no expected time.
"""

from __future__ import annotations

from pathlib import Path

from bench import store
from bench.errors import BenchError
from bench.sweep import Plan


def expected_seconds(plan: Plan, root: Path) -> dict[str, float | None]:
    """Expected seconds of each arm: samples wanted x seconds per answer in a run that has the arm."""
    per_answer: dict[str, float] = {}
    for folder in store.list_runs(root):
        try:
            manifest = store.open_run(folder).manifest
        except BenchError:
            continue  # a damaged run says nothing about time, and is not this command's business
        for record in manifest.arms:
            if record.n_decoded:
                per_answer[record.arm] = record.decode_s / record.n_decoded
    n_articles = len(plan.articles)
    return {
        s.arm: n_articles * plan.iterations_of(s) * per_answer[s.arm] if s.arm in per_answer else None
        for s in plan.arms
    }
