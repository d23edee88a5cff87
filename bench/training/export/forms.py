"""The forms a model can be exported in, by name.

In: `fp16,q4_K_M,nf4`. Out: a Form for each, or a UsageError that lists the names. Plain precisions are
transformers folders; `gguf-fp16` is the GGUF file of that precision; every other name is a quantization
that the engine knows.
"""

from __future__ import annotations

import difflib
from typing import Literal, NamedTuple

from bench.errors import MissingExtraError, UsageError

PRECISIONS = ("fp32", "fp16", "bf16")
QUANTIZED = ("nf4", "int8")
_GGUF = "gguf-"


class Form(NamedTuple):
    """One form."""

    name: str
    """As it was asked for, and the name of its folder or the end of its file's name."""
    kind: Literal["folder", "quantized", "gguf"]
    """A transformers folder in plain precision, one quantized by bitsandbytes, or a GGUF file."""
    quant: str
    """The quant of an arm that runs it."""


def parse(text: str) -> tuple[Form, ...]:
    """The forms of a comma-separated list, each once. UsageError for a name that is none."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise UsageError(f"--to names no form; there are {_known()}")
    return tuple(dict.fromkeys(form(name) for name in names))


def form(name: str) -> Form:
    """One form by its name."""
    lowered = name.lower()
    if lowered in PRECISIONS:
        return Form(lowered, "folder", lowered)
    if lowered in QUANTIZED:
        return Form(lowered, "quantized", lowered)
    if lowered.startswith(_GGUF) and lowered.removeprefix(_GGUF) in PRECISIONS:
        return gguf(lowered.removeprefix(_GGUF))
    quants = _engine_quants()
    quant = {known.lower(): known for known in quants}.get(lowered)
    if quant is None:
        raise UsageError(f"--to {name!a}: no such form{_near(name)}; there are {_known()}")
    return gguf(quant)


def gguf(quant: str) -> Form:
    """The GGUF file of a quant; a precision alone is the name of the transformers folder."""
    return Form(_GGUF + quant if quant in PRECISIONS else quant, "gguf", quant)


def _near(name: str) -> str:
    names = {known.lower(): known for known in _names()}
    close = difflib.get_close_matches(name.lower(), names, 1)
    return f" (did you mean {names[close[0]]}?)" if close else ""


def _names() -> tuple[str, ...]:
    whole = (*PRECISIONS, *QUANTIZED, *(_GGUF + precision for precision in PRECISIONS))
    return (*whole, *_engine_quants())


def _engine_quants() -> tuple[str, ...]:
    """What the engine can write; MissingExtraError where there is none."""
    try:
        from bench.training.file_types import FILE_TYPES
    except ImportError as error:
        raise MissingExtraError(
            'a GGUF needs gguf and llama-cpp-python; run: pip install "bench[train]" "bench[llama]"'
        ) from error
    return tuple(quant for quant in FILE_TYPES if quant not in PRECISIONS)


def _known() -> str:
    return ", ".join(_names())
