"""What a finished form differs in from the model that it was made of.

In: models and tokenizers in memory, and files of weights. Out: numbers and plain sentences for the five
things an export can get wrong: prompt, tokens, stop, logits, types. It loads nothing and decides nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import safe_open

from bench.training.parity import strings

N_STRINGS = 200
TOLERANCE = 0.01
"""Largest difference of a logit that a form without further rounding may show."""
SAFETENSORS_TYPES = {"fp32": "F32", "fp16": "F16", "bf16": "BF16"}
_SHOWN_CHARS = 40


class Difference(NamedTuple):
    """One thing that is not the model's."""

    what: str
    """`prompt`, `tokens`, `stop`, `logits` or `types`."""
    said: str
    """Where and how, in one line."""


class ExportCheck(NamedTuple):
    """What was compared and how it came out."""

    n_prompts: int
    """Conversations that both rendered; 0 for a model that reads none."""
    n_strings: int
    """Texts that both tokenized."""
    n_positions: int
    """Places at which all logits were compared."""
    max_logit_difference: float | None
    """Largest absolute difference of a logit."""
    tensor_types: dict[str, int]
    """Tensors of each type."""
    differences: tuple[Difference, ...]
    """What is not the model's; empty where it is the same model."""
    rounds: bool = False
    """Whether the form rounds weights that the model has, so that its logits decide nothing."""

    def sentence(self) -> str:
        """What the comparison found, in one line."""
        if self.differences:
            return "; ".join(f"{found.what}: {found.said}" for found in self.differences)
        parts = [f"same prompt on {self.n_prompts}"] if self.n_prompts else []
        parts.append(f"same tokens on {self.n_strings} strings")
        if self.max_logit_difference is not None:
            apart = f"{self.max_logit_difference:.4g} at {self.n_positions:,} places"
            parts.append(
                f"rounding moves logits by up to {apart}" if self.rounds else f"logits within {apart}"
            )
        return ", ".join(parts)


def texts_to_tokenize(tokenizer: Any) -> list[str]:
    """Varied texts, and the tokenizer's own special tokens inside others."""
    special = list(dict.fromkeys(map(str, tokenizer.all_special_tokens)))
    return [*strings(N_STRINGS), *(f"a{token} b{token}c" for token in special)]


def token_difference(of_model: Any, of_form: Any, texts: Iterable[str]) -> Difference | None:
    """The first text that two tokenizers take apart differently."""
    for text in texts:
        ours, theirs = (
            list(tokenizer(text, add_special_tokens=False)["input_ids"]) for tokenizer in (of_model, of_form)
        )
        if ours != theirs:
            return Difference("tokens", f"{text[:_SHOWN_CHARS]!r} becomes {theirs[:8]}, not {ours[:8]}")
    return None


def logit_difference(of_model: Any, of_form: Any, prompts: Sequence[Sequence[int]]) -> tuple[float, int]:
    """Largest absolute difference of any logit, and at how many places they were compared."""
    worst, n_positions = 0.0, 0
    with torch.no_grad():
        for ids in prompts:
            ours, theirs = (
                model(input_ids=torch.tensor([ids])).logits.float() for model in (of_model, of_form)
            )
            if ours.shape != theirs.shape:
                return float("inf"), n_positions
            found = float((ours - theirs).abs().max())
            n_positions += len(ids)
            if math.isnan(found):  # it would be lost in the maximum
                return found, n_positions
            worst = max(worst, found)
    return worst, n_positions


def weight_types(folder: Path) -> dict[str, int]:
    """How many tensors of each type the safetensors files of a folder hold."""
    counts: Counter[str] = Counter()
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(str(path), framework="pt") as tensors:
            counts.update(tensors.get_slice(name).get_dtype() for name in tensors.keys())  # noqa: SIM118
    return dict(sorted(counts.items()))


def type_difference(types: dict[str, int], dtype: str) -> Difference | None:
    """Whether a tensor is of another type than was asked for."""
    wanted = SAFETENSORS_TYPES[dtype]
    others = {kind: n for kind, n in types.items() if kind != wanted}
    if not others and types:
        return None
    found = ", ".join(f"{n} x {kind}" for kind, n in others.items()) or "no tensors"
    return Difference("types", f"{found} where {wanted} was asked for")


def quantized_layers(model: Any) -> dict[str, int]:
    """Linear layers of a model by class, such as Linear4bit."""
    found = Counter(
        type(module).__name__ for module in model.modules() if isinstance(module, torch.nn.Linear)
    )
    return dict(sorted(found.items()))
