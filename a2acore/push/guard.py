"""Where a webhook may lead: to the world, and not into the house that the server stands in.

A webhook makes this server post to an address that a stranger chose (SSRF). Three rules keep that
harmless:

Rule 1: a URL is read once, here, and strictly; what is posted to is what was read.
Rule 2: a name is looked up once for each connection, all its addresses are checked, and the
    connection goes to one of these: a name that leads elsewhere a moment later gains nothing. TLS
    and `Host` still see the name.
Rule 3: an address is allowed because it is known to be public, not because it is not known to be
    anything else. An IPv4 address inside of an IPv6 address is judged as what it is.

Rule 4: webhooks listen on any port, high ones more often than on 443; but not where something
    listens that could take a POST for commands of its own: mail, Redis, and their like.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

import trio
from attrs import field, frozen

LOOKUPS = 32
"""Names that are looked up at a time. Each takes a thread, for as long as a stranger's name server
likes; these must not be the threads that everybody else waits for."""

PORTS = {"http": 80, "https": 443}

CLOSED_PORTS = frozenset(
    # Those that browsers refuse (https://fetch.spec.whatwg.org/#port-blocking),
    {1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95}
    | {101, 102, 103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179}
    | {389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601}
    | {636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566}
    | {6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080}
    # and those of Docker, databases and caches, which browsers seldom reach and we may.
    | {2375, 2376, 3306, 5432, 6379, 6380, 9042, 11211, 27017}
)

Address = IPv4Address | IPv6Address
LookUp = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host name, best first; raises `OSError` when there are none."""

_LABEL = r"(?!-)[a-z0-9_-]{1,63}"
_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*\.?")
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")
"""A last label like this makes a name an IPv4 address, in one of the spellings of C: 127.1,
2130706433, 0x7f000001, 0177.0.0.1."""

_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_CLOSED = (
    ip_network("168.63.129.16/32"),  # the metadata of Azure lives at a public address
    ip_network("192.0.0.0/24"),  # for protocols; the metadata of Oracle. Pythons disagree on it
    ip_network("3fff::/20"),  # for documents (RFC 9637), which older Pythons do not know
    ip_network("192.88.99.0/24"),  # the relays of 6to4, wherever the nearest one is
)

_METADATA = (
    ip_network("168.63.129.16/32"),  # Azure
    ip_network("192.0.0.192/32"),  # Oracle
    ip_network("100.100.100.200/32"),  # Alibaba
    ip_network("fd00:ec2::254/128"),  # Amazon, beside the link-local one that they all have
)


class Forbidden(Exception):
    """A place that no webhook may lead to. The text never quotes the URL: it may hold a secret."""


@frozen
class Place:
    """Where a webhook leads: its URL, taken apart."""

    scheme: str
    host: str
    port: int
    target: str = field(repr=False)
    """The path and the query, which hold the secrets of many a webhook."""

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"

    @property
    def authority(self) -> str:
        """The host and the port, as `Host` says them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def address(self) -> Address | None:
        """The address that the URL spells out; nothing when it names a host."""
        try:
            return ip_address(self.host)
        except ValueError:
            return None


@frozen
class Guard:
    """Decides where webhooks may lead."""

    allow_private: bool = False
    """Let them lead into a network of one's own too, but for what `tells_secrets`."""
    look_up: LookUp = field(factory=lambda: partial(_look_up, trio.CapacityLimiter(LOOKUPS)))

    def check(self, url: str) -> Place:
        """Read a URL, and refuse it where it is clear already that it may not be posted to.

        Raises:
            Forbidden: and why.
        """
        place = read(url)
        if place.address is not None:
            self._check_address(place.address)
        elif not self.allow_private and _is_this_machine(place.host):
            raise Forbidden("leads to this machine")
        return place

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        """The addresses of a host, once all of them have been checked.

        Raises:
            Forbidden: one of them is not public.
            OSError: there are none.
        """
        found = await self.look_up(host, port)
        for address in found:
            self._check_address(ip_address(address))
        return found

    def _check_address(self, address: Address) -> None:
        if tells_secrets(address):
            raise Forbidden("leads to an address that is not public, nor anybody's webhook")
        if not self.allow_private and not is_public(address):
            raise Forbidden("leads to an address that is not public")


def read(url: str) -> Place:
    """Take a URL apart.

    Raises:
        Forbidden: it is no URL that can be posted to.
    """
    # The parser of the standard library drops line breaks and lets the rest through.
    if not all("!" <= char <= "~" for char in url) or "\\" in url:
        raise Forbidden("may hold visible ASCII characters only, and no backslash")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Forbidden("is no URL") from error
    if parts.scheme not in PORTS:
        raise Forbidden("must begin with https:// or http://")
    if "@" in parts.netloc:
        raise Forbidden("must not hold a user or a password; give credentials as authentication")
    if port == 0:
        raise Forbidden("names port 0, which there is not")
    if port in CLOSED_PORTS:
        raise Forbidden(f"names port {port}, where no webhook listens")
    host = parts.hostname or ""
    place = Place(
        parts.scheme,
        host,
        port or PORTS[parts.scheme],
        (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
    )
    if place.address is None:
        if "[" in parts.netloc or len(host) > 253 or not _NAME.fullmatch(host):
            raise Forbidden("names no host")
        if _NUMERIC.fullmatch(host.rstrip(".").rpartition(".")[2]):
            raise Forbidden("must spell an IPv4 address as four decimal numbers")
    elif "%" in host:
        raise Forbidden("must not name an interface of this machine")
    return place


def is_public(address: Address) -> bool:
    """Whether an address belongs to the world, whatever network this machine is in."""
    if isinstance(address, IPv6Address):
        inside = _inside(address)
        if inside is not None:
            return is_public(inside)
        if address not in _UNICAST:
            return False
    return (
        address.is_global
        and not address.is_private
        and not address.is_reserved
        and not address.is_multicast
        and not any(address in network for network in _CLOSED)
    )


def _inside(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address stands for."""
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour


def tells_secrets(address: Address) -> bool:
    """Whether it is where clouds tell a machine its own credentials: nobody's webhook, ever."""
    if isinstance(address, IPv6Address) and (inside := _inside(address)) is not None:
        return tells_secrets(inside)
    return address.is_link_local or any(address in network for network in _METADATA)


def _is_this_machine(host: str) -> bool:
    return host.rstrip(".").rpartition(".")[2] == "localhost"  # RFC 6761, section 6.3


async def _look_up(limiter: trio.CapacityLimiter, host: str, port: int) -> Sequence[str]:
    ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    found = await trio.to_thread.run_sync(ask, abandon_on_cancel=True, limiter=limiter)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))
