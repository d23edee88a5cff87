"""`bench models`: a table of files, in which a damaged one is a row."""

import json

import pytest
from typer.testing import CliRunner

from bench.cli import models
from bench.errors import UsageError
from tests.backends.loopback import FakeOllama
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


def test_a_folder_alone_means_its_list(tmp_path, monkeypatch, capsys):
    from bench.cli.app import app

    (tmp_path / "models").mkdir()
    for arguments in (["models"], ["models", str(tmp_path / "models")], ["models", "list", "models"]):
        assert CliRunner().invoke(app, arguments).exit_code == 0


def test_the_modelfile_is_printed_without_a_server(tmp_path):
    pytest.importorskip("llama_cpp")
    from bench.cli.app import app

    path = make_tiny_gguf(tmp_path / "tiny.gguf")
    done = CliRunner().invoke(app, ["models", "create", "mine", str(path), "--print"])
    assert done.output.startswith(f"FROM {path}\nTEMPLATE")


def test_what_ollama_has_is_listed_with_digests():
    from bench.cli.app import app

    with FakeOllama() as server:
        done = CliRunner().invoke(app, ["models", "served", "--host", server.address, "--json"])
        assert json.loads(done.output)[0]["digest"] == "sha256:" + "ab" * 32
        assert CliRunner().invoke(app, ["models", "pull", "llama9", "--host", server.address]).exit_code == 0
        done = CliRunner().invoke(app, ["models", "served", "--host", server.address])
    assert "llama9:latest" in done.output
