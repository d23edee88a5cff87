"""The training loop: a killed run ends as one that was not."""

import math

import pytest
import torch
from torch import nn

from bench.training.loop import Checkpoint, Muon, cosine, reproducible, run_steps


class Killed(BaseException):
    """Stands for kill -9 between two steps."""


def training(checkpoint=None, report=None, n_steps=12):
    with reproducible(seed=1, n_threads=1):
        module = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.2), nn.Linear(8, 8, bias=False))
        optimizers = [
            Muon([module[2].weight], lr=0.02, momentum=0.9, weight_decay=0.01),
            torch.optim.AdamW(module[0].parameters(), lr=0.01, fused=True),
        ]

        def loss_of(step):
            generator = torch.Generator().manual_seed(step)
            return (module(torch.randn(4, 8, generator=generator)) - 1).square().mean()

        def factor(step):
            return cosine(step, n_steps, 2, 0.1)

        losses = run_steps(module, optimizers, loss_of, factor, n_steps, checkpoint, report)
        return losses, module.state_dict()


def killed_at(step):
    def report(done, loss):
        if done == step:
            raise Killed

    return report


@pytest.mark.parametrize("step", [1, 5, 6, 10])
def test_a_killed_run_ends_with_the_same_losses_and_weights(tmp_path, step):
    whole, weights = training()
    checkpoint = Checkpoint(tmp_path / "state", 3, "key")
    with pytest.raises(Killed):
        training(checkpoint, killed_at(step))
    losses, resumed = training(checkpoint)
    assert losses == whole
    assert all(torch.equal(weights[name], resumed[name]) for name in weights)


def test_a_checkpoint_saves_the_steps_before_it(tmp_path):
    checkpoint = Checkpoint(tmp_path / "state", 3, "key")
    with pytest.raises(Killed):
        training(checkpoint, killed_at(7))
    done = []
    training(checkpoint, lambda step, loss: done.append(step))
    assert done[0] == 6


def test_a_checkpoint_of_other_inputs_is_not_continued(tmp_path):
    with pytest.raises(Killed):
        training(Checkpoint(tmp_path / "state", 3, "old"), killed_at(7))
    done = []
    training(Checkpoint(tmp_path / "state", 3, "new"), lambda step, loss: done.append(step))
    assert done[0] == 0


def test_a_damaged_checkpoint_is_not_continued(tmp_path):
    (tmp_path / "state").write_bytes(b"PK\x03\x04 torn")
    done = []
    training(Checkpoint(tmp_path / "state", 3, "key"), lambda step, loss: done.append(step))
    assert done[0] == 0


def test_a_kill_while_saving_leaves_the_old_checkpoint(tmp_path):
    checkpoint = Checkpoint(tmp_path / "state", 3, "key")
    with pytest.raises(Killed):
        training(checkpoint, killed_at(7))
    (tmp_path / "state.partial").write_bytes(b"half")
    done = []
    training(checkpoint, lambda step, loss: done.append(step))
    assert done[0] == 6


def test_the_loss_falls():
    losses, _ = training(n_steps=300)
    assert sum(losses[-10:]) < 0.8 * sum(losses[:10])


def test_the_rate_rises_then_falls_to_its_floor():
    factors = [cosine(step, 100, 10, 0.1) for step in range(100)]
    assert factors[0] == pytest.approx(0.1)
    assert max(factors) == pytest.approx(1.0)
    assert factors[-1] == pytest.approx(0.1, abs=0.01)


def test_muon_steps_are_orthogonal_directions():
    weight = nn.Parameter(torch.zeros(8, 16))
    weight.grad = torch.randn(8, 16, generator=torch.Generator().manual_seed(0))
    Muon([weight], lr=1.0, momentum=0.0, weight_decay=0.0).step()
    singular = torch.linalg.svdvals(weight.detach())
    assert singular.min() > 0.5
    assert singular.max() < 1.5 * math.sqrt(1)
