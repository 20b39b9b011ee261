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

AT_ONCE = 128
"""Events that a follower takes in one go, before others may run."""

PIECE = 64 * 1024
"""Bytes that a follower makes of them in one go, or a little more: what a caller who does not read
can make us hold, beside the events, which everybody holds."""

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
    _texts: dict[str, tuple[int, list[bytes]]] = field(factory=dict)
    """What followers have made of the newest events, for each other: by form, behind which number
    they begin."""
    _events: list[Written] = field(factory=list)
    _news: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot)
    _rests: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot)

    def append(self, event: Written) -> None:
        """Record an event, and wake the followers."""
        events = self._events
        events.append(event)
        if len(events) >= 2 * self.window:  # rarely, and half of it, so that it costs nothing
            del events[: self.window]
            self._first += self.window
        if self._news:
            self._news.unpark_all()
        if isinstance(event, TaskStatusUpdateEvent) and event.status.state in RESTING:
            self._rests.unpark_all()

    async def wait_rest(self) -> None:
        """Wait until the task next pauses, or ends, or nothing more will come."""
        await self._rests.park()

    def stir(self) -> None:
        """Wake the followers who wait, though there is no news."""
        self._news.unpark_all()

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
    _before: int = field(init=False)
    """The number of the event before those."""
    _full: bool = field(init=False, default=False)
    """Whether it took as much as it may: others are to run before it goes on."""

    def __attrs_post_init__(self) -> None:
        self._before = self._at

    @property
    def number(self) -> int:
        """The number of the event that was heard last."""
        return self._at

    async def more(self) -> Sequence[Written]:
        """Wait for news, and take all of it; nothing means that the journal is closed and read.

        Raises:
            FellBehind: the journal has forgotten what comes next.
        """
        while (news := await self._news(None)) is None:
            pass
        return news

    async def some(self) -> Sequence[Written] | None:
        """The same, but no more than others can wait for; `None` is silence: the journal was
        stirred before there was news."""
        if self._full:
            await trio.lowlevel.checkpoint()
        news = await self._news(AT_ONCE)
        self._full = news is not None and len(news) == AT_ONCE
        return news

    async def _news(self, most: int | None) -> Sequence[Written] | None:
        news, first = self._past, self._before
        if self._at - first >= len(news):
            self._past = ()
            journal = self._journal
            if self._at >= journal._end and not journal.closed:
                await journal._news.park()
            if self._at >= journal._end:  # what came from elsewhere may be ahead of us
                return () if journal.closed else None
            if self._at < journal._first:
                raise FellBehind
            news, first = journal._events, journal._first
        start = self._at - first
        news = news[start:] if most is None else news[start : start + most]
        self._at += len(news)
        return news

    def texts(
        self, form: str, news: Sequence[Written], write: Callable[[Written], bytes]
    ) -> Sequence[bytes]:
        """What it took last, in some form, as far as there is room in one piece; it goes back to
        behind that. Written once for all who follow, as long as they keep up with each other."""
        behind = self._at - len(news)
        first, shared = self._journal._texts.get(form, (behind, []))
        if not first <= behind <= first + len(shared):
            first, shared = behind, []
        texts = shared[behind - first :][: len(news)]
        room = PIECE - sum(map(len, texts))
        while texts and room + len(texts[-1]) <= 0:
            room += len(texts.pop())
        for event in news[len(texts) :]:
            if room <= 0:
                break
            text = write(event)
            shared.append(text)
            texts.append(text)
            room -= len(text)
        self._at = behind + len(texts)
        if len(shared) > 2 * AT_ONCE:
            first += len(shared) - AT_ONCE
            del shared[:-AT_ONCE]
        self._journal._texts[form] = first, shared
        return texts

    def skip(self) -> None:
        """Go on from here, as one who joins now; for the same reason not async."""
        self._past = ()
        self._at = self._journal._end
