"""Supervised fine-tuning on trl's SFTTrainer: what the methods for causal models share.

In: a Job, how its base is loaded, and what is put on it. Out: the trained model inside its trainer, with
the facts for the card. A method says what is trained and saves it; loss, loop and optimizer are trl's and
transformers' own.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import set_seed
from trl import SFTConfig, SFTTrainer

from bench.errors import ConfigError, ModelFileError
from bench.training import hf_trainer, unsloth_base
from bench.training.conversation import Conversations
from bench.training.machine import has_gpu
from bench.training.methods import Job
from bench.training.model_folder import context_tokens, load_causal, load_tokenizer, safe_for_training
from bench.training.sft_data import Longest, sequences

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class Fitted(NamedTuple):
    """A trained model."""

    model: Any
    tokenizer: Any
    facts: dict[str, Any]
    is_main: bool
    """Whether this process writes; of several GPUs' processes one does."""


class _Trainer(SFTTrainer):  # type: ignore[misc]  # trl is not followed by mypy
    """trl's trainer, which writes no card of its own into the checkpoints."""

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """The card is `bench.tune`'s."""


def fit(job: Job, dtype: torch.dtype, adapt: Callable[[Any], Any], quantization: Any = None) -> Fitted:
    """Load the base, let `adapt` make of it what is trained, and train it on the job's examples."""
    if job.base is None:
        raise ConfigError("this method needs a base model; set `base`")
    fields = hf_trainer.arguments(job, **_own(job))
    set_seed(job.seed)  # before an adapter's first weights are drawn
    context = context_tokens(job.base)
    model, tokenizer = _loaded(job, job.base, dtype, quantization, context)
    conversations = Conversations(tokenizer, str(job.base)) if job.data.train else None
    if conversations is not None:
        _refuse_end(model, tokenizer, conversations, job)
    safe_for_training(model)
    adapted = adapt(model)
    longest = _longest(job, context, adapted)
    if job.trainer.packing:
        fields["max_length"] = longest.n_tokens
    found = sequences(job.data, tokenizer, conversations, longest)
    if left_out := found.counts["examples_too_long"]:
        job.progress.note(
            f"{job.out.name}: {left_out} of {len(job.data.train)} examples are longer than {longest.said} "
            "and are left out"
        )
    if hf_trainer.evaluates(job) and found.validation is None:
        raise ConfigError(
            f"everything held out is longer than {longest.said}; {longest.remedy}, or set evaluate: false"
        )
    trainer = trainer_for(adapted, tokenizer, found, fields, job)
    facts = hf_trainer.run(trainer, job).as_data() | {"data": found.counts}
    return Fitted(trainer.accelerator.unwrap_model(trainer.model), tokenizer, facts, _is_main(trainer))


def _longest(job: Job, context: int | None, adapted: Any) -> Longest:
    """What a sequence may measure: what the recipe says, and never more than the base has places for."""
    wanted = job.trainer.max_tokens
    if context is None:
        return Longest(wanted)
    # learned vectors that stand before every prompt take places too
    prompt = getattr(adapted, "active_peft_config", None)
    room = context - int(getattr(prompt, "num_virtual_tokens", None) or 0)
    return Longest(wanted) if wanted <= room else Longest(room, of_base=True)


def _loaded(
    job: Job, base: Path, dtype: torch.dtype, quantization: Any, context: int | None
) -> tuple[Any, Any]:
    """Model and tokenizer, through Unsloth where the recipe asks for it."""
    if not job.trainer.unsloth:
        return load_causal(base, dtype, quantization, _attention(job)), load_tokenizer(base)
    if job.trainer.packing:
        raise ConfigError("trainer.packing: true is not done through Unsloth; write false")
    # it stretches the positions of a base that is asked for more than it has
    n_tokens = min(job.trainer.max_tokens, context or job.trainer.max_tokens)
    return unsloth_base.load(base, n_tokens, dtype, in_4bit=quantization is not None)


def trainer_for(model: Any, tokenizer: Any, found: Any, fields: dict[str, Any], job: Job) -> Any:
    """trl's trainer over sequences whose labels are set already."""
    trained = _trained(model) if getattr(model, "is_quantized", False) else {}
    trainer = _Trainer(
        model=model,
        args=SFTConfig(**fields),
        train_dataset=found.train,
        eval_dataset=found.validation if hf_trainer.evaluates(job) else None,
        processing_class=tokenizer,
        callbacks=hf_trainer.callbacks(job),
    )
    _keep_precision(trainer.model, trained)
    return trainer


def _trained(model: Any) -> dict[str, Any]:
    return {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}


def _keep_precision(model: Any, before: dict[str, Any]) -> None:
    """Give trained weights back the precision they had.

    trl rounds those on a quantized base to bf16, in which a step smaller than 1/256 of a weight is lost.
    """
    for name, parameter in model.named_parameters():
        if name in before and parameter.dtype != before[name].dtype:
            parameter.data = before[name].to(parameter.device)


def _own(job: Job) -> dict[str, Any]:
    """What SFTConfig has besides, every default of its own that differs from ours set."""
    return {
        "max_length": job.trainer.max_tokens if job.trainer.packing else None,
        "packing": job.trainer.packing,
        "eval_packing": False,
        "completion_only_loss": None,  # the labels say it already
        "shuffle_dataset": False,
    }


def _attention(job: Job) -> str:
    """How attention is computed; packing needs a kernel that keeps examples of one sequence apart."""
    if not job.trainer.packing:
        return "sdpa"
    is_half = job.trainer.precision in {"bf16", "fp16"}
    if has_gpu() and is_half and importlib.util.find_spec("flash_attn") is not None:
        return "flash_attention_2"
    raise ConfigError(
        "trainer.packing: true: without flash attention (a GPU, the package flash_attn, precision bf16 or "
        "fp16) the examples of one sequence would see each other; write false"
    )


def _refuse_end(model: Any, tokenizer: Any, conversations: Conversations, job: Job) -> None:
    """Refuse a base that would not stop at what it learns to end its answers with."""
    generation = getattr(model, "generation_config", None)
    ends: set[int] = set()
    for value in (
        getattr(generation, "eos_token_id", None),
        getattr(model.config, "eos_token_id", None),
        tokenizer.eos_token_id,
    ):
        if value is not None:
            ends |= set(value) if isinstance(value, (list, tuple)) else {int(value)}
    if conversations.end_of_turn not in ends:
        name = tokenizer.convert_ids_to_tokens(conversations.end_of_turn)
        raise ModelFileError(
            f"{job.base}: its chat template ends a turn with {name}, which none of its configs names as "
            "eos_token_id, so no answer would end; add it to generation_config.json"
        )


def _is_main(trainer: Any) -> bool:
    return bool(trainer.is_world_process_zero())
