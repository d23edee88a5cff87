"""OLLAMA_HOST in all its forms."""

import pytest

from bench.backends.ollama.host import address_of, default_address
from bench.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "http://127.0.0.1:11434"),
        ("  ", "http://127.0.0.1:11434"),
        ("1.2.3.4", "http://1.2.3.4:11434"),
        ("1.2.3.4:5678", "http://1.2.3.4:5678"),
        (":5678", "http://127.0.0.1:5678"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("0.0.0.0:5678", "http://127.0.0.1:5678"),
        ("example.com", "http://example.com:11434"),
        ("example.com/", "http://example.com:11434"),
        ("http://example.com", "http://example.com:80"),
        ("https://example.com", "https://example.com:443"),
        ("https://example.com:5678/", "https://example.com:5678"),
        ("https://example.com/ollama/", "https://example.com:443/ollama"),
        ("example.com:5678/a/b", "http://example.com:5678/a/b"),
        ("::1", "http://[::1]:11434"),
        ("[::1]", "http://[::1]:11434"),
        ("[::1]:5678", "http://[::1]:5678"),
        ("[::]:5678", "http://[::1]:5678"),
        ("::", "http://[::1]:11434"),
        ("http://[0001:002:003:0004::1]", "http://[1:2:3:4::1]:80"),
        ('"1.2.3.4:5678"', "http://1.2.3.4:5678"),
        ("'1.2.3.4'", "http://1.2.3.4:11434"),
        ("ollama.com", "https://ollama.com:443"),
    ],
)
def test_every_form_becomes_one_address(text, expected, monkeypatch):
    assert address_of(text, "OLLAMA_HOST") == expected
    monkeypatch.setenv("OLLAMA_HOST", text)
    assert default_address() == expected


@pytest.mark.parametrize("text", ["1.2.3.4:port", "1.2.3.4:99999", "ftp://host", "a b", "host:", "http://"])
def test_what_is_no_address_is_refused_by_its_name(text):
    if text == "http://":  # a scheme alone is this machine, as Ollama has it
        assert address_of(text, "OLLAMA_HOST") == "http://127.0.0.1:80"
        return
    with pytest.raises(ConfigError, match="OLLAMA_HOST"):
        address_of(text, "OLLAMA_HOST")


def test_a_password_is_refused_and_not_told():
    with pytest.raises(ConfigError) as caught:
        address_of("http://me:s3cret@host:11434", "OLLAMA_HOST")
    assert "s3cret" not in str(caught.value)


def test_without_the_variable_it_is_this_machine(monkeypatch):
    monkeypatch.delenv("OLLAMA_HOST", raising=False)
    assert default_address() == "http://127.0.0.1:11434"
