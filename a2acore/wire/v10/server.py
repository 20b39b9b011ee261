"""The dialects of line 1.0 for a server: see `Dialect` for what each method has to do."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import msgspec
from msgspec import Raw, structs

from a2acore import jsonrpc
from a2acore.errors import A2AError, Violation
from a2acore.jsonrpc import RpcId
from a2acore.model import (
    Event,
    ListTasksRequest,
    Task,
    TaskArtifactUpdateEvent,
    TaskState,
    TaskStatusUpdateEvent,
)
from a2acore.wire import reading
from a2acore.wire.dialect import NOTHING, Operation
from a2acore.wire.v10 import refusals
from a2acore.wire.v10.routes import (
    A2A_JSON,
    BODIED,
    JSON,
    KEYS,
    SHAPES,
    VERSION,
    StreamResponse,
)

FILLED: Mapping[Operation, str] = {Operation.SET_PUSH: "task_id", Operation.GET_PUSH: "id"}
"""What must be filled on this line although the model lets it be empty: it may be within
SendMessage, and on line 0.3."""


def media_type(accept: str, content_type: str) -> str:
    """The media type of an HTTP+JSON answer, from the headers of the request ("" when absent).

    Section 11.1 wants `application/a2a+json`; peers that never name it expect plain JSON.
    """
    accepted = {_essence(choice) for choice in accept.split(",")} - {""}
    anything = not accepted or "*/*" in accepted
    if A2A_JSON in accepted or (anything and _essence(content_type) == A2A_JSON):
        return A2A_JSON
    return JSON


def _essence(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def wrapped(event: Event) -> StreamResponse:
    """An event in its wrapper, as streams, webhooks and the answer of SendMessage carry it."""
    if isinstance(event, TaskArtifactUpdateEvent):  # by far the most
        return StreamResponse(artifact_update=event)
    if isinstance(event, TaskStatusUpdateEvent):
        return StreamResponse(status_update=event)
    if isinstance(event, Task):
        return StreamResponse(task=event)
    return StreamResponse(message=event)


class JsonRpc:
    """Line 1.0 on JSON-RPC, for the request with this id."""

    version = form = VERSION
    media_type = JSON

    def __init__(self, request_id: RpcId) -> None:
        self._id = request_id

    def request(
        self,
        operation: Operation,
        body: Raw | bytes,
        *,
        path: Mapping[str, str] = NOTHING,
        query: Mapping[str, str] = NOTHING,
    ) -> Any:
        params = bytes(body)
        if params in (b"", b"null"):
            params = b"{}"
        return _checked(operation, reading.read(params, SHAPES[operation].request))

    def result(self, operation: Operation, value: Any) -> bytes:
        return jsonrpc.response(self._id, _answer(operation, value))

    @cached_property
    def envelope(self) -> tuple[bytes, bytes]:
        return jsonrpc.envelope(self._id)

    def frame(self, event: Event, *, final: bool) -> bytes:
        return jsonrpc.response(self._id, wrapped(event))

    def text(self, event: Event, *, final: bool = False) -> bytes:
        return msgspec.json.encode(wrapped(event))

    def refusal(self, error: A2AError) -> bytes:
        return refusals.rpc(self._id, error)

    def status(self, error: A2AError) -> int:
        return 200


class Rest:
    """Line 1.0 on HTTP+JSON, answering in this media type."""

    version = form = VERSION
    envelope = (b"", b"")

    def __init__(self, media_type: str = JSON) -> None:
        self.media_type = media_type

    def request(
        self,
        operation: Operation,
        body: Raw | bytes,
        *,
        path: Mapping[str, str] = NOTHING,
        query: Mapping[str, str] = NOTHING,
    ) -> Any:
        shape = SHAPES[operation].request
        bodied = operation in BODIED
        if bodied and not path:
            return reading.read(body or b"{}", shape)
        said = reading.builtins(body) if body else {}
        if not isinstance(said, dict):
            raise reading.invalid([Violation("", "expected an object")])
        if not bodied:
            said = {**query, **said}
        said = _with_path(said, path)
        return _checked(operation, reading.convert(said, shape, words=not bodied))

    def result(self, operation: Operation, value: Any) -> bytes:
        return msgspec.json.encode(_answer(operation, value))

    def frame(self, event: Event, *, final: bool = False) -> bytes:
        return msgspec.json.encode(wrapped(event))

    text = frame

    def refusal(self, error: A2AError) -> bytes:
        return refusals.rest(error)

    def status(self, error: A2AError) -> int:
        return error.status


def _with_path(said: Mapping[str, Any], path: Mapping[str, str]) -> dict[str, Any]:
    """What was said in the body or the query, with what the path says: they must not differ."""
    merged = dict(said)
    wrong = []
    for name, value in path.items():
        said_twice = [merged.pop(spelling, None) for spelling in (KEYS[name], name)]
        if any(other not in (None, "", value) for other in said_twice):
            wrong.append(Violation(KEYS[name], "differs from what the path says"))
        merged[KEYS[name]] = value
    if wrong:
        raise reading.invalid(wrong)
    return merged


def _checked(operation: Operation, request: Any) -> Any:
    """The last of what a request has to say on this line."""
    name = FILLED.get(operation)
    if name is not None and not getattr(request, name):
        raise reading.invalid([Violation(KEYS[name], "is required and must not be empty")])
    if isinstance(request, ListTasksRequest) and request.status is TaskState.UNSPECIFIED:
        return structs.replace(request, status=None)  # the zero of an enum: not said
    return request


def _answer(operation: Operation, value: Any) -> Any:
    if operation is Operation.SEND:
        return wrapped(value)
    return {} if operation is Operation.DELETE_PUSH else value
