"""What a classifier learns from, and the loss over several tasks' outputs."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from bench.training.classification import Outputs, Rows, TaskLoss, label_weights
from bench.training.classifier import _as_taught, best_temperature

MEANING = Outputs({"a": ("x", "y", "z"), "b": ("no", "yes")})


def loss(smoothing=0.0, weights=None):
    return TaskLoss(MEANING, torch.ones(5) if weights is None else weights, smoothing)


def test_an_example_bears_loss_over_its_own_tasks_outputs_alone():
    logits = torch.tensor([[1.0, 2.0, 3.0, 9.0, -9.0], [9.0, 9.0, 9.0, 0.5, 0.0]], requires_grad=True)
    labels = torch.tensor([1, 4])
    found = loss()({"logits": logits}, labels)
    expected = F.cross_entropy(logits[:1, :3], torch.tensor([1])) + F.cross_entropy(
        logits[1:, 3:], torch.tensor([1])
    )
    assert found.item() == pytest.approx(expected.item() / 2)
    found.backward()
    assert logits.grad is not None
    assert not logits.grad[0, 3:].any()
    assert not logits.grad[1, :3].any()


def test_accumulated_batches_have_the_loss_of_one():
    torch.manual_seed(0)
    logits, labels = torch.randn(6, 5), torch.tensor([0, 1, 2, 3, 4, 0])
    parts = [loss(0.1)({"logits": logits[i : i + 2]}, labels[i : i + 2], 6) for i in (0, 2, 4)]
    assert float(sum(parts)) == pytest.approx(float(loss(0.1)({"logits": logits}, labels)))


def test_balanced_weights_weigh_rare_labels_more_within_their_task():
    rows = Rows([{"labels": place} for place in (0, 0, 0, 1, 3, 4)], 0, 0, 0, 0)
    weights = label_weights(rows, MEANING, "balanced")
    assert weights.tolist() == pytest.approx([4 / 6, 2.0, 1.0, 1.0, 1.0])
    assert weights[[0, 0, 0, 1]].mean() == pytest.approx(1)


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
    balanced = _as_taught(right, np.array([0, 1, 0, 1, 7, -1]), 2)
    assert (balanced[:300].sum(), balanced[300:].sum()) == pytest.approx((200, 200))
    assert best_temperature(logits, right) < 1 < best_temperature(logits, right, balanced)


def test_logits_that_say_nothing_have_a_temperature():
    assert math.isfinite(best_temperature(np.zeros((3, 3)), np.arange(3)))
