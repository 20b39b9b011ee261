"""How line 1.0 says what is wrong, and how that is read again.

JSON-RPC and HTTP+JSON say the same in two frames: a code and a message, and details of which each
is an object with an `@type`. Source: A2A 1.0.1, sections 3.3.2, 5.4, 9.5 and 11.6.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from a2acore import errors, jsonrpc
from a2acore.errors import A2AError, InternalError, Violation
from a2acore.jsonrpc import RpcId

DOMAIN = "a2a-protocol.org"

# Writing


class ErrorInfo(Struct, tag_field="@type", tag="type.googleapis.com/google.rpc.ErrorInfo"):
    """Which error it is, for a program."""

    reason: str
    domain: str = DOMAIN
    metadata: Mapping[str, str] | UnsetType = UNSET


class FieldViolation(Struct):
    """One thing wrong with a request."""

    field: str
    description: str


class BadRequest(
    Struct, tag_field="@type", tag="type.googleapis.com/google.rpc.BadRequest", rename="camel"
):
    """What is wrong with a request."""

    field_violations: Sequence[FieldViolation]


Details = Sequence[ErrorInfo | BadRequest]


class Status(Struct):
    """`google.rpc.Status`."""

    code: int
    status: str
    message: str
    details: Details


class Body(Struct):
    """The body of an HTTP+JSON error."""

    error: Status


def details(error: A2AError) -> Details:
    """What a program may want to know of an error."""
    info = ErrorInfo(error.reason, metadata=error.metadata or UNSET)
    if not error.violations:
        return [info]
    return [info, BadRequest([FieldViolation(*violation) for violation in error.violations])]


def rpc(id: RpcId, error: A2AError) -> bytes:
    """An error on JSON-RPC."""
    return jsonrpc.failure(id, error.code, error.message, details(error))


def rest(error: A2AError) -> bytes:
    """An error on HTTP+JSON."""
    status = Status(error.status, error.grpc, error.message, details(error))
    return msgspec.json.encode(Body(status))


# Reading: as much as can be made out. Nobody is helped by an error about an error.

_ERRORS: Sequence[type[A2AError]] = (
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
    errors.ExtensionSupportRequired,
    errors.VersionNotSupported,
)
_BY_CODE = {kind.code: kind for kind in _ERRORS}
_BY_REASON = {kind.reason: kind for kind in _ERRORS}
_BY_STATUS: Mapping[int, type[A2AError]] = {
    400: errors.InvalidParams,
    403: errors.Forbidden,
    404: errors.MethodNotFound,
    405: errors.MethodNotFound,
    # Release 1.0.0 had statuses of its own for these.
    409: errors.TaskNotCancelable,
    415: errors.ContentTypeNotSupported,
    501: errors.UnsupportedOperation,
    502: errors.InvalidAgentResponse,
}
"""What an error is when nothing but its HTTP status tells."""


def of_fault(fault: jsonrpc.Fault) -> A2AError:
    """The error that a JSON-RPC answer tells of."""
    found = _details(_json(fault.data))
    kind = _BY_CODE.get(fault.code)
    if kind is None:
        return _error(InternalError, f"{fault.message or 'error'} (code {fault.code})", found)
    return _error(kind, fault.message, found)


def of_body(status: int, body: bytes) -> A2AError:
    """The error that an HTTP answer tells of: by its reason, or else by its status."""
    error = _said(body) or {}
    code, message = error.get("code"), error.get("message")
    status = code if isinstance(code, int) else status
    found = _details(error.get("details"))
    kind = _BY_REASON.get(_reason(found)) or _BY_STATUS.get(status)
    if kind is None or not isinstance(message, str):
        message = f"{message or 'error'} (HTTP status {status})"
    return _error(kind or InternalError, message, found)


def is_error(data: bytes) -> bool:
    """Whether the data of an event on HTTP+JSON is an error."""
    return _said(data) is not None


def _said(body: bytes) -> dict[str, Any] | None:
    said = _json(body)
    error = said.get("error") if isinstance(said, dict) else None
    return error if isinstance(error, dict) else None


def _json(text: bytes | Raw) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _details(said: Any) -> list[dict[str, Any]]:
    return [each for each in said if isinstance(each, dict)] if isinstance(said, list) else []


def _of_type(found: Iterable[dict[str, Any]], name: str) -> Iterable[dict[str, Any]]:
    return (each for each in found if str(each.get("@type", "")).endswith(f"google.rpc.{name}"))


def _reason(found: Iterable[dict[str, Any]]) -> str:
    return str(next((info.get("reason") for info in _of_type(found, "ErrorInfo")), ""))


def _error(kind: type[A2AError], message: str, found: Sequence[dict[str, Any]]) -> A2AError:
    metadata: dict[str, str] = {}
    for info in _of_type(found, "ErrorInfo"):
        told = info.get("metadata")
        if isinstance(told, dict):
            metadata |= {key: str(value) for key, value in told.items()}
    violations = []
    for bad in _of_type(found, "BadRequest"):
        for each in _details(bad.get("fieldViolations")):
            violation = Violation(str(each.get("field", "")), str(each.get("description", "")))
            violations.append(violation)
    return kind(message, metadata=metadata, violations=violations)
