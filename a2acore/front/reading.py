"""The client's side of a connection: bytes in, requests and their bodies out. It waits for nothing.

What comes waits in one buffer until it is known whose it is: a head's, up to its end (`heads` says
what it means); a body's, as far as the head says; or the next request's. Nothing of a request is
left when the next one comes.
"""

from __future__ import annotations

import h11
from attrs import define, field

from a2acore.front.heads import Request, parse
from a2acore.front.site import HEAD, refusal
from a2acore.refusal import Refusal

PIECES = 64
"""Pieces of a body that are taken in at once: a client decides how small they are, and others wait
meanwhile."""

CHUNKS = b"POST / HTTP/1.1\r\nHost: chunks\r\nTransfer-Encoding: chunked\r\n\r\n"
"""A head that chunks follow: to its parser, they are all alike."""

GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"


@define(eq=False)
class Reader:
    """Takes what a client sends, and gives what it means.

    Raises:
        Refusal: from every method but `feed`: this is not HTTP/1.1 as we speak it. The connection
            is to end; nothing that follows can be trusted to begin where it seems to.
    """

    whole: bool = True
    """Whether the request that was read last has come to its end."""
    broken: bool = False
    """Whether something was refused."""
    head_only: bool = False
    """Whether what came last asks for the head of an answer alone, as far as it can be read."""
    waiting: bool = False
    """Whether the client wants to be told to go on before it sends the body."""
    _buffer: bytearray = field(factory=bytearray)
    """What was not looked at yet."""
    _searched: int = 0
    """How far there is no end of a head in there."""
    _left: int = 0
    """Bytes of a counted body that are still to come."""
    _chunks: Chunks | None = None
    """What reads a body in chunks, until it is whole."""
    _taken: bytes = b""
    """What was taken in of the body before it was asked for."""

    def feed(self, data: bytes | bytearray) -> None:
        """Take what was read from the socket."""
        self._buffer += data

    @property
    def ahead(self) -> int:
        """Bytes that are here already and belong to the requests to come, once this is `whole`."""
        return len(self._buffer)

    @property
    def unread(self) -> bool:
        """Whether a client that is told to stop may still be sending."""
        return self.broken or not self.whole or bool(self._buffer)

    def head(self) -> Request | None:
        """The next request, if its head is here. The body of the last one has to be `whole`."""
        buffer = self._buffer
        # "[A] server that is expecting to receive and parse a request-line SHOULD ignore at least
        # one empty line (CRLF) received prior to the request-line." (RFC 9112, 2.2)
        while buffer.startswith(b"\r\n"):
            del buffer[:2]
            self._searched = 0
        self.head_only = buffer.startswith(b"HEAD ")
        end = buffer.find(b"\r\n\r\n", self._searched) + 4
        if end > HEAD or (end < 4 and len(buffer) > HEAD):
            raise self._refuse(431)
        if end < 4:
            # A line that ends otherwise, and what cannot begin a request (a greeting of TLS does
            # so), are told at once: their end may never come.
            if buffer.count(b"\n") > buffer.count(b"\r\n"):
                raise self._refuse(400)
            if buffer and buffer != b"\r" and buffer[0] < 33:
                raise self._refuse(400)
            self._searched = max(0, len(buffer) - 3)
            return None
        self._searched = 0
        try:
            request = parse(self._cut(end))
        except Refusal:
            self.broken = True
            raise
        self._expect(request)
        return request

    def _expect(self, request: Request) -> None:
        """Make ready for the body of a request."""
        self._taken = b""
        self._left = request.length
        self.whole = not (request.length or request.chunked)
        self.waiting = request.expects and not self.whole
        if request.chunked:  # they may turn out to be none, which is for the app to meet
            self._chunks = Chunks()
        elif request.length:
            self.take_in()

    # The body

    def go_on(self) -> bytes:
        """What tells a client that waits to go on."""
        self.waiting = False
        return GO_ON

    def take_in(self) -> None:
        """Look whether the body is whole, before anybody asks for it."""
        self._taken += self.body()

    def body(self) -> bytes:
        """What is here of the body. When there is nothing, it is whole, or has to be waited for."""
        piece = b""
        if self._chunks is not None:
            piece = self._chunked(self._chunks)
        elif self._left:
            piece = self._cut(min(self._left, len(self._buffer)))
            self._left -= len(piece)
            self.whole = not self._left
        if piece:
            self.waiting = False
        taken, self._taken = self._taken, b""
        return taken + piece

    def _chunked(self, chunks: Chunks) -> bytes:
        try:
            piece = chunks.read(self._buffer)
        except h11.RemoteProtocolError as exc:
            raise self._refuse(exc.error_status_hint) from exc
        if chunks.whole:
            self.whole = True
            self._chunks = None  # an answer may be told for days
        return piece

    def _cut(self, length: int) -> bytes:
        buffer = self._buffer
        if length == len(buffer):  # as a rule: a request is sent in one piece
            piece = bytes(buffer)
            buffer.clear()
        else:
            piece = bytes(buffer[:length])
            del buffer[:length]
        return piece

    def _refuse(self, status: int) -> Refusal:
        self.broken = True
        return refusal(status)


def _parser() -> h11.Connection:
    parser = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD)
    parser.receive_data(CHUNKS)
    parser.next_event()
    return parser


@define(eq=False)
class Chunks:
    """A body in chunks, which h11 reads."""

    whole: bool = False
    """Whether the last one has come, and what follows it."""
    _parser: h11.Connection = field(factory=_parser)
    _recent: bytes = b""
    """What the parser was given last, and the four bytes before it."""

    def read(self, buffer: bytearray) -> bytes:
        """The next of it. What belongs to it is taken from the buffer.

        Raises:
            h11.RemoteProtocolError: these are no chunks.
        """
        pieces: list[bytes] = []
        while len(pieces) < PIECES and not self.whole:
            event = self._parser.next_event()
            if isinstance(event, h11.Data):
                pieces.append(event.data)
            elif isinstance(event, h11.EndOfMessage):
                self._end(buffer)
            elif buffer:  # not before it has to: `_recent` then has all that is left in the parser
                self._recent = self._recent[-4:] + buffer
                self._parser.receive_data(bytes(buffer))
                buffer.clear()
            else:
                break
        return b"".join(pieces)

    def _end(self, buffer: bytearray) -> None:
        # Also after the last chunk, h11 takes a bare LF for the end of a line.
        rest = self._parser.trailing_data[0]
        parsed = self._recent[: len(self._recent) - len(rest)]
        if not parsed.endswith(b"\r\n\r\n"):
            raise h11.RemoteProtocolError("a line ends in a bare LF")
        self.whole = True
        buffer[:0] = rest
