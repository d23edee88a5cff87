"""Bundled samples: invented rows that are the same every time."""

from collections import Counter
from pathlib import Path
from random import Random

import pytest

from bench import plugins, tasks
from bench.data import build
from bench.datasets.readers import sample
from bench.errors import ConfigError

RECIPES = sorted((Path(__file__).parents[3] / "recipes" / "data" / "samples").glob("*.yaml"))
NAMES = sorted(path.stem for path in sample.SAMPLES.glob("*.txt"))


def rows(name, n=300, seed=0, templates="all"):
    options = sample.Options(path=name, rows=n, seed=seed, templates=templates)
    return list(sample.read(options, Path(), Counter()))


@pytest.mark.parametrize("name", NAMES)
def test_every_slot_of_a_sample_is_filled(name):
    for row in rows(name):
        whole = " ".join([row.text, row.title or "", *(text for _, text in row.parts)])
        assert not set("{}[]|") & set(whole), whole


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_is_the_same_every_time_and_another_for_another_seed(name):
    assert rows(name) == rows(name)
    assert rows(name) != rows(name, seed=1)


@pytest.mark.parametrize("name", NAMES)
def test_no_row_comes_twice_and_labels_are_as_frequent(name):
    found = rows(name)
    assert len({(row.text, row.parts) for row in found}) == len(found)
    counts = Counter(row.label for row in found)
    assert max(counts.values()) - min(counts.values()) <= 1


def test_figures_of_one_sentence_fit_what_it_tells():
    said = "{lo} {hi} {smaller} {small}"
    for n in range(50):
        made = sample.Sample(("text",), {}, {"x": (said,)})
        row = sample._fresh(made, "x", [0], set(), Random(str(n)), "")
        low, high, smaller, small = map(float, row.text.split())
        assert low < high
        assert smaller < small


def test_an_unknown_sample_is_refused_with_those_there_are():
    with pytest.raises(ConfigError, match="there are: news, phrasebank"):
        rows("poems")


def test_more_rows_than_the_templates_give_are_refused(monkeypatch, tmp_path):
    (tmp_path / "one.txt").write_text("columns: text\n= a\nalways the same\n", encoding="utf-8")
    monkeypatch.setattr(sample, "SAMPLES", tmp_path)
    with pytest.raises(ConfigError, match="give no more rows"):
        rows("one", 2)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_over_a_sample_builds_and_puts_whole_templates_on_one_side(path, tmp_path):
    card = build(path, tmp_path, tmp_path / "datasets")
    folder = tmp_path / "datasets" / card.name
    assert card.sides["train"].n_rows > card.sides["test"].n_rows > 100
    from bench.datasets.folder import rows as side_rows

    if card.recipe.get("task") is not None:  # sayings have no labels, and their templates are no answers
        learnt = {
            (row.group, row.title is None)
            for side in ("train", "validation")
            for row in side_rows(folder, side)
        }
        assert not learnt & {(row.group, row.title is None) for row in side_rows(folder, "test")}
    if (task := card.recipe.get("task")) is not None:
        labels = {row.label for row in side_rows(folder, "test")}
        assert labels == set(tasks.load(task).labels)


@pytest.mark.parametrize("name", ["judged_sentences", "judged_messages"])
def test_what_bases_read_has_no_template_of_a_bundled_test(name, tmp_path):
    card = build(RECIPES[0].parents[1] / f"{name}.yaml", tmp_path, tmp_path / "datasets")
    from bench.datasets.folder import all_rows

    read = {row.group for row in all_rows(tmp_path / "datasets" / card.name)}
    source = card.recipe["sources"][0]["path"]
    asked = {row.group for row in rows(source, 200, templates="held_out")}
    assert asked
    assert not read & asked


def test_the_reader_is_found_by_its_name():
    assert "sample" in plugins.names("datasets.readers")
