"""One HTTP request and its answer, without a protocol: heads, bodies, streams."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from urllib.parse import parse_qsl, quote

import trio
from attrs import define

from a2acore.asgi import LEAVING, Message, Receive, Scope, Send
from a2acore.middleware.bearer import CALLER
from a2acore.service import ANONYMOUS, Caller

Headers = Iterable[tuple[bytes, bytes]]


@define(eq=False)
class Head:
    """What a request says before its body, decoded once. Header names are in lower case."""

    verb: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    caller: Caller

    @classmethod
    def of(cls, scope: Scope) -> Head:
        headers: dict[str, str] = {}
        for raw_name, raw_value in scope["headers"]:
            name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        raw_path = scope.get("raw_path") or quote(scope["path"], safe="/:").encode()
        return cls(
            scope["method"],
            raw_path.decode("latin-1").partition("?")[0],
            _query(scope["query_string"]) if scope["query_string"] else {},
            headers,
            scope.get(CALLER, ANONYMOUS),
        )

    @property
    def content_type(self) -> str:
        """The media type of the body, without its parameters; empty when it is not said."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()


def _query(said: bytes) -> dict[str, str]:
    query: dict[str, str] = {}
    for key, value in parse_qsl(said.decode("latin-1"), keep_blank_values=True):
        query[key] = f"{query[key]},{value}" if key in query else value
    return query


async def answer(
    send: Send, status: int, body: bytes, media_type: str, headers: Headers = ()
) -> None:
    """Send a whole answer."""
    start = list(headers)
    # "A server MUST NOT send a Content-Length header field in any response with a status code of
    # 1xx (Informational) or 204 (No Content)." (RFC 9110, 8.6)
    if status != 204:
        start += [
            (b"content-type", media_type.encode()),
            (b"content-length", b"%d" % len(body)),
        ]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body})


async def start_stream(send: Send, headers: Headers = ()) -> None:
    """Begin a stream of server-sent events."""
    start = [
        (b"content-type", b"text/event-stream"),
        (b"cache-control", b"no-store"),
        (b"x-accel-buffering", b"no"),  # nginx would collect a stream before it passes it on
        *headers,
    ]
    await send({"type": "http.response.start", "status": 200, "headers": start})


def piece(body: bytes, *, more: bool = True) -> Message:
    """A piece of a stream."""
    return {"type": "http.response.body", "body": body, "more_body": more}


def while_connected(
    scope: Scope, receive: Receive, respond: Callable[[], Awaitable[None]]
) -> Awaitable[None]:
    """Respond for as long as the caller is there. The body must have been read before.

    Cancels `respond` when the caller hangs up: that ends a follower, never a run. Our own front
    does that when it is asked to; with another server, a task has to wait for the disconnect.
    """
    if (leaving := scope.get(LEAVING)) is None:
        return _while_connected(receive, respond)
    leaving()
    return respond()


async def _while_connected(receive: Receive, respond: Callable[[], Awaitable[None]]) -> None:
    async with trio.open_nursery() as nursery:

        async def watch() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            nursery.cancel_scope.cancel()

        nursery.start_soon(watch)
        await respond()
        nursery.cancel_scope.cancel()
