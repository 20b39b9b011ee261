"""Server-sent events, both sides: frames from data, events from chunks of bytes.

What is said in the data, and when to say it, is decided elsewhere.
Source: https://html.spec.whatwg.org/multipage/server-sent-events.html.
"""

from __future__ import annotations

import re

from msgspec import Struct

MEDIA_TYPE = "text/event-stream"

HEARTBEAT = b":\n\n"
"""A comment: it keeps a connection awake, and readers skip it."""

LIMIT = 64 * 1024 * 1024
"""How many bytes an event may have: files travel inside events, in base64."""

_BOM = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"\r\n?|\n")


# Writing


def encode(data: bytes, event: str = "", id: str = "") -> bytes:
    """Frame one event.

    Raises:
        ValueError: `event` or `id` holds a line break.
    """
    named = b""
    for name, value in (("event", event), ("id", id)):
        if "\n" in value or "\r" in value:
            raise ValueError(f"the {name} of an event is one line")
        if value:
            named += f"{name}: {value}\n".encode()
    if b"\n" in data or b"\r" in data:
        data = b"\ndata: ".join(_LINE_END.split(data))
    return b"%bdata: %b\n\n" % (named, data)


def numbered(text: bytes, envelope: tuple[bytes, bytes], id: int) -> bytes:
    """Frame one event whose data is JSON on one line: a text in its envelope."""
    return b"id: %d\ndata: %b%b%b\n\n" % (id, envelope[0], text, envelope[1])


# Reading


class SSEvent(Struct, frozen=True):
    """One event. `event` is "message" unless named; `id` is the last that the stream has told."""

    data: bytes
    event: str = "message"
    id: str = ""


class TooLong(ValueError):
    """An event grew beyond the limit, so the rest of the stream is of no use."""


class Decoder:
    """The state of one stream that is read.

    What has not been ended by an empty line when the stream ends was not said; so there is nothing
    to close.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._started = False
        self._after_cr = False
        self._tail: list[bytes] = []
        """The pieces of a line that has no end yet."""
        self._held = 0
        """The bytes since the last empty line."""
        self._data: list[bytes] = []
        self._event = ""
        self._id = ""

    def feed(self, chunk: bytes) -> list[SSEvent]:
        """The events that this chunk completes.

        Raises:
            TooLong: an event has more bytes than the limit.
        """
        if not chunk:
            return []
        # A CR ended its line at once; an LF after it, even in the next chunk, belongs to it.
        after_cr, self._after_cr = self._after_cr, chunk.endswith(b"\r")
        if after_cr:
            chunk = chunk.removeprefix(b"\n")
        events = []
        *lines, tail = _LINE_END.split(chunk)
        for line in lines:
            self._hold(line)
            event = self._line(b"".join(self._tail))
            self._tail.clear()
            if event is not None:
                events.append(event)
        self._hold(tail)
        return events

    def _hold(self, piece: bytes) -> None:
        self._tail.append(piece)
        self._held += len(piece)
        if self._held > self._limit:
            raise TooLong(f"an event has more than {self._limit} bytes")

    def _line(self, line: bytes) -> SSEvent | None:
        if not self._started:
            self._started = True
            line = line.removeprefix(_BOM)
        if not line:
            return self._dispatch()
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        match field:
            case b"data":
                self._data.append(value)
            case b"event":
                self._event = value.decode(errors="replace")
            case b"id" if b"\0" not in value:
                self._id = value.decode(errors="replace")
        return None

    def _dispatch(self) -> SSEvent | None:
        data, self._data = self._data, []
        event, self._event = self._event, ""
        self._held = 0
        if not data:
            return None
        return SSEvent(b"\n".join(data), event or "message", self._id)
