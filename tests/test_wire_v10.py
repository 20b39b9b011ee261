"""Line 1.0 on both bindings, as a server hears and says it and as a client does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import pytest

from a2acore import errors, model
from a2acore.errors import A2AError, InvalidAgentResponse, InvalidParams, ParseError, Violation
from a2acore.model import Part, Role, TaskState
from a2acore.wire import v10
from a2acore.wire.dialect import ClientDialect, Dialect, Operation

MESSAGE = model.Message("m-1", Role.USER, (Part(text="hi"),))
ANSWER = model.Message("m-2", Role.AGENT, (Part(text="5"),), context_id="c-1")
STATUS = model.TaskStatus(TaskState.WORKING, timestamp="2025-06-01T10:00:00.000Z")
ARTIFACT = model.Artifact("a-1", (Part(text=""), Part(data=None), Part(raw=b"\xfb\xff")))
TASK = model.Task("t-1", STATUS, "c-1", (ARTIFACT,), (MESSAGE,), {})
STATUS_UPDATE = model.TaskStatusUpdateEvent("t-1", "c-1", STATUS)
ARTIFACT_UPDATE = model.TaskArtifactUpdateEvent("t-1", "c-1", ARTIFACT, append=True)
WEBHOOK = model.TaskPushNotificationConfig("https://h.example", id="p-1", task_id="t-1")
CARD = model.AgentCard(
    "Adder",
    "",
    (model.AgentInterface("https://a.example", "JSONRPC", "1.0"),),
    "1.2",
    model.AgentCapabilities(streaming=False),
    ("text/plain",),
    ("text/plain",),
    (),
    security_schemes={
        "m": model.SecurityScheme(mtls_security_scheme=model.MutualTlsSecurityScheme())
    },
)

STATUS_JSON = {"state": "TASK_STATE_WORKING", "timestamp": "2025-06-01T10:00:00.000Z"}
MESSAGE_JSON = {"messageId": "m-1", "role": "ROLE_USER", "parts": [{"text": "hi"}]}
ARTIFACT_JSON = {"artifactId": "a-1", "parts": [{"text": ""}, {"data": None}, {"raw": "+/8="}]}
TASK_JSON = {
    "id": "t-1",
    "contextId": "c-1",
    "status": STATUS_JSON,
    "artifacts": [ARTIFACT_JSON],
    "history": [MESSAGE_JSON],
    "metadata": {},
}
ANSWER_JSON = {
    "messageId": "m-2",
    "role": "ROLE_AGENT",
    "parts": [{"text": "5"}],
    "contextId": "c-1",
}
WEBHOOK_JSON = {"url": "https://h.example", "id": "p-1", "taskId": "t-1"}
SEND_JSON = {"message": MESSAGE_JSON}


def encode(value: object) -> bytes:
    return msgspec.json.encode(value)


# What can be asked

METHODS = [
    "SendMessage",
    "SendStreamingMessage",
    "GetTask",
    "ListTasks",
    "CancelTask",
    "SubscribeToTask",
    "CreateTaskPushNotificationConfig",
    "GetTaskPushNotificationConfig",
    "ListTaskPushNotificationConfigs",
    "DeleteTaskPushNotificationConfig",
    "GetExtendedAgentCard",
]


def test_every_operation_has_one_method() -> None:
    # V10-MUST-096, V10-MUST-101.
    assert list(v10.METHODS) == METHODS
    assert list(v10.METHODS.values()) == list(Operation)


ROUTES: list[tuple[str, str, Operation, dict[str, str]]] = [
    ("POST", "/message:send", Operation.SEND, {}),
    ("POST", "/message:stream", Operation.STREAM, {}),
    ("GET", "/tasks", Operation.LIST, {}),
    ("GET", "/tasks/t-1", Operation.GET, {"id": "t-1"}),
    ("POST", "/tasks/t-1:cancel", Operation.CANCEL, {"id": "t-1"}),
    ("POST", "/tasks/t-1:subscribe", Operation.SUBSCRIBE, {"id": "t-1"}),
    ("GET", "/tasks/t-1:subscribe", Operation.SUBSCRIBE, {"id": "t-1"}),
    ("POST", "/tasks/t-1/pushNotificationConfigs", Operation.SET_PUSH, {"task_id": "t-1"}),
    ("GET", "/tasks/t-1/pushNotificationConfigs", Operation.LIST_PUSH, {"task_id": "t-1"}),
    (
        "GET",
        "/tasks/t-1/pushNotificationConfigs/p-1",
        Operation.GET_PUSH,
        {"task_id": "t-1", "id": "p-1"},
    ),
    (
        "DELETE",
        "/tasks/t-1/pushNotificationConfigs/p-1",
        Operation.DELETE_PUSH,
        {"task_id": "t-1", "id": "p-1"},
    ),
    ("GET", "/extendedAgentCard", Operation.EXTENDED_CARD, {}),
]


@pytest.mark.parametrize(("verb", "path", "operation", "said"), ROUTES)
def test_a_route_is_found_with_and_without_a_tenant(
    verb: str, path: str, operation: Operation, said: dict[str, str]
) -> None:
    route = v10.route(verb, path)
    assert route is not None
    assert (route.operation, route.path) == (operation, said)
    route = v10.route(verb, "/a%2Fb%20c" + path)
    assert route is not None
    assert (route.operation, route.path) == (operation, {"tenant": "a/b c", **said})
    assert verb in v10.verbs(path)
    assert v10.route("PATCH", path) is None


IDS = {
    "/tasks/a%2Fb": "a/b",
    "/tasks/%C3%A9": "é",
    "/tasks/a+b": "a+b",
    "/tasks/a:b": "a:b",
    "/tasks/a%3Acancel": "a:cancel",
    "/tasks/message:send": "message:send",
    "/tasks/%25": "%",
}


@pytest.mark.parametrize(("path", "id"), IDS.items())
def test_an_id_in_a_path_is_percent_decoded(path: str, id: str) -> None:
    route = v10.route("GET", path)
    assert route is not None
    assert (route.operation, route.path) == (Operation.GET, {"id": id})


def test_a_verb_follows_the_last_colon() -> None:
    route = v10.route("POST", "/tasks/a:subscribe:cancel")
    assert route is not None
    assert (route.operation, route.path) == (Operation.CANCEL, {"id": "a:subscribe"})
    assert v10.verbs("/tasks/a:cancel") == {"POST"}


NO_ROUTES = [
    "",
    "/",
    "//",
    "/t/",
    "/nothing",
    "/TASKS",
    "/tasks/",
    "/tasks//",
    "//tasks",
    "/tasks/%FF",
    "/a/b/tasks",
    "/t-1:cancel",
    "/message:sending",
    "message:send",
    "/tasks/t/other",
    "/tasks/t/pushNotificationConfigs/",
    "/tasks/t/pushNotificationConfigs/p/more",
]


@pytest.mark.parametrize("path", NO_ROUTES)
def test_there_is_nothing_else(path: str) -> None:
    assert v10.verbs(path) == frozenset()


MEDIA_TYPES = [
    ("", "", "application/json"),
    ("", "application/json", "application/json"),
    ("", "application/a2a+json; charset=utf-8", "application/a2a+json"),
    ("*/*", "application/a2a+json", "application/a2a+json"),
    ("*/*", "application/json", "application/json"),
    ("application/json", "application/a2a+json", "application/json"),
    ("Application/A2A+JSON;q=0.9, application/json", "", "application/a2a+json"),
    ("text/event-stream", "application/a2a+json", "application/json"),
]


@pytest.mark.parametrize(("accept", "content_type", "answer"), MEDIA_TYPES)
def test_the_media_type_is_the_one_that_the_caller_knows(
    accept: str, content_type: str, answer: str
) -> None:
    # V10-SHOULD-050.
    assert v10.media_type(accept, content_type) == answer


# What a server hears

HEARD: list[tuple[Operation, Any, Any]] = [
    (Operation.SEND, SEND_JSON, model.SendMessageRequest(MESSAGE)),
    (Operation.STREAM, SEND_JSON | {"tenant": "x"}, model.SendMessageRequest(MESSAGE, "x")),
    (Operation.GET, {"id": "t", "historyLength": 0}, model.GetTaskRequest("t", "", 0)),
    (Operation.LIST, {}, model.ListTasksRequest()),
    (
        Operation.LIST,
        {"status": "TASK_STATE_FAILED", "pageSize": 5, "includeArtifacts": True},
        model.ListTasksRequest(status=TaskState.FAILED, page_size=5, include_artifacts=True),
    ),
    (Operation.LIST, {"status": "TASK_STATE_UNSPECIFIED"}, model.ListTasksRequest()),
    (Operation.LIST, {"status": 0}, model.ListTasksRequest()),
    (
        Operation.CANCEL,
        {"id": "t", "metadata": {"a_b": 1}},
        model.CancelTaskRequest("t", metadata={"a_b": 1}),
    ),
    (Operation.SUBSCRIBE, {"id": "t"}, model.SubscribeToTaskRequest("t")),
    (Operation.SET_PUSH, WEBHOOK_JSON, WEBHOOK),
    (
        Operation.GET_PUSH,
        {"task_id": "t", "id": "p"},
        model.GetTaskPushNotificationConfigRequest("t", id="p"),
    ),
    (
        Operation.LIST_PUSH,
        {"taskId": "t", "pageSize": "3"},
        model.ListTaskPushNotificationConfigsRequest("t", page_size=3),
    ),
    (
        Operation.DELETE_PUSH,
        {"taskId": "t", "id": "p"},
        model.DeleteTaskPushNotificationConfigRequest("t", "p"),
    ),
    (Operation.EXTENDED_CARD, {}, model.GetExtendedAgentCardRequest()),
]


@pytest.mark.parametrize(("operation", "params", "request_"), HEARD)
def test_params_become_the_request_of_the_operation(
    operation: Operation, params: object, request_: object
) -> None:
    dialect = v10.JsonRpc(1)
    assert dialect.request(operation, msgspec.Raw(encode(params))) == request_


@pytest.mark.parametrize("params", [b"", b"null", b"{}"])
def test_params_may_be_missing_where_nothing_is_required(params: bytes) -> None:
    dialect = v10.JsonRpc(1)
    assert dialect.request(Operation.LIST, params) == model.ListTasksRequest()
    with pytest.raises(InvalidParams, match="`id`"):
        dialect.request(Operation.GET, params)


NOT_FILLED: list[tuple[Operation, Any, list[str]]] = [
    (Operation.SEND, {}, ["message"]),
    (Operation.GET, {"id": ""}, ["id"]),
    (Operation.CANCEL, {}, ["id"]),
    (Operation.SUBSCRIBE, {"id": None}, ["id"]),
    (Operation.SET_PUSH, {"taskId": "t"}, ["url"]),
    (Operation.SET_PUSH, {"url": "u"}, ["taskId"]),
    (Operation.GET_PUSH, {"taskId": "t"}, ["id"]),
    (Operation.DELETE_PUSH, {}, ["taskId", "id"]),
    (Operation.LIST_PUSH, {}, ["taskId"]),
    (Operation.LIST, [], [""]),
]


@pytest.mark.parametrize(("operation", "params", "fields"), NOT_FILLED)
def test_what_is_required_must_be_filled(
    operation: Operation, params: object, fields: list[str]
) -> None:
    # V10-MUST-063, V10-MUST-093.
    with pytest.raises(InvalidParams) as caught:
        v10.JsonRpc(1).request(operation, encode(params))
    assert [violation.field for violation in caught.value.violations] == fields


# HTTP+JSON: operation, body, path, query, what it means
SPREAD: list[tuple[Operation, bytes, dict[str, str], dict[str, str], Any]] = [
    (Operation.SEND, encode(SEND_JSON), {}, {"tenant": "no"}, model.SendMessageRequest(MESSAGE)),
    (
        Operation.SEND,
        encode(SEND_JSON | {"tenant": "x"}),
        {"tenant": "x"},
        {},
        model.SendMessageRequest(MESSAGE, "x"),
    ),
    (
        Operation.GET,
        b"",
        {"id": "5"},
        {"historyLength": "2", "A2A-Version": "1.0", "unknown": "x"},
        model.GetTaskRequest("5", history_length=2),
    ),
    (Operation.GET, b"", {"id": "t"}, {"tenant": "x"}, model.GetTaskRequest("t", "x")),
    (
        Operation.LIST,
        b"",
        {"tenant": "x"},
        {
            "contextId": "5",
            "status": "TASK_STATE_WORKING",
            "pageSize": "10",
            "pageToken": "true",
            "historyLength": "0",
            "statusTimestampAfter": "2025-06-01T10:00:00+00:00",
            "includeArtifacts": "true",
        },
        model.ListTasksRequest(
            "x", "5", TaskState.WORKING, 10, "true", 0, "2025-06-01T10:00:00.000Z", True
        ),
    ),
    (
        Operation.LIST,
        b"",
        {},
        {"includeArtifacts": "false", "page_size": "5", "status": "TASK_STATE_UNSPECIFIED"},
        model.ListTasksRequest(page_size=5),
    ),
    (Operation.CANCEL, b"", {"id": "t"}, {}, model.CancelTaskRequest("t")),
    (Operation.CANCEL, b"{}", {"id": "t"}, {}, model.CancelTaskRequest("t")),
    (
        Operation.CANCEL,
        b'{"metadata":{"a":1},"id":"t"}',
        {"id": "t"},
        {},
        model.CancelTaskRequest("t", metadata={"a": 1}),
    ),
    (Operation.SUBSCRIBE, b"", {"id": "t"}, {}, model.SubscribeToTaskRequest("t")),
    (Operation.SUBSCRIBE, b"{}", {"id": "t"}, {}, model.SubscribeToTaskRequest("t")),
    (
        Operation.SET_PUSH,
        b'{"url":"https://h.example","id":"p-1","task_id":""}',
        {"task_id": "t-1"},
        {},
        WEBHOOK,
    ),
    (
        Operation.GET_PUSH,
        b"",
        {"task_id": "t", "id": "p"},
        {},
        model.GetTaskPushNotificationConfigRequest("t", id="p"),
    ),
    (
        Operation.LIST_PUSH,
        b"",
        {"task_id": "t"},
        {"pageSize": "3", "pageToken": "x"},
        model.ListTaskPushNotificationConfigsRequest("t", "", 3, "x"),
    ),
    (
        Operation.DELETE_PUSH,
        b"",
        {"task_id": "t", "id": "p"},
        {},
        model.DeleteTaskPushNotificationConfigRequest("t", "p"),
    ),
    (Operation.EXTENDED_CARD, b"", {}, {}, model.GetExtendedAgentCardRequest()),
]


@pytest.mark.parametrize(("operation", "body", "path", "query", "request_"), SPREAD)
def test_path_query_and_body_become_the_request_of_the_operation(
    operation: Operation,
    body: bytes,
    path: Mapping[str, str],
    query: Mapping[str, str],
    request_: object,
) -> None:
    # V10-MUST-102, V10-MUST-103.
    assert v10.Rest().request(operation, body, path=path, query=query) == request_


CONTRADICTIONS: list[tuple[Operation, Any, dict[str, str], str]] = [
    (Operation.SEND, SEND_JSON | {"tenant": "y"}, {"tenant": "x"}, "tenant"),
    (Operation.CANCEL, {"id": "other"}, {"id": "t"}, "id"),
    (Operation.CANCEL, {"id": 5}, {"id": "5"}, "id"),
    (Operation.SET_PUSH, {"url": "u", "taskId": "other"}, {"task_id": "t"}, "taskId"),
    (Operation.SET_PUSH, {"url": "u", "task_id": "other"}, {"task_id": "t"}, "taskId"),
]


@pytest.mark.parametrize(("operation", "body", "path", "field"), CONTRADICTIONS)
def test_a_body_may_not_contradict_the_path(
    operation: Operation, body: object, path: dict[str, str], field: str
) -> None:
    with pytest.raises(InvalidParams) as caught:
        v10.Rest().request(operation, encode(body), path=path)
    assert caught.value.violations == (Violation(field, "differs from what the path says"),)


def test_a_query_may_not_contradict_the_path() -> None:
    with pytest.raises(InvalidParams, match="`tenant` differs"):
        v10.Rest().request(Operation.LIST, b"", path={"tenant": "x"}, query={"tenant": "y"})


BAD_QUERIES = {
    "status": "working",
    "pageSize": "ten",
    "historyLength": "1.5",
    "includeArtifacts": "yes",
    "statusTimestampAfter": "2025-06-01T10:00:00",
}


@pytest.mark.parametrize(("key", "value"), BAD_QUERIES.items())
def test_a_bad_value_in_the_query_is_refused(key: str, value: str) -> None:
    for bad in (value, ""):
        if key == "statusTimestampAfter" and not bad:
            continue
        with pytest.raises(InvalidParams) as caught:
            v10.Rest().request(Operation.LIST, b"", query={key: bad})
        assert [violation.field for violation in caught.value.violations] == [key]


@pytest.mark.parametrize("operation", [Operation.SEND, Operation.CANCEL])
def test_a_body_that_is_not_json_is_a_parse_error(operation: Operation) -> None:
    with pytest.raises(ParseError):
        v10.Rest().request(operation, b"{", path={"id": "t"})


def test_a_body_is_an_object() -> None:
    with pytest.raises(InvalidParams, match="expected an object"):
        v10.Rest().request(Operation.CANCEL, b"[]", path={"id": "t"})


# What a server says

PAGE = model.ListTasksResponse((model.Task("t", STATUS),), "", 50, 1)
PAGE_JSON = {
    "tasks": [{"id": "t", "status": STATUS_JSON}],
    "nextPageToken": "",
    "pageSize": 50,
    "totalSize": 1,
}
EMPTY_PAGE_JSON = {"tasks": [], "nextPageToken": "", "pageSize": 50, "totalSize": 0}
CARD_JSON = {
    "name": "Adder",
    "description": "",
    "supportedInterfaces": [
        {"url": "https://a.example", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}
    ],
    "version": "1.2",
    "capabilities": {"streaming": False},
    "defaultInputModes": ["text/plain"],
    "defaultOutputModes": ["text/plain"],
    "skills": [],
    "securitySchemes": {"m": {"mtlsSecurityScheme": {}}},
}
RESULTS: list[tuple[Operation, Any, Any]] = [
    # V10-MUST-003: either a task or a message.
    (Operation.SEND, TASK, {"task": TASK_JSON}),
    (Operation.SEND, ANSWER, {"message": ANSWER_JSON}),
    (Operation.GET, TASK, TASK_JSON),
    (Operation.CANCEL, TASK, TASK_JSON),
    # V10-MUST-027, V10-MUST-028, V10-MUST-029: the four are always there, artifacts are not.
    (Operation.LIST, PAGE, PAGE_JSON),
    (Operation.LIST, model.ListTasksResponse((), "", 50, 0), EMPTY_PAGE_JSON),
    (Operation.SET_PUSH, WEBHOOK, WEBHOOK_JSON),
    (Operation.GET_PUSH, WEBHOOK, WEBHOOK_JSON),
    (
        Operation.LIST_PUSH,
        model.ListTaskPushNotificationConfigsResponse((WEBHOOK,)),
        {"configs": [WEBHOOK_JSON], "nextPageToken": ""},
    ),
    (Operation.DELETE_PUSH, None, {}),
    (Operation.EXTENDED_CARD, CARD, CARD_JSON),
]


@pytest.mark.parametrize(("operation", "value", "result"), RESULTS)
def test_a_result_says_the_same_on_both_bindings(
    operation: Operation, value: object, result: object
) -> None:
    # V10-MUST-097.
    assert msgspec.json.decode(v10.Rest().result(operation, value)) == result
    answer = msgspec.json.decode(v10.JsonRpc("r-1").result(operation, value))
    assert answer == {"jsonrpc": "2.0", "id": "r-1", "result": result}


EVENTS: list[tuple[model.Event, Any]] = [
    (TASK, {"task": TASK_JSON}),
    (ANSWER, {"message": ANSWER_JSON}),
    (
        STATUS_UPDATE,
        {"statusUpdate": {"taskId": "t-1", "contextId": "c-1", "status": STATUS_JSON}},
    ),
    (
        ARTIFACT_UPDATE,
        {
            "artifactUpdate": {
                "taskId": "t-1",
                "contextId": "c-1",
                "artifact": ARTIFACT_JSON,
                "append": True,
            }
        },
    ),
]


@pytest.mark.parametrize("final", [False, True])
@pytest.mark.parametrize(("event", "data"), EVENTS)
def test_an_event_travels_in_a_wrapper(event: model.Event, data: object, final: bool) -> None:
    # V10-MUST-044: exactly one member; and nothing like `kind` or `final`.
    assert msgspec.json.decode(encode(v10.wrapped(event))) == data
    assert msgspec.json.decode(v10.Rest().frame(event, final=final)) == data
    answer = msgspec.json.decode(v10.JsonRpc(7).frame(event, final=final))
    assert answer == {"jsonrpc": "2.0", "id": 7, "result": data}


@pytest.mark.parametrize("id", ["", 'a"b', 0, -1, 10**30, 1.5, None])
def test_an_answer_bears_the_id_of_the_request(id: str | int | float | None) -> None:
    for answer in (
        v10.JsonRpc(id).result(Operation.GET, TASK),
        v10.JsonRpc(id).refusal(errors.TaskNotFound()),
    ):
        said = msgspec.json.decode(answer)["id"]
        assert (said, type(said)) == (id, type(id))


# Refusals: section 5.4, as in release 1.0.1.
# error, JSON-RPC code, reason, HTTP status, gRPC status
REFUSALS: list[tuple[type[A2AError], int, str, int, str]] = [
    (errors.ParseError, -32700, "PARSE_ERROR", 400, "INVALID_ARGUMENT"),
    (errors.InvalidRequest, -32600, "INVALID_REQUEST", 400, "INVALID_ARGUMENT"),
    (errors.MethodNotFound, -32601, "METHOD_NOT_FOUND", 404, "NOT_FOUND"),
    (errors.InvalidParams, -32602, "INVALID_PARAMS", 400, "INVALID_ARGUMENT"),
    (errors.InternalError, -32603, "INTERNAL_ERROR", 500, "INTERNAL"),
    (errors.TaskNotFound, -32001, "TASK_NOT_FOUND", 404, "NOT_FOUND"),
    (errors.TaskNotCancelable, -32002, "TASK_NOT_CANCELABLE", 400, "FAILED_PRECONDITION"),
    (
        errors.PushNotificationNotSupported,
        -32003,
        "PUSH_NOTIFICATION_NOT_SUPPORTED",
        400,
        "FAILED_PRECONDITION",
    ),
    (errors.UnsupportedOperation, -32004, "UNSUPPORTED_OPERATION", 400, "FAILED_PRECONDITION"),
    (errors.CapabilityOff, -32004, "UNSUPPORTED_OPERATION", 400, "FAILED_PRECONDITION"),
    (errors.ExtendedAgentCardOff, -32004, "UNSUPPORTED_OPERATION", 400, "FAILED_PRECONDITION"),
    (errors.ContentTypeNotSupported, -32005, "CONTENT_TYPE_NOT_SUPPORTED", 400, "INVALID_ARGUMENT"),
    (errors.InvalidAgentResponse, -32006, "INVALID_AGENT_RESPONSE", 500, "INTERNAL"),
    (
        errors.ExtendedAgentCardNotConfigured,
        -32007,
        "EXTENDED_AGENT_CARD_NOT_CONFIGURED",
        400,
        "FAILED_PRECONDITION",
    ),
    (
        errors.ExtensionSupportRequired,
        -32008,
        "EXTENSION_SUPPORT_REQUIRED",
        400,
        "FAILED_PRECONDITION",
    ),
    (errors.VersionNotSupported, -32009, "VERSION_NOT_SUPPORTED", 400, "FAILED_PRECONDITION"),
]


@pytest.mark.parametrize(("kind", "code", "reason", "status", "grpc"), REFUSALS)
def test_a_refusal_bears_the_numbers_of_the_table(
    kind: type[A2AError], code: int, reason: str, status: int, grpc: str
) -> None:
    # V10-MUST-065 to V10-MUST-070.
    error = kind("no", metadata={"taskId": "t"})
    info = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": "a2a-protocol.org",
        "metadata": {"taskId": "t"},
    }
    rpc, rest = v10.JsonRpc(1), v10.Rest()
    assert rpc.status(error) == 200
    assert msgspec.json.decode(rpc.refusal(error)) == {
        "jsonrpc": "2.0",
        "id": 1,
        "error": {"code": code, "message": "no", "data": [info]},
    }
    assert rest.status(error) == status
    assert msgspec.json.decode(rest.refusal(error)) == {
        "error": {"code": status, "status": grpc, "message": "no", "details": [info]}
    }


def test_violations_are_told_as_a_bad_request() -> None:
    error = InvalidParams("no", violations=[Violation("message.parts", "is empty")])
    data = [
        {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "INVALID_PARAMS",
            "domain": "a2a-protocol.org",
        },
        {
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": [{"field": "message.parts", "description": "is empty"}],
        },
    ]
    assert msgspec.json.decode(v10.JsonRpc(1).refusal(error))["error"]["data"] == data
    assert msgspec.json.decode(v10.Rest().refusal(error))["error"]["details"] == data


# The client: what it says is what our server hears, and the other way round

BOTH = pytest.mark.parametrize("binding", ["JSONRPC", "HTTP+JSON"])
ASKED: list[tuple[Operation, Any]] = [
    (Operation.SEND, model.SendMessageRequest(MESSAGE)),
    (
        Operation.STREAM,
        model.SendMessageRequest(
            model.Message("m", Role.USER, (Part(raw=b"\xfb\xff"), Part(data={"a_b": None}))),
            "a/b",
            model.SendMessageConfiguration((), WEBHOOK, 0, True),
            {},
        ),
    ),
    (Operation.GET, model.GetTaskRequest("a/b:cancel", "é ?", 3)),
    (Operation.LIST, model.ListTasksRequest()),
    (
        Operation.LIST,
        model.ListTasksRequest(
            "x", "c&d", TaskState.WORKING, 10, "+/=", 0, "2025-06-01T10:00:00.000Z", True
        ),
    ),
    (Operation.CANCEL, model.CancelTaskRequest("t", "x", {"a": [1]})),
    (Operation.SUBSCRIBE, model.SubscribeToTaskRequest("t", "x")),
    (Operation.SET_PUSH, WEBHOOK),
    (Operation.GET_PUSH, model.GetTaskPushNotificationConfigRequest("t/1", "x", "p/1")),
    (Operation.LIST_PUSH, model.ListTaskPushNotificationConfigsRequest("t", "", 3, "tok")),
    (Operation.DELETE_PUSH, model.DeleteTaskPushNotificationConfigRequest("t", "p", "x")),
    (Operation.EXTENDED_CARD, model.GetExtendedAgentCardRequest("x")),
]


@pytest.mark.parametrize(("operation", "request_"), ASKED)
def test_a_server_hears_on_json_rpc_what_a_client_asks(operation: Operation, request_: Any) -> None:
    sending = v10.client("JSONRPC").ask(operation, request_)
    said = msgspec.json.decode(sending.body, type=dict[str, msgspec.Raw])
    assert (sending.verb, sending.path) == ("POST", "")
    assert v10.METHODS[msgspec.json.decode(said["method"])] is operation
    assert v10.JsonRpc(1).request(operation, said["params"]) == request_


@pytest.mark.parametrize(("operation", "request_"), ASKED)
def test_a_server_hears_on_http_json_what_a_client_asks(
    operation: Operation, request_: Any
) -> None:
    # V10-MUST-104, V10-MUST-105.
    sending = v10.client("HTTP+JSON").ask(operation, request_)
    path, _, query = sending.path.partition("?")
    route = v10.route(sending.verb, path)
    assert route is not None
    assert route.operation is operation
    assert bool(sending.body) is (sending.verb == "POST")
    said = dict(parse_qsl(query, strict_parsing=bool(query)))
    heard = v10.Rest().request(operation, sending.body, path=route.path, query=said)
    assert heard == request_


@BOTH
def test_a_client_declares_its_version(binding: str) -> None:
    # V10-MUST-049, V10-MUST-050.
    dialect: ClientDialect = v10.client(binding)
    for operation, request in ASKED:
        assert dialect.ask(operation, request).headers["A2A-Version"] == "1.0"
    assert (dialect.version, dialect.binding) == ("1.0", binding)


def dialects(binding: str) -> tuple[Dialect, ClientDialect]:
    server: Dialect = v10.JsonRpc("1") if binding == "JSONRPC" else v10.Rest()
    return server, v10.client(binding)


@BOTH
@pytest.mark.parametrize(("operation", "value"), [(result[0], result[1]) for result in RESULTS])
def test_a_client_hears_what_a_server_answers(
    binding: str, operation: Operation, value: object
) -> None:
    server, client = dialects(binding)
    assert client.answer(operation, 200, server.result(operation, value)) == value


@BOTH
@pytest.mark.parametrize("event", [event for event, _ in EVENTS])
def test_a_client_hears_the_events_that_a_server_sends(binding: str, event: model.Event) -> None:
    server, client = dialects(binding)
    assert client.event(server.frame(event, final=False)) == event


@BOTH
@pytest.mark.parametrize("kind", [row[0] for row in REFUSALS])
def test_a_client_hears_why_a_server_refuses(binding: str, kind: type[A2AError]) -> None:
    server, client = dialects(binding)
    error = kind("no", metadata={"a": "b"}, violations=[Violation("f", "d")])
    status, body = server.status(error), server.refusal(error)
    for hear in (lambda: client.answer(Operation.GET, status, body), lambda: client.event(body)):
        with pytest.raises(A2AError) as caught:
            hear()
        # Some are one error on this line, so the base will do.
        assert issubclass(kind, type(caught.value))
        assert caught.value.code == kind.code
        assert caught.value.message == "no"
        assert caught.value.metadata == {"a": "b"}
        assert caught.value.violations == (Violation("f", "d"),)


@pytest.mark.parametrize(
    "body",
    [b'{"jsonrpc":"2.0","id":1,"result":null}', b'{"jsonrpc":"2.0","id":1}'],
)
def test_deleting_went_well_unless_there_is_an_error(body: bytes) -> None:
    assert v10.client("JSONRPC").answer(Operation.DELETE_PUSH, 200, body) is None
    assert v10.client("HTTP+JSON").answer(Operation.DELETE_PUSH, 204, b"") is None


def test_a_client_forgives_what_other_servers_write() -> None:
    body = encode(
        {"tasks": [{"id": "t", "status": {"state": 2}, "artifacts": [], "history": None, "x": 1}]}
    )
    page = v10.client("HTTP+JSON").answer(Operation.LIST, 200, body)
    task = model.Task("t", model.TaskStatus(TaskState.WORKING))
    assert page == model.ListTasksResponse((task,), "", 0, 0)


ODD_REFUSALS: list[tuple[str, int, bytes, type[A2AError], str]] = [
    # Release 1.0.0 had other statuses; the reason tells.
    (
        "HTTP+JSON",
        409,
        v10.Rest().refusal(errors.TaskNotCancelable()),
        errors.TaskNotCancelable,
        "canceled",
    ),
    ("HTTP+JSON", 409, b"{}", errors.TaskNotCancelable, "HTTP status 409"),
    ("HTTP+JSON", 415, b"", errors.ContentTypeNotSupported, "HTTP status 415"),
    ("HTTP+JSON", 404, b"<html>", errors.MethodNotFound, "HTTP status 404"),
    ("HTTP+JSON", 400, b'{"error":{"message":"why"}}', errors.InvalidParams, "why"),
    (
        "HTTP+JSON",
        418,
        b'{"error":{"message":"tea"}}',
        errors.InternalError,
        "tea .HTTP status 418",
    ),
    ("HTTP+JSON", 503, b'{"error":[1]}', errors.InternalError, "HTTP status 503"),
    (
        "HTTP+JSON",
        500,
        b'{"error":{"message":5,"details":[1,{"@type":5},{"@type":"google.rpc.ErrorInfo",'
        b'"reason":[],"metadata":[]},{"@type":"google.rpc.BadRequest","fieldViolations":5}]}}',
        errors.InternalError,
        "HTTP status 500",
    ),
    ("JSONRPC", 404, b"<html>", errors.MethodNotFound, "HTTP status 404"),
    ("JSONRPC", 500, b'{"error":"oops"}', errors.InternalError, "an error of no known form"),
    ("JSONRPC", 200, b'{"error":{"code":-5,"message":"no"}}', errors.InternalError, "no .code -5"),
    ("JSONRPC", 200, b'{"error":{"code":-32001}}', errors.TaskNotFound, "Task not found"),
    (
        "JSONRPC",
        200,
        b'{"id":1,"error":{"code":-32001,"message":"no","data":{"taskId":"t"}}}',
        errors.TaskNotFound,
        "no",
    ),
    (
        "JSONRPC",
        413,
        b'{"error":{"code":413,"status":"RESOURCE_EXHAUSTED","message":"too large"}}',
        errors.InternalError,
        "too large .code 413",
    ),
]


@pytest.mark.parametrize(("binding", "status", "body", "kind", "message"), ODD_REFUSALS)
def test_a_client_makes_something_of_every_refusal(
    binding: str, status: int, body: bytes, kind: type[A2AError], message: str
) -> None:
    with pytest.raises(kind, match=message):
        v10.client(binding).answer(Operation.GET, status, body)


NO_ANSWERS: list[tuple[str, Operation, bytes]] = [
    ("HTTP+JSON", Operation.GET, b""),
    ("HTTP+JSON", Operation.GET, b"<html>"),
    ("HTTP+JSON", Operation.GET, b"{}"),
    ("HTTP+JSON", Operation.GET, b"null"),
    ("HTTP+JSON", Operation.GET, encode({"task": TASK_JSON})),
    ("HTTP+JSON", Operation.SEND, encode(TASK_JSON)),
    ("HTTP+JSON", Operation.SEND, b"{}"),
    ("HTTP+JSON", Operation.SEND, encode({"task": TASK_JSON, "message": ANSWER_JSON})),
    ("HTTP+JSON", Operation.SEND, v10.Rest().frame(STATUS_UPDATE, final=False)),
    ("JSONRPC", Operation.GET, b"<html>"),
    ("JSONRPC", Operation.GET, b"[]"),
    ("JSONRPC", Operation.GET, b'{"jsonrpc":"2.0","id":1}'),
    ("JSONRPC", Operation.GET, b'{"jsonrpc":"2.0","id":1,"method":"x"}'),
    ("JSONRPC", Operation.GET, b'{"jsonrpc":"2.0","id":1,"result":{"id":5}}'),
]


@pytest.mark.parametrize(("binding", "operation", "body"), NO_ANSWERS)
def test_what_is_no_answer_is_the_agents_mistake(
    binding: str, operation: Operation, body: bytes
) -> None:
    with pytest.raises(InvalidAgentResponse):
        v10.client(binding).answer(operation, 200, body)


@BOTH
@pytest.mark.parametrize("data", [b"", b"ping", b"{}", b'{"result":{}}', b'{"task":{}}'])
def test_what_is_no_event_is_the_agents_mistake(binding: str, data: bytes) -> None:
    with pytest.raises(InvalidAgentResponse):
        v10.client(binding).event(data)
