"""Small models from nothing, for recipes that have to run without a download: shape and tokenizer.

In: an architecture, its sizes and the texts that the vocabulary is learnt from. Out: an untrained model in
float32 and its tokenizer, each of the kind that the architecture's published models have: byte-level BPE
for llama (with chat tokens and template), gpt2 and opt, lower-case WordPiece for distilbert. It trains
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    DistilBertConfig,
    DistilBertForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    OPTConfig,
    OPTForCausalLM,
    PreTrainedTokenizerFast,
)

from bench.training.tokenizer import train_tokenizer

GPT2_END = "<|endoftext|>"
OPT_END, OPT_PAD = "</s>", "<pad>"
CLS, SEP, PAD, MASK, UNKNOWN = "[CLS]", "[SEP]", "[PAD]", "[MASK]", "[UNK]"


class Shape(NamedTuple):
    """Sizes of a model."""

    hidden: int
    intermediate: int
    layers: int
    heads: int
    context_tokens: int
    initial_std: float


# ---------------------------------------------------------------- tokenizers


def new_tokenizer(architecture: str, texts: Iterable[str], n_tokens: int, context: int) -> Any:
    """A tokenizer of the architecture's kind with at most `n_tokens` tokens."""
    if architecture == "llama":
        return train_tokenizer(texts, n_tokens, context)
    if architecture == "distilbert":
        return _word_piece(texts, n_tokens, context)
    end, pad = (GPT2_END, GPT2_END) if architecture == "gpt2" else (OPT_END, OPT_PAD)
    roles = {"eos_token": end, "bos_token": end, "pad_token": pad}
    return _byte_level(texts, n_tokens, context, roles)


def _byte_level(texts: Iterable[str], n_tokens: int, context: int, roles: dict[str, str]) -> Any:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=n_tokens,
        special_tokens=list(dict.fromkeys(roles.values())),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return _wrapped(tokenizer, context, **roles)


def _word_piece(texts: Iterable[str], n_tokens: int, context: int) -> Any:
    tokenizer = Tokenizer(models.WordPiece(unk_token=UNKNOWN))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    special = [PAD, UNKNOWN, CLS, SEP, MASK]
    trainer = trainers.WordPieceTrainer(vocab_size=n_tokens, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    ends = [(token, tokenizer.token_to_id(token)) for token in (CLS, SEP)]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{CLS} $A {SEP}", pair=f"{CLS} $A {SEP} $B {SEP}", special_tokens=ends
    )
    return _wrapped(
        tokenizer,
        context,
        cls_token=CLS,
        sep_token=SEP,
        pad_token=PAD,
        mask_token=MASK,
        unk_token=UNKNOWN,
    )


def _wrapped(tokenizer: Tokenizer, context: int, **roles: str) -> Any:
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=context,
        clean_up_tokenization_spaces=False,
        # none of these architectures tells two segments apart
        model_input_names=["input_ids", "attention_mask"],
        **roles,
    )


# ---------------------------------------------------------------- models


def new_model(architecture: str, shape: Shape, tokenizer: Any) -> Any:
    """An untrained model in float32; torch's own seed decides its weights."""
    return _MODELS[architecture](shape, tokenizer).to(torch.float32)


def _llama(shape: Shape, tokenizer: Any) -> Any:
    config = LlamaConfig(
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=max(1, shape.heads // 2),
        max_position_embeddings=shape.context_tokens,
        rms_norm_eps=1e-5,
        initializer_range=shape.initial_std,
        tie_word_embeddings=True,
        **_ids(tokenizer),
    )
    return LlamaForCausalLM(config)


def _gpt2(shape: Shape, tokenizer: Any) -> Any:
    config = GPT2Config(
        n_embd=shape.hidden,
        n_inner=shape.intermediate,
        n_layer=shape.layers,
        n_head=shape.heads,
        n_positions=shape.context_tokens,
        initializer_range=shape.initial_std,
        **_ids(tokenizer),
    )
    return GPT2LMHeadModel(config)


def _opt(shape: Shape, tokenizer: Any) -> Any:
    config = OPTConfig(
        hidden_size=shape.hidden,
        word_embed_proj_dim=shape.hidden,
        ffn_dim=shape.intermediate,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        max_position_embeddings=shape.context_tokens,
        init_std=shape.initial_std,
        **_ids(tokenizer),
    )
    return OPTForCausalLM(config)


def _distilbert(shape: Shape, tokenizer: Any) -> Any:
    config = DistilBertConfig(
        vocab_size=len(tokenizer),
        dim=shape.hidden,
        hidden_dim=shape.intermediate,
        n_layers=shape.layers,
        n_heads=shape.heads,
        max_position_embeddings=shape.context_tokens,
        initializer_range=shape.initial_std,
        pad_token_id=tokenizer.pad_token_id,
    )
    return DistilBertForMaskedLM(config)


def _ids(tokenizer: Any) -> dict[str, int]:
    """The vocabulary's size and the special tokens, as a causal model's config names them."""
    first = tokenizer.pad_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
    return {
        "vocab_size": len(tokenizer),
        "bos_token_id": first,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }


_MODELS: dict[str, Callable[[Shape, Any], Any]] = {
    "llama": _llama,
    "gpt2": _gpt2,
    "opt": _opt,
    "distilbert": _distilbert,
}
