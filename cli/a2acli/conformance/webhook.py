"""A receiver of push notifications on this machine, one for a whole run."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, NamedTuple
from uuid import uuid4

import h11
import trio
from attrs import define, field

from a2acli.conformance.groups import alone

HERE = "127.0.0.1"
CHUNK = 64 * 1024


class Delivery(NamedTuple):
    """One request that came."""

    verb: str
    headers: Mapping[str, str]
    """By names in lower case."""
    body: bytes
    at: float
    """When, in seconds of trio's clock."""

    @property
    def document(self) -> Any:
        """The JSON in it; None when there is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


@define(eq=False)
class Webhook:
    """An address of ours, and what came to it."""

    url: str
    statuses: list[int] = field(factory=list)
    """What the next requests are answered with; 200 when there is no more."""
    deliveries: list[Delivery] = field(factory=list, init=False)
    _news: trio.Event = field(factory=trio.Event, init=False)

    def take(self, delivery: Delivery) -> int:
        """Remember a request, and tell the status to answer."""
        self.deliveries.append(delivery)
        self._news.set()
        self._news = trio.Event()
        return self.statuses.pop(0) if self.statuses else 200

    async def wait(self, enough: Callable[[list[Delivery]], bool], seconds: float) -> bool:
        """Wait until what came is enough; whether it was in time."""
        with trio.move_on_after(seconds):
            while not enough(self.deliveries):
                await self._news.wait()
            return True
        return False


@define(eq=False)
class Receiver:
    """Listens on one port, and has as many addresses there as are wanted."""

    port: int
    _hooks: dict[str, Webhook] = field(factory=lambda: defaultdict(lambda: Webhook("")), init=False)

    def hook(self, *statuses: int) -> Webhook:
        """A new address."""
        path = f"/{uuid4().hex}"
        self._hooks[path] = hook = Webhook(f"http://{HERE}:{self.port}{path}", list(statuses))
        return hook

    async def answer(self, stream: trio.SocketStream) -> None:
        """Take the requests of one connection."""
        http = h11.Connection(h11.SERVER)
        try:
            while await self._exchange(http, stream):
                http.start_next_cycle()
        except (h11.RemoteProtocolError, trio.BrokenResourceError):
            pass  # who breaks off has said nothing
        finally:
            await trio.aclose_forcefully(stream)

    async def _exchange(self, http: h11.Connection, stream: trio.SocketStream) -> bool:
        request, body = None, b""
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                http.receive_data(bytes(await stream.receive_some(CHUNK)))
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage) and request is not None:
                break
            else:
                return False
        headers = {name.decode(): value.decode("latin-1") for name, value in request.headers}
        path, _, query = request.target.decode().partition("?")
        seen = Delivery(request.method.decode(), headers, body, trio.current_time())
        status = self._hooks[path].take(seen)
        # A server that wants to know whether the address is ours sends a word to be said back.
        word = dict(each.split("=", 1) for each in query.split("&") if "=" in each)
        said = word.get("validationToken", "").encode()
        length = [("Content-Length", str(len(said))), ("Content-Type", "text/plain")]
        for part in (
            h11.Response(status_code=status, headers=length),
            h11.Data(data=said),
            h11.EndOfMessage(),
        ):
            if data := http.send(part):
                await stream.send_all(data)
        return http.our_state is h11.DONE and http.their_state is h11.DONE


@asynccontextmanager
async def open_receiver() -> AsyncIterator[Receiver]:
    """A receiver, for as long as the block."""
    [listener] = await trio.open_tcp_listeners(0, host=HERE)
    receiver = Receiver(listener.socket.getsockname()[1])
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(trio.serve_listeners, receiver.answer, [listener]))
            yield receiver
            nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        raise alone(group) from None
