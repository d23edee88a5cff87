"""Recipes: what ships is right, and what is wrong is named."""

import pytest
import yaml

from bench.errors import ConfigError
from bench.train import find_recipe, is_tuning, presets
from bench.training.recipe import load_recipe
from bench.training.tuning_file import load as load_tuning


@pytest.fixture
def write(tmp_path):
    def write_recipe(change):
        data = yaml.safe_load(find_recipe("nano").read_text(encoding="utf-8"))
        change(data)
        path = tmp_path / "recipe.yaml"
        path.write_text(yaml.safe_dump(data), encoding="utf-8")
        return path

    return write_recipe


def test_every_preset_is_a_recipe():
    for name, path in presets().items():
        if is_tuning(path):
            assert load_tuning(path).recipe.description
        else:
            assert load_recipe(path).family == name


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.update(colour="red"), "colour"),
        (lambda d: d["lora"].update(r=0), "lora.r"),
        (lambda d: d["lora"].update(targets=["q_proj", "lm_head"]), "lm_head takes no adapter"),
        (lambda d: d["architecture"].update(hidden=300), "architecture.hidden"),
        (lambda d: d["architecture"].update(heads=3), "architecture"),
        (lambda d: d["base"].update(phases=[]), "base.phases"),
        (lambda d: d.update(quants=["q2_K"]), "quants"),
        (lambda d: d.update(family="../x"), "family"),
        (lambda d: d.pop("lora"), "lora"),
    ],
)
def test_a_wrong_recipe_names_file_and_field(write, change, said):
    path = write(change)
    with pytest.raises(ConfigError) as caught:
        load_recipe(path)
    assert str(path) in str(caught.value)
    assert said in str(caught.value)


def test_a_file_that_is_not_yaml_is_a_config_error(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("family: [", encoding="utf-8")
    with pytest.raises(ConfigError, match="not YAML"):
        load_recipe(path)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"", b"- a\n"])
def test_a_file_of_another_kind_is_a_config_error(tmp_path, content):
    path = tmp_path / "recipe.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError):
        load_recipe(path)


def test_a_missing_file_is_a_config_error(tmp_path):
    with pytest.raises(ConfigError, match="No such file"):
        load_recipe(tmp_path / "none.yaml")
