"""Reading JSON into structs. The invariant: however a document is spelled, it says the same."""

from __future__ import annotations

import base64
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a2acore.errors import InvalidParams, ParseError, ProtocolError
from a2acore.model import (
    AgentCard,
    ListTasksRequest,
    ListTasksResponse,
    Message,
    Part,
    Role,
    SecurityRequirement,
    SendMessageConfiguration,
    SendMessageRequest,
    StringList,
    Task,
    TaskPushNotificationConfig,
    TaskState,
)
from a2acore.wire import reading

REQUEST = SendMessageRequest(
    Message("m-1", Role.USER, (Part(text="sum 2 and 3"),), context_id="c-1"),
    configuration=SendMessageConfiguration(history_length=5),
)


def document(**changes: Any) -> dict[str, Any]:
    """REQUEST as plain values; `changes` go into the message, and None takes a member away."""
    message = {
        "messageId": "m-1",
        "role": "ROLE_USER",
        "parts": [{"text": "sum 2 and 3"}],
        "contextId": "c-1",
        **changes,
    }
    return {"message": message, "configuration": {"historyLength": 5}}


def read(said: Any) -> SendMessageRequest:
    return reading.read(msgspec.json.encode(said), SendMessageRequest)


def violations(said: Any) -> dict[str, str]:
    with pytest.raises(InvalidParams) as caught:
        read(said)
    return dict(caught.value.violations)


SAME = [
    pytest.param({}, {}, id="as it is"),
    pytest.param({"messageId": None, "message_id": "m-1"}, {}, id="proto names"),
    pytest.param({"metadata": None, "taskId": None, "extensions": None}, {}, id="null is absent"),
    pytest.param({"role": 1}, {}, id="an enum by number"),
    pytest.param({"kind": "message", "final": True}, {}, id="unknown members"),
    pytest.param({}, {"historyLength": "5"}, id="an int as a string"),
    pytest.param({}, {"historyLength": 5.0}, id="an int with a point"),
    pytest.param({}, {"history_length": 5, "historyLength": None}, id="one of two names is null"),
]


@pytest.mark.parametrize(("message", "configuration"), SAME)
def test_one_request_has_many_spellings(
    message: dict[str, Any], configuration: dict[str, Any]
) -> None:
    said = document(**message)
    if configuration:
        said["configuration"] = configuration
    assert read(said) == REQUEST


WRONG = [
    # V10-MUST-093, V10-MUST-094: "REQUIRED fields are present and set".
    ({"messageId": None}, "message.messageId", "is required and must not be empty"),
    ({"messageId": ""}, "message.messageId", "is required and must not be empty"),
    ({"role": None}, "message.role", "is required and must not be empty"),
    ({"role": "ROLE_UNSPECIFIED"}, "message.role", "is required and must not be empty"),
    ({"role": 0}, "message.role", "is required and must not be empty"),
    ({"role": 77}, "message.role", "is required and must not be empty"),
    ({"parts": []}, "message.parts", "is required and must not be empty"),
    ({"parts": None}, "message.parts", "is required and must not be empty"),
    # V10-MUST-095: "exactly one of text, raw, url, data".
    ({"parts": [{}]}, "message.parts[0]", "must hold exactly one of text, raw, url, data"),
    (
        {"parts": [{"text": ""}, {"text": "a", "data": None}]},
        "message.parts[1]",
        "must hold exactly one of text, raw, url, data",
    ),
    # V10-MUST-088, V10-MUST-089: names. A role of line 0.3 is an error here.
    ({"role": "user"}, "message.role", "expected one of ROLE_USER, ROLE_AGENT"),
    ({"role": True}, "message.role", "expected one of ROLE_USER, ROLE_AGENT"),
    ({"role": ["ROLE_USER"]}, "message.role", "expected one of ROLE_USER, ROLE_AGENT"),
    ({"message_id": "m-1"}, "message.messageId", "is given twice, under two names"),
    ({"contextId": 5}, "message.contextId", "expected a string, got a number"),
    ({"parts": {}}, "message.parts", "expected an array, got an object"),
    ({"parts": [None]}, "message.parts[0]", "expected an object, got null"),
    ({"parts": [{"text": 5}]}, "message.parts[0].text", "expected a string, got a number"),
    ({"parts": [{"raw": "a"}]}, "message.parts[0].raw", "expected base64"),
    ({"parts": [{"raw": "a b="}]}, "message.parts[0].raw", "expected base64"),
    ({"parts": [{"raw": "é"}]}, "message.parts[0].raw", "expected base64"),
    ({"parts": [{"raw": 1}]}, "message.parts[0].raw", "expected a string in base64, got a number"),
    ({"metadata": [1]}, "message.metadata", "expected an object, got an array"),
    ({"extensions": "x"}, "message.extensions", "expected an array, got a string"),
    ({"extensions": [1]}, "message.extensions[0]", "expected a string, got a number"),
]


@pytest.mark.parametrize(("changes", "field", "description"), WRONG)
def test_what_is_wrong_is_told_where(changes: dict[str, Any], field: str, description: str) -> None:
    assert violations(document(**changes)) == {field: description}


INTS = {
    "fraction": (5.5, "expected an integer, got a number"),
    "boolean": (True, "expected an integer, got a boolean"),
    "word": ("five", "expected an integer, got a string"),
    "other digits": ("५", "expected an integer, got a string"),
    "too big": (2**31, "is out of the range of 32 bits"),
    "far too big": (10**40, "is out of the range of 32 bits"),
    "too big a float": (1e300, "is out of the range of 32 bits"),
    "too small": (str(-(2**31) - 1), "is out of the range of 32 bits"),
}


@pytest.mark.parametrize(("value", "description"), INTS.values(), ids=INTS)
def test_an_integer_has_32_bits_and_no_fraction(value: object, description: str) -> None:
    said = document() | {"configuration": {"historyLength": value}}
    assert violations(said) == {"configuration.historyLength": description}


def test_a_boolean_is_no_word() -> None:
    said = document() | {"configuration": {"returnImmediately": "true"}}
    assert violations(said) == {
        "configuration.returnImmediately": "expected a boolean, got a string"
    }


def test_all_that_is_wrong_is_told_at_once() -> None:
    said = document(messageId=None, role="user", parts=[{"text": 1}, {}, "x", {"url": "u"}])
    said["configuration"] = {"taskPushNotificationConfig": {"authentication": {}}}
    assert set(violations(said)) == {
        "message.messageId",
        "message.role",
        "message.parts[0].text",
        "message.parts[1]",
        "message.parts[2]",
        "configuration.taskPushNotificationConfig.url",
        "configuration.taskPushNotificationConfig.authentication.scheme",
    }


def test_no_more_is_told_than_somebody_would_read() -> None:
    assert len(violations(document(parts=[{}] * 1000))) == reading.SHOWN


@pytest.mark.parametrize("said", [{}, {"message": None}])
def test_a_request_has_a_message(said: object) -> None:
    assert violations(said) == {"message": "is required"}


@pytest.mark.parametrize(
    ("said", "got"), [([], "an array"), ("x", "a string"), (5, "a number"), (None, "null")]
)
def test_a_request_is_an_object(said: object, got: str) -> None:
    assert violations(said) == {"": f"expected an object, got {got}"}


def test_the_message_of_an_error_tells_the_first_violation() -> None:
    with pytest.raises(InvalidParams) as caught:
        read(document(messageId=5, role="user"))
    assert caught.value.message == (
        "Invalid parameters: `message.messageId` expected a string, got a number (and 1 more)"
    )


def test_an_error_does_not_repeat_what_was_sent() -> None:
    with pytest.raises(InvalidParams) as caught:
        read(document(role="hunter2", parts=[{"raw": "hunter2!"}]))
    assert "hunter2" not in str(caught.value) + str(caught.value.violations)


@pytest.mark.parametrize("free", ["metadata", "data"])
def test_a_free_object_is_left_as_it_is(free: str) -> None:
    said = {"message_id": None, "messageId": 1, "task_id": [None], "role": 5, "n": 10**40}
    parts: list[dict[str, Any]] = [{"text": "a", free: said}] if free == "metadata" else []
    parts = parts or [{"data": said}]
    part = read(document(parts=parts)).message.parts[0]
    assert (part.metadata if free == "metadata" else part.data) == said


def test_null_is_data() -> None:
    assert read(document(parts=[{"data": None}])).message.parts == (Part(data=None),)
    assert read(document(parts=[{"data": None}], role=1)).message.parts == (Part(data=None),)


@pytest.mark.parametrize("text", ["+/8=", "+/8", "-_8=", "-_8"])
def test_base64_has_two_alphabets_and_padding_is_optional(text: str) -> None:
    assert read(document(parts=[{"raw": text}])).message.parts == (Part(raw=b"\xfb\xff"),)


@pytest.mark.parametrize("name", ["pushNotificationConfig", "push_notification_config"])
def test_the_old_name_of_the_webhook_is_read_too(name: str) -> None:
    said = document() | {"configuration": {name: {"url": "https://h.example"}}}
    configuration = read(said).configuration
    assert configuration is not None
    assert configuration.task_push_notification_config == TaskPushNotificationConfig(
        "https://h.example"
    )


# V10-MUST-090, V10-MUST-091, V10-MUST-092: timestamps in UTC. A lower bound is rounded up.
TIMESTAMPS = [
    ("2025-06-01T10:00:00Z", "2025-06-01T10:00:00.000Z", "2025-06-01T10:00:00.000Z"),
    ("2025-06-01T10:00:00.123Z", "2025-06-01T10:00:00.123Z", "2025-06-01T10:00:00.123Z"),
    ("2025-06-01t10:00:00.5z", "2025-06-01T10:00:00.500Z", "2025-06-01T10:00:00.500Z"),
    ("2025-06-01T10:00:00.123000001Z", "2025-06-01T10:00:00.123Z", "2025-06-01T10:00:00.124Z"),
    ("2024-12-31T23:59:59.999999Z", "2024-12-31T23:59:59.999Z", "2025-01-01T00:00:00.000Z"),
    ("2025-06-01T10:00:00+02:00", "2025-06-01T08:00:00.000Z", "2025-06-01T08:00:00.000Z"),
    ("0001-01-01T00:00:00.000Z", "0001-01-01T00:00:00.000Z", "0001-01-01T00:00:00.000Z"),
]
NO_TIMESTAMPS = [
    "2025-06-01T10:00:00",
    "2025-06-01",
    "2025-06-01 10:00:00Z",
    "2025-13-01T10:00:00.000Z",
    "2025-02-30T10:00:00.000Z",
    "2025-06-01T25:00:00.000Z",
    "2025-06-01T10:00:00.1234567890Z",
    "9999-12-31T23:59:59.9999Z",
    "0001-01-01T00:00:00+14:00",
    "٢٠٢٥-06-01T10:00:00Z",
    "now",
]


@pytest.mark.parametrize(("said", "down", "up"), TIMESTAMPS)
def test_a_timestamp_becomes_utc_with_milliseconds(said: str, down: str, up: str) -> None:
    status = {"state": "TASK_STATE_WORKING", "timestamp": said}
    task = reading.accept(msgspec.json.encode({"id": "t", "status": status}), Task)
    assert task.status.timestamp == down
    asked = msgspec.json.encode({"statusTimestampAfter": said})
    assert reading.read(asked, ListTasksRequest).status_timestamp_after == up


@pytest.mark.parametrize("said", [*NO_TIMESTAMPS, 1748772000])
def test_what_is_no_moment_in_time_is_no_timestamp(said: object) -> None:
    with pytest.raises(InvalidParams) as caught:
        reading.read(msgspec.json.encode({"statusTimestampAfter": said}), ListTasksRequest)
    assert [violation.field for violation in caught.value.violations] == ["statusTimestampAfter"]


# V10-MUST-106: "JSON text is UTF-8".
NOT_JSON = {
    "nothing": b"",
    "cut off": b'{"message":',
    "more than one": b"{}{}",
    "NaN": b'{"metadata":{"a":NaN}}',
    "Infinity": b'{"metadata":{"a":-Infinity}}',
    "not UTF-8": b'{"metadata":{"a":"\xff"}}',
    "not UTF-8 where nobody looks": b'{"unknown":"\xff"}',
    "UTF-16": '{"a":"b"}'.encode("utf-16"),
    "half a surrogate pair": b'{"metadata":{"a":"\\ud800 alone"}}',
    "a bracket bomb": b"[" * 200_000,
    "a bracket bomb where nobody looks": b'{"unknown":' + b"[" * 200_000,
    "deep": b'{"metadata":{"a":' + b"[" * 101 + b"]" * 101 + b"}}",
}


@pytest.mark.parametrize("text", NOT_JSON.values(), ids=NOT_JSON)
def test_what_is_not_json_is_a_parse_error(text: bytes) -> None:
    with pytest.raises(ParseError):
        reading.read(text, SendMessageRequest)


def test_brackets_in_strings_are_not_deep() -> None:
    text = "[{" * 500 + '"\\' + "[" * 500
    said = document(parts=[{"text": text}, {"data": [[]] * 500}, {"data": {"[": "{" * 300}}])
    assert read(said).message.parts[0].text == text


def test_a_number_beyond_all_floats_is_refused() -> None:
    with pytest.raises(InvalidParams, match="a number in it is out of range"):
        reading.read(b'{"message":{"metadata":{"n":1e999}}}', SendMessageRequest)


# Answers


def test_an_answer_may_leave_out_what_is_zero() -> None:
    assert reading.accept(b"{}", ListTasksResponse) == ListTasksResponse((), "", 0, 0)
    task = reading.accept(b'{"status":{}}', Task)
    assert (task.id, task.status.state) == ("", TaskState.UNSPECIFIED)


def test_an_answer_may_not_leave_out_a_message() -> None:
    with pytest.raises(InvalidParams, match="`status` is required"):
        reading.accept(b'{"id":"t"}', Task)


def test_a_card_is_read_with_its_maps_left_alone() -> None:
    card = reading.accept(
        msgspec.json.encode(
            {
                "name": "Adder",
                "supported_interfaces": [{"url": "u", "protocol_binding": "JSONRPC"}],
                "capabilities": {"extensions": [{"uri": "x", "params": {"snake_case": None}}]},
                "securitySchemes": {"my_key": {"apiKeySecurityScheme": {"name": "k"}}},
                "securityRequirements": [{"schemes": {"my_key": {}, "b": {"list": ["a_b"]}}}],
            }
        ),
        AgentCard,
    )
    assert card.capabilities.extensions[0].params == {"snake_case": None}
    assert set(card.security_schemes) == {"my_key"}
    assert card.security_requirements == (
        SecurityRequirement({"my_key": StringList(), "b": StringList(("a_b",))}),
    )


# Two ways to say the same

json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
metadata = st.none() | st.dictionaries(st.text(), json, max_size=2)
parts = st.one_of(
    st.builds(Part, text=st.text(), metadata=metadata, filename=st.text()),
    st.builds(Part, raw=st.binary(), media_type=st.text()),
    st.builds(Part, url=st.text()),
    st.builds(Part, data=json),
)
said = st.text(min_size=1)
messages = st.builds(
    Message,
    message_id=said,
    role=st.sampled_from([Role.USER, Role.AGENT]),
    parts=st.lists(parts, min_size=1, max_size=3).map(tuple),
    context_id=st.text(),
    metadata=metadata,
    extensions=st.lists(st.text(), max_size=2).map(tuple),
)
configurations = st.builds(
    SendMessageConfiguration,
    task_push_notification_config=st.none() | st.builds(TaskPushNotificationConfig, url=said),
    history_length=st.none() | st.integers(-(2**31), 2**31 - 1),
    return_immediately=st.booleans(),
)
requests = st.builds(
    SendMessageRequest,
    message=messages,
    tenant=st.text(),
    configuration=st.none() | configurations,
    metadata=metadata,
)


@settings(max_examples=60, deadline=None)
@given(requests)
def test_what_was_written_is_read_the_same(request: SendMessageRequest) -> None:
    text = msgspec.json.encode(request)
    assert reading.read(text, SendMessageRequest) == request
    assert reading.convert(msgspec.json.decode(text), SendMessageRequest) == request


def in_proto_names(value: Any, *, free: bool = False) -> Any:
    """The same document with the names of the proto, and base64 in its other form."""
    if isinstance(value, list):
        return [in_proto_names(item, free=free) for item in value]
    if not isinstance(value, dict) or free:
        return value
    renamed = {}
    for key, item in value.items():
        if key == "raw":
            item = base64.urlsafe_b64encode(base64.b64decode(item)).decode().rstrip("=")
        name = re.sub("[A-Z]", lambda letter: "_" + letter[0].lower(), key)
        renamed[name] = in_proto_names(item, free=key in ("metadata", "data"))
    return renamed


@settings(max_examples=60, deadline=None)
@given(requests)
def test_proto_names_say_the_same(request: SendMessageRequest) -> None:
    spelled = in_proto_names(msgspec.json.decode(msgspec.json.encode(request)))
    assert read(spelled) == request


@settings(max_examples=200, deadline=None)
@given(requests, st.data())
def test_a_spoiled_request_is_read_or_refused_but_never_breaks(
    request: SendMessageRequest, data: st.DataObject
) -> None:
    text = bytearray(msgspec.json.encode(request))
    for _ in range(data.draw(st.integers(1, 3))):
        text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    try:
        again = reading.read(bytes(text), SendMessageRequest)
    except ProtocolError:
        return
    assert reading.read(msgspec.json.encode(again), SendMessageRequest) == again
