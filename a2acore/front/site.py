"""What the connections of one server share, whichever front speaks on them."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Literal, Protocol, TypeAlias

import trio
from attrs import define, frozen

from a2acore.asgi import ASGIApp
from a2acore.front.lookout import Lookout
from a2acore.limits import LIMITS, Limits, seconds
from a2acore.refusal import Refusal
from a2acore.tls import Peer

Front: TypeAlias = Literal["native", "hypercorn"]

HEAD = 16 * 1024
"""Bytes that the head of a request may have."""

READ = 64 * 1024
"""Bytes asked of the socket at once."""

AHEAD = 64 * 1024
"""Bytes of later requests that we take in while one is being answered. Beyond it we do not read,
and so do not see the client leave, until a write fails."""

REASONS = {
    400: "This is not a request of HTTP/1.1",
    431: "The head of the request is too large",
    501: "This Transfer-Encoding is not supported",
    505: "HTTP/1.1 is spoken here, and nothing else",
}


def refusal(status: int) -> Refusal:
    """What is said to who does not speak HTTP/1.1 as we do."""
    return Refusal(status, REASONS.get(status, REASONS[400]))


@frozen
class Patience:
    """How long a client may keep us waiting, in seconds. See `Limits` for the first ones."""

    head: float = float(LIMITS.head_time)
    keep_alive: float = float(LIMITS.idle_time)
    write: float = float(LIMITS.write_time)
    handshake: float = 10.0
    """From the start of a connection until TLS is spoken: three round trips, over a bad network."""
    linger: float = 2.0
    """For a client that is still sending to read why it was refused."""

    @classmethod
    def of(cls, limits: Limits) -> Patience:
        """The times among the limits."""
        return cls(
            head=seconds(limits.head_time),
            keep_alive=seconds(limits.idle_time),
            write=seconds(limits.write_time),
        )


@define(eq=False)
class Site:
    """One server, as its connections see it."""

    app: ASGIApp
    state: dict[str, Any]
    """What the app's lifespan shares with its requests."""
    patience: Patience
    secure: bool = False
    """Whether TLS is spoken."""
    lookout: Lookout | None = None
    """Who sees clients leave, where there is one."""
    leaving: bool = False
    """Whether each connection is to end with the answer it is waiting for."""


class Connection(Protocol):
    """Serves one client on `stream`, until either side ends it."""

    def __init__(
        self,
        site: Site,
        stream: trio.abc.Stream,
        sock: trio.socket.SocketType,
        peer: Peer | None = None,
    ) -> None: ...

    async def serve(self) -> None:
        """Returns when the socket is closed and the app has finished with its requests."""

    def close_if_idle(self) -> bool:
        """End the connection, unless a request is being answered; whether it is ended."""


async def linger(stream: trio.abc.Stream, seconds: float) -> None:
    """Let the last answer arrive at a client that is still sending.

    "If a server performs an immediate close of a TCP connection, there is a significant risk that
    the client will not be able to read the last HTTP response." (RFC 9112, 9.6)
    """
    gone = (trio.BrokenResourceError, trio.BusyResourceError)
    with trio.move_on_after(seconds), suppress(*gone):
        if isinstance(stream, trio.abc.HalfCloseableStream):  # TLS has no half
            await stream.send_eof()
        while await stream.receive_some(READ):
            pass
