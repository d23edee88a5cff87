"""What an openai_api arm may ask for, decided before any server is asked."""

import pytest

from bench import backends
from bench.errors import ConfigError, MissingExtraError, UsageError
from bench.records import ModelSpec
from tests.backends.asking import sampling

URL = "http://127.0.0.1:9/v1"


def check(settings=None, adapter=None, output="free", **options):
    spec = ModelSpec(
        family="tiny",
        variant="base",
        quant="fp16",
        backend="openai_api",
        ref="tiny",
        adapter=adapter,
        output=output,
        options={"base_url": URL, **options},
    )
    backends.get("openai_api").check(spec, settings or sampling())


def test_a_good_arm_is_taken_without_asking_the_server():
    check()


@pytest.mark.parametrize("setting", [{"top_k": 40}, {"min_p": 0.05}, {"repeat_penalty": 1.1}])
def test_a_plain_server_is_refused_what_it_lacks(setting):
    with pytest.raises(UsageError, match=next(iter(setting))):
        check(sampling(**setting))
    for kind in ("llama_server", "vllm"):
        check(sampling(**setting), server=kind)


def test_a_temperature_that_plain_servers_do_not_take_is_refused():
    with pytest.raises(UsageError, match="up to 2"):
        check(sampling(temperature=2.5))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"base_url": "127.0.0.1:8080"}, "not an address"),
        ({"base_url": "ftp://host/v1"}, "not an address"),
        ({"base_url": "http://"}, "not an address"),
        ({"base_url": "http://host:99999/v1"}, "not an address"),
        ({"base_url": "http://ho st/v1"}, "not an address"),
        ({"base_url": [URL, URL + "/"]}, "twice"),
        ({"base_url": []}, "base_url"),
        ({"server": "tgi"}, "server"),
        ({"concurrency": 0}, "concurrency"),
        ({"api_key_env": "sk-123"}, "api_key_env"),
        ({"endpoint": "completions"}, "chat_template"),
        ({"chat_template": "x.jinja"}, "chat_template"),
        ({"endpoint": "completions", "chat_template": "none.jinja"}, "no such file"),
    ],
)
def test_options_that_cannot_be_are_refused(options, expected):
    with pytest.raises(ConfigError, match=expected):
        check(**options)


@pytest.mark.parametrize("url", ["http://me:s3cret@host/v1", "http://host/v1?key=s3cret", "http://h/#s3cret"])
def test_an_address_with_a_secret_is_refused_without_telling_it(url):
    with pytest.raises(ConfigError) as caught:
        check(base_url=url)
    assert "s3cret" not in str(caught.value)


def test_a_key_that_is_not_set_is_named(monkeypatch):
    monkeypatch.delenv("KEY_OF_TEST", raising=False)
    with pytest.raises(ConfigError, match="KEY_OF_TEST is not set"):
        check(api_key_env="KEY_OF_TEST")


def test_a_key_that_would_break_a_header_is_refused_without_telling_it(monkeypatch):
    monkeypatch.setenv("KEY_OF_TEST", "s3cret\nX-Other: 1")
    with pytest.raises(ConfigError, match="KEY_OF_TEST") as caught:
        check(api_key_env="KEY_OF_TEST")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"adapter": "lora"}, "adapter"),
        ({"n_per_request": 2}, "n_per_request"),
        ({"n_per_request": 2, "server": "vllm", "stream": True}, "n_per_request"),
        ({"endpoint": "completions", "output": "json_schema"}, "schema"),
    ],
)
def test_what_cannot_be_honoured_is_refused(fields, expected):
    with pytest.raises(UsageError, match=expected):
        check(**fields)


def test_an_empty_stop_text_is_refused():
    with pytest.raises(ConfigError, match="stop"):
        check(sampling(stop=[""]))


def test_a_missing_client_names_the_extra(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r'pip install "bench\[servers\]"'):
        check()
    state = backends.get("openai_api").state()
    assert (state.installed, state.remedy) == (False, 'pip install "bench[servers]"')
