"""Bytes in, one operation, bytes out: both lines, both bindings, on one address.

A bare ASGI app: a framework would cost more than all the rest of the way.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import partial
from typing import Any, NamedTuple

import trio
from attrs import define, evolve, field

from a2acore import jsonrpc, negotiation
from a2acore.asgi import ASGIApp, Receive, Scope, Send
from a2acore.compat.shared import LISTENING
from a2acore.errors import (
    A2AError,
    InternalError,
    InvalidParams,
    InvalidRequest,
    TooBusy,
)
from a2acore.http.exchange import Head, answer, piece, start_stream, while_connected
from a2acore.http.extensions import Extensions, Plain
from a2acore.http.interrupts import METHODS, respond
from a2acore.http.pages import PAGES
from a2acore.http.scopes import decline
from a2acore.http.streams import tell
from a2acore.lifecycle import TERMINAL
from a2acore.limits import Rates, Tally
from a2acore.middleware.guard import read_body
from a2acore.model import TaskState
from a2acore.service import Service
from a2acore.wire import v03, v10
from a2acore.wire.dialect import STREAMING, Dialect, Operation

JSON_TYPES = frozenset({"application/json", "application/a2a+json"})

WAITING = STREAMING | {Operation.SEND, Operation.CANCEL}
"""Operations that may take long enough for the caller to leave."""

PRIVATE = (b"cache-control", b"private, max-age=300")
"""An extended card is not for everybody (A2A 1.0.1 section 13.3)."""

TERMINAL_OR_ASKED = TERMINAL | {TaskState.INPUT_REQUIRED}

log = logging.getLogger(__name__)


class Asked(NamedTuple):
    """An operation that was asked for, and how to answer it."""

    operation: Operation
    request: Any
    dialect: Dialect


@define(eq=False)
class App:
    """The ASGI app of one server."""

    service: Service
    pages: ASGIApp
    extensions: Extensions
    tenant: str = ""
    lenient: bool = False
    seal: Callable[[bytes], bytes] | None = None
    """Signs the card in an answer."""
    interrupts: bool = False
    """Take the methods of other servers that answer what is asked."""
    _rates: Rates = field(init=False)
    _streams: Tally = field(init=False)
    _operations: Mapping[Operation, Callable[..., Awaitable[Any]]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        limits = self.service.supervisor.limits
        self._rates = Rates(limits)
        self._streams = Tally("streams", limits.streams, limits.streams_per_caller)
        self._operations = {
            operation: getattr(self.service, name) for operation, name in OPERATIONS.items()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await decline(scope, receive, send)
            return
        if scope["path"] in PAGES:
            await self.pages(scope, receive, send)
            return
        # First to hear what is asked, and then the answer, which is still to be awaited: a stream
        # is told for days, and nothing of the request is to be held for so long.
        answer = await self._hear(scope, receive, send)
        del scope, receive
        await answer

    def _hear(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[Awaitable[None]]:
        head = Head.of(scope)
        # Counted whatever it is, and refused once it is known in which form.
        over = self._rates.refusal(head.caller.name, trio.current_time())
        binding = self._json_rpc if head.path in ("", "/") else self._http_json
        return binding(head, over, scope, receive, send)

    # The two bindings: each returns the answer

    async def _json_rpc(
        self, head: Head, over: A2AError | None, scope: Scope, receive: Receive, send: Send
    ) -> Awaitable[None]:
        dialect: Dialect = v10.JsonRpc(None)  # until the line is known; any reader takes its errors
        if head.verb != "POST":
            return _other_verb(head, negotiation.OtherVerb(frozenset({"POST"})), dialect, send)
        try:
            _check_content_type(head)
            called = jsonrpc.read_request(await read_body(receive))
        except jsonrpc.Unreadable as unreadable:
            return _refuse(unreadable.error, v10.JsonRpc(unreadable.id), send)
        except UnknownMediaType as error:
            return _refuse(error, dialect, send)
        dialect = v10.JsonRpc(called.id)
        try:
            declared = negotiation.declared(head.headers, head.query)
            if self.interrupts and called.method in METHODS:
                line = negotiation.lineless(declared)
                if over is None:
                    return self._interrupt(called, line, head, send)
                dialect = v03.JsonRpc(called.id) if line == v03.VERSION else dialect
                raise over
            chosen = negotiation.json_rpc(declared, called.method, lenient=self.lenient)
            if chosen.line == v03.VERSION:
                dialect = v03.JsonRpc(called.id)
            if over is not None:
                raise over
            request = dialect.request(chosen.operation, called.params)
        except A2AError as error:
            return _refuse(error, dialect, send)
        return self._do(Asked(chosen.operation, request, dialect), head, scope, receive, send)

    async def _interrupt(self, called: jsonrpc.Request, line: str, head: Head, send: Send) -> None:
        headers = self.extensions.echo(self.extensions.activate(None, head), line)
        body = await respond(self.service, head.caller, called, line)
        await answer(send, 200, body, v10.JsonRpc.media_type, headers)

    async def _http_json(
        self, head: Head, over: A2AError | None, scope: Scope, receive: Receive, send: Send
    ) -> Awaitable[None]:
        dialect: Dialect = v10.Rest(
            v10.media_type(head.headers.get("accept", ""), head.content_type)
        )
        try:
            declared = negotiation.declared(head.headers, head.query)
            verb = "GET" if head.verb == "HEAD" else head.verb
            chosen = negotiation.http_json(declared, verb, head.path, lenient=self.lenient)
        except negotiation.OtherVerb as error:
            return _other_verb(head, error, dialect, send)
        except A2AError as error:
            return _refuse(error, dialect, send)
        if chosen.line == v03.VERSION:
            dialect = v03.Rest()
        try:
            if over is not None:
                raise over
            body = b"" if head.verb in ("GET", "HEAD", "DELETE") else await read_body(receive)
            if body:
                _check_content_type(head)
            request = dialect.request(
                chosen.route.operation, body, path=chosen.route.path, query=head.query
            )
        except A2AError as error:
            return _refuse(error, dialect, send)
        asked = Asked(chosen.route.operation, request, dialect)
        return self._do(asked, head, scope, receive, send)

    # The operation

    def _do(
        self, asked: Asked, head: Head, scope: Scope, receive: Receive, send: Send
    ) -> Awaitable[None]:
        if asked.operation in STREAMING:
            return while_connected(scope, receive, partial(self._stream, asked, head, send))
        if asked.operation in WAITING:
            return while_connected(scope, receive, partial(self._answer, asked, head, send))
        return self._answer(asked, head, send)

    async def _answer(self, asked: Asked, head: Head, send: Send) -> None:
        await (await self._operate(asked, head, send))

    async def _stream(self, asked: Asked, head: Head, send: Send) -> None:
        name = head.caller.name
        try:
            self._streams.check(name)
        except TooBusy as error:
            await _refuse(error, asked.dialect, send)
            return
        self._streams.add(name)
        try:
            stream = await self._operate(asked, head, send)
            del asked, head  # not to be held while the stream is told
            await stream
        finally:
            self._streams.drop(name)

    async def _operate(self, asked: Asked, head: Head, send: Send) -> Awaitable[None]:
        """Do it, and return the answer."""
        operation = self._operations[asked.operation]
        try:
            if asked.request.tenant not in ("", self.tenant):
                raise InvalidParams("There is no such tenant here; use the one on the card, if any")
            active = self.extensions.activate(asked.operation, head)
            bare = self.extensions.hears_plain(active)
            if bare:
                asked = asked._replace(dialect=Plain(asked.dialect))
            caller = head.caller
            if bare or caller.line != asked.dialect.version:
                caller = evolve(caller, line=asked.dialect.version, plain=bare)
            value = await operation(caller, asked.request, **_manner(asked.operation, head))
        except A2AError as error:
            return _refuse(error, asked.dialect, send)
        except Exception:  # ours, or a backend's `reply`: logged whole and answered briefly
            log.exception("%s failed", asked.operation.name)
            return _refuse(InternalError(), asked.dialect, send)
        headers = self.extensions.echo(active, asked.dialect.version)
        if asked.operation in STREAMING:
            await start_stream(send, headers)
            if head.verb == "HEAD":
                return send(piece(b"", more=False))
            ends = _ends(asked, active)
            return tell(value, asked.dialect, ends, send)
        if asked.operation is Operation.EXTENDED_CARD:
            headers = [*headers, PRIVATE]
        body = asked.dialect.result(asked.operation, value)
        if asked.operation is Operation.EXTENDED_CARD and self.seal is not None:
            body = self.seal(body)
        return answer(send, 200, body, asked.dialect.media_type, headers)


def _manner(operation: Operation, head: Head) -> Mapping[str, Any]:
    """How an operation is asked for, beyond its request: by headers that are no protocol's."""
    if operation in (Operation.SEND, Operation.STREAM):
        return {"key": head.headers.get("idempotency-key", "")}
    if operation is Operation.SUBSCRIBE:
        # "a Last-Event-ID HTTP request header", of a client that joins a stream again (HTML, 9.2.4)
        number = head.headers.get("last-event-id", "")
        return {"after": int(number) if re.fullmatch("[0-9]{1,15}", number) else None}
    return {}


async def _refuse(error: A2AError, dialect: Dialect, send: Send) -> None:
    later = error.retry_after
    headers = [] if later is None else [(b"retry-after", b"%d" % later)]
    status = 415 if isinstance(error, UnknownMediaType) else dialect.status(error)
    await answer(send, status, dialect.refusal(error), dialect.media_type, headers)


async def _other_verb(
    head: Head, error: negotiation.OtherVerb, dialect: Dialect, send: Send
) -> None:
    verbs = error.verbs | {"OPTIONS"} | ({"HEAD"} if "GET" in error.verbs else frozenset())
    allow = [(b"allow", ", ".join(sorted(verbs)).encode())]
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
    Operation.SET_PUSH: "set_push",
    Operation.GET_PUSH: "get_push",
    Operation.LIST_PUSH: "list_push",
    Operation.DELETE_PUSH: "delete_push",
    Operation.EXTENDED_CARD: "extended_card",
}
"""The operation of the service that does each one."""


def _ends(asked: Asked, active: Collection[str]) -> frozenset[TaskState]:
    """The states whose event is the last of a stream.

    A sending stream ends at a question, because the answer is a message of its own (A2A 1.0.1
    section 11.7); it stays open while a credential is awaited (section 7.6.1). A subscription
    outlives questions on 1.0 (section 3.1.6); on 0.3, `final` comes with every question. A caller
    who names an extension of other servers answers on the side, and goes on listening.
    """
    if LISTENING.intersection(active):
        return TERMINAL
    if asked.operation is Operation.SUBSCRIBE and asked.dialect.version == v10.VERSION:
        return TERMINAL
    return TERMINAL_OR_ASKED


class UnknownMediaType(InvalidRequest):
    """The body is not said to be JSON: HTTP 415."""


def _check_content_type(head: Head) -> None:
    # A browser sends text/plain across origins without asking; it cannot send JSON so.
    if head.content_type not in JSON_TYPES:
        said = head.content_type or "missing"
        raise UnknownMediaType(f"Content-Type is {said}; send application/json")
