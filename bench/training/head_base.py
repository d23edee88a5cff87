"""A base model with a new head over it, from its folder into memory and back.

In: a folder in transformers' form. Out: its sequence-classification model, in fp32 or with int8 weights,
whose head alone may be new; and, of a LoRA over int8 weights, the parts that are saved. transformers fills
weights that a file lacks with random numbers and only warns; here that is a refusal.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
import transformers
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForSequenceClassification

from bench.classifiers import HEAD_NAMES
from bench.errors import ModelFileError, one_line
from bench.hf_folder.loading import LOAD_ERRORS
from bench.training import model_folder

_DROPOUTS = (
    "dropout", "attention_dropout", "activation_dropout", "seq_classif_dropout", "classifier_dropout",
    "hidden_dropout_prob", "attention_probs_dropout_prob", "resid_pdrop", "embd_pdrop", "attn_pdrop",
)  # fmt: skip
_LOCAL = {"trust_remote_code": False, "local_files_only": True}
_PEFT_PREFIX = "base_model.model."


class Base(NamedTuple):
    """A base and what its config has to say besides its own."""

    folder: Path
    pad_token: int
    labels: dict[str, Any]
    """`id2label` and `label2id`."""
    dropout: float | None
    seed: int
    """Of the new head's weights."""


class Loaded(NamedTuple):
    """What came of it."""

    model: Any
    is_head_old: bool
    """Whether the folder held a head of this size."""


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer, with a padding token."""
    tokenizer = model_folder.load_tokenizer(folder)
    if tokenizer.pad_token_id is None:
        if tokenizer.eos_token_id is None:
            raise ModelFileError(
                f"{folder}: its tokenizer has neither a padding nor an end-of-text token; set one of them"
            )
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def longest(config: Any, tokenizer: Any) -> int:
    """Tokens that the model can read at once, as the backend `hf` counts them."""
    positions = getattr(config, "max_position_embeddings", None)
    return int(min(tokenizer.model_max_length, positions or tokenizer.model_max_length))


def load(base: Base, *, int8: bool = False) -> Loaded:
    """The model with a head; ModelFileError unless the folder holds every weight below the head."""
    shown = str(base.folder)
    try:
        config = AutoConfig.from_pretrained(shown, **_LOCAL)
        _adjust(config, base)
        transformers.set_seed(base.seed)
        quantized = (
            {"quantization_config": _int8(), "device_map": {"": model_folder.training_device()}}
            if int8
            else {}
        )
        model, info = AutoModelForSequenceClassification.from_pretrained(
            shown,
            config=config,
            dtype=torch.float32,
            use_safetensors=True,
            ignore_mismatched_sizes=True,  # a head of other labels is replaced
            output_loading_info=True,
            **_LOCAL,
            **quantized,
        )
    except torch.OutOfMemoryError:
        raise
    except LOAD_ERRORS as error:
        raise ModelFileError(
            f"{shown}: no classifier can be made of it: {one_line(error)}; name a folder that "
            "save_pretrained wrote, of an architecture that transformers classifies with"
        ) from error
    new = {
        str(key[0] if isinstance(key, tuple) else key)
        for key in (*info["missing_keys"], *info["mismatched_keys"])
    }
    lost = sorted(key for key in new if key.startswith(f"{model.base_model_prefix}."))
    if lost:
        raise ModelFileError(f"{shown}: {len(lost)} weights are missing or misshapen (e.g. {lost[0]})")
    random = sorted(key for key in new if not key.partition(".")[0].endswith(HEAD_NAMES))
    if int8 and random:
        # a new layer is neither made in 8 bits nor the same in the base that is saved beside the LoRA
        raise ModelFileError(
            f"{shown}: it has no weights for {random[0]}, below the head, which would be in 8 bits; "
            "leave quant out, or name a base that has them"
        )
    return Loaded(model, not any(key.partition(".")[0] in HEAD_NAMES for key in new))


def _adjust(config: Any, base: Base) -> None:
    config.id2label, config.label2id = base.labels["id2label"], base.labels["label2id"]
    config.problem_type = "single_label_classification"
    config.pad_token_id = base.pad_token
    config.use_cache = False
    if base.dropout is None:
        return
    own = [name for name in _DROPOUTS if hasattr(config, name)]
    if not own:
        raise ModelFileError(f"{base.folder}: its config has no dropout; remove method.dropout")
    for name in own:
        setattr(config, name, base.dropout)


def _int8() -> Any:
    return transformers.BitsAndBytesConfig(load_in_8bit=True, llm_int8_skip_modules=list(HEAD_NAMES))


def split_adapter(trained: Any, base: Base) -> tuple[Any, Callable[[Path, Path], None]]:
    """Of a LoRA with a head over int8 weights: the base at full precision with that head, and the LoRA."""
    import peft

    state = {name: tensor.detach().cpu() for name, tensor in peft.get_peft_model_state_dict(trained).items()}
    lora = {name: tensor.contiguous() for name, tensor in state.items() if ".lora_" in name}
    head = {name.removeprefix(_PEFT_PREFIX): tensor for name, tensor in state.items() if name not in lora}
    whole = load(base).model
    unexpected = whole.load_state_dict(head, strict=False).unexpected_keys
    assert not unexpected, unexpected
    config = copy.deepcopy(trained.peft_config["default"])

    def save(model: Path, folder: Path) -> None:
        """The head is in the model already, so the adapter is a LoRA alone."""
        config.task_type, config.modules_to_save, config.inference_mode = None, None, True
        config.base_model_name_or_path = str(model)
        folder.mkdir(parents=True, exist_ok=True)
        config.save_pretrained(str(folder))
        save_file(lora, str(folder / "adapter_model.safetensors"), metadata={"format": "pt"})

    return whole, save
