"""The dialects of line 0.3 for a client: see `ClientDialect` for what each method has to do.

On HTTP+JSON a request is written in the proto's form, because that is what the official SDKs read;
an answer is read in either form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Raw

from a2acore import jsonrpc, model, sse
from a2acore.errors import InvalidAgentResponse, InvalidParams, ParseError, UnsupportedOperation
from a2acore.wire import reading
from a2acore.wire.dialect import STREAMING, ClientDialect, Operation, Sending
from a2acore.wire.v03 import cardreader, proto, prototypes, refusals, schema, shapes
from a2acore.wire.v03.checks import wrong
from a2acore.wire.v03.forms import JSON, NO_LIST, VERSION, in_schema
from a2acore.wire.v03.routes import METHODS

ID = "1"
"""The id of every JSON-RPC request: each travels alone, so there is nothing to tell apart."""

# JSON-RPC

_METHOD = {operation: method for method, operation in reversed(list(METHODS.items()))}

PARAMS: Mapping[Operation, Callable[[Any], shapes.Shape]] = {
    Operation.SEND: schema.write_send,
    Operation.STREAM: schema.write_send,
    Operation.GET: lambda asked: shapes.TaskQueryParams(
        id=asked.id, history_length=asked.history_length
    ),
    Operation.CANCEL: lambda asked: shapes.TaskIdParams(id=asked.id, metadata=asked.metadata),
    Operation.SUBSCRIBE: lambda asked: shapes.TaskIdParams(id=asked.id),
    Operation.SET_PUSH: schema.write_push,
    Operation.GET_PUSH: lambda asked: shapes.GetTaskPushNotificationConfigParams(
        id=asked.task_id, push_notification_config_id=asked.id
    ),
    Operation.LIST_PUSH: lambda asked: shapes.ListTaskPushNotificationConfigParams(
        id=asked.task_id
    ),
    Operation.DELETE_PUSH: lambda asked: shapes.DeleteTaskPushNotificationConfigParams(
        id=asked.task_id, push_notification_config_id=asked.id
    ),
}


class _JsonRpc:
    version = VERSION
    binding = "JSONRPC"

    def ask(self, operation: Operation, request: Any) -> Sending:
        if operation is Operation.LIST:
            raise UnsupportedOperation(NO_LIST)
        if operation is Operation.EXTENDED_CARD:
            body = jsonrpc.request(ID, _METHOD[operation])
        else:
            body = jsonrpc.request(ID, _METHOD[operation], PARAMS[operation](request))
        return Sending("POST", "", body, {**_headers(operation), "Content-Type": JSON})

    def answer(self, operation: Operation, status: int, body: bytes) -> Any:
        try:
            result = _unpacked(body)
        except jsonrpc.Unreadable as exc:
            if not _is_success(status):
                raise refusals.of_body(status, body) from exc
            raise InvalidAgentResponse(exc.error.message) from exc
        with _answered():
            return _result(operation, reading.builtins(result))

    def event(self, data: bytes) -> model.Event:
        try:
            result = _unpacked(data)
        except jsonrpc.Unreadable as exc:
            raise InvalidAgentResponse(exc.error.message) from exc
        with _answered():
            return _event(reading.builtins(result))


def _unpacked(body: bytes) -> Raw:
    message = jsonrpc.read_message(body)
    if isinstance(message, jsonrpc.Failure):
        raise refusals.of_fault(message.error)
    if not isinstance(message, jsonrpc.Response):
        raise InvalidAgentResponse("The agent answered with a call")
    return message.result


# HTTP+JSON


class _Rest:
    version = VERSION
    binding = "HTTP+JSON"

    def ask(self, operation: Operation, request: Any) -> Sending:
        verb, path, body = _sent(operation, request)
        headers = _headers(operation)
        if body is None:
            return Sending(verb, path, b"", headers)
        return Sending(verb, path, msgspec.json.encode(body), {**headers, "Content-Type": JSON})

    def answer(self, operation: Operation, status: int, body: bytes) -> Any:
        if not _is_success(status):
            raise refusals.of_body(status, body)
        if operation is Operation.DELETE_PUSH:
            return None
        with _answered():
            return _result(operation, reading.builtins(body))

    def event(self, data: bytes) -> model.Event:
        with _answered():
            said = reading.builtins(data)
        if refusals.tells(said):
            raise refusals.of_body(200, data)
        with _answered():
            return _event(said)


def _sent(operation: Operation, request: Any) -> tuple[str, str, Any]:
    """The verb, the path and the body (None for none) that ask for an operation."""
    match operation:
        case Operation.SEND:
            return "POST", "/v1/message:send", proto.write_send(request)
        case Operation.STREAM:
            return "POST", "/v1/message:stream", proto.write_send(request)
        case Operation.GET:
            length = request.history_length
            query = "" if length is None else f"?historyLength={length}"
            return "GET", _task(request.id) + query, None
        case Operation.CANCEL:
            metadata = {} if request.metadata is None else {"metadata": request.metadata}
            return "POST", f"{_task(request.id)}:cancel", {"name": f"tasks/{request.id}"} | metadata
        case Operation.SUBSCRIBE:
            # The specification says POST, but servers of the SDKs of this line know GET alone, and
            # all others know it too.
            return "GET", f"{_task(request.id)}:subscribe", None
        case Operation.SET_PUSH:
            body = prototypes.CreateTaskPushNotificationConfigRequest(
                parent=f"tasks/{request.task_id}",
                config_id=request.id,
                config=proto.write_push(request),
            )
            return "POST", _configs(request.task_id), body
        case Operation.GET_PUSH:
            # The path cannot leave out which one; the default one is called like its task.
            config_id = request.id or request.task_id
            return "GET", f"{_configs(request.task_id)}/{quote(config_id, safe='')}", None
        case Operation.LIST_PUSH:
            return "GET", _configs(request.task_id), None
        case Operation.DELETE_PUSH:
            return "DELETE", f"{_configs(request.task_id)}/{quote(request.id, safe='')}", None
        case Operation.EXTENDED_CARD:
            return "GET", "/v1/card", None
        case Operation.LIST:
            raise UnsupportedOperation(NO_LIST)


def _task(task_id: str) -> str:
    return f"/v1/tasks/{quote(task_id, safe='')}"


def _configs(task_id: str) -> str:
    return f"{_task(task_id)}/pushNotificationConfigs"


# Both


def client(binding: str) -> ClientDialect:
    """The dialect for a binding, as cards call it: `JSONRPC` or `HTTP+JSON`.

    Raises:
        KeyError: it is another binding.
    """
    return _DIALECTS[binding]


_DIALECTS: Mapping[str, ClientDialect] = {each.binding: each for each in (_JsonRpc(), _Rest())}


def _headers(operation: Operation) -> dict[str, str]:
    # A stream may be refused, and is then no stream.
    accept = f"{sse.MEDIA_TYPE}, {JSON}" if operation in STREAMING else JSON
    return {"A2A-Version": VERSION, "Accept": accept}


def _is_success(status: int) -> bool:
    return 200 <= status < 300


@contextmanager
def _answered() -> Iterator[None]:
    """What does not fit is the agent's fault here, not that of who asks."""
    try:
        yield
    except (ParseError, InvalidParams) as exc:
        raise InvalidAgentResponse(
            f"The agent's answer cannot be read: {exc.message}", violations=exc.violations
        ) from exc


def _result(operation: Operation, said: Any) -> Any:
    match operation:
        case Operation.DELETE_PUSH:
            return None
        case Operation.SET_PUSH | Operation.GET_PUSH:
            return _push(said)
        case Operation.LIST_PUSH:
            # A bare array, or the message of the proto around it.
            configs = said.get("configs", []) if isinstance(said, dict) else said
            if not isinstance(configs, list):
                raise wrong("configs", "expected an array")
            return model.ListTaskPushNotificationConfigsResponse(tuple(map(_push, configs)))
        case Operation.EXTENDED_CARD:
            return cardreader.read(msgspec.json.encode(said))
        case Operation.GET | Operation.CANCEL:
            return _named("task", said)
    event = _event(said)
    if operation not in STREAMING and not isinstance(event, model.Task | model.Message):
        raise InvalidAgentResponse("The agent answered with neither a task nor a message")
    return event


def _push(said: Any) -> model.TaskPushNotificationConfig:
    shape = prototypes.TaskPushNotificationConfig
    return proto.read_push(reading.convert(said, shape, strict=False))


_WRAPPERS = {
    "task": "task",
    "message": "message",
    "msg": "message",
    "statusUpdate": "statusUpdate",
    "status_update": "statusUpdate",
    "artifactUpdate": "artifactUpdate",
    "artifact_update": "artifactUpdate",
}
_KINDS = {
    "task": "task",
    "message": "message",
    "status-update": "statusUpdate",
    "artifact-update": "artifactUpdate",
}
_MARKS = {
    "messageId": "message",
    "final": "statusUpdate",
    "artifact": "artifactUpdate",
    "status": "task",
}
"""What tells an event that does not say its kind; the first that is there decides."""


def _event(said: Any) -> model.Event:
    """An event in its wrapper, or bare."""
    if not isinstance(said, dict):
        raise wrong("", "expected an object")
    for member, name in _WRAPPERS.items():
        if isinstance(said.get(member), dict):
            return _named(name, said[member])
    if "kind" in said:
        kind = _KINDS.get(str(said["kind"]))
        if kind is None:
            raise wrong("kind", f"expected one of {', '.join(_KINDS)}")
        return _named(kind, said)
    for mark, name in _MARKS.items():
        if mark in said:
            return _named(name, said)
    raise wrong("", "expected a task, a message or an update")


def _named(name: str, said: Any) -> model.Event:
    return schema.read_event(name, said) if in_schema(said) else proto.read_event(name, said)
