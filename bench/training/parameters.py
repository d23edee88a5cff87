"""Which parameters of a model are trained, and how many there are.

In: a model. Out: a table of the trained tensors, those of like places in one row, and counts. 4-bit
weights are counted as what they stand for, not as the bytes they are packed in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple


class ParameterRow(NamedTuple):
    """Trained tensors that stand at the same place of each layer."""

    name: str
    """With `*` for the layer's number."""
    shape: tuple[int, ...]
    n_tensors: int
    n_parameters: int


def parameter_table(model: Any) -> tuple[ParameterRow, ...]:
    """The trained parameters, in the model's order."""
    rows: dict[tuple[str, tuple[int, ...]], ParameterRow] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        place, shape = re.sub(r"\.\d+(?=\.|$)", ".*", name), tuple(parameter.shape)
        found = rows.get((place, shape), ParameterRow(place, shape, 0, 0))
        size = _size(parameter)
        rows[place, shape] = found._replace(
            n_tensors=found.n_tensors + 1, n_parameters=found.n_parameters + size
        )
    return tuple(rows.values())


def n_parameters(model: Any) -> int:
    """All numbers of a model, trained or not."""
    return sum(_size(parameter) for parameter in model.parameters())


def lines(table: Sequence[ParameterRow], n_all: int) -> Iterator[str]:
    """The table for a reader."""
    n = sum(row.n_parameters for row in table)
    yield f"{n:,} of {n_all:,} parameters are trained ({n / n_all:.2%})"
    for row in table:
        shape = " x ".join(map(str, row.shape))
        yield f"  {row.n_parameters:>12,}  {row.n_tensors} x ({shape})  {row.name}"


def _size(parameter: Any) -> int:
    """Numbers in a tensor; a 4-bit one holds two in each byte of its storage."""
    is_packed = type(parameter).__name__ == "Params4bit"
    return int(parameter.numel()) * (2 * parameter.element_size() if is_packed else 1)
