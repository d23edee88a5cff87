"""How positions turn: a config's rotary embedding as llama.cpp's metadata and frequency factors.

In: a config and the kinds of scaling that llama.cpp computes for its architecture. Out: metadata, and
factors where frequencies are divided one by one; or a ModelFileError for a scaling that llama.cpp would
compute otherwise. The numbers come from transformers' own functions.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

import gguf
import torch
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

from bench.errors import ModelFileError

_YARN_KEYS = {"rope_type", "type", "rope_theta", "factor", "original_max_position_embeddings"}
_LONG_KEYS = _YARN_KEYS | {"short_factor", "long_factor", "attention_factor", "partial_rotary_factor"}
_KEYS = {
    "default": {"rope_type", "type", "rope_theta", "partial_rotary_factor"},
    "linear": {"rope_type", "type", "rope_theta", "factor"},
    "llama3": _YARN_KEYS | {"low_freq_factor", "high_freq_factor"},
    "yarn": _YARN_KEYS,
    "longrope": _LONG_KEYS,
}
"""What each kind may say; anything more would be left out."""


class Rope(NamedTuple):
    """The rotary embedding of one model."""

    kind: str
    theta: float
    n_dims: int
    """Numbers of a head that are turned; all of them unless the config says less."""
    parameters: dict[str, Any]
    factors: dict[str, torch.Tensor]
    """Divisors of the frequencies (n_dims / 2 numbers), by tensor name."""
    attention_factor: float

    def describe(self, writer: gguf.GGUFWriter) -> None:
        """Write the metadata."""
        writer.add_rope_freq_base(self.theta)
        writer.add_rope_dimension_count(self.n_dims)
        if self.kind == "linear":
            writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
            writer.add_rope_scaling_factor(float(self.parameters["factor"]))
        elif self.kind == "yarn":
            writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
            writer.add_rope_scaling_factor(float(self.parameters["factor"]))
            writer.add_rope_scaling_orig_ctx_len(self.parameters["original_max_position_embeddings"])
        elif self.kind == "longrope":
            writer.add_rope_scaling_orig_ctx_len(self.parameters["original_max_position_embeddings"])
            writer.add_rope_scaling_attn_factors(self.attention_factor)

    @property
    def notes(self) -> tuple[str, ...]:
        """What holds only under a condition."""
        if self.kind != "longrope":
            return ()
        n = self.parameters["original_max_position_embeddings"]
        return (
            f"longrope: llama.cpp takes the long factors from a context of more than {n} tokens on, "
            f"transformers from a text of more than {n}",
        )


def rope_of(config: Any, shown: str, known: Collection[str], *, partial: bool = False) -> Rope:
    """A config's rotary embedding. ModelFileError where its scaling is none of `known`.

    `partial` says that llama.cpp can turn a part of each head in this architecture.
    """
    found = dict(config.rope_parameters or {})
    kind = str(found.get("rope_type", "default"))
    if kind not in known:
        raise ModelFileError(
            f"{shown}: rope scaling {kind!r} would not be computed alike by llama.cpp for this architecture; "
            f"known here: {', '.join(sorted(known))}"
        )
    unknown = sorted(key for key in found.keys() - _KEYS[kind] if found[key] is not None)
    if unknown:
        raise ModelFileError(
            f"{shown}: rope parameter {unknown[0]!r} of kind {kind!r} has no counterpart in GGUF; "
            "it cannot be exported faithfully"
        )
    share = found.get("partial_rotary_factor") or 1.0
    if share != 1.0 and not partial:
        raise ModelFileError(
            f"{shown}: partial_rotary_factor is {share}; llama.cpp turns whole heads in this architecture"
        )
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    n_dims = int(head * share)
    try:
        factors, attention = _factors(config, kind, float(found["rope_theta"]), n_dims)
    except (KeyError, TypeError, ValueError, ZeroDivisionError, RuntimeError) as error:
        raise ModelFileError(f"{shown}: rope_parameters of kind {kind!r} are incomplete: {error}") from error
    return Rope(kind, float(found["rope_theta"]), n_dims, found, factors, attention)


def _factors(config: Any, kind: str, theta: float, n_dims: int) -> tuple[dict[str, torch.Tensor], float]:
    if kind not in ("llama3", "longrope"):
        return {}, 1.0
    plain = theta ** -(torch.arange(0, n_dims, 2, dtype=torch.float64) / n_dims)
    scaled, attention = ROPE_INIT_FUNCTIONS[kind](config, "cpu")
    if len(scaled) != len(plain):
        raise ValueError(f"{len(scaled)} frequencies, a head has {len(plain)}")
    if kind == "llama3":
        return {"rope_freqs.weight": (plain / scaled).float()}, attention
    factors = {}
    for length in ("long", "short"):
        divisors = torch.tensor(config.rope_parameters[f"{length}_factor"], dtype=torch.float32)
        if divisors.shape != plain.shape:
            raise ValueError(f"{length}_factor has {len(divisors)} numbers, a head needs {len(plain)}")
        factors[f"rope_factors_{length}.weight"] = divisors
    return factors, attention
