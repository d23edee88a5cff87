"""The machine that a training runs on: its GPU, its processes, its memory, what it repeats exactly.

In: nothing. Out: whether there is a GPU, an order among processes that train together, the most memory
that was taken, and settings of torch and transformers for the time of a training. It trains nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from bench.memory import PeakMemory


def has_gpu() -> bool:
    """Whether torch finds one."""
    return bool(torch.cuda.is_available())


def wait_for_everyone() -> None:
    """Of several processes, go on when all have come here."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()


@contextmanager
def main_process_first() -> Iterator[None]:
    """Of several processes (`accelerate launch`), let the first do the block before the others do."""
    from accelerate import PartialState

    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        yield
        return
    with PartialState(cpu=not has_gpu()).main_process_first():
        yield


class PeakOfTraining:
    """The most memory from here on: the GPU's where there is one."""

    def __init__(self) -> None:
        self._process = PeakMemory()
        if has_gpu():
            torch.cuda.reset_peak_memory_stats()

    def read_bytes(self) -> int | None:
        """The highest so far."""
        return int(torch.cuda.max_memory_allocated()) if has_gpu() else self._process.read_bytes()


@contextmanager
def deterministic() -> Iterator[None]:
    """On a processor, an error from any operation that is not repeatable; a GPU has too many of them."""
    strict = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(not has_gpu())
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(strict)
