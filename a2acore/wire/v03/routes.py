"""The methods and routes of line 0.3."""

from __future__ import annotations

from collections.abc import Mapping

from a2acore.wire.dialect import Operation
from a2acore.wire.paths import Paths, Table

METHODS: Mapping[str, Operation] = {
    "message/send": Operation.SEND,
    "message/stream": Operation.STREAM,
    "tasks/get": Operation.GET,
    "tasks/cancel": Operation.CANCEL,
    "tasks/resubscribe": Operation.SUBSCRIBE,
    "tasks/pushNotificationConfig/set": Operation.SET_PUSH,
    "tasks/pushNotificationConfig/get": Operation.GET_PUSH,
    "tasks/pushNotificationConfig/list": Operation.LIST_PUSH,
    "tasks/pushNotificationConfig/delete": Operation.DELETE_PUSH,
    "agent/getAuthenticatedExtendedCard": Operation.EXTENDED_CARD,
    # So it is spelled in section 11.1.3, and nowhere else.
    "agent/authenticatedExtendedCard": Operation.EXTENDED_CARD,
}
"""JSON-RPC methods. There is none to list tasks."""

ROUTES: Table = {
    "/v1/message:send": {"POST": Operation.SEND},
    "/v1/message:stream": {"POST": Operation.STREAM},
    # In the table of section 3.5.6, and defined nowhere.
    "/v1/tasks": {"GET": Operation.LIST},
    "/v1/tasks/{id}:cancel": {"POST": Operation.CANCEL},
    # The table of the specification says POST, the annotation of the proto GET.
    "/v1/tasks/{id}:subscribe": {"POST": Operation.SUBSCRIBE, "GET": Operation.SUBSCRIBE},
    "/v1/tasks/{id}": {"GET": Operation.GET},
    "/v1/tasks/{task_id}/pushNotificationConfigs": {
        "POST": Operation.SET_PUSH,
        "GET": Operation.LIST_PUSH,
    },
    "/v1/tasks/{task_id}/pushNotificationConfigs/{id}": {
        "GET": Operation.GET_PUSH,
        "DELETE": Operation.DELETE_PUSH,
    },
    "/v1/card": {"GET": Operation.EXTENDED_CARD},
}
"""HTTP+JSON routes, by path and verb. The first path that fits decides."""

_PATHS = Paths(ROUTES)
route = _PATHS.route
verbs = _PATHS.verbs
