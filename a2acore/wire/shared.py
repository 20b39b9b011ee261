"""The JSON-RPC methods of codex-a2a and opencode-a2a that answer what an agent asks, and list it.

They belong to no line of the protocol. Their codes are also A2A's own, for other errors: a caller
tells them apart by the reason.

Source: codex-a2a 1.4.0 and opencode-a2a 1.4.0, extensions "interactive-interrupt:v1" and
"interrupt-recovery:v1".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Raw, Struct

from a2acore import jsonrpc
from a2acore.errors import A2AError, InvalidParams, Violation
from a2acore.jsonrpc import RpcId
from a2acore.wire import text, v03, v10
from a2acore.wire.v10.refusals import ErrorInfo

Kind = Literal["permission", "question", "permissions", "elicitation"]
"""The types of what can be asked there. Nothing here asks for `permissions`."""

Filled = Annotated[str, Meta(min_length=1)]

# What is asked for


class Params(Struct, frozen=True):
    """The params of a method. Members that are not known are ignored."""


class PermissionReply(Params, frozen=True):
    """May the agent do it?"""

    request_id: Filled
    reply: Literal["once", "always", "reject"]
    message: str | None = None


class QuestionReply(Params, frozen=True):
    """The answers to each question, in their order."""

    request_id: Filled
    answers: tuple[tuple[str, ...], ...]


class QuestionReject(Params, frozen=True):
    """The caller does not answer."""

    request_id: Filled


class PermissionsReply(Params, frozen=True):
    """What Codex may do from now on."""

    request_id: Filled
    permissions: Mapping[str, Any]
    scope: Literal["turn", "session"] | None = None


class ElicitationReply(Params, frozen=True):
    """What fills a form, or that it stays empty."""

    request_id: Filled
    action: Literal["accept", "decline", "cancel"]
    content: Any = None


class ListAsked(Params, frozen=True):
    """What waits for the caller, of one type or of all."""

    type: Kind | None = None


class ListPermissions(Params, frozen=True):
    """The permissions that wait for the caller."""

    type: Literal["permission"] = "permission"


class ListQuestions(Params, frozen=True):
    """The questions that wait for the caller."""

    type: Literal["question"] = "question"


Reply = PermissionReply | QuestionReply | QuestionReject | PermissionsReply | ElicitationReply
Listing = ListAsked | ListPermissions | ListQuestions

ANSWERS: Mapping[type[Params], Kind] = {
    PermissionReply: "permission",
    QuestionReply: "question",
    QuestionReject: "question",
    PermissionsReply: "permissions",
    ElicitationReply: "elicitation",
}
"""The type of what each reply answers."""

METHODS: Mapping[str, type[Reply | Listing]] = {
    "a2a.interrupt.permission.reply": PermissionReply,
    "a2a.interrupt.question.reply": QuestionReply,
    "a2a.interrupt.question.reject": QuestionReject,
    "a2a.interrupt.permissions.reply": PermissionsReply,
    "a2a.interrupt.elicitation.reply": ElicitationReply,
    "codex.interrupts.list": ListAsked,
    "opencode.permissions.list": ListPermissions,
    "opencode.questions.list": ListQuestions,
}

REPLIES: Mapping[str, str] = {
    "reply_permission": "a2a.interrupt.permission.reply",
    "reply_question": "a2a.interrupt.question.reply",
    "reject_question": "a2a.interrupt.question.reject",
    "reply_permissions": "a2a.interrupt.permissions.reply",
    "reply_elicitation": "a2a.interrupt.elicitation.reply",
}
"""What the card calls the methods that answer."""

LISTS: Mapping[str, Mapping[str, str]] = {
    "codex-a2a": {"list": "codex.interrupts.list"},
    "opencode-a2a": {
        "list_permissions": "opencode.permissions.list",
        "list_questions": "opencode.questions.list",
    },
}
"""What the card calls the methods that list, by whose they are."""

# What is wrong


class InterruptError(A2AError):
    """An error of theirs. `metadata` is keyed as they key it on line 0.3."""

    status = status_03 = 404

    def __init__(self, request_id: str, **more: str) -> None:
        super().__init__(metadata={"request_id": request_id, **more})


class InterruptNotFound(InterruptError):
    """Nothing is asked under this id: never, no more, or not of this caller."""

    code, reason, name = -32004, "INTERRUPT_REQUEST_NOT_FOUND", "InterruptNotFoundError"
    default = "Interrupt request not found"


class InterruptExpired(InterruptError):
    """Nobody answered in time. It is known for as long as the task goes on."""

    # opencode-a2a says -32007, which codex-a2a says of something else.
    code, reason, name = -32010, "INTERRUPT_REQUEST_EXPIRED", "InterruptExpiredError"
    default = "Interrupt request expired"


class InterruptTypeMismatch(InterruptError):
    """Something else is asked under this id; it stays asked."""

    code, reason, name = -32008, "INTERRUPT_TYPE_MISMATCH", "InterruptTypeMismatchError"
    default = "Interrupt callback type mismatch"


ERRORS: Sequence[type[InterruptError]] = (
    InterruptNotFound,
    InterruptExpired,
    InterruptTypeMismatch,
)

# Reading and writing

T = TypeVar("T", bound=Params)


def read(method: str, params: Raw) -> Reply | Listing:
    """Read the params of one of `METHODS`.

    Raises:
        InvalidParams: they do not fit.
        ParseError: there is something in them that is not JSON.
    """
    said = bytes(params)
    decoder = msgspec.json.Decoder(METHODS[method])
    try:
        return text.decode(b"{}" if said in (b"", b"null") else said, decoder)
    except msgspec.ValidationError as exc:
        what, _, where = str(exc).partition(" - at ")
        field = where.strip("`").removeprefix("$.")
        wrong = Violation(field, what)
        raise InvalidParams(f"Invalid parameters: {exc}", violations=[wrong]) from exc


def answered(id: RpcId, request_id: str) -> bytes:
    """Say that an answer was taken."""
    return jsonrpc.response(id, {"ok": True, "request_id": request_id})


def listed(id: RpcId, items: Sequence[Mapping[str, Any]]) -> bytes:
    """Tell what is asked."""
    return jsonrpc.response(id, {"items": items})


def refusal(id: RpcId, line: str, error: A2AError) -> bytes:
    """Say what is wrong, on a line; an error of theirs in their form."""
    if not isinstance(error, InterruptError):
        dialect = v03.JsonRpc(id) if line == v03.VERSION else v10.JsonRpc(id)
        return dialect.refusal(error)
    if line == v03.VERSION:
        data = {"type": error.reason, **error.metadata}
        return jsonrpc.failure(id, error.code, error.message, data)
    camel = {_camel(name): value for name, value in error.metadata.items()}
    details = ErrorInfo(error.reason, metadata=camel)
    return jsonrpc.failure(id, error.code, error.message, [details])


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.title() for word in rest)
