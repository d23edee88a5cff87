"""The GGUF file of a transformers folder.

In: a folder, a file name, the model's name and fp32, fp16 or bf16. Out: the file, written under a
temporary name and renamed, and what it is. One tensor is in memory at a time. Vectors stay float32, as
llama.cpp wants them.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import gguf
import numpy as np
import numpy.typing as npt
import torch

from bench.errors import ModelFileError, UsageError, disk_errors
from bench.training.gguf.architectures import Export, export_of, refuse_unknown
from bench.training.gguf.layout import Planned, plan
from bench.training.gguf.source import Source, read_config, read_source
from bench.training.gguf.tokenizers import describe_tokenizer
from bench.training.gguf.weights import Weights, open_weights


class _Form(NamedTuple):
    dtype: torch.dtype
    type: gguf.GGMLQuantizationType
    file_type: gguf.LlamaFileType


_FORMS = {
    "fp32": _Form(torch.float32, gguf.GGMLQuantizationType.F32, gguf.LlamaFileType.ALL_F32),
    "fp16": _Form(torch.float16, gguf.GGMLQuantizationType.F16, gguf.LlamaFileType.MOSTLY_F16),
    "bf16": _Form(torch.bfloat16, gguf.GGMLQuantizationType.BF16, gguf.LlamaFileType.MOSTLY_BF16),
}
FP_QUANTS = tuple(_FORMS)
"""What is written here; the engine quantizes from there."""


class Written(NamedTuple):
    """A file and what is to be said of it."""

    path: Path
    architecture: str
    quant: str
    n_tensors: int
    notes: tuple[str, ...]
    """What holds only under a condition: a shorter context, composed texts."""


class Stored(NamedTuple):
    """How one tensor stands in the file."""

    planned: Planned
    type: gguf.GGMLQuantizationType
    dtype: torch.dtype


def write_gguf(folder: Path, target: Path, name: str, quant: str = "fp16") -> Written:
    """The model of a folder as a GGUF file. ModelFileError where it cannot be exported faithfully."""
    if quant not in _FORMS:
        raise UsageError(f"quant {quant!r} is not written directly; write {', '.join(_FORMS)}, then quantize")
    refuse_unknown(folder)
    source = read_source(folder)
    export = export_of(source)
    with open_weights(folder) as weights:
        stored = stored_tensors(export, weights, quant)
        partial = target.with_name(f"{target.name}.partial")
        with disk_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                notes = _write(source, export, weights, stored, partial, name, quant)
                partial.replace(target)
            finally:
                partial.unlink(missing_ok=True)
    return Written(target, source.model_type, quant, len(stored) + len(export.extra), (*export.notes, *notes))


def refuse_unfit(folder: Path) -> None:
    """ModelFileError unless architecture, config and weights of a folder can be exported; reads no tensor."""
    refuse_unknown(folder)
    export = export_of(read_config(folder))
    with open_weights(folder) as weights:
        stored_tensors(export, weights, "fp32")


def stored_tensors(export: Export, weights: Weights, quant: str) -> list[Stored]:
    """Every tensor that comes from the folder, with its type. ModelFileError where the config differs."""
    form = _FORMS[quant]
    found = []
    for planned in plan(
        export.parts, weights, export.arch, export.n_blocks, tied=export.tied, prefix=export.prefix
    ):
        is_vector = len(weights.shapes[planned.source]) == 1
        exact = _FORMS["fp32"] if is_vector or planned.target in export.exact else form
        found.append(Stored(planned, exact.type, exact.dtype))
    return found


def _write(
    source: Source,
    export: Export,
    weights: Weights,
    stored: list[Stored],
    path: Path,
    name: str,
    quant: str,
) -> tuple[str, ...]:
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[export.arch])
    try:
        writer.add_type(gguf.GGUFType.MODEL)
        writer.add_file_type(_FORMS[quant].file_type)
        export.describe(writer)
        notes = describe_tokenizer(writer, source, source.config.vocab_size, name)
        for entry in stored:
            _announce(writer, entry, weights)
        for target, extra in export.extra.items():
            writer.add_tensor_info(target, extra.shape, np.dtype(np.float32), 4 * extra.numel())
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for entry in stored:
            writer.write_tensor_data(stored_bytes(entry, weights))
        for extra in export.extra.values():
            writer.write_tensor_data(extra.numpy())
    finally:
        writer.close()
    return notes


def _announce(writer: gguf.GGUFWriter, entry: Stored, weights: Weights) -> None:
    *rows, columns = entry.planned.shape(weights)
    n_bytes = entry.dtype.itemsize
    # raw bytes: numpy has no bfloat16
    shape, size = (*rows, columns * n_bytes), int(np.prod([*rows, columns])) * n_bytes
    writer.add_tensor_info(entry.planned.target, shape, np.dtype(np.uint8), size, raw_dtype=entry.type)


def stored_bytes(entry: Stored, weights: Weights) -> npt.NDArray[np.uint8]:
    """A tensor as the file keeps it, in bytes. ModelFileError where a number is too large for fp16."""
    tensor = entry.planned.tensor(weights)
    rounded = tensor.to(entry.dtype)
    if not bool(torch.isfinite(rounded).all()):
        raise ModelFileError(
            f"{weights.folder}: {entry.planned.source} holds {float(tensor.abs().max()):.0f}, more than fp16 "
            "can hold; export it as bf16 or fp32"
        )
    found: npt.NDArray[np.uint8] = rounded.contiguous().view(torch.uint8).numpy()
    return found
