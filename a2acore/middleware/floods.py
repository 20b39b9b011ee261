"""Who comes without a credential again and again: an ASGI wrapper around the one that says 401.

Each 401 is counted for the address that it was said to. An address that has had too many is told to
come later (429), before its next credential is looked at: a password takes long to check, and is
there to be guessed.

Behind one address may be many: a proxy, an office. Who has been let in with a header is let in with
it still, whatever the others there do.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Collection

import trio

from a2acore.asgi import ASGIApp, Message, Receive, Scope, Send
from a2acore.limits import LIMITS, Buckets
from a2acore.refusal import TooMany
from a2acore.tls import PEER

KNOWN = 10_000
"""Headers that have been let in and are remembered, by their hash under a key of this process."""
UNDECIDED = frozenset({429, 503})
"""Answers that may come before a credential has been looked at."""


class Floods:
    """Wrap `app`: at most so many 401 for an address in each minute. `public` routes, for which
    nobody is asked for a credential, are not looked at."""

    def __init__(
        self, app: ASGIApp, public: Collection[str], per_minute: int = LIMITS.refusals_per_address
    ) -> None:
        self._app = app
        self._public = frozenset(public)
        self._buckets = Buckets(per_minute)
        self._known: dict[int, None] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, if it is one; anything else passes through."""
        if scope["type"] != "http" or scope["path"] in self._public:
            await self._app(scope, receive, send)
            return
        address = address_of(scope)
        shown = shown_by(scope)
        wait = self._buckets.wait(address, trio.current_time())
        if wait and shown not in self._known:
            said = "Too many requests without a valid credential came from your address"
            await TooMany(said, math.ceil(wait)).answer(send, close=True)
            return

        async def watching(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._learn(message["status"], address, shown)
            await send(message)

        answer = self._app(scope, receive, watching)
        del scope, receive  # not to be held for as long as a stream is told
        await answer

    def _learn(self, status: int, address: str, shown: int) -> None:
        if status == 401:
            self._known.pop(shown, None)
            self._buckets.take(address, trio.current_time())
        elif status not in UNDECIDED:
            self._known.pop(shown, None)  # to the end of the line
            self._known[shown] = None
            if len(self._known) > KNOWN:
                del self._known[next(iter(self._known))]


def shown_by(scope: Scope) -> int:
    """What a request shows of its caller, as a number that nobody can aim at."""
    headers = [value for name, value in scope["headers"] if name == b"authorization"]
    return hash((*headers, scope.get(PEER)))


def address_of(scope: Scope) -> str:
    """Whose request it is, as far as addresses tell: who has one of IPv6 has a whole network."""
    client = scope.get("client")
    return network_of(client[0]) if client else ""


def network_of(host: str) -> str:
    """An address of IPv4 as it is, and of IPv6 the network of one subscriber (RFC 6177)."""
    if ":" not in host:
        return host
    address = ipaddress.IPv6Address(host)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((address, 64), strict=False))
