"""Llama 1 to 3 and models built like them: q and k permuted, frequency factors, biases where set."""

from __future__ import annotations

from typing import Any

import gguf

from bench.training.gguf.architectures._export import Export, describe_decoder, positions, require
from bench.training.gguf.layout import decoder_parts
from bench.training.gguf.rope import rope_of

ARCH = gguf.MODEL_ARCH.LLAMA
CLASS = "LlamaForCausalLM"
_ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
_FEED_FORWARD = ("gate_proj", "up_proj", "down_proj")


def export(config: Any, shown: str) -> Export:
    """What the file must hold."""
    require(config, shown, hidden_act="silu", pretraining_tp=1)
    rope = rope_of(config, shown, ("default", "linear", "llama3", "yarn"))
    biases = (_ATTENTION if config.attention_bias else ()) + (_FEED_FORWARD if config.mlp_bias else ())
    context_tokens, notes = positions(config, None)
    return Export(
        ARCH,
        config.num_hidden_layers,
        decoder_parts(config, biases=biases, permute=True),
        config.tie_word_embeddings,
        context_tokens,
        lambda writer: describe_decoder(writer, config, context_tokens, rope),
        rope.factors,
        notes=notes,
    )
