"""The dialects of line 1.0 for a client: see `ClientDialect` for what each method has to do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import msgspec
from msgspec import Raw, Struct

from a2acore import jsonrpc, sse
from a2acore.errors import InvalidAgentResponse, InvalidParams, ParseError
from a2acore.model import Event, Message, Task
from a2acore.wire import reading
from a2acore.wire.dialect import STREAMING, ClientDialect, Operation, Sending
from a2acore.wire.v10 import refusals
from a2acore.wire.v10.routes import (
    A2A_JSON,
    JSON,
    KEYS,
    METHODS,
    ROUTES,
    SHAPES,
    VERSION,
    StreamResponse,
)

T = TypeVar("T", bound=Struct)

ID = "1"
"""The id of every JSON-RPC request: each travels alone, so there is nothing to tell apart."""


class _JsonRpc:
    version = VERSION
    binding = "JSONRPC"

    def ask(self, operation: Operation, request: Any) -> Sending:
        body = jsonrpc.request(ID, _METHOD[operation], request)
        headers = {**_headers(operation, JSON), "Content-Type": JSON}
        return Sending("POST", "", body, headers)

    def answer(self, operation: Operation, status: int, body: bytes) -> Any:
        try:
            return _result(operation, _unpacked(body))
        except jsonrpc.Unreadable as exc:
            if not _is_success(status):
                raise refusals.of_body(status, body) from exc
            raise InvalidAgentResponse(exc.error.message) from exc

    def event(self, data: bytes) -> Event:
        try:
            return _event(_unpacked(data))
        except jsonrpc.Unreadable as exc:
            raise InvalidAgentResponse(exc.error.message) from exc


class _Rest:
    version = VERSION
    binding = "HTTP+JSON"

    def ask(self, operation: Operation, request: Any) -> Sending:
        verb, template = _ROUTE[operation]
        said: dict[str, Any] = msgspec.to_builtins(request)

        def take(name: str) -> str:
            return quote(said.pop(KEYS[name]), safe="")

        path = f"/{take('tenant')}" if "tenant" in said else ""
        path += re.sub(r"\{(\w+)\}", lambda field: take(field[1]), template)
        headers = _headers(operation, f"{A2A_JSON}, {JSON}")
        if verb == "POST":
            headers["Content-Type"] = A2A_JSON
            return Sending(verb, path, msgspec.json.encode(said), headers)
        if said:
            path += "?" + urlencode({key: _word(value) for key, value in said.items()})
        return Sending(verb, path, b"", headers)

    def answer(self, operation: Operation, status: int, body: bytes) -> Any:
        if not _is_success(status):
            raise refusals.of_body(status, body)
        return _result(operation, body)

    def event(self, data: bytes) -> Event:
        try:
            return _event(data)
        except InvalidAgentResponse:
            if refusals.is_error(data):
                raise refusals.of_body(500, data) from None
            raise


def client(binding: str) -> ClientDialect:
    """The dialect for a binding, as cards call it: `JSONRPC` or `HTTP+JSON`.

    Raises:
        KeyError: it is another binding.
    """
    return _DIALECTS[binding]


_DIALECTS: Mapping[str, ClientDialect] = {each.binding: each for each in (_JsonRpc(), _Rest())}

_METHOD = {operation: method for method, operation in METHODS.items()}
_ROUTE = {
    operation: (verb, path)
    for path, operations in ROUTES.items()
    # Where two verbs do the same, the first one stays.
    for verb, operation in reversed(operations.items())
}


def _is_success(status: int) -> bool:
    return 200 <= status < 300


def _headers(operation: Operation, answer: str) -> dict[str, str]:
    # A stream may be refused, and is then no stream.
    accept = f"{sse.MEDIA_TYPE}, {answer}" if operation in STREAMING else answer
    return {"A2A-Version": VERSION, "Accept": accept}


def _word(value: str | int) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _unpacked(body: bytes) -> Raw:
    message = jsonrpc.read_message(body)
    if isinstance(message, jsonrpc.Failure):
        raise refusals.of_fault(message.error)
    if not isinstance(message, jsonrpc.Response):
        raise InvalidAgentResponse("The agent answered with a call")
    return message.result


def _result(operation: Operation, text: bytes | Raw) -> Any:
    shape = SHAPES[operation].result
    if shape is None:
        return None
    if shape is not StreamResponse:
        return _accepted(text, shape)
    event = _event(text)
    if operation is Operation.SEND and not isinstance(event, Task | Message):
        raise InvalidAgentResponse("The agent answered with neither a task nor a message")
    return event


def _event(text: bytes | Raw) -> Event:
    wrapper = _accepted(text, StreamResponse)
    said = (wrapper.task, wrapper.message, wrapper.status_update, wrapper.artifact_update)
    events: list[Event] = [event for event in said if event is not None]
    if len(events) != 1:
        raise InvalidAgentResponse(
            "The agent answered with none or several of task, message, statusUpdate, artifactUpdate"
        )
    return events[0]


def _accepted(text: bytes | Raw, shape: type[T]) -> T:
    try:
        return reading.accept(text, shape)
    except (ParseError, InvalidParams) as exc:
        raise InvalidAgentResponse(
            f"The agent's answer is no {shape.__name__}: {exc.message}", violations=exc.violations
        ) from exc
