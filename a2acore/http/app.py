"""Bytes in, one operation, bytes out: both lines, both bindings, on one address.

A bare ASGI app: the operations do not go through quart, which would cost more than all the rest of
the way. What is no operation (the card, health) is a page, and those are quart's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import trio
from attrs import define, frozen

from a2acore import jsonrpc, negotiation, sse
from a2acore.asgi import ASGIApp, Receive, Scope, Send
from a2acore.errors import (
    A2AError,
    InternalError,
    InvalidRequest,
)
from a2acore.http.exchange import Head, answer, piece, start_stream, while_connected
from a2acore.http.pages import PAGES
from a2acore.journal import FellBehind
from a2acore.lifecycle import TERMINAL
from a2acore.middleware.guard import read_body
from a2acore.model import (
    Message,
    TaskState,
    TaskStatusUpdateEvent,
)
from a2acore.service import Caller, Service, Stream
from a2acore.wire import v03, v10
from a2acore.wire.dialect import STREAMING, Dialect, Operation

HEARTBEAT = 15.0
"""Seconds of silence after which a stream says that it is alive: proxies give up after 30 to 60."""

JSON_TYPES = frozenset({"application/json", "application/a2a+json"})

WAITING = STREAMING | {Operation.SEND, Operation.CANCEL}
"""Operations that may take long enough for the caller to leave."""


@frozen
class Asked:
    """An operation that was asked for, and how to answer it."""

    operation: Operation
    request: Any
    dialect: Dialect


@define(eq=False)
class App:
    """The ASGI app of one server."""

    service: Service
    pages: ASGIApp
    lenient: bool = False
    heartbeat: float = HEARTBEAT

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in PAGES:
            await self.pages(scope, receive, send)
            return
        head = Head.of(scope)
        if head.path in ("", "/"):
            await self._json_rpc(head, receive, send)
        else:
            await self._http_json(head, receive, send)

    # The two bindings

    async def _json_rpc(self, head: Head, receive: Receive, send: Send) -> None:
        dialect: Dialect = v10.JsonRpc(None)  # until the line is known; any reader takes its errors
        if head.verb != "POST":
            await _other_verb(head, negotiation.OtherVerb(frozenset({"POST"})), dialect, send)
            return
        try:
            _check_content_type(head)
            called = jsonrpc.read_request(await read_body(receive))
        except jsonrpc.Unreadable as unreadable:
            await _refuse(unreadable.error, v10.JsonRpc(unreadable.id), send)
            return
        except UnknownMediaType as error:
            await _refuse(error, dialect, send)
            return
        dialect = v10.JsonRpc(called.id)
        try:
            declared = negotiation.declared(head.headers, head.query)
            chosen = negotiation.json_rpc(declared, called.method, lenient=self.lenient)
            if chosen.line == v03.VERSION:
                dialect = v03.JsonRpc(called.id)
            request = dialect.request(chosen.operation, called.params)
        except A2AError as error:
            await _refuse(error, dialect, send)
            return
        await self._do(Asked(chosen.operation, request, dialect), head, receive, send)

    async def _http_json(self, head: Head, receive: Receive, send: Send) -> None:
        dialect: Dialect = v10.Rest(
            v10.media_type(head.headers.get("accept", ""), head.content_type)
        )
        try:
            declared = negotiation.declared(head.headers, head.query)
            verb = "GET" if head.verb == "HEAD" else head.verb
            chosen = negotiation.http_json(declared, verb, head.path, lenient=self.lenient)
        except negotiation.OtherVerb as error:
            await _other_verb(head, error, dialect, send)
            return
        except A2AError as error:
            await _refuse(error, dialect, send)
            return
        if chosen.line == v03.VERSION:
            dialect = v03.Rest()
        try:
            body = b"" if head.verb in ("GET", "HEAD", "DELETE") else await read_body(receive)
            if body:
                _check_content_type(head)
            request = dialect.request(
                chosen.route.operation, body, path=chosen.route.path, query=head.query
            )
        except A2AError as error:
            await _refuse(error, dialect, send)
            return
        await self._do(Asked(chosen.route.operation, request, dialect), head, receive, send)

    # The operation

    async def _do(self, asked: Asked, head: Head, receive: Receive, send: Send) -> None:
        if asked.operation not in WAITING:
            await self._respond(asked, head.caller, send)
        else:
            await while_connected(receive, lambda: self._respond(asked, head.caller, send))

    async def _respond(self, asked: Asked, caller: Caller, send: Send) -> None:
        operation = getattr(self.service, OPERATIONS[asked.operation])
        try:
            value = await operation(caller, asked.request)
        except A2AError as error:
            await _refuse(error, asked.dialect, send)
            return
        if asked.operation in STREAMING:
            await self._stream(value, asked, send)
            return
        body = asked.dialect.result(asked.operation, value)
        await answer(send, 200, body, asked.dialect.media_type)

    async def _stream(self, value: Stream | Message, asked: Asked, send: Send) -> None:
        await start_stream(send)
        frame = asked.dialect.frame
        if isinstance(value, Message):
            await send(piece(sse.encode(frame(value, final=True)), more=False))
            return
        stops = _stops(asked)
        await send(piece(sse.encode(frame(value.task, final=False))))
        if value.task.status.state in stops:
            # Paused, and not by what this request said: say once more what is asked, and close.
            task = value.task
            event = TaskStatusUpdateEvent(task.id, task.context_id, task.status)
            await send(piece(sse.encode(frame(event, final=True)), more=False))
            return
        ends = False
        while not ends:
            events = None
            try:
                with trio.move_on_after(self.heartbeat):
                    events = await value.follower.more()
            except FellBehind:
                error = InternalError("This stream fell too far behind; subscribe again")
                await send(piece(sse.encode(asked.dialect.refusal(error), "error"), more=False))
                return
            if events is None:
                await send(piece(b": still here\n\n"))
                continue
            frames = []
            for news in events:
                ends = isinstance(news, TaskStatusUpdateEvent) and news.status.state in stops
                frames.append(sse.encode(frame(news, final=ends)))
                if ends:
                    break
            ends = ends or not events
            await send(piece(b"".join(frames), more=not ends))


async def _refuse(error: A2AError, dialect: Dialect, send: Send) -> None:
    headers = [(b"retry-after", b"5")] if error.status in (429, 503) else []
    status = 415 if isinstance(error, UnknownMediaType) else dialect.status(error)
    await answer(send, status, dialect.refusal(error), dialect.media_type, headers)


async def _other_verb(
    head: Head, error: negotiation.OtherVerb, dialect: Dialect, send: Send
) -> None:
    allow = [(b"allow", ", ".join(sorted(error.verbs | {"OPTIONS"})).encode())]
    if head.verb == "OPTIONS":
        await answer(send, 204, b"", dialect.media_type, allow)
    else:
        await answer(send, 405, dialect.refusal(error), dialect.media_type, allow)


OPERATIONS: Mapping[Operation, str] = {
    Operation.SEND: "send",
    Operation.STREAM: "stream",
    Operation.GET: "get",
    Operation.LIST: "list",
    Operation.CANCEL: "cancel",
    Operation.SUBSCRIBE: "subscribe",
    Operation.SET_PUSH: "push",
    Operation.GET_PUSH: "push",
    Operation.LIST_PUSH: "push",
    Operation.DELETE_PUSH: "push",
    Operation.EXTENDED_CARD: "extended_card",
}
"""The operation of the service that does each one."""


def _stops(asked: Asked) -> frozenset[TaskState]:
    """The states whose event is the last of a stream.

    A sending stream ends at a question, because the answer is a message of its own (A2A 1.0.1
    section 11.7); it stays open while a credential is awaited (section 7.6.1). A subscription
    outlives questions on 1.0 (section 3.1.6); on 0.3, `final` comes with every question.
    """
    if asked.operation is Operation.SUBSCRIBE and asked.dialect.version == v10.VERSION:
        return TERMINAL
    return TERMINAL | {TaskState.INPUT_REQUIRED}


class UnknownMediaType(InvalidRequest):
    """The body is not said to be JSON: HTTP 415."""


def _check_content_type(head: Head) -> None:
    # A browser sends text/plain across origins without asking; it cannot send JSON so.
    if head.content_type not in JSON_TYPES:
        said = head.content_type or "missing"
        raise UnknownMediaType(f"Content-Type is {said}; send application/json")
