"""The weights of a transformers folder, one tensor at a time, in one file or in parts.

In: a folder. Out: names, shapes and tensors, or a ModelFileError: safetensors only, no part missing or
cut short, only floating-point numbers, none of them NaN. It holds no more than one tensor in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open

from bench.errors import ModelFileError
from bench.hf_folder.files import AGAIN, weight_files

_FLOATS = {"F32": 4, "F16": 2, "BF16": 2}


class _Place(NamedTuple):
    file: Any
    path: Path
    shape: tuple[int, ...]


class Weights:
    """The tensors of a folder; usable inside `open_weights`."""

    def __init__(self, folder: Path, places: dict[str, _Place]) -> None:
        self.folder = folder
        self._places = places

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each tensor, by its name in the folder."""
        return {name: place.shape for name, place in self._places.items()}

    def read(self, name: str) -> torch.Tensor:
        """One tensor as it is stored; ModelFileError where numbers in it are not numbers."""
        place = self._places[name]
        try:
            tensor: torch.Tensor = place.file.get_tensor(name)
        except SafetensorError as error:
            raise ModelFileError(f"{place.path}: {name} cannot be read; {AGAIN}") from error
        if not bool(torch.isfinite(tensor).all()):
            raise ModelFileError(
                f"{place.path}: {name} holds NaN or infinity; the model is broken, train or copy it again"
            )
        return tensor


@contextmanager
def open_weights(folder: Path) -> Iterator[Weights]:
    """The folder's tensors. ModelFileError where a part is missing, damaged or no safetensors."""
    with ExitStack() as stack:
        places: dict[str, _Place] = {}
        for path in weight_files(folder):
            try:
                file = stack.enter_context(safe_open(str(path), framework="pt"))
                for name in file.keys():  # noqa: SIM118 - a safetensors file, no dict
                    places[name] = _place(file, path, name)
            except (SafetensorError, OSError) as error:
                raise ModelFileError(
                    f"{path}: not a whole safetensors file ({path.stat().st_size} bytes); {AGAIN}"
                ) from error
        yield Weights(folder, places)


def _place(file: Any, path: Path, name: str) -> _Place:
    part = file.get_slice(name)
    if part.get_dtype() not in _FLOATS:
        raise ModelFileError(
            f"{path}: {name} is stored as {part.get_dtype()}; export the full-precision model"
        )
    return _Place(file, path, tuple(int(n) for n in part.get_shape()))
