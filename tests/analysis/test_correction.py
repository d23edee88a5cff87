"""Corrections, against values computed by hand."""

import numpy as np
import pytest

from bench.analysis.correction import benjamini_hochberg, holm

P = np.array([0.01, 0.04, 0.03, np.nan, 0.005])


def test_holm_steps_down_and_never_decreases():
    assert holm(P) == pytest.approx([0.03, 0.06, 0.06, np.nan, 0.02], nan_ok=True)


def test_benjamini_hochberg_steps_up_and_never_decreases():
    assert benjamini_hochberg(P) == pytest.approx([0.02, 0.04, 0.04, np.nan, 0.02], nan_ok=True)


def test_adjusted_values_stay_below_one():
    assert holm(np.array([0.9, 0.8])) == pytest.approx([1, 1])


def test_nothing_to_correct_is_nothing():
    assert np.isnan(holm(np.array([np.nan]))).all()
    assert len(benjamini_hochberg(np.array([]))) == 0
