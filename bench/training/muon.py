"""One optimizer for a whole model: Muon for the matrices of its layers, AdamW for all other parameters.

In: a model and two learning rates. Out: an optimizer as transformers' Trainer takes it, whose state is saved
and resumed like any other. Small models learn in a fraction of the steps that AdamW alone needs.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from bench.training.loop import Muon

_BETAS = (0.9, 0.95)
_EPSILON = 1e-8


class MuonAdamW(Muon):
    """Parameter groups say with `is_matrix` by which rule they are updated."""

    def __init__(
        self,
        model: nn.Module,
        matrix_rate: float,
        other_rate: float,
        weight_decay: float,
        momentum: float = 0.95,
    ) -> None:
        matrices, others = divided(model)
        common = {"weight_decay": weight_decay, "momentum": momentum}
        groups = [
            {"params": matrices, "lr": matrix_rate, "is_matrix": True, **common},
            {"params": others, "lr": other_rate, "is_matrix": False, **common, "weight_decay": 0.0},
        ]
        torch.optim.Optimizer.__init__(self, groups, {"lr": other_rate})

    def step(self, closure: None = None) -> None:
        """Update every parameter that has a gradient."""
        with torch.no_grad():
            for group in self.param_groups:
                update = self._update if group["is_matrix"] else self._adamw
                for parameter in group["params"]:
                    if parameter.grad is not None:
                        update(parameter, group)

    def _adamw(self, parameter: nn.Parameter, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["step"] = 0
            state["mean"], state["square"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        state["step"] += 1
        mean_share, square_share = _BETAS
        state["mean"].lerp_(parameter.grad, 1 - mean_share)
        state["square"].mul_(square_share).addcmul_(parameter.grad, parameter.grad, value=1 - square_share)
        unbiased = math.sqrt(1 - square_share ** state["step"])
        scale = state["square"].sqrt().div_(unbiased).add_(_EPSILON)
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.addcdiv_(state["mean"], scale, value=-group["lr"] / (1 - mean_share ** state["step"]))


def divided(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The matrices between the layers, and everything else: embeddings, the output layer, norms, biases."""
    words = {
        id(p) for module in model.modules() if isinstance(module, nn.Embedding) for p in module.parameters()
    }
    head = model.get_output_embeddings() if hasattr(model, "get_output_embeddings") else None
    if head is not None:
        words |= {id(parameter) for parameter in head.parameters()}
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    matrices = [p for p in trained if p.ndim == 2 and id(p) not in words]
    chosen = {id(parameter) for parameter in matrices}
    return matrices, [p for p in trained if id(p) not in chosen]
