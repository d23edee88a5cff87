"""The quantizations that this engine can write, by this project's names.

In: a name in any case. Out: the engine's number for it, and how many weights of a row share a block,
read off the engine's and the format's own lists, so that a newer engine brings its own.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

import gguf
import llama_cpp

from bench.errors import UsageError

_PREFIX = re.compile(r"LLAMA_FTYPE_(?:ALL|MOSTLY)_(.+)")
_NAMES = {"F32": "fp32", "F16": "fp16", "BF16": "bf16", "MXFP4_MOE": "mxfp4"}
_MAIN_TYPES = {
    "IQ2_S": "IQ2_XS", "IQ2_M": "IQ2_S", "IQ3_XS": "IQ3_S", "IQ3_M": "IQ3_S", "MXFP4_MOE": "MXFP4",
}  # fmt: skip
"""Mixtures that are called otherwise than the tensor type most of them is."""


def _spelling(engine_name: str) -> str:
    """`Q4_K_M` as `q4_K_M`, `IQ4_XS` as `iq4_xs`."""
    named = _NAMES.get(engine_name)
    return named or ("q" + engine_name[1:] if engine_name[0] == "Q" else engine_name.lower())


def _main_type(engine_name: str) -> gguf.GGMLQuantizationType | None:
    """The tensor type that most of a file is; None where the `gguf` package cannot read it yet."""
    name = _MAIN_TYPES.get(engine_name, engine_name)
    kinds = {kind.name: kind for kind in gguf.GGMLQuantizationType}
    return kinds.get(name) or kinds.get(re.sub(r"_[SML]$", "", name))


class _FileType(NamedTuple):
    number: int
    main: gguf.GGMLQuantizationType


def _listed() -> dict[str, _FileType]:
    """By our name, in the order of the engine's numbers: what it writes and can be looked at afterwards."""
    found = {}
    for constant in dir(llama_cpp):
        match = _PREFIX.fullmatch(constant)
        main = _main_type(match[1]) if match else None
        if match and main is not None:
            found[_spelling(match[1])] = _FileType(int(getattr(llama_cpp, constant)), main)
    return dict(sorted(found.items(), key=lambda pair: pair[1].number))


_LISTED = _listed()
FILE_TYPES: dict[str, int] = {name: found.number for name, found in _LISTED.items()}
"""The engine's number (`llama_ftype`) of each quantization."""


def spelled(name: str) -> str | None:
    """The name in this project's spelling (`q4_k_m` is `q4_K_M`, `f16` is `fp16`); None where unknown."""
    lowered = {"f32": "fp32", "f16": "fp16"}.get(name.lower(), name.lower())
    return _by_lowered().get(lowered)


def checked(name: str) -> str:
    """The same; UsageError with the names there are."""
    found = spelled(name)
    if found is None:
        raise UsageError(f"{name!a}: the engine has no such quantization; it has {', '.join(FILE_TYPES)}")
    return found


@cache
def _by_lowered() -> dict[str, str]:
    return {name.lower(): name for name in FILE_TYPES}


def main_type(quant: str) -> gguf.GGMLQuantizationType:
    """The tensor type that a quantization is named for."""
    return _LISTED[quant].main


def block_elements(quant: str) -> int:
    """Weights of a row that are quantized together; a row that is no multiple gets another type."""
    return int(gguf.GGML_QUANT_SIZES[main_type(quant)][0])
