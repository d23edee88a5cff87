"""Pushing a model to a hub on loopback: one commit, large files kept over a stop, no token shown."""

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

pytest.importorskip("torch", reason="the hf extra is not installed")
pytest.importorskip("llama_cpp", reason="the llama extra is not installed")

from bench.cli.app import app
from bench.errors import BackendError, BenchError, ConfigError, ModelFileError, UsageError
from bench.model_files.export import export
from bench.model_files.push import push
from bench.training.export.forms import parse
from tests.exporting import make_adapter, make_model, make_training
from tests.hub import COMMIT, FakeHub

TOKEN = "hf_secret_never_to_be_shown"


@pytest.fixture
def hub(httpserver, monkeypatch):
    """A hub that takes what is sent."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    found = FakeHub(httpserver)
    monkeypatch.setenv("HF_ENDPOINT", found.address)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    return found


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """A small model."""
    return make_model(tmp_path_factory.mktemp("push") / "small")


@pytest.fixture(scope="session")
def exported(small, tmp_path_factory):
    """An export in several parts, and a quant of it."""
    folder = tmp_path_factory.mktemp("push") / "out"
    export(str(small), parse("fp16,q8_0"), folder, shard_bytes=200_000, licence="apache-2.0")
    return folder


@pytest.fixture
def out(exported):
    """A copy that a test may change."""
    return shutil.copytree(exported, Path("out"))


def test_a_folder_is_one_commit_with_its_card(hub, out):
    told: list[str] = []
    pushed = push(out / "fp16", "me/mine", told=told.append)
    assert pushed.commit == COMMIT
    assert hub.files == {path.name: path.read_bytes() for path in (out / "fp16").iterdir()}
    assert hub.created.get("private") or hub.created.get("visibility") == "private"
    assert f"Bearer {TOKEN}" in hub.tokens
    n_parts = len(list((out / "fp16").glob("*.safetensors")))
    assert n_parts > 1
    assert sum(step.startswith("sending model-0") for step in told) == n_parts
    assert TOKEN not in " ".join(told)


def test_what_was_sent_before_a_stop_is_not_sent_again(hub, out):
    hub.refuse["/commit/main"] = 409
    with pytest.raises(BackendError, match="run the same command again"):
        push(out / "fp16", "me/mine")
    n_sent = hub.n_uploads
    assert n_sent > 1
    hub.refuse.clear()
    assert push(out / "fp16", "me/mine").commit == COMMIT
    assert hub.n_uploads == n_sent


def test_gguf_files_go_with_their_card(hub, out):
    push(out / "gguf", "me/mine", public=True)
    assert set(hub.files) == {"README.md", "small-base-q8_0.gguf"}
    assert not hub.created.get("private")


def test_a_dry_run_says_what_would_go_and_asks_nobody(hub, out, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    done = CliRunner().invoke(app, ["models", "push", "out/gguf", "me/mine", "--dry-run"])
    assert "small-base-q8_0.gguf" in done.stdout
    assert "nothing written" in done.stdout
    assert not hub.tokens


@pytest.mark.parametrize(
    ("status", "error", "match"),
    [
        (401, ConfigError, "does not know the token"),
        (403, ConfigError, "may not write there"),
        (409, BackendError, "somebody else"),
        (400, BackendError, "did not take"),
    ],
)
def test_a_refusal_says_what_to_do_without_the_token(hub, out, status, error, match):
    ending = "/commit/main" if status == 409 else "/preupload/main"
    hub.refuse[ending] = status
    with pytest.raises(BenchError, match=match) as raised:
        push(out / "gguf", "me/mine")
    assert isinstance(raised.value, error)
    assert TOKEN not in str(raised.value)


def test_without_a_token_nothing_is_sent(hub, out, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(ConfigError, match="HF_TOKEN is not set"):
        push(out / "gguf", "me/mine")
    assert not hub.tokens


@pytest.mark.parametrize("name", ["mine", "../mine", "a/b/c", ""])
def test_a_name_that_is_none_is_refused(out, name):
    with pytest.raises(UsageError, match="owner/name"):
        push(out / "gguf", name, dry_run=True)


def test_what_is_no_longer_what_was_compared_is_not_sent(out):
    path = next((out / "gguf").glob("*.gguf"))
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(ModelFileError, match="not what was exported"):
        push(out / "gguf", "me/mine", dry_run=True)
    config = json.loads((out / "fp16" / "config.json").read_text())
    (out / "fp16" / "config.json").write_text(json.dumps(config | {"vocab_size": 1}))
    with pytest.raises(ModelFileError, match="not what was exported"):
        push(out / "fp16", "me/mine", dry_run=True)


def test_what_was_set_aside_is_not_sent(out):
    (out / "rejected").mkdir()
    (out / "fp16").rename(out / "rejected" / "fp16")
    with pytest.raises(ModelFileError, match="not to be the model"):
        push(out / "rejected" / "fp16", "me/mine", dry_run=True)


def test_a_model_without_a_licence_is_not_made_public(small):
    export(str(small), parse("q8_0"), Path("bare"))
    with pytest.raises(UsageError, match="names no license"):
        push(Path("bare/gguf"), "me/mine", public=True, dry_run=True)


def test_a_link_and_a_pickle_are_not_sent(out, tmp_path):
    secret = tmp_path / "secret.json"
    secret.write_text("{}")
    (out / "gguf" / "more.json").symlink_to(secret)
    with pytest.raises(UsageError, match=r"more\.json: .*link"):
        push(out / "gguf", "me/mine", dry_run=True)
    (out / "gguf" / "more.json").unlink()
    (out / "gguf" / "model.bin").write_bytes(b"x")
    with pytest.raises(UsageError, match=r"model\.bin"):
        push(out / "gguf", "me/mine", dry_run=True)
    with pytest.raises(UsageError, match="no such folder"):
        push(Path("nothing"), "me/mine", dry_run=True)
    with pytest.raises(UsageError, match="name one of its folders: out/fp16, out/gguf"):
        push(out, "me/mine", dry_run=True)


def test_a_large_file_that_does_not_arrive_is_one_line(hub, out):
    hub.loses = True
    with pytest.raises(BackendError, match="run the same command again"):
        push(out / "gguf", "me/mine")
    hub.loses = False
    assert push(out / "gguf", "me/mine").commit == COMMIT


def test_a_trainings_folder_is_told_to_be_exported_and_not_to_be_emptied(small, tmp_path):
    folder = make_training(tmp_path, small, make_adapter(tmp_path / "made", small))
    with pytest.raises(UsageError, match="a training; export it") as found:
        push(folder, "me/mine", dry_run=True)
    assert "remove" not in str(found.value)
    assert f"push its adapter alone ({folder / 'adapter'})" in str(found.value)
