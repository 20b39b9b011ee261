"""The dialects of line 0.3 for a server: see `Dialect` for what each method has to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import msgspec
from msgspec import Raw

from a2acore import jsonrpc, model
from a2acore.errors import A2AError, CapabilityOff
from a2acore.jsonrpc import RpcId
from a2acore.wire import reading
from a2acore.wire.dialect import NOTHING, Operation
from a2acore.wire.v03 import cards, proto, prototypes, refusals, schema, shapes
from a2acore.wire.v03.checks import wrong
from a2acore.wire.v03.forms import JSON, NO_LIST, VERSION, in_schema, wrapped


def _get_push(params: shapes.GetTaskPushNotificationConfigParams) -> Any:
    return model.GetTaskPushNotificationConfigRequest(
        task_id=params.id, id=params.push_notification_config_id
    )


def _delete_push(params: shapes.DeleteTaskPushNotificationConfigParams) -> Any:
    return model.DeleteTaskPushNotificationConfigRequest(
        task_id=params.id, id=params.push_notification_config_id
    )


# What JSON-RPC takes. The metadata of the params is dropped where the model has no room for it.
PARAMS: Mapping[Operation, tuple[type[shapes.Shape], Callable[[Any], Any]]] = {
    Operation.SEND: (shapes.MessageSendParams, schema.read_send),
    Operation.STREAM: (shapes.MessageSendParams, schema.read_send),
    Operation.GET: (
        shapes.TaskQueryParams,
        lambda params: model.GetTaskRequest(params.id, history_length=params.history_length),
    ),
    Operation.CANCEL: (
        shapes.TaskIdParams,
        lambda params: model.CancelTaskRequest(params.id, metadata=params.metadata),
    ),
    Operation.SUBSCRIBE: (
        shapes.TaskIdParams,
        lambda params: model.SubscribeToTaskRequest(params.id),
    ),
    Operation.SET_PUSH: (shapes.TaskPushNotificationConfig, schema.read_push),
    Operation.GET_PUSH: (shapes.GetTaskPushNotificationConfigParams, _get_push),
    Operation.LIST_PUSH: (
        shapes.ListTaskPushNotificationConfigParams,
        lambda params: model.ListTaskPushNotificationConfigsRequest(params.id),
    ),
    Operation.DELETE_PUSH: (shapes.DeleteTaskPushNotificationConfigParams, _delete_push),
    Operation.EXTENDED_CARD: (shapes.Shape, lambda _: model.GetExtendedAgentCardRequest()),
}


class JsonRpc:
    """Line 0.3 on JSON-RPC, for the request with this id."""

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
        shape, read = PARAMS[operation]
        params = bytes(body)
        if params in (b"", b"null"):
            params = b"{}"
        return read(reading.read(params, shape))

    def result(self, operation: Operation, value: Any) -> bytes:
        return jsonrpc.response(self._id, self._answer(operation, value))

    @cached_property
    def envelope(self) -> tuple[bytes, bytes]:
        return jsonrpc.envelope(self._id)

    def frame(self, event: model.Event, *, final: bool) -> bytes:
        return jsonrpc.response(self._id, schema.write_event(event, final=final))

    def text(self, event: model.Event, *, final: bool = False) -> bytes:
        return msgspec.json.encode(schema.write_event(event, final=final))

    def refusal(self, error: A2AError) -> bytes:
        return refusals.rpc(self._id, error)

    def status(self, error: A2AError) -> int:
        return 200

    @staticmethod
    def _answer(operation: Operation, value: Any) -> Any:
        match operation:
            case Operation.SET_PUSH | Operation.GET_PUSH:
                return schema.write_push(value)
            case Operation.LIST_PUSH:
                return [schema.write_push(config) for config in value.configs]
            case Operation.DELETE_PUSH:
                return None
            case Operation.EXTENDED_CARD:
                return cards.write(value)
        return schema.write_event(value)


class Rest:
    """Line 0.3 on HTTP+JSON, for one request: its JSON form is that of the answer.

    A request without a message or a webhook in it has no form; then the answer has that of the
    proto, because who speaks the other one could hardly be met.
    """

    version = VERSION
    media_type = JSON
    envelope = (b"", b"")

    def __init__(self) -> None:
        self._schema = False

    @property
    def form(self) -> str:
        return f"{VERSION}, {'schema' if self._schema else 'proto'}"

    def request(
        self,
        operation: Operation,
        body: Raw | bytes,
        *,
        path: Mapping[str, str] = NOTHING,
        query: Mapping[str, str] = NOTHING,
    ) -> Any:
        said = reading.builtins(body) if body else {}
        if not isinstance(said, dict):
            raise wrong("", "expected an object")
        match operation:
            case Operation.SEND | Operation.STREAM:
                return self._send(said)
            case Operation.GET:
                asked = reading.convert({**query, **path}, shapes.TaskQueryParams)
                # 0 is no limit in the proto, and who asks here speaks it.
                return model.GetTaskRequest(asked.id, history_length=asked.history_length or None)
            case Operation.CANCEL:
                params = reading.convert({**said, **path}, shapes.TaskIdParams)
                return model.CancelTaskRequest(params.id, metadata=params.metadata)
            case Operation.SUBSCRIBE:
                return model.SubscribeToTaskRequest(**path)
            case Operation.SET_PUSH:
                return self._set_push(said, path["task_id"])
            case Operation.GET_PUSH:
                return model.GetTaskPushNotificationConfigRequest(**path)
            case Operation.LIST_PUSH:
                return reading.convert(
                    {**query, **path}, model.ListTaskPushNotificationConfigsRequest
                )
            case Operation.DELETE_PUSH:
                return model.DeleteTaskPushNotificationConfigRequest(**path)
            case Operation.EXTENDED_CARD:
                return model.GetExtendedAgentCardRequest()
            case Operation.LIST:
                raise CapabilityOff(NO_LIST)

    def result(self, operation: Operation, value: Any) -> bytes:
        return msgspec.json.encode(self._answer(operation, value))

    def frame(self, event: model.Event, *, final: bool = False) -> bytes:
        form = schema if self._schema else proto
        return msgspec.json.encode(wrapped(event, form.write_event(event, final=final)))

    text = frame

    def refusal(self, error: A2AError) -> bytes:
        return refusals.rest(error)

    def status(self, error: A2AError) -> int:
        return error.status_03

    def _send(self, said: dict[str, Any]) -> model.SendMessageRequest:
        self._schema = in_schema(said.get("message"))
        if self._schema:
            return schema.read_send(reading.convert(said, shapes.MessageSendParams))
        return proto.read_send(reading.convert(said, prototypes.SendMessageRequest))

    def _set_push(self, said: dict[str, Any], task_id: str) -> model.TaskPushNotificationConfig:
        if not said.keys().isdisjoint(("pushNotificationConfig", "push_notification_config")):
            said = {"config": said}  # so the official JavaScript client has it
        request = reading.convert(said, prototypes.CreateTaskPushNotificationConfigRequest)
        self._schema = bool(request.config.task_id)
        config = proto.read_push(request.config)
        if config.task_id not in ("", task_id):
            raise wrong("config", "names another task than the path")
        return msgspec.structs.replace(config, task_id=task_id, id=config.id or request.config_id)

    def _answer(self, operation: Operation, value: Any) -> Any:
        form = schema if self._schema else proto
        match operation:
            case Operation.SEND:
                return wrapped(value, form.write_event(value))
            case Operation.SET_PUSH | Operation.GET_PUSH:
                return form.write_push(value)
            case Operation.LIST_PUSH:
                return prototypes.ListTaskPushNotificationConfigResponse(
                    configs=tuple(map(proto.write_push, value.configs)),
                    next_page_token=value.next_page_token,
                )
            case Operation.DELETE_PUSH:
                return {}
            case Operation.EXTENDED_CARD:
                return cards.write_rest(value)
        return form.write_event(value)
