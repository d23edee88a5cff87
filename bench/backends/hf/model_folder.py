"""What a transformers folder holds, found out without loading or running any of it.

In: a folder with a model or an adapter. Out: the files that will be loaded, their digest, or a
ModelFileError with one line. Weights are safetensors; pickles and code of the model's own are refused.
A file's header is held against its size, so that a download that broke off is noticed here.
"""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any, NamedTuple

from bench.backends.llama_cpp.gguf_check import file_digest
from bench.errors import ModelFileError
from bench.hf_folder.files import (
    AGAIN,
    GENERATION,
    INDEX,
    generation_ends,
    no_safetensors,
    read_json,
    weight_files,
)
from bench.identity import canonical_json

ANY_QUANT = "any"
CONFIG = "config.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
ADAPTER_CONFIG = "adapter_config.json"
_ADAPTER_WEIGHTS = "adapter_model.safetensors"
PLAIN_TEMPLATE = "{% for message in messages %}{{ message['content'] + '\\n\\n' }}{% endfor %}"
"""For models that were never shown turns: what is said, one after the other."""
_TEMPLATES = ("chat_template.jinja", "chat_template.json")
_TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model")
TEXT_FILES = (
    CONFIG, GENERATION, TOKENIZER_CONFIG, *_TOKENIZERS, "merges.txt", "added_tokens.json",
    "special_tokens_map.json", *_TEMPLATES, INDEX,
)  # fmt: skip
"""Everything beside the weights that decides what is loaded."""
_MAX_HEADER_BYTES = 100 * 2**20  # the format's own limit
_DTYPE_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "I16": 16, "U16": 16, "F16": 16,
    "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "F64": 64, "I64": 64, "U64": 64, "C64": 64, "F4": 4,
    "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip
_QUANTIZED: dict[str, dict[str, Any]] = {
    "nf4": {
        "quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4",
        "bnb_4bit_use_double_quant": True, "bnb_4bit_compute_dtype": "bfloat16",
    },
    "int8": {"quant_method": "bitsandbytes", "load_in_8bit": True},
}  # fmt: skip
"""What the config of a folder says that bitsandbytes quantized as `loading` does."""


class ModelFiles(NamedTuple):
    """What a folder holds."""

    folder: Path
    config: dict[str, Any]
    tokenizer_config: dict[str, Any]
    weights: tuple[Path, ...]
    tensors: dict[str, tuple[int, ...]]
    """Shape of each tensor, by name."""
    texts: tuple[Path, ...]
    """The files of `TEXT_FILES` that are there."""
    template: str | None = None
    """A chat template that takes the place of the tokenizer's own."""

    @property
    def n_bytes(self) -> int:
        """Size of the weights on disk."""
        return sum(path.stat().st_size for path in self.weights)

    @property
    def n_parameters(self) -> int:
        """Numbers in all tensors."""
        return sum(math.prod(shape) for shape in self.tensors.values())


class AdapterFiles(NamedTuple):
    """A PEFT adapter."""

    folder: Path
    config: dict[str, Any]
    weights: Path
    tensors: dict[str, tuple[int, ...]]

    @property
    def texts(self) -> tuple[Path, ...]:
        """What is read beside the weights."""
        return (self.folder / ADAPTER_CONFIG,)


def inspect(folder: Path, *, allow_own_code: bool = False, quant: str | None = None) -> ModelFiles:
    """The model of a folder; ModelFileError where it cannot or must not be loaded.

    Weights that are quantized already pass where they are what hf itself makes of `quant`; of ANY_QUANT
    all pass, for whoever reads no weights.
    """
    _refuse_no_folder(folder)
    config = read_json(folder / CONFIG)
    weights = weight_files(folder)
    tokenizer = folder / TOKENIZER_CONFIG
    tokenizer_config = read_json(tokenizer) if tokenizer.is_file() else {}
    if not allow_own_code:
        for name, found in ((CONFIG, config), (TOKENIZER_CONFIG, tokenizer_config)):
            _refuse_own_code(folder / name, found)
    if "quantization_config" in config:
        _refuse_other_quantization(folder, config["quantization_config"], quant)
    if not any((folder / name).is_file() for name in _TOKENIZERS):
        raise ModelFileError(f"{folder}: holds no tokenizer (tokenizer.json); save the model with its own")
    generation_ends(folder)  # refuses a damaged file
    tensors: dict[str, tuple[int, ...]] = {}
    for path in weights:
        tensors |= tensor_shapes(path)
    texts = tuple(folder / name for name in TEXT_FILES if (folder / name).is_file())
    return ModelFiles(folder, config, tokenizer_config, weights, tensors, texts)


def _refuse_other_quantization(folder: Path, found: Any, quant: str | None) -> None:
    """Refuse weights that are quantized otherwise than hf would quantize them on loading."""
    settings = found if isinstance(found, dict) else {}
    wanted = {} if quant == ANY_QUANT else _QUANTIZED.get(quant or "")
    if wanted is not None and all(settings.get(key) == value for key, value in wanted.items()):
        return
    method = str(settings.get("quant_method", "?"))[:20]
    otherwise = f" and otherwise than hf makes {quant} of it" if wanted else ""
    raise ModelFileError(
        f"{folder}: its weights are quantized already ({method}){otherwise}; hf quantizes on loading, so "
        "name the folder of the full-precision model"
    )


def template_source(files: ModelFiles) -> str | None:
    """The chat template, from where transformers takes it; None where there is none."""
    if files.template is not None:
        return files.template
    jinja, in_json = (files.folder / name for name in _TEMPLATES)
    try:
        if jinja.is_file():
            return jinja.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{jinja}: cannot be read as text; {AGAIN}") from error
    found = read_json(in_json).get("chat_template") if in_json.is_file() else None
    found = found or files.tokenizer_config.get("chat_template")
    if isinstance(found, list):  # several templates by name
        named = {entry.get("name"): entry.get("template") for entry in found if isinstance(entry, dict)}
        found = named.get("default")
    return found if isinstance(found, str) and found else None


def inspect_adapter(folder: Path) -> AdapterFiles:
    """The adapter of a folder; ModelFileError where it cannot or must not be loaded."""
    _refuse_no_folder(folder)
    config = read_json(folder / ADAPTER_CONFIG)
    weights = folder / _ADAPTER_WEIGHTS
    if not weights.is_file():
        raise ModelFileError(no_safetensors(folder, "an adapter"))
    _refuse_own_code(folder / ADAPTER_CONFIG, config)
    return AdapterFiles(folder, config, weights, tensor_shapes(weights))


def digest(model: ModelFiles, adapter: AdapterFiles | None) -> str:
    """`sha256:...` over the digests of every file that is loaded."""
    parts = {path.name: file_digest(path) for path in (*model.texts, *model.weights)}
    if adapter is not None:
        parts |= {f"adapter/{path.name}": file_digest(path) for path in (*adapter.texts, adapter.weights)}
    return f"sha256:{hashlib.sha256(canonical_json(parts).encode('ascii')).hexdigest()}"


def tensor_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shapes a safetensors file declares; ModelFileError unless it is exactly as long as they need."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            n_header = int.from_bytes(file.read(8), "little")
            if size < 10 or not 2 <= n_header <= min(_MAX_HEADER_BYTES, size - 8):
                raise ModelFileError(f"{path}: not a whole safetensors file ({size} bytes); {AGAIN}")
            header = json.loads(file.read(n_header))
        shapes, end = _declared(header)
    except OSError as error:
        raise ModelFileError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise ModelFileError(f"{path}: its safetensors header cannot be read; {AGAIN}") from error
    if end != size - 8 - n_header:
        raise ModelFileError(
            f"{path}: {size} bytes, but its header speaks of {end + 8 + n_header}; it is damaged or broke "
            f"off; {AGAIN}"
        )
    return shapes


def _declared(header: dict[str, Any]) -> tuple[dict[str, tuple[int, ...]], int]:
    """Shapes by name, and how many bytes all tensors take; ValueError where sizes contradict."""
    shapes: dict[str, tuple[int, ...]] = {}
    spans = []
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        shape = tuple(int(n) for n in entry["shape"])
        start, end = (int(n) for n in entry["data_offsets"])
        if min((0, *shape)) < 0 or 8 * (end - start) != math.prod(shape) * _DTYPE_BITS[entry["dtype"]]:
            raise ValueError(name)
        shapes[name] = shape
        spans.append((start, end))
    at = 0
    for start, end in sorted(spans):
        if start != at:
            raise ValueError("tensors overlap or leave holes")
        at = end
    return shapes, at


def _refuse_no_folder(folder: Path) -> None:
    try:
        if folder.is_dir():
            return
    except ValueError:  # a null character in the name
        pass
    kind = "not a folder" if folder.exists() else "no such folder"
    raise ModelFileError(f"{folder}: {kind}; name the folder that save_pretrained wrote, or hf://owner/repo")


def _refuse_own_code(path: Path, config: dict[str, Any]) -> None:
    if config.get("auto_map"):
        raise ModelFileError(
            f"{path}: the model brings code of its own (auto_map), which is never run; take a model that "
            "transformers knows, or set options.ignore_own_code to use transformers' class of that name"
        )
