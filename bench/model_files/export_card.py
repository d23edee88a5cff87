"""Joins an export and what is known about the model: cards, `models.yaml`, `export.json`.

In: a source and its finished forms, still in the folder of work. Out: README.md for every folder of forms,
with the evaluation of the training where it left one. It compares nothing.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from bench import provenance
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


def about(source: Source, n_parameters: int, licence: str | None) -> dict[str, Any]:
    """What a card says besides its forms, as `export.json` keeps it."""
    rows, own = evaluated(source)
    versions = {package: provenance.package_version(package) for package in _PACKAGES}
    return {
        "name": source.name,
        "is_classifier": source.is_classifier,
        "base_model": source.base,
        "licence": licence,
        "n_parameters": n_parameters,
        "evaluation": rows,
        "own_rows": own,
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


def evaluated(source: Source) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """The evaluation beside the training, and those of its rows that are about this arm."""
    if source.training is None:
        return [], []
    try:
        with (source.training.parent / "evaluation.csv").open(encoding="utf-8", newline="") as file:
            rows = [dict(row) for _, row in zip(range(_MOST_ROWS), csv.DictReader(file), strict=False)]
    except (OSError, csv.Error, UnicodeDecodeError):
        return [], []
    names = {source.training.name, source.spec.arm}
    return rows, [row for row in rows if names & {str(row.get("arm")), str(row.get("variant"))}]
