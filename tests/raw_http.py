"""A server on a free port, and a client that sends exactly the bytes it is told to."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any, TypeAlias, get_args

import h11
import trio
from attrs import define, field, frozen

from a2acore.asgi import ASGIApp
from a2acore.front import Front, Patience
from a2acore.limits import LIMITS, Limits
from a2acore.listener import PATIENCE, STOP, Bound, listen

FRONTS = get_args(Front)
Serving: TypeAlias = Callable[..., AbstractAsyncContextManager["Server"]]
"""`serving`, with some of its arguments given."""

GET = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"


def get(path: str, *headers: str) -> bytes:
    """A GET request."""
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: test", *headers, "", ""]).encode()


def post(body: bytes, *headers: str, path: str = "/") -> bytes:
    """A POST request; the headers say how long the body is."""
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: test", *headers, "", ""]).encode() + body


@frozen
class Answer:
    status: int
    headers: dict[bytes, bytes]
    body: bytes

    @property
    def error(self) -> dict[str, Any]:
        """The error of a refusal."""
        assert self.headers[b"content-type"] == b"application/json"
        error: dict[str, Any] = json.loads(self.body)["error"]
        assert error["code"] == self.status
        return error


@define
class Client:
    stream: trio.SocketStream
    _unread: bytes = b""

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def answer(self, method: str = "GET") -> Answer:
        """The next answer, whole.

        Raises:
            h11.RemoteProtocolError: the connection ended in the middle of it.
        """
        http = h11.Connection(h11.CLIENT)
        http.send(h11.Request(method=method, target="/", headers=[("host", "test")]))
        http.send(h11.EndOfMessage())
        if self._unread:  # to h11, nothing is the end
            http.receive_data(self._unread)
        head: h11.Response | None = None
        body = b""
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                http.receive_data(bytes(await self.stream.receive_some()))
            elif isinstance(event, h11.Response):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                assert head is not None
                self._unread = http.trailing_data[0]
                return Answer(head.status_code, dict(head.headers), body)

    async def ask(self, request: bytes) -> Answer:
        await self.send(request)
        return await self.answer()

    async def until(self, mark: bytes) -> bytes:
        """What comes, up to and with `mark`."""
        while mark not in self._unread:
            data = await self.stream.receive_some()
            assert data, f"the connection ended before {mark!r}: {self._unread!r}"
            self._unread += data
        end = self._unread.index(mark) + len(mark)
        seen, self._unread = self._unread[:end], self._unread[end:]
        return seen

    async def rest(self) -> bytes:
        """Everything until the server closes."""
        while data := await self.stream.receive_some():
            self._unread += data
        return self._unread

    async def leave(self) -> None:
        await self.stream.aclose()


@define
class Server:
    bound: Bound
    stopping: trio.Event
    stopped: trio.Event = field(factory=trio.Event)

    @asynccontextmanager
    async def client(self) -> AsyncGenerator[Client]:
        stream = await trio.open_tcp_stream(self.bound.host, self.bound.port)
        async with stream:
            yield Client(stream)

    async def stop(self) -> None:
        """Ask it to stop, and wait until it has."""
        self.stopping.set()
        await self.stopped.wait()


@asynccontextmanager
async def serving(
    app: ASGIApp,
    *,
    drain: Callable[[], Awaitable[None]] | None = None,
    patience: Patience = PATIENCE,
    limits: Limits = LIMITS,
    front: Front | None = None,
    stop: float = STOP,
) -> AsyncGenerator[Server]:
    """A server for the length of the block, which may take ten seconds."""
    stopping, stopped = trio.Event(), trio.Event()

    async def run(task_status: trio.TaskStatus[Bound]) -> None:
        start = partial(listen, port=0, shutdown=stopping.wait, drain=drain, front=front)
        await start(app, patience=patience, limits=limits, stop=stop, task_status=task_status)
        stopped.set()

    with trio.fail_after(10):
        async with trio.open_nursery() as nursery:
            yield Server(await nursery.start(run), stopping, stopped)
            stopping.set()
