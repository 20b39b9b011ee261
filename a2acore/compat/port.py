"""The port behind which the form of another server sits."""

from __future__ import annotations

from typing import Protocol

from a2acore.lifecycle import Record
from a2acore.work import Written


class Compat(Protocol):
    """One other form, of one task: it may number what it tells."""

    def translate(self, event: Written, now: str) -> list[Written]:
        """The events to tell in place of one of ours: itself, added to, among others or alone.

        Called once for each event, in order, before it becomes part of the task. Nothing can
        follow a terminal status.
        """
        ...

    def take_up(self, record: Record, events: int) -> None:
        """Go on where another server left the task, after so many events: before all
        others."""
        ...
