"""The port behind which tasks are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from a2acore.lifecycle import Record
from a2acore.model import Task, TaskState


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


class Store(Protocol):
    """Keeps every task, running or ended."""

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
