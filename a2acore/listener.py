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
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import trio
from attrs import frozen
from hypercorn.config import Config
from hypercorn.trio.worker_context import WorkerContext
from trio import TASK_STATUS_IGNORED, TaskStatus

from a2acore.asgi import ASGIApp
from a2acore.connection import Connection, Patience
from a2acore.lifespan import open_lifespan

STOP = 1.5
"""Seconds for connections to end once all work has: enough for a last event to cross a slow
network, and what a client that never reads can cost us."""

PATIENCE = Patience()

logger = logging.getLogger("a2acore.serve")


@frozen
class Bound:
    """Where a server listens: `port` is the real one, also when 0 was asked for."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """The address as an `http:` URL, without a slash at the end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


async def listen(
    app: ASGIApp,
    *,
    host: str = "127.0.0.1",
    port: int = 9100,
    shutdown: Callable[[], Awaitable[object]] = trio.sleep_forever,
    drain: Callable[[], Awaitable[object]] | None = None,
    patience: Patience = PATIENCE,
    stop: float = STOP,
    task_status: TaskStatus[Bound] = TASK_STATUS_IGNORED,
) -> None:
    """Serve until `shutdown` returns. Start it with `bound = await nursery.start(listen, app)`.

    `started` is told before the first connection is taken; clients may connect by then, and wait.
    Cancelling it ends every connection at once, without a drain.

    Raises:
        OSError: cannot listen there (before `started`).
        StartupFailed: the app cannot start (before `started`).
    """
    listeners = await open_listeners(host, port)
    try:
        bound = Bound(host, listeners[0].socket.getsockname()[1])
        async with open_lifespan(app) as state, trio.open_nursery() as nursery:
            crowd = Crowd(app, state, patience)
            async with trio.open_nursery() as door:
                task_status.started(bound)
                door.start_soon(
                    partial(trio.serve_listeners, crowd.serve, listeners, handler_nursery=nursery)
                )
                await shutdown()
                if drain is not None:
                    await drain()
                door.cancel_scope.cancel()
            await crowd.close_idle()
            nursery.cancel_scope.deadline = trio.current_time() + stop
    finally:
        for listener in listeners:
            listener.socket.close()


class Crowd:
    """All connections of one server. What one of them raises is logged, and ends that one."""

    def __init__(self, app: ASGIApp, state: dict[str, Any], patience: Patience) -> None:
        self._app = app
        self._state = state
        self._patience = patience
        self._config = configuration()
        self._context = WorkerContext(max_requests=None)
        self._connections: set[Connection] = set()

    async def serve(self, stream: trio.SocketStream) -> None:
        """Serve one client."""
        connection = Connection(
            self._app,
            stream,
            config=self._config,
            context=self._context,
            state=self._state,
            patience=self._patience,
        )
        self._connections.add(connection)
        try:
            await connection.serve()
        except* Exception as failed:
            logger.error("A connection failed and was closed", exc_info=failed)
        finally:
            self._connections.discard(connection)

    async def close_idle(self) -> None:
        """Close idle connections now, and the others after the answer they are waiting for."""
        await self._context.terminated.set()
        for connection in self._connections:
            connection.close_if_idle()


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


def configuration() -> Config:
    """Hypercorn's settings for `Connection`, which has the limits in time."""
    config = Config()
    config.accesslog = None
    config.errorlog = logger  # a logger is taken as it is: no handler is installed, no level set
    config.include_server_header = False
    config.keep_alive_max_requests = sys.maxsize
    return config
