"""JSON-RPC 2.0 envelopes, both sides. What is inside them is nobody's business here.

Two readers, because two kinds of peers are read. `read_request` is for a server and keeps to the
specification: what it cannot take, it refuses in a way that can be answered. `read_message` is for
who talks to an agent or asks a server, and takes what it can make sense of: one stray line must not
end a conversation.

Source: https://www.jsonrpc.org/specification.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from a2acore.errors import A2AError, InternalError, InvalidRequest, ParseError
from a2acore.wire.text import DEPTH, nests_deeper

RpcId = str | int | float | None

NOTHING = Raw(b"")
"""The params of a request that has none."""


class Request(Struct, frozen=True):
    """A call that wants an answer under the same `id`."""

    id: RpcId
    method: str
    params: Raw = NOTHING


class Notification(Struct, frozen=True):
    """A call that wants no answer."""

    method: str
    params: Raw = NOTHING


class Response(Struct, frozen=True):
    """An answer. A missing result is read as `null`."""

    id: RpcId
    result: Raw


class Fault(Struct, frozen=True):
    """Why a call failed. `data` is any JSON, empty when there is none."""

    code: int
    message: str = ""
    data: Raw = NOTHING


class Failure(Struct, frozen=True):
    """An answer that tells why there is none. `id` is None when the request could not be read."""

    id: RpcId
    error: Fault


Message = Request | Notification | Response | Failure


class Unreadable(Exception):
    """A text that is no message.

    `error` says why, `id` is that of the request, None when that could not be read either.
    """

    def __init__(self, error: A2AError, id: RpcId = None) -> None:
        super().__init__(error.message)
        self.error = error
        self.id = id


class TooDeep(Unreadable):
    """A message that nests too deep. It can be told what `message` it is, but not what is in it."""

    def __init__(self, message: Message) -> None:
        super().__init__(ParseError("Invalid JSON payload: it nests too deep"))
        self.message = message


# Reading as a server


class _StrictRequest(Struct):
    jsonrpc: Literal["2.0"]
    method: str
    id: RpcId = None
    params: Raw = NOTHING


_strict = msgspec.json.Decoder(_StrictRequest)


def read_request(body: bytes) -> Request:
    """Read one request.

    A request without an id is read as one whose id is null: every method of A2A answers something.

    Raises:
        Unreadable: with a `ParseError` when the body is not JSON, with an `InvalidRequest` when it
            is no request, or a batch, which A2A does not use.
    """
    try:
        body.decode()  # msgspec does not look into what it skips
        try:
            request = _strict.decode(body)
        except msgspec.ValidationError as exc:
            # Noticed before the end: what follows need not even be JSON.
            raise _not_a_request(msgspec.json.decode(body), str(exc)) from exc
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise Unreadable(ParseError(f"Invalid JSON payload: {_why(exc)}")) from exc
    return Request(request.id, request.method, request.params)


def _not_a_request(said: Any, why: str) -> Unreadable:
    """The answer to JSON that is no request, under its id if it has a legal one."""
    if isinstance(said, list):
        why = "batches are not supported"
    id = said.get("id") if isinstance(said, dict) else None
    legal = isinstance(id, str | int | float) and not isinstance(id, bool)
    return Unreadable(InvalidRequest(f"Invalid request: {why}"), id if legal else None)


# Reading what a peer says


class _AnyMessage(Struct):
    id: RpcId | UnsetType = UNSET
    method: str | None = None
    params: Raw = NOTHING
    result: Raw = NOTHING
    error: Raw = NOTHING


_tolerant = msgspec.json.Decoder(_AnyMessage)
_fault = msgspec.json.Decoder(Fault)
_NULL = Raw(b"null")


def read_message(text: bytes, depth: int = DEPTH) -> Message:
    """Read one message, whoever sent it: a missing `jsonrpc` is forgiven, a null id is no id.

    Raises:
        TooDeep: it nests deeper than `depth`.
        Unreadable: it is not JSON, or no message; skip it.
    """
    message = _read_message(text)
    if nests_deeper(text, depth):
        raise TooDeep(message)
    return message


def _read_message(text: bytes) -> Message:
    try:
        text.decode()
        said = _tolerant.decode(text)
    except msgspec.ValidationError as exc:
        raise Unreadable(InvalidRequest(f"Not a JSON-RPC message: {exc}")) from exc
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise Unreadable(ParseError(f"Not JSON: {_why(exc)}")) from exc
    id = None if said.id is UNSET else said.id
    if said.method is not None:
        params = NOTHING if said.params == _NULL else said.params
        if id is None:
            return Notification(said.method, params)
        return Request(id, said.method, params)
    if said.error not in (NOTHING, _NULL):
        return Failure(id, _read_fault(said.error))
    if said.result != NOTHING or id is not None:
        # Some servers drop a result that is null.
        return Response(id, said.result if said.result != NOTHING else _NULL)
    raise Unreadable(InvalidRequest("Not a JSON-RPC message: neither a call nor an answer"))


def _read_fault(error: Raw) -> Fault:
    """Somebody waits for this answer: an odd error is better than none."""
    try:
        return _fault.decode(error)
    except msgspec.DecodeError:
        return Fault(InternalError.code, "an error of no known form", error)


def _why(exc: Exception) -> str:
    if isinstance(exc, RecursionError):
        return "it nests too deep"
    return "it is not UTF-8" if isinstance(exc, UnicodeDecodeError) else str(exc)


# Writing. A `Raw` inside is written as it is; nothing else brings in line breaks, so each of these
# can be sent as one line.


class _Call(Struct, omit_defaults=True):
    jsonrpc: str
    method: str
    id: RpcId | UnsetType = UNSET
    params: Any = UNSET


class _Result(Struct):
    jsonrpc: str
    id: RpcId
    result: Any


class _Error(Struct, omit_defaults=True):
    code: int
    message: str
    data: Any = UNSET


class _Failed(Struct):
    jsonrpc: str
    id: RpcId
    error: _Error


def request(id: RpcId, method: str, params: Any = UNSET) -> bytes:
    """Write a call that wants an answer."""
    return msgspec.json.encode(_Call("2.0", method, id, params))


def notification(method: str, params: Any = UNSET) -> bytes:
    """Write a call that wants none."""
    return msgspec.json.encode(_Call("2.0", method, UNSET, params))


def response(id: RpcId, result: Any) -> bytes:
    """Write an answer."""
    return msgspec.json.encode(_Result("2.0", id, result))


def envelope(id: RpcId) -> tuple[bytes, bytes]:
    """What stands before and behind the result in an answer, to be written with many of them."""
    empty = msgspec.json.encode(_Result("2.0", id, 0))
    return empty[: -len(b"0}")], b"}"


def failure(id: RpcId, code: int, message: str, data: Any = UNSET) -> bytes:
    """Write why there is no answer."""
    return msgspec.json.encode(_Failed("2.0", id, _Error(code, message, data)))
