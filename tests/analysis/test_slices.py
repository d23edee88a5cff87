"""Where an arm is worse, with a correction for having looked at many slices."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bench.analysis.slice_sentences import slice_sentences
from bench.analysis.slices import FEWEST, Measure, length_names, permutation_p, slice_table
from tests.analysis.builders import arm_rows

NAN = float("nan")
ARM = arm_rows({"arm": "a", "quant": "q8_0"})
N = 60


def table(values, measure="accuracy", limits=(0.0, 1.0), higher=True, **attributes):
    """The slices of one arm; `attributes` are one list per dimension."""
    frame = pd.DataFrame({name: pd.Series(column) for name, column in attributes.items()})
    return slice_table([Measure(measure, np.array([values], dtype=float), limits, higher)], frame, ARM)


def thirds(n=N):
    return [("wire", "blog", "daily")[i % 3] for i in range(n)]


def values_with_a_bad_slice(n=N):
    """Every article of `blog` is wrong half of the time, the others hardly ever."""
    return [0.4 if i % 3 == 1 else 1.0 - 0.1 * (i % 2) for i in range(n)]


def test_the_bad_slice_is_first_with_its_mean_the_mean_elsewhere_and_a_small_p():
    found = table(values_with_a_bad_slice(), source=thirds())
    first = found.iloc[0]
    assert (first["dimension"], first["slice"], first["rank"], first["n_articles"]) == (
        "source",
        "blog",
        1,
        20,
    )
    assert first["value"] == pytest.approx(0.4)
    assert first["elsewhere"] == pytest.approx(0.95)
    assert first["difference"] == pytest.approx(-0.55)
    assert first["ci_low"] <= 0.4 <= first["ci_high"]
    assert first["p_value"] < 0.001
    assert first["p_holm"] == pytest.approx(3 * first["p_value"])
    assert found["n_slices"].tolist() == [3, 3, 3]


def test_of_errors_the_worst_slice_is_the_highest():
    found = table([1 - x for x in values_with_a_bad_slice()], "error_absolute", None, False, source=thirds())
    assert found.iloc[0]["slice"] == "blog"
    assert found.iloc[0]["difference"] > 0


def test_p_values_are_scipys_permutation_test():
    rng = np.random.default_rng(2)
    values = rng.integers(0, 6, 40) / 5
    members = np.arange(40) % 4 == 0
    (mine,) = permutation_p(values, np.ones(40, dtype=bool), [members])
    theirs = stats.permutation_test(
        (values[members], values[~members]), lambda a, b: np.mean(a) - np.mean(b), n_resamples=20_000,
        rng=np.random.default_rng(1),
    ).pvalue  # fmt: skip
    assert mine == pytest.approx(theirs, abs=0.03)


def test_holm_counts_the_slices_of_all_dimensions_and_only_those_that_were_tested():
    company = [f"company {i}" if i < 3 else ("Aldgate" if i % 2 else "Bremer") for i in range(N)]
    found = table(values_with_a_bad_slice(), source=thirds(), company=company)
    small = found[found["slice"] == "company 1"].iloc[0]
    assert np.isnan([small["p_value"], small["p_holm"], small["ci_low"], small["rank"]]).all()
    assert small["value"] == pytest.approx(0.4)
    assert small["note"] == f"not testable: fewer than {FEWEST} articles in this slice"
    assert set(found["n_slices"]) == {5}
    assert found["rank"].tolist()[:5] == [1, 2, 3, 4, 5]


def test_a_slice_that_holds_nearly_everything_is_not_tested():
    found = table([0.5, 1.0] * 30, source=["wire"] * (N - 4) + ["blog"] * 4)
    assert set(found["note"]) == {
        f"not testable: fewer than {FEWEST} articles {where}" for where in ("outside it", "in this slice")
    }


def test_where_all_articles_are_alike_nothing_is_tested_and_that_is_said():
    found = table([1.0] * N, source=thirds())
    assert found["p_value"].isna().all()
    assert set(found["note"]) == {"not testable: all articles are alike"}
    assert (found["ci_low"] > 0.8).all()


def test_articles_without_a_value_or_without_a_group_are_in_no_slice():
    values = values_with_a_bad_slice()
    values[1] = NAN
    group = ["x" if i < 20 else "y" if i < 40 else None for i in range(N)]
    found = table(values, source=thirds(), agreement=group)
    counts = found.set_index("slice")["n_articles"]
    assert counts["blog"] == 19
    assert (counts["x"], counts["y"]) == (19, 20)
    x = found.set_index("slice").loc["x"]
    assert x["elsewhere"] == pytest.approx(np.mean(values[20:40]))  # of those that have the group


def test_a_dimension_in_which_all_articles_are_alike_is_no_dimension():
    assert set(table(values_with_a_bad_slice(), source=thirds(), company=["one"] * N)["dimension"]) == {
        "source"
    }
    assert table(values_with_a_bad_slice(), company=["one"] * N).empty


def test_lengths_are_thirds_of_the_articles_named_with_their_limits():
    names = length_names(pd.Series([float(n) for n in range(1, 31)] + [NAN]))
    assert names.value_counts().to_dict() == {
        "short (up to 10 characters)": 10,
        "medium (to 20 characters)": 10,
        "long (over 20 characters)": 10,
    }
    assert names.isna().tolist()[-1]
    assert length_names(pd.Series([7.0] * 9)).nunique() == 1
    found = table([1.0 if i < 40 else 0.2 * (i % 2) for i in range(N)], n_chars=[float(i) for i in range(N)])
    assert found.iloc[0]["dimension"] == "length"
    assert found.iloc[0]["slice"].startswith("long")


def test_the_same_articles_give_the_same_table():
    one, two = (table(values_with_a_bad_slice(), source=thirds()) for _ in range(2))
    pd.testing.assert_frame_equal(one, two)


def test_in_runs_without_any_bad_slice_few_have_a_significant_one():
    rng = np.random.default_rng(11)
    n_found = 0
    for _ in range(60):
        values = rng.binomial(5, rng.beta(0.8, 0.2, 40)) / 5
        p = [permutation_p(values, np.ones(40, dtype=bool), slices) for slices in _dimensions(rng)]
        from bench.analysis.correction import holm

        n_found += bool((holm(np.concatenate(p)) <= 0.05).any())
    assert n_found <= 7  # 5 % of 60 are 3; 8 or more would be unlikelier than 1 %


def _dimensions(rng):
    for n_values in (3, 4, 5):
        place = rng.permutation(np.arange(40) % n_values)
        yield [place == value for value in range(n_values)]


# ---------------------------------------------------------------- in words


def test_the_worst_slices_are_said_with_interval_elsewhere_and_corrected_p():
    (said,) = slice_sentences(table(values_with_a_bad_slice(), source=thirds()))
    assert said.startswith("Worse than elsewhere: a, source blog (20 articles): right answers 40.0 % (")
    assert "elsewhere 95.0 %, p 0.001 after Holm" in said
    assert "wire" not in said  # better than elsewhere


def test_where_no_slice_is_worse_that_is_said_with_what_was_looked_at():
    (said,) = slice_sentences(table([0.1 * (i % 7) for i in range(N)], source=thirds()))
    assert said.startswith("No slice of the articles (by source) is worse")
    assert "up to 3 slices of an arm; the least likely by chance: a, source " in said
    assert slice_sentences(table([1.0] * N, source=thirds())) == []


def test_more_than_four_bad_slices_are_counted():
    group = [f"g{i % 12}" for i in range(240)]
    values = [0.0 if i % 12 < 5 else 1.0 for i in range(240)]
    (said,) = slice_sentences(table(values, group=group))
    assert said.endswith("; and 1 more in slices.csv.")
