"""Quantizes a GGUF file with llama.cpp and looks at what came out.

In: a GGUF file in fp32, fp16 or bf16, a quantization, and where wanted an importance matrix. Out: a GGUF
file under its name when it is whole, and the tensors whose rows did not fit, for which llama.cpp takes
other types without an error.
"""

from __future__ import annotations

import ctypes
import os
from collections import Counter, deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gguf
import llama_cpp
import numpy as np
import numpy.typing as npt

from bench.errors import ModelFileError
from bench.training.file_types import FILE_TYPES, block_elements, main_type

Importance = Mapping[str, npt.NDArray[np.float32]]
"""Mean square of every input of a matrix, by the matrix's name: what an error there costs."""

_ERROR = 4  # as ggml.h numbers it
_lines: deque[str] = deque(maxlen=20)
_NEVER_QUANTIZED = ("position_embd", "token_types", "ffn_gate_inp")
"""Matrices that the engine leaves as they are, by intent."""
_TEXT_KEY, _NUMBER_KEY = 3, 0  # llama_model_kv_override_type
_LONGEST_TEXT = 127


def _keep_errors(level: int, text: bytes, data: ctypes.c_void_p) -> None:
    """llama.cpp prints every tensor; only why it failed is an answer to anybody."""
    if level == _ERROR:
        _lines.append(text.decode("utf-8", "replace").strip())


_callback = llama_cpp.llama_log_callback(_keep_errors)  # kept alive: the engine keeps only its address


def silence_engine() -> None:
    """Stop llama.cpp from printing."""
    llama_cpp.llama_log_set(_callback, ctypes.c_void_p(0))


def quantize(
    source: Path,
    target: Path,
    quant: str,
    n_threads: int,
    importance: Importance | None = None,
    noted: Mapping[str, str | int] | None = None,
) -> None:
    """`source` as `quant`, under a temporary name first; `noted` goes into the file's metadata.

    ModelFileError with the engine's own words where it fails, such as for want of an importance matrix.
    """
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.ftype = FILE_TYPES[quant]
    parameters.nthread = n_threads
    kept: list[Any] = []  # what the engine only has addresses of
    if importance:
        parameters.imatrix = _importance(importance, kept)
    if noted:
        parameters.kv_overrides = _overrides(noted, kept)
    partial = target.with_name(target.name + ".partial")
    silence_engine()
    _lines.clear()
    try:
        code = llama_cpp.llama_model_quantize(
            os.fsencode(source), os.fsencode(partial), ctypes.byref(parameters)
        )
        if code != 0:
            reason = " ".join(_lines[-1].split()).rpartition(": ")[2][:200] if _lines else f"code {code}"
            remedy = " Name one with `bench models quantize --imatrix`" if "imatrix" in reason else ""
            raise ModelFileError(
                f"{target}: llama.cpp could not quantize {source.name} to {quant}: {reason}{remedy}"
            )
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def _importance(values: Importance, kept: list[Any]) -> Any:
    """The engine's array of (name, numbers, how many), ended by a row without a name."""
    rows = (llama_cpp.llama_model_imatrix_data * (len(values) + 1))()
    for row, (name, numbers) in zip(rows, values.items(), strict=False):
        flat = np.ascontiguousarray(numbers, np.float32).ravel()
        kept.append(flat)
        row.name = name.encode()
        row.data = flat.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        row.size = flat.size
    kept.append(rows)
    return rows


def _overrides(noted: Mapping[str, str | int], kept: list[Any]) -> Any:
    """The engine's array of metadata, ended by a row without a key."""
    rows = (llama_cpp.llama_model_kv_override * (len(noted) + 1))()
    for row, (key, value) in zip(rows, noted.items(), strict=False):
        row.key = key.encode()
        if isinstance(value, int):
            row.tag, row.value.val_i64 = _NUMBER_KEY, value
        else:
            text = value.encode()[:_LONGEST_TEXT].decode("utf-8", "ignore").encode()
            row.tag, row.value.val_str = _TEXT_KEY, text
    kept.append(rows)
    return rows


def tensor_types(path: Path) -> dict[str, int]:
    """How many tensors of each type a GGUF file holds."""
    counts = Counter(tensor.tensor_type.name for tensor in gguf.GGUFReader(path).tensors)
    return dict(sorted(counts.items()))


def fallen_back(path: Path, quant: str) -> list[str]:
    """Matrices of a file whose rows do not fit the blocks of `quant`, with the type each has instead."""
    block = block_elements(quant)
    found = []
    for tensor in gguf.GGUFReader(path).tensors:
        row = int(tensor.shape[0])
        is_matrix = len([n for n in tensor.shape if n > 1]) > 1
        by_intent = any(part in tensor.name for part in _NEVER_QUANTIZED)
        if is_matrix and row % block and not by_intent:
            kind = tensor.tensor_type.name
            found.append(f"{tensor.name} is {kind}, because its rows of {row} are no multiple of {block}")
    return found


def checked_types(path: Path, quant: str) -> dict[str, int]:
    """The tensors' types; ModelFileError where a matrix fell back to another type than `quant` means."""
    wrong = fallen_back(path, quant)
    types = tensor_types(path)
    if wrong:
        raise ModelFileError(
            f"{path}: not {quant}: {wrong[0]} ({len(wrong)} such in all); take a quant of smaller blocks, "
            f"such as q8_0, or a model whose widths are multiples of {block_elements(quant)}"
        )
    main = main_type(quant)
    if main.name not in types:
        raise ModelFileError(f"{path}: not {quant}: no tensor is {main.name}; make it again")
    return types
