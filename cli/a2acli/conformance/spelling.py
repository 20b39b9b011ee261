"""How a request is written on each line and binding. Written from the specifications."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode
from uuid import uuid4

from attrs import frozen

JSONRPC = "JSONRPC"
REST = "HTTP+JSON"

METHODS = {
    "1.0": {
        "send": "SendMessage",
        "stream": "SendStreamingMessage",
        "get": "GetTask",
        "list": "ListTasks",
        "cancel": "CancelTask",
        "subscribe": "SubscribeToTask",
        "set_push": "CreateTaskPushNotificationConfig",
        "get_push": "GetTaskPushNotificationConfig",
        "list_push": "ListTaskPushNotificationConfigs",
        "delete_push": "DeleteTaskPushNotificationConfig",
        "card": "GetExtendedAgentCard",
    },
    "0.3": {
        "send": "message/send",
        "stream": "message/stream",
        "get": "tasks/get",
        "cancel": "tasks/cancel",
        "subscribe": "tasks/resubscribe",
        "set_push": "tasks/pushNotificationConfig/set",
        "get_push": "tasks/pushNotificationConfig/get",
        "list_push": "tasks/pushNotificationConfig/list",
        "delete_push": "tasks/pushNotificationConfig/delete",
        "card": "agent/getAuthenticatedExtendedCard",
    },
}

ROUTES = {
    "send": ("POST", "/message:send"),
    "stream": ("POST", "/message:stream"),
    "get": ("GET", "/tasks/{task}"),
    "list": ("GET", "/tasks"),
    "cancel": ("POST", "/tasks/{task}:cancel"),
    "subscribe": ("POST", "/tasks/{task}:subscribe"),
    "set_push": ("POST", "/tasks/{task}/pushNotificationConfigs"),
    "get_push": ("GET", "/tasks/{task}/pushNotificationConfigs/{config}"),
    "list_push": ("GET", "/tasks/{task}/pushNotificationConfigs"),
    "delete_push": ("DELETE", "/tasks/{task}/pushNotificationConfigs/{config}"),
    "card": ("GET", "/extendedAgentCard"),
}
"""Of line 1.0. On line 0.3 they are under `/v1`, and the card is at `/v1/card`."""

STREAMING = ("stream", "subscribe")


class Spelled(NamedTuple):
    """A request as it goes out."""

    verb: str
    url: str
    headers: dict[str, str]
    body: bytes | None


@frozen
class Way:
    """One interface of a server."""

    line: str
    binding: str
    url: str
    tenant: str = ""
    proto: bool = False
    """On HTTP+JSON of 0.3, whose bodies have two readings: that of the proto file, which the
    official clients speak, and not that of the type definitions."""

    def __str__(self) -> str:
        dialect = " (proto)" if self.proto else ""
        return f"{self.line} {self.binding}{dialect}"

    @property
    def rpc(self) -> bool:
        return self.binding == JSONRPC

    @property
    def old(self) -> bool:
        return self.line == "0.3"

    @property
    def base(self) -> str:
        """What the paths of HTTP+JSON are appended to."""
        tenant = f"/{quote(self.tenant, safe='')}" if self.tenant else ""
        return self.url.rstrip("/") + ("/v1" if self.old else tenant)

    # What is said

    def message(self, text: str, **members: Any) -> dict[str, Any]:
        """A message of the caller's, with further `members`."""
        return self.message_of([self.text_part(text)], **members)

    def message_of(self, parts: list[Any], **members: Any) -> dict[str, Any]:
        said: dict[str, Any] = {"messageId": uuid4().hex}
        if self.proto:
            said |= {"role": "ROLE_USER", "content": parts}
        elif self.old:
            said |= {"kind": "message", "role": "user", "parts": parts}
        else:
            said |= {"role": "ROLE_USER", "parts": parts}
        return said | members

    def text_part(self, text: str) -> dict[str, Any]:
        return {"kind": "text", "text": text} if self.old and not self.proto else {"text": text}

    def file_part(self, url: str, media_type: str) -> dict[str, Any]:
        """A file by its address."""
        if not self.old:
            return {"url": url, "mediaType": media_type}
        if self.proto:
            return {"file": {"fileWithUri": url, "mimeType": media_type}}
        return {"kind": "file", "file": {"uri": url, "mimeType": media_type}}

    def configuration(
        self,
        *,
        wait: bool = True,
        history: int | None = None,
        modes: list[str] | None = None,
        push: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """How an answer is wanted; whether to wait for it is said always, for the lines differ."""
        said: dict[str, Any] = {"blocking": wait} if self.old else {"returnImmediately": not wait}
        if history is not None:
            said["historyLength"] = history
        if modes is not None:
            said["acceptedOutputModes"] = modes
        if push is not None:
            name = "pushNotification" if self.proto else "pushNotificationConfig"
            said[name if self.old else "taskPushNotificationConfig"] = push
        return said

    def config(self, url: str, *, token: str = "", bearer: str = "", id: str = "") -> Any:
        """A webhook."""
        said: dict[str, Any] = {"url": url}
        if id:
            said["id"] = id
        if token:
            said["token"] = token
        if bearer:
            scheme = {"schemes": ["Bearer"]} if self.old else {"scheme": "Bearer"}
            said["authentication"] = scheme | {"credentials": bearer}
        return said

    # How it is sent

    def spell(self, operation: str, params: Mapping[str, Any], id: Any = 1) -> Spelled:
        """The request for an operation.

        The params are those of JSON-RPC on this line; on HTTP+JSON, `task` and `config` name what
        stands in the path.
        """
        headers = {} if self.old else {"A2A-Version": "1.0"}
        if self.rpc:
            headers["Content-Type"] = "application/json"
            return Spelled("POST", self.url, headers, self.envelope(operation, params, id))
        verb, path = ROUTES[operation]
        if self.old and operation == "card":
            path = "/card"
        rest = dict(params)
        for name in ("task", "config"):
            if f"{{{name}}}" in path:
                path = path.replace(f"{{{name}}}", quote(str(rest.pop(name)), safe=""))
        url = self.base + path
        if verb == "POST":
            headers["Content-Type"] = "application/json"
            return Spelled(verb, url, headers, self._body(operation, rest))
        return Spelled(verb, f"{url}?{urlencode(_in_query(rest))}" if rest else url, headers, None)

    def envelope(self, operation: str, params: Mapping[str, Any], id: Any = 1) -> bytes:
        """The body of a JSON-RPC request."""
        rest = dict(params)
        if "task" in rest:
            rest[self._task_member(operation)] = rest.pop("task")
        if "config" in rest:
            rest["pushNotificationConfigId" if self.old else "id"] = rest.pop("config")
        if operation == "set_push" and self.old:
            rest = {"taskId": rest.pop("taskId"), "pushNotificationConfig": rest}
        if self.tenant:
            rest["tenant"] = self.tenant
        call: dict[str, Any] = {"jsonrpc": "2.0", "id": id}
        call["method"] = METHODS[self.line][operation]
        if rest or operation != "card":
            call["params"] = rest
        return json.dumps(call).encode()

    def _task_member(self, operation: str) -> str:
        """What the params of JSON-RPC call the id of a task."""
        if operation in ("get", "cancel", "subscribe"):
            return "id"
        return "id" if self.old and operation != "set_push" else "taskId"

    def _body(self, operation: str, said: dict[str, Any]) -> bytes:
        if operation == "set_push" and self.old:
            # The text of 0.3 wraps once, its proto file wraps twice and adds the id.
            inner: dict[str, Any] = {"pushNotificationConfig": said}
            outer = {"configId": said["id"]} if self.proto and "id" in said else {}
            said = outer | {"config": inner}
        return json.dumps(said).encode()


def _in_query(params: Mapping[str, Any]) -> dict[str, str]:
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in params.items()
    }
