"""Serve an ASGI app over HTTP/1.1, for embedding in any trio program and for the command.

Installs no signal handlers and no logging: it logs to `a2acore.serve`. The order of a stop:

1. `shutdown()` returns: somebody wants to stop.
2. `drain()` returns: the app's work has ended, while connections still live, so every open stream
   hears its end. New connections and requests are still answered (with a refusal, by the app).
3. Nobody is let in; idle connections close; the others have `STOP` seconds for their last bytes.
4. The app's lifespan ends.
"""

from __future__ import annotations

import errno
import logging
import ssl
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from functools import partial

import trio
from attrs import frozen
from trio import TASK_STATUS_IGNORED, TaskStatus

from a2acore.asgi import ASGIApp
from a2acore.front import Connection, Front, Patience, Site
from a2acore.front.door import Door
from a2acore.front.lookout import open_lookout
from a2acore.front.writing import refused
from a2acore.lifespan import open_lifespan
from a2acore.limits import LIMITS, Limits, Tally
from a2acore.middleware.floods import network_of
from a2acore.refusal import TooMany
from a2acore.tls import Peer

STOP = 1.5
"""Seconds for connections to end once all work has: enough for a last event to cross a slow
network, and what a client that never reads can cost us."""

PATIENCE = Patience()

CROWDED = TooMany("There are too many connections already", 5)
"""What a connection hears that there is no room for."""

logger = logging.getLogger("a2acore.serve")


@frozen
class Bound:
    """Where a server listens: `port` is the real one, also when 0 was asked for."""

    host: str
    port: int
    secure: bool = False
    """Whether TLS is spoken."""

    @property
    def url(self) -> str:
        """The address as an `http:` or `https:` URL, without a slash at the end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.secure else 'http'}://{host}:{self.port}"


async def listen(
    app: ASGIApp,
    *,
    host: str = "127.0.0.1",
    port: int = 9100,
    tls: ssl.SSLContext | None = None,
    shutdown: Callable[[], Awaitable[object]] = trio.sleep_forever,
    drain: Callable[[], Awaitable[object]] | None = None,
    patience: Patience = PATIENCE,
    limits: Limits = LIMITS,
    front: Front | None = None,
    stop: float = STOP,
    task_status: TaskStatus[Bound] = TASK_STATUS_IGNORED,
) -> None:
    """Serve until `shutdown` returns. Start it with `bound = await nursery.start(listen, app)`.

    `started` is told before the first connection is taken; clients may connect by then, and wait.
    Cancelling it ends every connection at once, without a drain. Of `limits`, this is where those
    on connections hold. `front` is what speaks HTTP: `native`, and `hypercorn` where TLS is spoken,
    if nothing is said.

    Raises:
        OSError: cannot listen there (before `started`).
        StartupFailed: the app cannot start (before `started`).
    """
    listeners = await open_listeners(host, port)
    try:
        bound = Bound(host, listeners[0].socket.getsockname()[1], tls is not None)
        async with (
            open_lifespan(app) as state,
            open_lookout() as lookout,
            trio.open_nursery() as nursery,
        ):
            crowd = Crowd(Site(app, state, patience, tls is not None, lookout), tls, limits, front)
            async with trio.open_nursery() as door:
                task_status.started(bound)
                doors = [Door(listener) for listener in listeners]
                door.start_soon(
                    partial(trio.serve_listeners, crowd.serve, doors, handler_nursery=nursery)
                )
                await shutdown()
                if drain is not None:
                    await drain()
                door.cancel_scope.cancel()
            crowd.close_idle()
            nursery.cancel_scope.deadline = trio.current_time() + stop
    finally:
        for listener in listeners:
            listener.socket.close()


class Crowd:
    """All connections of one server. What one of them raises is logged, and ends that one.

    Where there is no room for another, one that asks for nothing has to leave for it, the oldest
    first: so who opens connections and says nothing keeps nobody out. Where all of them are being
    answered, the new one is turned away.
    """

    def __init__(
        self,
        site: Site,
        tls: ssl.SSLContext | None = None,
        limits: Limits = LIMITS,
        front: Front | None = None,
    ) -> None:
        self._site = site
        self._open = _speaking(front or ("hypercorn" if tls else "native"))
        self._tls = tls
        self._connections: dict[Connection, str] = {}
        """With the address of each; the oldest first."""
        self._greetings: dict[trio.CancelScope, str] = {}
        """Those that do not speak TLS yet, likewise."""
        self._tally = Tally("connections", limits.connections, limits.connections_per_address)

    async def serve(self, stream: trio.SocketStream) -> None:
        """Serve one client."""
        address = _address(stream)
        if not self._make_room(address):
            await self._turn_away(stream)
            return
        self._tally.add(address)
        connection: Connection | None = None
        try:
            connection = await self._greet(stream, address)
            if connection is not None:
                self._connections[connection] = address
                await connection.serve()
        except* Exception as failed:
            logger.error("A connection failed and was closed", exc_info=failed)
        finally:
            if connection is not None:
                self._connections.pop(connection, None)
            self._tally.drop(address)

    def _make_room(self, address: str) -> bool:
        """Whether there is room for one from an address, also when another has to leave for it."""
        if not self._tally.has_room_for(address):
            return self._send_one_away({address})
        return self._tally.has_room() or self._send_one_away(set(self._connections.values()))

    def _send_one_away(self, addresses: Collection[str]) -> bool:
        # Who was chosen is gone in a moment, and not to be chosen again.
        for greeting, address in self._greetings.items():
            if address in addresses:
                greeting.cancel()
                del self._greetings[greeting]
                return True
        for connection, address in self._connections.items():
            if address in addresses and connection.close_if_idle():
                del self._connections[connection]
                return True
        return False

    async def _turn_away(self, stream: trio.SocketStream) -> None:
        """Say why, if that can be said without TLS. What is so short waits for nobody."""
        async with stream:
            if self._tls is None:
                with (
                    trio.move_on_after(self._site.patience.linger),
                    suppress(trio.BrokenResourceError),
                ):
                    await stream.send_all(refused(CROWDED, head_only=False))

    async def _greet(self, stream: trio.SocketStream, address: str) -> Connection | None:
        """A connection to speak on: where TLS is spoken, once it is agreed on, if it can be."""
        if self._tls is None:
            return self._open(self._site, stream, stream.socket)
        secured = trio.SSLStream(stream, self._tls, server_side=True, https_compatible=True)
        greeting = trio.CancelScope(deadline=trio.current_time() + self._site.patience.handshake)
        self._greetings[greeting] = address
        done = False
        try:
            with greeting:
                await secured.do_handshake()
                done = True
        except trio.BrokenResourceError as exc:
            logger.debug("A client could not agree with us on TLS: %s", exc.__cause__ or exc)
        finally:
            self._greetings.pop(greeting, None)
        if not done:
            await trio.aclose_forcefully(stream)
            return None
        return self._open(self._site, secured, stream.socket, Peer.of(secured.getpeercert()))

    def close_idle(self) -> None:
        """Close idle connections now, and the others after the answer they are waiting for."""
        self._site.leaving = True
        for connection in self._connections:
            connection.close_if_idle()


def _speaking(front: Front) -> type[Connection]:
    """The connections of a front, which is loaded by who wants it: hypercorn is a lot to load."""
    if front == "native":
        from a2acore.front.native import NativeConnection

        return NativeConnection
    from a2acore.front.hypercorn import HypercornConnection

    return HypercornConnection


def _address(stream: trio.SocketStream) -> str:
    try:
        return network_of(stream.socket.getpeername()[0])
    except OSError:
        return ""  # gone before we looked


async def open_listeners(host: str, port: int) -> list[trio.SocketListener]:
    """Listen on every address of `host`.

    Raises:
        OSError: with the address in its text.
    """
    where = f"Cannot listen on {host} port {port}"
    if not 0 <= port <= 65535:  # the C library would take the lower 16 bits
        raise OSError(errno.EINVAL, f"{where}: there is no such port")
    try:
        listeners = await trio.open_tcp_listeners(port, host=host)
    except OSError as exc:
        raise OSError(exc.errno, f"{where}: {exc.strerror}") from exc
    except UnicodeError as exc:
        raise OSError(errno.EINVAL, f"{where}: {exc}") from exc
    if port == 0:  # every address got a port of its own: keep one, the URL has room for one
        for other in listeners[1:]:
            other.socket.close()
        del listeners[1:]
    return listeners
