"""Every reference value that has a column, for all families, pairs and models of the reference."""

from __future__ import annotations

import functools
import math
from typing import Any

import pandas as pd
import pytest

from bench.analysis.power import articles_needed, articles_to_detect, smallest_detectable_shift
from bench.analysis.tables import build_tables
from tests.analysis.builders import reference, reference_frames

REFERENCE = reference()
CLOSED = 1e-9
PAIR_VALUES = {
    "n_articles": "paired.G",
    "mean_difference": "paired.diff",
    "sd_difference": "paired.sd",
    "se": "paired.se",
    "t": "paired.t",
    "dof": "paired.df",
    "p_value": "paired.p",
    "ci_low": "paired.ci95.0",
    "ci_high": "paired.ci95.1",
    "ci90_low": "paired.ci90.0",
    "ci90_high": "paired.ci90.1",
    "cohen_dz": "paired.d_z",
    "hedges_gz": "paired.g_z",
    "wilcoxon_p": "wilcoxon.p_exact_midrank",
    "signflip_p": "signflip_exact_p",
    "tost_margin": "tost.margin",
    "tost_p": "tost.p",
    "rms_drift": "net_drift.rms_gross",
    "rms_drift_upper": "net_drift.rms_gross_upper95_chi2",
    "max_abs_drift": "net_drift.max_abs_drift",
    "variance_ratio": "variance.ratio",
    "variance_ratio_ci_low": "variance.ratio_ci95_jack.0",
    "variance_ratio_ci_high": "variance.ratio_ci95_jack.1",
    "variance_ratio_upper": "variance.upper95_onesided",
    "variance_p": "variance.p_jack",
    "n_articles_labels": "net_drift.n_articles",
    "label_flips": "labels.flips_mean",
    "label_opposite": "labels.opposite",
    "cross_agreement": "labels.cross_agreement",
    "self_agreement_a": "labels.self_agreement_A",
    "self_agreement_b": "labels.self_agreement_B",
    "excess_disagreement": "label_excess.excess_disagreement",
    "excess_upper": "label_excess.excess_upper95",
    "valid_difference": "validity.diff",
    "valid_difference_se": "validity.se_cluster",
    "latency_ratio": "latency.geo_ratio_A_over_B",
    "latency_ratio_ci_low": "latency.ci95.0",
    "latency_ratio_ci_high": "latency.ci95.1",
    "naive_t": "naive_welch.t",
    "naive_p": "naive_welch.p",
    "mde": "power.mde80_G19",
    "n_articles_needed": "power.G_for_TOST_0p05_power80_true0",
    "n_articles_to_detect": "power.G_for_shift_0p05_power80",
}
GROUP_VALUES = {
    "n_articles": "rm_anova.n",
    "n_arms": "rm_anova.k",
    "naive_f": "naive_anova.F",
    "naive_p": "naive_anova.p",
    "f": "rm_anova.F",
    "dof1": "rm_anova.df1",
    "dof2": "rm_anova.df2",
    "p_value": "rm_anova.p",
    "gg_epsilon": "rm_anova.GG_eps",
    "p_gg": "rm_anova.p_GG",
    "hf_epsilon": "rm_anova.HF_eps",
    "p_hf": "rm_anova.p_HF",
    "mauchly_w": "rm_anova.mauchly_W",
    "mauchly_p": "rm_anova.mauchly_p_R_car_pingouin",
    "eta_sq_partial": "rm_anova.eta2_partial",
    "eta_sq_generalized": "rm_anova.eta2_generalized",
    "friedman_chi2": "friedman.chi2",
    "friedman_p": "friedman.p",
    "kendall_w": "friedman.kendall_W",
    "levene_f": "naive_levene.levene_F",
    "levene_p": "naive_levene.levene_p",
    "brown_forsythe_f": "naive_levene.bf_F",
    "brown_forsythe_p": "naive_levene.bf_p",
}
VARIANCE_VALUES = {
    "var_article": "lmm_reml.var_article",
    "var_article_arm": "lmm_reml.var_article_model",
    "var_residual": "lmm_reml.var_resid",
    "icc_article": "lmm_reml.icc_article",
    "icc_cell": "lmm_reml.icc_cell",
    "reml_loglik": "lmm_reml.reml_loglik",
}
ARM_VALUES = {
    "n_samples": "n",
    "n_valid": "valid",
    "valid_rate": "rate",
    "n_eff": "n_eff",
    "score_mean": "mean_sentiment_article_weighted",
    "score_se": "se_cluster_mean",
    "score_variance_within": "mean_within_var",
}


@functools.cache
def tables() -> dict[str, pd.DataFrame]:
    samples, arms = reference_frames()
    pairs = [(pair["A"], pair["B"]) for pair in REFERENCE["pairs"].values()]
    return build_tables(samples, arms, pairs)


def value(tree: dict[str, Any], path: str) -> float | None:
    """The value at a dotted path; None where the reference has none."""
    node: Any = tree
    for part in path.split("."):
        if isinstance(node, list):
            node = node[int(part)]
        elif part not in node or node[part] is None:
            return None
        else:
            node = node[part]
    return float(node)


def row_of(table: str, keys: list[str], *values: str) -> Any:
    """The row of a table whose keys have these values."""
    found = tables()[table]
    for key, wanted in zip(keys, values, strict=True):
        found = found[found[key] == wanted]
    assert len(found) == 1
    return found.iloc[0]


def check(row: Any, tree: dict[str, Any], values: dict[str, str], *, rel: float, abs_: float = 1e-12) -> None:
    wrong = {}
    for column, path in values.items():
        expected = value(tree, path)
        if expected is not None and row[column] != pytest.approx(expected, rel=rel, abs=abs_):
            wrong[column] = (row[column], expected)
    assert not wrong


@pytest.mark.parametrize("name", REFERENCE["pairs"])
def test_every_value_of_a_pair_is_the_reference_value(name: str):
    expected = REFERENCE["pairs"][name]
    row = row_of("pairs", ["arm_a", "arm_b"], expected["A"], expected["B"])
    check(row, expected, PAIR_VALUES, rel=CLOSED)


@pytest.mark.parametrize("name", REFERENCE["pairs"])
def test_noise_floor_and_lower_drift_bound_follow_the_reference_decomposition(name: str):
    expected = REFERENCE["pairs"][name]
    row = row_of("pairs", ["arm_a", "arm_b"], expected["A"], expected["B"])
    net, noise = expected["net_drift"], expected["drift_decomp"]["mean_sampling_var_of_d"]
    assert row["noise_floor"] ** 2 == pytest.approx(noise, rel=CLOSED)
    # the reference holds the upper bound of the same interval: mirror it about the mean
    lower = 2 * net["mean_sq_drift_net"] - net["upper95_mean_sq"]
    assert row["rms_drift_lower"] == pytest.approx(math.sqrt(max(0.0, lower)), rel=1e-8, abs=1e-12)


@pytest.mark.parametrize("name", REFERENCE["pairs"])
def test_quantizations_and_configured_pairs_get_their_kind(name: str):
    expected = REFERENCE["pairs"][name]
    row = row_of("pairs", ["arm_a", "arm_b"], expected["A"], expected["B"])
    assert row["kind"] == {"quant_vs_fp16": "quantization", "config_pair": "custom"}[expected["kind"]]


@pytest.mark.parametrize("name", REFERENCE["families"])
def test_repeated_measures_of_a_family_are_the_reference_values(name: str):
    row = row_of("anova", ["group"], name)
    check(row, REFERENCE["families"][name], GROUP_VALUES, rel=CLOSED)


@pytest.mark.parametrize("name", REFERENCE["families"])
def test_variance_components_of_a_family_are_those_of_lme4(name: str):
    row = row_of("variance", ["group"], name)
    check(row, REFERENCE["families"][name], VARIANCE_VALUES, rel=0, abs_=1e-6)
    assert row["singular"] == REFERENCE["families"][name]["lmm_reml"]["singular"]


@pytest.mark.parametrize("name", ["llama3-instruct", "llama3-sentiment_analysis"])
def test_balanced_components_are_those_of_the_mean_squares(name: str):
    row = row_of("variance", ["group"], name)
    closed = {
        "var_article": "anova_components.var_article",
        "var_article_arm": "anova_components.var_article_model",
        "var_residual": "anova_components.var_resid",
    }
    check(row, REFERENCE["families"][name], closed, rel=CLOSED)


@pytest.mark.parametrize("name", REFERENCE["models"])
def test_every_value_of_an_arm_is_the_reference_value(name: str):
    expected, row = REFERENCE["models"][name], row_of("arms", ["arm"], name)
    check(row, expected, ARM_VALUES, rel=CLOSED)
    all_valid = expected["valid"] == expected["n"]
    interval = expected["clopper_pearson95" if all_valid else "wilson_neff95"]
    prefix = "valid_ci" if all_valid else "valid_ci_wilson"
    assert [row[f"{prefix}_low"], row[f"{prefix}_high"]] == pytest.approx(interval, rel=CLOSED)
    assert row["valid_ci_method"] == ("exact_independent" if all_valid else "beta_binomial_profile")
    if all_valid:
        assert row["valid_worst_low"] == pytest.approx(1 - expected["worst_case_clusters_upper"], rel=CLOSED)


@pytest.mark.parametrize("name", REFERENCE["pairs"])
def test_seconds_of_an_arm_are_the_reference_values(name: str):
    expected = REFERENCE["pairs"][name]
    for side in ("A", "B"):
        row, latency = row_of("arms", ["arm"], expected[side]), expected["latency"]
        assert row["duration_mean_s"] == pytest.approx(latency[f"mean_s_{side}"], rel=CLOSED)
        assert row["duration_p95_s"] == pytest.approx(latency[f"p95_{side}"], rel=CLOSED)


def test_constant_cells_have_a_variance_of_exactly_zero():
    cells = tables()["cells"]
    for name, expected in REFERENCE["models"].items():
        of_arm = cells[cells["arm"] == name]
        constant = (of_arm["score_variance"] == 0).sum()
        singletons = (of_arm["n_valid"] == 1).sum()
        # the reference counts a single answer as constant where it lists no singleton apart
        assert constant in (expected["constant_cells"], expected["constant_cells"] - singletons)
        assert (of_arm["n_valid"] == 0).sum() == expected["empty_cells"]
        assert singletons == expected["singleton_cells"]


@pytest.mark.parametrize("name", REFERENCE["power"])
def test_planning_tables_are_the_reference_values(name: str):
    expected = REFERENCE["power"][name]
    for n, row in expected["table"].items():
        sd = math.sqrt(2 * expected["var_article_model"] + 2 * expected["var_resid"] / int(n))
        assert articles_to_detect(sd, 0.05) == row["G_detect"]
        assert articles_needed(sd, 0.05) == row["G_tost"]
        assert smallest_detectable_shift(sd, 19) == pytest.approx(row["mde_G19"], abs=5.1e-5)
