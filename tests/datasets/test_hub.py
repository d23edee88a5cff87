"""A hub on loopback: a file at a pinned commit is read, a built set is written as one commit."""

import base64
import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest

from bench.datasets import readers
from bench.datasets.push import push
from bench.errors import BackendError, BenchError, ConfigError, StorageError, UsageError
from tests.datasets.building import built, unlike, write_csv

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "hf_secret_never_to_be_shown"
CONTENT = b"text,label\ngood news,1\nbad news,0\n"


@pytest.fixture
def hub(httpserver, monkeypatch, tmp_path):
    """A hub with one file that can be read, and a place to write to."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_ENDPOINT", httpserver.url_for("").rstrip("/"))
    return httpserver


def test_a_file_at_a_pinned_commit_is_read(hub):
    headers = {"ETag": f'"{hashlib.sha256(CONTENT).hexdigest()}"', "X-Repo-Commit": COMMIT}
    path = f"/datasets/someone/news/resolve/{COMMIT}/data/train.csv"
    hub.expect_request(path).respond_with_data(CONTENT, headers=headers)
    reader = readers.load("hub")
    options = reader.Options.model_validate(
        {"path": "someone/news", "revision": COMMIT, "file": "data/train.csv", "columns": {"label": "label"}}
    )
    rows = list(reader.read(options, Path(), Counter()))
    assert [(row.text, row.label) for row in rows] == [("good news", "1"), ("bad news", "0")]


def test_a_branch_is_no_revision():
    with pytest.raises(ValueError, match="revision"):
        readers.load("hub").Options.model_validate({"path": "a/b", "revision": "main", "file": "x.csv"})


@pytest.fixture
def data_set(tmp_path):
    """A small built set, with its licence said."""
    write_csv(tmp_path / "a.csv", ["text"], *[[unlike(n)] for n in range(20)])
    recipe = "name: mine\nsources: [{reader: table, path: a.csv, licence: CC0}]\nformats: [text]\n"
    built(recipe)
    return Path("datasets/mine")


def writable(hub, status=200):
    hub.expect_request("/api/repos/create").respond_with_json({"url": f"{hub.url_for('')}datasets/me/mine"})

    hub.expect_request("/api/validate-yaml").respond_with_json({"errors": [], "warnings": []})

    def preupload(request):
        from werkzeug import Response

        files = [
            {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False} for f in request.json["files"]
        ]
        return Response(json.dumps({"files": files}), mimetype="application/json")

    hub.expect_request("/api/datasets/me/mine/preupload/main").respond_with_handler(preupload)
    made = {"commitUrl": f"{hub.url_for('')}datasets/me/mine/commit/{COMMIT}", "commitOid": COMMIT}
    hub.expect_request("/api/datasets/me/mine/commit/main").respond_with_json(made, status=status)


def test_a_set_is_written_as_one_commit_with_its_card(hub, data_set, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    writable(hub)
    pushed = push(data_set, "me/mine")
    assert pushed.commit == COMMIT
    asked = {request.path: request for request, _ in hub.log}
    wanted = asked["/api/repos/create"].json
    assert wanted.get("private") or wanted.get("visibility") == "private"
    assert asked["/api/repos/create"].headers["Authorization"] == f"Bearer {TOKEN}"
    lines = [json.loads(x) for x in asked["/api/datasets/me/mine/commit/main"].data.splitlines()]
    sent = {x["value"]["path"]: base64.b64decode(x["value"]["content"]) for x in lines if x["key"] == "file"}
    assert set(sent) == set(pushed.files)
    assert sent["rows/train.jsonl"] == (data_set / "rows/train.jsonl").read_bytes()
    assert sent["README.md"].startswith(b"---\nconfigs:\n- config_name: rows\n")


def test_a_dry_run_asks_nobody(hub, data_set):
    assert "text/train.txt" in push(data_set, "me/mine", dry_run=True).files
    assert not hub.log


def test_a_set_without_a_licence_is_not_made_public(data_set, tmp_path):
    built("name: other\nsources: [{reader: table, path: a.csv}]\n")
    with pytest.raises(UsageError, match="nobody said the licence of table"):
        push(Path("datasets/other"), "me/mine", public=True, dry_run=True)


def test_a_set_that_was_changed_is_not_written(data_set):
    (data_set / "text/train.txt").write_text("x")
    with pytest.raises(StorageError, match=r"text/train\.txt is not what the card says"):
        push(data_set, "me/mine", dry_run=True)


@pytest.mark.parametrize("name", ["mine", "../mine", "a/b/c", ""])
def test_a_name_that_is_none_is_refused(data_set, name):
    with pytest.raises(UsageError, match="owner/name"):
        push(data_set, name)


def test_without_a_token_nothing_is_sent(hub, data_set, monkeypatch):
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with pytest.raises(ConfigError, match="HF_TOKEN is not set"):
        push(data_set, "me/mine")
    assert not hub.log


def test_a_refusal_of_the_hub_does_not_show_the_token(hub, data_set, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    hub.expect_request("/api/repos/create").respond_with_json({"error": f"bad token {TOKEN}"}, status=403)
    with pytest.raises(BenchError) as error:
        push(data_set, "me/mine")
    assert isinstance(error.value, BackendError)
    assert TOKEN not in str(error.value)
