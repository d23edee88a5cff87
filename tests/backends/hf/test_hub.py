"""A model from the hub at a pinned commit, over real HTTP on loopback."""

import hashlib

import pytest

from bench import backends
from bench.errors import BackendError, ModelFileError
from tests.backends.asking import hf_spec, sampling, texts
from tests.builders import SCHEMA

BACKEND = backends.get("hf")
COMMIT = "0123456789abcdef0123456789abcdef01234567"
REF = "hf://someone/tiny"
PINNED = {"revision": COMMIT}


@pytest.fixture
def hub(httpserver, monkeypatch, tmp_path, tiny_hf):
    """A hub with one repository, which holds code and pickles beside the model."""
    from huggingface_hub import constants
    from werkzeug import Response

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_ENDPOINT", httpserver.url_for("").rstrip("/"))
    files = {path.name: path.read_bytes() for path in tiny_hf.iterdir()}
    files |= {"modeling_evil.py": b"raise SystemExit", "pytorch_model.bin": b"pickle"}

    def serve(request):
        content = files[request.path.rpartition("/")[2]]
        digest = hashlib.sha256(content).hexdigest()
        headers = {"ETag": f'"{digest}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        return Response(content, headers=headers, mimetype="application/octet-stream")

    for name in files:
        httpserver.expect_request(f"/someone/tiny/resolve/{COMMIT}/{name}").respond_with_handler(serve)
    httpserver.expect_request(f"/api/models/someone/tiny/revision/{COMMIT}").respond_with_json(
        {"id": "someone/tiny", "sha": COMMIT, "siblings": [{"rfilename": name} for name in files]}
    )
    tree = [{"type": "file", "path": n, "size": len(c), "oid": "0" * 40} for n, c in files.items()]
    httpserver.expect_request(f"/api/models/someone/tiny/tree/{COMMIT}").respond_with_json(tree)
    gone = Response("", status=404, headers={"X-Error-Code": "RepoNotFound"})
    httpserver.expect_request(f"/api/models/nobody/x/revision/{COMMIT}").respond_with_response(gone)
    httpserver.expect_request(f"/api/models/nobody/x/tree/{COMMIT}").respond_with_response(gone)
    down = Response("", status=503)
    httpserver.expect_request(f"/api/models/broken/x/revision/{COMMIT}").respond_with_response(down)
    httpserver.expect_request(f"/api/models/broken/x/tree/{COMMIT}").respond_with_response(down)
    return httpserver


def test_a_hub_model_answers_as_the_folder_does(hub, open_hf):
    spec = hf_spec(REF, options=PINNED)
    BACKEND.check(spec, sampling())
    assert hub.log == []  # a check fetches nothing
    session = BACKEND.open(spec, sampling(), SCHEMA, 1)
    assert texts(session, (1, 2)) == texts(open_hf(), (1, 2))
    assert session.loaded.digest == BACKEND.digest(spec) == open_hf().loaded.digest
    session.close()


def test_neither_code_nor_pickles_are_fetched(hub):
    BACKEND.digest(hf_spec(REF, options=PINNED))
    asked = {request.path.rpartition("/")[2] for request, _ in hub.log}
    assert "model.safetensors" in asked
    assert not {"modeling_evil.py", "pytorch_model.bin"} & asked


def test_what_is_cached_is_not_fetched_again(hub):
    spec = hf_spec(REF, options=PINNED)
    BACKEND.digest(spec)
    n_weights = sum(request.path.endswith("model.safetensors") for request, _ in hub.log)
    BACKEND.check(spec, sampling())
    BACKEND.digest(spec)
    assert sum(request.path.endswith("model.safetensors") for request, _ in hub.log) == n_weights


def test_a_repository_that_is_not_there_is_said(hub):
    with pytest.raises(ModelFileError, match="no such repository"):
        BACKEND.digest(hf_spec("hf://nobody/x", options=PINNED))


def test_a_hub_that_is_down_is_said(hub):
    with pytest.raises(BackendError, match="did not give it"):
        BACKEND.digest(hf_spec("hf://broken/x", options=PINNED))
