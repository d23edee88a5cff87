"""A recipe of trainings from its file to its arms: data, base, what is kept and what is made anew."""

import functools
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from filelock import FileLock
from typer.testing import CliRunner

import bench.evaluate
from bench import tune as tuning_joiner
from bench.cli.app import app
from bench.errors import ConfigError, ModelFileError, RunLockedError, UsageError
from bench.evaluation.folder import read_folder
from bench.tune_data import sampled

pytest.importorskip("trl", reason="the train extra is not installed")

from bench.datasets.row import Row
from bench.training import methods
from bench.training.hf_trainer import Watch
from tests.training import tuning

WORDS = {"positive": ("rose", "doubled"), "negative": ("fell", "closed"), "neutral": ("met", "moved")}


TONE = """name: {name}
version: "1"
labels: [negative, neutral, positive]
user: "{{article}}"
answer: {{form: label, label: label, fields: [{{name: label, type: text}}]}}
items: []
"""


def rows(n, seed=0):
    """Sentences of made-up names whose verb tells their label."""
    draw = random.Random(seed)
    found = []
    for place in range(n):
        label = list(WORDS)[place % 3]
        names = ["".join(draw.choices("abdegiklmnorstu", k=5)) for _ in range(3)]
        found.append((f"{names[0]} {draw.choice(WORDS[label])} {' '.join(names[1:])}.", label))
    return found


def write_data(folder, name="mini", listed=None, **more):
    """A file of rows and a recipe of data over it."""
    lines = [f'"{text}",{label}' for text, label in (listed or rows(90))]
    (folder / f"{name}.csv").write_text("text,label\n" + "\n".join(lines) + "\n", encoding="utf-8")
    wanted = {
        "name": name,
        "task": "phrasebank",
        "sources": [
            {"reader": "table", "path": f"{name}.csv", "columns": {"text": "text", "label": "label"}}
        ],
        "steps": [{"step": "labels", "confidence": 0.9}],
        "split": {"train": 0.6, "validation": 0.2, "test": 0.2},
        **more,
    }
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(wanted), encoding="utf-8")


def write_recipe(folder, name="demo", **changes):
    """A recipe of one short training."""
    wanted = {
        "name": name,
        "task": "tone.yaml",
        "data": {"recipe": "mini.yaml", "per_label": {"train": 4, "validation": 2, "test": 3}},
        "base": {"ref": "base"},
        "trainings": [{"name": "full", "method": {"kind": "full"}, "trainer": SHORT}],
        "evaluation": {"untuned": [], "max_tokens": 4},
        **changes,
    }
    path = folder / f"{name}.yaml"
    wanted = {key: value for key, value in wanted.items() if value is not None}
    path.write_text(yaml.safe_dump(wanted), encoding="utf-8")
    return path


SHORT = {"steps": 2, "batch_size": 4, "max_tokens": 500}


@pytest.fixture(scope="module")
def made_base(tmp_path_factory):
    return tuning.base(tmp_path_factory.mktemp("tune") / "base", hidden=16)


@pytest.fixture
def place(tmp_path, made_base):
    """A working folder with a base and data."""
    (tmp_path / "base").symlink_to(made_base)
    write_data(tmp_path)
    for name in ("tone", "mood"):
        (tmp_path / f"{name}.yaml").write_text(TONE.format(name=name), encoding="utf-8")
    return tmp_path


def tune(recipe, **more):
    watched = tuning.Noted()
    return tuning_joiner.tune(recipe, progress=watched, **more), watched


def read(path):
    return json.loads(Path(path).read_text(encoding="utf-8"))


def kept_in(seen):
    """A training that keeps its job and goes no further."""

    def train(job):
        seen.append(job)
        raise KeyboardInterrupt

    return train


def test_a_classifier_made_from_nothing_is_no_fine_tuning_of_the_base(place):
    wanted = [
        {"name": "lora", "method": {"kind": "lora", "r": 2}, "trainer": SHORT},
        {"name": "lstm", "method": {"kind": "lstm", "hidden": 8, "embedding": 8}, "trainer": SHORT},
    ]
    tune(write_recipe(place, trainings=wanted))
    families = {name: read(f"models/demo/{name}/arm.json")["family"] for name in ("lora", "lstm")}
    assert families == {"lora": "demo", "lstm": "demo-scratch"}


def test_a_recipe_leaves_arms_cards_and_held_out_items(place):
    wanted = [{"name": "lora", "method": {"kind": "lora", "r": [2, 4]}, "trainer": SHORT}]
    made, _ = tune(write_recipe(place, trainings=wanted))
    assert [found.name for found in made.trainings] == ["lora-r2", "lora-r4"]
    arm = read("models/demo/lora-r4/arm.json")
    assert arm["family"] == "demo"
    assert arm["variant"] == "lora-r4"
    assert (arm["quant"], arm["backend"], arm["ref"]) == ("fp32", "hf", "base")
    assert Path(arm["adapter"], "adapter_model.safetensors").is_file()
    card = read("models/demo/lora-r4/card.json")
    assert card["swept"] == {"r": 4}
    assert card["facts"]["steps"] == len(card["facts"]["losses"]) == 2
    assert card["facts"]["data"]["examples"] == 12
    items = [json.loads(line) for line in Path("models/demo/test.jsonl").read_text().splitlines()]
    assert sorted(item["label"] for item in items) == sorted([*WORDS] * 3)
    recipe = read("models/demo/recipe.json")
    assert recipe["tests"] == [{"task": str(place / "tone.yaml"), "file": "test.jsonl"}]
    assert [found["name"] for found in recipe["trainings"]] == ["lora-r2", "lora-r4"]
    assert not list(Path("models/demo/.work").glob("lora*"))


def test_what_did_not_change_is_not_trained_again_and_what_did_is(place):
    recipe = write_recipe(place)
    first, _ = tune(recipe)
    assert first.trainings[0].is_new
    weights = Path("models/demo/full/model/model.safetensors")
    kept = weights.read_bytes()
    again, watched = tune(recipe)
    assert not again.trainings[0].is_new
    assert "full: unchanged, kept" in watched.notes
    write_data(place, listed=rows(90, seed=5))
    changed, watched = tune(recipe)
    assert changed.trainings[0].is_new
    assert "building the data set mini" in watched.notes
    assert weights.read_bytes() != kept


def test_a_training_that_was_stopped_goes_on_where_it_was(place, monkeypatch):
    trainings = [
        {"name": "full", "method": {"kind": "full"}, "trainer": SHORT | {"save_steps": 1, "steps": 3}}
    ]
    unbroken, _ = tune(write_recipe(place, "whole", trainings=trainings))

    def stop(self, *args, **kwargs):
        saved(self, *args, **kwargs)
        raise KeyboardInterrupt

    saved = Watch.on_save
    recipe = write_recipe(place, trainings=trainings)
    monkeypatch.setattr(Watch, "on_save", stop)
    with pytest.raises(KeyboardInterrupt):
        tune(recipe)
    monkeypatch.setattr(Watch, "on_save", saved)
    assert not Path("models/demo/full/arm.json").exists()
    resumed, _ = tune(recipe)
    facts, wanted = (made.trainings[0].facts["facts"] for made in (resumed, unbroken))
    assert facts["resumed_at"] == 1
    assert facts["losses"] == wanted["losses"]


def test_no_test_item_is_ever_learnt_from(place, monkeypatch):
    seen: list[Any] = []
    monkeypatch.setattr(methods.load("full"), "train", kept_in(seen))
    # the second task's training side holds texts of the first one's test side
    shared = [*rows(90)[:60], *rows(30, seed=3)]
    write_data(place, "other", shared, split={"train": 0.9, "validation": 0.05, "test": 0.05})
    wanted = [{"recipe": "mini.yaml"}, {"recipe": "other.yaml"}]
    recipe = write_recipe(place, data=wanted)
    watched = tuning.Noted()
    with pytest.raises(KeyboardInterrupt):
        tuning_joiner.tune(recipe, progress=watched)
    learnt = {example.text for example in (*seen[0].data.train, *seen[0].data.validation)}
    held_out = [json.loads(line) for line in Path("models/demo/test.jsonl").read_text().splitlines()]
    assert learnt
    assert len(held_out) > 18  # of both sets, which are one task
    assert not learnt & {item["text"] for item in held_out}
    assert any("are test items of this recipe and are left out" in note for note in watched.notes)


def test_no_item_of_a_task_that_is_only_asked_is_learnt_from(place, monkeypatch):
    seen: list[Any] = []
    monkeypatch.setattr(methods.load("full"), "train", kept_in(seen))
    write_data(place, "other", split={"train": 0.1, "validation": 0.1, "test": 0.8})
    asked = {"recipe": "other.yaml", "task": "mood.yaml"}
    recipe = write_recipe(place, data={"recipe": "mini.yaml"}, evaluation={"other_task": asked})
    watched = tuning.Noted()
    with pytest.raises(KeyboardInterrupt):
        tuning_joiner.tune(recipe, progress=watched)
    learnt = {example.text for example in (*seen[0].data.train, *seen[0].data.validation)}
    items = [json.loads(line) for line in Path("models/demo/test-other-mood.jsonl").read_text().splitlines()]
    assert learnt
    assert len(items) > 60
    assert not learnt & {item["text"] for item in items}
    assert any("of the train texts are test items" in note for note in watched.notes)


@pytest.mark.parametrize("task", ["mood.yaml", None])
def test_no_text_of_a_validation_side_is_learnt_from(place, monkeypatch, task):
    """With a task for each set, and with texts alone."""
    seen: list[Any] = []
    kind = "full" if task else "pretraining"
    monkeypatch.setattr(methods.load(kind), "train", kept_in(seen))
    write_data(place, "other", split={"train": 0.3, "validation": 0.6, "test": 0.1})
    wanted = [{"recipe": "mini.yaml"}, {"recipe": "other.yaml", **({"task": task} if task else {})}]
    trainings = [{"name": "one", "method": {"kind": kind}, "trainer": SHORT}]
    recipe = write_recipe(place, data=wanted, task=task and "tone.yaml", trainings=trainings)
    watched = tuning.Noted()
    with pytest.raises(KeyboardInterrupt):
        tuning_joiner.tune(recipe, progress=watched)
    data = seen[0].data
    learnt = {example.text for example in data.train} if task else set(data.texts)
    looked_at = {example.text for example in data.validation} if task else set(data.validation_texts)
    assert learnt
    assert len(looked_at) > 50
    assert not learnt & looked_at
    assert any("are on a validation side of this recipe" in note for note in watched.notes)


def test_sampling_is_balanced_and_follows_the_seed():
    pool = [Row(f"text {n}", "a" if n % 4 else "b") for n in range(40)]
    first = sampled(pool, 8, "0/x")
    assert [row.label for row in first].count("a") == [row.label for row in first].count("b") == 8
    assert first == sampled(pool, 8, "0/x")
    assert set(first) != set(sampled(pool, 8, "1/x"))
    assert len(sampled(pool, None, "0/x")) == 40


def test_a_shortage_and_a_bundled_set_are_said(place):
    write_data(place, "small", rows(45))
    data = {"recipe": "mini.yaml", "bundled": "small.yaml", "per_label": {"train": 500}}
    (place / "mini.csv").unlink()
    (place / "elsewhere").mkdir()
    (place / "elsewhere" / "small.csv").write_bytes((place / "small.csv").read_bytes())
    _, watched = tune(write_recipe(place, data=data), root=place / "elsewhere")
    said = " | ".join(watched.notes)
    assert "mini.yaml: its files are not below" in said
    assert "small, bundled, stands in for it" in said
    assert "small, train: 500 of each label are asked for; there are " in said


def test_data_that_are_nowhere_name_the_option(place):
    (place / "mini.csv").unlink()
    with pytest.raises(ConfigError, match=r"mini\.csv: no such file; give the folder .* --data-root"):
        tune(write_recipe(place))


def test_another_recipe_makes_the_base(place):
    write_recipe(place, "first")
    later = [{"name": "lora", "method": {"kind": "lora", "r": 2}, "trainer": SHORT}]
    made, _ = tune(write_recipe(place, "second", base={"recipe": "first.yaml"}, trainings=later))
    assert made.trainings[0].arm["ref"] == "models/first/full/model"
    third = write_recipe(place, "third", base={"recipe": "second.yaml"})
    with pytest.raises(ConfigError, match="its last training leaves no whole model"):
        tune(third)


def test_a_base_without_a_template_gets_the_recipes(place):
    (place / "base").unlink()
    tuning.base(place / "base", template=None, hidden=16)
    with pytest.raises(ConfigError, match=r"set base\.chat_template"):
        tune(write_recipe(place))
    made, _ = tune(write_recipe(place, base={"ref": "base", "chat_template": "chatml"}))
    assert made.base == Path("models/demo/base")
    assert read("models/demo/recipe.json")["base"]["ref"] == "models/demo/base"
    again, _ = tune(write_recipe(place, base={"ref": "base", "chat_template": "chatml"}))
    assert not again.trainings[0].is_new


def test_texts_without_a_task_are_learnt_whole(place):
    write_data(place, "sayings", rows(40))
    recipe = write_recipe(place, task=None, data={"recipe": "sayings.yaml"})
    made, _ = tune(recipe)
    assert made.tests == ()
    counts = made.trainings[0].facts["facts"]["data"]
    assert counts["examples"] == 0
    assert counts["text_sequences"] > counts["validation_sequences"] > 0


def test_general_text_is_mixed_in_by_its_share(place):
    made, _ = tune(write_recipe(place, general_text={"share": 0.5}))
    counts = made.trainings[0].facts["facts"]["data"]
    assert counts["examples"] == counts["text_sequences"] == 12


def test_tasks_introduced_gradually_come_one_after_the_other(place, monkeypatch):
    seen: list[Any] = []
    monkeypatch.setattr(methods.load("full"), "train", kept_in(seen))
    write_data(place, "second", rows(60, seed=9))
    data = [
        {"recipe": "mini.yaml", "per_label": {"train": 4}},
        {"recipe": "second.yaml", "task": "mood.yaml", "per_label": {"train": 4}},
    ]
    trainings = [{"name": "full", "method": {"kind": "full"}, "trainer": {"epochs": 2}}]
    recipe = write_recipe(place, data=data, introduce="gradually", trainings=trainings)
    with pytest.raises(KeyboardInterrupt):
        tune(recipe)
    (job,) = seen
    order = [example.task for example in job.data.train]
    assert job.data.keep_order
    assert job.trainer.epochs == 1
    assert order[:24] == ["tone"] * 24
    assert order[24:].count("mood") == 24
    assert order[24:].count("tone") == 6
    assert {label for labels in job.data.labels.values() for label in labels} == set(WORDS)


@pytest.mark.parametrize(
    ("trainer", "said"),
    [
        ({"epochs": 1.5}, "epochs: 1.5: tasks introduced gradually need whole ones"),
        ({"patience": 1}, "patience: tasks introduced gradually are one pass"),
        ({"steps": 3}, "steps: tasks introduced gradually are seen to the end"),
        ({"group_by_length": True}, "group_by_length: true contradicts `introduce: gradually`"),
    ],
)
def test_what_tasks_introduced_gradually_cannot_honour_is_refused(place, trainer, said):
    write_data(place, "second", rows(60, seed=9))
    data = [{"recipe": "mini.yaml"}, {"recipe": "second.yaml", "task": "mood.yaml"}]
    trainings = [{"name": "full", "method": {"kind": "full"}, "trainer": trainer}]
    with pytest.raises(ConfigError, match=f"training full: {said}"):
        tune(write_recipe(place, data=data, introduce="gradually", trainings=trainings))
    assert not Path("models/demo/recipe.json").exists()


def test_only_what_is_named_is_trained(place):
    wanted = [
        {"name": "lora", "method": {"kind": "lora", "r": [2, 4]}, "trainer": SHORT},
        {"name": "full", "method": {"kind": "full"}, "trainer": SHORT},
    ]
    recipe = write_recipe(place, trainings=wanted)
    made, _ = tune(recipe, only=["lora-r4"])
    assert [found.name for found in made.trainings] == ["lora-r4"]
    with pytest.raises(UsageError, match=r"--only: no training 'x'; there are full, lora, lora-r2, lora-r4"):
        tune(recipe, only=["x"])


def test_a_training_of_an_earlier_split_is_not_measured_on_the_new_test_items(place):
    wanted = [{"name": name, "method": {"kind": "full"}, "trainer": SHORT} for name in ("a", "b")]
    recipe = write_recipe(place, trainings=wanted)
    tune(recipe)
    tune(recipe, only=["b"])  # nothing has changed
    assert [one.arm.variant for one in read_folder(Path("models/demo")).trained] == ["a", "b"]
    write_data(place, split={"train": 0.5, "validation": 0.2, "test": 0.3})
    tune(recipe, only=["b"])
    found = read_folder(Path("models/demo"))
    assert [one.arm.variant for one in found.trained] == ["b"]
    assert any("held-out items may have been learnt from): a" in note for note in found.notes)
    tune(recipe)
    assert read_folder(Path("models/demo")).notes == ()


def test_a_folder_in_use_is_refused(place):
    recipe = write_recipe(place)
    Path("models/demo/.work").mkdir(parents=True)
    with (
        FileLock("models/demo/.work/lock"),
        pytest.raises(RunLockedError, match="another process trains here"),
    ):
        tune(recipe)


def test_a_base_that_is_no_model_is_refused(place):
    with pytest.raises(ModelFileError, match="no such folder"):
        tune(write_recipe(place, base={"ref": "bose"}))


@pytest.mark.parametrize(
    ("base", "said"),
    [
        ({"ref": "hf://owner/model"}, r"base\.revision: hf://owner/model needs the 40 hex digits"),
        ({"ref": "hf://model", "revision": "0" * 40}, "not of the form hf://owner/repo"),
        ({"ref": "base", "revision": "0" * 40}, r"base\.revision: it belongs to a hub reference"),
        ({"recipe": "demo.yaml"}, "it names itself"),
        ({"recipe": "none.yaml"}, r"base\.recipe: none\.yaml: no such file"),
    ],
)
def test_a_base_that_cannot_be_found_is_refused(place, base, said):
    with pytest.raises(ConfigError, match=said):
        tune(write_recipe(place, base=base))


def test_recipes_that_name_each_other_as_base_are_refused_before_anything_is_made(place):
    write_recipe(place, "second", base={"recipe": "third.yaml"})
    write_recipe(place, "third", base={"recipe": "demo.yaml"})
    with pytest.raises(ConfigError, match=r"demo\.yaml -> second\.yaml -> third\.yaml -> demo\.yaml is a"):
        tune(write_recipe(place, base={"recipe": "second.yaml"}))
    assert not Path("models").exists()


def test_a_base_that_would_be_made_in_the_same_folder_is_refused(place):
    write_recipe(place).rename(place / "other.yaml")
    with pytest.raises(ConfigError, match=r"other\.yaml has the name demo too"):
        tune(write_recipe(place, base={"recipe": "other.yaml"}))


# ---------------------------------------------------------------- the command


def test_the_command_trains_measures_and_prints(place, monkeypatch):
    wanted = bench.evaluate.evaluate  # without the general text, which takes long to read
    monkeypatch.setattr(bench.evaluate, "evaluate", functools.partial(wanted, forgetting=False))
    result = CliRunner().invoke(app, ["train", str(write_recipe(place)), "--json"], catch_exceptions=False)
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["trainings"][0]["arm"]["variant"] == "full"
    (arm,) = found["evaluation"]["tasks"][0]["arms"]
    assert arm["arm"] == "demo/full/fp32@hf"
    assert arm["n_items"] == 9


def test_the_command_can_stop_after_the_training(place):
    recipe = write_recipe(place)
    result = CliRunner().invoke(app, ["train", str(recipe), "--no-evaluate"], catch_exceptions=False)
    assert "full" in result.stdout
    assert not Path("sentiments").exists()


def test_options_of_another_kind_of_recipe_are_refused(place):
    result = CliRunner().invoke(app, ["train", "--preset", "nano", "--only", "x"])
    assert isinstance(result.exception, UsageError)
    assert "--only belongs to a recipe with `trainings`" in str(result.exception)


@pytest.mark.slow
def test_two_processes_train_one_model_and_one_of_them_writes(place):
    recipe = write_recipe(place)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2", "--standalone"]
    done = subprocess.run(
        [*command, "-m", "bench", "train", str(recipe), "--no-evaluate", "--json"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (training,) = json.loads(done.stdout)["trainings"]  # said once
    alone, _ = tune(write_recipe(place, "alone"))
    facts, by_itself = training["card"]["facts"], alone.trainings[0].facts["facts"]
    assert facts["steps"] == by_itself["steps"] == 2
    assert facts["tokens"] > by_itself["tokens"]  # each of the two has a batch of its own
