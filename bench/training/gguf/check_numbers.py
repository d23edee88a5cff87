"""Whether a GGUF file holds its folder's numbers: logits against transformers, and the tensors' types.

In: a folder, its file and the quantization it should be at. Out: one Finding for each. The reference
computes in float32 from the folder's weights, rounded as the file keeps them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import gguf
import numpy as np
import numpy.typing as npt
import torch

from bench.errors import ModelFileError
from bench.hf_folder.loading import quiet
from bench.training.engine import Engine
from bench.training.gguf.architectures import export_of
from bench.training.gguf.finding import Finding
from bench.training.gguf.source import Source
from bench.training.gguf.weights import Weights, open_weights
from bench.training.gguf.write import FP_QUANTS, Stored, stored_bytes, stored_tensors
from bench.training.parity import LogitGap, logit_gap, reference_model
from bench.training.quantize import checked_types, tensor_types


class _Allowed(NamedTuple):
    """What rounding makes, as shares of the logits' standard deviation."""

    largest: float
    root_mean_square: float


_ALLOWED = {
    "fp32": _Allowed(0.005, 0.001),
    "fp16": _Allowed(0.05, 0.01),
    "bf16": _Allowed(0.4, 0.08),
}
"""Weights are rounded in the reference too; what is left is the activations, which llama.cpp rounds as well.

Seen at 24 layers: fp32 0.002 and 0.0004, fp16 0.014 and 0.003, bf16 0.16 and 0.02.
"""
_FLOOR = 1e-4
"""What is rounding whatever the logits' size."""
Bytes = npt.NDArray[np.uint8]


def check_logits(
    source: Source, file: Path, quant: str, engine: Engine, ids: list[list[int]]
) -> tuple[Finding, LogitGap]:
    """Every logit of these texts (token ids); at a quantization below 16 bits it is told, not judged."""
    is_fp = quant in FP_QUANTS
    with quiet(), open_weights(source.folder) as weights:
        export = export_of(source)
        stored = stored_tensors(export, weights, quant if is_fp else "fp32")
        reference = reference_model(source.folder)
        _round(reference, stored)
        gap = logit_gap(reference, engine, ids, tie=_FLOOR)
        if not is_fp:
            apart = f"{gap.worst:.2g} at {gap.n_positions} places, first choice equal at {gap.n_top1_equal}"
            return Finding("logits", None, f"rounded by {quant}, so not judged: apart by up to {apart}"), gap
        tensors = _differing_tensors(stored, weights, export.extra, file)
    return _judged(gap, quant, tensors), gap


def _judged(gap: LogitGap, quant: str, tensors: list[str]) -> Finding:
    share = _ALLOWED[quant]
    largest = max(_FLOOR, share.largest * gap.spread)
    mean = max(_FLOOR, share.root_mean_square * gap.spread)
    detail = (
        f"differ by up to {gap.worst:.2g} (allowed {largest:.2g}), in the root mean square by "
        f"{gap.root_mean_square:.2g} (allowed {mean:.2g}), at {gap.n_positions} places"
    )
    if gap.worst <= largest and gap.root_mean_square <= mean and not tensors:
        return Finding("logits", True, detail)
    text, place, token = gap.where
    named = f"; of other content: {', '.join(tensors[:4])} ({len(tensors)} in all)" if tensors else ""
    return Finding("logits", False, f"{detail}, most at text {text}, place {place}, token {token}{named}")


def _round(reference: Any, stored: list[Stored]) -> None:
    """The reference's weights as the file keeps them, so that only computing differs."""
    types = {entry.planned.source: entry.dtype for entry in stored}
    with torch.no_grad():
        for name, parameter in reference.named_parameters():
            dtype = types.get(name) or types.get(name.removeprefix("transformer."))
            if dtype is not None and dtype != torch.float32:
                parameter.copy_(parameter.to(dtype).to(torch.float32))


def _differing_tensors(
    stored: list[Stored], weights: Weights, extra: dict[str, torch.Tensor], file: Path
) -> list[str]:
    """Names of the file's tensors whose numbers are not those of the folder."""
    found = {tensor.name: tensor for tensor in gguf.GGUFReader(file).tensors}
    wanted = [(e.planned.target, e.type, partial(stored_bytes, e, weights)) for e in stored]
    for name, tensor in extra.items():
        wanted.append((name, gguf.GGMLQuantizationType.F32, tensor.contiguous().view(torch.uint8).numpy))
    return sorted(name for name, kind, content in wanted if not _same(found.get(name), kind, content))


def _same(found: Any, kind: gguf.GGMLQuantizationType, content: Callable[[], Bytes]) -> bool:
    """Whether a tensor has these bytes; one of another type is told by its type."""
    if found is None:
        return False
    if found.tensor_type != kind:
        return True
    return np.array_equal(found.data.reshape(-1).view(np.uint8), content().reshape(-1))


def check_types(source: Source, file: Path, quant: str) -> Finding:
    """The tensors' types against what the quantization means."""
    if quant not in FP_QUANTS:
        try:
            counts = checked_types(file, quant)
        except ModelFileError as error:
            return Finding("types", False, str(error).removeprefix(f"{file}: "))
        return Finding("types", True, _counted(counts))
    found = {tensor.name: tensor.tensor_type for tensor in gguf.GGUFReader(file).tensors}
    export = export_of(source)
    with open_weights(source.folder) as weights:
        wanted = {entry.planned.target: entry.type for entry in stored_tensors(export, weights, quant)}
    wanted |= dict.fromkeys(export.extra, gguf.GGMLQuantizationType.F32)
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            is_, was = (kinds[name].name if name in kinds else "missing" for kinds in (found, wanted))
            n = sum(wanted.get(other) != found.get(other) for other in wanted.keys() | found.keys())
            return Finding("types", False, f"{name} is {is_}, {quant} asks for {was} ({n} tensors in all)")
    return Finding("types", True, _counted(tensor_types(file)))


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{n} {kind}" for kind, n in counts.items())
