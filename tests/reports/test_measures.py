"""How a measure's values are to be shown."""

import numpy as np
import pytest

from bench.reports.measures import MEASURES, Scale, View

BY_NAME = {measure.name: measure for measure in MEASURES}


def shown(name, largest):
    return View(BY_NAME[name], [], [], np.empty((0, 0)), [], Scale(0.0, largest)).digits


@pytest.mark.parametrize(
    ("largest", "digits"), [(0.0012, 4), (0.12, 3), (0.9, 3), (40.0, 3), (1e-9, 5), (0.0, 3)]
)
def test_small_values_are_shown_with_two_figures(largest, digits):
    assert shown("kl_mean", largest) == digits


def test_a_measure_with_fixed_limits_keeps_its_decimals():
    assert shown("valid_rate", 0.001) == 2
