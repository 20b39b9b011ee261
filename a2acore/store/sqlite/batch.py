"""What was given to the store since the last commit, and how it is written: in one transaction.

All that can be wrong with something is found when it is given: what is in a batch can be written,
sooner or later.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from attrs import define, field, frozen

from a2acore.lifecycle import Record
from a2acore.store.entries import Ended
from a2acore.store.port import Beginning
from a2acore.store.sqlite import lines
from a2acore.store.sqlite.lines import Lines, Row
from a2acore.store.sqlite.sql import insert, transaction

OVERHEAD = 256
"""Bytes that a thing takes in memory beyond what it says, more or less."""


@frozen
class Ending:
    """A task that has ended, and is to be kept as it is now: what its log amounts to."""

    task: int
    place: int
    """In the order in which tasks ended."""
    lived: float
    """When, by the store's own clock."""
    events: int
    record: Record


@define(eq=False)
class Batch:
    """What is kept together."""

    told: list[Callable[[], None]] = field(factory=list)
    """What is called when it is kept."""
    endings: list[Ending] = field(factory=list)
    packed: list[Ended] = field(factory=list)
    """The tasks that have ended, once they are written."""
    size: int = 0
    """Bytes in memory, more or less."""
    _tasks: list[tuple[int, str, str, str]] = field(factory=list)
    _begun: list[Row] = field(factory=list)
    _lines: dict[int, Lines] = field(factory=dict)
    _changes: list[tuple[str, Sequence[Any]]] = field(factory=list)

    @property
    def pressing(self) -> bool:
        """Whether somebody may be waiting for it."""
        return bool(self.told or self._changes)

    @property
    def empty(self) -> bool:
        return not (self.pressing or self.endings)

    def begin(self, number: int, beginning: Beginning) -> None:
        """Add a task."""
        row = lines.begin(number, beginning)
        record = beginning.record
        self._tasks.append((number, record.id, record.owner, record.context_id))
        self._begun.append(row)
        self.size += len(row[-1]) + OVERHEAD

    def lines(self, number: int, last: int) -> Lines:
        """What it adds to the log of a task, whose last event before that is number `last`."""
        mine = self._lines.get(number)
        if mine is None:
            mine = self._lines[number] = Lines(number, last)
        return mine

    def change(self, statement: str, *values: Any) -> None:
        """Add a statement. They are executed in their order, behind what tasks begin and say."""
        self._changes.append((statement, values))
        self.size += OVERHEAD + sum(len(v) for v in values if isinstance(v, str | bytes))

    def write(self, db: sqlite3.Connection, check: Callable[[], None]) -> None:
        """Write it, unless `check` raises just before the commit. As often as it takes.

        Raises:
            sqlite3.Error: nothing of it is written.
        """
        self.packed = self.packed or [Ended.of(ending.record) for ending in self.endings]
        with transaction(db):
            insert(db, "INSERT INTO tasks (number, id, owner, context_id)", self._tasks)
            rows = [*self._begun, *(mine.row() for mine in self._lines.values())]
            insert(db, "INSERT INTO log (task, first, last, body)", rows)
            for statement, values in self._changes:
                db.execute(statement, values)
            ended = list(zip(self.endings, self.packed, strict=True))
            insert(db, _END, [_columns(*each) for each in ended], _INSTEAD)
            bodies = [(ending.task, packed.packed) for ending, packed in ended]
            insert(db, "INSERT INTO bodies (task, body)", bodies)
            check()


_END = "INSERT INTO tasks (number, id, owner, context_id, ended, lived, state, timestamp, events)"
_INSTEAD = """ON CONFLICT (number) DO UPDATE SET ended = excluded.ended, lived = excluded.lived,
    state = excluded.state, timestamp = excluded.timestamp, events = excluded.events"""


def _columns(ending: Ending, packed: Ended) -> tuple[object, ...]:
    return (
        ending.task,
        packed.id,
        packed.owner,
        packed.context_id,
        ending.place,
        ending.lived,
        packed.state.name,
        packed.timestamp,
        ending.events,
    )
