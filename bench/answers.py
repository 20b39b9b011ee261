"""HTTP answers as they come off a socket: as much of HTTP/1.1 as a measured server needs.

Lean on purpose. The one who measures shares the machine with what it measures, so a library that
checks what it reads would be measured too. What is wrong with an answer is found out later, from
its body.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple


class Malformed(Exception):
    """This is not an HTTP answer."""


class Head(NamedTuple):
    """What matters of a head."""

    status: int
    length: int | None
    """Bytes of the body. None: it says so itself, or ends with the connection."""
    chunked: bool
    closing: bool
    """Whether the server closes the connection behind this answer."""


_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked", re.IGNORECASE)
_CLOSING = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)


@lru_cache(256)  # a server repeats its heads until the second of the date changes
def read_head(raw: bytes) -> Head:
    """Read a head, from its status line to before the empty line.

    Raises:
        Malformed: there is no status.
    """
    status = _STATUS.match(raw)
    if status is None:
        raise Malformed(f"no status in {raw[:60]!r}")
    length = _LENGTH.search(raw)
    chunked = bool(_CHUNKED.search(raw))
    closing = bool(_CLOSING.search(raw)) or (length is None and not chunked)
    return Head(int(status[1]), int(length[1]) if length else None, chunked, closing)


class Answer:
    """One answer, fed with what the socket gives until it is `whole`."""

    __slots__ = ("_left", "_pieces", "_rest", "head", "whole")

    def __init__(self) -> None:
        self.head: Head | None = None
        self.whole = False
        self._pieces: list[bytes] = []
        self._rest = b""
        """What is not understood yet: an unfinished head, or the line above a chunk."""
        self._left = 0
        """Bytes that are still to come of the body, or of the chunk with the line end behind it."""

    @property
    def body(self) -> bytes:
        """What there is of it."""
        if len(self._pieces) != 1:
            self._pieces = [b"".join(self._pieces)]
        return self._pieces[0]

    @property
    def closing(self) -> bool:
        """Whether the connection takes no further request."""
        return self.head is None or self.head.closing

    def feed(self, data: bytes) -> None:
        """Take what has come; nothing means that the server has closed the connection.

        Raises:
            Malformed: this is not HTTP, or there is less of it than the server said.
        """
        head = self.head
        if not data:
            if head is None or head.chunked or head.length is not None:
                raise Malformed("closed in the middle of an answer")
            self.whole = True
            return
        if head is None:
            raw, empty, data = (self._rest + data).partition(b"\r\n\r\n")
            if not empty:
                self._rest = raw
                return
            self._rest = b""
            head = self.head = read_head(raw)
            self._left = head.length or 0
        if head.chunked:
            self._feed_chunks(data)
            return
        if data:
            self._pieces.append(data)
        if head.length is not None:
            self._left -= len(data)
            self.whole = self._left <= 0

    def _feed_chunks(self, data: bytes) -> None:
        if self._rest:
            data, self._rest = self._rest + data, b""
        at, end = 0, len(data)
        while at < end:
            if self._left:
                taken = min(self._left, end - at)
                if (text := min(taken, self._left - 2)) > 0:  # not the line end behind the chunk
                    self._pieces.append(data[at : at + text])
                self._left -= taken
                at += taken
                continue
            line = data.find(b"\r\n", at)
            if line < 0:
                break
            try:
                size = int(data[at:line].partition(b";")[0], 16)
            except ValueError:
                raise Malformed(f"no size of a chunk in {data[at:line][:60]!r}") from None
            if size == 0:
                if end - line < 4:  # the empty line behind it is still to come
                    break
                self.whole = True
                return
            at, self._left = line + 2, size + 2
        self._rest = data[at:]
