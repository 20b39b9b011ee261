"""What can be asked on line 1.0, and by which names.

Source: A2A 1.0.1, sections 5.3, 9.4 and 11.3, and the annotations of its proto.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from msgspec import Struct

from a2acore import model
from a2acore.wire.dialect import Operation
from a2acore.wire.paths import Paths, Table

VERSION = "1.0"

JSON = "application/json"
A2A_JSON = "application/a2a+json"


class StreamResponse(model.Noun, frozen=True):
    """What a stream carries, and what SendMessage returns: exactly one is set."""

    task: model.Task | None = None
    message: model.Message | None = None
    status_update: model.TaskStatusUpdateEvent | None = None
    artifact_update: model.TaskArtifactUpdateEvent | None = None


class Shape(NamedTuple):
    """What an operation takes and returns; `result` is None for nothing."""

    request: type[Struct]
    result: type[Struct] | None


SHAPES: Mapping[Operation, Shape] = {
    Operation.SEND: Shape(model.SendMessageRequest, StreamResponse),
    Operation.STREAM: Shape(model.SendMessageRequest, StreamResponse),
    Operation.GET: Shape(model.GetTaskRequest, model.Task),
    Operation.LIST: Shape(model.ListTasksRequest, model.ListTasksResponse),
    Operation.CANCEL: Shape(model.CancelTaskRequest, model.Task),
    Operation.SUBSCRIBE: Shape(model.SubscribeToTaskRequest, StreamResponse),
    Operation.SET_PUSH: Shape(model.TaskPushNotificationConfig, model.TaskPushNotificationConfig),
    Operation.GET_PUSH: Shape(
        model.GetTaskPushNotificationConfigRequest, model.TaskPushNotificationConfig
    ),
    Operation.LIST_PUSH: Shape(
        model.ListTaskPushNotificationConfigsRequest, model.ListTaskPushNotificationConfigsResponse
    ),
    Operation.DELETE_PUSH: Shape(model.DeleteTaskPushNotificationConfigRequest, None),
    Operation.EXTENDED_CARD: Shape(model.GetExtendedAgentCardRequest, model.AgentCard),
}

METHODS: Mapping[str, Operation] = {
    "SendMessage": Operation.SEND,
    "SendStreamingMessage": Operation.STREAM,
    "GetTask": Operation.GET,
    "ListTasks": Operation.LIST,
    "CancelTask": Operation.CANCEL,
    "SubscribeToTask": Operation.SUBSCRIBE,
    "CreateTaskPushNotificationConfig": Operation.SET_PUSH,
    "GetTaskPushNotificationConfig": Operation.GET_PUSH,
    "ListTaskPushNotificationConfigs": Operation.LIST_PUSH,
    "DeleteTaskPushNotificationConfig": Operation.DELETE_PUSH,
    "GetExtendedAgentCard": Operation.EXTENDED_CARD,
}
"""JSON-RPC methods."""

ROUTES: Table = {
    "/message:send": {"POST": Operation.SEND},
    "/message:stream": {"POST": Operation.STREAM},
    "/tasks": {"GET": Operation.LIST},
    "/tasks/{id}:cancel": {"POST": Operation.CANCEL},
    # The tables of the specification say POST, the annotations of the proto GET.
    "/tasks/{id}:subscribe": {"POST": Operation.SUBSCRIBE, "GET": Operation.SUBSCRIBE},
    "/tasks/{id}": {"GET": Operation.GET},
    "/tasks/{task_id}/pushNotificationConfigs": {
        "POST": Operation.SET_PUSH,
        "GET": Operation.LIST_PUSH,
    },
    "/tasks/{task_id}/pushNotificationConfigs/{id}": {
        "GET": Operation.GET_PUSH,
        "DELETE": Operation.DELETE_PUSH,
    },
    "/extendedAgentCard": {"GET": Operation.EXTENDED_CARD},
}
"""HTTP+JSON routes, by path and verb. The first path that fits decides. Each also exists with a
tenant before it."""

KEYS: Mapping[str, str] = {"tenant": "tenant", "id": "id", "task_id": "taskId"}
"""The members that a path may hold, by the fields that they fill."""

BODIED = frozenset({Operation.SEND, Operation.STREAM, Operation.CANCEL, Operation.SET_PUSH})
"""The operations that say what they want in the body; all others say it in the query."""


# A tenant comes after all literal paths, and so cannot be called `tasks`.
_PATHS = Paths(ROUTES, ("/{tenant}",))
route = _PATHS.route
verbs = _PATHS.verbs
