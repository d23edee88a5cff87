"""Qwen2 and 2.5: biases on q, k and v; halves of a head turned as transformers turns them."""

from __future__ import annotations

from typing import Any

import gguf

from bench.training.gguf.architectures._export import Export, describe_decoder, positions, require
from bench.training.gguf.layout import decoder_parts
from bench.training.gguf.rope import rope_of

ARCH = gguf.MODEL_ARCH.QWEN2
CLASS = "Qwen2ForCausalLM"


def export(config: Any, shown: str) -> Export:
    """What the file must hold."""
    require(config, shown, hidden_act="silu", head_dim=config.hidden_size // config.num_attention_heads)
    rope = rope_of(config, shown, ("default", "linear", "yarn"))
    context_tokens, notes = positions(config, window_of(config))
    return Export(
        ARCH,
        config.num_hidden_layers,
        decoder_parts(config, biases=("q_proj", "k_proj", "v_proj"), permute=False),
        config.tie_word_embeddings,
        context_tokens,
        lambda writer: describe_decoder(writer, config, context_tokens, rope),
        notes=notes,
    )


def window_of(config: Any) -> int | None:
    """The sliding window that some layer uses, None where all of them attend to everything."""
    layers = config.layer_types or ()
    return config.sliding_window if "sliding_attention" in layers else None
