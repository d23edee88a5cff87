"""The architectures that can be exported: the folder is the registry, a file's name is its `model_type`.

In: a folder's config. Out: an Export, which says what the file must hold. A file here offers

    ARCH      the gguf package's architecture
    CLASS     the transformers class whose weights it takes
    export    config, folder's name -> Export; ModelFileError for what llama.cpp would not compute alike
"""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from typing import Any

from bench.errors import ModelFileError
from bench.hf_folder.files import read_json
from bench.training.gguf.architectures._export import Export
from bench.training.gguf.source import Configured, Source

_POSITIONS = "max_position_embeddings"
__all__ = ["Export", "export_of", "known", "refuse_unknown"]


def known() -> tuple[str, ...]:
    """The `model_type` of every architecture here."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")))


def refuse_unknown(folder: Path) -> None:
    """ModelFileError where a folder's architecture has no file here."""
    model_type = read_json(folder / "config.json").get("model_type", "(none)")
    if model_type not in known():
        raise ModelFileError(
            f"{folder}: architecture {str(model_type)[:40]!r} cannot be exported to GGUF; known: "
            f"{', '.join(known())}"
        )


def export_of(source: Source | Configured) -> Export:
    """What the file of a model must hold. ModelFileError where llama.cpp would compute another model."""
    config, shown = source.config, str(source.folder)
    module = importlib.import_module(f"{__name__}.{source.model_type}")
    classes = config.architectures or [module.CLASS]
    if module.CLASS not in classes:
        raise ModelFileError(
            f"{shown}: holds a {classes[0]}; a GGUF file for text is made of a {module.CLASS}"
        )
    _refuse_impossible(config, shown)
    found: Export = module.export(config, shown)
    return found


def _refuse_impossible(config: Any, shown: str) -> None:
    for name in ("hidden_size", "num_attention_heads", "num_key_value_heads", "vocab_size", _POSITIONS):
        n = getattr(config, name, 1)
        if not isinstance(n, int) or n < 1:
            raise ModelFileError(f"{shown}: {name} is {n!r} in config.json; copy the model again")
    wide, heads = config.hidden_size, config.num_attention_heads
    if wide % heads and getattr(config, "head_dim", None) is None:
        raise ModelFileError(f"{shown}: a width of {wide} cannot be split over {heads} heads (config.json)")
