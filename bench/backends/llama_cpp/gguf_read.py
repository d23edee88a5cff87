"""Reads header, metadata and tensor table of a GGUF file, and believes none of it.

In: a path, as a script's argument. Out: one JSON object on stdout: what the file says it is, or
`{"error": ...}`. It runs as a child process (see `gguf_check`) with the standard library only, gives
itself a memory and a processor limit before the first byte is read, and reads no weights.

    python gguf_read.py model.gguf

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (versions 2 and 3).
"""

from __future__ import annotations

import json
import mmap
import struct
import sys
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

MAX_HEADER_BYTES = 256 * 2**20  # the largest vocabularies need about 15 MiB
MAX_STRING_BYTES = 16 * 2**20
MAX_KEPT_BYTES = 2**20  # of a text that is reported, such as a chat template
MAX_COUNT = 1_000_000  # metadata keys, tensors
MAX_NAME_BYTES = 63  # the engine's own limit for tensor names
MAX_DIMS = 4
MEMORY_BYTES = 2**30
CPU_S = 20

# block size in elements, block size in bytes; from ggml's type traits
TENSOR_TYPES: dict[int, tuple[str, int, int]] = {
    0: ("F32", 1, 4),
    1: ("F16", 1, 2),
    2: ("Q4_0", 32, 18),
    3: ("Q4_1", 32, 20),
    6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24),
    8: ("Q8_0", 32, 34),
    9: ("Q8_1", 32, 36),
    10: ("Q2_K", 256, 84),
    11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144),
    13: ("Q5_K", 256, 176),
    14: ("Q6_K", 256, 210),
    15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74),
    18: ("IQ3_XXS", 256, 98),
    19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18),
    21: ("IQ3_S", 256, 110),
    22: ("IQ2_S", 256, 82),
    23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1),
    25: ("I16", 1, 2),
    26: ("I32", 1, 4),
    27: ("I64", 1, 8),
    28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56),
    30: ("BF16", 1, 2),
    34: ("TQ1_0", 256, 54),
    35: ("TQ2_0", 256, 66),
    39: ("MXFP4", 32, 17),
    40: ("NVFP4", 64, 36),
    41: ("Q1_0", 128, 18),
}

STRING, ARRAY = 8, 9
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}


class BadFileError(Exception):
    """The file is not what it says; the message is one line."""


class Tensor(NamedTuple):
    """One row of the tensor table."""

    name: str
    type: str
    n_dims: int
    n_elements: int
    offset: int
    """From the start of the data section."""
    n_bytes: int


class Cursor:
    """A place in the file's first bytes; every step is checked against what is there."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data = data
        self.place = 0

    def skip(self, n_bytes: int, what: str) -> int:
        """Go `n_bytes` on and return where they began."""
        began = self.place
        if n_bytes > len(self.data) - began:
            raise BadFileError(f"the file ends inside {what} (at byte {len(self.data)}); it is cut off")
        self.place = began + n_bytes
        return began

    def number(self, code: str, what: str) -> Any:
        """One little-endian number."""
        began = self.skip(struct.calcsize("<" + code), what)
        return struct.unpack_from("<" + code, self.data, began)[0]

    def count(self, what: str, item_bytes: int, limit: int = MAX_COUNT) -> int:
        """How many items follow, refused when they cannot all be in the file."""
        n: int = self.number("Q", what)
        if n > limit or n * item_bytes > len(self.data) - self.place:
            raise BadFileError(
                f"{what}: the file claims {n}, more than it can hold; it is damaged or cut off"
            )
        return n

    def text(self, what: str) -> bytes:
        """One string, as its bytes."""
        length = self.count(f"the length of {what}", 1, MAX_STRING_BYTES)
        began = self.skip(length, what)
        return self.data[began : began + length]


def read(path: Path) -> dict[str, Any]:
    """What the file says it is. BadFileError with one line where it cannot be that."""
    file_bytes = path.stat().st_size
    if file_bytes == 0:
        raise BadFileError("the file is empty (0 bytes)")
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), min(file_bytes, MAX_HEADER_BYTES), access=mmap.ACCESS_READ) as data,
    ):
        cursor = Cursor(data)
        version = _version(cursor)
        n_tensors = cursor.count("the number of tensors", 24)
        n_keys = cursor.count("the number of metadata keys", 13)
        metadata, lengths = _metadata(cursor, n_keys)
        tensors = [_tensor(cursor) for _ in range(n_tensors)]
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or alignment <= 0 or alignment & (alignment - 1) or alignment > 2**20:
        raise BadFileError(f"general.alignment is {alignment!r}, not a power of two")
    data_start = -(-cursor.place // alignment) * alignment
    _check_layout(tensors, data_start, file_bytes, alignment)
    return _summary(version, metadata, lengths, tensors, file_bytes)


def _version(cursor: Cursor) -> int:
    magic = cursor.data[:4]
    if magic in (b"ggml", b"tjgg", b"lmgg", b"fmgg"):
        raise BadFileError("an old GGML file from before GGUF; convert the model anew")
    if magic != b"GGUF":
        raise BadFileError(f"not a GGUF file: it begins with {magic!r}, not b'GGUF'")
    cursor.skip(4, "the magic number")
    version: int = cursor.number("I", "the version")
    if version & 0xFFFF == 0 and version:
        raise BadFileError("a big-endian GGUF file; this machine needs a little-endian one")
    if version not in (2, 3):
        raise BadFileError(f"GGUF version {version}; versions 2 and 3 are read")
    return version


def _metadata(cursor: Cursor, n_keys: int) -> tuple[dict[str, Any], dict[str, int]]:
    """Scalars and texts by key, and the lengths of arrays by key."""
    values: dict[str, Any] = {}
    lengths: dict[str, int] = {}
    for _ in range(n_keys):
        key = cursor.text("a metadata key").decode("utf-8", "replace")
        if key in values or key in lengths:
            raise BadFileError(f"metadata key {key[:80]!r} is there twice")
        kind = cursor.number("I", f"the type of {key[:80]!r}")
        if kind == ARRAY:
            lengths[key] = _skip_array(cursor, key[:80])
        elif kind == STRING:
            values[key] = cursor.text(repr(key[:80]))[:MAX_KEPT_BYTES].decode("utf-8", "replace")
        elif kind in SCALARS:
            values[key] = cursor.number(SCALARS[kind], repr(key[:80]))
        else:
            raise BadFileError(f"metadata key {key[:80]!r} has the unknown type {kind}")
    return values, lengths


def _skip_array(cursor: Cursor, key: str) -> int:
    kind = cursor.number("I", f"the type of {key!r}")
    if kind in SCALARS:
        item_bytes = struct.calcsize("<" + SCALARS[kind])
        n = cursor.count(f"the length of {key!r}", item_bytes, MAX_HEADER_BYTES)
        cursor.skip(n * item_bytes, repr(key))
        return n
    if kind != STRING:
        raise BadFileError(f"metadata key {key!r} is an array of the unknown type {kind}")
    n = cursor.count(f"the length of {key!r}", 8, MAX_HEADER_BYTES)
    for _ in range(n):
        cursor.skip(cursor.count(f"a text of {key!r}", 1, MAX_STRING_BYTES), repr(key))
    return n


def _tensor(cursor: Cursor) -> Tensor:
    raw_name = cursor.text("a tensor's name")
    name = raw_name.decode("utf-8", "replace")
    if len(raw_name) > MAX_NAME_BYTES:
        raise BadFileError(f"the tensor name {name[:40]!r}... has {len(raw_name)} bytes; it is damaged")
    n_dims = cursor.number("I", f"tensor {name!r}")
    if not 1 <= n_dims <= MAX_DIMS:
        raise BadFileError(f"tensor {name!r} has {n_dims} dimensions; 1 to {MAX_DIMS} are possible")
    dims = [cursor.number("Q", f"tensor {name!r}") for _ in range(n_dims)]
    kind = cursor.number("I", f"tensor {name!r}")
    offset = cursor.number("Q", f"tensor {name!r}")
    if kind not in TENSOR_TYPES:
        raise BadFileError(f"tensor {name!r} has the unknown type {kind}")
    type_name, block_elements, block_bytes = TENSOR_TYPES[kind]
    n_elements = 1
    for dim in dims:
        n_elements *= dim
    if not 0 < n_elements < 2**62:
        raise BadFileError(f"tensor {name!r} has the impossible shape {dims}")
    if dims[0] % block_elements:
        raise BadFileError(
            f"tensor {name!r}: rows of {dims[0]} cannot be {type_name} ({block_elements} a block)"
        )
    return Tensor(name, type_name, n_dims, n_elements, offset, n_elements // block_elements * block_bytes)


def _check_layout(tensors: list[Tensor], data_start: int, file_bytes: int, alignment: int) -> None:
    """Every tensor aligned, inside the file, and apart from every other."""
    if not tensors:
        raise BadFileError("the file holds no tensors (a vocabulary without a model?)")
    twice = [name for name, n in Counter(tensor.name for tensor in tensors).items() if n > 1]
    if twice:
        raise BadFileError(f"tensor {twice[0]!r} is there twice")
    end, before = 0, ""
    for tensor in sorted(tensors, key=lambda tensor: tensor.offset):
        if tensor.offset % alignment:
            raise BadFileError(
                f"tensor {tensor.name!r} begins at {tensor.offset}, not at a multiple of {alignment}"
            )
        if tensor.offset < end:
            raise BadFileError(f"tensors {before!r} and {tensor.name!r} overlap")
        end, before = tensor.offset + tensor.n_bytes, tensor.name
        if data_start + end > file_bytes:
            raise BadFileError(
                f"tensor {tensor.name!r} ends at byte {data_start + end}, but the file has {file_bytes}; "
                "it is cut off"
            )


def _summary(
    version: int,
    metadata: dict[str, Any],
    lengths: dict[str, int],
    tensors: list[Tensor],
    file_bytes: int,
) -> dict[str, Any]:
    architecture = metadata.get("general.architecture")
    if metadata.get("general.type") == "imatrix":
        architecture = "imatrix"  # no model, and of no architecture
    if not isinstance(architecture, str) or not architecture:
        raise BadFileError("the metadata names no general.architecture")
    n_parts = metadata.get("split.count", 0)
    if n_parts > 1:
        raise BadFileError(
            f"one of {n_parts} parts of a split model; join them with `llama-gguf-split --merge`"
        )
    block_elements: Counter[str] = Counter()
    for tensor in tensors:
        # embedding and output are often kept finer than the rest, so they do not name the quantization
        if tensor.n_dims > 1 and tensor.name.startswith("blk."):
            block_elements[tensor.type] += tensor.n_elements
    return {
        "gguf_version": version,
        "architecture": architecture,
        "kind": metadata.get("general.type"),
        "name": metadata.get("general.name"),
        "file_type": metadata.get("general.file_type"),
        "importance": metadata.get("quantize.imatrix.dataset"),
        "context_tokens": metadata.get(f"{architecture}.context_length"),
        "n_layers": metadata.get(f"{architecture}.block_count"),
        "n_cache_values": _cache_values(metadata, architecture),
        "n_heads": _heads(metadata.get(f"{architecture}.attention.head_count")),
        "n_embedding": metadata.get(f"{architecture}.embedding_length"),
        "tokenizer": metadata.get("tokenizer.ggml.model"),
        "pre_tokenizer": metadata.get("tokenizer.ggml.pre"),
        "n_vocabulary": lengths.get("tokenizer.ggml.tokens"),
        "chat_template": metadata.get("tokenizer.chat_template"),
        "n_tensors": len(tensors),
        "n_parameters": sum(tensor.n_elements for tensor in tensors),
        "tensor_types": dict(sorted(Counter(tensor.type for tensor in tensors).items())),
        "block_elements": dict(sorted(block_elements.items())),
        "file_bytes": file_bytes,
    }


def _heads(value: Any) -> int | None:
    return value if isinstance(value, int) and value > 0 else None


def _cache_values(metadata: dict[str, Any], architecture: str) -> int | None:
    """Numbers the context keeps of one token; an upper bound where heads differ from layer to layer."""
    n_layers: Any
    n_embedding: Any
    n_layers, n_embedding = (
        metadata.get(f"{architecture}.{key}") for key in ("block_count", "embedding_length")
    )
    n_heads = metadata.get(f"{architecture}.attention.head_count")
    if not all(isinstance(n, int) and n > 0 for n in (n_layers, n_embedding)):
        return None
    if not isinstance(n_heads, int) or n_heads < 1:
        return int(2 * n_layers * n_embedding)
    n_kv_heads = metadata.get(f"{architecture}.attention.head_count_kv", n_heads)
    sizes = [
        metadata.get(f"{architecture}.attention.{k}_length", n_embedding // n_heads) for k in ("key", "value")
    ]
    return int(n_layers * (n_kv_heads if isinstance(n_kv_heads, int) else n_heads) * sum(sizes))


def _limit_self() -> None:
    try:
        import resource
    except ImportError:  # not on Windows; the parent's timeout still holds
        return
    for limit, value in ((resource.RLIMIT_AS, MEMORY_BYTES), (resource.RLIMIT_CPU, CPU_S)):
        resource.setrlimit(limit, (value, value))


def main() -> None:
    """Read the file named on the command line and print what it is."""
    _limit_self()
    try:
        found = read(Path(sys.argv[1]))
    except BadFileError as error:
        found = {"error": str(error)}
    except OSError as error:
        found = {"error": f"cannot be read: {error.strerror}"}
    except MemoryError:
        found = {"error": "its header needs more memory than any model's; it is damaged"}
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()
