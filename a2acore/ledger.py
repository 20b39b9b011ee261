"""The one writer of a task's log: put in all forms, checked, then kept, then told.

A ledger knows where the task stands once all that was given to the store is kept. The record and
the journal follow when it is: what they show, and nothing else, is what callers hear.

It holds nothing of the run that writes into it: what a task was told is a lot, and is to go when
the run goes, not when the garbage collector comes by.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import trio
from attrs import define, field

from a2acore.clock import now
from a2acore.compat import Compat
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
    _store: Store
    _forms: Sequence[Compat]
    """Further forms in which everything is told."""
    _on_end: Callable[[Record], None]
    """Called when the end of the task has been told."""
    put_away: bool = False
    """Nothing more is taken, without a word: it is left to the next server."""
    ended: trio.Event = field(factory=trio.Event)
    """Set when nothing more will be told."""
    state: TaskState = field(init=False)
    """Where the task stands once all is kept."""

    def __attrs_post_init__(self) -> None:
        self.state = self.record.state

    def write(self, items: Sequence[Item], then: Callable[[], None] = nothing) -> None:
        """Write some lines, and call `then` when they are told.

        Raises:
            IllegalTransition: that cannot happen now.
            StoreTrouble: there is no room for more, as nothing can be kept.
        """
        if self.put_away:
            return
        for form in self._forms:
            items = [told for item in items for told in _translated(item, form)]
        if not items:
            then()
            return
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
            self.close()
            self._on_end(record)

    def close(self) -> None:
        """Nothing more will be told."""
        self.journal.close()
        self.ended.set()


def _translated(item: Item, form: Compat) -> Sequence[Item]:
    return (item,) if isinstance(item, Message) else form.translate(item, now())
