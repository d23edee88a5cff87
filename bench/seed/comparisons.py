"""Pairs of arms that came with an import: from the seed project's config to a file beside the run.

In: a `config.yaml` with `comparison_pairs` of model names, or a run's `comparisons.yaml`. Out: pairs of arms.
It compares nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

from bench.errors import ConfigError
from bench.seed.names import SeedArm, read_yaml

COMPARISONS_FILE = "comparisons.yaml"


def configured_comparisons(
    path: Path | None, arms: Mapping[str, SeedArm]
) -> tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]:
    """The `comparison_pairs` of a config beside the folders: those whose arms are there, and the others."""
    data = read_yaml(path) if path else None
    pairs = (data.get("comparison_pairs") if isinstance(data, dict) else None) or []
    found: list[tuple[str, str]] = []
    left_out: list[tuple[str, str]] = []
    for pair in pairs if isinstance(pairs, list) else [pairs]:
        if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(name, str) for name in pair):
            raise ConfigError(f"{path}: comparison_pairs: two model names were expected, found {pair!r}")
        a, b = (name.replace(":", "_") for name in pair)
        if a in arms and b in arms and a != b:
            found.append((arms[a].spec(a).arm, arms[b].spec(b).arm))
        else:
            left_out.append((a, b))
    return tuple(dict.fromkeys(found)), tuple(left_out)


def comparisons_text(pairs: tuple[tuple[str, str], ...]) -> str:
    """Pairs of arms as the file that `bench report` reads beside the run's samples."""
    return yaml.safe_dump({"comparisons": [list(pair) for pair in pairs]}, sort_keys=False, width=1000)


def stored_comparisons(folder: Path) -> tuple[tuple[str, str], ...]:
    """The pairs of arms that were imported with a run; none where there is no such file."""
    path = folder / COMPARISONS_FILE
    data = read_yaml(path) if path.is_file() else None
    pairs = (data.get("comparisons") if isinstance(data, dict) else None) or []
    if not all(isinstance(p, list) and len(p) == 2 and all(isinstance(a, str) for a in p) for p in pairs):
        raise ConfigError(f"{path}: comparisons: pairs of arms were expected")
    return tuple((a, b) for a, b in pairs)
