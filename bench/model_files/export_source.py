"""Which model an export starts from: a transformers folder, with or without an adapter, or a training.

In: what the command line names. Out: a Source whose files were checked, with the names its arms will have,
or a BenchError that says what is wrong with it. Nothing is loaded.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from bench.backends.hf import Options as HfOptions
from bench.backends.hf import hub, model_folder
from bench.backends.hf.labels import output_names
from bench.backends.hf.model_folder import AdapterFiles, ModelFiles
from bench.errors import ModelFileError, UsageError
from bench.evaluation.folder import ArmFile
from bench.identity import slug
from bench.records import ModelSpec

ARM = "arm.json"
CARD = "card.json"
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
_TOKENIZER = "tokenizer.json"
_LEARNED_PROMPTS = frozenset({"PROMPT_TUNING", "PREFIX_TUNING", "P_TUNING", "MULTITASK_PROMPT_TUNING"})
_FOLDERS = frozenset({"models", "hf", "base", "out", "exports", "checkpoints", "runs", "tmp"})
"""Names that a path begins with rather than an owner on the hub."""


class Source(NamedTuple):
    """What is exported."""

    files: ModelFiles
    adapter: AdapterFiles | None
    spec: ModelSpec
    """Family, variant, prompt style and options of its arms; quant and ref are those of the source."""
    base: str | None
    """What the base model is called, as far as anybody said."""
    training: Path | None
    """The folder of the training it came from."""
    facts: dict[str, Any]
    """What the training noted about itself."""

    @property
    def is_classifier(self) -> bool:
        """Whether it has a classification head."""
        return self.spec.options.get("head") == "classification"

    @property
    def name(self) -> str:
        """How files of it are called."""
        return slug(f"{self.spec.family}-{self.spec.variant}")


def find(model: str, adapter: Path | None, family: str | None, variant: str | None) -> Source:
    """The source that `model` names; UsageError, ModelFileError or ConfigError where it is none."""
    folder = Path(model)
    if (folder / ARM).is_file():
        if adapter is not None:
            raise UsageError(f"{folder}: a finished training brings its own adapter; leave --adapter out")
        return _renamed(_of_training(folder), family, variant)
    _refuse_no_model(folder)
    files = model_folder.inspect(folder)
    adapted = None if adapter is None else _adapter(adapter, files)
    spec = ModelSpec(
        family=slug(folder.resolve().name, 40),
        variant="base" if adapted is None else "fine-tuned",
        quant="fp32",
        backend="hf",
        ref=str(folder),
        adapter=None if adapter is None else str(adapter),
        options=_head(files),
    )
    return _renamed(Source(files, adapted, spec, _base_name(files, adapted), None, {}), family, variant)


def _head(files: ModelFiles) -> dict[str, Any]:
    """A classifier's options: that it is one, and what it calls its labels."""
    named = files.config.get("architectures")
    if not isinstance(named, list) or not str(named[:1]).endswith("ForSequenceClassification']"):
        return {}
    return {"head": "classification", "labels": list(output_names(files.config))}


def _refuse_no_model(folder: Path) -> None:
    """UsageError for everything that a user may name instead of a model."""
    if not folder.exists():
        raise UsageError(f"{folder}: no such folder; name a transformers folder or models/NAME/TRAINING")
    if folder.suffix == ".gguf":
        raise UsageError(f"{folder}: a GGUF file; `bench models quantize` makes other quants of one")
    trainings = sorted(path.parent for path in folder.glob(f"*/{ARM}")) if folder.is_dir() else []
    if trainings:
        names = ", ".join(str(path) for path in trainings)
        raise UsageError(f"{folder}: holds several trainings; name one of them: {names}")
    if (folder / model_folder.ADAPTER_CONFIG).is_file() and not (folder / model_folder.CONFIG).is_file():
        raise UsageError(f"{folder}: an adapter alone; name its base as MODEL and it with --adapter {folder}")


def _of_training(folder: Path) -> Source:
    """The source that `arm.json` describes; what the training made is that of this folder."""
    path = folder / ARM
    try:
        arm = ArmFile.model_validate_json(path.read_bytes())
        spec = ModelSpec.model_validate(arm.model_dump(exclude={"tasks"}))
        options = HfOptions.model_validate(spec.options)
    except (OSError, ValidationError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error.strerror
        raise ModelFileError(f"{path}: does not describe an arm of hf ({reason}); train it again") from error
    if arm.backend == "hf":
        arm = arm.found_in(folder)
        spec = spec.model_copy(update={"ref": arm.ref, "adapter": arm.adapter})
    if arm.tasks:
        listed = ", ".join(f"{task}: {one.ref}" for task, one in arm.tasks.items())
        raise UsageError(f"{folder}: left a model for each task; name one of their folders ({listed})")
    if spec.backend != "hf":
        raise ModelFileError(f"{path}: an arm of {spec.backend}; only models of transformers are exported")
    model = _folder(spec, spec.ref, options.revision, "revision")
    files = model_folder.inspect(model, allow_own_code=options.ignore_own_code)
    adapter = None
    if spec.adapter is not None:
        where = _folder(spec, spec.adapter, options.adapter_revision, "adapter_revision")
        adapter = _adapter(where, files)
    base = spec.ref.removeprefix("hf://") if hub.is_hub_reference(spec.ref) else _base_name(files, adapter)
    return Source(files, adapter, spec, base, folder, _facts(folder))


def _folder(spec: ModelSpec, ref: str, revision: str | None, option: str) -> Path:
    if hub.is_hub_reference(ref):
        return hub.download(hub.hub_folder(spec.arm, ref, revision, option))
    return Path(ref)


def _adapter(folder: Path, files: ModelFiles) -> AdapterFiles:
    """The adapter of a folder; ModelFileError where it cannot become part of the weights."""
    found = model_folder.inspect_adapter(folder)
    kind = str(found.config.get("peft_type"))[:20]
    if kind in _LEARNED_PROMPTS:
        raise ModelFileError(
            f"{folder}: a {kind} adapter adds tokens to every prompt and changes no weights, so it cannot be "
            "merged; run it as an arm of hf, or train a LoRA"
        )
    _refuse_other_tokenizer(files, found)
    return found


def _refuse_other_tokenizer(files: ModelFiles, adapter: AdapterFiles) -> None:
    """An adapter's own tokenizer would be silently dropped; refuse it where it is not the base's."""
    own, of_base = adapter.folder / _TOKENIZER, files.folder / _TOKENIZER
    if own.is_file() and of_base.is_file() and own.read_bytes() != of_base.read_bytes():
        raise ModelFileError(
            f"{own}: not the tokenizer of {files.folder}; save the base with the tokenizer that the adapter "
            "was trained with (and its embeddings resized), and name that folder"
        )


def _base_name(files: ModelFiles, adapter: AdapterFiles | None) -> str | None:
    """What the config or the adapter calls the base, where that is a name on the hub and no path."""
    of_adapter = adapter.config.get("base_model_name_or_path") if adapter else None
    for name in (of_adapter, files.config.get("_name_or_path")):
        if isinstance(name, str) and HUB_NAME.fullmatch(name):
            owner = name.partition("/")[0]
            if owner not in _FOLDERS and not Path(owner).exists():
                return name
    return None


def other_base(source: Source) -> str | None:
    """The base that the adapter names, where it is not the one that is given; None where it is."""
    if source.adapter is None:
        return None
    named = str(source.adapter.config.get("base_model_name_or_path") or "")
    places = (Path(named), source.adapter.folder / named)
    here = source.files.folder.resolve()
    if not named or any(place.resolve() == here for place in places) or named in source.spec.ref:
        return None
    return named


def _facts(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _renamed(source: Source, family: str | None, variant: str | None) -> Source:
    """The source under the names that the command line gives its arms."""
    given = {"family": family or source.spec.family, "variant": variant or source.spec.variant}
    try:
        spec = ModelSpec.model_validate(source.spec.model_dump() | given)
    except ValidationError as error:
        raise UsageError(f"--family {family!a} --variant {variant!a}: {error.errors()[0]['msg']}") from error
    return source._replace(spec=spec)
