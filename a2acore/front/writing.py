"""Our side of a connection: an answer of ASGI, as the bytes of HTTP/1.1. It waits for nothing.

Written here and not by h11, because that costs more than to parse the request does, and there is
little to it: a head whose every line is one line, and a body that ends where the head says.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

from attrs import define, field

from a2acore.refusal import Refusal

LINE = re.compile(rb"[-!#$%&'*+.^_`|~0-9A-Za-z]+: [\t\x20-\x7e\x80-\xff]*")
"""One header, and no end of a line in it (RFC 9110, 5.1 and 5.5)."""

LENGTH = re.compile(rb"[0-9]{1,19}")

STATUS = {each.value: b"%d %b" % (each.value, each.phrase.encode()) for each in HTTPStatus}

BODILESS = (204, 304)


class BadAnswer(RuntimeError):
    """What the app wants to answer with is no answer."""


@define(eq=False)
class Answer:
    """One answer, as it is written.

    Raises:
        BadAnswer: from `start`: there can be no such head. From `piece`: the body is not as long as
            the head says; what was written ends the connection then.
    """

    closes: bool
    """Whether the connection ends with it. The app can want that too."""
    _method: str
    _version: str
    _left: int | None = field(init=False, default=None)
    """Bytes of the body that are still to come, if that is known."""
    _chunked: bool = field(init=False, default=False)
    _bodiless: bool = field(init=False, default=False)

    def start(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
        """The head."""
        if not 200 <= status <= 999:
            raise BadAnswer(f"{status} is no status of an answer")
        lines = [b"HTTP/1.1 " + (STATUS.get(status) or b"%d " % status)]
        dated = False
        for name, value in headers:
            line = b"%b: %b" % (name, value)
            if not LINE.fullmatch(line):
                raise BadAnswer(f"The header {name!r} has no such name, or no such value")
            match name.lower():
                case b"content-length":
                    if self._left is not None or not LENGTH.fullmatch(value):
                        raise BadAnswer("The length of the body is no number, or said twice")
                    self._left = int(value)
                    # "A server MUST NOT send a Content-Length header field in any response with a
                    # status code of [...] 204 (No Content)." (RFC 9110, 8.6)
                    if status == 204:
                        continue
                case b"connection":  # said below, as it will be
                    self.closes |= b"close" in map(bytes.strip, value.lower().split(b","))
                    continue
                case b"transfer-encoding":  # ours to choose
                    continue
                case b"date":
                    dated = True
            lines.append(line)
        self._bodiless = self._method == "HEAD" or status in BODILESS
        if self._left is None and status not in BODILESS:
            if self._version == "1.0":
                self.closes = True  # that is where the body ends
            else:
                self._chunked = True
                lines.append(b"transfer-encoding: chunked")
        if not dated:
            lines.append(_date(int(time.time())))
        if self.closes:
            lines.append(b"connection: close")
        lines.append(b"\r\n")
        return b"\r\n".join(lines)

    def piece(self, data: bytes, *, more: bool) -> bytes:
        """A piece of the body."""
        if self._bodiless:
            return b""
        if self._chunked:
            chunk = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
            return chunk if more else chunk + b"0\r\n\r\n"
        if self._left is not None:
            left = self._left - len(data)
            if left < 0 or (left and not more):
                raise BadAnswer(f"The body is not as long as it said, by {abs(left)} bytes")
            self._left = left
        return data


def refused(refusal: Refusal, *, head_only: bool) -> bytes:
    """A whole answer, and the last one."""
    answer = Answer(True, "HEAD" if head_only else "GET", "1.1")
    head = answer.start(refusal.status, refusal.headers(close=True))
    return head + answer.piece(refusal.body(), more=False)


@lru_cache(1)
def _date(seconds: int) -> bytes:
    return b"date: " + formatdate(seconds, usegmt=True).encode()
