"""Unsloth in the place of transformers and peft: the same base and the same LoRA, with its own kernels.

In: a base and LoRA's options, on a machine with a GPU where the package `unsloth` is installed (`bench.tune`
imports it before transformers, which it changes). Out: its model and tokenizer; training goes on in trl's
trainer as without it. Written after Unsloth's documentation of `FastLanguageModel`; no test here runs its
kernels.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from bench.errors import ConfigError
from bench.training.lora_options import LoraOptions
from bench.training.methods import Job

_LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""What Unsloth adapts; it knows no `all-linear`."""


def load(folder: Path, max_tokens: int, dtype: torch.dtype, *, in_4bit: bool) -> tuple[Any, Any]:
    """Model and tokenizer of a base."""
    from unsloth import FastLanguageModel

    model, tokenizer = FastLanguageModel.from_pretrained(
        model_name=str(folder), max_seq_length=max_tokens, dtype=dtype, load_in_4bit=in_4bit
    )
    return model, tokenizer


def with_lora(model: Any, options: LoraOptions, job: Job) -> Any:
    """The base with an untrained adapter; ConfigError for what Unsloth has not."""
    from unsloth import FastLanguageModel

    if options.bias == "lora_only":
        raise ConfigError("method.bias: Unsloth knows none and all; choose one, or set unsloth: false")
    return FastLanguageModel.get_peft_model(
        model,
        r=options.r,
        lora_alpha=options.alpha,
        lora_dropout=options.dropout,
        bias=options.bias,
        target_modules=list(_LINEAR if isinstance(options.targets, str) else options.targets),
        modules_to_save=list(options.modules_to_save) or None,
        use_gradient_checkpointing="unsloth" if job.trainer.gradient_checkpointing else False,
        random_state=job.seed,
    )
