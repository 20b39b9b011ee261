"""What echo can do: one struct per step, in the shape in which a script spells it.

A step is chosen by `do`, the tag of its class. Unknown keys are errors, so that a typing mistake is
found when the script is read and not when a test mysteriously passes. The words of a prompt are
turned into these same steps, so there is one player for both.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from a2acore.backend import ToolKind
from a2acore.model import Metadata


class Spelled(Struct, frozen=True, forbid_unknown_fields=True):
    """Something that a script spells out."""


class Item(Spelled, frozen=True, tag_field="do"):
    """A step: `do` says which."""


# Things that steps are made of


class Piece(Spelled, frozen=True):
    """A part of an artifact or a message: exactly one of `text`, `raw` (base64), `url`, `data`."""

    text: str | None = None
    raw: bytes | None = None
    url: str | None = None
    data: Any | UnsetType = UNSET
    filename: str = ""
    media_type: str = ""
    metadata: Metadata | None = None

    def __post_init__(self) -> None:
        given = [self.text is not None, self.raw is not None, self.url is not None]
        if sum(given) + (self.data is not UNSET) != 1:
            raise ValueError("A part has exactly one of `text`, `raw`, `url` and `data`")


class Entry(Spelled, frozen=True):
    """One step of a plan."""

    content: str
    status: Literal["pending", "in_progress", "completed"] = "pending"
    priority: Literal["high", "medium", "low"] = "medium"


class Choice(Spelled, frozen=True):
    """One way to answer a permission."""

    id: str
    name: str
    kind: Literal["allow_once", "allow_always", "reject_once", "reject_always"]


# The steps


class Say(Item, frozen=True, tag="text"):
    """Say more of the answer; `{text}`, `{turn}` and `{answer}` in it are filled in."""

    text: str


class Think(Item, frozen=True, tag="thought"):
    """Think aloud."""

    text: str


class Produce(Item, frozen=True, tag="artifact"):
    """Produce an artifact, or a further piece of one. Without an id it gets the next number."""

    parts: tuple[Piece, ...]
    artifact_id: str = ""
    name: str = ""
    description: str = ""
    append: bool = False
    last: bool = True


class Change(Item, frozen=True, tag="diff"):
    """Tell of a change to a file; with `write`, make it, and `before` is what the file held."""

    path: str
    before: str | None = None
    after: str | None = None
    write: Literal["no", "replace", "append"] = "no"

    def __post_init__(self) -> None:
        if self.write != "no" and self.before is not None:
            raise ValueError("`before` is read from the file when `write` is set")
        if self.write == "append" and self.after is None:
            raise ValueError('`after` is needed: the text that `write = "append"` adds')


class UseTool(Item, frozen=True, tag="tool"):
    """Use a tool: pending, in progress, its changes to files, and how it ended."""

    title: str
    name: str = ""
    kind: ToolKind = "other"
    input: Any = None
    output: str = ""
    exit_code: int | None = None
    status: Literal["completed", "failed"] = "completed"
    changes: tuple[Change, ...] = ()


class SetPlan(Item, frozen=True, tag="plan"):
    """Set the whole plan."""

    entries: tuple[Entry, ...]


class Spend(Item, frozen=True, tag="usage"):
    """Say what the turn has used, in place of the usual estimate."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    thought_tokens: int | None = None
    total_tokens: int | None = None
    cost: float | None = None
    currency: str = ""
    model: str = ""


class Tell(Item, frozen=True, tag="notice"):
    """Tell the caller something beside the answer."""

    text: str
    kind: str = "info"
    data: Metadata = {}


class AskPermission(Item, frozen=True, tag="permission"):
    """Ask for permission to use a tool, and use it when allowed."""

    tool: UseTool
    description: str = ""
    options: tuple[Choice, ...] = (
        Choice("allow", "Allow", "allow_once"),
        Choice("reject", "Reject", "reject_once"),
    )
    cwd: str = ""
    env: dict[str, str] = {}
    on_allow: tuple[Step, ...] = ()
    on_deny: tuple[Step, ...] = ()


class AskQuestion(Item, frozen=True, tag="question"):
    """Ask the caller something."""

    text: str
    choices: tuple[str, ...] = ()
    schema: Metadata | None = None


class AskCredential(Item, frozen=True, tag="credential"):
    """Ask to be let in somewhere."""

    text: str


class Wait(Item, frozen=True, tag="wait"):
    """Wait for some seconds."""

    seconds: Annotated[float, Meta(ge=0)]


class Fail(Item, frozen=True, tag="fail"):
    """Fail: the task is FAILED, and says this."""

    text: str


class Refuse(Item, frozen=True, tag="refuse"):
    """Refuse: the task is REJECTED, and says this."""

    text: str


class Crash(Item, frozen=True, tag="crash"):
    """Raise what no backend should raise."""

    text: str = "echo crashed, as asked"


class End(Item, frozen=True, tag="end"):
    """End the turn here, with the agent's own stop reason."""

    reason: str = ""


Step = (
    Say
    | Think
    | Produce
    | Change
    | UseTool
    | SetPlan
    | Spend
    | Tell
    | AskPermission
    | AskQuestion
    | AskCredential
    | Wait
    | Fail
    | Refuse
    | Crash
    | End
)


class Reply(Item, frozen=True, tag="message"):
    """Answer with a mere message, without a task. Not a step among others: a rule's only one."""

    parts: tuple[Piece, ...]
