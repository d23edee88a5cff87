"""How much each input of a matrix matters to a model: its mean square on texts, as quantizers ask for it.

In: a GGUF file at full precision and token sequences. Out: one vector for every matrix of the blocks, read
off the engine while it computes (its own callback, as `llama-imatrix` does), so that every architecture
it knows is covered; and the file form that llama.cpp's tools share. Matrices of experts are left out.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import gguf
import llama_cpp
import numpy as np
import numpy.typing as npt
from llama_cpp import _ggml

from bench.errors import ModelFileError
from bench.training.engine import decode, load_model
from bench.training.quantize import Importance

Sums = npt.NDArray[np.float64]
_F32 = 0
_N_OPS = 200
_SUMS, _COUNTS = ".in_sum2", ".counts"
_KIND = "imatrix"


class Measured(NamedTuple):
    """An importance matrix, and what it was measured on."""

    values: Importance
    """Mean square of each input, by the matrix's name."""
    n_tokens: int
    n_texts: int
    dataset: str
    """What the texts are called."""


class _Tensor(ctypes.Structure):
    """`struct ggml_tensor` of ggml.h, as far as it is read; checked against the library before it is used."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("buffer", ctypes.c_void_p),
        ("ne", ctypes.c_int64 * 4),
        ("nb", ctypes.c_size_t * 4),
        ("op", ctypes.c_int),
        ("op_params", ctypes.c_int32 * 16),
        ("flags", ctypes.c_int32),
        ("src", ctypes.c_void_p * 10),
        ("view_src", ctypes.c_void_p),
        ("view_offs", ctypes.c_size_t),
        ("data", ctypes.c_void_p),
        ("name", ctypes.c_char * 64),
    )


class _Library:
    """The few functions of ggml that reading a tensor takes."""

    def __init__(self) -> None:
        lib = _ggml.libggml
        self._name, self._get, self._n_bytes, self._op = (
            lib.ggml_get_name, lib.ggml_backend_tensor_get, lib.ggml_nbytes, lib.ggml_op_name,
        )  # fmt: skip
        self._name.restype, self._name.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
        self._n_bytes.restype, self._n_bytes.argtypes = ctypes.c_size_t, [ctypes.c_void_p]
        self._op.restype, self._op.argtypes = ctypes.c_char_p, [ctypes.c_int]
        self._get.restype = None
        self._get.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t]
        self.multiply = next(i for i in range(_N_OPS) if self._op(i) == b"MUL_MAT")

    def fits(self, address: int) -> bool:
        """Whether this library's tensors are laid out as `_Tensor` says."""
        return bool(self._name(address) == address + _Tensor.name.offset)

    def values(self, address: int) -> npt.NDArray[np.float32]:
        """A tensor of float32 as (..., rows, row)."""
        tensor = _Tensor.from_address(address)
        n_bytes = self._n_bytes(address)
        copied = np.empty(n_bytes, np.uint8)
        self._get(address, copied.ctypes.data, 0, n_bytes)
        return np.ndarray(tuple(tensor.ne)[::-1], np.float32, copied, 0, tuple(tensor.nb)[::-1])


class _Collector:
    """Called by the engine before and after every operation."""

    def __init__(self, wanted: frozenset[str]) -> None:
        self._library = _Library()
        self._wanted = wanted
        self.sums: dict[str, Sums] = {}
        self.counts: dict[str, int] = {}
        self.fault: str | None = None
        """Why nothing can be read; the engine's callback must not raise."""

    def __call__(self, address: int, asks: bool, _data: Any) -> bool:
        if self.fault is not None:
            return not asks
        if not self._library.fits(address):
            self.fault = "this engine lays its tensors out otherwise"
            return not asks
        tensor = _Tensor.from_address(address)
        if tensor.op != self._library.multiply:
            return not asks
        name = _Tensor.from_address(tensor.src[0]).name.decode("utf-8", "replace")
        if name not in self._wanted or _Tensor.from_address(tensor.src[1]).type != _F32:
            return not asks
        if not asks:
            self._take(name, self._library.values(tensor.src[1]))
        return True

    def _take(self, name: str, inputs: npt.NDArray[np.float32]) -> None:
        rows = inputs.reshape(-1, inputs.shape[-1]).astype(np.float64)
        self.sums[name] = self.sums.get(name, 0.0) + np.einsum("ij,ij->j", rows, rows)
        self.counts[name] = self.counts.get(name, 0) + len(rows)


def measure(
    path: Path,
    texts: Sequence[Sequence[int]],
    dataset: str,
    n_threads: int,
    told: Callable[[int], None] = lambda n: None,
) -> Measured:
    """The importance of every input on texts (token ids); `told` hears how many texts are done.

    ModelFileError where the engine cannot run the file, or computes something that is no number.
    """
    wanted = frozenset(t.name for t in gguf.GGUFReader(path).tensors if t.name.startswith("blk."))
    collector = _Collector(wanted)
    with _context(path, max(map(len, texts)), n_threads, collector) as context:
        for done, ids in enumerate(texts):
            decode(context, ids, path)
            told(done + 1)
    if collector.fault or not collector.sums:
        raise ModelFileError(
            f"{path}: no importance was measured: {collector.fault or 'nothing was multiplied'}"
        )
    values = {
        name: (collector.sums[name] / collector.counts[name]).astype(np.float32)
        for name in sorted(collector.sums)
    }
    if not all(np.isfinite(numbers).all() for numbers in values.values()):
        raise ModelFileError(
            f"{path}: its activations overflow, so it has no importance matrix; check the file"
        )
    return Measured(values, sum(map(len, texts)), len(texts), dataset)


@contextmanager
def _context(path: Path, n_tokens: int, n_threads: int, collector: _Collector) -> Iterator[Any]:
    model = load_model(path)
    callback = llama_cpp.ggml_backend_sched_eval_callback(collector)
    parameters = llama_cpp.llama_context_default_params()
    parameters.n_ctx = parameters.n_batch = parameters.n_ubatch = n_tokens
    parameters.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
    parameters.n_threads = parameters.n_threads_batch = n_threads
    parameters.cb_eval = callback
    context = llama_cpp.llama_init_from_model(model, parameters)
    if not context:
        llama_cpp.llama_model_free(model)
        raise ModelFileError(f"{path}: llama.cpp cannot make a context of {n_tokens} tokens")
    try:
        yield context
    finally:
        llama_cpp.llama_free(context)
        llama_cpp.llama_model_free(model)
        del callback  # kept until here: the engine has only its address


# ---------------------------------------------------------------- as a file


def save(measured: Measured, target: Path) -> None:
    """Write it as llama.cpp's own GGUF of importance matrices, whole or not at all."""
    partial = target.with_name(target.name + ".partial")
    writer = gguf.GGUFWriter(partial, "")
    writer.kv_data[0].pop("general.architecture", None)
    writer.add_type(_KIND)
    writer.add_array("imatrix.datasets", [measured.dataset])
    writer.add_uint32("imatrix.chunk_count", measured.n_texts)
    writer.add_uint32("imatrix.chunk_size", max(1, round(measured.n_tokens / measured.n_texts)))
    counts = np.array([[measured.n_tokens]], np.float32)
    for name, values in measured.values.items():
        writer.add_tensor(name + _SUMS, (values * measured.n_tokens).astype(np.float32)[None])
        writer.add_tensor(name + _COUNTS, counts)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    partial.replace(target)


def load(path: Path) -> Measured:
    """Read such a file, ours or `llama-imatrix`'s, whose layout was checked before; else ModelFileError."""
    try:
        reader = gguf.GGUFReader(path)
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ModelFileError(
            f"{path}: not an importance matrix: {' '.join(str(error).split())[:100]}"
        ) from error
    tensors = {tensor.name: np.asarray(tensor.data, np.float32) for tensor in reader.tensors}
    values = {}
    n_tokens = 0
    for name, sums in tensors.items():
        if not name.endswith(_SUMS):
            continue
        counts = tensors.get(name.removesuffix(_SUMS) + _COUNTS)
        if counts is None or not counts.size or sums.size % counts.size or not (counts > 0).all():
            raise ModelFileError(f"{path}: no counts for {name}; make the importance matrix again")
        rows = sums.reshape(counts.size, -1)
        values[name.removesuffix(_SUMS)] = (rows / counts.reshape(-1, 1)).ravel()
        n_tokens = max(n_tokens, int(counts.max()))
    if not values or not all(np.isfinite(numbers).all() for numbers in values.values()):
        raise ModelFileError(f"{path}: holds no importance matrix; make one with --imatrix RUN or ARTICLES")
    return Measured(values, n_tokens, _number(reader, "imatrix.chunk_count"), path.name)


def _number(reader: gguf.GGUFReader, key: str) -> int:
    field = reader.get_field(key)
    return 0 if field is None else int(field.contents())
