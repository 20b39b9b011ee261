"""How line 0.3 says what is wrong, and how that is read again.

The codes are those of line 1.0 where both have an error; `A2AError` knows where they differ. 0.3
leaves the body of an HTTP+JSON error open, and its peers look in different places: the SDKs of line
1.x for a name in `type`, the conformance kit for one in `error`, everybody for a `message`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType

from a2acore import errors, jsonrpc
from a2acore.errors import A2AError
from a2acore.jsonrpc import RpcId
from a2acore.wire.v10 import refusals as v10

# Writing


class Body(Struct):
    """The body of an HTTP+JSON error."""

    type: str
    error: str
    code: int
    message: str
    data: Mapping[str, Any] | UnsetType = UNSET


KINDS: Mapping[int, type[A2AError]] = {
    kind.code: kind
    for kind in (
        errors.ParseError,
        errors.InvalidRequest,
        errors.MethodNotFound,
        errors.InvalidParams,
        errors.InternalError,
        errors.Forbidden,
        errors.TaskNotFound,
        errors.TaskNotCancelable,
        errors.PushNotificationNotSupported,
        errors.UnsupportedOperation,
        errors.ContentTypeNotSupported,
        errors.InvalidAgentResponse,
        errors.ExtendedAgentCardNotConfigured,
        errors.VersionNotSupported,
    )
}
"""The error that each code of this line stands for."""

RENAMED = {"ExtendedAgentCardNotConfiguredError": "AuthenticatedExtendedCardNotConfiguredError"}
"""What has another name on this line."""


def code(error: A2AError) -> int:
    """The code of an error on this line."""
    return error.code if error.code_03 is None else error.code_03


def data(error: A2AError) -> Mapping[str, Any] | UnsetType:
    """What a program may want to know of an error."""
    found: dict[str, Any] = dict(error.metadata)
    if error.violations:
        found["violations"] = [violation._asdict() for violation in error.violations]
    return found or UNSET


def rpc(id: RpcId, error: A2AError) -> bytes:
    """An error on JSON-RPC."""
    return jsonrpc.failure(id, code(error), error.message, data(error))


def rest(error: A2AError) -> bytes:
    """An error on HTTP+JSON."""
    name = KINDS.get(code(error), type(error)).name
    said = Body(name, RENAMED.get(name, name), code(error), error.message, data(error))
    return msgspec.json.encode(said)


# Reading

_BY_NAME = {kind.name: kind for kind in KINDS.values()} | {
    RENAMED[kind.name]: kind for kind in KINDS.values() if kind.name in RENAMED
}
_BY_STATUS: Mapping[int, type[A2AError]] = {
    400: errors.InvalidParams,
    403: errors.Forbidden,
    404: errors.TaskNotFound,
    405: errors.MethodNotFound,
    409: errors.TaskNotCancelable,
    415: errors.ContentTypeNotSupported,
    422: errors.InvalidParams,
    501: errors.UnsupportedOperation,
    502: errors.InvalidAgentResponse,
}
"""What an error is when nothing but its HTTP status tells, which is all that the SDKs say."""


def of_fault(fault: jsonrpc.Fault) -> A2AError:
    """The error that a JSON-RPC answer tells of."""
    error = v10.of_fault(fault)
    error.metadata |= _metadata(_json(fault.data))
    return error


def of_body(status: int, body: bytes) -> A2AError:
    """The error that an HTTP answer tells of: by its code, its name, or else its status."""
    said = _json(body)
    if not isinstance(said, dict) or isinstance(said.get("error"), dict):
        # Not of this line; who speaks only 1.0 says so in the words of 1.0.
        return v10.of_body(status, body)
    kind = (
        _find(KINDS, said.get("code"))
        or _find(_BY_NAME, said.get("type"))
        or _find(_BY_NAME, said.get("error"))
        or _BY_STATUS.get(status)
    )
    message = said.get("message")
    if kind is None or not isinstance(message, str):
        message = f"{message or 'error'} (HTTP status {status})"
    return (kind or errors.InternalError)(message, metadata=_metadata(said.get("data")))


def tells(said: Any) -> bool:
    """Whether an event on HTTP+JSON is an error."""
    if not isinstance(said, dict):
        return False
    return "error" in said or ("message" in said and not isinstance(said["message"], dict))


def _json(text: bytes | msgspec.Raw) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _find(kinds: Mapping[Any, type[A2AError]], said: Any) -> type[A2AError] | None:
    return kinds.get(said) if isinstance(said, int | str) else None


def _metadata(said: Any) -> Mapping[str, str]:
    if not isinstance(said, dict):
        return {}
    return {key: value for key, value in said.items() if isinstance(value, str)}
