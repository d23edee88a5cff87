"""PEFT adapters on a base: what they are put on, and what of the base is trained whole.

In: a loaded base and a recipe's options. Out: peft's own model with an untrained adapter, or a ConfigError
where a layer is named that the base has not. A base whose chat tokens nobody has trained gets its
embeddings trained with the adapter. Nothing of peft is done again here.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import peft
import torch
from transformers.pytorch_utils import Conv1D

from bench.errors import ConfigError, one_line
from bench.training import unsloth_base
from bench.training.chat_base import untrained_tokens
from bench.training.lora_options import LoraOptions
from bench.training.methods import Job, Trained
from bench.training.sft import Fitted

_ADAPTER = "adapter"


def with_lora(model: Any, options: LoraOptions, job: Job) -> Any:
    """The base with an untrained LoRA adapter."""
    _refuse_unknown("targets", () if isinstance(options.targets, str) else options.targets, model)
    _refuse_unknown("modules_to_save", options.modules_to_save, model)
    if "lm_head" in options.targets:
        raise ConfigError("method.targets: lm_head: the head takes no adapter; put it into modules_to_save")
    saved, is_tied = whole_modules(model, options.modules_to_save, job)
    if job.trainer.unsloth:
        return unsloth_base.with_lora(model, options.model_copy(update={"modules_to_save": saved}), job)
    config = peft.LoraConfig(
        r=options.r,
        lora_alpha=options.alpha,
        lora_dropout=options.dropout,
        bias=options.bias,
        target_modules=options.targets if isinstance(options.targets, str) else list(options.targets),
        modules_to_save=list(tied(model, saved) if is_tied else saved) or None,
        ensure_weight_tying=is_tied,
        fan_in_fan_out=_transposed(model, options.targets),
        task_type="CAUSAL_LM",
    )
    return adapted(model, config)


def adapted(model: Any, config: Any) -> Any:
    """peft's model of a base and a config; ConfigError where the two do not fit."""
    try:
        with warnings.catch_warnings():
            # peft asks for a property that transformers is about to rename; it concerns no result
            warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.*", category=FutureWarning)
            return peft.get_peft_model(model, config)
    except (ValueError, TypeError, KeyError, AttributeError, NotImplementedError) as error:
        reason = one_line(error)
        raise ConfigError(
            f"method: peft cannot put {config.peft_type.value} on this base: {reason}"
        ) from error


def whole_modules(model: Any, named: Iterable[str], job: Job) -> tuple[tuple[str, ...], bool]:
    """Layers to be trained whole: those named, and the embeddings where chat tokens are untrained.

    With it, whether head and embeddings are among them and share their weights.
    """
    ends = _ends(model)
    is_tied = bool(getattr(model.config.get_text_config(), "tie_word_embeddings", False))
    saved = list(named)
    if job.base is not None and untrained_tokens(job.base):
        saved += [name for name in (ends[:1] if is_tied else ends) if name not in saved]
    return tuple(saved), is_tied and any(_last(name) in ends for name in saved)


def tied(model: Any, saved: Iterable[str]) -> tuple[str, ...]:
    """The same layers, the shared weight by its head's name: peft ties no embeddings called as GPT-2's."""
    ends = _ends(model)
    return (*(name for name in saved if _last(name) not in ends), ends[1])


def save(fitted: Fitted, job: Job, quant: str) -> Trained:
    """The adapter as a folder of its own, and the arm that it makes of the base."""
    assert job.base is not None, "an adapter is on a base"
    folder = job.out / _ADAPTER
    if fitted.is_main:
        # peft would ask the hub whether the base has new tokens; modules_to_save says it already
        fitted.model.save_pretrained(str(folder), safe_serialization=True, save_embedding_layers=False)
    return Trained(ref=job.base, adapter=folder, quant=quant, options={}, facts=fitted.facts)


def _ends(model: Any) -> tuple[str, str]:
    """The names of embeddings and head."""
    return _name_of(model, model.get_input_embeddings()), _name_of(model, model.get_output_embeddings())


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _name_of(model: Any, wanted: Any) -> str:
    """The end of a layer's name."""
    names = (_last(name) for name, module in model.named_modules() if module is wanted)
    return str(next(names))


def _refuse_unknown(option: str, names: Iterable[str], model: Any) -> None:
    there = {_last(name) for name, module in model.named_modules() if _has_weights(module)}
    for name in names:
        if not any(full == name or full.endswith(f".{name}") for full, _ in model.named_modules()):
            known = ", ".join(sorted(there))
            raise ConfigError(f"method.{option}: the base has no layer {name!r}; it has {known}")


def _has_weights(module: Any) -> bool:
    return any(True for _ in module.parameters(recurse=False))


def _transposed(model: Any, targets: str | tuple[str, ...]) -> bool:
    """Whether the adapted layers keep their weights transposed, as GPT-2's do."""
    kinds = {
        isinstance(module, Conv1D)
        for name, module in model.named_modules()
        if isinstance(module, (Conv1D, torch.nn.Linear))
        and (name.endswith(tuple(targets)) if not isinstance(targets, str) else "lm_head" not in name)
    }
    return kinds == {True}
