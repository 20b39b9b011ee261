"""The client's side of a connection: bytes in, requests and their bodies out. It waits for nothing.

h11 parses. In front of it stand the checks for what h11 lets pass and another reader may read
differently: two readers that differ about where a request ends, say a proxy and we, let a caller
smuggle a second one past the first reader. A parser lives for one request, so that nothing of a
request is left when the next one comes.
"""

from __future__ import annotations

from urllib.parse import unquote

import h11
from attrs import define, field, frozen

from a2acore.asgi import Scope
from a2acore.front.site import HEAD, refusal
from a2acore.refusal import Refusal

PIECES = 64
"""Pieces of a body that are taken in at once: a client decides how small they are, and others wait
meanwhile."""

ASGI = {"version": "3.0", "spec_version": "2.4"}

Headers = list[tuple[bytes, bytes]]


@frozen
class Request:
    """The head of a request."""

    method: str
    target: bytes
    """What is asked for, without scheme and authority: a path and a query, or `*`."""
    headers: Headers
    """Names in lower case."""
    version: str

    def scope(self) -> Scope:
        """The scope of ASGI, as far as the request says it."""
        raw_path, _, query = self.target.partition(b"?")
        path = raw_path.decode("ascii")
        return {
            "type": "http",
            "asgi": ASGI,
            "http_version": self.version,
            "method": self.method,
            "path": unquote(path) if "%" in path else path,
            "raw_path": raw_path,
            "root_path": "",
            "query_string": query,
            "headers": self.headers,
        }

    def closes(self) -> bool:
        """Whether the client wants no other request answered on this connection.

        Of HTTP/1.0 that is always understood: who keeps those alive has to guess where proxies end.
        """
        return self.version == "1.0" or any(
            name == b"connection" and b"close" in map(bytes.strip, value.lower().split(b","))
            for name, value in self.headers
        )


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
    _buffer: bytearray = field(factory=bytearray)
    """What belongs to the requests to come."""
    _searched: int = 0
    """How far there is no end of a head in there."""
    _parser: h11.Connection | None = None
    """For as long as the body is not whole."""
    _taken: bytes = b""
    """What was taken in of the body before it was asked for."""
    _chunked: bool = False
    _recent: bytes = b""
    """What the parser was given last, and the four bytes before it."""

    def feed(self, data: bytes) -> None:
        """Take what was read from the socket."""
        if self._parser is None:
            self._buffer += data
        else:
            self._parser.receive_data(data)
            self._recent = self._recent[-4:] + data

    @property
    def ahead(self) -> int:
        """Bytes of the requests to come that are here already."""
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
        head = bytes(buffer[:end])
        del buffer[:end]
        self._searched = 0
        return self._parse(head)

    def _parse(self, head: bytes) -> Request:
        # "A sender MUST NOT generate a bare CR"; "[a] server that receives an obs-fold in a request
        # message [...] MUST either reject the message by sending a 400 [...] or replace each
        # received obs-fold" (RFC 9112, 2.2 and 5.2). h11 refuses the first, and replaces the
        # second; and it takes a bare LF for the end of a line.
        if head.count(b"\n") > head.count(b"\r\n") or b"\n " in head or b"\n\t" in head:
            raise self._refuse(400)
        parser = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD)
        self._taken = b""
        try:
            parser.receive_data(head)
            event = parser.next_event()
            assert isinstance(event, h11.Request)
            if not event.http_version.startswith(b"1."):  # the preface of HTTP/2 looks like this
                raise self._refuse(505)
            headers = list(event.headers)
            self.whole = isinstance(parser.next_event(), h11.EndOfMessage)
        except h11.RemoteProtocolError as exc:
            raise self._refuse(exc.error_status_hint) from exc
        if not self.whole:
            self._parser = parser
            self._expect_body(event.http_version, {name for name, _ in headers})
        return Request(
            # "GET" is one method and "get" another; ASGI knows them in capitals only.
            event.method.decode("ascii").upper(),
            self._target(event.target, headers),
            headers,
            "1.0" if event.http_version == b"1.0" else "1.1",
        )

    def _expect_body(self, version: bytes, names: set[bytes]) -> None:
        # "A server MAY reject a request that contains both Content-Length and
        # Transfer-Encoding"; in HTTP/1.0 the latter is faulty framing (RFC 9112, 6.1)
        self._chunked = b"transfer-encoding" in names
        if self._chunked and (b"content-length" in names or version == b"1.0"):
            raise self._refuse(400)
        self._recent = b""
        if self._buffer:
            self.feed(bytes(self._buffer))
            self._buffer.clear()
        if not self._chunked:  # chunks may turn out to be none, which is for the app to meet
            self.take_in()

    def _target(self, target: bytes, headers: Headers) -> bytes:
        if target.startswith(b"/") or target == b"*":
            return target
        # "When an origin server receives a request with an absolute-form of request-target, the
        # origin server MUST ignore the received Host header field (if any) and instead use the
        # host information of the request-target." (RFC 9112, 3.2.2)
        scheme, mark, rest = target.partition(b"://")
        end = min((rest.find(each) for each in (b"/", b"?") if each in rest), default=len(rest))
        authority, path = rest[:end], rest[end:]
        # An authority with a user in it is an error; and it alone is for proxies to connect to.
        known = mark and scheme.lower() in (b"http", b"https")
        if not (known and authority) or b"@" in authority:
            raise self._refuse(400)
        headers[:] = [each for each in headers if each[0] != b"host"]
        headers.append((b"host", authority))
        return path if path.startswith(b"/") else b"/" + path

    # The body

    @property
    def waiting(self) -> bool:
        """Whether the client wants to be told to go on before it sends the body."""
        return self._parser is not None and self._parser.they_are_waiting_for_100_continue

    def go_on(self) -> bytes:
        """What tells it so."""
        assert self._parser is not None
        said = self._parser.send(h11.InformationalResponse(status_code=100, headers=[]))
        assert said is not None
        return said

    def take_in(self) -> None:
        """Look whether the body is whole, before anybody asks for it."""
        self._taken += self.body()

    def body(self) -> bytes:
        """What is here of the body. When there is nothing, it is whole, or has to be waited for."""
        pieces, self._taken = [self._taken], b""
        try:
            while self._parser is not None and len(pieces) < PIECES:
                event = self._parser.next_event()
                if isinstance(event, h11.Data):
                    pieces.append(event.data)
                elif isinstance(event, h11.EndOfMessage):
                    self._end(self._parser.trailing_data[0])
                else:
                    break
        except h11.RemoteProtocolError as exc:
            raise self._refuse(exc.error_status_hint) from exc
        return b"".join(pieces)

    def _end(self, rest: bytes) -> None:
        # After the last chunk, too, h11 takes a bare LF for the end of a line.
        parsed = self._recent[: len(self._recent) - len(rest)]
        if self._chunked and not parsed.endswith(b"\r\n\r\n"):
            raise self._refuse(400)
        self.whole = True
        self._parser, self._recent = None, b""  # an answer may be told for days
        self._buffer += rest

    def _refuse(self, status: int) -> Refusal:
        self.broken = True
        return refusal(status)
