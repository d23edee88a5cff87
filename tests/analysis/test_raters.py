"""Agreement coefficients against published values and scikit-learn."""

import math
import random

import pytest
from sklearn.metrics import cohen_kappa_score

from bench.analysis.raters import cohen_kappa, krippendorff_interval, krippendorff_nominal

# Krippendorff (2011), Computing Krippendorff's Alpha-Reliability, section C: four observers, twelve units
OBSERVERS = [
    "1 2 3 3 2 1 4 1 2 . . .",
    "1 2 3 3 2 2 4 1 2 5 . 3",
    ". 3 3 3 2 3 4 2 2 5 1 .",
    "1 2 3 3 2 4 4 1 2 5 1 .",
]
UNITS = list(zip(*(line.split() for line in OBSERVERS), strict=True))


def test_nominal_alpha_is_krippendorffs():
    units = [[None if value == "." else value for value in unit] for unit in UNITS]
    found = krippendorff_nominal(units)
    assert found.value == pytest.approx(0.743, abs=5e-4)
    assert found.n_items == 11
    assert found.ci_low < found.value < found.ci_high


def test_interval_alpha_is_krippendorffs():
    units = [[None if value == "." else float(value) for value in unit] for unit in UNITS]
    assert krippendorff_interval(units).value == pytest.approx(0.849, abs=5e-4)


def test_kappa_is_scikit_learns():
    draw = random.Random(3)
    pairs = [(draw.choice("abc"), draw.choice("abc")) for _ in range(80)] + [("a", "a")] * 40
    found = cohen_kappa([*pairs, ("a", None), (None, "b")])
    assert found.value == pytest.approx(cohen_kappa_score(*zip(*pairs, strict=True)))
    assert found.n_items == 120


def test_full_agreement_is_one_and_chance_is_zero():
    assert krippendorff_nominal([["a", "a"], ["b", "b"]] * 20).value == 1
    draw = random.Random(1)
    by_chance = [[draw.choice("ab"), draw.choice("ab")] for _ in range(4000)]
    assert krippendorff_nominal(by_chance).value == pytest.approx(0, abs=0.05)
    assert cohen_kappa([(a, b) for a, b in by_chance]).value == pytest.approx(0, abs=0.05)


def test_where_nothing_can_be_disagreed_about_it_is_undefined():
    assert math.isnan(krippendorff_nominal([["a", "a"]] * 5).value)
    assert math.isnan(cohen_kappa([("a", "a")] * 5).value)
    assert krippendorff_nominal([["a", None]]).n_items == 0


def test_the_interval_is_the_same_for_a_seed():
    units = [[None if value == "." else value for value in unit] for unit in UNITS]
    assert krippendorff_nominal(units, seed=5) == krippendorff_nominal(units, seed=5)
