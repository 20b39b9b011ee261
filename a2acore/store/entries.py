"""What stores show of their tasks: those that have ended, packed, and which ones a page shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec
from attrs import frozen
from msgspec import structs

from a2acore.lifecycle import Record
from a2acore.model import Task, TaskState
from a2acore.store.port import Entry, Page, Query, Spot

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Task).decode


@frozen(eq=False)
class Ended:
    """A task that has ended, packed: as bytes, because a hundred thousand of them as structs would
    make the garbage collector stop the server for half a second at a time."""

    id: str
    context_id: str
    owner: str
    state: TaskState
    timestamp: str
    packed: bytes
    """The whole task as JSON."""

    @classmethod
    def of(cls, record: Record) -> Ended:
        packed = _encode(record.task())
        return cls(
            record.id, record.context_id, record.owner, record.state, record.timestamp, packed
        )

    def task(self, history_length: int | None = None) -> Task:
        task = _decode(self.packed)
        if history_length is None or len(task.history) <= history_length:
            return task
        return structs.replace(task, history=task.history[len(task.history) - history_length :])


def fits(entry: Entry, query: Query) -> bool:
    """Whether a task is one of those that are asked for, wherever the page begins."""
    return (
        query.owner in (None, entry.owner)
        and query.context_id in ("", entry.context_id)
        and query.state in (None, entry.state)
        and entry.timestamp >= query.since
    )


def spot(entry: Entry) -> Spot:
    """The spot of a task in the order of lists."""
    return (entry.timestamp, entry.id)


def merged(query: Query, running: Iterable[Entry], ended: Sequence[Entry], total: int) -> Page:
    """A page: of all tasks that run, and of those that ended and may be on it, `total` in all."""
    fitting = [entry for entry in running if fits(entry, query)]
    rest = [e for e in fitting if query.before is None or spot(e) < query.before]
    shown = sorted([*ended, *rest], key=spot, reverse=True)
    return Page(shown[: query.size], total + len(fitting), len(shown) > query.size)
