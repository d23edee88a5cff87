"""Every small recipe, cut to seconds: bundled samples in, trained arms and their evaluation table out."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml

from bench.errors import ConfigError
from bench.evaluate import evaluate
from bench.training import trainer_arguments, tuning_file
from bench.tune import tune

RECIPES = Path(__file__).parents[1] / "recipes"
SMALL = sorted(path.stem for path in (RECIPES / "small").glob("*.yaml"))
FULL = sorted((RECIPES / "full").glob("*.yaml"))
BASES = [name for name in SMALL if name.startswith("base-")]
TINY = {"hidden": 64, "intermediate": 64, "layers": 1, "heads": 2, "vocabulary": 700, "news": 4}
ROWS = 240


@pytest.fixture(scope="module")
def cut(tmp_path_factory):
    """A copy of the recipes in which everything is small: data, models, steps."""
    root = tmp_path_factory.mktemp("recipes")
    shutil.copytree(RECIPES, root / "recipes")
    for path in (root / "recipes").glob("data/**/*.yaml"):
        _rewrite(path, _less_data)
    for path in (root / "recipes" / "small").glob("*.yaml"):
        _rewrite(path, _less_training)
    return root


def _rewrite(path, change):
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def _less_data(recipe):
    for source in recipe["sources"]:
        if source["reader"] == "sample":
            source["rows"] = ROWS


def _less_training(recipe):
    data = recipe.get("data", [])
    for one in data if isinstance(data, list) else [data]:
        one["per_label"] = {"train": 4, "validation": 2, "test": 2}
    for training in recipe["trainings"]:
        method, trainer = training["method"], training["trainer"]
        if method["kind"] == "pretraining":
            method |= TINY
            method |= {"conversations": 4} if "conversations" in method else {}
        elif "r" in method:
            method |= {"r": 2, "alpha": 4}
        training["trainer"] = {
            name: value for name, value in trainer.items() if name not in {"epochs", "patience"}
        }
        training["trainer"] |= {"steps": 2, "batch_size": 2, "max_tokens": 1024}
        if method["kind"] == "pretraining":
            training["trainer"]["max_tokens"] = 256
    recipe["evaluation"] |= {"max_tokens": 4, "forgetting_documents": 3}
    recipe["evaluation"].pop("forgetting", None)


@pytest.fixture
def folder(cut, monkeypatch):
    """The same for all tests here, so that a base is made once."""
    monkeypatch.chdir(cut)
    return cut


def made(folder, name):
    return tune(folder / "recipes" / "small" / f"{name}.yaml", Path("models"), folder / "no data here")


@pytest.mark.parametrize("name", BASES)
def test_a_base_is_made_on_bundled_samples(name, folder):
    tuned = made(folder, name)
    assert (Path(tuned.trainings[-1].arm["ref"]) / "config.json").is_file()
    if tuned.is_measured:
        evaluate(tuned.folder, root=folder / "no data here", only=["csv"])


@pytest.mark.parametrize("name", [name for name in SMALL if name not in BASES])
def test_a_recipe_trains_and_is_measured_on_bundled_samples(name, folder):
    tuned = made(folder, name)
    result = evaluate(tuned.folder, root=folder / "no data here", only=["csv"])
    if not result.tasks:
        assert result.forgetting is not None
        assert len(result.forgetting.table), result.forgetting.notes
        assert (tuned.folder / "forgetting.csv").is_file()
        return
    table = pd.read_csv(tuned.folder / "evaluation.csv")
    trained = {
        plan.name for plan in tuning_file.load(folder / "recipes" / "small" / f"{name}.yaml").trainings
    }
    assert trained <= set(table["variant"])
    assert table["accuracy"].between(0, 1).all()
    untuned = yaml.safe_load((folder / "recipes" / "small" / f"{name}.yaml").read_text())["evaluation"]
    assert len(table) == len(result.tasks) * (len(trained) + len(untuned["untuned"]))


@pytest.mark.parametrize("path", FULL, ids=lambda path: path.stem)
def test_a_full_recipe_is_refused_until_its_base_has_a_commit(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(trainer_arguments, "refuse", lambda options: None)  # as where there is a GPU
    with pytest.raises(ConfigError, match="commit"):
        tune(path, tmp_path / "models", tmp_path / "no data here")


def test_no_base_reads_a_test_item_of_a_recipe(folder):
    from bench.datasets.row import text_key
    from bench.tune_data import prepare

    def loaded(name):
        return tuning_file.load(folder / "recipes" / "small" / f"{name}.yaml")

    here, sets = folder / "recipes" / "small", folder / "datasets"
    for name in (name for name in SMALL if name not in BASES):
        recipe = loaded(name).recipe
        if recipe.task is None or recipe.base is None:
            continue
        base = loaded(Path(str(recipe.base.recipe)).stem).recipe
        read = prepare(base, here, folder, sets, print).texts
        asked = prepare(recipe, here, folder, sets, print, answers=False).tasks
        tested = {text_key(article.text, "words") for one in asked for article in one.test}
        assert tested
        assert not tested & {text_key(text, "words") for text in (*read.train, *read.validation)}
