"""A hub reference, over real HTTP on loopback."""

import hashlib
import importlib.util

import pytest

from bench import backends
from bench.errors import BackendError, ConfigError, MissingExtraError, ModelFileError
from bench.records import ModelSpec
from tests.backends.asking import llama_spec, sampling, texts
from tests.builders import SCHEMA

BACKEND = backends.get("llama_cpp")
COMMIT = "0123456789abcdef0123456789abcdef01234567"
REF = "hf://someone/tiny-gguf"
FILE = {"file": "tiny-fp16.gguf", "revision": COMMIT}


@pytest.fixture
def hub(httpserver, monkeypatch, tmp_path, tiny_model):
    """A hub with one repository, one commit, one file; `hub.log` lists what was asked for."""
    from huggingface_hub import constants
    from werkzeug import Response

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub-cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setenv("HF_ENDPOINT", httpserver.url_for("").rstrip("/"))
    content = tiny_model.read_bytes()
    digest = hashlib.sha256(content).hexdigest()

    def serve(request):
        headers = {"ETag": f'"{digest}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        return Response(content, headers=headers, mimetype="application/octet-stream")

    path = f"/someone/tiny-gguf/resolve/{COMMIT}/tiny-fp16.gguf"
    httpserver.expect_request(path).respond_with_handler(serve)

    def missing(code: str):
        return lambda request: Response(
            "", status=404, headers={"X-Error-Code": code, "X-Repo-Commit": COMMIT}
        )

    httpserver.expect_request(f"/someone/tiny-gguf/resolve/{COMMIT}/other.gguf").respond_with_handler(
        missing("EntryNotFound")
    )
    httpserver.expect_request(f"/someone/tiny-gguf/resolve/{'f' * 40}/tiny-fp16.gguf").respond_with_handler(
        missing("RevisionNotFound")
    )
    httpserver.expect_request(f"/nobody/x/resolve/{COMMIT}/tiny-fp16.gguf").respond_with_handler(
        missing("RepoNotFound")
    )
    httpserver.expect_request(f"/broken/x/resolve/{COMMIT}/tiny-fp16.gguf").respond_with_handler(
        lambda request: Response("", status=503)
    )
    httpserver.digest = digest
    return httpserver


@pytest.fixture
def no_waiting(monkeypatch):
    """The hub's library waits between its five tries."""
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)


def hub_spec(ref: str = REF, **options) -> ModelSpec:
    """An arm on the hub."""
    return llama_spec(ref, options={**FILE, **options})


def test_a_file_of_the_hub_is_fetched_checked_and_run(hub):
    spec = hub_spec(sha256=hub.digest)
    BACKEND.check(spec, sampling())
    session = BACKEND.open(spec, sampling(), SCHEMA, 1)
    assert texts(session, (1,))[0]
    assert session.loaded.digest == f"sha256:{hub.digest}"
    session.close()


def test_a_cached_file_is_not_fetched_again(hub):
    assert BACKEND.digest(hub_spec()) == f"sha256:{hub.digest}"
    asked = len(hub.log)
    BACKEND.check(hub_spec(), sampling())
    BACKEND.open(hub_spec(), sampling(), SCHEMA, 1).close()
    assert len(hub.log) == asked


def test_a_stated_digest_needs_no_download(hub):
    assert BACKEND.digest(hub_spec(sha256="a" * 64)) == "sha256:" + "a" * 64
    assert not hub.log


def test_another_content_than_stated_is_refused(hub):
    with pytest.raises(ModelFileError, match="asks for sha256:aaaa"):
        BACKEND.open(hub_spec(sha256="a" * 64), sampling(), SCHEMA, 1)


@pytest.mark.parametrize(
    ("ref", "options", "message"),
    [
        (REF, {"file": "other.gguf"}, "no such file in that commit"),
        (REF, {"revision": "f" * 40}, "no such commit"),
        ("hf://nobody/x", {}, "no such repository"),
    ],
)
def test_what_the_hub_does_not_have_is_named(hub, ref, options, message):
    with pytest.raises(ModelFileError, match=message):
        BACKEND.digest(hub_spec(ref, **options))


def test_a_hub_that_fails_is_unreachable(hub, no_waiting):
    with pytest.raises(BackendError, match="did not give it"):
        BACKEND.digest(hub_spec("hf://broken/x"))


def test_a_hub_that_is_not_there_is_unreachable(hub, no_waiting, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(BackendError, match="did not give it"):
        BACKEND.digest(hub_spec())


@pytest.mark.parametrize("revision", [None, "main", "0123456"])
def test_a_revision_that_may_move_is_refused(revision):
    with pytest.raises(ConfigError, match="40 hex digits"):
        BACKEND.check(hub_spec(revision=revision), sampling())


@pytest.mark.parametrize("file", [None, "x.bin", "../x.gguf", "/x.gguf", "a b.gguf"])
def test_a_file_name_that_is_no_gguf_file_is_refused(file):
    with pytest.raises(ConfigError, match=r"options\.file"):
        BACKEND.check(hub_spec(file=file), sampling())


@pytest.mark.parametrize("ref", ["hf://", "hf://x", "hf://a/b/c", "hf://../..", "hf://a/b?x"])
def test_a_reference_of_another_form_is_refused(ref):
    with pytest.raises(ConfigError, match="hf://owner/repo"):
        BACKEND.check(hub_spec(ref), sampling())


def test_a_missing_hub_library_is_a_missing_extra(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "huggingface_hub" else find(name)
    )
    with pytest.raises(MissingExtraError, match=r"bench\[hub\]"):
        BACKEND.check(hub_spec(), sampling())
