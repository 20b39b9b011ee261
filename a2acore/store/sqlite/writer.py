"""The one writer: it takes all that was given since its last commit, and keeps that in the next.

It is a trio task, so what it takes was given without a checkpoint between, all of it; only the
commit is done in a thread. Who is told, and who waits, goes on when that has returned.

When nothing can be kept, that is a trouble: what was to be kept stays, and is tried again and
again, in order. The log hears of a trouble twice, when it begins and when it is over.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Awaitable, Callable
from math import inf

import trio
from attrs import define, field

from a2acore.errors import StoreTrouble
from a2acore.store.sqlite.batch import Batch
from a2acore.store.sqlite.words import Moved, words

ROOM = 32 * 1024 * 1024
"""Bytes that may wait to be kept: seconds of the busiest server on a slow disk."""
LAZY = 0.25
"""Seconds that tasks which have ended may wait to be packed: nobody waits for it."""
PACK = 32
"""So many of them are packed in one go, as each touches a page of every index, and the next one
mostly the same pages; not more, or who waits for that commit would notice."""
PACE = 0.008
"""Seconds between commits that only those who read along wait for: less than a screen takes for a
picture. Agents say a word at a time, and a commit takes as much of the processor as hundreds."""
SOON, LATE = 0.05, 2.0
"""Seconds between attempts: the first two, and in the long run. Each may itself take `BUSY`."""
BREATH = 2
"""Turns of trio's loop before a commit: a task that has begun says within them that it works, and
so does whoever was woken by the same thing. They take a tenth of what a second commit takes."""
LAST_WORDS = 5.0
"""Seconds that there are at the end to keep what was given, if the disk is in trouble."""

log = logging.getLogger(__name__)


@define(eq=False)
class Writer:
    """Batches on their way to the disk."""

    _write: Callable[[Batch], Awaitable[None]]
    batch: Batch = field(factory=Batch)
    """What is given goes in here; then it has to be said when it is due."""
    trouble: str = ""
    """Why nothing can be kept, if it cannot."""
    _under_way: Batch = field(factory=Batch)
    _number: int = 1
    """Of the batch. Those with smaller ones are kept, but for the one under way."""
    _done: int = 0
    """The number of the last batch that was kept."""
    _began: float = -inf
    """When the last commit began, by trio's clock."""
    _due: float = inf
    """When the next one is to begin."""
    _pack_at: float = inf
    """When the tasks that have ended are to be packed, if there are not enough of them before."""
    _sooner: trio.Event = field(factory=trio.Event)
    _tidy_at: float = -inf
    _news: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot)

    @property
    def full(self) -> bool:
        """Whether there is no room for more."""
        return self.batch.size + self._under_way.size > ROOM

    def at_once(self) -> None:
        """What is in the batch is due."""
        self._due_at(-inf)

    def soon(self) -> None:
        """What is in the batch is due unless something was kept just now; then in a moment."""
        if self._due == inf:  # else it is due already, or just then; this is asked of every word
            self._due_at(self._began + PACE)

    def some_time(self) -> None:
        """The tasks in the batch that have ended have to be packed before long."""
        if self._pack_at == inf:
            self._pack_at = trio.current_time() + LAZY
            self._sooner.set()

    def _due_at(self, moment: float) -> None:
        if moment < self._due:
            self._due = moment
            self._sooner.set()

    def check(self) -> None:
        """See that something can be kept.

        Raises:
            StoreTrouble: it cannot, at this moment.
        """
        if self.trouble:
            raise StoreTrouble(f"Nothing can be kept at this moment: {self.trouble}")
        if self.full:
            raise StoreTrouble("Too much is waiting to be kept")

    async def settle(self) -> None:
        """Wait until all that was given is kept.

        Raises:
            StoreTrouble: it cannot be, at this moment.
        """
        last = self._number if self.batch.pressing else self._number - 1
        if self._done >= last:
            await trio.lowlevel.checkpoint()
        while self._done < last:
            if self.trouble:
                self.check()
            if last == self._number:
                self.at_once()
            await self._news.park()

    async def run(
        self, kept: Callable[[Batch], None], tidy: Callable[[], Awaitable[float]]
    ) -> None:
        """Write, until cancelled.

        `kept` is called when a batch is kept, before anybody is told. `tidy` is called now and
        then, and returns when it wants to be called again.
        """
        while True:
            await self._wait()
            for _ in range(BREATH):
                await trio.lowlevel.checkpoint()
            self._due = inf
            if not self.batch.empty:
                batch = await self._keep()
                kept(batch)
                self._tell(batch)
            if trio.current_time() >= self._tidy_at:
                self._tidy_at = await tidy()

    async def close(self) -> None:
        """Wait until everything is kept, but not for long when there is trouble."""
        with trio.move_on_after(LAST_WORDS):
            while not self.batch.empty or self._done < self._number - 1:
                self.at_once()
                await self._news.park()
        lost = len(self._under_way.told) + len(self.batch.told)
        if lost:
            log.error("%d writes were not kept, and nobody was told of them", lost)

    async def _wait(self) -> None:
        while (moment := min(self._due, self._pack_at, self._tidy_at)) > trio.current_time():
            self._sooner = trio.Event()
            with trio.move_on_at(moment):
                await self._sooner.wait()

    async def _keep(self) -> Batch:
        self._began = trio.current_time()
        self._under_way, self.batch = self.batch, Batch()
        self._number += 1
        endings = self._under_way.endings
        if self._under_way.pressing and len(endings) < PACK and self._began < self._pack_at:
            self._under_way.endings, self.batch.endings = [], endings
        else:
            self._pack_at = inf
        pause = SOON
        while (why := await self._attempt()) is not None:
            if not self.trouble:
                log.warning("nothing can be kept: %s", why)
            self.trouble = why
            self._news.unpark_all()
            await trio.sleep(pause)
            pause = min(2 * pause, LATE)
        if self.trouble:
            log.warning("things can be kept again")
        self.trouble = ""
        batch, self._under_way = self._under_way, Batch()
        self._done += 1
        return batch

    def _tell(self, batch: Batch) -> None:
        for told in batch.told:
            try:
                told()
            except Exception:  # a bug of ours, which must not become the end of the server
                log.exception("what was kept could not be told")
        self._news.unpark_all()

    async def _attempt(self) -> str | None:
        try:
            await self._write(self._under_way)
        except (sqlite3.Error, Moved, MemoryError) as error:
            return words(error)
        return None
