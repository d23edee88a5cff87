"""A base model from its folder into memory, to be trained: whole, or quantized by bitsandbytes.

In: a folder in transformers' form. Out: model and tokenizer, or a ModelFileError. Weights are safetensors,
code of a model's own is never run, and nothing is fetched. How an arm is loaded to answer is
`bench.backends.hf`'s.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers

from bench.errors import ModelFileError, UsageError, classless_errors, one_line
from bench.hf_folder.files import generation_ends
from bench.hf_folder.loading import LOAD_ERRORS, refuse_unfit, without_bars


def load_tokenizer(folder: Path) -> Any:
    """The folder's tokenizer."""
    try:
        with classless_errors(f"{folder}: its tokenizer cannot be loaded"):
            return transformers.AutoTokenizer.from_pretrained(
                str(folder), trust_remote_code=False, local_files_only=True
            )
    except LOAD_ERRORS as error:
        raise ModelFileError(f"{folder}: its tokenizer cannot be loaded: {one_line(error)}") from error


def load_config(folder: Path) -> Any:
    """The folder's config."""
    try:
        return transformers.AutoConfig.from_pretrained(
            str(folder), trust_remote_code=False, local_files_only=True
        )
    except LOAD_ERRORS as error:
        raise ModelFileError(f"{folder}: its config cannot be loaded: {one_line(error)}") from error


def context_tokens(folder: Path) -> int | None:
    """Longest sequence that the folder's model was made for; None where its config names none."""
    found = getattr(load_config(folder).get_text_config(), "max_position_embeddings", None)
    return int(found) if found else None


def load_causal(folder: Path, dtype: Any, quantization: Any = None, attention: str = "sdpa") -> Any:
    """The folder's causal model; with `quantization` on the device that this process trains on."""
    generation_ends(folder)  # refuses a damaged file
    try:
        with without_bars():
            model, info = transformers.AutoModelForCausalLM.from_pretrained(
                str(folder),
                trust_remote_code=False,
                local_files_only=True,
                use_safetensors=True,
                dtype=dtype,
                attn_implementation=attention,
                quantization_config=quantization,
                device_map=None if quantization is None else {"": training_device()},
                output_loading_info=True,
            )
    except torch.OutOfMemoryError as error:
        raise UsageError(
            f"{folder}: too large for the GPU's memory; take qlora or a smaller model"
        ) from error
    except LOAD_ERRORS as error:
        raise ModelFileError(f"{folder}: cannot be loaded: {one_line(error)}") from error
    refuse_unfit(folder, info)
    return model


@contextmanager
def without_casting_notes() -> Iterator[None]:
    """bitsandbytes says in every product that it computes in fp16, which is what int8 is."""
    log = logging.getLogger("bitsandbytes.autograd._functions")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)


def training_device() -> torch.device:
    """The GPU of this process (each that `accelerate launch` starts has its own), else the processor."""
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device("cpu")


def safe_for_training(model: Any) -> None:
    """Keep 4-bit layers on the path that has gradients.

    On processors with AVX512-BF16 such a layer switches, at its first forward in evaluation mode, to a
    kernel without autograd: training that goes on after an evaluation would have wrong gradients, and
    nothing would say so.
    """
    for module in model.modules():
        if type(module).__name__ == "Linear4bit":
            module.support_avx512bf16_for_cpu = False
