import json

import pytest

from bench.errors import ModelFileError
from bench.hf_folder.files import INDEX, SINGLE, read_json, weight_files


def _index(folder, *names):
    folder.joinpath(INDEX).write_text(json.dumps({"weight_map": {f"w{i}": n for i, n in enumerate(names)}}))


def test_one_file_wins_over_an_index(tmp_path):
    (tmp_path / SINGLE).write_bytes(b"")
    _index(tmp_path, "part.safetensors")
    assert weight_files(tmp_path) == (tmp_path / SINGLE,)


def test_parts_come_in_the_order_of_their_names(tmp_path):
    _index(tmp_path, "b.safetensors", "a.safetensors", "b.safetensors")
    for name in "ab":
        (tmp_path / f"{name}.safetensors").write_bytes(b"")
    assert [path.name for path in weight_files(tmp_path)] == ["a.safetensors", "b.safetensors"]


@pytest.mark.parametrize("name", ["../away.safetensors", "/etc/away.safetensors", "weights.bin"])
def test_an_index_cannot_name_what_is_no_safetensors_of_the_folder(tmp_path, name):
    (tmp_path.parent / "away.safetensors").write_bytes(b"")
    _index(tmp_path, name)
    with pytest.raises(ModelFileError, match=r"names no \.safetensors files of this folder"):
        weight_files(tmp_path)


def test_a_missing_part_is_named(tmp_path):
    _index(tmp_path, "a.safetensors")
    with pytest.raises(ModelFileError, match=r"a\.safetensors is missing"):
        weight_files(tmp_path)


def test_pickled_weights_are_refused_by_name(tmp_path):
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(ModelFileError, match="pickle can run any code"):
        weight_files(tmp_path)


@pytest.mark.parametrize("text", ["[1]", "{", "[" * 100_000])
def test_what_is_no_json_object_is_one_line(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ModelFileError) as caught:
        read_json(tmp_path / "config.json")
    assert "\n" not in str(caught.value)
