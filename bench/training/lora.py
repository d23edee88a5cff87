"""The fine-tune: LoRA on the base, for the task's own prompts, with loss on the answers only.

In: a base model and examples (the rendered prompt's ids and the answer's ids). Out: the model with
the adapter, and its losses. All prompts begin alike (the system turn): that prefix is computed once
a step and its keys and values are shared by the batch, which changes no number but halves the work.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from random import Random
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - the field's usual name
from peft import LoraConfig, PeftModel, get_peft_model
from torch import Tensor
from transformers import LlamaForCausalLM
from transformers.cache_utils import DynamicCache

from bench.training.loop import Checkpoint, Report, cosine, run_steps
from bench.training.recipe import LoraRecipe

IGNORED = -100
"""Label of a token that bears no loss."""


class Example(NamedTuple):
    """One training example in tokens."""

    prompt: tuple[int, ...]
    """Up to and with the assistant's token."""
    answer: tuple[int, ...]
    """The answer and the end-of-turn token."""


class Batch(NamedTuple):
    """Examples without their common beginning, padded at the right: (examples, tokens) each."""

    ids: Tensor
    labels: Tensor
    """The token that each place must predict, IGNORED where it bears no loss."""
    weights: Tensor
    """What each label weighs in the loss."""
    lengths: Tensor
    """(examples,) tokens that are not padding."""


def common_prefix(examples: Sequence[Example]) -> tuple[int, ...]:
    """The tokens that all prompts begin with; at least one token of each prompt is left out."""
    prefix = min(example.prompt for example in examples)
    other = max(example.prompt for example in examples)
    n = 0
    shortest = min(len(example.prompt) for example in examples) - 1
    while n < shortest and prefix[n] == other[n]:
        n += 1
    return prefix[:n]


def make_batch(
    examples: Sequence[Example], n_prefix: int, padding: int, n_early: int = 0, early_weight: float = 1.0
) -> Batch:
    """Examples as one batch. Only the answer's tokens and the end of turn are labels.

    The first `n_early` tokens of an answer weigh `early_weight`.
    """
    rows = [(e.prompt + e.answer)[n_prefix:] for e in examples]
    width = max(map(len, rows)) - 1  # the last token is only ever a label
    ids = torch.full((len(rows), width), padding)
    labels = torch.full((len(rows), width), IGNORED)
    weights = torch.ones((len(rows), width))
    for i, (row, example) in enumerate(zip(rows, examples, strict=True)):
        ids[i, : len(row) - 1] = torch.tensor(row[:-1])
        start = len(example.prompt) - n_prefix - 1  # the prompt's last token predicts the first of the answer
        labels[i, start : len(row) - 1] = torch.tensor(example.answer)
        weights[i, start : start + n_early] = early_weight
    return Batch(ids, labels, weights, torch.tensor([len(row) - 1 for row in rows]))


def batches_of_examples(examples: Sequence[Example], size: int, n_steps: int, seed: int) -> list[list[int]]:
    """Which examples each step trains on: shuffled, then grouped by length so that little is padding."""
    rng = Random(f"{seed}/lora")
    chosen: list[list[int]] = []
    while len(chosen) < n_steps:
        order = list(range(len(examples)))
        rng.shuffle(order)
        window = size * 8
        groups: list[list[int]] = []
        for i in range(0, len(order), window):
            part = sorted(
                order[i : i + window], key=lambda k: len(examples[k].prompt) + len(examples[k].answer)
            )
            groups += [part[j : j + size] for j in range(0, len(part), size)]
        rng.shuffle(groups)
        chosen += groups
    return chosen[:n_steps]


def answer_loss(model: LlamaForCausalLM, prefix: Tensor, batch: Batch) -> Tensor:
    """Weighted mean loss of the answers' tokens, given the prefix (tokens,) that all examples share."""
    n_examples, width = batch.ids.shape
    n_prefix = prefix.shape[0]
    cache = DynamicCache(config=model.config)
    if n_prefix:
        model.model(input_ids=prefix[None], past_key_values=cache, use_cache=True)
        cache.batch_repeat_interleave(n_examples)
    device = prefix.device
    ids, labels = batch.ids.to(device), batch.labels.to(device)
    position = torch.arange(n_prefix, n_prefix + width, device=device)
    # padding stands at the right, so that a causal mask alone keeps it from every real token
    allowed = torch.arange(n_prefix + width, device=device)[None, :] <= position[:, None]
    hidden = model.model(
        input_ids=ids,
        attention_mask=allowed[None, None].expand(n_examples, 1, -1, -1),
        position_ids=position[None].expand(n_examples, -1),
        past_key_values=cache,
        use_cache=True,
    ).last_hidden_state
    bears = labels != IGNORED
    losses = F.cross_entropy(model.lm_head(hidden[bears]), labels[bears], reduction="none")
    weights = batch.weights.to(device)[bears]
    return (losses * weights).sum() / weights.sum()


def add_adapter(model: LlamaForCausalLM, recipe: LoraRecipe) -> PeftModel:
    """The model with an untrained adapter; only the adapter needs gradients."""
    config = LoraConfig(
        r=recipe.r,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        target_modules=list(recipe.targets),
        modules_to_save=list(recipe.modules_to_save) or None,
        ensure_weight_tying=recipe.trains_ends,  # they are saved as the one weight that they are
        bias="none",
        task_type="CAUSAL_LM",
    )
    with warnings.catch_warnings():
        # peft asks a property that transformers is about to rename; nothing of it concerns the result
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*", category=FutureWarning)
        adapted: PeftModel = get_peft_model(model, config)
    return adapted


def train_lora(
    adapted: PeftModel,
    recipe: LoraRecipe,
    examples: Sequence[Example],
    padding: int,
    seed: int,
    checkpoint: Checkpoint | None = None,
    report: Report | None = None,
) -> list[float]:
    """Train the adapter; the losses (weighted mean negative log-likelihood of an answer's token, nats)."""
    inner: Any = adapted.get_base_model()
    adapted.train()
    prefix_ids = common_prefix(examples)
    prefix = torch.tensor(prefix_ids, dtype=torch.int64, device=adapted.device)
    chosen = batches_of_examples(examples, recipe.examples_per_step, recipe.steps, seed)

    def loss_of(step: int) -> Tensor:
        shown = [examples[i] for i in chosen[step]]
        batch = make_batch(shown, len(prefix_ids), padding, recipe.decision_tokens, recipe.decision_weight)
        return answer_loss(inner, prefix, batch)

    def factor(step: int) -> float:
        return cosine(step, recipe.steps, max(1, round(recipe.warmup * recipe.steps)), recipe.floor)

    trained = [p for p in adapted.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        trained, recipe.rate, betas=(0.9, 0.99), weight_decay=recipe.weight_decay, fused=True
    )
    return run_steps(adapted, [optimizer], loss_of, factor, recipe.steps, checkpoint, report)
