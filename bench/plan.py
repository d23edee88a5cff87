"""From a run to the data that a next one needs: `bench plan [RUN]`.

In: a run folder, a shift, a margin and costs. Out: one `GroupPlan` per group. It reads what
`bench.report` reads; the formulas are in `bench.analysis.planning`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench import store
from bench.analysis.cells import build_grid
from bench.analysis.frames import prepared
from bench.analysis.groups import variance_table
from bench.analysis.planning import Mix, PlanRow, cheapest_mix, plan_rows
from bench.analysis.power import articles_needed, articles_to_detect
from bench.analysis.sentences import records
from bench.errors import NotEnoughDataError
from bench.reading import answer_schema, arm_frame, read_samples


@dataclass(frozen=True)
class GroupPlan:
    """What one group's comparisons would need."""

    group: str
    n_articles: int
    """Articles of the run, for the column mde."""
    var_article_arm: float
    var_residual: float
    rows: tuple[PlanRow, ...]
    detect: Mix | None
    """The cheapest way to find the shift; None where no realistic one does."""
    settle: Mix | None
    """The cheapest way to settle the margin if the arms are equal."""
    note: str
    """Why there is no plan; empty where there is one."""


def make_plan(
    run_dir: Path, shift: float, margin: float, cost_article: float, cost_iteration: float
) -> list[GroupPlan]:
    """A plan for every group of the run in `run_dir`; NotEnoughDataError where it has no samples."""
    run = store.open_run(run_dir)
    schema, arms = answer_schema(run.manifest), arm_frame(run.manifest)
    samples = read_samples(run, schema)[0]
    if samples.empty:
        raise NotEnoughDataError(f"run {run.manifest.run_id} has no samples to plan from")
    frame = prepared(samples, arms, run.manifest.article_ids)
    components = variance_table(build_grid(frame, frame, schema.label_thresholds), arms)
    made = []
    n = len(run.manifest.article_ids)
    for row in records(components):
        drift, answers = row["var_article_arm"], row["var_residual"]
        if row["note"]:
            made.append(GroupPlan(row["group"], n, drift, answers, (), None, None, row["note"]))
            continue
        mix = partial(cheapest_mix, drift, answers, cost_article=cost_article, cost_iteration=cost_iteration)
        made.append(
            GroupPlan(
                group=row["group"],
                n_articles=n,
                var_article_arm=drift,
                var_residual=answers,
                rows=tuple(plan_rows(drift, answers, n, shift, margin)),
                detect=mix(articles=partial(articles_to_detect, shift=shift)),
                settle=mix(articles=partial(articles_needed, margin=margin)),
                note="",
            )
        )
    return made
