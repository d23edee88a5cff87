"""The engine's batch of tokens over numpy arrays: filled without a line of Python per token.

In: tokens, positions, sequences. Out: the native structure that `llama_decode` takes.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.backends.llama_cpp.native import library

Tokens = npt.NDArray[np.int32]


class TokenBatch:
    """Room for `size` tokens, each of one sequence. The arrays may be written to between decodes."""

    def __init__(self, size: int) -> None:
        self.tokens = np.zeros(size, np.int32)
        self.positions = np.zeros(size, np.int32)
        self.sequences = np.zeros(size, np.int32)
        self.wanted = np.ones(size, np.int8)
        """1 where logits are to be computed."""
        self._one_each = np.ones(size, np.int32)
        # the engine wants a pointer per token; they point into `sequences`, so that it can be written at will
        self._pointers = (self.sequences.ctypes.data + 4 * np.arange(size)).astype(np.uintp)
        native = library().llama_batch()
        native.n_tokens = size
        native.token = _pointer(self.tokens, ctypes.c_int32)
        native.pos = _pointer(self.positions, ctypes.c_int32)
        native.n_seq_id = _pointer(self._one_each, ctypes.c_int32)
        native.seq_id = _pointer(self._pointers, ctypes.POINTER(ctypes.c_int32))
        native.logits = _pointer(self.wanted, ctypes.c_int8)
        self.native = native
        """What `llama_decode` is given."""

    def fill(self, tokens: Tokens, positions: Tokens, sequences: Tokens, wanted: npt.NDArray[np.int8]) -> int:
        """Put these tokens in, at most `size`; returns of how many of them logits are wanted."""
        n = len(tokens)
        self.tokens[:n], self.positions[:n], self.sequences[:n] = tokens, positions, sequences
        self.wanted[:n] = wanted
        self.native.n_tokens = n
        return int(wanted.sum())


def _pointer(array: npt.NDArray[Any], kind: Any) -> Any:
    return array.ctypes.data_as(ctypes.POINTER(kind))
