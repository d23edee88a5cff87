"""Joins an export and what is known about the model: cards, `models.yaml`, `export.json`.

In: a source and its finished forms, still in the folder of work. Out: README.md for every folder of forms,
with the evaluation of the training where it left one of these very weights. It compares nothing.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from bench import provenance
from bench.backends.hf import model_folder
from bench.errors import UsageError
from bench.model_files import export_folder
from bench.model_files.export_folder import GGUF
from bench.model_files.export_source import HUB_NAME, Source
from bench.records import ModelSpec
from bench.training.export import card
from bench.training.export.card import CardFacts, FormFacts

_LICENCE = re.compile(r"[A-Za-z0-9][\w.+-]{0,60}", re.ASCII)
_PACKAGES = ("torch", "transformers", "peft", "bitsandbytes", "gguf", "llama-cpp-python")
_MOST_ROWS = 200
_EVALUATION = "evaluation.csv"


class Evaluated(NamedTuple):
    """What `bench evaluate` found, as text; empty where it did not measure these weights."""

    rows: list[dict[str, str]]
    """Every arm's."""
    own: list[dict[str, str]]
    """Those of this arm."""


def licence_of(source: Source, said: str | None) -> str | None:
    """The licence that was said, or that the base's own card names; None where nobody did."""
    if said is not None:
        if not _LICENCE.fullmatch(said):
            raise UsageError(f"--license {said!a}: not an identifier such as apache-2.0 or llama3")
        return said
    named = _front_matter(source.files.folder / export_folder.PAGE).get("license")
    return named if isinstance(named, str) and _LICENCE.fullmatch(named) else None


def base_of(source: Source, said: str | None) -> str | None:
    """The base model's name on the hub: what was said, else what the source names."""
    if said is not None and not HUB_NAME.fullmatch(said):
        raise UsageError(f"--base-model {said!a}: not a name on the hub, such as owner/name")
    return said or source.base


def _front_matter(page: Path) -> Mapping[str, Any]:
    try:
        text = page.read_bytes()[: 1 << 16].decode("utf-8", "replace")
        head = text.split("---\n", 2)[1] if text.startswith("---\n") else ""
        found = yaml.safe_load(head)
    except (OSError, yaml.YAMLError, RecursionError, IndexError):
        return {}
    return found if isinstance(found, dict) else {}


def about(source: Source, n_parameters: int, licence: str | None, evaluation: Evaluated) -> dict[str, Any]:
    """What a card says besides its forms, as `export.json` keeps it."""
    versions = {package: provenance.package_version(package) for package in _PACKAGES}
    return {
        "name": source.name,
        "is_classifier": source.is_classifier,
        "base_model": source.base,
        "licence": licence,
        "n_parameters": n_parameters,
        "evaluation": evaluation.rows,
        "own_rows": evaluation.own,
        "training": source.facts,
        "versions": {package: version for package, version in versions.items() if version},
    }


def pages(out: Path, found: dict[str, Any]) -> dict[str, str]:
    """README.md by the folder's name below the export: one for each transformers folder, one for all GGUFs.

    `found` is what `export.json` holds, or will hold.
    """
    groups: dict[str, list[dict[str, Any]]] = {}
    for one in export_folder.published(found):
        groups.setdefault(GGUF if one["kind"] == "gguf" else one["form"], []).append(one)
    return {name: card.page(_facts(name, forms, out, found)) for name, forms in groups.items()}


def _facts(name: str, made: list[dict[str, Any]], out: Path, found: dict[str, Any]) -> CardFacts:
    spec, said = ModelSpec.model_validate(found["source"]), found["card"]
    entry = export_folder.entries(spec, out, said["name"], made)
    return CardFacts(
        title=f"{spec.family} {spec.variant}",
        library="gguf" if name == GGUF else "transformers",
        pipeline="text-classification" if said["is_classifier"] else "text-generation",
        base_model=said["base_model"],
        licence=said["licence"],
        n_parameters=said["n_parameters"],
        forms=tuple(_form_facts(one) for one in made),
        evaluation=said["evaluation"],
        own_rows=said["own_rows"],
        training=said["training"],
        entry=export_folder.as_yaml(entry),
        versions=said["versions"],
    )


def _form_facts(one: dict[str, Any]) -> FormFacts:
    return FormFacts(
        name=one["file"],
        quant=one["quant"],
        n_bytes=one["bytes"],
        bits_per_weight=one["bits_per_weight"],
        tensor_types=one["check"]["tensor_types"],
        parity=one["check"]["said"],
        digest=one["digest"],
        imatrix=one.get("imatrix"),
    )


def evaluated(source: Source, told: Callable[[str], None]) -> Evaluated:
    """The evaluation beside the training, if it measured the weights that are there; it is told where not."""
    nothing = Evaluated([], [])
    if source.training is None:
        return nothing
    path = source.training.parent / _EVALUATION
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [dict(row) for _, row in zip(range(_MOST_ROWS), csv.DictReader(file), strict=False)]
    except (OSError, csv.Error, UnicodeDecodeError):
        return nothing
    names = {source.training.name, source.spec.arm}
    named = [row for row in rows if names & {str(row.get("arm")), str(row.get("variant"))}]
    # a training that was made anew has its old name, and the evaluation is still that of the old weights
    digest = model_folder.digest(source.files, source.adapter) if named else None
    own = [row for row in named if row.get("digest") == digest]
    if own:
        return Evaluated(rows, own)
    told(
        f"{path}: does not say that it measured these weights, so the card leaves it out; run "
        f"`bench evaluate {path.parent}` first"
    )
    return nothing
