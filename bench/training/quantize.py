"""Quantizes an fp16 GGUF file with llama.cpp and looks at what came out.

In: a GGUF file and a quantization. Out: a GGUF file whose tensors were checked to be of that kind:
llama.cpp falls back to other types without an error where rows do not fit.
"""

from __future__ import annotations

import ctypes
import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import gguf
import llama_cpp

from bench.errors import ModelFileError


class _Kind(NamedTuple):
    file_type: int
    main: str
    also: frozenset[str]


_KINDS = {
    "q4_K_M": _Kind(llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_K_M, "Q4_K", frozenset({"Q6_K"})),
    "q5_K_M": _Kind(llama_cpp.LLAMA_FTYPE_MOSTLY_Q5_K_M, "Q5_K", frozenset({"Q6_K"})),
    "q8_0": _Kind(llama_cpp.LLAMA_FTYPE_MOSTLY_Q8_0, "Q8_0", frozenset()),
    "fp16": _Kind(llama_cpp.LLAMA_FTYPE_MOSTLY_F16, "F16", frozenset()),
}


def _ignore(level: int, text: bytes, data: ctypes.c_void_p) -> None:
    """llama.cpp prints every tensor; nothing of it is an answer to anybody."""


_callback = llama_cpp.llama_log_callback(_ignore)  # kept alive: the engine keeps only its address


def silence_engine() -> None:
    """Stop llama.cpp from printing."""
    llama_cpp.llama_log_set(_callback, ctypes.c_void_p(0))


def quantize(source: Path, target: Path, quant: str, n_threads: int) -> None:
    """`source` (fp16) as `quant`, under a temporary name first. ModelFileError where it fails."""
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype = _KINDS[quant].file_type
    parameters.nthread = n_threads
    partial = target.with_suffix(".partial")
    silence_engine()
    code = llama_cpp.llama_model_quantize(os.fsencode(source), os.fsencode(partial), ctypes.byref(parameters))
    if code != 0:
        partial.unlink(missing_ok=True)
        raise ModelFileError(f"{target}: llama.cpp could not quantize {source.name} to {quant} (code {code})")
    partial.replace(target)


def tensor_types(path: Path) -> dict[str, int]:
    """How many tensors of each type a GGUF file holds."""
    counts = Counter(tensor.tensor_type.name for tensor in gguf.GGUFReader(path).tensors)
    return dict(sorted(counts.items()))


def checked_types(path: Path, quant: str) -> dict[str, int]:
    """The tensors' types; ModelFileError unless every matrix is of a type that `quant` means."""
    kind = _KINDS[quant]
    wrong: list[str] = []
    for tensor in gguf.GGUFReader(path).tensors:
        name = tensor.tensor_type.name
        is_vector = len([n for n in tensor.shape if n > 1]) <= 1
        if name != ("F32" if is_vector else kind.main) and (is_vector or name not in kind.also):
            wrong.append(f"{tensor.name} is {name}")
    types = tensor_types(path)
    if wrong or kind.main not in types:
        found = "; ".join(wrong[:3]) or f"no tensor is {kind.main}"
        raise ModelFileError(
            f"{path}: not {quant}: {found}; use widths that are multiples of 256 in the recipe's architecture"
        )
    return types
