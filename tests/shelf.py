"""A store that outlives a server, for tests: slow when it is told to be, and never on a disk.

It keeps a task as the port says, as a log, and knows nothing of how the stores of the product do.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import trio
from attrs import define, evolve, field

from a2acore.errors import StoreTrouble
from a2acore.lifecycle import TERMINAL, Record
from a2acore.model import Message, TaskStatusUpdateEvent
from a2acore.store import Beginning, Item, Left, MemoryStore, Told
from a2acore.work import Written

Do = Callable[[], None]


@define(eq=False)
class Shelf(MemoryStore):
    """Keeps what it is given when `keep_all` is called, or at once."""

    durable: bool = field(default=True, init=False)
    slow: bool = False
    """Wait for `keep_all`."""
    trouble: str = ""
    """Why nothing can be kept, if it cannot: then it waits for `keep_all` too."""
    full: bool = False
    """Take nothing more of a task's log but its end."""
    begun: dict[str, Beginning] = field(factory=dict)
    logs: dict[str, list[Item]] = field(factory=dict)
    _waiting: list[tuple[Do, Do]] = field(factory=list)
    _settled: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot)

    def check(self) -> None:
        if self.trouble:
            raise StoreTrouble(self.trouble)

    def begin(self, beginning: Beginning, told: Do) -> None:
        record = beginning.record
        as_begun = Record(record.id, record.context_id, record.owner, record.status)
        as_begun.history[:] = record.history

        def keep() -> None:
            self.begun[record.id] = evolve(beginning, record=as_begun)
            self.logs[record.id] = []

        self._give(keep, lambda: MemoryStore.begin(self, beginning, told))

    def append(self, record: Record, items: Sequence[Item], told: Told) -> None:
        if self.full and not any(map(_ends, items)):
            raise StoreTrouble

        def keep() -> None:
            self.logs[record.id] += items

        self._give(keep, lambda: MemoryStore.append(self, record, items, told))

    def keep_all(self) -> None:
        """Keep what was given, and tell it."""
        while self._waiting:
            keep, told = self._waiting.pop(0)
            keep()
            told()
        self._settled.unpark_all()

    def lose_all(self) -> None:
        """The end of a server that had no time to keep more."""
        self._waiting.clear()

    async def settle(self) -> None:
        while self._waiting:
            self.check()
            await self._settled.park()

    def wake(self) -> None:
        """Let those who wait look again."""
        self._settled.unpark_all()

    async def events(self, task_id: str, after: int) -> Sequence[Written] | None:
        log = self.logs.get(task_id)
        return None if log is None else events_of(log)[after:]

    async def left(self) -> Sequence[Left]:
        self._running.clear()
        found = []
        for id, begun in self.begun.items():
            before = begun.record
            record = Record(before.id, before.context_id, before.owner, before.status)
            record.history[:] = before.history
            for item in self.logs[id]:
                record.take(item)
            if record.state not in TERMINAL:
                self._running[id] = record
                found.append(Left(evolve(begun, record=record), len(events_of(self.logs[id]))))
        return found

    def _give(self, keep: Do, told: Do) -> None:
        if self.slow or self.trouble:
            self._waiting.append((keep, told))
        else:
            self.keep_all()
            keep()
            told()


def _ends(item: Item) -> bool:
    return isinstance(item, TaskStatusUpdateEvent) and item.status.state in TERMINAL


def events_of(log: Sequence[Item]) -> list[Any]:
    """The events of a log, the first one being number 1."""
    return [item for item in log if not isinstance(item, Message)]
