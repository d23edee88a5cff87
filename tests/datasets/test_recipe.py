"""A recipe's mistakes, each with file and line."""

from pathlib import Path

import pytest

from bench.datasets.recipe import load_recipe
from bench.errors import ConfigError
from tests.datasets.building import recipe

GOOD = """\
name: mine
sources:
  - {reader: table, path: a.csv}
steps:
  - step: normalise
  - step: deduplicate
    by: text
split: {train: 1, validation: 0, test: 0}
formats: [text]
"""


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("name: mine", "name: ../mine", "recipe.yaml:1: name"),
        (
            "reader: table",
            "reader: tabel",
            "recipe.yaml:3: datasets.readers: no 'tabel'; did you mean 'table'",
        ),
        ("path: a.csv", "file: a.csv", "recipe.yaml:3: file: unknown key; known here: path"),
        ("by: text", "by: texts", "recipe.yaml:7: by: "),
        ("step: normalise", "do: normalise", "recipe.yaml:5: no `step:`; known: balance"),
        ("train: 1,", "train: 0.5,", "recipe.yaml:8: train, validation and test add up to 0.5"),
        ("[text]", "[chat]", "recipe.yaml:9: the format chat has prompts; set `task`"),
        ("[text]", "[txt]", "recipe.yaml:9: no format 'txt'; known: alpaca"),
        ("[text]", "[text, text]", "recipe.yaml:9: a format is there twice"),
        ("formats:", "format:", "recipe.yaml:9: format: unknown key; known here: name"),
        ("  - {reader: table, path: a.csv}", "  []", "recipe.yaml:2: sources"),
    ],
)
def test_a_mistake_is_told_with_its_line(old, new, said):
    assert old in GOOD
    with pytest.raises(ConfigError) as error:
        recipe(GOOD.replace(old, new))
    assert said in str(error.value)


def test_a_good_recipe_says_every_default():
    data = recipe(GOOD).as_data()
    assert data["seed"] == 0
    assert data["steps"][1] == {"step": "deduplicate", "by": "text", "keep": "first"}


def test_a_recipe_that_is_not_there_names_the_examples(tmp_path):
    with pytest.raises(ConfigError, match="recipes/data/ has examples"):
        load_recipe(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    "path", sorted(Path(__file__).parents[2].glob("recipes/data/*.yaml")), ids=lambda p: p.stem
)
def test_the_recipes_that_ship_can_be_read(path):
    assert load_recipe(path).sources
