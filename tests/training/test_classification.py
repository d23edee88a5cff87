"""What a classifier learns from, and the loss over several tasks' outputs."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from bench.training.classification import Outputs, Rows, TaskLoss, label_weights

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
