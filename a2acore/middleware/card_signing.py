"""Signs the cards that an app serves, and serves the keys: an ASGI wrapper around any app.

    app = CardSigning(app, Seal([key]), {"/.well-known/agent-card.json"})

The app within is asked for the whole card, whatever the caller has of it already; a card is signed
when it is first seen, and kept. What is conditional (`If-None-Match`, `HEAD`) is decided here, over
the bytes that are sent. Every other route passes through untouched.

Rule: no card leaves unsigned. One that cannot be signed is a failure, not an answer.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from email.utils import parsedate_to_datetime

from attrs import define, field

from a2acore.asgi import ASGIApp, Message, Receive, Scope, Send
from a2acore.cards import MAX_AGE, Document
from a2acore.refusal import Refusal
from a2acore.signing import as_set
from a2acore.wire.signatures import Seal

JWKS = "/.well-known/jwks.json"
"""Where the public keys are: the usual place, so that a `jku` need not be invented."""

REPLACED = frozenset({b"etag", b"content-length"})
"""Headers of the app that speak of the bytes that it sent."""
ABOUT_CONTENT = frozenset({b"content-type", b"content-length"})
"""Headers that an answer without content does not bear (RFC 9110, 8.6 and 15.4.5)."""
OURS = frozenset(
    {b"if-none-match", b"if-modified-since", b"if-range", b"range", b"accept-encoding"}
)
"""Headers of the caller that the app does not get to see: they are about the signed bytes."""
READING = ("GET", "HEAD")

Headers = Iterable[tuple[bytes, bytes]]


class CardSigning:
    """Wrap `app`: the documents at the paths of `cards` are signed, and the keys are at `JWKS`."""

    def __init__(self, app: ASGIApp, seal: Seal, cards: Collection[str]) -> None:
        self._app = app
        self._seal = seal
        self._cards = frozenset(cards)
        self._keys = Document(as_set(seal.keys))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, if it is one; anything else passes through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"] == JWKS:
            await self._serve_keys(scope, send)
        elif scope["path"] in self._cards and scope["method"] in READING:
            await self._serve_card(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _serve_card(self, scope: Scope, receive: Receive, send: Send) -> None:
        kept = [(name, value) for name, value in scope["headers"] if name not in OURS]
        said = Said()
        await self._app({**scope, "method": "GET", "headers": kept}, receive, said)
        if said.status == 200:
            document = Document(self._seal.document(bytes(said.body)))
            headers = [(name, value) for name, value in said.headers if name not in REPLACED]
            await _serve(scope, send, document, headers)
        else:
            body = b"" if scope["method"] == "HEAD" else bytes(said.body)
            await _send(send, said.status, said.headers, body)

    async def _serve_keys(self, scope: Scope, send: Send) -> None:
        if scope["method"] in READING:
            headers = [
                (b"content-type", b"application/jwk-set+json"),
                (b"cache-control", b"public, max-age=%d" % MAX_AGE),
            ]
            await _serve(scope, send, self._keys, headers)
            return
        allow = (b"allow", b"GET, HEAD, OPTIONS")
        if scope["method"] == "OPTIONS":
            await _send(send, 204, [allow], b"")
            return
        refusal = Refusal(405, "The keys can be read, and nothing else")
        await _send(send, 405, [*refusal.headers(close=False), allow], refusal.body())


@define
class Said:
    """A `send` that keeps what an app answers."""

    status: int = 0
    headers: list[tuple[bytes, bytes]] = field(factory=list)
    body: bytearray = field(factory=bytearray)

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = [(name.lower(), value) for name, value in message.get("headers", ())]
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")


async def _serve(scope: Scope, send: Send, document: Document, headers: Headers) -> None:
    """Answer with a document, or with the word that the caller has it."""
    headers = [*headers, (b"etag", document.etag.encode())]
    asked = _asked(scope["headers"])
    since = _date(dict(headers).get(b"last-modified", b"").decode("latin-1"))
    if document.unchanged(
        since, asked.get(b"if-none-match", ""), asked.get(b"if-modified-since", "")
    ):
        kept = [(name, value) for name, value in headers if name not in ABOUT_CONTENT]
        await _send(send, 304, kept, b"")
        return
    headers.append((b"content-length", b"%d" % len(document.body)))
    await _send(send, 200, headers, b"" if scope["method"] == "HEAD" else document.body)


async def _send(send: Send, status: int, headers: Headers, body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})


def _asked(headers: Headers) -> dict[bytes, str]:
    """The headers of a request; those that come twice are one list."""
    said: dict[bytes, str] = {}
    for name, value in headers:
        text = value.decode("latin-1")
        said[name] = f"{said[name]}, {text}" if name in said else text
    return said


def _date(said: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(said)
    except ValueError:
        return None
    return date if date.tzinfo else None
