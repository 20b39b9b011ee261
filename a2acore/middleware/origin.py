"""What a browser could be made to do: a page of anybody's, opened on a machine that reaches us.

Two wrappers, each usable alone. `Hosts` answers only to our own names: a page whose name is made to
point at us (DNS rebinding) comes with the wrong one. `Origins` turns away requests that a page of
another origin sends, and lets in those that were named, with the headers that a browser wants
(CORS, https://fetch.spec.whatwg.org/#http-cors-protocol).

Neither looks at who is calling: they go before that. With nothing to say, they are gone when what
they wrap begins. (They are no `async def` themselves, so a server that tells an app of ASGI by that
needs something around them.)
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Awaitable, Collection, Iterable
from functools import lru_cache

from a2acore.asgi import ASGIApp, Message, Receive, Scope, Send
from a2acore.refusal import Refusal

HOST = re.compile(r"(\[(?P<address>[0-9a-f:.]+)\]|(?P<name>[^][:/@\s]+))(:[0-9]*)?")
"""`Host = uri-host [ ":" port ]` (RFC 9110, 7.2); urlsplit would see `::1` in `[::1].evil`."""

SEEN = 64
"""Hosts of which it is remembered what they are: there is one for nearly all requests."""

ANY = "*"
"""In a list of hosts or origins: all of them."""

METHODS = b"GET, HEAD, POST, DELETE, OPTIONS"
PREFLIGHT_AGE = b"600"
"""Seconds that a browser may remember that it may ask."""
EXPOSED = b"a2a-extensions, x-a2a-extensions, etag, retry-after, www-authenticate"
"""The headers of an answer that a page may read, beside those that any page may."""


class Hosts:
    """Wrap `app`: the `Host` of a request has to be an address, `localhost` or one of `names`.

    An address cannot be rebound, so it needs no list. Names are compared without their ports, which
    a proxy or a tunnel may change.
    """

    def __init__(self, app: ASGIApp, names: Iterable[str]) -> None:
        self._app = app
        self._names = {"localhost", *(name.lower().rstrip(".") for name in names)}

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """One request, if it is one; anything else passes through."""
        if scope["type"] == "http" and ANY not in self._names:
            host = _header(scope, b"host")
            # HTTP/1.0 knows requests without one, and no browser sends them.
            if host and not self._ours(host):
                refusal = Refusal(
                    421,
                    f"This server is not called {host!r}; if it is, its operator has to say so "
                    "(--allow-host)",
                )
                return refusal.answer(send, close=True)
        return self._app(scope, receive, send)

    def _ours(self, host: str) -> bool:
        name = _name(host)
        return bool(name) and (name in self._names or _is_address(name))


class Origins:
    """Wrap `app`: a request with an `Origin` has to come from ourselves or one of `allowed`."""

    def __init__(self, app: ASGIApp, allowed: Collection[str] = ()) -> None:
        self._app = app
        self._allowed = frozenset(_spelled(origin) for origin in allowed)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """One request, if it is one; anything else passes through."""
        origin = _header(scope, b"origin") if scope["type"] == "http" else ""
        if not origin:
            return self._app(scope, receive, send)
        if ANY in self._allowed or _spelled(origin) in self._allowed:
            return self._let_in(origin, scope, receive, send)
        if _same(origin, scope):
            return self._app(scope, receive, send)
        refusal = Refusal(
            403,
            f"Pages of {origin!r} may not use this server; if they may, its operator has to "
            "say so (--allow-origin)",
        )
        return refusal.answer(send, close=True)

    async def _let_in(self, origin: str, scope: Scope, receive: Receive, send: Send) -> None:
        about = [
            (b"access-control-allow-origin", origin.encode("latin-1")),
            (b"access-control-expose-headers", EXPOSED),
            (b"vary", b"Origin"),
        ]
        wanted = _header(scope, b"access-control-request-headers")
        if scope["method"] == "OPTIONS" and _header(scope, b"access-control-request-method"):
            about += [
                (b"access-control-allow-methods", METHODS),
                (b"access-control-allow-headers", wanted.encode("latin-1")),
                (b"access-control-max-age", PREFLIGHT_AGE),
            ]
            await send({"type": "http.response.start", "status": 204, "headers": about})
            await send({"type": "http.response.body", "body": b""})
            return

        async def telling(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *about]}
            await send(message)

        await self._app(scope, receive, telling)


@lru_cache(SEEN)
def _name(host: str) -> str:
    """The name or address in the `Host` of a request, empty if there is none."""
    found = HOST.fullmatch(host.lower())
    return (found["address"] or found["name"]).rstrip(".") if found else ""


@lru_cache(SEEN)
def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _header(scope: Scope, name: bytes) -> str:
    """A header's value; all of them, if somebody sent it twice, which is no value of ours."""
    values = [value for key, value in scope["headers"] if key == name]
    return b", ".join(values).decode("latin-1").strip() if values else ""


def _spelled(origin: str) -> str:
    return origin.strip().lower().rstrip("/")


def _same(origin: str, scope: Scope) -> bool:
    """Whether a page is our own: it comes from the very host and port that it asks.

    Not the scheme: behind a proxy that speaks TLS we do not know it, and it is the same server.
    """
    host = _header(scope, b"host")
    scheme, _, place = _spelled(origin).partition("://")
    return bool(host) and scheme in ("http", "https") and place == host.lower()
