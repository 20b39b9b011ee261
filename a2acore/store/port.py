"""The port behind which tasks are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from attrs import frozen

from a2acore.lifecycle import Record
from a2acore.model import Metadata, Task, TaskState
from a2acore.push.port import Webhooks


@frozen
class Sent:
    """A message that was sent under an idempotency key: its digest, and the task it went to."""

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


class Store(Webhooks, Protocol):
    """Keeps every task, running or ended, and who wants to hear of it."""

    def save(self, record: Record, tell: Callable[[], None]) -> None:
        """Keep the record as it is now, and call `tell` when it is kept: at once, or later, but
        in the order of the calls. Nobody hears of what is not kept.
        """
        ...

    async def find(self, task_id: str) -> Entry | None:
        """The task of that id."""
        ...

    async def entries(self) -> Iterable[Entry]:
        """Every task."""
        ...

    async def sent(self, owner: str, key: str) -> Sent | None:
        """What the owner has sent under a key."""
        ...

    async def keep_sent(self, owner: str, key: str, sent: Sent) -> None:
        """Remember what was sent under a key, for as long as its task is kept or longer."""
        ...

    async def session(self, conversation: str) -> Metadata | None:
        """What a backend keeps of a conversation."""
        ...

    def keep_session(self, conversation: str, session: Metadata | None) -> None:
        """Keep it, in place of what was kept before; it is kept before anything saved later is."""
        ...
