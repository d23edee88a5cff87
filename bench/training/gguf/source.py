"""A transformers folder as far as an export reads it, beside its weights.

In: a folder. Out: its config with transformers' own defaults filled in, its tokenizer as transformers
loads it (which may differ from what tokenizer.json says), and the tokens that end an answer; or a
ModelFileError with one line. No code of a model's own is run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import transformers

from bench.errors import ModelFileError, one_line
from bench.hf_folder.files import generation_ends, read_json
from bench.hf_folder.loading import LOAD_ERRORS, quiet
from bench.training.model_folder import load_tokenizer

_MOST_LAYERS = 1000


class Configured(NamedTuple):
    """What a folder's config says."""

    folder: Path
    model_type: str
    config: Any


class Source(NamedTuple):
    """What a folder says of its model."""

    folder: Path
    model_type: str
    config: Any
    tokenizer: Any
    end_tokens: frozenset[int]
    """Those of the generation config, the config and the tokenizer: where transformers stops."""


def read_config(folder: Path) -> Configured:
    """A folder's config, with transformers' own defaults. ModelFileError where there is none."""
    raw = read_json(folder / "config.json")
    if "quantization_config" in raw:
        raise ModelFileError(f"{folder}: its weights are quantized; export the full-precision model")
    model_type = str(raw.get("model_type", "?"))[:40]
    _refuse_absurd(raw, f"{folder}/config.json")
    with quiet():
        try:
            config = transformers.AutoConfig.from_pretrained(
                str(folder), trust_remote_code=False, local_files_only=True
            )
        except LOAD_ERRORS as error:
            raise ModelFileError(f"{folder}/config.json: cannot be used: {one_line(error)}") from error
    return Configured(folder, model_type, config)


def read_source(folder: Path) -> Source:
    """Config and tokenizer of a folder. ModelFileError where there are none."""
    _, model_type, config = read_config(folder)
    with quiet():
        tokenizer = _tokenizer(folder)
    ends = generation_ends(folder) | _ids(config.eos_token_id) | _ids(tokenizer.eos_token_id)
    return Source(folder, model_type, config, tokenizer, ends)


def _refuse_absurd(config: dict[str, Any], shown: str) -> None:
    """A number of layers is counted through before any tensor is looked at."""
    for name in ("num_hidden_layers", "n_layer"):
        n = config.get(name, 1)
        if not isinstance(n, int) or not 1 <= n <= _MOST_LAYERS:
            raise ModelFileError(f"{shown}: {name} is {str(n)[:20]}; no model has so many layers")


def _tokenizer(folder: Path) -> Any:
    tokenizer = load_tokenizer(folder)
    if not isinstance(tokenizer, transformers.PreTrainedTokenizerFast):
        raise ModelFileError(
            f"{folder}: its tokenizer ({type(tokenizer).__name__}) has no tokenizer.json; save one with it"
        )
    return tokenizer


def _ids(value: Any) -> frozenset[int]:
    if value is None:
        return frozenset()
    return frozenset(int(v) for v in value) if isinstance(value, (list, tuple)) else frozenset({int(value)})
