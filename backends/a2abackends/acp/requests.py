"""What an agent may ask of its client, and what it is told when nobody is there to hear it. Pure.

Written for reading, like `wire`. Source: agentclientprotocol.com, schema/v1.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from attrs import frozen
from msgspec import Meta

from a2abackends.acp.connection import Refused
from a2abackends.acp.permissions import CANCELLED
from a2abackends.acp.wire import METHOD_NOT_FOUND, PermissionRequest, Shape
from a2acore.errors import InvalidParams

Count = Annotated[int, Meta(ge=0)]


class ReadFile(Shape, frozen=True):
    """fs/read_text_file; lines count from 1."""

    session_id: str
    path: str
    line: Count | None = None
    limit: Count | None = None


class WriteFile(Shape, frozen=True):
    """fs/write_text_file."""

    session_id: str
    path: str
    content: str


class Variable(Shape, frozen=True):
    """One of a command's environment."""

    name: str
    value: str


class CreateTerminal(Shape, frozen=True):
    """terminal/create; the limit is in bytes."""

    session_id: str
    command: str
    args: list[str] | None = None
    env: list[Variable] | None = None
    cwd: str | None = None
    output_byte_limit: Count | None = None


class OfTerminal(Shape, frozen=True):
    """What is asked of a terminal that is there."""

    session_id: str
    terminal_id: str


class TerminalOutput(OfTerminal, frozen=True):
    """terminal/output."""


class WaitForExit(OfTerminal, frozen=True):
    """terminal/wait_for_exit."""


class KillTerminal(OfTerminal, frozen=True):
    """terminal/kill."""


class ReleaseTerminal(OfTerminal, frozen=True):
    """terminal/release."""


class Elicitation(Shape, frozen=True):
    """elicitation/create: a form to fill in, or a page to open."""

    message: str
    mode: str = "form"
    session_id: str | None = None
    requested_schema: dict[str, Any] | None = None
    url: str | None = None
    elicitation_id: str | None = None
    tool_call_id: str | None = None
    meta: Any = msgspec.field(name="_meta", default=None)


class ElicitationComplete(Shape, frozen=True):
    """elicitation/complete: what was to be done on that page is done."""

    elicitation_id: str


Request = (
    PermissionRequest
    | Elicitation
    | ReadFile
    | WriteFile
    | CreateTerminal
    | TerminalOutput
    | WaitForExit
    | KillTerminal
    | ReleaseTerminal
)

CANCELLED_REQUEST = -32800
NOBODY = Refused(CANCELLED_REQUEST, "Withdrawn, or of no prompt that is on its way")
NOT_ELICITED: dict[str, Any] = {"action": "cancel"}


@frozen
class Kind:
    """A kind of request."""

    shape: type[Any]
    unheard: Any = NOBODY
    """What it is answered when it is withdrawn, or there is no turn that it belongs to."""
    offer: str = ""
    """Which of `Settings.offers` it belongs to; what belongs to none is always offered."""


KINDS = {
    "session/request_permission": Kind(PermissionRequest, CANCELLED),
    "elicitation/create": Kind(Elicitation, NOT_ELICITED),
    "fs/read_text_file": Kind(ReadFile, offer="files"),
    "fs/write_text_file": Kind(WriteFile, offer="files"),
    "terminal/create": Kind(CreateTerminal, offer="terminals"),
    "terminal/output": Kind(TerminalOutput, offer="terminals"),
    "terminal/wait_for_exit": Kind(WaitForExit, offer="terminals"),
    "terminal/kill": Kind(KillTerminal, offer="terminals"),
    "terminal/release": Kind(ReleaseTerminal, offer="terminals"),
}


def capabilities(offers: frozenset[str]) -> dict[str, Any]:
    """What we tell an agent that it may ask."""
    files = "files" in offers
    return {
        "fs": {"readTextFile": files, "writeTextFile": files},
        "terminal": "terminals" in offers,
        "elicitation": {"form": {}, "url": {}},
    }


def kind_of(method: str, offers: frozenset[str]) -> Kind:
    """The kind of a request.

    Raises:
        Refused: it is not offered.
    """
    kind = KINDS.get(method)
    if kind is None or (kind.offer and kind.offer not in offers):
        raise Refused(METHOD_NOT_FOUND, f"Method not found: {method}")
    return kind


def read(kind: Kind, params: msgspec.Raw) -> Any:
    """A request of that kind.

    Raises:
        Refused: it makes no sense.
    """
    try:
        return msgspec.json.decode(params, type=kind.shape)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Refused(InvalidParams.code, f"Invalid params: {error}") from error
