"""The engine's C library: imported once, its log kept to ourselves, models loaded and refused.

In: a path and load options. Out: a native model pointer, or a ModelFileError with the engine's own
reason. The library writes nothing to stdout or stderr; its warnings and errors are kept for messages.
"""

from __future__ import annotations

import ctypes
from collections import deque
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from bench import amx
from bench.errors import MissingExtraError, ModelFileError
from bench.openmp import spin_briefly

REMEDY = 'pip install "bench[llama]"'
_WARN, _ERROR = 3, 4  # as ggml.h numbers them
_REASON = "error loading model: "

_log: deque[str] = deque(maxlen=50)
_LONGEST_VALUE = 256
_keep_alive: list[Any] = []  # a callback that python frees is a crash at the next log line


@cache
def library() -> Any:
    """The `llama_cpp` module, silenced and initialised. MissingExtraError where it is absent."""
    spin_briefly()
    try:
        import llama_cpp
    except ImportError as error:
        raise MissingExtraError(f"llama-cpp-python is not installed; run: {REMEDY}") from error
    except (OSError, RuntimeError) as error:  # what a library built for another machine raises
        raise MissingExtraError(
            f"llama-cpp-python cannot be loaded ({' '.join(str(error).split())}); run: "
            f"{REMEDY} --force-reinstall --no-cache-dir"
        ) from error
    callback = llama_cpp.llama_log_callback(_keep_line)
    _keep_alive.append(callback)
    llama_cpp.llama_log_set(callback, ctypes.c_void_p(0))
    llama_cpp.llama_backend_init()
    return llama_cpp


def _keep_line(level: int, text: bytes, _user_data: object) -> None:
    if level in (_WARN, _ERROR):
        line = text.decode("utf-8", "replace").strip(" .\n")
        if line:
            _log.append(line)


def forget_log() -> None:
    """Begin a new piece of work: earlier lines explain nothing about it."""
    _log.clear()


def last_reason(otherwise: str) -> str:
    """The engine's own words on its last failure, in one line."""
    for line in _log:
        if _REASON in line:
            return line.partition(_REASON)[2]
    return _log[-1].partition(": ")[2] or _log[-1] if _log else otherwise


def repacks_weights() -> bool:
    """Whether quantized weights may be kept in a layout for this processor's own instructions."""
    return amx.repacks_weights(library().llama_print_system_info())


def metadata(model: Any, key: str) -> str:
    """What a loaded file states under a key, numbers as text; "" where it states nothing."""
    buffer = ctypes.create_string_buffer(_LONGEST_VALUE)
    n = library().llama_model_meta_val_str(model, key.encode(), buffer, _LONGEST_VALUE)
    return buffer.value.decode("utf-8", "replace") if n >= 0 else ""


def _kv_overrides(overrides: Mapping[str, int]) -> Any:
    """The engine's array, ended by a row without a key."""
    rows = (library().llama_model_kv_override * (len(overrides) + 1))()
    for row, (key, value) in zip(rows, overrides.items(), strict=False):
        row.key, row.tag, row.value.val_i64 = key.encode(), library().LLAMA_KV_OVERRIDE_TYPE_INT, value
    return rows


def load_model(
    path: Path,
    shown: str,
    *,
    vocabulary_only: bool = False,
    n_gpu_layers: int = 0,
    tensor_split: Sequence[float] = (),
    overrides: Mapping[str, int] | None = None,
) -> Any:
    """A native model, to be freed by `llama_model_free`. ModelFileError says why there is none.

    `overrides` are numbers of the file's metadata that are read as others.
    """
    lib = library()
    params = lib.llama_model_default_params()
    params.vocab_only = vocabulary_only
    params.n_gpu_layers = n_gpu_layers
    params.use_extra_bufts = repacks_weights()
    if tensor_split:
        # the engine reads as many numbers as it knows devices
        shares = (ctypes.c_float * lib.llama_max_devices())(*tensor_split)
        params.tensor_split = shares
    if overrides:
        params.kv_overrides = _kv_overrides(overrides)
    forget_log()
    model = lib.llama_model_load_from_file(str(path).encode("utf-8", "surrogateescape"), params)
    if not model:
        raise ModelFileError(f"{shown}: llama.cpp refuses it: {last_reason('it does not say why')}")
    if lib.llama_model_has_encoder(model) or not lib.llama_model_has_decoder(model):
        lib.llama_model_free(model)
        raise ModelFileError(f"{shown}: not a decoder-only text model, so it cannot answer a conversation")
    return model
