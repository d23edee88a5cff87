"""How many answers can be decoded together in the memory there is.

In: what a folder's config says, the prompts, the run's limits. Out: the widest width that fits, None where
the config does not tell or a GPU's memory decides. It is asked before anything is measured.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

from bench.backends.hf.model_folder import ModelFiles
from bench.chat_template import TemplateError
from bench.memory import KEPT_BYTES, available_bytes
from bench.records import Prompt, Sampling

WIDEST = 256
_WEIGHT_BYTES = {"fp32": 4.0, "fp16": 2.0, "bf16": 2.0, "nf4": 1.0, "int8": 1.5}
"""Bytes of a weight in memory at most: embeddings and norms of quantized models stay at 16 bits."""
_CACHE_BYTES = {"fp32": 4, "fp16": 2, "bf16": 2, "nf4": 2, "int8": 2}
_COPIES = 1.25
"""Growing the keys and values of one layer makes a second copy of them for a moment."""


def widest(
    files: ModelFiles, quant: str, device: str, sampling: Sampling, prompts: Sequence[Prompt]
) -> int | None:
    """The largest width, 0 if not even one answer fits."""
    n_values = cache_values(files.config)
    if n_values is None or _runs_on_gpu(device):
        return None
    # weights that are packed already are as large in memory as on disk
    is_packed = "quantization_config" in files.config
    n_bytes = files.n_bytes if is_packed else files.n_parameters * _WEIGHT_BYTES[quant]
    free = available_bytes() - n_bytes - KEPT_BYTES
    n_columns = int(free / (n_values * _CACHE_BYTES[quant] * _COPIES))
    # two prompts are kept beside the rows: the common beginning and the one whose answers begin
    if n_columns // sampling.context_tokens - 2 >= WIDEST:
        return WIDEST  # no need to look at the prompts
    longest = _longest(files, sampling, prompts)
    return max(0, min(WIDEST, n_columns // (longest + sampling.max_tokens) - 2))


def cache_values(config: dict[str, Any]) -> int | None:
    """Numbers that are kept of one token; None where the config does not say."""
    try:
        heads = int(config["num_attention_heads"])
        size = int(config.get("head_dim") or config["hidden_size"] // heads)
        return 2 * int(config["num_hidden_layers"]) * int(config.get("num_key_value_heads") or heads) * size
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None


def prompt_tokens(files: ModelFiles, prompts: Sequence[Prompt]) -> list[int | None]:
    """Tokens of each prompt; None where the template refuses one."""
    from bench.backends.hf.loading import load_tokenizer
    from bench.backends.hf.tokens import Tokens

    tokens = Tokens(load_tokenizer(files), str(files.folder))
    found: list[int | None] = [None] * len(prompts)
    for place, prompt in enumerate(prompts):
        with contextlib.suppress(TemplateError):
            found[place] = len(tokens.of_prompt(prompt))
    return found


def _longest(files: ModelFiles, sampling: Sampling, prompts: Sequence[Prompt]) -> int:
    """Tokens of the longest prompt that will be answered."""
    most = sampling.context_tokens - sampling.max_tokens
    lengths = [length for length in prompt_tokens(files, prompts) if length is not None and length <= most]
    return max(lengths, default=0)


def _runs_on_gpu(device: str) -> bool:
    if device == "cpu":
        return False
    import torch

    return bool(torch.cuda.is_available())
