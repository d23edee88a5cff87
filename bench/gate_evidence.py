"""What a verdict is founded on: which arms are compared, on what numbers, and whether these hold.

In: a run folder, margins and a baseline. Out: for every arm the answer to every question, why its
measurement may not be trusted, and what it costs. It decides no verdict: `bench.gate` does.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import store
from bench.arm_names import resolve_arm
from bench.config import GateConfig
from bench.errors import UsageError
from bench.identity import match_arm
from bench.reading import answer_schema, arm_frame, read_samples, truth_frame
from bench.records import AnswerSchema, Article, GateAnswer, Manifest, Outcome

if TYPE_CHECKING:
    import pandas as pd

    from bench.analysis.cells import Grid
    from bench.analysis.grading import Grades
    from bench.analysis.questions import Evidence

MOST_BACKEND_ERRORS = 0.01
"""Share of an arm's measurements that may fail in the backend before nothing can be said about it."""


@dataclass(frozen=True)
class Measured:
    """A run as frames, with its cells."""

    manifest: Manifest
    articles: tuple[Article, ...]
    schema: AnswerSchema
    arms: pd.DataFrame
    """As `bench.analysis.frames.ARM_COLUMNS`."""
    samples: pd.DataFrame
    """As `bench.analysis.frames.prepared` returns them."""
    timings: pd.DataFrame
    """The samples whose seconds count, in the same form."""
    grid: Grid
    grades: Grades
    """The answers held against the articles' labels and reference scores."""

    @property
    def limits(self) -> tuple[float, float] | None:
        """Smallest and largest score of the task; None where either is open."""
        return self.schema.score_limits

    @property
    def scale(self) -> float:
        """Half the score range, of which margins are fractions."""
        return (self.limits[1] - self.limits[0]) / 2 if self.limits else 1.0


def measured(run_dir: Path) -> Measured:
    """Read a run. UsageError where it has no samples."""
    run = store.open_run(run_dir)
    schema, name = answer_schema(run.manifest), run.manifest.run_id
    found = read_samples(run, schema)
    if found.samples.empty:
        raise UsageError(f"run {name} has no samples; bench run --resume {name}")
    arms = arm_frame(run.manifest)
    return from_frames(run.manifest, run.articles(), schema, arms, found.samples, found.timings)


def from_frames(
    manifest: Manifest,
    articles: tuple[Article, ...],
    schema: AnswerSchema,
    arms: pd.DataFrame,
    samples: pd.DataFrame,
    timings: pd.DataFrame | None = None,
) -> Measured:
    """A run that was read already. Where decoding is greedy, one answer stands for any number of them."""
    import numpy as np

    from bench.analysis.cells import build_grid
    from bench.analysis.frames import prepared
    from bench.analysis.grading import grade

    answers = prepared(samples, arms, manifest.article_ids)
    timed = answers if timings is None else prepared(timings, arms, manifest.article_ids)
    grid = build_grid(answers, timed, schema.label_thresholds)
    if greedy_once(manifest):
        constant = np.where(grid.n_valid == 1, 0.0, grid.score_variance)
        grid = replace(grid, score_variance=constant, label_counts=grid.label_counts * 2)
    grades = grade(answers, truth_frame(articles), schema.label_thresholds, schema.label_names)
    return Measured(manifest, articles, schema, arms.reset_index(drop=True), answers, timed, grid, grades)


def greedy_once(manifest: Manifest) -> bool:
    """Whether every further answer would have been the same: temperature 0, decoded once."""
    temperature = manifest.config.get("sampling", {}).get("temperature")
    return bool(temperature == 0 and manifest.iterations == 1)


# ---------------------------------------------------------------- which arms are compared


def reference_arms(arms: pd.DataFrame, configured: str | None, asked: str | None) -> dict[str, str | None]:
    """The baseline of every arm (of a baseline: itself), None where it has none. A/A arms are not in it.

    A quant that was asked for is the baseline of each group that has it, and of no other; an arm that
    was asked for is the baseline of all. Else each group's own, as in every report.
    """
    from bench.analysis.comparisons import arms_of, baseline_arms

    judged = [arm for arm in arms_of(arms) if not arm.repeat_of]
    names, quants = [arm.arm for arm in judged], {arm.quant for arm in judged}
    if asked is not None and asked not in quants:
        return dict.fromkeys(names, resolve_arm(asked, names))
    if asked is not None:
        found = {arm.group: arm.arm for arm in judged if arm.quant == asked}
    else:
        fitting = [] if configured is None or configured in quants else match_arm(configured, names)
        found = baseline_arms(arms, fitting[0] if len(fitting) == 1 else configured)
    return {arm.arm: found.get(arm.group) for arm in judged}


def common_baseline(arms: pd.DataFrame, references: set[str]) -> str | None:
    """The one baseline; of several, the quant they share; None where they share none."""
    quants = set(arms.loc[arms["arm"].isin(references), "quant"])
    shared = references if len(references) == 1 else quants
    return next(iter(shared)) if len(shared) == 1 else None


# ---------------------------------------------------------------- the questions


def answers(
    data: Measured, margins: GateConfig, compared: Mapping[str, str | None]
) -> dict[str, dict[str, GateAnswer]]:
    """Every question about every arm; of baselines, and arms that have none, the absolute ones."""
    from bench.analysis import questions

    references = set(compared.values())
    groups = (
        ([arm for arm, base in compared.items() if arm in references], "this is the baseline"),
        ([arm for arm, base in compared.items() if base is None], "its group has no baseline"),
    )
    pairs = [(arm, base) for arm, base in compared.items() if base is not None and arm not in references]
    paired = evidence(data, margins, pairs)
    alone = [(members, evidence(data, margins, [(a, a) for a in members]), why) for members, why in groups]
    made: dict[str, dict[str, GateAnswer]] = {arm: {} for arm in compared}
    for name in questions.names():
        found = [([arm for arm, _ in pairs], questions.judge(name, paired))]
        found += [(members, questions.alone(name, single, why)) for members, single, why in alone]
        for members, frame in found:
            for arm, row in zip(members, frame.to_dict("records"), strict=True):
                made[arm][name] = _answer(row)
    return made


def evidence(data: Measured, margins: GateConfig, pairs: Sequence[tuple[str, str]]) -> Evidence:
    """What the questions about these pairs (arm, baseline) are answered from."""
    import numpy as np

    from bench.analysis.beta_binomial import icc_profile
    from bench.analysis.comparisons import base_arms
    from bench.analysis.questions import Evidence
    from bench.analysis.questions.valid import ICCS, failing_cells, icc_limit, pooled_icc

    grid, bases = data.grid, base_arms(data.arms)
    base = [grid.row(bases[a]) if bases.get(a, b) != b else -1 for a, b in pairs]
    together = icc_profile(grid.n_valid, grid.n_measured, ICCS).sum(axis=1, keepdims=True)
    n_failing = failing_cells(grid.n_valid, grid.n_measured).sum(keepdims=True)
    return Evidence(
        grid=grid,
        a=np.array([grid.row(a) for a, _ in pairs], dtype=np.int64),
        b=np.array([grid.row(b) for _, b in pairs], dtype=np.int64),
        margins=margins,
        icc=np.full(len(pairs), pooled_icc(grid.n_valid, grid.n_measured)),
        icc_limit=np.full(len(pairs), icc_limit(together, n_failing)[0]),
        scale=data.scale,
        thresholds=data.schema.label_thresholds,
        has_score=data.schema.score is not None,
        grades=data.grades,
        base=np.array(base, dtype=np.int64),
    )


def _answer(row: Mapping[Any, Any]) -> GateAnswer:
    numbers = {name: _known(row[name]) for name in ("estimate", "lower", "upper", "margin", "p_value")}
    counts = {name: _whole(row[name]) for name in ("n_articles_needed", "n_iterations_needed")}
    words = {name: str(row[name]) for name in ("verdict", "reason", "unit")}
    return GateAnswer.model_validate({**numbers, **counts, **words, "applies": bool(row["applies"])})


def _known(value: Any) -> float | None:
    """A finite number, or None: `gate.json` knows neither NaN nor infinity."""
    return float(value) if value is not None and math.isfinite(value) else None


def _whole(value: Any) -> int | None:
    number = _known(value)
    return None if number is None else int(number)


# ---------------------------------------------------------------- what else is known


def faults(data: Measured) -> dict[str, list[str]]:
    """Why a measurement may not be trusted, by arm; no reasons where all is well."""
    by_arm = data.samples["outcome"].astype(str).groupby(data.samples["arm"].astype(str))
    counts = {str(arm): group.value_counts().to_dict() for arm, group in by_arm}
    found: dict[str, list[str]] = {}
    for record in data.manifest.arms:
        seen, reasons = counts.get(record.arm, {}), []
        planned, loaded = record.spec.digest, record.loaded.digest if record.loaded else None
        if planned is not None and loaded is not None and planned != loaded:
            reasons.append(f"{record.arm}: the model's digest changed, {planned[:19]} to {loaded[:19]}")
        total, errors = sum(seen.values()), seen.get(Outcome.BACKEND_ERROR.value, 0)
        if errors > MOST_BACKEND_ERRORS * total:
            reasons.append(f"{record.arm}: {errors} of {total} measurements failed in the backend")
        overflows = seen.get(Outcome.CONTEXT_OVERFLOW.value, 0)
        if overflows:
            reasons.append(f"{record.arm}: {overflows} prompts did not fit the context")
        found[record.arm] = reasons
    return found


def numbers(
    data: Measured, margins: GateConfig, compared: Mapping[str, str | None]
) -> dict[str, dict[str, Any]]:
    """Costs of every arm, and what a next run would need, as in `arms.csv` and `pairs.csv`."""
    import numpy as np

    from bench.analysis.arms import arm_table
    from bench.analysis.latency import latency_ratio
    from bench.analysis.pairs import planning

    costs = ("valid_rate", "duration_mean_s", "seconds_per_valid", "file_bytes", "peak_memory_bytes")
    table = arm_table(data.samples, data.timings, data.grid, data.arms, data.limits)
    made = {row["arm"]: {name: _known(row[name]) for name in costs} for row in table.to_dict("records")}
    pairs = [(arm, base) for arm, base in compared.items() if base is not None and arm != base]
    a, b = (np.array([data.grid.row(pair[side]) for pair in pairs], dtype=np.int64) for side in (0, 1))
    grid = data.grid
    n_common = ((grid.n_valid[a] > 0) & (grid.n_valid[b] > 0)).sum(axis=1)  # a task may have no score
    ratios = latency_ratio(grid.log_duration_mean[a], grid.log_duration_mean[b])["latency_ratio"]
    plans = planning(grid, a, b, margins.mean * data.scale).to_dict("records")
    result: dict[str, dict[str, Any]] = {arm: dict(values) for arm, values in made.items()}
    for (arm, _), plan, n_articles, ratio in zip(pairs, plans, n_common, ratios, strict=True):
        needed = {name: _whole(plan[name]) for name in ("n_articles_needed", "n_iterations_needed")}
        result[arm] |= {**needed, "n_articles": int(n_articles), "latency_ratio": _known(ratio)}
    return result


def notes(data: Measured) -> Iterator[str]:
    """What a reader must know besides the verdicts."""
    manifest = data.manifest
    expected = manifest.n_expected_samples
    found = int(data.grid.n_samples.sum())
    if found < expected:
        yield f"the run is not complete, {found} of {expected} samples: bench run --resume {manifest.run_id}"
    if greedy_once(manifest):
        yield "decoding is greedy: one answer per article stands for all, so variances are 0"
    if not any(a.label is not None or a.reference_score is not None for a in data.articles):
        yield "the articles carry no labels: this is agreement with the baseline, not correctness"
    repeats = [str(arm) for arm, of in zip(data.arms["arm"], data.arms["repeat_of"], strict=True) if of]
    if repeats:
        yield f"A/A arms are no candidates and are not judged: {', '.join(repeats)}"


def settings_notes(
    data: Measured, margins: GateConfig, configured: str | None, asked: str | None
) -> Iterator[str]:
    """Where the verdicts rest on other margins or another baseline than the run's own config has.

    The present config decides; but one that was not found, or of another folder, must not do so unseen.
    """
    from bench.analysis.comparisons import arms_of, no_such_baseline

    judged = [arm for arm in arms_of(data.arms) if not arm.repeat_of]
    if configured is not None and asked is None:
        quants, names = {arm.quant for arm in judged}, [arm.arm for arm in judged]
        if configured not in quants and not match_arm(configured, names):
            yield no_such_baseline(configured)
    own, then = data.manifest.config.get("baseline"), data.manifest.config.get("gate")
    now = margins.model_dump(mode="json")
    before = {**now, **then} if isinstance(then, dict) else now
    if other := [f"{name} {now[name]} (then {before[name]})" for name in now if before[name] != now[name]]:
        yield f"judged by other margins than those of the config it was measured with: {', '.join(other)}"
    if own is not None and asked is None and own != configured:
        yield f"the config it was measured with has baseline {own}, the present one {configured or 'none'}"
