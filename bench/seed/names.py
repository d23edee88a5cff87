"""Who a folder of the seed layout is: family, variant and quantization.

In: folder names, and a map where the user gives one. Out: one `SeedArm` per folder. A name is read here
and nowhere else, because that layout has nothing but names; what was assumed is printed and kept with
the run. It opens no model folder.

    # seed-map.yaml: what is not said is assumed from the folder's name
    llama3_8b-instruct-sentiment_analysis-q4_K_M:
      family: llama3_8b-instruct
      variant: sentiment_analysis
      quant: q4_K_M
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from bench.errors import ConfigError, UsageError
from bench.records import ModelSpec, Name, Output, Record, Style

MAP_FILE = "seed-map.yaml"
BACKEND = "imported"
"""The backend of an arm whose answers came from elsewhere; no such backend can be run."""

_QUANT = r"q\d(?:_(?:\d|k(?:_(?:s|m|l|xl))?))?|iq\d_(?:xxs|xs|s|m|nl)|bf16|fp?16|fp?32|nf4|int[48]"
_TOKEN = re.compile(_QUANT, re.IGNORECASE)
_NAMED = re.compile(rf"(?P<family>.+?)[-._](?P<quant>{_QUANT})", re.IGNORECASE)
_SPELLINGS = {"f16": "fp16", "f32": "fp32", "q8": "q8_0"}


class SeedArm(Record):
    """The identity of one model folder."""

    family: Name
    """The model line: the folder's name before the separator of the quant."""
    variant: Name = "base"
    """`base` unless mapped."""
    quant: Name
    """The quantization, spelled as everywhere in `bench`."""
    backend: Name = BACKEND
    """What ran it."""
    prompt_style: Style = "zero_shot"
    """Whether its prompts had examples."""
    output: Output = "free"
    """Whether its decoding was constrained."""

    def spec(self, folder: str) -> ModelSpec:
        """The arm as everything else knows it."""
        return ModelSpec(ref=folder, **self.model_dump())


def canonical_quant(token: str) -> str:
    """One spelling per quantization: `Q4_K_M` is q4_K_M, `Q8` is q8_0, `F16` is fp16.

    What is not a known quantization is returned as it is.
    """
    lower = token.lower()
    if not _TOKEN.fullmatch(token):
        return token
    head, bar, rest = _SPELLINGS.get(lower, lower).partition("_")
    return head + bar + rest.upper()


def assumed(folder: str) -> dict[str, str]:
    """Family and quant as the folder's name says; without the quant where it says none."""
    found = _NAMED.fullmatch(folder)
    if found is None:
        return {"family": folder}
    return {"family": found["family"], "quant": canonical_quant(found["quant"])}


def name_arms(folders: Sequence[str], given: Mapping[str, Mapping[str, Any]]) -> dict[str, SeedArm]:
    """Every folder's arm, those of the map first and in its order. UsageError says what to map."""
    arms: dict[str, SeedArm] = {}
    for folder in [*(name for name in given if name in folders), *(f for f in folders if f not in given)]:
        fields = {**assumed(folder), **given.get(folder, {})}
        if isinstance(fields.get("quant"), str):
            fields["quant"] = canonical_quant(fields["quant"])
        try:
            arms[folder] = SeedArm.model_validate(fields)
        except ValidationError as error:
            problem = error.errors()[0]
            where = ".".join(map(str, problem["loc"]))
            why = f"no quantization is known for {folder!r}" if where == "quant" else f"{folder!r}: {where}"
            raise UsageError(
                f"{why}: {problem['msg'].lower()}; give its family, variant and quant with --map"
            ) from error
    _refuse_equal(arms)
    return arms


def _refuse_equal(arms: Mapping[str, SeedArm]) -> None:
    seen: dict[str, str] = {}
    for folder, arm in arms.items():
        name = arm.spec(folder).arm
        if name in seen:
            raise UsageError(
                f"{seen[name]!r} and {folder!r} are both {name}; tell them apart with --map (variant)"
            )
        seen[name] = folder


def read_map(path: Path) -> dict[str, dict[str, Any]]:
    """A map file; `:` in a folder's name counts as `_`. ConfigError names what is wrong."""
    data = read_yaml(path)
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: a map of folder -> family, variant, quant was expected")
    known = set(SeedArm.model_fields)
    for folder, fields in data.items():
        if not isinstance(folder, str) or not isinstance(fields, dict):
            raise ConfigError(f"{path}: {folder}: family, variant and quant were expected under a folder")
        strange = [str(name) for name in fields if name not in known]
        if strange:
            there = ", ".join(sorted(known))
            raise ConfigError(f"{path}: {folder}: unknown key {strange[0]}; there are: {there}")
    return {folder.replace(":", "_"): fields for folder, fields in data.items()}


def map_text(arms: Mapping[str, SeedArm]) -> str:
    """The arms as the text of a map file, defaults of the last three fields left out."""
    data = {}
    for folder, arm in arms.items():
        fields = arm.model_dump(exclude_defaults=True)
        data[folder] = {"family": arm.family, "variant": arm.variant, "quant": arm.quant, **fields}
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)


def read_yaml(path: Path) -> Any:
    """The plain data of a YAML file; ConfigError where there is none."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())[:200]}") from error
