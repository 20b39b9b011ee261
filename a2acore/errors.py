"""Everything that a caller can be told is wrong.

    A2AError
    ├── ProtocolError                  the request itself (JSON-RPC 2.0 codes)
    │   ├── ParseError                 -32700  not JSON
    │   ├── InvalidRequest             -32600  JSON, but no request
    │   ├── MethodNotFound             -32601  no such method or route
    │   ├── InvalidParams              -32602  params do not fit, with the violations
    │   └── InternalError              -32603  our fault
    │       ├── ServerStopping         -32603  no new work is taken (HTTP 503)
    │       ├── StoreTrouble           -32603  nothing can be kept (HTTP 503)
    │       └── TooBusy                -32603  a bound is reached (HTTP 429)
    ├── Forbidden                      -32043  the caller may not do this (HTTP 403)
    ├── TaskNotFound                   -32001
    ├── TaskNotCancelable              -32002
    ├── PushNotificationNotSupported   -32003
    ├── UnsupportedOperation           -32004
    ├── ContentTypeNotSupported        -32005
    ├── InvalidAgentResponse           -32006
    ├── ExtendedAgentCardNotConfigured -32007
    ├── ExtensionSupportRequired       -32008
    └── VersionNotSupported            -32009

A class carries its numbers on every line and binding; an instance carries the message and what was
wrong where. What an agent does wrong is not here: then the task fails, and says so (see
`a2acore.backend`). Sources: A2A 1.0.1 section 5.4, A2A 0.3.0 section 8, JSON-RPC 2.0 section 5.1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple


class Violation(NamedTuple):
    """One thing wrong with a request: the path of the field, and what would be right."""

    field: str
    description: str


class A2AError(Exception):
    """A request that cannot be served, and why.

    `message` is for a person; `metadata` (strings to strings) and `violations` are for a program.
    """

    code: ClassVar[int]
    """JSON-RPC error code."""
    code_03: ClassVar[int | None] = None
    """JSON-RPC error code on line 0.3, where it differs."""
    reason: ClassVar[str]
    """`ErrorInfo.reason`."""
    status: ClassVar[int] = 400
    """HTTP status on line 1.0."""
    status_03: ClassVar[int] = 400
    """HTTP status on line 0.3."""
    grpc: ClassVar[str] = "FAILED_PRECONDITION"
    """The name of the gRPC status, which HTTP+JSON errors of line 1.0 carry."""
    name: ClassVar[str]
    """The specification's name."""
    default: ClassVar[str]
    """The message when nothing better is known."""
    retry_after: int | None = None
    """Seconds after which the same request may fare better, if that is only a matter of time."""

    def __init__(
        self,
        message: str = "",
        *,
        metadata: Mapping[str, str] | None = None,
        violations: Sequence[Violation] = (),
    ) -> None:
        self.message = message or self.default
        self.metadata = dict(metadata or {})
        self.violations = tuple(violations)
        super().__init__(self.message)


class ProtocolError(A2AError):
    """The request itself is wrong."""

    grpc = "INVALID_ARGUMENT"


class ParseError(ProtocolError):
    """The body is not JSON."""

    code, reason, name = -32700, "PARSE_ERROR", "JSONParseError"
    default = "Invalid JSON payload"


class InvalidRequest(ProtocolError):
    """The body is JSON but not a request."""

    code, reason, name = -32600, "INVALID_REQUEST", "InvalidRequestError"
    default = "Request payload validation error"


class MethodNotFound(ProtocolError):
    """There is no such method, or no such route."""

    code, reason, name = -32601, "METHOD_NOT_FOUND", "MethodNotFoundError"
    status = status_03 = 404
    grpc = "NOT_FOUND"
    default = "Method not found"


class InvalidParams(ProtocolError):
    """The parameters do not fit the operation."""

    code, reason, name = -32602, "INVALID_PARAMS", "InvalidParamsError"
    default = "Invalid parameters"

    @classmethod
    def at(cls, field: str, description: str) -> InvalidParams:
        """One field is wrong: its path, and what would be right."""
        return cls(
            f"Invalid parameters: {field} {description}", violations=[Violation(field, description)]
        )


class InternalError(ProtocolError):
    """Something here is broken; the log knows what."""

    code, reason, name = -32603, "INTERNAL_ERROR", "InternalError"
    status = status_03 = 500
    grpc = "INTERNAL"
    default = "Internal error"


class ServerStopping(InternalError):
    """The server is about to stop and takes no new work."""

    reason = "UNAVAILABLE"
    status = status_03 = 503
    grpc = "UNAVAILABLE"
    default = "The server is stopping and takes no new tasks"
    retry_after = 5


class StoreTrouble(InternalError):
    """Nothing can be kept at this moment: no room, no right, or somebody else holds the file."""

    reason = "UNAVAILABLE"
    status = status_03 = 503
    grpc = "UNAVAILABLE"
    default = "The server cannot keep anything at this moment; what it has kept can be read"
    retry_after = 5


class TooBusy(InternalError):
    """A bound on how much may wait or run is reached."""

    reason = "RESOURCE_EXHAUSTED"
    status = status_03 = 429
    grpc = "RESOURCE_EXHAUSTED"
    default = "Too much is waiting already; try again later"

    retry_after = 5
    """Seconds after which it is worth another try."""

    @classmethod
    def for_now(cls, message: str, retry_after: int) -> TooBusy:
        """It is over in so many seconds."""
        error = cls(message)
        error.retry_after = retry_after
        return error


class Forbidden(A2AError):
    """The caller is known, and may not do this, whatever it is about.

    "The server MUST return an authorization error" (A2A 1.0.1 section 3.3.2), which has no code in
    either line: this one is ours, in the range that JSON-RPC leaves to servers.
    """

    code, reason, name = -32043, "FORBIDDEN", "ForbiddenError"
    status = status_03 = 403
    grpc = "PERMISSION_DENIED"
    default = "You may not do this"


class TaskNotFound(A2AError):
    """No such task, or none that this caller may see."""

    code, reason, name = -32001, "TASK_NOT_FOUND", "TaskNotFoundError"
    status = status_03 = 404
    grpc = "NOT_FOUND"
    default = "Task not found"


class TaskNotCancelable(A2AError):
    """The task has already ended."""

    code, reason, name = -32002, "TASK_NOT_CANCELABLE", "TaskNotCancelableError"
    status_03 = 409
    default = "Task cannot be canceled"


class PushNotificationNotSupported(A2AError):
    """This server posts to no webhooks."""

    code, reason, name = (
        -32003,
        "PUSH_NOTIFICATION_NOT_SUPPORTED",
        "PushNotificationNotSupportedError",
    )
    status_03 = 501
    default = "Push Notification is not supported"


class UnsupportedOperation(A2AError):
    """The operation is known, but not possible: here, or in the state that the task is in."""

    code, reason, name = -32004, "UNSUPPORTED_OPERATION", "UnsupportedOperationError"
    default = "This operation is not supported"


class CapabilityOff(UnsupportedOperation):
    """The operation needs a capability that the card does not declare."""

    status_03 = 501


class ContentTypeNotSupported(A2AError):
    """A part has a media type that the agent does not take."""

    code, reason, name = -32005, "CONTENT_TYPE_NOT_SUPPORTED", "ContentTypeNotSupportedError"
    status_03 = 415
    grpc = "INVALID_ARGUMENT"
    default = "Incompatible content types"


class InvalidAgentResponse(A2AError):
    """The agent behind us produced something that the protocol cannot carry."""

    code, reason, name = -32006, "INVALID_AGENT_RESPONSE", "InvalidAgentResponseError"
    status, status_03 = 500, 502
    grpc = "INTERNAL"
    default = "Invalid agent response"


class ExtendedAgentCardNotConfigured(A2AError):
    """The card promises an extended card, and there is none."""

    code, reason, name = (
        -32007,
        "EXTENDED_AGENT_CARD_NOT_CONFIGURED",
        "ExtendedAgentCardNotConfiguredError",
    )
    status_03 = 404
    default = "Authenticated Extended Card is not configured"


class ExtendedAgentCardOff(CapabilityOff):
    """The card declares no extended card: its own code on 0.3, an unsupported operation on 1.0."""

    code_03 = -32007
    status_03 = 404
    default = "This agent has no extended card"


class ExtensionSupportRequired(A2AError):
    """The caller did not activate an extension that the agent requires."""

    code, reason, name = -32008, "EXTENSION_SUPPORT_REQUIRED", "ExtensionSupportRequiredError"
    code_03 = -32004
    default = "A required extension was not activated"


class VersionNotSupported(A2AError):
    """The caller asked for a protocol version that is not spoken here."""

    code, reason, name = -32009, "VERSION_NOT_SUPPORTED", "VersionNotSupportedError"
    default = "Protocol version not supported"
