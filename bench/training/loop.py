"""The training loop that base and fine-tune share: schedule, optimizers, checkpoints.

In: parameters and a function that gives the loss of one step. Out: the losses. What a step trains
on depends on its number alone, so that a run that was killed ends as one that was not. It knows no
models and no data.
"""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from bench.training.files import write_whole

LossOfStep = Callable[[int], Tensor]
Report = Callable[[int, float], None]


class Checkpoint(NamedTuple):
    """Where and how often the state is kept, and the digest of what it belongs to."""

    path: Path
    every_steps: int
    key: str


class Muon(torch.optim.Optimizer):  # type: ignore[misc]  # torch is not followed by mypy
    """Momentum whose update of each matrix is made orthogonal (Newton-Schulz), in float32.

    Source: Keller Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks".
    """

    def __init__(self, params: list[nn.Parameter], lr: float, momentum: float, weight_decay: float) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    def step(self, closure: None = None) -> None:
        """Update every matrix."""
        with torch.no_grad():
            for group in self.param_groups:
                for parameter in group["params"]:
                    self._update(parameter, group)

    def _update(self, parameter: nn.Parameter, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["velocity"] = torch.zeros_like(parameter)
        velocity = state["velocity"].mul_(group["momentum"]).add_(parameter.grad)
        update = _orthogonal(parameter.grad.add(velocity, alpha=group["momentum"]))
        scale = math.sqrt(max(1.0, parameter.shape[0] / parameter.shape[1]))
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.add_(update, alpha=-group["lr"] * scale)


def _orthogonal(matrix: Tensor, n_rounds: int = 3) -> Tensor:
    """The nearest orthogonal matrix, roughly: the quintic iteration of the Muon paper."""
    x = matrix / (matrix.norm() + 1e-7)
    wide = x.shape[0] <= x.shape[1]
    x = x if wide else x.T
    for _ in range(n_rounds):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * (a @ a)) @ x
    return x if wide else x.T


def cosine(step: int, n_steps: int, warmup_steps: int, floor: float) -> float:
    """Factor of the learning rate at `step`: a linear start, then a half cosine down to `floor`."""
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    done = (step - warmup_steps) / max(1, n_steps - warmup_steps)
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * done))


@contextmanager
def reproducible(seed: int, n_threads: int) -> Iterator[None]:
    """Fixed random numbers, fixed threads, and an error from any operation that is not repeatable."""
    threads = torch.get_num_threads()
    strict = torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(n_threads)
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(seed)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(strict)


def run_steps(
    module: nn.Module,
    optimizers: list[torch.optim.Optimizer],
    loss_of: LossOfStep,
    factor: Callable[[int], float],
    n_steps: int,
    checkpoint: Checkpoint | None = None,
    report: Report | None = None,
) -> list[float]:
    """Train the parameters that need gradients for `n_steps`; the losses, one a step.

    A checkpoint with the same key is continued. The gradient is clipped to norm 1.
    """
    losses = _resume(module, optimizers, checkpoint) if checkpoint else []
    trained = [p for p in module.parameters() if p.requires_grad]
    start_rates = [
        [group.setdefault("initial_lr", group["lr"]) for group in o.param_groups] for o in optimizers
    ]
    for step in range(len(losses), n_steps):
        for optimizer, rates in zip(optimizers, start_rates, strict=True):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * factor(step)
        loss = loss_of(step)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        losses.append(float(loss.detach()))
        if report:
            report(step, losses[-1])
        if checkpoint and (step + 1) % checkpoint.every_steps == 0 and step + 1 < n_steps:
            _save(module, optimizers, losses, checkpoint)
    return losses


def _trained_state(module: nn.Module) -> dict[str, Tensor]:
    return {name: p.detach() for name, p in module.named_parameters() if p.requires_grad}


def _save(
    module: nn.Module, optimizers: list[torch.optim.Optimizer], losses: list[float], checkpoint: Checkpoint
) -> None:
    """Keep the state, with its digest in front."""
    state: dict[str, Any] = {
        "key": checkpoint.key,
        "losses": losses,
        "weights": _trained_state(module),
        "optimizers": [optimizer.state_dict() for optimizer in optimizers],
        "random": torch.get_rng_state(),
    }
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getvalue()
    write_whole(checkpoint.path, hashlib.sha256(content).digest() + content)


def _load(checkpoint: Checkpoint) -> dict[str, Any] | None:
    """The state that was kept; None if there is none, it is damaged, or belongs to something else."""
    if not checkpoint.path.exists():
        return None
    content = checkpoint.path.read_bytes()
    if hashlib.sha256(content[32:]).digest() != content[:32]:
        return None
    state: dict[str, Any] = torch.load(io.BytesIO(content[32:]), weights_only=True)
    return state if state["key"] == checkpoint.key else None


def _resume(
    module: nn.Module, optimizers: list[torch.optim.Optimizer], checkpoint: Checkpoint
) -> list[float]:
    """Take up the checkpoint if there is one; the losses so far."""
    state = _load(checkpoint)
    if state is None:
        return []
    with torch.no_grad():
        for name, parameter in _trained_state(module).items():
            parameter.copy_(state["weights"][name])
    for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(saved)
    torch.set_rng_state(state["random"])
    losses: list[float] = state["losses"]
    return losses
