"""Followers of one task: many streams that are open at the same time."""

from __future__ import annotations

import select
import socket
from collections.abc import Callable

from bench.answers import Answer, Malformed
from bench.load import HANGS, MUCH, Address, connected
from bench.speech import Wrong


class Audience:
    """Streams that were asked for, each on a connection of its own. A context manager."""

    def __init__(self, address: Address, request: bytes, number: int) -> None:
        self._streams: dict[int, tuple[socket.socket, Answer]] = {}
        for _ in range(number):
            sock = connected(address)
            sock.sendall(request)
            self._streams[sock.fileno()] = sock, Answer()

    def __enter__(self) -> Audience:
        return self

    def __exit__(self, *exc: object) -> None:
        for sock, _ in self._streams.values():
            sock.close()

    @property
    def bodies(self) -> list[bytes]:
        """What each has heard so far."""
        return [answer.body for _, answer in self._streams.values()]

    def listen(self, enough: Callable[[Answer], bool]) -> None:
        """Hear what comes, until each has heard `enough`.

        Raises:
            Wrong: one of them never will.
        """
        with select.epoll() as poll:
            waiting = {fd for fd, (_, answer) in self._streams.items() if not enough(answer)}
            for fd in waiting:
                poll.register(fd, select.EPOLLIN)
            while waiting:
                ready = poll.poll(HANGS)
                if not ready:
                    raise Wrong(f"{len(waiting)} of {len(self._streams)} streams hear nothing")
                for fd, _ in ready:
                    sock, answer = self._streams[fd]
                    try:
                        answer.feed(sock.recv(MUCH))
                    except (OSError, Malformed) as exc:
                        raise Wrong(f"a stream broke off: {exc}") from exc
                    if enough(answer):
                        poll.unregister(fd)
                        waiting.remove(fd)
                    elif answer.whole:
                        raise Wrong(f"a stream ended early: {answer.body[-200:]!r}")

    def quiet(self) -> int:
        """How many are still open, none of them having a byte to read."""
        with select.epoll() as poll:
            for fd in self._streams:
                poll.register(fd, select.EPOLLIN)
            return len(self._streams) - len(poll.poll(0))
