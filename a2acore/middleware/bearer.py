"""Who is calling: a plain ASGI wrapper that puts a `Caller` in the scope, or says 401.

Public routes are named exactly. (A peer let `/.well-known/` through as a prefix, and had a
tenant-prefixed operation below it.)
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection

from a2acore.asgi import ASGIApp, Receive, Scope, Send
from a2acore.refusal import Refusal
from a2acore.service import Caller

CALLER = "a2acode.caller"
"""The key of the scope under which the caller stands."""

CHALLENGE = (b"www-authenticate", b'Bearer realm="a2acode"')
STRANGER = Refusal(401, "This agent needs a bearer token: send `Authorization: Bearer <token>`")


class Bearer:
    """Wrap `app`: every route but the `public` ones needs the token."""

    def __init__(self, app: ASGIApp, token: str, public: Collection[str]) -> None:
        self._app = app
        self._digest = _digest(token.encode())
        self._public = frozenset(public)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, if it is one; anything else passes through."""
        if scope["type"] != "http" or scope["path"] in self._public:
            await self._app(scope, receive, send)
            return
        if self._admits(scope):
            await self._app({**scope, CALLER: Caller("bearer")}, receive, send)
            return
        headers = [*STRANGER.headers(close=True), CHALLENGE]  # closed: the body is not read
        await send({"type": "http.response.start", "status": 401, "headers": headers})
        await send({"type": "http.response.body", "body": STRANGER.body()})

    def _admits(self, scope: Scope) -> bool:
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        if len(given) != 1:
            return False
        scheme, _, token = given[0].partition(b" ")
        # Digests, so that the time tells nothing about the token's length either.
        return scheme.lower() == b"bearer" and hmac.compare_digest(
            _digest(token.strip()), self._digest
        )


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()
