"""A server of ours with one thing wrong: an ASGI wrapper that spoils what it is told to.

A spoiling is a function that changes, in place, what was asked (`Asked`) or what is said (`Said`):
so that a checker of servers can be seen to notice.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import trio
from attrs import define, field

from a2abackends.echo.agent import Echo
from a2acore.asgi import ASGIApp, Message, Receive, Scope, Send
from a2acore.listener import listen
from a2acore.server import Options, open_app

Headers = dict[str, str]

MOST = 1024 * 1024
"""Bytes of a body: a larger one is refused, and nothing is to be learned from spoiling it."""


@define(eq=False)
class Asked:
    """A request before the server sees it."""

    verb: str
    path: str
    headers: Headers
    document: Any
    """The JSON of its body; None when there is none."""

    @property
    def what(self) -> str:
        """What it asks for: the method of JSON-RPC, or the verb and the path."""
        if isinstance(self.document, dict) and "jsonrpc" in self.document:
            return str(self.document.get("method"))
        return f"{self.verb} {self.path}"


@define(eq=False)
class Said:
    """An answer, or one event of a stream, before the caller sees it."""

    asked: Asked
    status: int
    headers: Headers
    document: Any
    """The JSON of its body; None when there is none."""
    number: int = 0
    """Counts the events of a stream, from 1; 0 for what is no event."""
    text: str | None = None
    """Says this instead."""
    silent: bool = False
    """Leaves out this event."""
    hangs: bool = False
    """Does not end the stream."""

    @property
    def inside(self) -> Any:
        """What is inside the envelope of JSON-RPC, if there is one."""
        document = self.document
        if isinstance(document, dict) and "jsonrpc" in document:
            return document.get("result")
        return document

    @property
    def error(self) -> Any:
        """The error that it tells; None when it is none."""
        return self.document.get("error") if isinstance(self.document, dict) else None

    @property
    def all(self) -> list[dict[str, Any]]:
        """Every object in it, however deep, but not in what callers and agents made up."""
        found: list[dict[str, Any]] = []

        def walk(said: Any) -> None:
            if isinstance(said, dict):
                found.append(said)
                for member, value in said.items():
                    if member not in ("metadata", "data"):
                        walk(value)
            elif isinstance(said, list):
                for each in said:
                    walk(each)

        walk(self.inside)
        return found

    @property
    def tasks(self) -> list[dict[str, Any]]:
        """The tasks in it."""
        return [each for each in self.all if "id" in each and "status" in each]


Spoil = Callable[[Any], None]


@define(eq=False)
class Spoiled:
    """The wrapper."""

    app: ASGIApp
    ask: Spoil
    say: Spoil

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _length(scope) > MOST:
            await self.app(scope, receive, send)
            return
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        asked = Asked(scope["method"], scope["path"], headers, _read(body))
        self.ask(asked)
        if asked.document is not None and asked.document != _read(body):
            body = json.dumps(asked.document).encode()
            asked.headers["content-length"] = str(len(body))
        pairs = [(name.encode(), value.encode("latin-1")) for name, value in asked.headers.items()]
        raw = asked.path.encode() if asked.path != scope["path"] else scope["raw_path"]
        told = {
            **scope,
            "method": asked.verb,
            "path": asked.path,
            "raw_path": raw,
            "headers": pairs,
        }
        unread: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def reread() -> Message:
            return unread.pop() if unread else await receive()

        await self.app(told, reread, Saying(asked, self.say, send))


@define(eq=False)
class Saying:
    """The `send` of one answer."""

    asked: Asked
    say: Spoil
    send: Send
    status: int = field(default=0, init=False)
    headers: Headers = field(factory=dict, init=False)
    body: bytes = field(default=b"", init=False)
    count: int = field(default=0, init=False)
    streams: bool = field(default=False, init=False)

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            self.streams = self.headers.get("content-type", "").startswith("text/event-stream")
            if self.streams:
                await self.begin(Said(self.asked, self.status, self.headers, None))
        elif self.streams:
            await self.stream(message["body"], more=message.get("more_body", False))
        else:
            self.body += message.get("body", b"")
            if not message.get("more_body"):
                await self.whole()

    async def begin(self, said: Said) -> None:
        self.say(said)
        pairs = [(name.encode(), value.encode()) for name, value in said.headers.items()]
        start = {"type": "http.response.start", "status": said.status, "headers": pairs}
        await self.send(start)

    async def stream(self, chunk: bytes, *, more: bool) -> None:
        out, hangs = b"", False
        for frame in chunk.split(b"\n\n"):
            lines = frame.split(b"\n")
            data = next((line for line in lines if line.startswith(b"data: ")), None)
            if data is None:
                continue
            self.count += 1
            document = _read(data.removeprefix(b"data: "))
            said = Said(self.asked, self.status, self.headers, document, self.count)
            self.say(said)
            hangs = hangs or said.hangs
            if not said.silent:
                lines[lines.index(data)] = b"data: " + json.dumps(said.document).encode()
                out += b"\n".join(lines) + b"\n\n"
        hangs = hangs and not more
        await self.send({"type": "http.response.body", "body": out, "more_body": more or hangs})
        if hangs:
            await trio.sleep_forever()

    async def whole(self) -> None:
        said = Said(self.asked, self.status, self.headers, _read(self.body))
        self.say(said)
        body = json.dumps(said.document).encode() if said.document is not None else self.body
        if said.text is not None:
            body = said.text.encode()
        said.headers["content-length"] = str(len(body))
        pairs = [(name.encode(), value.encode()) for name, value in said.headers.items()]
        start = {"type": "http.response.start", "status": said.status, "headers": pairs}
        await self.send(start)
        await self.send({"type": "http.response.body", "body": body, "more_body": False})


def _length(scope: Scope) -> int:
    return int(dict(scope["headers"]).get(b"content-length", b"0"))


def _read(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def nothing(_: Any) -> None:
    """Spoils nothing."""


@asynccontextmanager
async def serving(
    options: Options, *, ask: Spoil = nothing, say: Spoil = nothing
) -> AsyncIterator[str]:
    """An echo agent that is spoiled so, for the length of the block: its URL."""
    async with open_app(Echo(), options=options) as app, trio.open_nursery() as nursery:
        spoiled = Spoiled(app, ask, say)
        bound = await nursery.start(partial(listen, spoiled, host="127.0.0.1", port=0))
        app.announce(bound.url)
        yield bound.url
        nursery.cancel_scope.cancel()
