"""Who sees clients leave while their requests are being answered: one task for all of them.

The kernel tells when a client has closed its side, and nothing has to be read for that: what else
the client has sent stays there. (Of who sends more than the kernel takes, it is only seen when a
write fails.) It costs a connection one system call, once, where a task of its own that reads would
cost several kilobytes. Of the systems, Linux alone has it (EPOLLRDHUP); elsewhere, and under TLS,
where data can follow that is no request, there is `Exchange.receive`.
"""

from __future__ import annotations

import select
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio
from attrs import define, field


@define(eq=False)
class Lookout:
    """Watches sockets."""

    _poll: select.epoll
    _tell: dict[int, Callable[[], None]] = field(factory=dict)

    def watch(self, fd: int, tell: Callable[[], None]) -> None:
        """Call `tell`, once and soon, when the client at the other end leaves, or has left."""
        self._poll.register(fd, select.EPOLLRDHUP | select.EPOLLONESHOT)
        self._tell[fd] = tell

    def forget(self, fd: int) -> None:
        """Watch it no more: to be called before it is closed, and its number is another's."""
        del self._tell[fd]
        self._poll.unregister(fd)

    async def keep(self) -> None:
        """Watch, until cancelled."""
        while True:
            await trio.lowlevel.wait_readable(self._poll.fileno())
            for fd, _ in self._poll.poll(0):
                self._tell[fd]()


@asynccontextmanager
async def open_lookout() -> AsyncIterator[Lookout | None]:
    """A lookout for the length of the block, where there can be one."""
    if sys.platform != "linux":
        yield None
        return
    with select.epoll() as poll:  # connections forget their sockets after `keep` was cancelled
        lookout = Lookout(poll)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lookout.keep)
            yield lookout
            nursery.cancel_scope.cancel()
