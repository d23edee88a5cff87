"""The paired test: what it says, and what it refuses to say."""

import numpy as np
import pytest

from bench.analysis.paired import paired_t, tost, untestable_reason
from bench.analysis.signflip import N_FLIPS, signflip_p
from bench.analysis.wilcoxon import wilcoxon_p

nan = float("nan")


def test_paired_t_of_a_hand_computed_example():
    row = paired_t(np.array([[1.0, 2.0, 3.0, nan]])).iloc[0]
    assert (row["n_articles"], row["mean_difference"], row["sd_difference"], row["dof"]) == (3, 2, 1, 2)
    assert row["t"] == pytest.approx(2 * 3**0.5)
    assert row["p_value"] == pytest.approx(0.0741799, abs=1e-6)


@pytest.mark.parametrize("values", [[0.3, 0.3, 0.3], [0.1 + 0.2, 0.3, 0.30000000000000004], [0.0, 0.0]])
def test_equal_differences_are_not_testable_and_their_sd_is_exactly_zero(values):
    d = np.array([values])
    row = paired_t(d).iloc[0]
    assert row["sd_difference"] == 0
    assert row["mean_difference"] == pytest.approx(values[0])
    for column in ("t", "p_value", "ci_low", "ci_high", "ci90_low", "cohen_dz", "hedges_gz"):
        assert np.isnan(row[column])
    assert np.isnan(tost(d, 0.05)[0])
    assert untestable_reason(d) == ["not testable: all article differences are equal"]


def test_one_article_and_none_are_not_testable_and_say_so():
    d = np.array([[0.5, nan], [nan, nan]])
    table = paired_t(d)
    assert table["n_articles"].tolist() == [1, 0]
    assert table["p_value"].isna().all()
    assert table["mean_difference"].tolist() == pytest.approx([0.5, nan], nan_ok=True)
    assert untestable_reason(d) == [
        "not testable: one article only",
        "not testable: no article with a valid answer in both arms",
    ]


def test_hedges_correction_is_undefined_with_two_articles():
    row = paired_t(np.array([[0.1, 0.3]])).iloc[0]
    assert np.isnan(row["hedges_gz"])
    assert row["cohen_dz"] > 0


def test_no_comparison_gives_an_empty_table():
    assert len(paired_t(np.empty((0, 5)))) == 0


def test_signflip_counts_every_assignment():
    # sums of +-1 +-2 +-3 that reach 6: +++ and ---
    assert signflip_p(np.array([[1.0, 2.0, 3.0]]))[0] == 2 / 8


def test_signflip_of_zero_differences_is_one():
    assert signflip_p(np.array([[0.0, 0.0, 0.0]]))[0] == 1


def test_signflip_without_articles_is_undefined():
    assert np.isnan(signflip_p(np.array([[nan, nan]]))[0])


def test_signflip_above_22_articles_is_seeded_and_never_zero():
    d = np.full((1, 60), 0.2)
    assert signflip_p(d)[0] == signflip_p(d)[0] == 1 / (N_FLIPS + 1)


def test_sampled_signflip_agrees_with_the_exact_one():
    generator = np.random.default_rng(3)
    d = generator.normal(0.1, 0.3, size=(1, 22))
    padded = np.concatenate([d, np.zeros((1, 1))], axis=1)  # a zero difference changes no assignment
    assert signflip_p(padded)[0] == pytest.approx(signflip_p(d)[0], abs=0.006)


def test_wilcoxon_is_exact_on_a_small_example():
    # W+ = 6 of 6 with ranks 1, 2, 3: one assignment of 8 each way
    assert wilcoxon_p(np.array([[0.1, 0.2, 0.3]]))[0] == 2 / 8


def test_wilcoxon_sees_ties_that_floating_point_hides():
    hidden = [0.1 + 0.2, -0.3, 0.5]
    assert wilcoxon_p(np.array([hidden])) == wilcoxon_p(np.array([[0.3, -0.3, 0.5]]))


def test_wilcoxon_of_zero_differences_is_undefined():
    assert np.isnan(wilcoxon_p(np.array([[0.0, 0.0, nan]]))[0])


def test_wilcoxon_stays_exact_with_many_articles():
    from scipy.stats import wilcoxon

    d = np.random.default_rng(1).normal(0.05, 1, size=300)
    assert wilcoxon_p(d[None, :])[0] == pytest.approx(wilcoxon(d, method="exact").pvalue, rel=1e-9)
