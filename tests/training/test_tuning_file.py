"""Recipe files of trainings: what is said of mistakes, and what a sweep spreads out to."""

import subprocess
import sys
import textwrap

import pytest

from bench.errors import ConfigError
from bench.training.tuning_file import load

BASE = "base: {ref: models/base}\n"


def recipe(tmp_path, text):
    path = tmp_path / "recipe.yaml"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


def trainings(tmp_path, text):
    listed = textwrap.indent(textwrap.dedent(text).strip("\n"), "  ")
    return load(recipe(tmp_path, f"name: r\n{BASE}trainings:\n{listed}\n"))


def test_a_list_for_one_value_is_a_sweep_over_every_combination(tmp_path):
    found = trainings(
        tmp_path,
        """
        - name: lora
          method: {kind: lora, r: [4, 16], alpha: 8}
          trainer: {rate: [2.0e-4, 1.0e-3], epochs: 2}
        - {name: full, method: {kind: full}}
        """,
    ).trainings
    assert [plan.name for plan in found] == [
        "lora-r4-rate0.0002",
        "lora-r4-rate0.001",
        "lora-r16-rate0.0002",
        "lora-r16-rate0.001",
        "full",
    ]
    assert [plan.options.model_dump().get("r") for plan in found] == [4, 4, 16, 16, None]
    assert [plan.trainer.rate for plan in found[:2]] == [2e-4, 1e-3]
    assert found[2].swept == {"r": 16, "rate": 2e-4}
    assert found[4].swept == {}


def test_a_list_where_a_field_holds_one_is_no_sweep_and_a_list_of_lists_is(tmp_path):
    one = trainings(tmp_path, "- {name: a, method: {kind: lora, targets: [q_proj, v_proj]}}").trainings
    assert [plan.options.model_dump()["targets"] for plan in one] == [("q_proj", "v_proj")]
    lists = "- {name: a, method: {kind: lora, targets: [[q_proj], [q_proj, v_proj]]}}"
    two = trainings(tmp_path, lists).trainings
    assert [plan.name for plan in two] == ["a-targetsq_proj", "a-targetsq_proj_v_proj"]


def test_a_sweep_over_fields_of_peft_tells_lists_from_sweeps(tmp_path):
    pytest.importorskip("peft", reason="the train extra is not installed")
    found = trainings(
        tmp_path,
        "- {name: a, method: {kind: peft, type: loha, r: [2, 4], target_modules: [q_proj, v_proj]}}",
    ).trainings
    assert [plan.name for plan in found] == ["a-r2", "a-r4"]
    assert found[1].options.model_dump()["target_modules"] == ["q_proj", "v_proj"]


WRONG = [
    (
        "- {name: a, method: {kind: lora, r: 0}}",
        r"yaml:4: r: input should be greater than or equal to 1",
    ),
    ("- {name: a, method: {kind: lora, r: [4, x]}}", r"yaml:4: r: input should be a valid integer"),
    (
        "- {name: a, method: {kind: lora, rank: 4}}",
        r"yaml:4: rank: unknown key; known here: r, alpha",
    ),
    ("- {name: a, method: {kind: lorra}}", r"yaml:4: .*no method 'lorra'; known: full, .*lora"),
    ("- {name: a, method: {r: 4}}", r"yaml:4: .*no `kind`; known: "),
    ("- name: a\n  method: {kind: full}\n  trainer: {rate: 2e-4}", r"yaml:6: rate: .*write 0\.0002"),
    ("- name: a\n  method: {kind: full}\n  trainer: {epoch: 2}", r"yaml:6: epoch: unknown key"),
    (
        "- {name: a, method: {kind: full}, traner: {}}",
        r"yaml:4: trainings\.0\.traner: unknown key; known",
    ),
    ("- {name: a, method: {kind: lora, r: []}}", r"yaml:4: .*r: an empty list"),
    ("- {name: base, method: {kind: full}}", r"yaml:4: .*the name of another folder"),
    ("- {name: a, method: {kind: full}}\n- {name: a, method: {kind: full}}", "two trainings are called a"),
    ("- {name: a, method: {kind: lora, targets: 3}}", r"yaml:4: targets: "),
]


@pytest.mark.parametrize(("text", "said"), WRONG, ids=[said[:40] for _, said in WRONG])
def test_a_mistake_is_named_with_its_line(tmp_path, text, said):
    with pytest.raises(ConfigError, match=said):
        trainings(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("data: {}", r"yaml:2: data\.0: give either `recipe` or `set`"),
        ("data: {recipe: a.yaml, set: b}", r"yaml:2: data\.0: give either"),
        ("data: {set: b, bundled: c.yaml}", r"yaml:2: data\.0\.bundled: it stands in for `recipe`"),
        (
            "data: {set: b, pre_label: {train: 3}}",
            r"yaml:2: data\.0\.pre_label: unknown key; known here: recipe,",
        ),
        (
            "data: {set: b, per_label: {trian: 3}}",
            r"yaml:2: data\.0\.per_label\.trian: unknown key; known here: train",
        ),
        ("data: [{set: a, task: x}, {set: b}]", r"yaml:2: data\.1: others have a task"),
        ("data: {set: a}\nintroduce: gradually", r"yaml:3: introduce: gradually needs several tasks"),
        ("general_text: {bundled: false}", r"yaml:2: general_text: no files"),
    ],
)
def test_a_mistake_in_a_recipes_own_parts_is_named_with_its_line(tmp_path, text, said):
    text = f"name: r\n{text}\n{BASE}trainings:\n  - {{name: a, method: {{kind: full}}}}\n"
    with pytest.raises(ConfigError, match=said):
        load(recipe(tmp_path, text))


def test_a_method_that_needs_a_base_asks_for_it(tmp_path):
    with pytest.raises(ConfigError, match=r"yaml:3: .*full starts from a base model; set `base`"):
        load(recipe(tmp_path, "name: r\ntrainings:\n  - {name: a, method: {kind: full}}\n"))


def test_one_base_is_given_in_one_way(tmp_path):
    text = "name: r\nbase: {ref: a, recipe: b.yaml}\ntrainings:\n  - {name: a, method: {kind: full}}\n"
    with pytest.raises(ConfigError, match=r"yaml:2: base: give either `ref` or `recipe`"):
        load(recipe(tmp_path, text))


def test_reading_a_recipe_loads_no_torch(tmp_path):
    path = recipe(tmp_path, f"name: r\n{BASE}trainings:\n  - {{name: a, method: {{kind: qlora, r: 4}}}}\n")
    code = "import sys; from pathlib import Path; from bench.training.tuning_file import load\n"
    code += f"load(Path({str(path)!r}))"
    code += "\nassert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
