"""Cutting a stream of bytes into lines. Pure."""

from __future__ import annotations

from attrs import define, field


class LineTooLong(ValueError):
    """A line that is longer than what we are ready to hold."""


@define(eq=False)
class Splitter:
    """Cuts a stream of bytes into lines of at most `limit` bytes.

    Only the unfinished tail is kept, in pieces that are joined once: a line of 20 MB costs what
    its bytes cost.
    """

    limit: int
    _tail: list[bytes] = field(factory=list)
    _size: int = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that `data` completes, without their newlines.

        Raises:
            LineTooLong: no line can be had from here on.
        """
        first, *others = data.split(b"\n")
        self._tail.append(first)
        self._size += len(first)
        if self._size > self.limit:
            raise LineTooLong(f"a line of more than {self.limit // 2**20} MB")
        if not others:
            return []
        lines = [b"".join(self._tail), *others[:-1]]
        self._tail, self._size = [others[-1]], len(others[-1])
        return lines

    def rest(self) -> list[bytes]:
        """At the end: the last line, if it has no newline."""
        tail, self._tail, self._size = b"".join(self._tail), [], 0
        return [tail] if tail else []
