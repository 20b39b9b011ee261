"""What is forgotten, and when: tasks that ended long ago, or before too many others.

Ages are told by the store's own clock, which goes on while the time of day does, but never back,
and never by more than a day at a look. So a time of day that jumps, by years or to and fro, makes
nothing older than it is, but for a day; and a store that nobody opened for a month grows a day
older by it. The tasks that ended first go first, whatever their timestamps say.

Room in the file that becomes free is taken by the tasks that come next. The file does not become
smaller by itself: that would move other tasks to and fro, for room that is soon needed again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from math import inf

from attrs import define, frozen

from a2acore.store.sqlite.sql import transaction
from a2acore.store.terms import Keep

DAY = 24 * 60 * 60.0
EVERY = 60.0
"""Seconds between sweeps."""
SLICE = 100
"""Tasks of one transaction: those who wait for a commit are not to wait for this one."""


@define(eq=False)
class Clock:
    """The store's own clock, in seconds."""

    _time: Callable[[], float]
    """The time of day, in seconds since 1970."""
    seen: float
    """What that was at the last look."""
    lived: float

    @classmethod
    def of(cls, db: sqlite3.Connection, time: Callable[[], float]) -> Clock:
        """Go on from where it was when somebody wrote it down."""
        marks = _marks(db)
        return cls(time, marks.get("seen", time()), marks.get("lived", 0.0))

    def look(self) -> float:
        """The time, by this clock."""
        before, self.seen = self.seen, self._time()
        self.lived += min(max(0.0, self.seen - before), DAY)
        return self.lived


def mark(db: sqlite3.Connection, lived: float, seen: float) -> None:
    """Write down where the clock is."""
    db.executemany(_MARK, {"lived": lived, "seen": seen}.items())


@frozen
class Forgotten:
    """What was forgotten, and whether there may be more of it."""

    tasks: Sequence[str] = ()
    """Their ids."""
    conversations: Sequence[str] = ()
    more: bool = False


@frozen
class Sweep:
    """A look at what is to be forgotten."""

    keep: Keep
    lived: float
    seen: float
    """What time it is, by the clock of the store and by the other one."""
    newest: int
    """The place of the task that ended last, in the order in which tasks ended."""

    @property
    def horizon(self) -> float:
        """What was before that is too old."""
        return self.lived - self.keep.days * DAY if self.keep.days else -inf

    def slice(self, db: sqlite3.Connection) -> Forgotten:
        """Forget some of it.

        Raises:
            sqlite3.Error: nothing is forgotten.
        """
        with transaction(db):
            mark(db, self.lived, self.seen)
            if tasks := self._forget_tasks(db):
                return Forgotten(tasks, more=True)
            if self._cut_logs(db):
                return Forgotten(more=True)
            db.execute("DELETE FROM sent WHERE task_id NOT IN (SELECT id FROM tasks)")
            return Forgotten(conversations=self._forget_sessions(db))

    def _forget_tasks(self, db: sqlite3.Connection) -> Sequence[str]:
        first = "SELECT number, id, ended, lived FROM tasks WHERE ended > 0 ORDER BY ended LIMIT ?"
        last = self.newest - self.keep.tasks if self.keep.tasks else 0
        old = [
            (number, id)
            for number, id, ended, lived in db.execute(first, (SLICE,))
            if ended <= last or lived < self.horizon
        ]
        db.executemany("DELETE FROM tasks WHERE number = ?", [(number,) for number, _ in old])
        return [id for _, id in old]

    def _cut_logs(self, db: sqlite3.Connection) -> bool:
        cut = min(self.newest, int(_marks(db).get("cut", 0)))
        last = self.newest - self.keep.events if self.keep.events else 0
        next_ = (
            "SELECT number, ended FROM tasks WHERE ended > ? AND ended <= ? ORDER BY ended LIMIT ?"
        )
        some = db.execute(next_, (cut, last, SLICE)).fetchall()
        db.executemany(_CUT, [(number,) for number, _ in some])
        if some:
            db.execute(_MARK, ("cut", some[-1][1]))
        return bool(some)

    def _forget_sessions(self, db: sqlite3.Connection) -> Sequence[str]:
        most = self.keep.tasks or inf
        sessions = db.execute("SELECT conversation, used FROM sessions ORDER BY used DESC")
        old = [
            conversation
            for number, (conversation, used) in enumerate(sessions)
            if used < self.horizon or number >= most
        ]
        db.executemany("DELETE FROM sessions WHERE conversation = ?", [(each,) for each in old])
        return old


def _marks(db: sqlite3.Connection) -> dict[str, float]:
    return dict(db.execute("SELECT name, value FROM marks"))


_MARK = "INSERT OR REPLACE INTO marks (name, value) VALUES (?, ?)"
_CUT = """DELETE FROM log WHERE task = ?1
    AND NOT EXISTS (SELECT * FROM dead_letters WHERE task = ?1)
    AND NOT EXISTS (SELECT * FROM webhooks JOIN tasks ON tasks.number = webhooks.task
        WHERE webhooks.task = ?1 AND webhooks.heard < tasks.events)"""
