"""The base model: a small Llama trained from scratch on generated text.

In: an architecture, an encoder and a schedule. Out: a model and its losses. It never sees the task:
its conversations use made-up formats.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the field's usual name
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM

from bench.training.corpus import Tokens, sequences
from bench.training.loop import Checkpoint, Muon, Report, cosine, run_steps
from bench.training.recipe import Architecture, BaseRecipe
from bench.training.tokenizer import Encoder


def build(architecture: Architecture, n_tokens: int, encoder: Encoder) -> LlamaForCausalLM:
    """An untrained model in float32."""
    config = LlamaConfig(
        vocab_size=n_tokens,
        hidden_size=architecture.hidden,
        intermediate_size=architecture.intermediate,
        num_hidden_layers=architecture.layers,
        num_attention_heads=architecture.heads,
        num_key_value_heads=architecture.kv_heads,
        max_position_embeddings=architecture.context_tokens,
        rope_parameters={"rope_type": "default", "rope_theta": architecture.rope_theta},
        rms_norm_eps=1e-5,
        initializer_range=architecture.initial_std,
        tie_word_embeddings=True,
        bos_token_id=encoder.end_of_text,
        eos_token_id=encoder.end_of_turn,
        pad_token_id=encoder.end_of_text,
    )
    return LlamaForCausalLM(config).to(torch.float32)


def optimizers(model: LlamaForCausalLM, recipe: BaseRecipe) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the layers, AdamW for embedding and norms."""
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    others = [p for n, p in model.named_parameters() if p.ndim != 2 or "embed" in n]
    return [
        Muon(matrices, recipe.matrix_rate, recipe.momentum, recipe.weight_decay),
        torch.optim.AdamW(others, recipe.other_rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True),
    ]


def step_batches(recipe: BaseRecipe, seed: int, avoid: frozenset[str], encoder: Encoder) -> list[Tokens]:
    """The token ids of every step, (sequences, tokens + 1) each, in order."""
    batches: list[Tokens] = []
    for index, phase in enumerate(recipe.phases):
        per_step = phase.sequences_per_step
        n_steps = max(1, phase.tokens // (per_step * phase.sequence_tokens))
        shape = (n_steps * per_step, phase.sequence_tokens + 1)
        ids = sequences(
            seed, f"base-{index}", avoid, encoder, shape, phase.conversations, phase.general, phase.marks
        )
        batches += [ids[i * per_step : (i + 1) * per_step] for i in range(n_steps)]
    return batches


def train_base(
    model: LlamaForCausalLM,
    recipe: BaseRecipe,
    batches: list[Tokens],
    encoder: Encoder,
    checkpoint: Checkpoint | None = None,
    report: Report | None = None,
) -> list[float]:
    """Train on every batch once; the losses (weighted mean negative log-likelihood, nats a token)."""
    model.train()
    n_steps = len(batches)

    def factor(step: int) -> float:
        return cosine(step, n_steps, max(1, round(recipe.warmup * n_steps)), recipe.floor)

    loss_of = _loss_of(model, batches, encoder, recipe.answer_weight)
    return run_steps(model, optimizers(model, recipe), loss_of, factor, n_steps, checkpoint, report)


def answer_mask(ids: Tokens, encoder: Encoder) -> Tokens:
    """(sequences, tokens) 1 where a token is part of an assistant's answer or ends it, else 0."""
    mask = np.zeros_like(ids)
    for row, tokens in enumerate(ids.tolist()):
        inside = False
        for column, token in enumerate(tokens):
            mask[row, column] = inside
            if token == encoder.roles["assistant"]:
                inside = True
            elif token == encoder.end_of_turn:
                inside = False
    return mask


def _loss_of(
    model: LlamaForCausalLM, batches: list[Tokens], encoder: Encoder, answer_weight: float
) -> Callable[[int], Tensor]:
    def loss_of(step: int) -> Tensor:
        ids = torch.from_numpy(batches[step]).to(model.device)
        answers = torch.from_numpy(answer_mask(batches[step], encoder)).to(model.device)
        hidden = model.model(input_ids=ids[:, :-1], use_cache=False).last_hidden_state
        losses = F.cross_entropy(model.lm_head(hidden).flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
        weights = 1 + (answer_weight - 1) * answers[:, 1:].flatten()
        return (losses * weights).sum() / weights.sum()

    return loss_of
