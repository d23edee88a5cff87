"""All that is known about one model: what its file says, its card, and how it compared with its source.

In: a GGUF file or a folder. Out: a Shown. It loads no model and compares nothing itself.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

from bench.backends.hf import model_folder
from bench.backends.llama_cpp import gguf_check
from bench.errors import UsageError
from bench.model_files import export_folder

_MOST_CHARS = 100_000


class Shown(NamedTuple):
    """One model."""

    facts: dict[str, Any]
    """What its own files say, by name; what they do not say is absent."""
    tensor_types: dict[str, int]
    """Tensors of each type."""
    parity: str | None
    """What the comparison with its source found; None where nobody noted one."""
    card: str | None
    """Its page in Markdown; None where there is none."""


def show(path: Path) -> Shown:
    """What is known; UsageError or ModelFileError where it is no model."""
    if path.is_dir():
        return _of_folder(path)
    if not path.exists():
        raise UsageError(f"{path}: no such file or folder; `bench models list` shows what there is")
    found = gguf_check.inspect(path)
    facts = found.model_dump(exclude={"tensor_types", "block_elements", "chat_template"}, exclude_none=True)
    facts |= {"quant": found.quant, "bits_per_weight": round(8 * found.file_bytes / found.n_parameters, 3)}
    facts |= {"chat_template_digest": found.template_digest, "digest": gguf_check.file_digest(path)}
    kept = {name: value for name, value in facts.items() if value is not None}
    return Shown(kept, found.tensor_types, _parity(path), _card(path))


def _of_folder(path: Path) -> Shown:
    from bench.training.export.check import weight_types

    files = model_folder.inspect(path, quant=model_folder.ANY_QUANT)
    names = ("model_type", "architectures", "dtype", "vocab_size", "hidden_size", "num_hidden_layers",
             "max_position_embeddings", "eos_token_id", "tie_word_embeddings")  # fmt: skip
    facts = {name: files.config[name] for name in names if files.config.get(name) is not None}
    facts |= {"n_parameters": files.n_parameters, "file_bytes": files.n_bytes, "n_parts": len(files.weights)}
    facts["has_chat_template"] = model_folder.template_source(files) is not None
    facts["digest"] = model_folder.digest(files, None)
    return Shown(facts, weight_types(path), _parity(path), _card(path))


def _parity(path: Path) -> str | None:
    """What the export or the training beside the file noted."""
    for out in (path.parent, path.parent.parent):
        for one in export_folder.read_facts(out).get("forms", {}).values():
            if one["published"] and export_folder.standing(out, one) == path:
                return str(one["check"]["said"])
    for note in sorted(path.parent.glob("*.json")):
        found = _json(note)
        files = found.get("files")
        named = (
            {file.get("name") for file in files if isinstance(file, dict)}
            if isinstance(files, list)
            else set()
        )
        parity = found.get("parity")
        if path.name in named and isinstance(parity, dict):
            return ", ".join(
                f"{name} {value:.4g}" for name, value in parity.items() if isinstance(value, (int, float))
            )
    return None


def _card(path: Path) -> str | None:
    """README.md of the folder, or the page that `bench train --preset` writes for each variant."""
    folder = path if path.is_dir() else path.parent
    own = [folder / f"{path.stem.rpartition('-')[0]}.md"] if path.is_file() else []
    for page in (*own, folder / export_folder.PAGE):
        if page.is_file():
            return page.read_text(encoding="utf-8", errors="replace")[:_MOST_CHARS]
    return None


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
