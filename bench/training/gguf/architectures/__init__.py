"""The architectures that can be exported: the folder is the registry, a file's name is its `model_type`.

In: a folder's config. Out: an Export, which says what the file must hold. A file here offers

    ARCH      the gguf package's architecture
    CLASS     the transformers class whose weights it takes
    export    config, shown -> Export; ModelFileError for what llama.cpp would not compute alike
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

from bench.errors import ModelFileError
from bench.training.gguf.architectures._export import Export

__all__ = ["Export", "export_of", "known"]


def known() -> tuple[str, ...]:
    """The `model_type` of every architecture here."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_")))


def export_of(model_type: str, config: Any, shown: str) -> Export:
    """What the file of a model must hold. ModelFileError for an architecture that is not known here."""
    if model_type not in known():
        raise ModelFileError(
            f"{shown}: architecture {model_type!r} cannot be exported to GGUF; known: {', '.join(known())}"
        )
    module = importlib.import_module(f"{__name__}.{model_type}")
    classes = config.architectures or [module.CLASS]
    if module.CLASS not in classes:
        raise ModelFileError(
            f"{shown}: holds a {classes[0]}; a GGUF file for text is made of a {module.CLASS}"
        )
    found: Export = module.export(config, shown)
    return found
