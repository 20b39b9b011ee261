"""One request and its answer, as the app sees them: ASGI's `receive` and `send`.

Rule 1: the head of an answer waits for the first piece of its body, and goes out with it. An app
    that fails before has answered nothing, and can still be answered for.
Rule 2: the body is read when the app asks for it. What has come of it when the answer begins is
    taken in then: who sent it all may send another request.
Rule 3: who asks to receive beyond the body wants to know when the client leaves. Only then do we
    read on: nothing else would tell, and it has to be paid for.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import trio
from attrs import define, field

from a2acore.asgi import ClientGone, Message
from a2acore.front.heads import Request
from a2acore.front.reading import Reader
from a2acore.front.site import Site
from a2acore.front.writing import Answer, refused
from a2acore.refusal import Refusal


class Wire(Protocol):
    """The connection of an exchange."""

    gone: bool
    """Whether nothing can be written any more."""
    busy: bool
    """Whether something is being written, and nothing can be written between."""

    async def read(self) -> bool:
        """Give the reader what the client sends next; false when there is nothing more."""

    async def watch(self) -> None:
        """Return when the client has nothing more to say; take it for leaving."""

    async def write(self, data: bytes) -> None:
        """Write all of it.

        Raises:
            ClientGone: that cannot be done.
        """


@define(eq=False)
class Exchange:
    """The two callables that an app is given, and what becomes of the connection after it."""

    _request: Request
    _reader: Reader
    _wire: Wire
    _site: Site
    _answer: Answer | None = field(init=False, default=None)
    _head: bytes = field(init=False, default=b"")
    """The head of the answer, while it waits for the body."""
    _begun: bool = field(init=False, default=False)
    """Whether anything of an answer was written."""
    _over: bool = field(init=False, default=False)
    """Whether the answer is whole."""
    _told: bool = field(init=False, default=False)
    """Whether the app has all of the body."""
    _left: bool = field(init=False, default=False)
    """Whether the app was told that the client left, or its request broke: it cannot answer now."""
    _watching: trio.CancelScope | None = field(init=False, default=None)

    async def receive(self) -> Message:
        """The next piece of the body, and after the last one the end of it all."""
        if not self._told and not self._left:
            piece = await self._piece()
            if not self._left:
                self._told = self._reader.whole
                return {"type": "http.request", "body": piece, "more_body": not self._told}
        if self._over or self._left or self._wire.gone:
            await trio.lowlevel.checkpoint()
        else:
            with trio.CancelScope() as self._watching:
                await self._wire.watch()
            self._left = not self._over
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Write a piece of the answer.

        Raises:
            ClientGone: there is nobody to answer.
            RuntimeError: this is no answer, or comes after its end.
            trio.BusyResourceError: another task is still writing a piece.
        """
        if self._left or self._wire.gone:
            raise ClientGone("The client left")
        if self._wire.busy:
            raise trio.BusyResourceError("An answer is written by one task at a time")
        kind = message["type"]
        if kind == "http.response.start" and self._answer is None:
            await self._start(message["status"], message.get("headers", ()))
        elif kind == "http.response.body" and self._answer is not None and not self._over:
            more = message.get("more_body", False)
            data = self._head + self._answer.piece(message.get("body", b""), more=more)
            await self._write(data, more=more)
        else:
            raise RuntimeError(f"{kind} has no place here in an answer")

    async def finish(self) -> bool:
        """Answer for an app that did not; whether the connection can go on.

        Raises:
            ClientGone: there is nobody to answer.
        """
        if not (self._begun or self._left or self._wire.gone):
            await self._refuse(Refusal(500, "Internal error"))
        return self._over and self._answer is not None and not self._answer.closes

    async def _piece(self) -> bytes:
        """What comes next of the body. The client may leave instead, or send what is none."""
        reader = self._reader
        waited = False
        while True:
            try:
                piece = reader.body()
            except Refusal as refusal:
                await self._break(refusal)
                return b""
            if piece or reader.whole:
                if not (waited or reader.whole):  # a long body may be here already: let others run
                    await trio.lowlevel.checkpoint()
                return piece
            if reader.waiting and not self._begun:
                await self._wire.write(reader.go_on())
            if not await self._wire.read():
                self._left = True
                return b""
            waited = True

    async def _start(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        reader, request = self._reader, self._request
        try:
            reader.take_in()
        except Refusal as refusal:
            await self._break(refusal)
            raise ClientGone("The request broke") from refusal
        # Who is not told that the connection ends, because the request is not through yet, sends
        # the next one into the closing of the socket.
        closes = self._site.leaving or not reader.whole or request.closes
        answer = Answer(closes, request.method, request.version)
        self._head = answer.start(status, headers)
        self._answer = answer

    async def _write(self, data: bytes, *, more: bool) -> None:
        self._head = b""
        self._begun = True
        if data:
            await self._wire.write(data)
        if more:
            await trio.lowlevel.checkpoint()  # or an app that talks for ever would run alone
            return
        self._over = True
        if self._watching is not None:  # not before: who hears the end may cancel who writes it
            self._watching.cancel()

    async def _break(self, refusal: Refusal) -> None:
        """The request turned out to be none."""
        self._left = True
        if not self._begun:
            await self._refuse(refusal)

    async def _refuse(self, refusal: Refusal) -> None:
        self._begun = True
        head_only = self._request.method == "HEAD"
        await self._wire.write(refused(refusal, head_only=head_only))
