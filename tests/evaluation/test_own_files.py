"""Where a training's files lie: in the folder that is named, whatever `arm.json` says from elsewhere."""

import shutil
from pathlib import Path

import pytest

from bench.errors import ModelFileError
from bench.evaluation import own_files
from bench.evaluation.folder import read_folder
from tests.evaluation.made import HEAD, training, write_folder

ADAPTER = "models/tiny/lora/adapter"
FOLDER = Path("models/tiny/lora")


def adapter_of(folder):
    return own_files.own(ADAPTER, folder, "lora", "the adapter")


@pytest.fixture
def copied():
    """A copy of a training that stands beside it."""
    Path(ADAPTER).mkdir(parents=True)
    return Path(shutil.copytree("models/tiny", "copies/tiny")) / "lora"


def test_what_lies_in_the_folder_keeps_its_name(copied):
    assert adapter_of(FOLDER) == ADAPTER
    assert adapter_of(FOLDER.absolute()) == ADAPTER


@pytest.mark.parametrize("renamed", ["lora", "other"])
def test_a_copied_training_has_its_own_adapter(copied, renamed):
    folder = copied.rename(copied.with_name(renamed))
    assert adapter_of(folder) == str(folder / "adapter")


def test_a_copy_that_lacks_its_adapter_does_not_take_the_originals(copied):
    (copied / "adapter").rmdir()
    with pytest.raises(ModelFileError, match=r"copies/tiny/lora/arm\.json: names the adapter models/tiny"):
        adapter_of(copied)


@pytest.mark.parametrize("named", ["hf/adapter", "models/tiny/lora/../../../hf/adapter", "lora/\0"])
def test_an_adapter_of_another_place_is_refused(named):
    Path("hf/adapter").mkdir(parents=True)
    FOLDER.mkdir(parents=True)
    with pytest.raises(ModelFileError, match="which is no part of models/tiny/lora"):
        own_files.own(named, FOLDER, "lora", "the adapter")


def test_a_part_that_is_a_link_is_a_part(copied):
    (copied / "adapter").rmdir()
    (copied / "adapter").symlink_to(Path("elsewhere").absolute())
    Path("elsewhere").mkdir()
    assert adapter_of(copied) == str(copied / "adapter")


def test_a_training_that_is_called_as_its_model_is_found():
    folder = Path("copies/tiny/model")
    (folder / "model").mkdir(parents=True)
    found = own_files.own("models/tiny/model/model", folder, "model", "the model")
    assert found == "copies/tiny/model/model"


def test_a_copied_recipe_reads_its_own_models_and_base():
    adapter = training("lora", backend="hf", ref="models/tiny/base", adapter=ADAPTER)
    head = training("head", "head", backend="hf", ref="models/tiny/head/model", options=HEAD)
    folder = write_folder(adapter, head, base={"backend": "hf", "ref": "models/tiny/base"})
    for part in ("base", "lora/adapter", "head/model"):
        (folder / part).mkdir()
    here, there = read_folder(folder), read_folder(Path(shutil.copytree(folder, "copies/again")))
    assert here.trained[0].arm.adapter == ADAPTER
    assert [one.arm.ref for one in here.trained] == ["models/tiny/base", "models/tiny/head/model"]
    assert there.trained[0].arm.adapter == "copies/again/lora/adapter"
    assert [one.arm.ref for one in there.trained] == ["copies/again/base", "copies/again/head/model"]
    assert there.base is not None
    assert there.base.ref == "copies/again/base"


def test_a_base_may_lie_anywhere(copied):
    assert own_files.base("models/other/pretrained", copied.parent, "tiny") == "models/other/pretrained"
    assert own_files.base("hf://owner/base", copied.parent, "owner") == "hf://owner/base"


def test_a_copied_recipe_without_a_models_files_is_refused():
    head = training("head", "head", backend="hf", ref="models/tiny/head/model", options=HEAD)
    folder = write_folder(head)
    copied = Path(shutil.copytree(folder, "copies/tiny"))
    (folder / "head" / "model").mkdir()
    with pytest.raises(ModelFileError, match="names the model models/tiny/head/model, which is no part of"):
        read_folder(copied)
