"""Mistral: llama.cpp's `llama` with a sliding window, which limits the context (see `positions`)."""

from __future__ import annotations

from typing import Any

import gguf

from bench.training.gguf.architectures._export import Export, describe_decoder, positions, require
from bench.training.gguf.layout import decoder_parts
from bench.training.gguf.rope import rope_of

ARCH = gguf.MODEL_ARCH.LLAMA
CLASS = "MistralForCausalLM"


def export(config: Any, shown: str) -> Export:
    """What the file must hold."""
    require(config, shown, hidden_act="silu")
    rope = rope_of(config, shown, ("default", "linear", "llama3", "yarn"))
    window: int | None = config.sliding_window
    context_tokens, notes = positions(config, window)

    def describe(writer: gguf.GGUFWriter) -> None:
        describe_decoder(writer, config, context_tokens, rope)
        if window is not None:
            writer.add_sliding_window(window)

    return Export(
        ARCH,
        config.num_hidden_layers,
        decoder_parts(config, permute=True),
        config.tie_word_embeddings,
        context_tokens,
        describe,
        rope.factors,
        notes=notes,
    )
