"""Whether the engine may keep weights in a layout for this processor. It loads no engine."""

from __future__ import annotations

_HAS_AMX = b"AMX_INT8 = 1"


def repacks_weights(system_info: bytes) -> bool:
    """What `use_extra_bufts` is to be for every model that llama.cpp loads, from what it says of itself.

    Not where it was built with AMX: GCC 12 leaves out part of the tile configuration that those kernels
    load, so that every quantized model ends the process (llama.cpp issue 20824). A build without AMX, as
    `make setup` makes it, repacks for AVX instead; but an older wheel in pip's cache has it.
    """
    return _HAS_AMX not in system_info
