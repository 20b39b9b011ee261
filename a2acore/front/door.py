"""Where connections come in: as many in one turn of trio's as there are.

Trio's own listener lets in one for each turn. A turn is long where many are served, and who came
last in a crowd of sixty would wait for as many of them.
"""

from __future__ import annotations

import socket
from collections import deque

import trio
from attrs import define, field

AT_ONCE = 64
"""Connections that are let in before those that are there have their turn."""


@define(eq=False)
class Door(trio.abc.Listener[trio.SocketStream]):
    """A listener that takes all who wait, around one that takes them one by one."""

    _listener: trio.SocketListener
    _direct: socket.socket = field(init=False)
    _waiting: deque[trio.SocketStream] = field(init=False, factory=deque)

    def __attrs_post_init__(self) -> None:
        self._direct = socket.socket(fileno=self._listener.socket.fileno())
        self._direct.setblocking(False)

    async def accept(self) -> trio.SocketStream:
        """The next connection. No checkpoint where others came along with the one before it.

        Raises:
            OSError: there is no room for another file.
        """
        if not self._waiting:
            self._waiting.append(await self._listener.accept())
            self._take_more()
        return self._waiting.popleft()

    def _take_more(self) -> None:
        try:
            while len(self._waiting) < AT_ONCE:
                client, _ = self._direct.accept()
                self._waiting.append(trio.SocketStream(trio.socket.from_stdlib_socket(client)))
        except OSError:  # nobody else is there, or something is wrong: then it is told at the next
            pass

    async def aclose(self) -> None:
        """Let nobody in any more. Who was let in and is not served is left to himself."""
        self._direct.detach()  # the listener closes it
        for client in self._waiting:
            client.socket.close()
        await self._listener.aclose()
