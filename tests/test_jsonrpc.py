"""JSON-RPC envelopes, from both sides. Numbers of sections are those of JSON-RPC 2.0."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a2acore import jsonrpc
from a2acore.errors import InvalidRequest, ParseError
from a2acore.jsonrpc import NOTHING, Failure, Fault, Notification, Request, Response, Unreadable

Raw = msgspec.Raw


# A server reads

REQUESTS = {
    "a whole request": (
        b'{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":1}}',
        Request(1, "m", Raw(b'{"a":1}')),
    ),
    "no params": (b'{"jsonrpc":"2.0","id":"x","method":"m"}', Request("x", "m")),
    "an id with a fraction": (b'{"jsonrpc":"2.0","id":1.5,"method":"m"}', Request(1.5, "m")),
    "a big id": (b'{"jsonrpc":"2.0","id":1' + b"0" * 30 + b',"method":"m"}', Request(10**30, "m")),
    "an empty id": (b'{"jsonrpc":"2.0","id":"","method":"m"}', Request("", "m")),
    "a null id": (b'{"jsonrpc":"2.0","id":null,"method":"m"}', Request(None, "m")),
    "no id": (b'{"jsonrpc":"2.0","method":"m"}', Request(None, "m")),
    "unknown members": (b' {"jsonrpc":"2.0","id":1,"method":"m","x":[1]} ', Request(1, "m")),
}


@pytest.mark.parametrize(("body", "request_"), REQUESTS.values(), ids=REQUESTS)
def test_a_request_is_read(body: bytes, request_: Request) -> None:
    assert jsonrpc.read_request(body) == request_


NO_REQUESTS: dict[str, tuple[bytes, type[Exception], jsonrpc.RpcId]] = {
    "nothing": (b"", ParseError, None),
    "no JSON": (b'{"jsonrpc":"2.0","id":1,"method":"m"', ParseError, None),
    "NaN": (b'{"jsonrpc":"2.0","id":1,"method":"m","params":NaN}', ParseError, None),
    "not UTF-8": (b'{"jsonrpc":"2.0","id":1,"method":"\xff"}', ParseError, None),
    "not UTF-8 in params": (
        b'{"jsonrpc":"2.0","id":1,"method":"m","params":"\xff"}',
        ParseError,
        None,
    ),
    "a bracket bomb": (b'{"params":' + b"[" * 200_000, ParseError, None),
    "half a batch": (b'[{"jsonrpc":"2.0"', ParseError, None),
    "talk after a wrong version": (b'{"jsonrpc":"1.0","id":1}}', ParseError, None),
    "an array": (b"[]", InvalidRequest, None),
    "a batch": (b' [{"jsonrpc":"2.0","id":1,"method":"m"}]', InvalidRequest, None),
    "a scalar": (b"5", InvalidRequest, None),
    "null": (b"null", InvalidRequest, None),
    "no version": (b'{"id":1,"method":"m"}', InvalidRequest, 1),
    "another version": (b'{"jsonrpc":"1.0","id":"a","method":"m"}', InvalidRequest, "a"),
    "a number for a version": (b'{"jsonrpc":2.0,"id":"a","method":"m"}', InvalidRequest, "a"),
    "no method": (b'{"jsonrpc":"2.0","id":1}', InvalidRequest, 1),
    "a number for a method": (b'{"jsonrpc":"2.0","id":1,"method":1}', InvalidRequest, 1),
    "a null method": (b'{"jsonrpc":"2.0","id":1,"method":null}', InvalidRequest, 1),
    "a boolean for an id": (b'{"jsonrpc":"2.0","id":true,"method":"m"}', InvalidRequest, None),
    "an array for an id": (b'{"jsonrpc":"2.0","id":[1],"method":"m"}', InvalidRequest, None),
    "an object for an id": (b'{"jsonrpc":"2.0","id":{},"method":"m"}', InvalidRequest, None),
}


@pytest.mark.parametrize(("body", "error", "id"), NO_REQUESTS.values(), ids=NO_REQUESTS)
def test_what_is_no_request_is_refused_under_its_id(
    body: bytes, error: type[Exception], id: jsonrpc.RpcId
) -> None:
    with pytest.raises(Unreadable) as caught:
        jsonrpc.read_request(body)
    assert type(caught.value.error) is error
    assert caught.value.id == id


def test_a_batch_is_told_that_there_are_none() -> None:
    with pytest.raises(Unreadable, match="batches are not supported"):
        jsonrpc.read_request(b'[{"jsonrpc":"2.0","id":1,"method":"m"}]')


# A peer is read

MESSAGES: dict[str, tuple[bytes, jsonrpc.Message]] = {
    "a request": (
        b'{"jsonrpc":"2.0","id":0,"method":"m","params":[1]}',
        Request(0, "m", Raw(b"[1]")),
    ),
    "a request without a version": (b'{"id":"a","method":"m"}', Request("a", "m")),
    "a notification": (
        b'{"jsonrpc":"2.0","method":"m","params":{}}\r',
        Notification("m", Raw(b"{}")),
    ),
    "a notification with a null id": (b'{"id":null,"method":"m"}', Notification("m")),
    "null params": (b'{"method":"m","params":null}', Notification("m", NOTHING)),
    "a response": (b'{"jsonrpc":"2.0","id":0,"result":[1]}', Response(0, Raw(b"[1]"))),
    "a null response": (b'{"jsonrpc":"2.0","id":0,"result":null}', Response(0, Raw(b"null"))),
    "a dropped result": (b'{"jsonrpc":"2.0","id":0}', Response(0, Raw(b"null"))),
    "a response with a null error": (b'{"id":0,"result":1,"error":null}', Response(0, Raw(b"1"))),
    "an error": (
        b'{"jsonrpc":"2.0","id":"a","error":{"code":-32601,"message":"no","data":{"x":1}}}',
        Failure("a", Fault(-32601, "no", Raw(b'{"x":1}'))),
    ),
    "an error with a null result": (
        b'{"id":0,"result":null,"error":{"code":1,"message":"no"}}',
        Failure(0, Fault(1, "no")),
    ),
    "an error without an id": (b'{"error":{"code":-32700}}', Failure(None, Fault(-32700))),
    "an error of no known form": (
        b'{"id":7,"error":"oops"}',
        Failure(7, Fault(-32603, "an error of no known form", Raw(b'"oops"'))),
    ),
    "an error without a code": (
        b'{"id":7,"error":{"message":"no"}}',
        Failure(7, Fault(-32603, "an error of no known form", Raw(b'{"message":"no"}'))),
    ),
}


@pytest.mark.parametrize(("text", "message"), MESSAGES.values(), ids=MESSAGES)
def test_a_message_is_read(text: bytes, message: jsonrpc.Message) -> None:
    assert jsonrpc.read_message(text) == message


NO_MESSAGES = {
    "an empty line": (b"", ParseError),
    "talk": (b"npm warn deprecated", ParseError),
    "not UTF-8": (b'{"method":"m","params":"\xff"}', ParseError),
    "a bracket bomb": (b'{"params":' + b"[" * 200_000, ParseError),
    "a number": (b"42", InvalidRequest),
    "a string": (b'"hello"', InvalidRequest),
    "an array": (b'[{"method":"m"}]', InvalidRequest),
    "neither a call nor an answer": (b'{"jsonrpc":"2.0"}', InvalidRequest),
    "a number for a method": (b'{"id":1,"method":5}', InvalidRequest),
    "an object for an id": (b'{"id":{},"method":"m"}', InvalidRequest),
}


@pytest.mark.parametrize(("text", "error"), NO_MESSAGES.values(), ids=NO_MESSAGES)
def test_what_is_no_message_can_be_skipped(text: bytes, error: type[Exception]) -> None:
    with pytest.raises(Unreadable) as caught:
        jsonrpc.read_message(text)
    assert type(caught.value.error) is error


def test_of_a_message_that_nests_too_deep_it_is_known_which_it_is() -> None:
    text = b'{"id": 1, "method": "m", "params": [[[["]"]]]]}'
    message = jsonrpc.read_message(text, depth=5)
    with pytest.raises(jsonrpc.TooDeep) as caught:
        jsonrpc.read_message(text, depth=3)
    assert caught.value.message == message


# Writing

WRITTEN = {
    "a request": (
        jsonrpc.request(1, "m", {"a": 1}),
        b'{"jsonrpc":"2.0","method":"m","id":1,"params":{"a":1}}',
    ),
    "a request without params": (
        jsonrpc.request("a", "m"),
        b'{"jsonrpc":"2.0","method":"m","id":"a"}',
    ),
    "a notification": (
        jsonrpc.notification("m", Raw(b'{"a": 1}')),
        b'{"jsonrpc":"2.0","method":"m","params":{"a": 1}}',
    ),
    "a response": (jsonrpc.response(0, {}), b'{"jsonrpc":"2.0","id":0,"result":{}}'),
    "a null response": (jsonrpc.response(1, None), b'{"jsonrpc":"2.0","id":1,"result":null}'),
    "an error": (
        jsonrpc.failure(None, -32700, "no"),
        b'{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"no"}}',
    ),
    "an error with data": (
        jsonrpc.failure("a", 0, "", [1]),
        b'{"jsonrpc":"2.0","id":"a","error":{"code":0,"message":"","data":[1]}}',
    ),
}


@pytest.mark.parametrize(("written", "text"), WRITTEN.values(), ids=WRITTEN)
def test_a_message_is_written_as_section_4_and_5_have_it(written: bytes, text: bytes) -> None:
    assert written == text


ids = st.text() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
json = st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.text())


@settings(max_examples=60, deadline=None)
@given(ids, st.text(), st.dictionaries(st.text(), json))
def test_what_one_side_writes_the_other_reads(
    id: jsonrpc.RpcId, method: str, params: dict[str, Any]
) -> None:
    text = jsonrpc.request(id, method, params)
    assert b"\n" not in text
    request = jsonrpc.read_request(text)
    assert (request.id, request.method) == (id, method)
    assert msgspec.json.decode(request.params) == params
    assert jsonrpc.read_message(text) == request
    response = jsonrpc.read_message(jsonrpc.response(request.id, request.params))
    assert response == Response(id, request.params)
