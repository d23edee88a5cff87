"""What an architecture says of one model, and what the architectures have in common.

In: a config. Out: an Export, or a ModelFileError for a setting that llama.cpp would not honour.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gguf
import torch

from bench.errors import ModelFileError
from bench.training.gguf.layout import Part
from bench.training.gguf.rope import Rope


@dataclass(frozen=True)
class Export:
    """Everything about one model that its architecture decides."""

    arch: gguf.MODEL_ARCH
    n_blocks: int
    parts: list[Part]
    tied: bool
    context_tokens: int
    """Tokens of context at which both compute alike."""
    describe: Callable[[gguf.GGUFWriter], None]
    """Writes the architecture's metadata."""
    extra: dict[str, torch.Tensor] = field(default_factory=dict)
    """Tensors that are computed from the config: name -> float32."""
    prefix: str = ""
    """What the folder's names may lack at their beginning."""
    exact: frozenset[str] = frozenset()
    """Matrices that stay float32 at every quantization."""
    notes: tuple[str, ...] = ()


def require(config: Any, shown: str, **wanted: Any) -> None:
    """ModelFileError unless each of these settings has the one value that llama.cpp computes."""
    for name, value in wanted.items():
        found = getattr(config, name, value)
        if found != value:
            raise ModelFileError(
                f"{shown}: {name} is {found!r}; llama.cpp computes this architecture with {value!r} only, so "
                "the export would be another model"
            )


def positions(config: Any, window: int | None) -> tuple[int, tuple[str, ...]]:
    """Tokens of context that llama.cpp computes as transformers does, and what to say of it.

    llama.cpp attends to everything in these architectures. As long as a text fits the window, a sliding
    window does too; so the context ends where they would begin to differ.
    """
    n: int = config.max_position_embeddings
    if window is None or window >= n:
        return n, ()
    return window, (
        f"context limited to {window} tokens: beyond them the model attends to the last {window} only, "
        "which llama.cpp does not compute for this architecture",
    )


def describe_decoder(writer: gguf.GGUFWriter, config: Any, context_tokens: int, rope: Rope) -> None:
    """The metadata of a decoder with RMS norms and rotary positions."""
    heads = config.num_attention_heads
    head = getattr(config, "head_dim", None) or config.hidden_size // heads
    writer.add_context_length(context_tokens)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)
    if head != config.hidden_size // heads:
        writer.add_key_length(head)
        writer.add_value_length(head)
    rope.describe(writer)
