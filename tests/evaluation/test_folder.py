"""What a training left, read back; every file that is wrong is named with what to do."""

import json

import pytest

from bench.errors import ConfigError, UsageError
from bench.evaluation.folder import read_folder
from tests.evaluation.made import HEAD, TASK, training, write_folder


def test_a_folder_says_what_was_trained_and_what_was_held_out():
    folder = write_folder(training("lora"), training("head", "head", backend="hf", options=HEAD))
    found = read_folder(folder)
    assert [one.arm.variant for one in found.trained] == ["lora", "head"]
    assert [one.arm.variant for one in found.causal] == ["lora"]
    assert [(test.task, test.file) for test in found.tests] == [(TASK, "test.jsonl")]
    assert found.base is not None
    assert found.notes == ()


def test_a_model_that_fills_gaps_writes_nothing(tmp_path):
    (tmp_path / "config.json").write_text('{"architectures": ["DistilBertForMaskedLM"]}')
    folder = write_folder(training("lora"), training("pretrained", "pretraining", ref=str(tmp_path)))
    assert [one.arm.variant for one in read_folder(folder).causal] == ["lora"]


def test_a_training_that_is_not_finished_is_told_and_left_out():
    folder = write_folder(training("lora"), training("qlora"))
    (folder / "qlora" / "arm.json").unlink()
    found = read_folder(folder)
    assert [one.arm.variant for one in found.trained] == ["lora"]
    assert found.notes == ("not finished, so not measured: qlora",)


def expected(folder, **inputs):
    """What the recipe says of what its trainings are made of."""
    data = json.loads((folder / "recipe.json").read_text())
    data["trainings"] = [entry | {"inputs": inputs[entry["name"]]} for entry in data["trainings"]]
    (folder / "recipe.json").write_text(json.dumps(data))


def test_a_training_of_other_inputs_is_told_and_left_out():
    folder = write_folder(training("lora"), training("qlora"))
    expected(folder, lora="now", qlora="now")
    for name, made_of in (("lora", "before"), ("qlora", "now")):
        (folder / name / "card.json").write_text(json.dumps({"inputs": made_of, "name": name}))
    found = read_folder(folder)
    assert [one.arm.variant for one in found.trained] == ["qlora"]
    (note,) = found.notes
    assert note.startswith("made of other data or settings than recipe.json has now, so not measured")
    assert "lora; `bench train`" in note
    expected(folder, lora="now", qlora="later")
    with pytest.raises(UsageError, match="lora, qlora: made of other data or settings than"):
        read_folder(folder)


def test_a_finished_training_without_a_card_is_named():
    folder = write_folder(training("lora"))
    expected(folder, lora="now")
    with pytest.raises(ConfigError, match=r"card\.json: cannot be read: No such file"):
        read_folder(folder)


def test_a_folder_that_no_training_made_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"no recipe\.json in it; name a folder that `bench train"):
        read_folder(tmp_path)


def test_a_folder_without_a_finished_training_is_refused():
    folder = write_folder(training("lora"))
    (folder / "lora" / "arm.json").unlink()
    with pytest.raises(UsageError, match="no training in it is finished"):
        read_folder(folder)


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("recipe.json", "{", r"recipe\.json: file: Invalid JSON"),
        ("recipe.json", '{"trainings": []}', r"recipe\.json: recipe: Field required"),
        ("lora/arm.json", '{"family": "tiny"}', r"arm\.json: ref: Field required; `bench train`"),
        ("lora/arm.json", "\xff", r"arm\.json: file: Invalid JSON"),
    ],
)
def test_a_file_that_is_damaged_is_named(name, content, match):
    folder = write_folder(training("lora"))
    (folder / name).write_bytes(content.encode("latin-1"))
    with pytest.raises(ConfigError, match=match):
        read_folder(folder)


def test_held_out_items_that_are_gone_are_named():
    folder = write_folder(training("lora"))
    (folder / "test.jsonl").unlink()
    with pytest.raises(ConfigError, match=r"test\.jsonl: no such file, though recipe\.json names it"):
        read_folder(folder)


def test_items_outside_the_folder_are_refused():
    folder = write_folder(training("lora"))
    data = json.loads((folder / "recipe.json").read_text())
    data["tests"][0]["file"] = "../../secret.jsonl"
    (folder / "recipe.json").write_text(json.dumps(data))
    with pytest.raises(ConfigError, match="is no plain file name"):
        read_folder(folder)
