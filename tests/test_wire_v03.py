"""Line 0.3 on both bindings and in both JSON forms, as a server hears it and as a client does.

A spot where the two lines differ so much that something is lost has a case here, told in its
comment by what is lost. Those without a case: `stateTransitionHistory` and the device flow are in
`test_card`; when a stream ends, in which line a webhook is told, and what happens to a second
authentication scheme is decided elsewhere or not at all; a task here always has a context.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a2acore import errors, model
from a2acore.errors import A2AError, InvalidAgentResponse, InvalidParams, ParseError
from a2acore.model import Part, Role, TaskState
from a2acore.wire import v03
from a2acore.wire.dialect import Dialect, Operation, Route

WHEN = "2025-06-01T10:00:00.000Z"
SAID = model.Message("m-1", Role.USER, (Part(text="hi"),))
ANSWER = model.Message("m-2", Role.AGENT, (Part(text="5"),), context_id="c-1")
STATUS = model.TaskStatus(TaskState.CANCELED, ANSWER, WHEN)
ARTIFACT = model.Artifact("a-1", (Part(data={"n": 1}),), name="sum")
TASK = model.Task("t-1", STATUS, "c-1", (ARTIFACT,), (SAID,), {})
STATUS_UPDATE = model.TaskStatusUpdateEvent("t-1", "c-1", STATUS)
ARTIFACT_UPDATE = model.TaskArtifactUpdateEvent("t-1", "c-1", ARTIFACT, append=True)
WEBHOOK = model.TaskPushNotificationConfig(
    "https://h.example",
    id="p-1",
    task_id="t-1",
    token="tok",
    authentication=model.AuthenticationInfo("Bearer", "xyz"),
)
WEBHOOKS = model.ListTaskPushNotificationConfigsResponse((WEBHOOK,))
CARD = model.AgentCard(
    "Adder",
    "adds",
    (model.AgentInterface("https://a.example", "JSONRPC", "0.3"),),
    "1.2",
    model.AgentCapabilities(),
    ("text/plain",),
    ("text/plain",),
    (),
)

# The same in the schema's form ...

SAID_A = {
    "kind": "message",
    "role": "user",
    "parts": [{"kind": "text", "text": "hi"}],
    "messageId": "m-1",
}
ANSWER_A = {
    "kind": "message",
    "role": "agent",
    "parts": [{"kind": "text", "text": "5"}],
    "messageId": "m-2",
    "contextId": "c-1",
}
STATUS_A = {"state": "canceled", "message": ANSWER_A, "timestamp": WHEN}
ARTIFACT_A = {
    "artifactId": "a-1",
    "parts": [{"kind": "data", "data": {"n": 1}}],
    "name": "sum",
}
TASK_A = {
    "kind": "task",
    "id": "t-1",
    "contextId": "c-1",
    "status": STATUS_A,
    "history": [SAID_A],
    "artifacts": [ARTIFACT_A],
    "metadata": {},
}
STATUS_UPDATE_A = {
    "kind": "status-update",
    "taskId": "t-1",
    "contextId": "c-1",
    "status": STATUS_A,
    "final": True,
}
ARTIFACT_UPDATE_A = {
    "kind": "artifact-update",
    "taskId": "t-1",
    "contextId": "c-1",
    "artifact": ARTIFACT_A,
    "append": True,
}
BARE_WEBHOOK = {
    "url": "https://h.example",
    "id": "p-1",
    "token": "tok",
    "authentication": {"schemes": ["Bearer"], "credentials": "xyz"},
}
WEBHOOK_A = {"taskId": "t-1", "pushNotificationConfig": BARE_WEBHOOK}

# ... and in the proto's

SAID_B = {"messageId": "m-1", "role": "ROLE_USER", "content": [{"text": "hi"}]}
ANSWER_B = {
    "messageId": "m-2",
    "contextId": "c-1",
    "role": "ROLE_AGENT",
    "content": [{"text": "5"}],
}
STATUS_B = {"state": "TASK_STATE_CANCELLED", "message": ANSWER_B, "timestamp": WHEN}
ARTIFACT_B = {"artifactId": "a-1", "name": "sum", "parts": [{"data": {"data": {"n": 1}}}]}
TASK_B = {
    "id": "t-1",
    "contextId": "c-1",
    "status": STATUS_B,
    "artifacts": [ARTIFACT_B],
    "history": [SAID_B],
    "metadata": {},
}
STATUS_UPDATE_B = {"taskId": "t-1", "contextId": "c-1", "status": STATUS_B, "final": True}
ARTIFACT_UPDATE_B = {
    "taskId": "t-1",
    "contextId": "c-1",
    "artifact": ARTIFACT_B,
    "append": True,
}
WEBHOOK_B = {
    "name": "tasks/t-1/pushNotificationConfigs/p-1",
    "pushNotificationConfig": BARE_WEBHOOK,
}

EVENTS = [
    (TASK, "task", TASK_A, TASK_B),
    (ANSWER, "message", ANSWER_A, ANSWER_B),
    (STATUS_UPDATE, "statusUpdate", STATUS_UPDATE_A, STATUS_UPDATE_B),
    (ARTIFACT_UPDATE, "artifactUpdate", ARTIFACT_UPDATE_A, ARTIFACT_UPDATE_B),
]

PATH = {"task_id": "t-1"}


def encoded(value: Any) -> bytes:
    return msgspec.json.encode(value)


def decoded(body: bytes) -> Any:
    return msgspec.json.decode(body)


def asked(operation: Operation, params: Any) -> Any:
    """What a caller on JSON-RPC asks."""
    return v03.JsonRpc(7).request(operation, encoded(params))


def sent(body: Any) -> Any:
    """What a caller on HTTP+JSON sends."""
    return v03.Rest().request(Operation.SEND, encoded(body))


def in_form(body: Any) -> v03.Rest:
    """A dialect on HTTP+JSON that has heard a message."""
    dialect = v03.Rest()
    dialect.request(Operation.SEND, encoded(body))
    return dialect


# What can be asked


@pytest.mark.parametrize(
    ("method", "operation"),
    [
        ("message/send", Operation.SEND),
        ("message/stream", Operation.STREAM),
        ("tasks/get", Operation.GET),
        ("tasks/cancel", Operation.CANCEL),
        ("tasks/resubscribe", Operation.SUBSCRIBE),
        ("tasks/pushNotificationConfig/set", Operation.SET_PUSH),
        ("tasks/pushNotificationConfig/get", Operation.GET_PUSH),
        ("tasks/pushNotificationConfig/list", Operation.LIST_PUSH),
        ("tasks/pushNotificationConfig/delete", Operation.DELETE_PUSH),
        ("agent/getAuthenticatedExtendedCard", Operation.EXTENDED_CARD),
        ("agent/authenticatedExtendedCard", Operation.EXTENDED_CARD),
    ],
)
def test_every_method_of_the_line_is_known(method: str, operation: Operation) -> None:
    # V03-MUST-014, V03-MUST-053, V03-MUST-054, V03-MUST-055
    assert v03.METHODS[method] is operation


def test_no_method_lists_tasks() -> None:
    assert Operation.LIST not in v03.METHODS.values()


@pytest.mark.parametrize(
    ("verb", "path", "operation", "said"),
    [
        ("POST", "/v1/message:send", Operation.SEND, {}),
        ("POST", "/v1/message:stream", Operation.STREAM, {}),
        ("GET", "/v1/tasks", Operation.LIST, {}),
        ("GET", "/v1/tasks/t-1", Operation.GET, {"id": "t-1"}),
        ("GET", "/v1/tasks/a%2Fb:c", Operation.GET, {"id": "a/b:c"}),
        ("POST", "/v1/tasks/a:b:cancel", Operation.CANCEL, {"id": "a:b"}),
        ("POST", "/v1/tasks/t-1:subscribe", Operation.SUBSCRIBE, {"id": "t-1"}),
        ("GET", "/v1/tasks/t-1:subscribe", Operation.SUBSCRIBE, {"id": "t-1"}),
        ("POST", "/v1/tasks/t-1/pushNotificationConfigs", Operation.SET_PUSH, PATH),
        ("GET", "/v1/tasks/t-1/pushNotificationConfigs", Operation.LIST_PUSH, PATH),
        (
            "GET",
            "/v1/tasks/t-1/pushNotificationConfigs/p-1",
            Operation.GET_PUSH,
            {**PATH, "id": "p-1"},
        ),
        (
            "DELETE",
            "/v1/tasks/t-1/pushNotificationConfigs/p-1",
            Operation.DELETE_PUSH,
            {**PATH, "id": "p-1"},
        ),
        ("GET", "/v1/card", Operation.EXTENDED_CARD, {}),
    ],
)
def test_every_route_of_the_line_is_known(
    verb: str, path: str, operation: Operation, said: Mapping[str, str]
) -> None:
    # V03-MUST-024, V03-MUST-025
    assert v03.route(verb, path) == Route(operation, said)
    assert verb in v03.verbs(path)


@pytest.mark.parametrize(
    ("verb", "path", "verbs"),
    [
        ("GET", "/v1/message:send", {"POST"}),
        ("GET", "/v1/tasks/t-1:cancel", {"POST"}),
        ("POST", "/v1/tasks/t-1", {"GET"}),
        ("POST", "/message:send", set()),
        ("GET", "/v1/tasks/", set()),
        ("GET", "/v1/tasks/a/b", set()),
        ("GET", "/v1/tasks/%ff", set()),
    ],
)
def test_what_is_no_route_says_which_verbs_would_be(verb: str, path: str, verbs: set[str]) -> None:
    assert v03.route(verb, path) is None
    assert v03.verbs(path) == verbs


# Requests


REQUESTS = [
    (Operation.SEND, {"message": SAID_A}, model.SendMessageRequest(SAID)),
    (
        Operation.STREAM,
        {
            "message": SAID_A,
            "configuration": {
                "acceptedOutputModes": ["text/plain"],
                "historyLength": 0,
                "pushNotificationConfig": BARE_WEBHOOK,
                "blocking": False,
            },
            "metadata": {"k": 1},
        },
        model.SendMessageRequest(
            SAID,
            configuration=model.SendMessageConfiguration(
                ("text/plain",), msgspec.structs.replace(WEBHOOK, task_id=""), 0, True
            ),
            metadata={"k": 1},
        ),
    ),
    (Operation.GET, {"id": "t-1", "metadata": {}}, model.GetTaskRequest("t-1")),
    (Operation.GET, {"id": "t-1", "historyLength": 2}, model.GetTaskRequest("t-1", "", 2)),
    (
        Operation.CANCEL,
        {"id": "t-1", "metadata": {"k": 1}},
        model.CancelTaskRequest("t-1", metadata={"k": 1}),
    ),
    (Operation.SUBSCRIBE, {"id": "t-1"}, model.SubscribeToTaskRequest("t-1")),
    (Operation.SET_PUSH, WEBHOOK_A, WEBHOOK),
    (
        Operation.GET_PUSH,
        {"id": "t-1", "pushNotificationConfigId": "p-1"},
        model.GetTaskPushNotificationConfigRequest("t-1", id="p-1"),
    ),
    # Without a config id: the default one.
    (Operation.GET_PUSH, {"id": "t-1"}, model.GetTaskPushNotificationConfigRequest("t-1")),
    (Operation.LIST_PUSH, {"id": "t-1"}, model.ListTaskPushNotificationConfigsRequest("t-1")),
    (
        Operation.DELETE_PUSH,
        {"id": "t-1", "pushNotificationConfigId": "p-1"},
        model.DeleteTaskPushNotificationConfigRequest("t-1", "p-1"),
    ),
    (Operation.EXTENDED_CARD, {}, model.GetExtendedAgentCardRequest()),
    (Operation.EXTENDED_CARD, None, model.GetExtendedAgentCardRequest()),
]


@pytest.mark.parametrize(("operation", "params", "request_"), REQUESTS)
def test_json_rpc_params_become_the_models_request(
    operation: Operation, params: Any, request_: Any
) -> None:
    # V03-MUST-044
    assert asked(operation, params) == request_


def test_the_extended_card_needs_no_params() -> None:
    assert v03.JsonRpc(1).request(Operation.EXTENDED_CARD, b"")


@pytest.mark.parametrize(
    ("blocking", "return_immediately"),
    [({"blocking": True}, False), ({"blocking": False}, True), ({}, False)],
)
def test_a_caller_of_the_schema_waits_unless_it_says_otherwise(
    blocking: Mapping[str, bool], return_immediately: bool
) -> None:
    request = asked(Operation.SEND, {"message": SAID_A, "configuration": blocking})
    assert request.configuration.return_immediately is return_immediately


@pytest.mark.parametrize(
    ("body", "return_immediately", "history_length"),
    [
        ({}, True, None),
        ({"configuration": {}}, True, None),
        ({"configuration": {"blocking": True, "historyLength": 2}}, False, 2),
        ({"configuration": {"blocking": False, "history_length": 0}}, True, None),
    ],
)
def test_in_the_protos_form_what_is_left_out_is_zero_and_zero_is_all_history(
    body: Mapping[str, Any], return_immediately: bool, history_length: int | None
) -> None:
    configuration = sent({"message": SAID_B, **body}).configuration
    assert configuration.return_immediately is return_immediately
    assert configuration.history_length == history_length


@pytest.mark.parametrize(
    "message",
    [
        {"message": SAID_A},
        {"message": {k: v for k, v in SAID_A.items() if k != "kind"}},
        {"message": {**SAID_A, "parts": [{"text": "hi"}]}},
        {"message": {**SAID_A, "parts": [{"type": "text", "text": "hi"}]}},
        {"message": SAID_B},
        {"request": SAID_B},
        {"request": {"message_id": "m-1", "role": "ROLE_USER", "content": [{"text": "hi"}]}},
        {"message": {**SAID_B, "role": 1, "context_id": "", "task_id": None, "metadata": None}},
        {"message": SAID_B, "surprise": {"kind": "x"}},
    ],
)
def test_a_message_is_read_in_all_the_ways_that_it_is_sent(message: Any) -> None:
    assert sent(message).message == SAID


def test_the_schemas_form_may_leave_out_kinds_on_json_rpc_too() -> None:
    bare = {"role": "user", "parts": [{"text": "hi"}], "messageId": "m-1"}
    assert asked(Operation.SEND, {"message": bare}).message == SAID


def test_reference_task_ids_are_read_in_the_protos_form_although_it_lacks_them() -> None:
    assert sent({"message": {**SAID_B, "referenceTaskIds": ["t-0"]}}).message.reference_task_ids


REFUSED_A = [
    ({}, "message"),
    ({"message": {**SAID_A, "parts": []}}, "message.parts"),
    ({"message": {**SAID_A, "messageId": ""}}, "message.messageId"),
    ({"message": {k: v for k, v in SAID_A.items() if k != "role"}}, "message.role"),
    ({"message": {**SAID_A, "role": "ROLE_USER"}}, "message.role"),
    ({"message": {**SAID_A, "kind": "task"}}, "message.kind"),
    ({"message": {**SAID_A, "parts": [{"kind": "video", "text": ""}]}}, "message.parts[0].kind"),
    ({"message": {**SAID_A, "parts": [{"kind": "file", "text": ""}]}}, "message.parts[0].kind"),
    ({"message": {**SAID_A, "parts": [{"kind": "text"}]}}, "message.parts[0]"),
    ({"message": {**SAID_A, "parts": [{"text": "", "data": {}}]}}, "message.parts[0]"),
    # Only an object is data on this line.
    ({"message": {**SAID_A, "parts": [{"kind": "data", "data": [1]}]}}, "message.parts[0].data"),
    # V03-MUST-046, although the schema would let it pass.
    (
        {"message": {**SAID_A, "parts": [{"kind": "file", "file": {"bytes": "", "uri": "u"}}]}},
        "message.parts[0].file",
    ),
    ({"message": {**SAID_A, "parts": [{"kind": "file", "file": {}}]}}, "message.parts[0].file"),
    (
        {"message": {**SAID_A, "parts": [{"kind": "file", "file": {"bytes": "?"}}]}},
        "message.parts[0].file.bytes",
    ),
    (
        {"message": SAID_A, "configuration": {"blocking": "no"}},
        "configuration.blocking",
    ),
    (
        {"message": SAID_A, "configuration": {"pushNotificationConfig": {"id": "p"}}},
        "configuration.pushNotificationConfig.url",
    ),
]


@pytest.mark.parametrize(("params", "field"), REFUSED_A)
def test_params_that_do_not_fit_are_refused_and_the_place_is_named(params: Any, field: str) -> None:
    # V03-MUST-045, V03-MUST-047, V03-MUST-076
    with pytest.raises(InvalidParams) as info:
        asked(Operation.SEND, params)
    assert [violation.field for violation in info.value.violations] == [field]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"message": {**SAID_B, "role": "ROLE_UNSPECIFIED"}}, "message.role"),
        ({"message": {**SAID_B, "content": []}}, "message.content"),
        ({"message": {**SAID_B, "content": [{}]}}, "message.content[0]"),
        ({"message": {**SAID_B, "content": [{"file": {}}]}}, "message.content[0].file"),
        ({"message": {**SAID_B, "content": [{"data": [1]}]}}, "message.content[0].data"),
    ],
)
def test_a_body_in_the_protos_form_is_refused_by_its_own_names(body: Any, field: str) -> None:
    with pytest.raises(InvalidParams) as info:
        sent(body)
    assert [violation.field for violation in info.value.violations] == [field]


def test_json_rpc_does_not_take_the_protos_form() -> None:
    with pytest.raises(InvalidParams):
        asked(Operation.SEND, {"message": SAID_B})


@pytest.mark.parametrize(("body", "error"), [(b"{", ParseError), (b"[]", InvalidParams)])
def test_a_body_that_is_no_object_is_refused(body: bytes, error: type[A2AError]) -> None:
    with pytest.raises(error):
        v03.Rest().request(Operation.SEND, body)


REST_REQUESTS = [
    (Operation.GET, b"", {"id": "t"}, {}, model.GetTaskRequest("t")),
    (Operation.GET, b"", {"id": "t"}, {"historyLength": "2"}, model.GetTaskRequest("t", "", 2)),
    (Operation.GET, b"", {"id": "t"}, {"historyLength": "0"}, model.GetTaskRequest("t")),
    (Operation.CANCEL, b"", {"id": "t"}, {}, model.CancelTaskRequest("t")),
    (Operation.CANCEL, b"{}", {"id": "t"}, {}, model.CancelTaskRequest("t")),
    (Operation.CANCEL, b'{"name":"tasks/t"}', {"id": "t"}, {}, model.CancelTaskRequest("t")),
    (
        Operation.CANCEL,
        b'{"metadata":{"k":1}}',
        {"id": "t"},
        {},
        model.CancelTaskRequest("t", metadata={"k": 1}),
    ),
    (Operation.SUBSCRIBE, b"", {"id": "t"}, {}, model.SubscribeToTaskRequest("t")),
    (
        Operation.SUBSCRIBE,
        b'{"name":"tasks/t"}',
        {"id": "t"},
        {},
        model.SubscribeToTaskRequest("t"),
    ),
    (
        Operation.GET_PUSH,
        b"",
        {**PATH, "id": "p-1"},
        {},
        model.GetTaskPushNotificationConfigRequest("t-1", id="p-1"),
    ),
    (
        Operation.LIST_PUSH,
        b"",
        PATH,
        {"pageSize": "5", "page_token": "x"},
        model.ListTaskPushNotificationConfigsRequest("t-1", page_size=5, page_token="x"),
    ),
    (
        Operation.DELETE_PUSH,
        b"",
        {**PATH, "id": "p-1"},
        {},
        model.DeleteTaskPushNotificationConfigRequest("t-1", "p-1"),
    ),
    (Operation.EXTENDED_CARD, b"", {}, {}, model.GetExtendedAgentCardRequest()),
    (Operation.SET_PUSH, encoded({"config": WEBHOOK_A}), PATH, {}, WEBHOOK),
    (Operation.SET_PUSH, encoded({"config": WEBHOOK_B}), PATH, {}, WEBHOOK),
    (
        Operation.SET_PUSH,
        # An SDK that was given no id.
        encoded(
            {
                "parent": "tasks/t-1",
                "config_id": "mine",
                "config": {
                    "name": "tasks/t-1/pushNotificationConfigs/None",
                    "push_notification_config": {"url": "https://h.example"},
                },
            }
        ),
        PATH,
        {},
        model.TaskPushNotificationConfig("https://h.example", id="mine", task_id="t-1"),
    ),
]


@pytest.mark.parametrize(("operation", "body", "path", "query", "request_"), REST_REQUESTS)
def test_a_route_its_query_and_its_body_become_the_models_request(
    operation: Operation,
    body: bytes,
    path: Mapping[str, str],
    query: Mapping[str, str],
    request_: Any,
) -> None:
    assert v03.Rest().request(operation, body, path=path, query=query) == request_


def test_a_webhook_for_another_task_than_the_paths_is_refused() -> None:
    with pytest.raises(InvalidParams, match="another task"):
        v03.Rest().request(
            Operation.SET_PUSH, encoded({"config": WEBHOOK_A}), path={"task_id": "t-2"}
        )


def test_listing_tasks_is_refused_as_something_that_this_line_cannot() -> None:
    dialect = v03.Rest()
    with pytest.raises(errors.UnsupportedOperation) as info:
        dialect.request(Operation.LIST, b"")
    assert dialect.status(info.value) == 501


def test_only_the_first_way_to_authenticate_to_a_webhook_is_kept() -> None:
    webhook = {"url": "u", "authentication": {"schemes": ["Basic", "Bearer"]}}
    params = {"taskId": "t", "pushNotificationConfig": webhook}
    assert asked(Operation.SET_PUSH, params).authentication == model.AuthenticationInfo("Basic")


# Answers


@pytest.mark.parametrize(("event", "name", "in_a", "in_b"), EVENTS)
def test_an_event_is_bare_on_json_rpc_and_wrapped_on_http(
    event: model.Event, name: str, in_a: Any, in_b: Any
) -> None:
    # V03-MUST-028, V03-MUST-040, V03-MUST-044, V03-MUST-047
    envelope = {"jsonrpc": "2.0", "id": 7, "result": in_a}
    assert decoded(v03.JsonRpc(7).frame(event, final=True)) == envelope
    assert decoded(in_form({"message": SAID_A}).frame(event, final=True)) == {name: in_a}
    assert decoded(in_form({"message": SAID_B}).frame(event, final=True)) == {name: in_b}
    assert decoded(v03.Rest().frame(event, final=True)) == {name: in_b}


def test_a_status_update_of_the_schema_always_says_whether_it_is_final() -> None:
    # V03-MUST-042
    assert decoded(v03.JsonRpc(7).frame(STATUS_UPDATE, final=False))["result"]["final"] is False
    assert "final" not in decoded(v03.Rest().frame(STATUS_UPDATE, final=False))["statusUpdate"]


RESULTS = [
    (Operation.SEND, TASK, TASK_A, {"task": TASK_B}),
    (Operation.SEND, ANSWER, ANSWER_A, {"message": ANSWER_B}),
    (Operation.GET, TASK, TASK_A, TASK_B),
    (Operation.CANCEL, TASK, TASK_A, TASK_B),
    (Operation.SET_PUSH, WEBHOOK, WEBHOOK_A, WEBHOOK_B),
    (Operation.GET_PUSH, WEBHOOK, WEBHOOK_A, WEBHOOK_B),
    # V03-MUST-057
    (Operation.LIST_PUSH, WEBHOOKS, [WEBHOOK_A], {"configs": [WEBHOOK_B]}),
    # V03-MUST-058
    (Operation.DELETE_PUSH, None, None, {}),
]


@pytest.mark.parametrize(("operation", "value", "on_json_rpc", "on_http"), RESULTS)
def test_results_have_the_form_of_their_binding(
    operation: Operation, value: Any, on_json_rpc: Any, on_http: Any
) -> None:
    # V03-MUST-019, V03-MUST-020, V03-MUST-022
    envelope = {"jsonrpc": "2.0", "id": "x", "result": on_json_rpc}
    assert decoded(v03.JsonRpc("x").result(operation, value)) == envelope
    assert decoded(v03.Rest().result(operation, value)) == on_http


def test_who_sends_the_schemas_form_is_answered_in_it() -> None:
    dialect = in_form({"message": SAID_A})
    assert decoded(dialect.result(Operation.SEND, TASK)) == {"task": TASK_A}
    setting = v03.Rest()
    setting.request(Operation.SET_PUSH, encoded({"config": WEBHOOK_A}), path=PATH)
    assert decoded(setting.result(Operation.SET_PUSH, WEBHOOK)) == WEBHOOK_A


@pytest.mark.parametrize("dialect", [v03.JsonRpc(1), v03.Rest()])
def test_the_extended_card_is_the_pure_one_of_this_line(dialect: Dialect) -> None:
    said = decoded(dialect.result(Operation.EXTENDED_CARD, CARD))
    card = said.get("result", said)
    assert card["protocolVersion"] == "0.3.0"
    assert "supportedInterfaces" not in card


PARTS = [
    # The proto has no place for these two on a part that is no file.
    (
        Part(text="", media_type="text/markdown", filename="a.md"),
        {
            "kind": "text",
            "text": "",
            "metadata": {"x-a2a-mediaType": "text/markdown", "x-a2a-filename": "a.md"},
        },
    ),
    # Data that is no object is wrapped.
    (
        Part(data=[1, None], metadata={"k": 1}),
        {
            "kind": "data",
            "data": {"value": [1, None]},
            "metadata": {"k": 1, "data_part_compat": True},
        },
    ),
    (
        Part(data=None),
        {"kind": "data", "data": {"value": None}, "metadata": {"data_part_compat": True}},
    ),
    (Part(data={"value": 1}), {"kind": "data", "data": {"value": 1}}),
    # Integers stay integers, as far as they go.
    (Part(data={"n": 2**60}), {"kind": "data", "data": {"n": 2**60}}),
    # Empty metadata is not absent metadata.
    (Part(text="x", metadata={}), {"kind": "text", "text": "x", "metadata": {}}),
    (
        Part(raw=b"\xfb\xff", media_type="a/b", filename="f"),
        {"kind": "file", "file": {"bytes": "+/8=", "mimeType": "a/b", "name": "f"}},
    ),
    (Part(raw=b""), {"kind": "file", "file": {"bytes": ""}}),
    (
        Part(url="https://x", metadata={"k": 1}),
        {"kind": "file", "file": {"uri": "https://x"}, "metadata": {"k": 1}},
    ),
]


@pytest.mark.parametrize(("part", "written"), PARTS)
def test_a_part_keeps_in_its_metadata_what_this_line_has_no_room_for(
    part: Part, written: Any
) -> None:
    message = model.Message("m-1", Role.USER, (part,))
    on_json_rpc = decoded(v03.JsonRpc(1).result(Operation.SEND, message))["result"]
    assert on_json_rpc["parts"] == [written]
    assert asked(Operation.SEND, {"message": on_json_rpc}).message == message


def test_metadata_of_the_agents_own_is_not_overridden() -> None:
    part = Part(text="x", media_type="a/b", metadata={"x-a2a-mediaType": 5})
    message = model.Message("m", Role.AGENT, (part,))
    said = decoded(v03.JsonRpc(1).result(Operation.SEND, message))["result"]
    assert said["parts"][0]["metadata"] == {"x-a2a-mediaType": 5}


def test_base64_of_any_kind_is_read_and_the_usual_kind_is_written() -> None:
    file = {"kind": "file", "file": {"bytes": "-_8"}}
    read = asked(Operation.SEND, {"message": {**SAID_A, "parts": [file]}}).message
    assert read.parts == (Part(raw=b"\xfb\xff"),)


@pytest.mark.parametrize(
    ("said", "raw"),
    [
        (base64.b64encode(base64.b64encode(b"hello")), b"hello"),
        (base64.b64encode(b"hello"), b"hello"),
        (base64.b64encode(b"\x00\x01\x02\x03"), b"\x00\x01\x02\x03"),
        (b"", b""),
    ],
)
def test_files_in_the_protos_form_may_be_encoded_twice(said: bytes, raw: bytes) -> None:
    part = {"file": {"fileWithBytes": said.decode(), "mimeType": "a/b", "name": "f"}}
    read = sent({"message": {**SAID_B, "content": [part]}}).message
    assert read.parts == (Part(raw=raw, media_type="a/b", filename="f"),)


def test_files_are_written_encoded_twice_in_the_protos_form() -> None:
    message = model.Message("m", Role.AGENT, (Part(raw=b"hello"),))
    said = decoded(v03.Rest().result(Operation.SEND, message))["message"]
    twice = base64.b64encode(base64.b64encode(b"hello")).decode()
    assert said["content"] == [{"file": {"fileWithBytes": twice}}]


def test_what_the_proto_lacks_is_not_written_in_its_form() -> None:
    message = model.Message("m", Role.AGENT, (Part(text=""),), reference_task_ids=("t-0",))
    assert "referenceTaskIds" not in decoded(v03.Rest().result(Operation.SEND, message))["message"]
    on_json_rpc = decoded(v03.JsonRpc(1).result(Operation.SEND, message))["result"]
    assert on_json_rpc["referenceTaskIds"] == ["t-0"]


def test_empty_strings_and_lists_are_as_good_as_absent() -> None:
    empty = {**SAID_A, "taskId": "", "contextId": "", "extensions": [], "referenceTaskIds": []}
    assert asked(Operation.SEND, {"message": empty}).message == SAID


@pytest.mark.parametrize("state", [s for s in TaskState if s is not TaskState.UNSPECIFIED])
def test_every_state_is_said_and_understood_in_both_forms(state: TaskState) -> None:
    task = model.Task("t", model.TaskStatus(state), "c")
    for binding, dialect in (("JSONRPC", v03.JsonRpc(1)), ("HTTP+JSON", v03.Rest())):
        body = dialect.result(Operation.GET, task)
        assert v03.client(binding).answer(Operation.GET, 200, body) == task


# Refusals


REFUSALS = [
    (errors.ParseError(), -32700, 400, "JSONParseError"),
    (errors.InvalidRequest(), -32600, 400, "InvalidRequestError"),
    (errors.MethodNotFound(), -32601, 404, "MethodNotFoundError"),
    (errors.InvalidParams(), -32602, 400, "InvalidParamsError"),
    (errors.InternalError(), -32603, 500, "InternalError"),
    (errors.TaskNotFound(), -32001, 404, "TaskNotFoundError"),
    (errors.TaskNotCancelable(), -32002, 409, "TaskNotCancelableError"),
    (errors.PushNotificationNotSupported(), -32003, 501, "PushNotificationNotSupportedError"),
    (errors.UnsupportedOperation(), -32004, 400, "UnsupportedOperationError"),
    (errors.CapabilityOff(), -32004, 501, "UnsupportedOperationError"),
    (errors.ContentTypeNotSupported(), -32005, 415, "ContentTypeNotSupportedError"),
    (errors.InvalidAgentResponse(), -32006, 502, "InvalidAgentResponseError"),
    (
        errors.ExtendedAgentCardNotConfigured(),
        -32007,
        404,
        "AuthenticatedExtendedCardNotConfiguredError",
    ),
    # These have other codes in line 1.0.
    (errors.ExtendedAgentCardOff(), -32007, 404, "AuthenticatedExtendedCardNotConfiguredError"),
    (errors.ExtensionSupportRequired(), -32004, 400, "UnsupportedOperationError"),
    (errors.VersionNotSupported(), -32009, 400, "VersionNotSupportedError"),
]


@pytest.mark.parametrize(("error", "code", "status", "name"), REFUSALS)
def test_refusals_bear_the_codes_the_statuses_and_the_names_of_this_line(
    error: A2AError, code: int, status: int, name: str
) -> None:
    # V03-MUST-023, V03-MUST-027, V03-MUST-030, V03-MUST-084
    envelope = {"jsonrpc": "2.0", "id": 7, "error": {"code": code, "message": error.message}}
    assert decoded(v03.JsonRpc(7).refusal(error)) == envelope
    assert v03.JsonRpc(7).status(error) == 200
    said = decoded(v03.Rest().refusal(error))
    assert (said["error"], said["code"], said["message"]) == (name, code, error.message)
    assert v03.Rest().status(error) == status


def test_the_data_of_a_refusal_is_an_object() -> None:
    violation = errors.Violation("message.parts", "is required")
    error = InvalidParams("no", metadata={"taskId": "t"}, violations=[violation])
    data = {
        "taskId": "t",
        "violations": [{"field": "message.parts", "description": "is required"}],
    }
    assert decoded(v03.JsonRpc(7).refusal(error))["error"]["data"] == data
    assert decoded(v03.Rest().refusal(error))["data"] == data


@pytest.mark.parametrize(("error", "code", "status", "name"), REFUSALS)
@pytest.mark.parametrize("binding", ["JSONRPC", "HTTP+JSON"])
def test_a_client_knows_a_refusal_again(
    binding: str, error: A2AError, code: int, status: int, name: str
) -> None:
    # V03-MUST-085
    dialect = v03.JsonRpc("1") if binding == "JSONRPC" else v03.Rest()
    with pytest.raises(A2AError) as info:
        v03.client(binding).answer(Operation.GET, dialect.status(error), dialect.refusal(error))
    assert v03.JsonRpc(7).refusal(info.value) == v03.JsonRpc(7).refusal(error)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (404, b'{"message":"gone"}', errors.TaskNotFound),
        (409, b'{"message":"no"}', errors.TaskNotCancelable),
        (422, b'{"message":"bad"}', InvalidParams),
        (501, b'{"message":"no"}', errors.UnsupportedOperation),
        (404, b'{"type":"PushNotificationNotSupportedError"}', errors.PushNotificationNotSupported),
        (400, b'{"error":"ContentTypeNotSupportedError"}', errors.ContentTypeNotSupported),
        (400, b'{"code":-32002,"type":["x"]}', errors.TaskNotCancelable),
        (500, b"<html>", errors.InternalError),
        # From a server that speaks line 1.0 alone.
        (
            400,
            b'{"error":{"code":400,"message":"no","details":[{"@type":"type.googleapis.com/'
            b'google.rpc.ErrorInfo","reason":"VERSION_NOT_SUPPORTED"}]}}',
            errors.VersionNotSupported,
        ),
    ],
)
def test_a_refusal_on_http_is_known_by_code_name_or_status(
    status: int, body: bytes, error: type[A2AError]
) -> None:
    with pytest.raises(error):
        v03.client("HTTP+JSON").answer(Operation.GET, status, body)


@pytest.mark.parametrize("data", [b'{"message":"broke"}', b'{"error":"InternalError","code":1}'])
def test_an_error_in_a_stream_on_http_is_raised(data: bytes) -> None:
    with pytest.raises(errors.InternalError):
        v03.client("HTTP+JSON").event(data)


# A client


ASKED = [
    (operation, request)
    for operation, _, request in REQUESTS
    if operation not in (Operation.EXTENDED_CARD,)
]


@pytest.mark.parametrize(("operation", "request_"), ASKED)
def test_a_server_on_json_rpc_hears_what_a_client_asks(operation: Operation, request_: Any) -> None:
    # V03-MUST-089
    sending = v03.client("JSONRPC").ask(operation, request_)
    call = decoded(sending.body)
    assert (sending.verb, sending.path, call["jsonrpc"]) == ("POST", "", "2.0")
    assert v03.METHODS[call["method"]] is operation
    heard = asked(operation, call["params"])
    assert heard == _with_configuration(request_)


@pytest.mark.parametrize(("operation", "request_"), ASKED)
def test_a_server_on_http_hears_what_a_client_asks(operation: Operation, request_: Any) -> None:
    sending = v03.client("HTTP+JSON").ask(operation, request_)
    path, _, query = sending.path.partition("?")
    route = v03.route(sending.verb, path)
    assert route is not None
    assert route.operation is operation
    said = dict([query.split("=")]) if query else {}
    heard = v03.Rest().request(operation, sending.body, path=route.path, query=said)
    if isinstance(request_, model.GetTaskPushNotificationConfigRequest) and not request_.id:
        # A path has to name one; the default one is called like its task.
        request_ = msgspec.structs.replace(request_, id=request_.task_id)
    assert heard == _with_configuration(request_, zero=None)


def _with_configuration(request: Any, zero: int | None = 0) -> Any:
    """A request as it is heard: a client always says whether it waits."""
    if not isinstance(request, model.SendMessageRequest):
        return request
    said = request.configuration or model.SendMessageConfiguration()
    length = zero if said.history_length == 0 else said.history_length
    return msgspec.structs.replace(
        request, configuration=msgspec.structs.replace(said, history_length=length)
    )


@pytest.mark.parametrize("binding", ["JSONRPC", "HTTP+JSON"])
def test_a_client_of_this_line_cannot_list_tasks(binding: str) -> None:
    with pytest.raises(errors.UnsupportedOperation):
        v03.client(binding).ask(Operation.LIST, model.ListTasksRequest())


@pytest.mark.parametrize(("operation", "value", "on_json_rpc", "on_http"), RESULTS)
def test_a_client_reads_what_a_server_answers(
    operation: Operation, value: Any, on_json_rpc: Any, on_http: Any
) -> None:
    envelope = encoded({"jsonrpc": "2.0", "id": 1, "result": on_json_rpc})
    assert v03.client("JSONRPC").answer(operation, 200, envelope) == value
    assert v03.client("HTTP+JSON").answer(operation, 200, encoded(on_http)) == value


def test_a_client_forgives_a_null_result_that_was_dropped() -> None:
    body = b'{"jsonrpc":"2.0","id":1}'
    assert v03.client("JSONRPC").answer(Operation.DELETE_PUSH, 200, body) is None


def test_a_client_reads_the_extended_card() -> None:
    for binding, dialect in (("JSONRPC", v03.JsonRpc("1")), ("HTTP+JSON", v03.Rest())):
        body = dialect.result(Operation.EXTENDED_CARD, CARD)
        card = v03.client(binding).answer(Operation.EXTENDED_CARD, 200, body)
        assert card.name == "Adder"


@pytest.mark.parametrize(("event", "name", "in_a", "in_b"), EVENTS)
def test_a_client_reads_events_in_both_forms_with_and_without_their_kind(
    event: model.Event, name: str, in_a: Any, in_b: Any
) -> None:
    on_json_rpc = v03.client("JSONRPC")
    for said in (in_a, {key: value for key, value in in_a.items() if key != "kind"}):
        assert on_json_rpc.event(encoded({"jsonrpc": "2.0", "id": 1, "result": said})) == event
    on_http = v03.client("HTTP+JSON")
    for said in (in_a, in_b):
        assert on_http.event(encoded({name: said})) == event


@pytest.mark.parametrize(
    "result",
    [
        None,
        [],
        {},
        {"kind": "surprise"},
        {"kind": "task", "id": "t"},
        {**TASK_A, "status": {"state": "dancing"}},
        {**ANSWER_A, "parts": [{"kind": "text"}]},
        STATUS_UPDATE_A,
    ],
)
def test_an_answer_that_is_none_is_the_agents_fault(result: Any) -> None:
    with pytest.raises(InvalidAgentResponse):
        v03.client("JSONRPC").answer(
            Operation.SEND, 200, encoded({"jsonrpc": "2.0", "id": 1, "result": result})
        )


@pytest.mark.parametrize(
    ("said", "read"),
    [
        ("2025-06-01T10:00:00Z", WHEN),
        ("2025-06-01T10:00:00", WHEN),
        ("2025-06-01T10:00:00.000999", WHEN),
        ("2025-06-01T12:00:00+02:00", WHEN),
        ("yesterday", ""),
        ("0001-01-01T00:00:00+14:00", ""),
    ],
)
def test_a_timestamp_without_a_zone_is_utc_and_an_odd_one_is_dropped(said: str, read: str) -> None:
    task = {"kind": "task", "id": "t", "contextId": "c", "status": {"state": "working"}}
    task["status"] = {"state": "working", "timestamp": said}
    body = encoded({"jsonrpc": "2.0", "id": 1, "result": task})
    assert v03.client("JSONRPC").answer(Operation.GET, 200, body).status.timestamp == read


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("cancelled", TaskState.CANCELED),
        ("unknown", TaskState.UNSPECIFIED),
        ("TASK_STATE_CANCELED", TaskState.CANCELED),
    ],
)
def test_odd_states_are_understood(said: str, state: TaskState) -> None:
    body = encoded({"id": "t", "contextId": "c", "status": {"state": said}})
    assert v03.client("HTTP+JSON").answer(Operation.GET, 200, body).status.state is state


def test_an_empty_status_message_is_none() -> None:
    status = {"state": "TASK_STATE_WORKING", "message": {"role": "ROLE_UNSPECIFIED"}}
    body = encoded({"id": "t", "contextId": "c", "status": status})
    assert v03.client("HTTP+JSON").answer(Operation.GET, 200, body).status.message is None


# There and back


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
# Empty metadata comes back as none when something else was kept in it.
_metadata = st.none() | st.dictionaries(
    st.sampled_from(["", "k", "kind", "snake_case"]), _json, min_size=1
)
_word = st.sampled_from(["", "a", "ä b", "text/markdown"])
_parts = st.one_of(
    st.builds(Part, text=st.text(max_size=9), metadata=_metadata, filename=_word, media_type=_word),
    st.builds(Part, data=_json, metadata=_metadata, filename=_word, media_type=_word),
    st.builds(Part, url=st.text(max_size=9), metadata=_metadata, filename=_word, media_type=_word),
    st.builds(
        Part,
        raw=st.binary(max_size=9),
        metadata=_metadata,
        filename=_word,
        media_type=_word,
    ),
)
_some = st.lists(_parts, min_size=1, max_size=3).map(tuple)
_messages = st.builds(
    model.Message,
    message_id=st.just("m"),
    role=st.sampled_from([Role.USER, Role.AGENT]),
    parts=_some,
    context_id=_word,
    task_id=_word,
    metadata=_metadata,
    extensions=st.sampled_from([(), ("urn:x",)]),
)
_tasks = st.builds(
    model.Task,
    id=st.just("t"),
    status=st.builds(
        model.TaskStatus,
        state=st.sampled_from(list(TaskState)),
        message=st.none() | _messages,
        timestamp=st.sampled_from(["", WHEN]),
    ),
    context_id=st.just("c"),
    artifacts=st.lists(
        st.builds(
            model.Artifact,
            artifact_id=st.just("a"),
            parts=_some,
            name=_word,
            description=_word,
            metadata=_metadata,
        ),
        max_size=2,
    ).map(tuple),
    history=st.lists(_messages, max_size=2).map(tuple),
    metadata=_metadata,
)


@settings(max_examples=50, deadline=None)
@given(_tasks)
def test_a_task_comes_back_from_this_line_as_it_went(task: model.Task) -> None:
    for binding, dialect in (("JSONRPC", v03.JsonRpc("1")), ("HTTP+JSON", v03.Rest())):
        body = dialect.result(Operation.GET, task)
        assert v03.client(binding).answer(Operation.GET, 200, body) == task
