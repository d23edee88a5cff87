"""Where Ollama listens, in every form that its own `OLLAMA_HOST` may take.

In: `host`, `host:port`, `:port`, a scheme before it, a path or a slash after it, IPv6 with or without
brackets. Out: one address to connect to. `0.0.0.0` and `::`, which a server listens at, become loopback.
The rules are those of Ollama's envconfig; a port that is none is refused instead of replaced.
"""

from __future__ import annotations

import ipaddress
import os

from bench.backends._server.address import checked_address
from bench.errors import ConfigError

VARIABLE = "OLLAMA_HOST"
_DEFAULT_PORT = 11434
_PORTS = {"http": 80, "https": 443}


def default_address() -> str:
    """What `OLLAMA_HOST` names, or the port on this machine that Ollama listens at by itself."""
    return address_of(os.environ.get(VARIABLE, ""), VARIABLE)


def address_of(text: str, what: str) -> str:
    """`text` as an address; ConfigError naming `what` where it is none."""
    text = text.strip().strip("\"'").strip()
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "http", text
    place, _, path = rest.partition("/")
    host, port = _split(place, what)
    if text == "ollama.com":
        scheme, port = "https", 443
    if port is None:
        port = _PORTS.get(scheme, _DEFAULT_PORT) if separator else _DEFAULT_PORT
    path = f"/{path}" if path else ""
    return checked_address(f"{scheme}://{_connectable(host)}:{port}{path}", what)


def _split(place: str, what: str) -> tuple[str, int | None]:
    """Host and port of `host:port`; a bare IPv6 number has no port."""
    if _is_ip(place.strip("[]")):
        return place.strip("[]"), None
    host, separator, port = place.rpartition(":")
    if not separator:
        return place, None
    if not (port.isdecimal() and port.isascii() and int(port) <= 65535):
        raise ConfigError(f"{what}: {place.rpartition('@')[2]!r} has no port; write it as 127.0.0.1:11434")
    return host.strip("[]"), int(port)


def _connectable(host: str) -> str:
    """A host that can be connected to, written as an address holds it."""
    if not host:
        return "127.0.0.1"
    if not _is_ip(host):
        return host
    ip = ipaddress.ip_address(host)
    if ip.is_unspecified:
        ip = ipaddress.ip_address("127.0.0.1" if ip.version == 4 else "::1")
    return str(ip) if ip.version == 4 else f"[{ip}]"


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
