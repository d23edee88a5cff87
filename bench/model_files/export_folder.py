"""What stands in the folder of an export: forms, their facts, and where each belongs.

In: a folder and the forms that were made. Out: their places, `export.json` read and written, the entries of
a config. It makes and compares nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml
from pydantic import ValidationError

from bench.config import Config
from bench.errors import StorageError, UsageError
from bench.identity import content_id
from bench.records import ModelSpec
from bench.store import write_whole
from bench.training.export.forms import Form

if TYPE_CHECKING:
    from bench.training.export.check import ExportCheck

GGUF = "gguf"
REJECTED = "rejected"
FACTS = "export.json"
ENTRIES = "models.yaml"
PAGE = "README.md"
_MARK = "bench models export"
_FORM_KEYS = frozenset(
    (
        "form",
        "quant",
        "kind",
        "file",
        "bytes",
        "digest",
        "published",
        "bits_per_weight",
        "n_parameters",
        "check",
    )
)
_OF_THE_SOURCE = frozenset({"revision", "adapter_revision", "merge_adapter", "ignore_own_code", "device",
                            "n_threads"})  # fmt: skip
"""Options of an arm that say where it came from or what it ran on, not what it is."""


class Made(NamedTuple):
    """One form that was made and compared."""

    form: Form
    path: Path
    """Where it stands: its place, or below `rejected/`."""
    n_bytes: int
    """Of a folder, of all files in it."""
    n_weight_bytes: int
    """Of a folder, of its safetensors alone, as a listing counts."""
    digest: str
    """`sha256:...` of the file, or over those of a folder's files."""
    n_parameters: int
    """Of the model, whatever the form."""
    check: ExportCheck

    @property
    def is_published(self) -> bool:
        """Whether it is the model."""
        return not self.check.differences

    @property
    def bits_per_weight(self) -> float:
        """Bytes of the file, or of a folder's weights, for each weight of the model, times 8."""
        return 8 * self.n_weight_bytes / self.n_parameters

    def facts(self) -> dict[str, Any]:
        """What `export.json` says of it."""
        found = {
            "form": self.form.name,
            "quant": self.form.quant,
            "kind": self.form.kind,
            "file": self.path.name,
            "bytes": self.n_bytes,
            "digest": self.digest,
            "n_parameters": self.n_parameters,
            "bits_per_weight": self.bits_per_weight,
            "published": self.is_published,
        }
        differences = [difference._asdict() for difference in self.check.differences]
        checked = {**self.check._asdict(), "differences": differences, "said": self.check.sentence()}
        return {**found, "check": checked}


def place(out: Path, form: Form, name: str) -> Path:
    """Where a form is published."""
    return out / GGUF / f"{name}-{form.quant}.gguf" if form.kind == "gguf" else out / form.name


def standing(out: Path, one: dict[str, Any]) -> Path:
    """Where a form of an `export.json` stands."""
    if not one["published"]:
        return out / REJECTED / str(one["file"])
    return (out / GGUF if one["kind"] == "gguf" else out) / str(one["file"])


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder."""
    files = [path] if path.is_file() else [found for found in path.rglob("*") if found.is_file()]
    return sum(found.stat().st_size for found in files)


def weight_bytes_of(path: Path) -> int:
    """Bytes of a file, or of a folder's safetensors."""
    files = [path] if path.is_file() else path.glob("*.safetensors")
    return sum(found.stat().st_size for found in files)


def digest_of(path: Path) -> str:
    """`sha256:...` of a file, or over the names and digests of a folder's weights and configs."""
    if path.is_file():
        with path.open("rb") as file:
            return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    parts = {found.name: digest_of(found) for found in sorted(path.iterdir()) if found.name != PAGE}
    return f"sha256:{content_id(parts, 64)}"


def published(found: dict[str, Any]) -> list[dict[str, Any]]:
    """The forms of an `export.json` that are the model."""
    return [one for one in found.get("forms", {}).values() if one["published"]]


def entries(spec: ModelSpec, out: Path, name: str, forms: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Published forms, as `export.json` has them, as `models:` of a config has them."""
    shared = {"family": spec.family, "variant": spec.variant}
    found: list[dict[str, Any]] = []
    gguf = [one["quant"] for one in forms if one["kind"] == "gguf"]
    if gguf:
        ref = str(out / GGUF / f"{name}-{{quant}}.gguf")
        found.append({**shared, "quants": gguf, "backend": "llama_cpp", "ref": ref})
    kept = {key: value for key, value in spec.options.items() if key not in _OF_THE_SOURCE}
    for one in forms:
        if one["kind"] != "gguf":
            entry = {**shared, "quants": [one["quant"]], "backend": "hf", "ref": str(out / one["form"])}
            found.append({**entry, **({"options": kept} if kept else {})})
    return [{**entry, "prompt_style": spec.prompt_style} for entry in found]


def as_yaml(found: Sequence[dict[str, Any]]) -> str:
    """Entries as they stand in a config.yaml; empty where there are none."""
    if not found:
        return ""
    return yaml.safe_dump({"models": list(found)}, sort_keys=False, allow_unicode=True, width=100)


def write_entries(out: Path, found: dict[str, Any]) -> str:
    """`models.yaml` with every published form, and its text."""
    spec, name = ModelSpec.model_validate(found["source"]), found["card"]["name"]
    text = as_yaml(entries(spec, out, name, published(found)))
    write_whole(out / ENTRIES, text.encode("utf-8"))
    return text


def read_facts(out: Path) -> dict[str, Any]:
    """`export.json`; empty where there is none, or one of somebody else. StorageError where it is damaged."""
    path = out / FACTS
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise StorageError(f"{path}: cannot be read; remove it and export again") from error
    if not isinstance(found, dict) or found.get("made_by") != _MARK:
        return {}
    forms = found.get("forms")
    is_whole = all(isinstance(found.get(key), dict) for key in ("forms", "card", "source"))
    if not is_whole or not isinstance(forms, dict) or not all(map(_is_form, forms.values())):
        raise StorageError(f"{path}: is not what an export wrote; remove it and export again")
    return found


def _is_form(one: Any) -> bool:
    """Whether it has what every reader of a form looks at."""
    if not isinstance(one, dict) or not one.keys() >= _FORM_KEYS or not isinstance(one["check"], dict):
        return False
    names = [one[key] for key in ("form", "quant", "kind", "file")]
    return all(isinstance(name, str) for name in names) and Path(one["file"]).name == one["file"]


def write_facts(out: Path, found: dict[str, Any]) -> None:
    """`export.json`, whole."""
    content = json.dumps({"made_by": _MARK, **found}, indent=1, ensure_ascii=False)
    write_whole(out / FACTS, content.encode("utf-8") + b"\n")


def config_text(
    outs: Sequence[Path],
    task: str,
    articles: str | None,
    iterations: int,
    max_tokens: int,
    context_tokens: int,
) -> str:
    """A config.yaml with the arms of several exports.

    UsageError where they are none, or contradict; ModelFileError where a file is gone or damaged.
    """
    models = []
    for out in outs:
        found = read_facts(out)
        if not published(found):
            raise UsageError(f"{out}: no export that published anything; make one with `bench models export`")
        for one in published(found):
            _refuse_damaged(out, one)
        spec, name = ModelSpec.model_validate(found["source"]), found["card"]["name"]
        models += entries(spec, out, name, published(found))
    wanted = {
        "task": task,
        **({"articles": {"source": articles}} if articles else {}),
        "iterations": iterations,
        "sampling": {"max_tokens": max_tokens, "context_tokens": context_tokens},
        "models": models,
    }
    try:
        Config.model_validate(wanted)
    except ValidationError as error:
        raise UsageError(f"these exports make no config: {error.errors()[0]['msg']}") from error
    return yaml.safe_dump(wanted, sort_keys=False, allow_unicode=True, width=100)


def _refuse_damaged(out: Path, one: dict[str, Any]) -> None:
    """ModelFileError unless a published form stands at its place, whole as far as its headers tell."""
    from bench.backends.hf import model_folder
    from bench.backends.llama_cpp import gguf_check

    if one["kind"] == "gguf":
        gguf_check.inspect(out / GGUF / one["file"])
    else:
        model_folder.inspect(out / one["file"], quant=model_folder.ANY_QUANT)
