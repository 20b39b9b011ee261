"""The port behind which a coding agent sits.

A backend drives one kind of agent. It is opened once per server, and runs one turn per call of
`run`: what the agent does it passes to `turn.say`, what the agent needs to know it gets from
`turn.ask`. It never sees A2A's wire, and nothing outside it sees the agent's.

    class Shout:
        info = AgentInfo(name="Shout", description="Says it louder.")

        async def run(self, turn: Turn) -> str | None:
            turn.say(Text(turn.text.upper()))
            return None

How a turn ends is how `run` ends: it returns (the task is COMPLETED), it raises (FAILED, or what
the exception says), or it is cancelled (CANCELED). A backend that needs to stop something in the
agent does so in its own `finally`, briefly and bounded.

Paths are absolute or relative to `turn.workspace`; texts are Unicode; amounts of money carry their
currency.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal, NoReturn, Protocol

from attrs import field, frozen
from msgspec import Struct

from a2acore.model import AgentSkill, Artifact, Message, Metadata, Part, Task

# What an agent does


class Text(Struct, frozen=True, gc=False):
    """A further piece of the answer."""

    text: str


class Thought(Struct, frozen=True, gc=False):
    """A further piece of the agent's thinking."""

    text: str


ToolKind = Literal[
    "read", "edit", "delete", "move", "search", "execute", "think", "fetch", "switch_mode", "other"
]
ToolStatus = Literal["pending", "in_progress", "completed", "failed", "cancelled"]


@frozen
class Location:
    """A place in a file; lines count from 1."""

    path: str
    line: int | None = None


@frozen
class ToolCall:
    """A tool that the agent uses: everything known of it so far.

    Said again with the same `id` whenever more is known; the last word counts.
    """

    id: str
    title: str = ""
    name: str = ""
    kind: ToolKind = "other"
    status: ToolStatus = "pending"
    input: Any = None
    """What the tool was given, as the agent reports it: any JSON."""
    locations: tuple[Location, ...] = ()
    output: str = ""
    """What came out of it, as text."""
    exit_code: int | None = None


@frozen
class FileChange:
    """What became of one file, as whole texts; `None` is a file that does not exist.

    Said again for the same path when the file changes again; `before` of the first counts, and
    `after` of the last. `None` on both sides with `binary` set: it changed, and is no text.
    """

    path: str
    before: str | None
    after: str | None
    binary: bool = False
    moved_from: str = ""
    """The path that the file had before, if it was moved."""


@frozen
class PlanEntry:
    """One step of a plan."""

    content: str
    status: Literal["pending", "in_progress", "completed"] = "pending"
    priority: Literal["high", "medium", "low"] = "medium"


@frozen
class Plan:
    """The whole plan; it replaces the one said before."""

    entries: tuple[PlanEntry, ...]


@frozen
class Usage:
    """What the turn has used so far, whole; it replaces what was said before.

    Tokens are counts of this turn; `cost` is of this turn too, in `currency` (ISO 4217).
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    thought_tokens: int | None = None
    total_tokens: int | None = None
    cost: float | None = None
    currency: str = ""
    model: str = ""
    turns: int | None = None
    """How often the agent has asked its model."""


@frozen
class Notice:
    """Something the caller should know: a title, a mode, what could not be done as asked."""

    text: str
    kind: str = "info"
    data: Metadata = field(factory=dict)


@frozen
class Output:
    """An artifact of the backend's own making, with the flags of an artifact update."""

    artifact: Artifact
    append: bool = False
    last: bool = True


Saying = Text | Thought | ToolCall | FileChange | Plan | Usage | Notice | Output

# What an agent asks


@frozen
class Option:
    """One way to answer a permission."""

    id: str
    name: str
    kind: Literal["allow_once", "allow_always", "reject_once", "reject_always"]


@frozen
class Permission:
    """May the agent do this? `tool` holds everything known of it."""

    tool: ToolCall
    options: tuple[Option, ...] = ()
    description: str = ""
    """Words of the agent's own about it; shown as such."""
    changes: tuple[FileChange, ...] = ()
    """What it would do to files."""
    cwd: str = ""
    env: Mapping[str, str] = field(factory=dict)
    routine: bool = False
    """Harmless enough to be allowed without a question, where no rule of the server's says
    otherwise: to read a file of the workspace, say."""


@frozen
class Question:
    """What does the caller want? `choices` are suggestions; a JSON `schema` asks for data."""

    text: str
    choices: tuple[str, ...] = ()
    schema: Metadata | None = None


@frozen
class Credential:
    """The agent needs to be let in somewhere, out of band. The task is AUTH_REQUIRED meanwhile."""

    text: str
    url: str = ""
    """Where the caller does it, if not where the agent runs."""


Asking = Permission | Question | Credential


@frozen
class Answer:
    """What the caller said to an `Asking`.

    `allowed` is the verdict on a permission; on a question or a credential it is false where the
    caller declines. `option` is what the caller picked by its id; without it, take one of the
    verdict's kind, one that counts once before one that sticks. `words` are the caller's own;
    `data` is what came as data, and where a schema was given, it fits.
    """

    allowed: bool
    option: Option | None = None
    words: str = ""
    data: Any = None


# How a turn can end badly


class BackendError(Exception):
    """The turn did not go well, in a way that the caller is told. `str(error)` is for a person."""

    stop_reason = "error"

    def __init__(self, message: str, *, stop_reason: str = "") -> None:
        super().__init__(message)
        if stop_reason:
            self.stop_reason = stop_reason


class AgentFailed(BackendError):
    """The agent broke, or broke off. The task is FAILED."""

    stop_reason = "crashed"


class AgentRefused(BackendError):
    """The agent will not do it. The task is REJECTED."""

    stop_reason = "refusal"


# The port

SANDBOXES = ("read-only", "workspace-write", "full")


@frozen
class Choices:
    """How the agent is to work, in its own words; what is empty is left to the agent."""

    model: str = ""
    mode: str = ""
    effort: str = ""
    sandbox: str = ""
    """One of `SANDBOXES`."""


class Turn(Protocol):
    """One prompt and the work on it, as a backend sees it."""

    @property
    def task_id(self) -> str: ...
    @property
    def context_id(self) -> str: ...
    @property
    def message(self) -> Message: ...
    @property
    def workspace(self) -> Path: ...

    @property
    def conversation(self) -> str:
        """The key of what belongs to this conversation: one for each caller and context.

        Callers choose context ids as they like, so one caller's is no other's.
        """
        ...

    @property
    def choices(self) -> Choices:
        """What this request chooses, of what `AgentInfo.choices` names. It goes before
        `Settings`."""
        ...

    @property
    def references(self) -> Sequence[Task]:
        """The tasks that the message refers to, as they stand: their results are to be known."""
        ...

    @property
    def session(self) -> Metadata | None:
        """What `keep_session` was given last in this conversation, also before a restart."""
        ...

    def keep_session(self, session: Metadata | None) -> None:
        """Keep what is needed to find the agent's own session again: a small JSON object.

        To be called the moment that the session exists: a turn may end at any time.
        """
        ...

    @property
    def metadata(self) -> Metadata:
        """What came with the request, beside the message."""
        ...

    @property
    def text(self) -> str:
        """The message's text parts, one below the other."""
        ...

    def say(self, saying: Saying) -> None:
        """Tell the caller what the agent does. Never waits; what is said after the end is lost.

        While the caller is asked something it is kept back, and told in short behind the answer.
        """
        ...

    async def ask(self, asking: Asking) -> Answer:
        """Ask the caller, and wait for the answer as long as it takes.

        Several may ask at once: each is shown in its turn. Cancelling it withdraws the question.
        In a turn that is over, or is being cancelled, nobody is asked: the answer is no.
        """
        ...


@frozen
class AgentInfo:
    """What the card says of the agent."""

    name: str
    description: str
    version: str = ""
    skills: tuple[AgentSkill, ...] = ()
    input_modes: tuple[str, ...] = ("text/plain",)
    output_modes: tuple[str, ...] = ("text/plain", "text/x-diff", "application/json")
    choices: frozenset[str] = frozenset()
    """The fields of `Choices` that may be chosen with a request; any other is refused."""


class Backend(Protocol):
    """One kind of agent, ready to work. Several turns may run at once, one per context."""

    @property
    def info(self) -> AgentInfo: ...

    async def run(self, turn: Turn) -> str | None:
        """Do the work of one turn and return the agent's own stop reason, if it gave one.

        Returns when the agent is done with the turn. Raises `BackendError` when it ended badly;
        anything else that it raises is a bug, and fails the task as one. Cancelled when the caller
        cancels the task: then the agent is told to stop, and `run` ends within a second.
        """
        ...


class Replying(Protocol):
    """A backend that may answer a first message with a mere message, without a task."""

    def reply(self, message: Message, conversation: str) -> tuple[Part, ...] | None:
        """The parts of that message, or `None` to make a task of it. Called once per message.

        `conversation` is what the turn's would be; it is empty for a message that opens a context.
        """
        ...


class Resuming(Protocol):
    """A backend that may go on with a turn that waited for its caller when the server ended."""

    async def resume(self, turn: Turn) -> str | None:
        """Go on with such a turn, as `run` would have; called in its place.

        Nothing came of what was asked, and `turn.session` is all that is left: the agent finds its
        session again and is told that it was interrupted, so that it asks once more. The answer
        that never came is not guessed, and nothing that was done before is done again.

        Raises:
            AgentFailed: with `stop_reason="interrupted"`: the session cannot be found again.
        """
        ...


# How a backend is found and opened


@frozen
class McpServer:
    """A server of tools that the agent is to use: a command, or a URL of an `http` or `sse` one."""

    name: str
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(factory=dict, repr=False)
    url: str = ""
    transport: Literal["stdio", "http", "sse"] = "stdio"
    headers: Mapping[str, str] = field(factory=dict, repr=False)


@frozen
class Settings:
    """How a backend is to be opened; each takes what concerns it and refuses what it cannot do."""

    workspace: Path
    agent: str = ""
    """The name of a preset."""
    command: tuple[str, ...] = ()
    """The agent's command line, in place of a preset."""
    script: Path | None = None
    environment: Mapping[str, str] | None = None
    """All of the agent's environment; `None` is what it needs of this process's own."""
    variables: tuple[str, ...] = ()
    """What else it gets of this process's own, by name: `NAME`, `PREFIX*`, or `NAME=` for one that
    it does not get."""
    choices: Choices = Choices()
    """What holds where a request chooses nothing."""
    mcp_servers: tuple[McpServer, ...] = ()
    offers: frozenset[Literal["files", "terminals"]] = frozenset()
    """What the agent may do through us, each time asked for, beside what it can do by itself."""
    writable: tuple[Path, ...] = ()
    """Where the agent may write in a sandbox, beside the workspace."""
    hidden: tuple[Path, ...] = ()
    """What the agent does not see in a sandbox: files and folders."""
    rlimits: Mapping[str, int] = field(factory=dict)
    """What each process of the agent may have: `cpu` in seconds, `memory` and `file-size` in MiB,
    `open-files`, `processes` of this user."""


class BadSettings(ValueError):
    """A backend cannot be opened as asked. One line: what is wrong, and what would be right."""


@frozen
class Finding:
    """One thing that was looked at: one line, and one on what to do if it is not well."""

    well: bool
    what: str
    advice: str = ""


@frozen
class BackendKind:
    """A kind of backend: what the entry point of the group `a2acore.backends` names."""

    name: str
    summary: str
    needs: str
    """What has to be there for it to work, in a few words."""
    open: Callable[[Settings], AbstractAsyncContextManager[Backend]]
    """Opens it. Raises `BadSettings` before anything is started."""
    examine: Callable[[Settings], Awaitable[Sequence[Finding]]] | None = None
    """Looks whether it would work as asked, by trying: for `a2acode doctor`. Never raises."""


GROUP = "a2acore.backends"
"""The entry points through which backends are found, ours and those of strangers."""


def find_backend(name: str) -> BackendKind | None:
    """The installed backend of a name. No other is loaded if it is called as its entry point is."""
    for point in entry_points(group=GROUP, name=name):
        with suppress(Exception):  # what is wrong with it, `find_backends` tells
            kind = point.load()
            if isinstance(kind, BackendKind) and kind.name == name:
                return kind
    return find_backends().get(name)


def find_backends() -> dict[str, BackendKind]:
    """Every backend that is installed, by name; ours are found by the same door as a stranger's.

    One that cannot be loaded is there all the same: its summary says why, and opening it raises
    `BadSettings`. It never takes the name of one that can.
    """
    whole: dict[str, BackendKind] = {}
    broken: dict[str, BackendKind] = {}
    for point in entry_points(group=GROUP):
        try:
            kind = point.load()
            if not isinstance(kind, BackendKind):
                raise TypeError(f"{point.value} is no BackendKind")
            whole[kind.name] = kind
        except Exception as error:  # a stranger's module may raise anything
            broken[point.name] = _broken(point.name, error)
    return dict(sorted((broken | whole).items()))


def _broken(name: str, error: Exception) -> BackendKind:
    why = " ".join(f"{type(error).__name__}: {error}".split())

    def refuse(settings: Settings) -> NoReturn:
        raise BadSettings(f"the backend {name} cannot be loaded ({why}); repair its package")

    return BackendKind(name, f"cannot be loaded: {why}", "its package repaired", refuse)
