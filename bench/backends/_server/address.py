"""Where a server is: an address that may be written into messages, manifests and logs.

In: the text of a config. Out: a checked address without user, password, query or fragment, because
those are where secrets hide. It opens no connection.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import SplitResult, urlsplit

from bench.errors import ConfigError


def checked_address(text: str, what: str) -> str:
    """`http(s)://host[:port][/path]` without a slash at its end; ConfigError naming `what` otherwise."""
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError as error:
        raise ConfigError(f"{what}: {_without_secrets(text)!r} is not an address: {error}") from error
    if parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ConfigError(
            f"{what}: an address holds no user, password, query or fragment, which would be stored with "
            "the run; name the environment variable with the key in api_key_env"
        )
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0 or _has_spaces(text):
        raise ConfigError(
            f"{what}: {text!r} is not an address; write it as http://127.0.0.1:8080/v1 or https://..."
        )
    return parts._replace(path=parts.path.rstrip("/")).geturl()


def is_loopback(address: str) -> bool:
    """Whether the address is this machine by its name or number, so that no proxy lies between."""
    host = urlsplit(address).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def root_of(address: str) -> str:
    """The address without the `/v1` that the OpenAI interface ends in: where a server's own routes are."""
    return address.removesuffix("/v1")


def _has_spaces(text: str) -> bool:
    return any(c.isspace() or not c.isprintable() for c in text.strip())


def _without_secrets(text: str) -> str:
    """What may be shown of an address that could not be read."""
    return text.rpartition("@")[2].partition("?")[0]


def parts_of(address: str) -> SplitResult:
    """The parts of a checked address."""
    return urlsplit(address)
