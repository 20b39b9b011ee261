"""A webhook: takes what is posted to it, over a socket or over a network that is none."""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import h11
import httpcore
import trio
import trio.testing
from attrs import define, field, frozen


@frozen
class Letter:
    """One request."""

    verb: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@frozen
class Reply:
    """What is answered: a status, or the raw bytes that are no HTTP at all."""

    status: int = 200
    headers: Mapping[str, str] = {}
    body: bytes = b""
    raw: bytes = b""


Answer = Callable[[Letter], Awaitable[Reply]]


async def take(letter: Letter) -> Reply:
    return Reply()


async def never(letter: Letter) -> Reply:
    await trio.sleep_forever()
    raise AssertionError


def statuses(*first: int) -> Answer:
    """Answers with these, and then with 200."""
    rest = list(first)

    async def answer(letter: Letter) -> Reply:
        return Reply(rest.pop(0) if rest else 200)

    return answer


@define(eq=False)
class Receiver:
    """Everything that was posted, in order."""

    answer: Answer = take
    url: str = ""
    letters: list[Letter] = field(factory=list)
    connections: int = 0
    _news: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot)

    async def serve(self, stream: trio.abc.Stream) -> None:
        """Serve one connection."""
        self.connections += 1
        http = h11.Connection(h11.SERVER)
        try:
            async with stream:
                while await self._exchange(http, stream):
                    http.start_next_cycle()
        except (trio.BrokenResourceError, trio.ClosedResourceError, h11.RemoteProtocolError):
            pass  # the other side has left, perhaps in the middle: that is its right

    async def _exchange(self, http: h11.Connection, stream: trio.abc.Stream) -> bool:
        head = await self._next(http, stream)
        if not isinstance(head, h11.Request):
            return False
        body = b""
        while isinstance(piece := await self._next(http, stream), h11.Data):
            body += bytes(piece.data)
        letter = Letter(
            head.method.decode(),
            head.target.decode(),
            {name.decode(): value.decode() for name, value in head.headers},
            body,
        )
        self.letters.append(letter)
        self._news.unpark_all()
        reply = await self.answer(letter)
        if reply.raw:
            await stream.send_all(reply.raw)
            return False
        headers = {"Content-Length": str(len(reply.body)), **reply.headers}
        response = h11.Response(status_code=reply.status, headers=list(headers.items()))
        said = [
            http.send(response),
            http.send(h11.Data(data=reply.body)),
            http.send(h11.EndOfMessage()),
        ]
        await stream.send_all(b"".join(part for part in said if part))
        return http.our_state is h11.DONE and http.their_state is h11.DONE

    async def _next(self, http: h11.Connection, stream: trio.abc.Stream) -> h11.Event | type:
        while (event := http.next_event()) is h11.NEED_DATA:
            http.receive_data(bytes(await stream.receive_some()))
        return event

    async def until(self, enough: Callable[[list[Letter]], object]) -> list[Letter]:
        """Wait for letters."""
        while not enough(self.letters):
            await self._news.park()
        return self.letters

    async def count(self, count: int) -> list[Letter]:
        """Wait for so many letters."""
        return await self.until(lambda letters: len(letters) >= count)


@asynccontextmanager
async def receiving(answer: Answer = take, host: str = "127.0.0.1") -> AsyncIterator[Receiver]:
    """A webhook on a socket of this machine, for the length of the block."""
    receiver = Receiver(answer)
    async with trio.open_nursery() as nursery:
        start = trio.serve_tcp
        [listener] = await nursery.start(
            lambda **given: start(receiver.serve, 0, host=host, **given)
        )
        receiver.url = f"http://{host}:{listener.socket.getsockname()[1]}/hook?of=ours"
        yield receiver
        nursery.cancel_scope.cancel()


@define(eq=False)
class Network(httpcore.AsyncNetworkBackend):
    """A network in memory: a webhook lives behind each address; behind all others is nobody."""

    nursery: trio.Nursery
    hosts: dict[str, Receiver]
    reached: list[tuple[str, int]] = field(factory=list)
    """Where connections went, in order."""
    greeted: list[str | None] = field(factory=list)
    """The names that TLS asked for."""

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self.reached.append((host, port))
        if host not in self.hosts:
            raise httpcore.ConnectError("nobody is there")
        ours, theirs = trio.testing.memory_stream_pair()
        self.nursery.start_soon(self.hosts[host].serve, theirs)
        return Wire(ours, self)


@frozen
class Wire(httpcore.AsyncNetworkStream):
    """One end of a connection in memory. TLS on it is only pretended."""

    stream: trio.abc.Stream
    network: Network

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return bytes(await self.stream.receive_some(max_bytes))

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        await self.stream.send_all(buffer)

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        assert ssl_context.check_hostname
        assert ssl_context.verify_mode is ssl.CERT_REQUIRED
        self.network.greeted.append(server_hostname)
        return self

    async def aclose(self) -> None:
        await self.stream.aclose()
