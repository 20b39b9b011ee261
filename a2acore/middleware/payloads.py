"""What callers ask and are answered, in the log: an ASGI wrapper for who looks for a fault.

It is the only place that logs what is said, at the level DEBUG, through a `Redactor`. Of a stream
it logs how long it was: what is said in pieces may hold a secret that no piece shows.
"""

from __future__ import annotations

import logging

from attrs import define, field

from a2acore.asgi import ASGIApp, Message, Receive, Scope, Send
from a2acore.redaction import Redactor

PAYLOADS = "a2acore.payloads"
"""The name of the logger."""
SHOWN = 4096
"""Characters of what is said that are shown."""
KEPT = 4 * SHOWN
"""Bytes that are kept of it, so that a secret which begins among those is seen whole."""

log = logging.getLogger(PAYLOADS)


class Payloads:
    """Wrap `app`: each request is logged when it has come, and each answer when it has gone."""

    def __init__(self, app: ASGIApp, redactor: Redactor) -> None:
        self._app = app
        self._redactor = redactor

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, if it is one; anything else passes through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked, answered = Said(), Said()
        about = f"{scope['method']} {scope['path']}"

        async def hear() -> Message:
            message = await receive()
            if message["type"] == "http.request" and asked.take(message) and asked.size:
                log.debug("%s asks %s", about, self._shown(asked))
            return message

        async def say(message: Message) -> None:
            nonlocal about
            if message["type"] == "http.response.start":
                about += f" {message['status']}"
                answered.streamed = (b"content-type", b"text/event-stream") in message["headers"]
            elif answered.take(message):
                log.debug("%s answers %s", about, self._shown(answered))
            await send(message)

        await self._app(scope, hear, say)

    def _shown(self, said: Said) -> str:
        if said.streamed:
            return f"a stream of {said.size} bytes"
        shown = self._redactor.beginning(said.kept.decode(errors="replace"), SHOWN)
        return shown if said.size <= SHOWN else f"{shown}... ({said.size} bytes)"


@define
class Said:
    """A body as it comes by."""

    kept: bytearray = field(factory=bytearray)
    size: int = 0
    streamed: bool = False

    def take(self, message: Message) -> bool:
        """Take a piece; whether it is the last one."""
        piece = message.get("body", b"")
        self.size += len(piece)
        if not self.streamed:
            self.kept += piece[: KEPT - len(self.kept)]
        return not message.get("more_body", False)
