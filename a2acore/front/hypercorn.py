"""One client's connection: hypercorn's HTTP/1.1 on a socket that we watch over ourselves.

Hypercorn 0.18 parses requests and makes ASGI of them (its `H11Protocol`); its trio transport is
replaced, because there an error in one connection ends the whole server, a client that does not
read is waited for without end, and an app that cancels itself on `http.disconnect` (quart-trio
does) cancels hypercorn's own closing. It uses names that hypercorn does not promise, so the release
is pinned, and `tests/test_serve.py` holds the pin.

One task reads, from the first byte to the last, and it alone closes the socket. To end the
connection is to cancel `_reading`; that never waits, so anybody may do it anywhere.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from math import inf
from typing import Any, cast

import h11
import trio
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio.worker_context import EventWrapper, WorkerContext
from hypercorn.typing import ConnectionState, H11SendableEvent
from hypercorn.utils import parse_socket_addr

from a2acore.asgi import ClientGone, Message, Receive, Scope
from a2acore.front.site import AHEAD, HEAD, READ, Site, linger, refusal
from a2acore.tls import PEER, Peer

INBOX = 10
"""Pieces of a request's body (each of `READ` bytes or a little more) that wait for the app."""

# Where a client's side of a request can stand when it still may have something to send.
UNREAD = frozenset({h11.SEND_BODY, h11.ERROR})

logger = logging.getLogger("a2acore.serve")


def configuration() -> Config:
    """Hypercorn's settings, without its limits in time: those are ours."""
    config = Config()
    config.accesslog = None
    config.errorlog = logger  # a logger is taken as it is: no handler is installed, no level set
    config.include_server_header = False
    config.keep_alive_max_requests = sys.maxsize
    config.h11_max_incomplete_size = HEAD
    return config


CONFIG = configuration()


class HypercornConnection:
    """Serves one client on `stream`, until either side ends it."""

    def __init__(
        self,
        site: Site,
        stream: trio.abc.Stream,
        sock: trio.socket.SocketType,
        peer: Peer | None = None,
    ) -> None:
        self._site = site
        self._stream = stream
        self._socket = sock
        self._peer = peer
        self._idle = True
        self._broken = False
        self._reading = trio.CancelScope()
        self._writing = trio.Lock()
        self._apps: trio.Nursery
        self._protocol: Http1

    async def serve(self) -> None:
        """Returns when the socket is closed and the app has finished with its requests."""
        sock = self._socket
        try:
            client = parse_socket_addr(sock.family, sock.getpeername())
            server = parse_socket_addr(sock.family, sock.getsockname())
        except OSError:
            return  # gone before we looked
        context = WorkerContext(max_requests=None)
        context.terminated = Leaving(self._site)
        self._protocol = Http1(
            cast("Any", self._site.app),  # hypercorn only hands it back to `spawn_app`
            CONFIG,
            context,
            cast("Any", self),
            ConnectionState(self._site.state),
            self._site.secure,
            client,
            server,
            self._obey,
        )
        self._protocol.connection = Parser(h11.SERVER, max_incomplete_event_size=HEAD)
        self._protocol.can_read = ReadOn(self._read_ahead)
        async with trio.open_nursery() as self._apps:
            with self._reading, suppress(trio.BrokenResourceError, ClientGone):
                await self._read()
            await self._protocol.handle(Closed())
            if not self._broken and self._protocol.connection.their_state in UNREAD:
                await linger(self._stream, self._site.patience.linger)
            with trio.move_on_after(self._site.patience.linger):  # TLS says goodbye first
                await self._stream.aclose()

    def close_if_idle(self) -> bool:
        """End the connection, unless a request is being answered; whether it is ended."""
        if self._idle:
            self._reading.cancel()
        return self._idle

    async def _read(self) -> None:
        self._reading.deadline = trio.current_time() + self._site.patience.head
        while data := await self._stream.receive_some(READ):
            await self._protocol.handle(RawData(bytes(data)))
            if self._idle and self._protocol.connection.trailing_data[0]:  # half a head
                head = trio.current_time() + self._site.patience.head
                self._reading.deadline = min(self._reading.deadline, head)

    async def _read_ahead(self) -> None:
        """Keep reading while the next request has to wait, to notice that the client leaves."""
        ahead = 0
        while ahead < AHEAD:
            data = await self._stream.receive_some(READ)
            if not data:
                raise ClientGone("The client left")
            self._protocol.connection.receive_data(bytes(data))
            ahead += len(data)
        await trio.sleep_forever()

    async def _obey(self, event: Event) -> None:
        """Do with the socket what the protocol wants."""
        if isinstance(event, RawData):
            await self._write(event.data)
        elif isinstance(event, Closed):
            self._reading.cancel()
        elif isinstance(event, Updated):
            self._idle = event.idle
            idle_end = trio.current_time() + self._site.patience.keep_alive
            self._reading.deadline = idle_end if event.idle else inf

    async def _write(self, data: bytes) -> None:
        if not data:
            return  # h11 has nothing to add at the end of a counted body
        whole = False
        try:
            with trio.fail_after(self._site.patience.write):
                async with self._writing:  # "100 Continue" comes from the reading task
                    await self._stream.send_all(data)
            whole = True
        except (trio.BrokenResourceError, trio.ClosedResourceError) as exc:
            raise ClientGone("The client left") from exc
        except trio.BusyResourceError as exc:  # `linger` says that nothing more will come
            raise ClientGone("The request broke") from exc
        except trio.TooSlowError as exc:
            raise ClientGone(
                f"The client read nothing for {self._site.patience.write:g} s"
            ) from exc
        finally:
            if not whole:
                self._broken = True
                self._reading.cancel()

    async def spawn_app(
        self,
        app: object,
        config: Config,
        scope: Scope,
        send: Callable[[Message | None], Awaitable[None]],
    ) -> Callable[[Message], Awaitable[None]]:
        """Hypercorn's task group: call the app for one request; returns how to tell it things."""
        inbox, outbox = trio.open_memory_channel[Message](INBOX)

        async def put(event: Message) -> None:
            if event["type"] == "http.disconnect":
                inbox.close()  # never waits, however far the app is behind
                return
            with suppress(trio.ClosedResourceError):
                await inbox.send(event)

        async def receive() -> Message:
            try:
                return await outbox.receive()
            except trio.EndOfChannel:
                return {"type": "http.disconnect"}

        if self._peer is not None:
            scope[PEER] = self._peer
        self._apps.start_soon(self._answer, scope, receive, send)
        return put

    async def _answer(
        self,
        scope: Scope,
        receive: Receive,
        send: Callable[[Message | None], Awaitable[None]],
    ) -> None:
        try:
            await self._site.app(scope, receive, send)
        except* ClientGone:
            pass
        except* Exception as failed:
            logger.error("%s %s failed", scope["method"], scope["path"], exc_info=failed)
        # An answer whose first bytes could not be written has begun for h11, and for hypercorn not.
        with suppress(ClientGone, h11.LocalProtocolError):
            await send(None)  # hypercorn ends what the app left open: answers 500, or closes


class Http1(H11Protocol):
    """Hypercorn's HTTP/1.1 without the doors to other protocols, refusing in JSON."""

    async def _check_protocol(self, event: h11.Request) -> None:
        """Here hypercorn would turn to HTTP/2."""

    async def _create_stream(self, request: h11.Request) -> None:
        if not request.http_version.startswith(b"1."):  # the preface of HTTP/2 looks like this
            await self._send_error_response(505)
            await self.send(Closed())
            return
        # Hypercorn calls the app with HEAD where a client said `head`, and h11 waits for a body.
        if request.method != request.method.upper():
            await self._send_error_response(400)
            await self.send(Closed())
            return
        # "A server MAY ignore a received Upgrade header field" (RFC 9110, 7.8)
        headers = [(name, value) for name, value in request.headers if name != b"upgrade"]
        if len(headers) < len(request.headers):
            request = h11.Request(
                method=request.method,
                target=request.target,
                headers=headers,
                http_version=request.http_version,
            )
        await super()._create_stream(request)

    async def _send_error_response(self, status_code: int) -> None:
        refused = refusal(status_code)
        headers = [*refused.headers(close=True), *self.config.response_headers("h11")]
        send = self.connection.send
        # In one piece: the app may want to answer meanwhile.
        data = send(h11.Response(status_code=status_code, headers=headers)) or b""
        with suppress(h11.LocalProtocolError):  # an answer to HEAD has no body
            data += send(h11.Data(data=refused.body())) or b""
            data += send(h11.EndOfMessage()) or b""
        await self.send(RawData(data))

    async def _send_h11_event(self, event: H11SendableEvent) -> None:
        """Like hypercorn's, which drops without a word what an app sends after the client's request
        broke: an app that never waits would then run for ever, and nobody else.

        And it says so when an answer ends the connection, because the request is not through yet: a
        client that is not told sends its next request into the closing of the socket.
        """
        if isinstance(event, h11.Response) and self.connection.their_state is h11.SEND_BODY:
            headers = [*event.headers, (b"connection", b"close")]
            event = h11.Response(status_code=event.status_code, headers=headers)
        try:
            data = self.connection.send(event)
        except h11.LocalProtocolError as exc:
            if self.connection.their_state is h11.ERROR:
                raise ClientGone("The request broke") from exc
            raise
        await self.send(RawData(data))


class Parser(h11.Connection):
    """h11, not offended by what follows a connection's last request.

    By itself it calls that an error, hypercorn closes at once, and the last answer is lost.

    "[A server] MUST NOT process any further requests received on that connection." (RFC 9112, 9.6)
    """

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        if self.their_state is h11.MUST_CLOSE and self.trailing_data[0]:
            return h11.PAUSED
        return super().next_event()


class ReadOn(EventWrapper):
    """Hypercorn's "the next request may be read": who waits for it reads ahead meanwhile."""

    def __init__(self, read_ahead: Callable[[], Awaitable[None]]) -> None:
        super().__init__()
        self._read_ahead = read_ahead
        self._ahead = trio.CancelScope()

    async def clear(self) -> None:
        self._ahead = trio.CancelScope()

    async def wait(self) -> None:
        with self._ahead:
            await self._read_ahead()

    async def set(self) -> None:
        self._ahead.cancel()


class Leaving(EventWrapper):
    """Hypercorn's "this server ends", which it asks after each answer, and does not wait for."""

    def __init__(self, site: Site) -> None:
        super().__init__()
        self._site = site

    def is_set(self) -> bool:
        return self._site.leaving
