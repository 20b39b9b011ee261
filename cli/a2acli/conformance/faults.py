"""Refusals: the errors of A2A by name, and how an answer is read as one of them."""

from __future__ import annotations

from typing import Any, NamedTuple

from attrs import frozen

from a2acli.conformance.verdict import Failed, shown

DOMAIN = "a2a-protocol.org"
ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"


class Kind(NamedTuple):
    """The numbers of an error."""

    code: int
    reason: str
    statuses: frozenset[int]
    """On HTTP+JSON of 1.0; where 1.0.0 and 1.0.1 differ, those of both."""
    old: frozenset[int]
    """On HTTP+JSON of 0.3, which says only that they are to fit."""


def _kind(code: int, reason: str, statuses: set[int], old: set[int]) -> Kind:
    return Kind(code, reason, frozenset(statuses), frozenset(old))


KINDS = {
    "TaskNotFound": _kind(-32001, "TASK_NOT_FOUND", {404}, {404}),
    "TaskNotCancelable": _kind(-32002, "TASK_NOT_CANCELABLE", {400, 409}, {400, 409}),
    "PushNotificationNotSupported": _kind(
        -32003, "PUSH_NOTIFICATION_NOT_SUPPORTED", {400}, {400, 404, 405, 501}
    ),
    "UnsupportedOperation": _kind(
        -32004, "UNSUPPORTED_OPERATION", {400}, {400, 404, 405, 409, 501}
    ),
    "ContentTypeNotSupported": _kind(-32005, "CONTENT_TYPE_NOT_SUPPORTED", {400, 415}, {400, 415}),
    "InvalidAgentResponse": _kind(-32006, "INVALID_AGENT_RESPONSE", {500, 502}, {500, 502}),
    "ExtendedCardNotConfigured": _kind(
        -32007, "EXTENDED_AGENT_CARD_NOT_CONFIGURED", {400}, {400, 404, 501}
    ),
    "ExtensionSupportRequired": _kind(-32008, "EXTENSION_SUPPORT_REQUIRED", {400}, {400}),
    "VersionNotSupported": _kind(-32009, "VERSION_NOT_SUPPORTED", {400}, {400}),
}
"""The errors of A2A."""

STANDARD = {
    "ParseError": _kind(-32700, "", {400}, {400}),
    "InvalidRequest": _kind(-32600, "", {400}, {400}),
    "MethodNotFound": _kind(-32601, "", {404, 405}, {404, 405, 501}),
    "InvalidParams": _kind(-32602, "", {400}, {400, 422}),
    "InternalError": _kind(-32603, "", {500}, {500}),
}
"""The errors of JSON-RPC."""

ALL = KINDS | STANDARD
BY_CODE = {kind.code: name for name, kind in ALL.items()}
BY_REASON = {kind.reason: name for name, kind in KINDS.items()}
_OTHER_NAMES = {
    "AuthenticatedExtendedCardNotConfigured": "ExtendedCardNotConfigured",
    "ExtendedAgentCardNotConfigured": "ExtendedCardNotConfigured",
    "JSONParse": "ParseError",
    "Internal": "InternalError",
}


@frozen
class Refusal:
    """An error as it was told."""

    old: bool
    rpc: bool
    status: int
    """That of HTTP."""
    code: Any
    """That of JSON-RPC; on HTTP+JSON, what `error.code` says."""
    message: Any
    details: Any
    document: Any

    @property
    def name(self) -> str:
        """Which error it says to be; empty when it does not say."""
        if self.rpc:
            return BY_CODE.get(self.code, "") if isinstance(self.code, int) else ""
        if not self.old:
            return BY_REASON.get(str(self.info.get("reason")), "")
        if isinstance(self.document, dict):
            if isinstance(self.code, int) and self.code in BY_CODE:
                return BY_CODE[self.code]
            for member in ("type", "error"):
                said = str(self.document.get(member)).removesuffix("Error")
                said = _OTHER_NAMES.get(said, said)
                for name in (said, f"{said}Error"):
                    if name in ALL:
                        return name
        return ""

    @property
    def info(self) -> dict[str, Any]:
        """The ErrorInfo among the details; empty without one."""
        for each in self.details if isinstance(self.details, list) else ():
            if isinstance(each, dict) and each.get("@type") == ERROR_INFO:
                return each
        return {}

    def is_a(self, *names: str) -> bool:
        """Whether it is one of these errors: by what it says, else by a status that fits."""
        if self.rpc or self.name in KINDS:
            return self.name in names
        return any(
            self.status in (ALL[name].old if self.old else ALL[name].statuses) for name in names
        )

    def __str__(self) -> str:
        told = self.name or "an error" if self.rpc else self.name or shown(self.message)
        return f"{told} ({self.code if self.rpc else f'HTTP {self.status}'})"


def read(document: Any, status: int, *, rpc: bool, old: bool) -> Refusal:
    """Read what was answered as an error.

    Raises:
        Failed: it is none.
    """
    if rpc:
        error = document.get("error") if isinstance(document, dict) else None
        if not isinstance(error, dict):
            raise Failed(f"no error, but {shown(document)}")
        return Refusal(
            old, True, status, error.get("code"), error.get("message"), error.get("data"), document
        )
    if status < 400:
        raise Failed(f"no error, but HTTP {status} {shown(document)}")
    error = document.get("error") if isinstance(document, dict) else None
    inside = error if isinstance(error, dict) else document if isinstance(document, dict) else {}
    return Refusal(
        old,
        False,
        status,
        inside.get("code"),
        inside.get("message"),
        inside.get("details", inside.get("data")),
        document,
    )
