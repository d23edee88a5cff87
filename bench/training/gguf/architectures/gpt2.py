"""GPT-2: Conv1D matrices transposed, learned positions, a bias everywhere."""

from __future__ import annotations

from typing import Any

import gguf

from bench.errors import ModelFileError
from bench.training.gguf.architectures._export import Export, require
from bench.training.gguf.layout import Part, transposed

ARCH = gguf.MODEL_ARCH.GPT2
CLASS = "GPT2LMHeadModel"
_GELUS = ("gelu_new", "gelu_pytorch_tanh")
"""The approximation by tanh, which is what llama.cpp computes."""


def export(config: Any, shown: str) -> Export:
    """What the file must hold."""
    if config.activation_function not in _GELUS:
        raise ModelFileError(
            f"{shown}: activation_function is {config.activation_function!r}; llama.cpp computes "
            f"{' or '.join(_GELUS)} for GPT-2"
        )
    require(
        config,
        shown,
        scale_attn_weights=True,
        scale_attn_by_inverse_layer_idx=False,
        add_cross_attention=False,
    )
    return Export(
        ARCH,
        config.n_layer,
        _parts(config),
        config.tie_word_embeddings,
        config.n_positions,
        lambda writer: _describe(writer, config),
        prefix="transformer.",
        # llama.cpp never quantizes it, and reads it as it is stored
        exact=frozenset({"position_embd.weight"}),
    )


def _inner(config: Any) -> int:
    return int(config.n_inner or 4 * config.n_embd)


def _describe(writer: gguf.GGUFWriter, config: Any) -> None:
    writer.add_context_length(config.n_positions)
    writer.add_embedding_length(config.n_embd)
    writer.add_block_count(config.n_layer)
    writer.add_feed_forward_length(_inner(config))
    writer.add_head_count(config.n_head)
    writer.add_layer_norm_eps(config.layer_norm_epsilon)
    writer.add_vocab_size(config.vocab_size)


def _parts(config: Any) -> list[Part]:
    wide, inner = config.n_embd, _inner(config)
    layer = {
        "attn.c_attn": (wide, 3 * wide),
        "attn.c_proj": (wide, wide),
        "mlp.c_fc": (wide, inner),
        "mlp.c_proj": (inner, wide),
    }
    parts = [
        Part("transformer.wte.weight", (config.vocab_size, wide)),
        Part("transformer.wpe.weight", (config.n_positions, wide)),
        *(Part(f"transformer.ln_f.{kind}", (wide,)) for kind in ("weight", "bias")),
        Part("lm_head.weight", (config.vocab_size, wide)),
    ]
    for i in range(config.n_layer):
        for name, shape in layer.items():
            parts.append(Part(f"transformer.h.{i}.{name}.weight", shape, transposed))
            parts.append(Part(f"transformer.h.{i}.{name}.bias", shape[1:]))
        for name in ("ln_1", "ln_2"):
            parts += [Part(f"transformer.h.{i}.{name}.{kind}", (wide,)) for kind in ("weight", "bias")]
    return parts
