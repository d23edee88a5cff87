"""TrainerOptions as fields of transformers' TrainingArguments: each is honoured, or refused in one line.

In: a Job. Out: a dictionary for TrainingArguments or trl's SFTConfig, or a ConfigError that says what this
machine or these data cannot do and what to write instead. Nothing is trained.
"""

from __future__ import annotations

import importlib.util
from typing import Any

from bench.errors import ConfigError, MissingExtraError
from bench.training.machine import has_gpu
from bench.training.methods import Job
from bench.training.tuning_recipe import TrainerOptions

_SCHEDULES = {"cosine": "cosine", "linear": "linear", "constant": "constant_with_warmup"}
_OPTIMIZERS = {
    "adamw": "adamw_torch_fused",
    "paged_adamw": "paged_adamw_32bit",
    "paged_adamw_8bit": "paged_adamw_8bit",
}
_REPORTERS = {"tensorboard": ("tensorboard", "tensorboardX"), "trackio": ("trackio",)}
_KEPT_CHECKPOINTS = 2  # the newest, and the best or the one before, should the newest not be whole


def refuse(options: TrainerOptions) -> None:
    """ConfigError or MissingExtraError for what cannot be honoured on this machine."""
    needing_gpu = (
        ("precision", options.precision == "fp16", "bf16 or fp32"),
        ("optimizer", options.optimizer != "adamw", "adamw"),
        ("unsloth", options.unsloth, "false"),
    )
    for name, is_asked, instead in needing_gpu:
        if is_asked and not has_gpu():
            value = str(getattr(options, name)).lower()
            raise ConfigError(
                f"trainer.{name}: {value} needs an NVIDIA GPU, and torch finds none; write {instead}"
            )
    if options.unsloth and importlib.util.find_spec("unsloth") is None:
        raise MissingExtraError(
            "trainer.unsloth: unsloth is not installed; pip install unsloth, or write false"
        )
    for name in options.report_to:
        if not any(importlib.util.find_spec(package) for package in _REPORTERS[name]):
            raise MissingExtraError(
                f"trainer.report_to: {name} is not installed; pip install {name}, or leave it out"
            )


def evaluates(job: Job) -> bool:
    """Whether the loss on held-out data is looked at after every epoch."""
    return job.trainer.evaluate and bool(job.data.validation or job.data.validation_texts)


def arguments(job: Job, **more: Any) -> dict[str, Any]:
    """Fields of TrainingArguments (or SFTConfig) for a job; `more` wins."""
    options = job.trainer
    refuse(options)
    if options.patience is not None and not evaluates(job):
        raise ConfigError(
            "trainer.patience: nothing is held out to see when to stop; give the data a validation side "
            "and leave `evaluate` on, or remove patience"
        )
    if job.data.keep_order and "group_by_length" in options.model_fields_set and options.group_by_length:
        raise ConfigError(
            "trainer.group_by_length: true contradicts `introduce: gradually`, whose order is kept; remove it"
        )
    return {
        "output_dir": str(job.work),
        "num_train_epochs": options.epochs,
        "max_steps": options.steps or -1,
        "per_device_train_batch_size": options.batch_size,
        "per_device_eval_batch_size": options.batch_size,
        "gradient_accumulation_steps": options.accumulation,
        "learning_rate": options.rate,
        "lr_scheduler_type": _SCHEDULES[options.schedule],
        "warmup_steps": options.warmup,  # below 1 it is a share
        "weight_decay": options.weight_decay,
        "max_grad_norm": options.clip,
        "optim": _OPTIMIZERS[options.optimizer],
        "bf16": options.precision == "bf16",
        "fp16": options.precision == "fp16",
        "use_cpu": not has_gpu(),
        "activation_checkpointing": options.gradient_checkpointing,
        "eval_strategy": "epoch" if evaluates(job) else "no",
        "save_strategy": "epoch",
        "save_total_limit": _KEPT_CHECKPOINTS,
        "load_best_model_at_end": options.patience is not None,
        "metric_for_best_model": "eval_loss" if evaluates(job) else None,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "report_to": [name for name in options.report_to if name != "tensorboard"] or "none",
        "seed": job.seed,
        "data_seed": job.seed,
        "disable_tqdm": True,
        "include_num_input_tokens_seen": "non_padding",
        "restore_callback_states_from_checkpoint": True,
        "dataloader_pin_memory": has_gpu(),
        **more,
    }
