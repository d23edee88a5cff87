"""A model in memory as a transformers folder: weights in parts, tokenizer, generation config.

In: a model in fp32, the text files of the folder it came from, the tokens that end an answer. Out: a
folder that save_pretrained and the hub know, in the precision asked for. The tokenizer's files are copied
byte by byte: writing them anew is where exports go wrong.
"""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import SafetensorError

from bench.errors import StorageError, disk_errors
from bench.hf_folder.files import GENERATION, read_json
from bench.hf_folder.loading import quiet
from bench.training.files import write_whole

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
_OWN_FILES = ("config.json", GENERATION, "model.safetensors.index.json")
"""Text files that are written anew, because they speak of the weights or of where answers end."""


def save_folder(
    model: Any, texts: Sequence[Path], target: Path, dtype: str, shard_bytes: int, ends: Sequence[int]
) -> None:
    """Write `model` to `target` in `dtype`, no part larger than `shard_bytes` but for a larger tensor."""
    write_weights(rounded(model, dtype), target, shard_bytes)
    write_texts(texts, target, ends)


def write_weights(model: Any, target: Path, shard_bytes: int) -> None:
    """Config and safetensors; StorageError where the disk does not take them."""
    plain_config(model)
    with disk_errors(target), quiet():
        target.mkdir(parents=True, exist_ok=True)
        try:
            model.save_pretrained(str(target), max_shard_size=shard_bytes)
            for part in target.glob("*.safetensors"):  # which its writer lets nobody else read
                part.chmod((target / "config.json").stat().st_mode)
        except SafetensorError as error:  # how its writer tells that the disk is full
            raise StorageError(f"cannot write {target}: {error}; free some space and try again") from error


def rounded(model: Any, dtype: str) -> Any:
    """A copy of the model with its parameters in another precision; itself where they have that already.

    Buffers stay as they are: what turns positions is computed in fp32 and saved nowhere, and rounding it
    moves every logit.
    """
    wanted = DTYPES[dtype]
    untie(model)
    if model.dtype == wanted:
        return model
    copied = copy.deepcopy(model)
    for parameter in copied.parameters():
        parameter.data = parameter.data.to(wanted)
    return copied


def untie(model: Any) -> None:
    """Say so in the config where output and input embeddings were one and training parted them.

    An adapter with its own copy of either leaves two matrices, and a config that still says they are one
    would throw the output's away on saving.
    """
    config = model.config.get_text_config()
    into, out = model.get_input_embeddings(), model.get_output_embeddings()
    if getattr(config, "tie_word_embeddings", False) and into is not None and out is not None:
        apart = into.weight.data_ptr() != out.weight.data_ptr()
        if apart and not torch.equal(into.weight, out.weight):
            config.tie_word_embeddings = model.config.tie_word_embeddings = False


def plain_config(model: Any) -> None:
    """Leave out what is no property of the model: where it was loaded from, and on which device."""
    model.config.name_or_path = ""
    if hasattr(model, "hf_device_map"):
        del model.hf_device_map
    if model.can_generate():
        # it is written from the source's own file, which need not please the library's checks
        model.generation_config = transformers.GenerationConfig()


def write_texts(texts: Sequence[Path], target: Path, ends: Sequence[int]) -> None:
    """The tokenizer's files as they are, and the generation config with every token that ends an answer."""
    for path in texts:
        if path.name not in _OWN_FILES:
            with disk_errors(target / path.name):
                shutil.copyfile(path, target / path.name)
    source = next((path for path in texts if path.name == GENERATION), None)
    settings = read_json(source) if source else {}
    if ends:
        settings["eos_token_id"] = ends[0] if len(ends) == 1 else list(ends)
        write_whole(target / GENERATION, json.dumps(settings, indent=2).encode())
