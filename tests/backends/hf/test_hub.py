"""A model from the hub at a pinned commit, over real HTTP on loopback."""

import hashlib
import json
import shutil

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


@pytest.fixture
def another_cache(hub, tmp_path, monkeypatch):
    """The model's commit in a cache of its own, as a program leaves it that fetches single files."""
    from huggingface_hub import constants

    BACKEND.digest(hf_spec(REF, options=PINNED))
    (fetched,) = (tmp_path / "hub-cache").glob("models--*/snapshots/*")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "another"))
    return shutil.copytree(fetched, tmp_path / "another" / fetched.relative_to(tmp_path / "hub-cache"))


@pytest.mark.parametrize(
    "missing", ["config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja"]
)
def test_what_another_program_left_of_a_model_is_completed(missing, another_cache, open_hf):
    spec = hf_spec(REF, options=PINNED)
    (another_cache / missing).unlink()
    BACKEND.check(spec, sampling())
    assert not (another_cache / missing).exists()  # a check fetches nothing
    assert BACKEND.digest(spec) == open_hf().loaded.digest


def test_a_partly_cached_adapter_is_no_reason_to_refuse(another_cache, tiny_hf):
    (another_cache / "adapter_config.json").write_text("{}")
    BACKEND.check(hf_spec(tiny_hf, adapter=REF, options={"adapter_revision": COMMIT}), sampling())


def test_a_cached_model_with_code_of_its_own_is_refused_before_it_is_opened(another_cache):
    path = another_cache / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "auto_map": {"AutoModel": "x.X"}}))
    with pytest.raises(ModelFileError, match="brings code of its own"):
        BACKEND.check(hf_spec(REF, options=PINNED), sampling())


def test_what_a_whole_commit_lacks_is_refused_before_it_is_opened(another_cache, tmp_path):
    (another_cache / "chat_template.jinja").unlink()
    (listed,) = (tmp_path / "hub-cache").glob("models--*/trees/*.json")
    known = tmp_path / "another" / listed.relative_to(tmp_path / "hub-cache")
    known.parent.mkdir()
    known.write_text(listed.read_text().replace("chat_template.jinja", "README.md"))
    with pytest.raises(ModelFileError, match="no chat template"):
        BACKEND.check(hf_spec(REF, options=PINNED), sampling())


def test_a_repository_that_is_not_there_is_said(hub):
    with pytest.raises(ModelFileError, match="no such repository"):
        BACKEND.digest(hf_spec("hf://nobody/x", options=PINNED))


def test_a_hub_that_is_down_is_said(hub):
    with pytest.raises(BackendError, match="did not give it"):
        BACKEND.digest(hf_spec("hf://broken/x", options=PINNED))
