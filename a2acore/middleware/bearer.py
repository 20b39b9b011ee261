"""Who is calling: a plain ASGI wrapper that puts a `Caller` in the scope, or says 401.

Public routes are named exactly. (A peer let `/.well-known/` through as a prefix, and had a
tenant-prefixed operation below it.)
"""

from __future__ import annotations

import logging
from collections.abc import Collection

from a2acore.asgi import ASGIApp, Message, Receive, Scope, Send
from a2acore.credentials import Password
from a2acore.middleware.roster import Roster, Stranger, TooManyPasswords
from a2acore.refusal import Refusal
from a2acore.service import Caller

CALLER = "a2acode.caller"
"""The key of the scope under which the caller stands."""

BEARER = 'Bearer realm="a2acode"'
BASIC = 'Basic realm="a2acode", charset="UTF-8"'

STRANGER = Refusal(401, "This agent needs a credential: send `Authorization: Bearer <token>`")
LEFT = Refusal(401, "What you came in with is no longer good")
SOON = b"2"
"""Seconds after which a password may be tried again, when too many are."""

log = logging.getLogger(__name__)


class Bearer:
    """Wrap `app`: every route but the `public` ones needs somebody of the `roster`."""

    def __init__(self, app: ASGIApp, roster: Roster, public: Collection[str]) -> None:
        self._app = app
        self._roster = roster
        self._public = frozenset(public)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, if it is one; anything else passes through."""
        if scope["type"] != "http" or scope["path"] in self._public:
            await self._app(scope, receive, send)
            return
        try:
            admitted = await self._roster.admit(scope)
        except Stranger as stranger:
            level = logging.DEBUG if stranger.nothing else logging.INFO
            log.log(level, "refused a request of %s: %s", _from(scope), stranger)
            await self._turn_away(STRANGER, send, wrong_token=stranger.token)
            return
        except TooManyPasswords as busy:
            await _answer(busy, send, (b"retry-after", SOON))
            return
        principal = admitted.principal
        caller = Caller(principal.name, scopes=principal.scopes)
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        with self._roster.inside(admitted) as stay:
            answer = self._app({**scope, CALLER: caller}, receive, watched)
            del scope, receive  # not to be held for as long as a stream is told
            await answer
        if stay.cancelled_caught and not started:  # else the server breaks the answer off
            await self._turn_away(LEFT, send, wrong_token=True)

    async def _turn_away(self, refusal: Refusal, send: Send, *, wrong_token: bool) -> None:
        """Say 401 and what would do (RFC 9110, 11.6.1; RFC 6750, 3; RFC 7617, 2)."""
        known = self._roster.credentials
        challenges = [BEARER + ', error="invalid_token"' * wrong_token]
        if known.has(Password):
            challenges.append(BASIC)
        said = [(b"www-authenticate", challenge.encode()) for challenge in challenges]
        await _answer(refusal, send, *said)


async def _answer(refusal: Refusal, send: Send, *headers: tuple[bytes, bytes]) -> None:
    said = [*refusal.headers(close=True), *headers]  # closed: the body is not read
    await send({"type": "http.response.start", "status": refusal.status, "headers": said})
    await send({"type": "http.response.body", "body": refusal.body()})


def _from(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else "somebody"
