"""Do the intervals cover what they say? A seeded simulation of the report's own functions.

    python benchmarks/intervals.py [--runs 2000] [--only mean,latency,variance,validity] [--json]

In: nothing. Out: type I error of the paired t-test and coverage of the 95 % intervals, at 19 articles x 14
iterations and 40 x 5. Each row of a matrix is one simulated comparison, so 2,000 runs are one call of
the function that the report calls. Truth is known because it was put in.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from bench.analysis import rows
from bench.analysis.beta_binomial import profile_interval
from bench.analysis.frames import BoolArray, FloatArray
from bench.analysis.latency import latency_ratio
from bench.analysis.paired import paired_t
from bench.analysis.signflip import signflip_p
from bench.analysis.validity import ASSUMED_ICC, clopper_pearson, effective_n, wilson
from bench.analysis.variance_ratio import variance_ratio

DESIGNS = ((19, 14), (40, 5))
ARTICLE_ARM_VARIANCES = (0.0, 0.0015, 0.04)
"""How far arms move on single articles: not at all, as real quantizations do, and much more."""
SIGMAS = (0.0, 0.5, 1.0)
"""Spread of the logarithms of the cell variances."""
RATES, ICCS = (0.5, 0.9, 0.97), (0.0, 0.3, 0.8)
RESIDUAL = 0.0165
"""Variance between repeated answers, as in the peer's llama3-instruct."""
Finding = dict[str, Any]


def generator_of(*key: int) -> np.random.Generator:
    """A stream of its own for every setting, so that each can be repeated alone."""
    return np.random.default_rng([20_261_121, *key])


def cell_means(
    generator: np.random.Generator, shape: tuple[int, int], n: int, variance: float, residual: float
) -> FloatArray:
    """Article means of one arm, article effects left out: they cancel in a paired difference."""
    drift = generator.normal(0, np.sqrt(variance), shape)
    return drift + generator.normal(0, np.sqrt(residual / n), shape)


def simulate_means(n_runs: int) -> Iterator[Finding]:
    """Two arms that do not differ on average: how often the test says they do, and what is covered."""
    for n_articles, n in DESIGNS:
        for place, variance in enumerate(ARTICLE_ARM_VARIANCES):
            generator = generator_of(1, n_articles, place)
            shape = (n_runs, n_articles)
            a, b = (cell_means(generator, shape, n, variance, RESIDUAL) for _ in range(2))
            found = paired_t(a - b)
            p, signs = found["p_value"].to_numpy(), signflip_p(a - b)
            yield {
                "question": "mean",
                "design": f"{n_articles} x {n}",
                "article_arm_variance": variance,
                "type_1_error": float((p <= 0.05).mean()),
                "type_1_error_signflip": float((signs <= 0.05).mean()),
                "coverage": covered(found["ci_low"], 0.0, found["ci_high"]),
            }


def simulate_latency(n_runs: int) -> Iterator[Finding]:
    """Log seconds whose arms differ by a factor of 1.5: how often the interval of the ratio has it."""
    for n_articles, n in DESIGNS:
        for place, variance in enumerate(ARTICLE_ARM_VARIANCES):
            generator = generator_of(2, n_articles, place)
            shape = (n_runs, n_articles)
            a, b = (cell_means(generator, shape, n, variance, 0.04) for _ in range(2))
            found = latency_ratio(a + np.log(1.5), b)
            yield {
                "question": "latency",
                "design": f"{n_articles} x {n}",
                "article_arm_variance": variance,
                "coverage": covered(found["latency_ratio_ci_low"], 1.5, found["latency_ratio_ci_high"]),
            }


def simulate_variances(n_runs: int) -> Iterator[Finding]:
    """Cells whose variances are lognormal, twice as large on average in A."""
    for n_articles, n in DESIGNS:
        for place, sigma in enumerate(SIGMAS):
            generator = generator_of(3, n_articles, place)
            shape = (n_runs, n_articles)

            def sampled(
                mean: float, *, at: np.random.Generator, sd: float, size: Any, dof: int
            ) -> FloatArray:
                true = mean * np.exp(at.normal(-(sd**2) / 2, sd, size))
                return np.asarray(true * at.chisquare(dof, size) / dof, dtype=np.float64)

            options: Any = {"at": generator, "sd": sigma, "size": shape, "dof": n - 1}
            found = variance_ratio(sampled(0.03, **options), sampled(0.015, **options))
            yield {
                "question": "variance",
                "design": f"{n_articles} x {n}",
                "sigma": sigma,
                "coverage": covered(found["variance_ratio_ci_low"], 2.0, found["variance_ratio_ci_high"]),
                "coverage_upper": float((found["variance_ratio_upper"] >= 2.0).mean()),
            }


def simulate_validity(n_runs: int) -> Iterator[Finding]:
    """Beta-binomial counts: coverage of three intervals where some fail, and with the exact bound where
    none does (or all do): on independent answers, on answers alike at 0.2 (shown), and on articles."""
    for n_articles, n in DESIGNS:
        for i, rate in enumerate(RATES):
            for j, icc in enumerate(ICCS):
                generator = generator_of(4, n_articles, i, j)
                shape = (n_runs, n_articles)
                odds = (1 - icc) / icc if icc else 0.0
                own = generator.beta(rate * odds, (1 - rate) * odds, shape) if icc else np.full(shape, rate)
                valid, measured = generator.binomial(n, own), np.full(shape, n, dtype=np.int64)
                total = valid.sum(axis=1)
                extreme = (total == 0) | (total == n_articles * n)
                exact = clopper_pearson(total, measured.sum(axis=1), 0.025)
                worst = clopper_pearson(total / n, np.full(n_runs, n_articles), 0.05)[0]
                shrunk = n_articles * n / (1 + (n - 1) * ASSUMED_ICC)
                clustered = clopper_pearson(total * shrunk / (n_articles * n), np.full(n_runs, shrunk), 0.025)
                candidates = {
                    "wilson": wilson(total / (n_articles * n), effective_n(valid, measured)),
                    "logit_t": logit_t(valid / n),
                    "profile": profile_interval(valid, measured),
                }
                finding: Finding = {
                    "question": "validity",
                    "design": f"{n_articles} x {n}",
                    "rate": rate,
                    "icc": icc,
                    "share_without_any_failure": float(extreme.mean()),
                }
                for name, (low, high) in candidates.items():
                    inside = (low <= rate) & (rate <= high)
                    at_ends = np.where(extreme, (exact[0] <= rate) & (rate <= exact[1]), inside)
                    at_clustered = np.where(extreme, (clustered[0] <= rate) & (rate <= clustered[1]), inside)
                    at_worst = np.where(extreme, (worst <= rate) | (total == 0), inside)
                    finding |= {
                        f"{name}_coverage": share(inside, ~extreme),
                        f"{name}_coverage_with_exact": float(at_ends.mean()),
                        f"{name}_coverage_with_clustered": float(at_clustered.mean()),
                        f"{name}_coverage_with_worst": float(at_worst.mean()),
                        f"{name}_width": float(np.mean((high - low)[~extreme]))
                        if not extreme.all()
                        else None,
                    }
                yield finding


def logit_t(rates: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The t interval of the mean article rate on the logit scale, by the delta method: a candidate."""
    mean, sd = rows.mean(rates), rows.sd(rates)
    odds = rows.divided(mean, 1 - mean)
    centre = np.log(np.where(odds > 0, odds, np.nan))
    se = rows.divided(sd / np.sqrt(rates.shape[1]), mean * (1 - mean))
    half = rows.t_quantile(0.975, np.full(len(rates), rates.shape[1] - 1)) * se
    return 1 / (1 + np.exp(half - centre)), 1 / (1 + np.exp(-half - centre))


def covered(low: Any, truth: float, high: Any) -> float:
    """Share of intervals with the truth in them; an undefined interval covers nothing."""
    return float(((low <= truth) & (truth <= high)).mean())


def share(hit: BoolArray, among: BoolArray) -> float | None:
    """Share of hits among the chosen runs; None without any."""
    return float(hit[among].mean()) if among.any() else None


SIMULATIONS = {
    "mean": simulate_means,
    "latency": simulate_latency,
    "variance": simulate_variances,
    "validity": simulate_validity,
}


def main() -> None:
    """Run the chosen simulations and print what was found."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--only", default=",".join(SIMULATIONS))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    began, findings = time.process_time(), []
    for name in options.only.split(","):
        for finding in SIMULATIONS[name](options.runs):
            findings.append(finding)
            if not options.json:
                shown = (f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in finding.items())
                print(", ".join(shown), flush=True)
    if options.json:
        print(json.dumps(findings, indent=2))
    else:
        print(f"{options.runs} runs each, {time.process_time() - began:.0f} s of CPU time")


if __name__ == "__main__":
    main()
