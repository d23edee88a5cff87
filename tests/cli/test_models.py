"""`bench models`: a table of files, in which a damaged one is a row."""

import json

import pytest

from bench.cli import models
from bench.errors import UsageError
from tests.fixtures.tiny_gguf import make_tiny_gguf


def test_models_are_listed_and_a_damaged_one_is_a_row(tmp_path, capsys):
    folder = tmp_path / "models"
    (folder / "deep").mkdir(parents=True)
    make_tiny_gguf(folder / "deep" / "good.gguf", quant="q8_0")
    (folder / "bad.gguf").write_bytes(b"GGUF")
    models.command(folder, as_json=True)
    bad, good = json.loads(capsys.readouterr().out)
    assert (bad["file"], good["file"]) == ("bad.gguf", "deep/good.gguf")
    assert "cut off" in bad["error"]
    assert bad["digest"] is None
    assert (good["quant"], good["architecture"], good["context_tokens"]) == ("q8_0", "llama", 512)
    assert good["has_chat_template"] is True
    assert good["error"] is None
    models.command(folder, as_json=False)
    table = capsys.readouterr().out
    assert "deep/good.gguf" in table
    assert "bad.gguf: the file ends inside" in table


def test_a_name_cannot_write_to_the_terminal(tmp_path, capsys):
    (tmp_path / "a\x1b[2Jb.gguf").touch()
    models.command(tmp_path, as_json=False)
    assert "\x1b" not in capsys.readouterr().out


def test_a_folder_without_models_says_how_to_get_some(tmp_path, capsys):
    models.command(tmp_path, as_json=False)
    assert "bench train" in capsys.readouterr().err
    models.command(tmp_path, as_json=True)
    assert json.loads(capsys.readouterr().out) == []


def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(UsageError, match="no such folder"):
        models.command(tmp_path / "nothing", as_json=False)
