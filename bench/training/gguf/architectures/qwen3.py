"""Qwen3: norms on q and k, a head width of its own, no biases."""

from __future__ import annotations

from typing import Any

import gguf

from bench.training.gguf.architectures._export import Export, describe_decoder, positions, require
from bench.training.gguf.architectures.qwen2 import window_of
from bench.training.gguf.layout import Part, decoder_parts
from bench.training.gguf.rope import rope_of

ARCH = gguf.MODEL_ARCH.QWEN3
CLASS = "Qwen3ForCausalLM"


def export(config: Any, shown: str) -> Export:
    """What the file must hold."""
    require(config, shown, hidden_act="silu", attention_bias=False)
    rope = rope_of(config, shown, ("default", "linear", "yarn"))
    context_tokens, notes = positions(config, window_of(config))
    norms = [
        Part(f"model.layers.{i}.self_attn.{name}.weight", (config.head_dim,))
        for i in range(config.num_hidden_layers)
        for name in ("q_norm", "k_norm")
    ]
    return Export(
        ARCH,
        config.num_hidden_layers,
        decoder_parts(config, permute=False) + norms,
        config.tie_word_embeddings,
        context_tokens,
        lambda writer: describe_decoder(writer, config, context_tokens, rope),
        notes=notes,
    )
