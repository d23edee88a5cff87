"""The temperature that calibrates a classifier."""

import math

import numpy as np
import pytest

from bench.training.temperature import as_taught, best_temperature


def test_the_best_temperature_undoes_a_scale():
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(4000, 3))
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    right = np.array([generator.choice(3, p=p) for p in chances])
    assert best_temperature(logits * 3, right) == pytest.approx(3, rel=0.1)
    assert best_temperature(logits / 2, right) == pytest.approx(0.5, rel=0.1)


def test_items_that_are_all_right_do_not_make_a_classifier_sure():
    right = np.arange(30) % 3
    temperature = best_temperature(np.eye(3)[right] * 5, right)
    sure = np.exp(5 / temperature) / (np.exp(5 / temperature) + 2)
    assert sure == pytest.approx(31 / 32, abs=1e-3)


def test_labels_weigh_in_the_calibration_as_they_were_taught():
    right = np.array([0] * 300 + [1] * 100)
    logits = np.tile([1.0, 0.0], (400, 1))  # right for the first label, wrong for the second
    balanced = as_taught(right, np.array([0, 1, 0, 1, 7, -1]), 2)
    assert (balanced[:300].sum(), balanced[300:].sum()) == pytest.approx((200, 200))
    assert best_temperature(logits, right) < 1 < best_temperature(logits, right, balanced)


def test_logits_that_say_nothing_have_a_temperature():
    assert math.isfinite(best_temperature(np.zeros((3, 3)), np.arange(3)))
