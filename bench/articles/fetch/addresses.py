"""Which addresses may be connected to: public ones, and those the user listed.

In: a host and a port. Out: the addresses to connect to, each checked, so that a name cannot be checked as
one address and connected to as another; RefusedAddress otherwise. It opens no connection.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket

from bench.articles.fetch.outcome import FetchError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_SHARED = ipaddress.IPv4Network("100.64.0.0/10")


def is_public(address: Address) -> bool:
    """Whether an address is one of the public Internet, also where it carries another one inside."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
        if address.is_site_local:
            return False
    elif address in _SHARED:
        return False
    is_special = address.is_multicast or address.is_reserved or address.is_unspecified
    return address.is_global and not is_special


def is_listed(host: str, port: int, address: Address, listed: tuple[str, ...]) -> bool:
    """Whether the user listed a host, `host:port`, an address or a network that it belongs to."""
    names = {host.lower(), f"{host.lower()}:{port}", str(address), f"{address}:{port}", f"[{address}]:{port}"}
    for entry in listed:
        if entry.strip().lower() in names:
            return True
        try:
            if address in ipaddress.ip_network(entry.strip(), strict=False):
                return True
        except ValueError:
            continue  # a name
    return False


async def checked(host: str, port: int, listed: tuple[str, ...]) -> list[str]:
    """The addresses of a host; refused if any of them is neither public nor listed."""
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    except (socket.gaierror, UnicodeError) as error:
        raise FetchError("network", f"the host {host} cannot be found", is_passing=True) from error
    addresses = list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))
    for text in addresses:
        address = ipaddress.ip_address(text)
        if not is_public(address) and not is_listed(host, port, address, listed):
            raise FetchError(
                "address",
                f"{host} is at {text}, not a public address; list it in fetch.allow_hosts if you mean it",
            )
    if not addresses:
        raise FetchError("network", f"the host {host} has no address", is_passing=True)
    return addresses
