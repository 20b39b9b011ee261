"""One task's ordered record, and its followers.

A follower is a place in the record, not a queue: joining costs nothing, and a slow one holds nobody
up. The journal keeps a window of the newest events. Who falls out of it is cut off with
`FellBehind`, and may join again with the whole task.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import trio
from attrs import define, field

from a2acore.lifecycle import PAUSES, TERMINAL
from a2acore.model import TaskStatusUpdateEvent
from a2acore.work import Written

WINDOW = 20_000
"""Events that a follower may fall behind: minutes of the fastest agent, some megabytes at most."""

SHARED = 1024
"""Events of which a journal keeps what was made of them."""

RESTING = PAUSES | TERMINAL
"""Where a task stays until somebody else does something, or for good."""


class FellBehind(Exception):
    """A follower was slower than the window is long."""


@define(eq=False)
class Journal:
    """The events of one task, in the one order that there is."""

    window: int = WINDOW
    closed: bool = False
    _first: int = 0
    """The number of the last event that it does not hold, because it came before it."""
    texts: dict[tuple[int, str], bytes] = field(factory=dict)
    """What followers have made of the newest events, for each other, by number and form."""
    _events: list[Written] = field(factory=list)
    _news: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot)
    _rests: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot)

    def append(self, event: Written) -> None:
        """Record an event, and wake the followers."""
        self._events.append(event)
        if len(self._events) >= 2 * self.window:  # rarely, and half of it, so that it costs nothing
            del self._events[: self.window]
            self._first += self.window
        if self._news:
            self._news.unpark_all()
        if isinstance(event, TaskStatusUpdateEvent) and event.status.state in RESTING:
            self._rests.unpark_all()

    async def wait_rest(self) -> None:
        """Wait until the task next pauses, or ends, or nothing more will come."""
        await self._rests.park()

    def close(self) -> None:
        """Nothing more will come."""
        self.closed = True
        self._news.unpark_all()
        self._rests.unpark_all()

    def follow(self) -> Follower:
        """Join here: hear everything that is appended from now on.

        Not async, hence no checkpoint: nothing can happen between a snapshot that is taken beside
        this call and the first event that the follower hears.
        """
        return Follower(self, self._end)

    def follow_after(self, number: int) -> Follower | None:
        """Join behind an event, the first one being number 1; nothing if that cannot be done."""
        return Follower(self, number) if self._first <= number <= self._end else None

    def follow_behind(self, number: int, past: Sequence[Written]) -> Follower | None:
        """Join behind an event, with those that came next from elsewhere, as far as they are known;
        nothing if there is a gap between them and what is here."""
        return Follower(self, number, past) if self._first <= number + len(past) else None

    def follow_from_start(self) -> Follower:
        """Join as if it had been before the first event."""
        return Follower(self, self._first)

    @property
    def _end(self) -> int:
        return self._first + len(self._events)


@define(eq=False)
class Follower:
    """A place in a journal."""

    _journal: Journal
    _at: int
    _past: Sequence[Written] = ()
    """What it hears first; it was before the journal."""

    @property
    def number(self) -> int:
        """The number of the event that was heard last."""
        return self._at

    async def more(self) -> Sequence[Written]:
        """Wait for news, and take all of it; nothing means that the journal is closed and read.

        Raises:
            FellBehind: the journal has forgotten what comes next.
        """
        if self._past:
            news, self._past = self._past, ()
            self._at += len(news)
            return news
        journal = self._journal
        while self._at >= journal._end:  # what came from elsewhere may be ahead of us
            if journal.closed:
                return ()
            await journal._news.park()
        if self._at < journal._first:
            raise FellBehind
        news = journal._events[self._at - journal._first :]
        self._at += len(news)
        return news

    def text(self, number: int, form: str, write: Callable[[], bytes]) -> bytes:
        """An event in some form: written once for all who follow, as long as they keep up."""
        texts = self._journal.texts
        text = texts.get((number, form))
        if text is None:
            if len(texts) >= SHARED:
                texts.clear()
            text = texts[number, form] = write()
        return text

    def skip(self) -> None:
        """Go on from here, as one who joins now; for the same reason not async."""
        self._past = ()
        self._at = self._journal._end
