"""Tasks that have ended, in the order of lists: a page of them takes no look at all the others.

Each owner has a shelf, on which a task stands in up to three rows: all of the owner's, those of
its context, those of its state. A row is sorted by spot, so what a query leaves out at either end
is found by halving, and counted without being looked at.

Tasks come and go nearly in that order, though not quite: those of one moment are sorted by their
ids, and a clock may be set back.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence

from attrs import define, field

from a2acore.model import TaskState
from a2acore.store.entries import Ended, spot
from a2acore.store.port import Query

Row = list[Ended]


@define(eq=False)
class Shelf:
    """The ended tasks of one owner."""

    all: Row = field(factory=list)
    contexts: dict[str, Row] = field(factory=dict)
    states: dict[TaskState, Row] = field(factory=dict)

    def add(self, task: Ended) -> None:
        at = spot(task)
        for row in (
            self.all,
            self.contexts.setdefault(task.context_id, []),
            self.states.setdefault(task.state, []),
        ):
            if row and at < spot(row[-1]):
                insort(row, task, key=spot)
            else:
                row.append(task)

    def drop(self, task: Ended) -> None:
        context = self.contexts[task.context_id]
        for row in (self.all, context, self.states[task.state]):
            del row[0 if row[0] is task else bisect_left(row, spot(task), key=spot)]
        if not context:
            del self.contexts[task.context_id]

    def row(self, query: Query) -> Sequence[Ended]:
        """Those that the query means, whenever they ended."""
        if not query.context_id:
            return self.all if query.state is None else self.states.get(query.state, ())
        context = self.contexts.get(query.context_id, ())
        return context if query.state is None else [e for e in context if e.state is query.state]


@define(eq=False)
class Shelves:
    """The ended tasks of everybody."""

    _shelves: dict[str, Shelf] = field(factory=dict)

    def add(self, task: Ended) -> None:
        """Put up a task."""
        if task.owner not in self._shelves:
            self._shelves[task.owner] = Shelf()
        self._shelves[task.owner].add(task)

    def drop(self, task: Ended) -> None:
        """Take down a task that was put up."""
        shelf = self._shelves[task.owner]
        shelf.drop(task)
        if not shelf.all:
            del self._shelves[task.owner]

    def look(self, query: Query) -> tuple[Sequence[Ended], int]:
        """Those that a page of a query may show, and how many there are in all."""
        found: list[Ended] = []
        total = 0
        for shelf in self._of(query.owner):
            row = shelf.row(query)
            first = bisect_left(row, (query.since, ""), key=spot) if query.since else 0
            end = bisect_left(row, query.before, key=spot) if query.before else len(row)
            # One more than the page holds, so that it can be told whether there are more.
            found += row[max(first, end - query.size - 1) : end]
            total += len(row) - first
        return found, total

    def _of(self, owner: str | None) -> Iterable[Shelf]:
        if owner is None:
            return self._shelves.values()
        return (self._shelves[owner],) if owner in self._shelves else ()
