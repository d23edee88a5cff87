"""Matrices and intervals where nothing was measured; `test_quality` holds the figures to scikit-learn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bench.analysis.comparisons import Comparison
from bench.analysis.confusion import resampled
from bench.analysis.quality_pairs import label_pair_table, quality_pair_table
from tests.analysis.test_quality import graded

PAIR = [Comparison("quantization", "a", "b")]


def test_without_an_item_there_are_no_draws_and_their_shape_stays():
    assert resampled(np.zeros((0, 3, 4))).shape == (0, 3, 4)


@pytest.mark.parametrize(
    ("of_a", "of_b"),
    [
        (["!!", "!!"], [["good"], ["bad"]]),
        ([["good"], "!"], ["!", ["bad"]]),
        (["!!", "!!"], ["!!", "!!"]),
    ],
    ids=["one arm without a measured answer", "no item in common", "no arm with a measured answer"],
)
def test_a_pair_without_a_common_item_has_absent_figures_and_says_why(of_a, of_b):
    grades = graded(of_a, of_b, ["good", "bad"])
    (pair,) = quality_pair_table(grades, PAIR).to_dict("records")
    assert pair["n_items"] == 0
    assert "not testable: no item" in pair["note"]
    absent = [
        value for name, value in pair.items() if str(name).endswith(("difference", "low", "high", "_p"))
    ]
    assert len(absent) > 20
    assert pd.isna(absent).all()
    of_labels = label_pair_table(grades, PAIR)
    assert (of_labels["n_items"] == 0).all()
    assert of_labels.filter(regex="_(difference|low|high)$").isna().all(axis=None)
