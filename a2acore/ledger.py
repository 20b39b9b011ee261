"""The one writer of a task's log: checked, then kept, then told.

A ledger knows where the task stands once all that was given to the store is kept. The record and
the journal follow when it is: what they show, and nothing else, is what callers hear.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from attrs import define

from a2acore.journal import Journal
from a2acore.lifecycle import TERMINAL, Record, follow
from a2acore.model import Message, TaskState
from a2acore.store import Item, Store


def nothing() -> None:
    """What is done when there is nothing to do."""


@define(eq=False)
class Ledger:
    """The log of one task, on its way to the store."""

    record: Record
    journal: Journal
    state: TaskState
    _store: Store
    _on_end: Callable[[], None]
    """Called when the end of the task has been told."""

    def write(self, items: Sequence[Item], then: Callable[[], None] = nothing) -> None:
        """Write some lines, and call `then` when they are told.

        Raises:
            IllegalTransition: that cannot happen now.
            StoreTrouble: there is no room for more, as nothing can be kept.
        """
        state = self.state
        for item in items:
            if not isinstance(item, Message):
                state = follow(state, item)
        told = self._told if then is nothing else partial(self._told, then=then)
        self._store.append(self.record, items, told)
        self.state = state

    def _told(self, items: Sequence[Item], then: Callable[[], None] = nothing) -> None:
        record, journal = self.record, self.journal
        for item in items:
            if isinstance(item, Message):
                record.hear(item)
            else:
                record.apply(item)
                journal.append(item)
        if then is not nothing:
            then()
        if record.status.state in TERMINAL:
            self.journal.close()
            self._on_end()
