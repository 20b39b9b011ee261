"""The pages that are no operation: the card, our extension's schema, and whether we are alive.

What is answered is made ready when they are, body and headers: callers ask for the card more often
than for anything else, and most of them ask for nothing but the card.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from a2acore import negotiation
from a2acore.asgi import Receive, Scope, Send
from a2acore.cards import MAX_AGE, SCHEMA, Cards
from a2acore.http.exchange import Head, Headers
from a2acore.negotiation import Form
from a2acore.refusal import Refusal

CARD = "/.well-known/agent-card.json"
OLD_CARD = "/.well-known/agent.json"
"""Where callers before 0.3 look."""
HEALTH = "/health"

CARDS = frozenset({CARD, OLD_CARD})
PUBLIC = CARDS | {SCHEMA, HEALTH}
"""What anybody may see."""
PAGES = PUBLIC

READING = frozenset({"GET", "HEAD"})
ALLOW = (b"allow", b"GET, HEAD, OPTIONS")
CHOOSING = frozenset({b"a2a-version", b"if-none-match", b"if-modified-since"})
"""Headers that make a difference to what is answered."""


@frozen
class Page:
    """A whole answer, ready to be sent."""

    body: bytes
    headers: tuple[tuple[bytes, bytes], ...]

    @classmethod
    def of(cls, body: bytes, media_type: bytes, headers: Headers = ()) -> Page:
        about = ((b"content-type", media_type), (b"content-length", b"%d" % len(body)))
        return cls(body, (*headers, *about))

    async def send(self, scope: Scope, send: Send) -> None:
        body = b"" if scope["method"] == "HEAD" else self.body
        await _send(send, 200, self.headers, body)


class Pages:
    """The pages of a server, as an ASGI app for requests to `PAGES`."""

    def __init__(self, cards: Cards, card_default: Form) -> None:
        self._cards = cards
        self._default: Form = card_default
        self._forms: Mapping[Form, Page] = {
            form: Page.of(document.body, b"application/json", cards.headers(form))
            for form, document in cards.documents.items()
        }
        schema = Path(__file__).with_name(Path(SCHEMA).name).read_bytes()
        caching = (b"cache-control", b"public, max-age=%d" % MAX_AGE)
        self._others: Mapping[str, Page] = {
            SCHEMA: Page.of(schema, b"application/schema+json", [caching]),
            HEALTH: Page.of(b'{"status":"ok"}', b"application/json"),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in READING:
            await _refuse(scope, send)
        elif scope["path"] in CARDS:
            await self._send_card(scope, send)
        else:
            await self._others[scope["path"]].send(scope, send)

    async def _send_card(self, scope: Scope, send: Send) -> None:
        form = self._default
        if scope["query_string"] or any(name in CHOOSING for name, _ in scope["headers"]):
            head = Head.of(scope)
            said = head.headers
            form = negotiation.card_form(negotiation.declared(said, head.query), form)
            none_match, since = said.get("if-none-match", ""), said.get("if-modified-since", "")
            if self._cards.unchanged(form, none_match, since):
                # Without what speaks of the content that is not sent (RFC 9110, 8.6 and 15.4.5).
                await _send(send, 304, self._cards.headers(form), b"")
                return
        await self._forms[form].send(scope, send)


async def _refuse(scope: Scope, send: Send) -> None:
    if scope["method"] == "OPTIONS":
        await _send(send, 204, [ALLOW], b"")
        return
    refusal = Refusal(405, f"Method not allowed; possible here: {ALLOW[1].decode()}")
    await _send(send, 405, [*refusal.headers(close=False), ALLOW], refusal.body())


async def _send(send: Send, status: int, headers: Headers, body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
