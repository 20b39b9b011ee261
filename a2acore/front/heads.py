"""The head of a request: its bytes, and what they mean.

h11 parses. Around it stand the checks for what h11 lets pass and another reader may read
differently: two readers that differ about where a request ends, say a proxy and we, let a caller
smuggle a second one past the first reader.

A client on a connection that it keeps sends the same head again and again, and to parse it costs as
much as to answer it. What a head means depends on its bytes and on nothing else, so that is
remembered, for all connections. What is refused is parsed, and refused, every time.
"""

from __future__ import annotations

from functools import lru_cache
from urllib.parse import unquote

import h11
from attrs import frozen

from a2acore.asgi import Scope
from a2acore.front.site import HEAD, refusal

# Heads hold credentials, and so this holds those that came last, for longer than their requests
# last. It is the memory of a process that is shown them anyway, and nothing tells of it.
REMEMBERED = 256
"""Heads whose meaning is remembered: those that came last."""
LONG = 2 * 1024
"""Bytes of a head that is not remembered: together they could fill some memory."""

ASGI = {"version": "3.0", "spec_version": "2.4"}

Headers = tuple[tuple[bytes, bytes], ...]


@frozen
class Request:
    """The head of a request. It may be shared: nothing in it can be changed."""

    method: str
    path: str
    raw_path: bytes
    """The path as it came; `*` is one too."""
    query: bytes
    headers: Headers
    """Names in lower case."""
    version: str
    closes: bool
    """Whether the client wants no other request answered on this connection."""
    length: int
    """Bytes of the body, if it is not `chunked`."""
    chunked: bool
    expects: bool
    """Whether the client wants to be told to go on before it sends the body."""

    def scope(self) -> Scope:
        """The scope of ASGI, as far as the request says it. It is the app's to change."""
        return {
            "type": "http",
            "asgi": ASGI,
            "http_version": self.version,
            "method": self.method,
            "path": self.path,
            "raw_path": self.raw_path,
            "root_path": "",
            "query_string": self.query,
            "headers": list(self.headers),
        }


def parse(head: bytes) -> Request:
    """What a head says, from its first line to the empty one.

    Raises:
        Refusal: this is not HTTP/1.1 as we speak it.
    """
    return _parse(head) if len(head) > LONG else _remembered(head)


def _parse(head: bytes) -> Request:
    # "A sender MUST NOT generate a bare CR"; "[a] server that receives an obs-fold in a request
    # message [...] MUST either reject the message by sending a 400 [...] or replace each
    # received obs-fold" (RFC 9112, 2.2 and 5.2). h11 refuses the first, and replaces the
    # second; and it takes a bare LF for the end of a line.
    if head.count(b"\n") > head.count(b"\r\n") or b"\n " in head or b"\n\t" in head:
        raise refusal(400)
    parser = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD)
    try:
        parser.receive_data(head)
        event = parser.next_event()
    except h11.RemoteProtocolError as exc:
        raise refusal(exc.error_status_hint) from exc
    assert isinstance(event, h11.Request)
    if not event.http_version.startswith(b"1."):  # the preface of HTTP/2 looks like this
        raise refusal(505)
    headers = tuple(event.headers)
    said = dict(headers)  # h11 has made one of each that is looked up here
    old = event.http_version == b"1.0"
    chunked = b"transfer-encoding" in said
    # "A server MAY reject a request that contains both Content-Length and
    # Transfer-Encoding"; in HTTP/1.0 the latter is faulty framing (RFC 9112, 6.1)
    if chunked and (old or b"content-length" in said):
        raise refusal(400)
    # "The method token is case-sensitive" (RFC 9110, 9.1), and ASGI knows it in capitals only. Were
    # `head` HEAD to us, who sent it would wait for a body, and take the next answer for it.
    if event.method != event.method.upper():
        raise refusal(400)
    authority, target = _place(event.target)
    raw_path, _, query = target.partition(b"?")
    if authority:
        headers = (*(each for each in headers if each[0] != b"host"), (b"host", authority))
    return Request(
        event.method.decode("ascii"),
        unquote(raw_path.decode("ascii")),
        raw_path,
        query,
        headers,
        "1.0" if old else "1.1",
        # Of HTTP/1.0 that is always understood: who keeps those alive has to guess where proxies
        # end.
        old or _closes(headers),
        int(said.get(b"content-length", 0)),
        chunked,
        parser.they_are_waiting_for_100_continue,
    )


_remembered = lru_cache(REMEMBERED)(_parse)


def _closes(headers: Headers) -> bool:
    return any(
        name == b"connection" and b"close" in map(bytes.strip, value.lower().split(b","))
        for name, value in headers
    )


def _place(target: bytes) -> tuple[bytes, bytes]:
    """The authority of a target, if it names one, and the rest."""
    if target.startswith(b"/") or target == b"*":
        return b"", target
    # "When an origin server receives a request with an absolute-form of request-target, the
    # origin server MUST ignore the received Host header field (if any) and instead use the
    # host information of the request-target." (RFC 9112, 3.2.2)
    scheme, mark, rest = target.partition(b"://")
    end = min((rest.find(each) for each in (b"/", b"?") if each in rest), default=len(rest))
    authority, path = rest[:end], rest[end:]
    # An authority with a user in it is an error; and it alone is for proxies to connect to.
    known = mark and scheme.lower() in (b"http", b"https")
    if not (known and authority) or b"@" in authority:
        raise refusal(400)
    return authority, path if path.startswith(b"/") else b"/" + path
