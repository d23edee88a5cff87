"""Repeated measures and variance components where they are hard: constant, unbalanced, empty."""

import math

import numpy as np
import pandas as pd
import pytest

from bench.analysis.anova import friedman, repeated_measures
from bench.analysis.components import Cells, closed_form, maximised, reml_loglik, variance_components
from bench.analysis.naive import levene, one_way
from bench.analysis.tables import build_tables
from tests.analysis.builders import arm_rows, sample_rows

nan = float("nan")


def cells(n_articles=12, n_arms=3, repeats=5, seed=0, sd=(0.3, 0.1, 0.2)) -> Cells:
    generator = np.random.default_rng(seed)
    article = generator.normal(0, sd[0], (n_articles, 1, 1))
    article_arm = generator.normal(0, sd[1], (n_articles, n_arms, 1))
    y = article + article_arm + generator.normal(0, sd[2], (n_articles, n_arms, repeats))
    within = float(((y - y.mean(axis=2, keepdims=True)) ** 2).sum())
    return Cells(np.full((n_articles, n_arms), float(repeats)), y.mean(axis=2), within)


def test_arms_that_move_alike_on_every_article_are_not_testable():
    means = np.array([[0.1, 0.3], [0.5, 0.7], [-0.2, 0.0]])
    assert all(math.isnan(value) for value in repeated_measures(means).values())


@pytest.mark.parametrize("shape", [(1, 3), (5, 1), (0, 0)])
def test_one_article_or_one_arm_is_not_testable(shape):
    means = np.zeros(shape)
    assert all(math.isnan(v) for v in {**repeated_measures(means), **friedman(means)}.values())


def test_more_arms_than_articles_leave_mauchly_undefined_and_f_defined():
    result = repeated_measures(np.random.default_rng(0).normal(size=(3, 5)))
    assert math.isnan(result["mauchly_w"])
    assert result["f"] > 0
    assert 0 < result["gg_epsilon"] <= 1


def test_friedman_of_complete_ties_is_undefined():
    assert math.isnan(friedman(np.ones((4, 3)))["friedman_chi2"])


def test_levene_with_a_constant_side_is_not_testable():
    assert math.isnan(levene([np.array([0.1] * 5), np.array([0.0, 0.2, 0.1])], median=False).f)


def test_one_way_of_different_constants_is_not_testable():
    assert math.isnan(one_way([np.array([0.1, 0.1]), np.array([0.3, 0.3])]).p)


def test_the_optimizer_finds_the_closed_form_on_balanced_data():
    data = cells()
    assert maximised(data) == pytest.approx(closed_form(data), rel=1e-5)


def test_a_negative_closed_form_gives_a_singular_fit_with_the_pooled_residual():
    data = next(
        c for s in range(50) if (closed_form(c := cells(seed=s, sd=(0.3, 0.0, 0.4))) or (0, 0))[1] < 0
    )
    n_valid = data.n.astype(int)
    spread = np.full(data.n.shape, data.within / (n_valid - 1).sum())
    found = variance_components(n_valid, data.mean, spread)
    assert found.singular is True
    assert found.var_article_arm == 0
    better = reml_loglik(data, found.var_article / found.var_residual, 0).loglik
    assert found.reml_loglik == pytest.approx(better)
    assert better > reml_loglik(data, found.var_article / found.var_residual, 0.01).loglik


def test_the_restricted_likelihood_is_that_of_the_full_covariance_matrix():
    generator = np.random.default_rng(5)
    n = np.array([[2, 3], [1, 2], [0, 4]])
    article = np.repeat([0, 0, 1, 1, 2], [2, 3, 1, 2, 4])
    arm = np.repeat([0, 1, 0, 1, 1], [2, 3, 1, 2, 4])
    y = generator.normal(size=len(article))
    frame = pd.DataFrame({"article": article, "arm": arm, "y": y}).groupby(["article", "arm"])["y"]
    mean = np.array([[frame.get_group((i, j)).mean() if n[i, j] else 0.0 for j in (0, 1)] for i in range(3)])
    within = float(frame.var().fillna(0).mul(frame.count() - 1).sum())
    fit = reml_loglik(Cells(n.astype(float), mean, within), 0.7, 0.3)
    same_article = article[:, None] == article
    v = fit.residual * (np.eye(len(y)) + 0.7 * same_article + 0.3 * (same_article & (arm[:, None] == arm)))
    x = np.eye(2)[arm]
    inverse = np.linalg.inv(v)
    information = x.T @ inverse @ x
    r = y - x @ np.linalg.solve(information, x.T @ inverse @ y)
    dets = np.linalg.slogdet(v)[1] + np.linalg.slogdet(information)[1]
    full = -0.5 * ((len(y) - 2) * math.log(2 * math.pi) + dets + r @ inverse @ r)
    assert fit.loglik == pytest.approx(full)


@pytest.mark.parametrize(
    ("n", "spread", "reason"),
    [
        ([[3, 3]], 0.1, "fewer than two articles"),
        ([[3, 0], [3, 0]], 0.1, "one arm"),
        ([[1, 1], [1, 1]], nan, "two valid answers"),
        ([[3, 3], [3, 3]], 0.0, "never differ"),
        ([[0, 0], [0, 0]], nan, "fewer than two articles"),
    ],
)
def test_what_cannot_be_estimated_says_why(n, spread, reason):
    counts = np.array(n)
    found = variance_components(counts, np.full(counts.shape, 0.2), np.full(counts.shape, spread))
    assert reason in found.note
    assert math.isnan(found.var_article)
    assert found.singular is None


def test_an_arm_without_valid_answers_is_left_out_of_its_group_and_named():
    scores = {f"a{i}": [0.1 * i, 0.1 * i + 0.05] for i in range(5)}
    arms = arm_rows({"arm": "x", "quant": "fp16"}, {"arm": "y", "quant": "q4"}, {"arm": "z", "quant": "q8"})
    other = {k: [v[1] ** 2, v[0]] for k, v in scores.items()}
    silent = {k: [nan, nan] for k in scores}
    samples = pd.concat([sample_rows("x", scores), sample_rows("y", other), sample_rows("z", silent)])
    row = build_tables(samples, arms)["anova"].iloc[0]
    assert row["n_arms"] == 2
    assert "left out, without any valid answer: z" in row["note"]
    assert row["f"] > 0
