"""One webhook's walk behind its task: what it is told next, and how far it has come.

Rule 1: it is kept which letter is under way before it is posted. A server that goes on where
    another one stopped posts the same letter again, under the same id, and then the next.
Rule 2: what is given up is buried. If nobody was there to take it, the whole task comes next: an
    event says what it adds to those before it, and makes no sense behind a hole.
Rule 3: whoever was shown the whole task is told nothing by events that it had in it already; not
    by the next server either, which finds in the place up to where that is so.
Rule 4: while a webhook is dead it has one dead letter, which grows.

A walk reads the journal while that holds what comes next, and otherwise the store. A store that
keeps no events leaves the whole task to tell.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import trio
from attrs import define, evolve, field, frozen

from a2acore.clock import now
from a2acore.journal import FellBehind, Follower
from a2acore.lifecycle import TERMINAL, Record
from a2acore.push.letters import Letter, letter, letters, whole
from a2acore.push.patience import Fate
from a2acore.push.port import EVERYTHING, DeadLetter, Place, Webhook
from a2acore.store.port import Store
from a2acore.wire import v03
from a2acore.work import Written

if TYPE_CHECKING:
    from a2acore.push.post import Post

log = logging.getLogger(__name__)


@frozen
class Heard:
    """A task that a webhook is to hear of, and from where on."""

    follower: Follower
    record: Record


@define(eq=False)
class Walk:
    """How far one webhook has come."""

    webhook: Webhook
    owner: str
    """Whose task it is."""
    place: Place
    _store: Store
    heard: Heard | None
    """The task, if it runs."""
    events: int = 0
    """How many events there were in the task, if it does not."""
    dead: DeadLetter | None = None
    """What was given up last, if nothing was taken since."""
    lane: trio.CapacityLimiter | None = None
    """Where its letters wait for their turn, if they have to."""
    wanted: list[DeadLetter] = field(factory=list)
    """What was given up and is to be tried again, before anything else."""
    scope: trio.CancelScope = field(factory=trio.CancelScope)
    _post: Post | None = None

    @property
    def key(self) -> tuple[str, str]:
        """The task and the webhook, by which there is one walk."""
        return self.webhook.config.task_id, self.webhook.config.id

    @property
    def is_late(self) -> bool:
        """Whether its task has ended, and only the webhook keeps it from its own end."""
        has_ended = self.heard is None or self.heard.record.state in TERMINAL
        return has_ended and self._post is not None and not self._post.well

    async def go(self, post: Post) -> None:
        """Tell the webhook everything, to the end of the task, from wherever it stands.

        Raises:
            StoreTrouble: nothing can be kept; go on later.
        """
        self._post = post
        while self.wanted:
            await self._try_again(post, self.wanted[0])
            del self.wanted[0]
        told: Iterable[Letter] | None = await self._under_way()
        while told is not None:
            for each in told:
                if not await self._deliver(post, each):
                    return
                if self._in_a_hole:
                    break
            told = await self._next()

    def give_up(self, why: str) -> None:
        """Bury everything that the webhook has not heard."""
        last = self._end()
        if last > self.place.heard:
            self._bury(last, why)
            self._move(Place(last))

    async def _under_way(self) -> Iterable[Letter]:
        """The letter that was under way when the walk was broken off, if there was one."""
        first, last = self.place.heard + 1, self.place.posting
        if last < first:
            return ()
        under_way = self._whole if self._in_a_hole else self._same
        return filter(None, [await under_way(first, last)])

    async def _next(self) -> Iterable[Letter] | None:
        """The letters that come next, or nothing if nothing more will come."""
        news = await (self._kept_news() if self.heard is None else self._news(self.heard))
        if news is not None and not news:
            return None
        first = self.place.heard + 1
        told = None if news is None else letters(self.webhook, news, first)
        if told is not None:
            return told
        all_of_it = await self._whole(first, self._end())
        return None if all_of_it is None else (all_of_it,)

    async def _news(self, heard: Heard) -> Sequence[Written] | None:
        """What comes next, event by event; nothing when nothing more will come; `None` if there is
        something that the whole task has to tell."""
        follower, before = heard.follower, self.place.heard
        if follower.number == before:
            try:
                news = await follower.more()
            except FellBehind:
                follower.skip()
            else:
                return None if news and self._in_a_hole else news
        if self._in_a_hole or self._is_old:
            return None
        past = await self._store.events(self.key[0], before) or ()
        return past[: follower.number - before] or None

    async def _kept_news(self) -> Sequence[Written] | None:
        """The same of a task that has ended."""
        before = self.place.heard
        if before == EVERYTHING:
            return ()
        news = await self._store.events(self.key[0], before)
        if news is None:
            return None if before < self.events else ()
        self.events = before + len(news)
        return None if news and self._in_a_hole else news

    async def _same(self, first: int, last: int) -> Letter | None:
        """A letter that was posted before. Where it cannot be written again, the whole task has its
        id; nothing if the task is gone."""
        past = None if self._is_old else await self._store.events(self.key[0], first - 1)
        if past is not None and len(past) > last - first:
            again = letter(self.webhook, past[: last - first + 1], first)
            if again is not None:
                return again
        return await self._whole(first, last)

    async def _whole(self, first: int, last: int) -> Letter | None:
        """The task as it stands, instead of some events; nothing if it is gone."""
        if self.heard is None:
            entry = await self._store.find(self.key[0])
            if entry is None:
                return None
            self._tell_whole(EVERYTHING)
            return whole(self.webhook, entry.task(), first, last)
        self._tell_whole(self._end())
        return whole(self.webhook, self.heard.record.task(), first, last)

    def _end(self) -> int:
        """The last event of the task as it stands."""
        if self.heard is None:
            return self.events
        self.heard.follower.skip()
        return self.heard.follower.number

    async def _deliver(self, post: Post, letter: Letter) -> bool:
        """Post a letter until it is taken or given up; not if the server stops before."""
        self._move(evolve(self.place, posting=letter.last))
        await self._store.settle()
        fate, why = await post.deliver(letter)
        if fate is Fate.LEFT:
            if not self._store.durable:
                self._tell(post, why)
            return False
        if fate is Fate.TAKEN:
            self.dead = None
        else:
            if self.dead is None:
                self._tell(post, why)
            self._bury(letter.last, why)
        if fate is Fate.LOST:
            self._tell_whole(letter.last + 1)
        self._move(evolve(self.place, heard=letter.last))
        return True

    async def _try_again(self, post: Post, dead: DeadLetter) -> None:
        """Post a letter that was given up, once: who wants that wants to see what becomes of it."""
        form = self._whole if dead.first <= self.place.whole else self._same
        again = await form(dead.first, dead.last)
        if again is None:
            self._store.unbury(dead)
            return
        if self._in_a_hole:  # now, if it was not
            self._move(self.place)
            await self._store.settle()
        fate, why = await post.attempt(again)
        left = None
        if fate is Fate.TAKEN:
            self._store.unbury(dead)
        else:
            left = evolve(dead, why=why, timestamp=now(), wanted=False)
            self._store.bury(left)
        if self.dead is not None and self.dead.first == dead.first:
            self.dead = left

    def _tell_whole(self, to: int) -> None:
        """Tell the whole task up to an event, and not what led there. To be followed by `_move`."""
        self.place = evolve(self.place, whole=max(self.place.whole, to))

    def _move(self, place: Place) -> None:
        self.place = place
        self._store.move_webhook(*self.key, place)

    def _bury(self, last: int, why: str) -> None:
        first = self.place.heard + 1 if self.dead is None else self.dead.first
        self.dead = DeadLetter(*self.key, first, last, why, now())
        self._store.bury(self.dead)

    def _tell(self, post: Post, why: str) -> None:
        task_id, id = self.key
        log.warning(
            "gave up a notification to webhook %r of task %s at %s: %s",
            id,
            task_id,
            post.where,
            why,
        )

    @property
    def _in_a_hole(self) -> bool:
        return self.place.heard < self.place.whole

    @property
    def _is_old(self) -> bool:
        return self.webhook.line == v03.VERSION
