"""How often the gate errs: identical arms, and arms that are just past each margin.

    python benchmarks/gate.py [--runs 1000] [--seed 5] [--json]

Cells (one arm on one article) are drawn with replacement from the fp16 arms of real results
(`tests/reference/samples.csv.gz`, valid answers), then every answer from its cell: a baseline and a
candidate draw apart from the same cells, so they are identical but for what a scenario changes. Out:
the share of runs in which the gate says pass, fail and not enough data, for all questions together
and for the question whose margin is passed.

Found with 1,000 runs and seed 5. Identical arms are failed in at most 0.7 % of runs. They pass, by family,
in 0 % at 20 x 5 (validity alone needs more), 14 to 72 % at 40 x 5 and 94 to 98 % at 40 x 15; with 2 % of
the answers failing in both arms in 22 to 24 % at 40 x 15.

Past a margin the whole arm passes in at most 4.7 % (5.3 % where label flips crowd on few articles, ICC
0.3), and the question in at most 4.8 % for the mean, 1.6 % for rms, 4.8 % for variance, 3.5 % for validity
up to an ICC of 0.6, and 3.4 % for labels whose flips are spread evenly. Where they crowd (ICC 0.1, 0.3) it
passes in 5.3 % at 40 articles and 9 to 12 % at 20, because that few articles often hold none of them; no
arm passes at 20 x 5.

Bounds that were tried and left: t over articles alone (labels pass in 7 to 17 %, validity at an ICC of 0.6
in 8 to 10 %), Johnson's t (labels 3 to 16 %), Korn and Graubard's effective n (labels below 5 %, but
identical arms pass a quarter less often), the profile likelihood of the rate (validity no better than
Clopper-Pearson).
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from bench.analysis import questions
from bench.analysis.beta_binomial import icc_profile
from bench.analysis.cells import Grid
from bench.analysis.frames import LABELS, FloatArray, label_codes
from bench.analysis.questions import Evidence
from bench.analysis.questions.valid import ICCS, failing_cells, icc_limit, pooled_icc
from bench.config import GateConfig

SAMPLES = Path(__file__).parents[1] / "tests" / "reference" / "samples.csv.gz"
THRESHOLDS = (-0.05, 0.05)
MARGINS = GateConfig()
PAST = 1.02
"""Just past a margin: 2 % beyond it."""
FEWEST_ANSWERS = 3
"""Cells with fewer valid answers are too coarse to draw from."""


class Cells(NamedTuple):
    """Answers of some arm, a row a cell; `n` says how many of a row count."""

    scores: FloatArray
    n: npt.NDArray[np.int64]


class Answers(NamedTuple):
    """Simulated answers, run x article x iteration; a score without validity is not looked at."""

    scores: FloatArray
    valid: npt.NDArray[np.bool_]


class Pair(NamedTuple):
    """A candidate and its baseline in every run."""

    candidate: Answers
    baseline: Answers


Change = Callable[[Pair, np.random.Generator], Pair]


def fp16_cells() -> dict[str, Cells]:
    """The cells of each fp16 arm that has valid answers to draw from."""
    data = pd.read_csv(SAMPLES)
    data = data[(data["quantization"] == "fp16") & data["valid"]]
    found = {}
    for family, arm in data.groupby("family", sort=True):
        cells = [c["sentiment"].to_numpy() for _, c in arm.groupby("article") if len(c) >= FEWEST_ANSWERS]
        width = max(len(cell) for cell in cells)
        padded = np.stack([np.pad(cell, (0, width - len(cell))) for cell in cells])
        found[str(family)] = Cells(padded, np.array([len(cell) for cell in cells]))
    return found


def drawn(cells: Cells, n_runs: int, articles: int, iterations: int, rng: np.random.Generator) -> Pair:
    """Two identical arms in every run."""
    which = rng.integers(len(cells.n), size=(n_runs, articles))

    def answers() -> Answers:
        place = (rng.random((n_runs, articles, iterations)) * cells.n[which][..., None]).astype(np.int64)
        scores = cells.scores[which[..., None], place]
        return Answers(scores, np.ones(scores.shape, dtype=bool))

    return Pair(answers(), answers())


# ---------------------------------------------------------------- what a scenario changes


def unchanged(pair: Pair, rng: np.random.Generator) -> Pair:
    """Identical arms."""
    return pair


def failing(rate: float, icc: float, *, both: bool) -> Change:
    """Answers fail at a beta-binomial rate, alike within an article as `icc` says."""

    def change(pair: Pair, rng: np.random.Generator) -> Pair:
        shape = pair.candidate.scores.shape
        scale = (1 - icc) / icc

        def valid() -> npt.NDArray[np.bool_]:
            fails = rng.beta(rate * scale, (1 - rate) * scale, size=shape[:2])
            return rng.random(shape) >= fails[..., None]

        baseline = pair.baseline._replace(valid=valid()) if both else pair.baseline
        return Pair(pair.candidate._replace(valid=valid()), baseline)

    return change


def shifted(shift: float, spread: float) -> Change:
    """The candidate's articles move by `shift` on average, each by its own amount."""

    def change(pair: Pair, rng: np.random.Generator) -> Pair:
        moves = shift + spread * rng.standard_normal(pair.candidate.scores.shape[:2])
        return pair._replace(
            candidate=pair.candidate._replace(scores=pair.candidate.scores + moves[..., None])
        )

    return change


def drifted(size: float) -> Change:
    """Every article of the candidate moves by `size`, up or down."""

    def change(pair: Pair, rng: np.random.Generator) -> Pair:
        moves = size * rng.choice([-1.0, 1.0], size=pair.candidate.scores.shape[:2])
        return pair._replace(
            candidate=pair.candidate._replace(scores=pair.candidate.scores + moves[..., None])
        )

    return change


def noisier(cells: Cells, ratio: float) -> Change:
    """The candidate's answers lie further from their article's mean: `ratio` times the variance."""

    def change(pair: Pair, rng: np.random.Generator) -> Pair:
        # around each drawn value's own cell, which both arms share: redraw with the cell's mean known
        runs, articles, iterations = pair.candidate.scores.shape
        which = rng.integers(len(cells.n), size=(runs, articles))
        inside = np.arange(cells.scores.shape[1]) < cells.n[:, None]
        centre = ((cells.scores * inside).sum(axis=1) / cells.n)[which][..., None]

        def answers(factor: float) -> Answers:
            place = (rng.random((runs, articles, iterations)) * cells.n[which][..., None]).astype(np.int64)
            scores = centre + factor * (cells.scores[which[..., None], place] - centre)
            return Answers(scores, np.ones(scores.shape, dtype=bool))

        return Pair(answers(math.sqrt(ratio)), answers(1.0))

    return change


def unsteady(sd: float) -> Change:
    """The baseline repeats one score per article; the candidate's answers spread around it."""

    def change(pair: Pair, rng: np.random.Generator) -> Pair:
        same = np.broadcast_to(pair.baseline.scores[..., :1], pair.baseline.scores.shape)
        noise = sd * rng.standard_normal(same.shape)
        return Pair(pair.candidate._replace(scores=same + noise), pair.baseline._replace(scores=same))

    return change


def relabelled(excess: float, icc: float) -> Change:
    """The baseline answers just above a threshold; the candidate falls below it with a chance per article.

    An article's excess disagreement is the square of its chance, so the chance has the second moment
    `excess`: it is the same everywhere (`icc` 0), or beta-distributed with mean m and m^2 + icc m (1 - m) =
    excess. The scores move by so little that no other question sees it.
    """

    def change(pair: Pair, rng: np.random.Generator) -> Pair:
        steady = np.full(pair.baseline.scores.shape, THRESHOLDS[1] + 0.01)
        chance = np.full((1, 1, 1), math.sqrt(excess))
        if icc:
            mean = (math.sqrt(icc**2 + 4 * (1 - icc) * excess) - icc) / (2 * (1 - icc))
            scale = (1 - icc) / icc
            chance = rng.beta(mean * scale, (1 - mean) * scale, size=(*steady.shape[:2], 1))
        flipped = np.where(rng.random(steady.shape) < chance, THRESHOLDS[1] - 0.01, steady)
        return Pair(pair.candidate._replace(scores=flipped), pair.baseline._replace(scores=steady))

    return change


# ---------------------------------------------------------------- judging


def grid_of(pair: Pair) -> Grid:
    """All runs as one grid: candidates in the first rows, baselines after them."""
    scores = np.concatenate([pair.candidate.scores, pair.baseline.scores])
    valid = np.concatenate([pair.candidate.valid, pair.baseline.valid])
    shape, n_valid = scores.shape[:2], valid.sum(axis=2)
    seen = np.where(valid, scores, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = seen.sum(axis=2) / n_valid
        spread = (np.where(valid, scores - mean[..., None], 0.0) ** 2).sum(axis=2) / (n_valid - 1)
    low = np.where(valid, scores, np.inf).min(axis=2)
    high = np.where(valid, scores, -np.inf).max(axis=2)
    codes = np.where(valid, label_codes(scores, THRESHOLDS), -1)
    nothing = np.full(shape, np.nan)
    return Grid(
        arms=tuple(str(i) for i in range(shape[0])),
        articles=tuple(str(i) for i in range(shape[1])),
        n_samples=np.full(shape, scores.shape[2]),
        n_failed=np.zeros(shape, dtype=np.int64),
        n_valid=n_valid,
        valid_rate=n_valid / scores.shape[2],
        score_mean=np.where(n_valid > 0, mean, np.nan),
        score_variance=np.where(n_valid < 2, np.nan, np.where(low == high, 0.0, spread)),
        score_min=low,
        score_max=high,
        confidence_mean=nothing,
        duration_mean_s=nothing,
        log_duration_mean=nothing,
        completion_tokens_mean=nothing,
        label_counts=np.stack([(codes == code).sum(axis=2) for code in range(len(LABELS))]),
    )


def verdicts(pair: Pair) -> pd.DataFrame:
    """The word of every question and of the arm (`all`), a row a run."""
    grid = grid_of(pair)
    n_runs = len(pair.candidate.scores)
    a, b = np.arange(n_runs), np.arange(n_runs, 2 * n_runs)
    rows = [[i, i + n_runs] for i in range(n_runs)]
    icc = np.array([pooled_icc(grid.n_valid[row], grid.n_measured[row]) for row in rows])
    profile = icc_profile(grid.n_valid, grid.n_measured, ICCS)
    n_failing = failing_cells(grid.n_valid, grid.n_measured)
    limit = icc_limit(profile[:, a] + profile[:, b], n_failing[a] + n_failing[b])
    evidence = Evidence(grid, a, b, MARGINS, icc, limit, thresholds=THRESHOLDS, planning=False)
    words = pd.DataFrame({name: questions.judge(name, evidence)["verdict"] for name in questions.names()})
    failed = (words == "fail").any(axis=1)
    passed = (words == "pass").all(axis=1)
    words["all"] = np.select([failed, passed], ["fail", "pass"], "not_enough_data")
    return words


class Row(NamedTuple):
    """What came out of one scenario."""

    scenario: str
    cells: str
    articles: int
    iterations: int
    question: str
    passed: float
    failed: float
    open: float
    passed_all: float
    failed_all: float


def scenarios(cells: Cells, *, steadiest: bool) -> Iterator[tuple[str, str, Change, list[tuple[int, int]]]]:
    """Name, the question that is tried, the change, and the sizes of the run.

    What does not depend on the cells' scores is tried on the `steadiest` family only, where the other
    questions are likeliest to pass and so stop least.
    """
    small, large = [(20, 3), (40, 3), (40, 5)], [(20, 5), (40, 5), (40, 15)]
    yield "identical", "all", unchanged, list(dict.fromkeys(small + large))
    yield "identical, 2 % fail", "all", failing(0.02, 0.3, both=True), list(dict.fromkeys(small + large))
    yield "shift past 0.05", "mean", shifted(MARGINS.mean * PAST, 0.0), large
    yield "shift past 0.05, articles differ", "mean", shifted(MARGINS.mean * PAST, 0.05), large
    yield "drift past 0.10", "rms", drifted(MARGINS.rms * PAST), large
    yield "drift past 0.10, normal", "rms", shifted(0.0, MARGINS.rms * PAST), large
    if mean_variance(cells) * (MARGINS.variance_ratio * PAST - 1) > (MARGINS.variance_abs * PAST) ** 2:
        yield "variance past 2x", "variance", noisier(cells, MARGINS.variance_ratio * PAST), large
    if steadiest:
        for icc in (0.1, 0.3, 0.6):
            dropping = failing(MARGINS.valid_drop * PAST, icc, both=False)
            yield f"drop past 5 points, ICC {icc}", "valid", dropping, large
        yield "variance past 0.02^2", "variance", unsteady(MARGINS.variance_abs * PAST), large
        for icc in (0.0, 0.1, 0.3):
            turned = relabelled(MARGINS.labels * PAST, icc)
            yield f"labels past 5 points, ICC {icc}", "labels", turned, large


def mean_variance(cells: Cells) -> float:
    """Mean variance inside the cells, as resampling them gives it (no ddof)."""
    inside = np.arange(cells.scores.shape[1]) < cells.n[:, None]
    centre = (cells.scores * inside).sum(axis=1) / cells.n
    return float(((((cells.scores - centre[:, None]) ** 2) * inside).sum(axis=1) / cells.n).mean())


def simulate(n_runs: int, seed: int) -> Iterator[Row]:
    """Every scenario on the cells of every fp16 arm."""
    families = fp16_cells()
    steadiest = min(families, key=lambda family: mean_variance(families[family]))
    for place, (family, cells) in enumerate(families.items()):
        chosen = scenarios(cells, steadiest=family == steadiest)
        for number, (name, question, change, sizes) in enumerate(chosen):
            for articles, iterations in sizes:
                rng = np.random.default_rng([seed, place, number, articles, iterations])
                pair = change(drawn(cells, n_runs, articles, iterations, rng), rng)
                words = verdicts(pair)
                asked, whole = words[question], words["all"]
                passed, failed = (float((asked == word).mean()) for word in ("pass", "fail"))
                yield Row(
                    scenario=name,
                    cells=family,
                    articles=articles,
                    iterations=iterations,
                    question=question,
                    passed=passed,
                    failed=failed,
                    open=1 - passed - failed,
                    passed_all=float((whole == "pass").mean()),
                    failed_all=float((whole == "fail").mean()),
                )


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    began, made = time.perf_counter(), []
    for row in simulate(options.runs, options.seed):
        made.append(row)
        if not options.json:
            print(
                f"{row.scenario:32} {row.cells:24} {row.articles:3} x {row.iterations:2}  {row.question:8} "
                f"pass {row.passed:6.1%} fail {row.failed:6.1%} open {row.open:6.1%}   "
                f"arm: pass {row.passed_all:6.1%} fail {row.failed_all:6.1%}",
                flush=True,
            )
    if options.json:
        print(json.dumps([row._asdict() for row in made], indent=2))
    else:
        print(f"{options.runs} runs each, seed {options.seed}, {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
