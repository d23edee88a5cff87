"""The names of quantizations, and which tensors a GGUF file of each one is made of.

In: a name as an arm declares it, or a file's own number and tensor type. Out: the other. A mixed
quantization (`q4_K_M`) holds several types; the one that most of the blocks' numbers have names it.
"""

from __future__ import annotations

from typing import NamedTuple


class _Quant(NamedTuple):
    name: str
    file_type: int
    """`general.file_type`, as the engine numbers them."""
    main_types: frozenset[str]
    """Tensor types that may hold most of the blocks' numbers."""


def _quant(name: str, file_type: int, *main_types: str) -> _Quant:
    return _Quant(name, file_type, frozenset(main_types))


_QUANTS = (
    _quant("fp32", 0, "F32"),
    _quant("fp16", 1, "F16"),
    _quant("bf16", 32, "BF16"),
    _quant("q8_0", 7, "Q8_0"),
    _quant("q6_K", 18, "Q6_K"),
    _quant("q5_K_M", 17, "Q5_K"),
    _quant("q5_K_S", 16, "Q5_K"),
    _quant("q5_1", 9, "Q5_1"),
    _quant("q5_0", 8, "Q5_0"),
    _quant("q4_K_M", 15, "Q4_K"),
    _quant("q4_K_S", 14, "Q4_K"),
    _quant("q4_1", 3, "Q4_1"),
    _quant("q4_0", 2, "Q4_0"),
    _quant("q3_K_L", 13, "Q3_K"),
    _quant("q3_K_M", 12, "Q3_K"),
    _quant("q3_K_S", 11, "Q3_K"),
    _quant("q2_K", 10, "Q2_K"),
    _quant("q2_K_S", 21, "Q2_K"),
    _quant("iq4_xs", 30, "IQ4_XS"),
    _quant("iq4_nl", 25, "IQ4_NL"),
    _quant("iq3_m", 27, "IQ3_S", "IQ3_XXS"),
    _quant("iq3_s", 26, "IQ3_S"),
    _quant("iq3_xs", 22, "IQ3_S", "IQ3_XXS"),
    _quant("iq3_xxs", 23, "IQ3_XXS"),
    _quant("iq2_m", 29, "IQ2_S", "IQ2_XS"),
    _quant("iq2_s", 28, "IQ2_S", "IQ2_XS"),
    _quant("iq2_xs", 20, "IQ2_XS"),
    _quant("iq2_xxs", 19, "IQ2_XXS"),
    _quant("iq1_m", 31, "IQ1_M"),
    _quant("iq1_s", 24, "IQ1_S"),
    _quant("tq1_0", 36, "TQ1_0"),
    _quant("tq2_0", 37, "TQ2_0"),
    _quant("mxfp4", 38, "MXFP4"),
)
_BY_NAME = {quant.name.lower(): quant for quant in _QUANTS}
_SPELLINGS = {"f32": "fp32", "f16": "fp16"}
_OF_OTHER_FORMATS = frozenset({"nf4", "fp4", "int8", "int4", "awq", "gptq", "fp8"})


def canonical(name: str) -> str:
    """A quant's name in this project's spelling; unknown names come back as they are."""
    lowered = name.lower()
    quant = _BY_NAME.get(_SPELLINGS.get(lowered, lowered))
    return quant.name if quant else name


def main_types(name: str) -> frozenset[str] | None:
    """The types that a file of this quant is mostly made of; None for a name nobody here knows.

    Empty for quantizations that exist in other formats only, so that no file fits them.
    """
    if name.lower() in _OF_OTHER_FORMATS:
        return frozenset()
    quant = _BY_NAME.get(canonical(name).lower())
    return quant.main_types if quant else None


def file_label(file_type: int | None, main_type: str | None) -> str | None:
    """The quant of a file with this number and this main tensor type.

    The tensors are believed before the number: a quantizer that fell back to another type leaves
    the number as it was asked for. None where the tensors fit several names and the number none.
    """
    fitting = [quant for quant in _QUANTS if main_type in quant.main_types]
    for quant in fitting:
        if quant.file_type == file_type:
            return quant.name
    return fitting[0].name if len(fitting) == 1 else None
