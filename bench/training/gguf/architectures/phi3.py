"""Phi-3, 3.5 and 4-mini: fused qkv_proj and gate_up_proj, longrope's factors, partial rotation, a window."""

from __future__ import annotations

from typing import Any

import gguf

from bench.training.gguf.architectures._export import Export, describe_decoder, positions, require
from bench.training.gguf.layout import Part, ends, norms
from bench.training.gguf.rope import rope_of

ARCH = gguf.MODEL_ARCH.PHI3
CLASS = "Phi3ForCausalLM"


def export(config: Any, shown: str) -> Export:
    """What the file must hold."""
    head = config.hidden_size // config.num_attention_heads
    require(config, shown, hidden_act="silu", head_dim=head)
    rope = rope_of(config, shown, ("default", "longrope"), partial=True)
    window: int | None = config.sliding_window
    context_tokens, notes = positions(config, window)

    def describe(writer: gguf.GGUFWriter) -> None:
        describe_decoder(writer, config, context_tokens, rope)
        writer.add_sliding_window(window or 0)

    return Export(
        ARCH,
        config.num_hidden_layers,
        _parts(config, head),
        config.tie_word_embeddings,
        context_tokens,
        describe,
        rope.factors,
        notes=(*notes, *rope.notes),
    )


def _parts(config: Any, head: int) -> list[Part]:
    wide, inner = config.hidden_size, config.intermediate_size
    qkv = (config.num_attention_heads + 2 * config.num_key_value_heads) * head
    layer = {
        "self_attn.qkv_proj": (qkv, wide),
        "self_attn.o_proj": (wide, wide),
        "mlp.gate_up_proj": (2 * inner, wide),
        "mlp.down_proj": (wide, inner),
    }
    parts = ends(config)
    for i in range(config.num_hidden_layers):
        parts += [Part(f"model.layers.{i}.{name}.weight", shape) for name, shape in layer.items()]
        parts += norms(config, i)
    return parts
