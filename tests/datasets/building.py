"""Small data sets for tests: rows, a setting for steps, recipes from text."""

from __future__ import annotations

import csv
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bench import yaml_file
from bench.data import build
from bench.datasets import folder
from bench.datasets import steps as step_room
from bench.datasets.card import Card
from bench.datasets.recipe import Recipe, checked
from bench.datasets.row import Row
from bench.datasets.steps import Setting


def rows(*texts: str, **fields: Any) -> list[Row]:
    """Rows with these texts."""
    return [Row(text, place=f"test:{n}", **fields) for n, text in enumerate(texts, 1)]


def setting(tmp_path: Path, evaluation: Iterable[str] = (), seed: str = "0") -> Setting:
    """A setting with an empty scratch folder."""
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    return Setting(seed, scratch, lambda name: evaluation)


def applied(name: str, given: list[Row], where: Setting, **options: Any) -> list[Row]:
    """The rows that a step leaves."""
    module = step_room.load(name)
    return list(module.apply(iter(given), module.Options(**options), where))


def recipe(text: str) -> Recipe:
    """A recipe from YAML."""
    return checked(yaml_file.parsed(textwrap.dedent(text), Path("recipe.yaml"), ""))


def built(text: str, root: Path = Path()) -> Card:
    """Build a recipe into `datasets/`."""
    return build(recipe(text), root)


def side(name: str, which: str = "train") -> list[Row]:
    """The rows of one side of a built set."""
    return list(folder.rows(Path("datasets", name), which))


def write_csv(path: Path, header: list[str], *records: list[str]) -> Path:
    """A CSV file."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *records])
    return path


def unlike(n: int) -> str:
    """A text of three words that no other number shares."""
    word = "".join("abcdefghij"[int(digit)] for digit in str(n))
    return f"x{word} y{word} z{word}"
