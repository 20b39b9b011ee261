"""The port behind which tasks are kept.

A task is kept as a log: what its caller said and what came of it, in order. The record is what
that log amounts to; nobody is told of anything that is not in the log yet.

Rule 1: what is written is given, never awaited. What is given without a checkpoint between is kept
    together or not at all, and in the order in which it was given.
Rule 2: `told` is called when it is kept, on trio's thread, in the same order: at once, or later.
    What was given in a row with an equal `told` may be told in one call.
Rule 3: who promises something to somebody waits for `settle` first.
Rule 4: reading never waits for what is being written, and tells of nothing that is not kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from attrs import frozen

from a2acore.backend import Choices
from a2acore.lifecycle import Record
from a2acore.model import Message, Metadata, Task, TaskState
from a2acore.push.port import Webhooks
from a2acore.work import Written

Item: TypeAlias = Message | Written
"""A line of a task's log: what its caller said, or an event. Events alone are numbered."""
Told: TypeAlias = Callable[[Sequence[Item]], None]
"""Told what is kept now of a task's log."""


@frozen
class Beginning:
    """A task as it begins, and all that it takes to begin it, also after a restart."""

    record: Record
    """As submitted, the caller's message in its history."""
    workspace: str
    metadata: Metadata
    choices: Choices
    references: tuple[str, ...] = ()
    """The ids of the tasks that the message refers to."""


@frozen
class Left:
    """A task that a server has left unfinished."""

    beginning: Beginning
    """Its record is as the log has made it."""
    events: int
    """How many events there are in the log."""


@frozen
class Sent:
    """A message that was sent under an idempotency key: its digest, and the task it went to; if
    that is not kept, the key is free."""

    digest: bytes
    task_id: str = ""


class Entry(Protocol):
    """A task in the store: enough to decide about it, and the whole of it on demand."""

    @property
    def id(self) -> str: ...
    @property
    def context_id(self) -> str: ...
    @property
    def owner(self) -> str: ...
    @property
    def state(self) -> TaskState: ...
    @property
    def timestamp(self) -> str: ...

    def task(self, history_length: int | None = None) -> Task:
        """The task, with its last `history_length` messages (`None`: all)."""
        ...


Spot: TypeAlias = tuple[str, str]
"""A task's spot in the order of a list: the timestamp of its status, and its id."""


@frozen
class Query:
    """Which tasks are asked for: newest status first, tasks of one moment by their ids."""

    size: int
    """How many at most."""
    owner: str | None = None
    """Whose; `None` is everybody's."""
    context_id: str = ""
    state: TaskState | None = None
    since: str = ""
    """With a status from this timestamp on."""
    before: Spot | None = None
    """Behind this spot in the order."""


@frozen
class Page:
    """What was asked for."""

    entries: Sequence[Entry]
    total: int
    """How many there are, wherever the page begins."""
    more: bool
    """Whether there are some behind the page."""


class Store(Webhooks, Protocol):
    """Keeps every task, running or ended, and who wants to hear of it."""

    @property
    def durable(self) -> bool:
        """Whether it outlives the process: then what is unfinished may be left to the next one."""
        ...

    def check(self) -> None:
        """See that something new can be promised.

        Raises:
            StoreTrouble: nothing can be kept at this moment; what is kept can be read all the same.
        """
        ...

    def begin(self, beginning: Beginning, told: Callable[[], None]) -> None:
        """Keep a new task. Its record is the store's entry from then on, until it has ended."""
        ...

    def append(self, record: Record, items: Sequence[Item], told: Told) -> None:
        """Keep some more of a task's log. `told` is given it, and makes it part of the record.

        Raises:
            StoreTrouble: nothing could be kept for so long that there is no room for more. The end
                of a task always has room.
        """
        ...

    async def settle(self) -> None:
        """Wait until all that was given so far is kept, and told.

        Raises:
            StoreTrouble: nothing can be kept at this moment. It may be kept later nevertheless.
        """
        ...

    async def find(self, task_id: str) -> Entry | None:
        """The task of that id."""
        ...

    async def page(self, query: Query) -> Page:
        """A page of the list of tasks."""
        ...

    async def events(self, task_id: str, after: int) -> Sequence[Written] | None:
        """What has happened to a task behind event number `after`, as it happened.

        `None`: that is not kept, or not any more.
        """
        ...

    async def left(self) -> Sequence[Left]:
        """The tasks that were unfinished when the store was opened, in the order in which they
        began. Each record is the store's entry from then on. To be asked once."""
        ...

    async def sent(self, owner: str, key: str) -> Sent | None:
        """What the owner has sent under a key."""
        ...

    def keep_sent(self, owner: str, key: str, sent: Sent) -> None:
        """Remember what was sent under a key, for as long as its task is kept or longer."""
        ...

    async def session(self, conversation: str) -> Metadata | None:
        """What a backend keeps of a conversation, the last that was given included."""
        ...

    def keep_session(self, conversation: str, session: Metadata | None) -> None:
        """Keep it, in place of what was kept before."""
        ...
