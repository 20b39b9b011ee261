"""All the walks that are on their way: begun, broken off, taken up again after a restart."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING

import trio
from attrs import define, field

from a2acore.errors import StoreTrouble
from a2acore.limits import Limits, Tally
from a2acore.push.guard import Guard
from a2acore.push.patience import Patience
from a2acore.push.port import EVERYTHING, DeadLetter, Place
from a2acore.push.stamp import Stamp
from a2acore.push.walk import Heard, Walk
from a2acore.store.port import Store

if TYPE_CHECKING:
    import httpcore

    from a2acore.push.post import Post

LAST_CHANCE = 5.0
"""Seconds that webhooks get to hear the end, when the server stops."""
LOOK = 3.0
"""Seconds between two looks for letters that somebody wants to be tried again, and waits for."""
TROUBLE = 2.0
"""Seconds until a store that could keep nothing is asked again."""
LANES = 32
"""Letters that are posted at a time of those that another server has left, which may be many."""

Join = Callable[[str], Heard | None]
"""How to hear of a task from now on, if it runs."""

log = logging.getLogger(__name__)


@define(eq=False)
class Rounds:
    """The walks behind all tasks, each in a child of one nursery."""

    _store: Store
    _guard: Guard
    _network: httpcore.AsyncNetworkBackend | None
    _patience: Patience
    _nursery: trio.Nursery
    _limits: Limits
    _stamp: Stamp | None = None
    _announced: bool = False
    _left: list[Walk] = field(factory=list)
    """Those of another server's, until letters can be signed."""
    _walks: dict[tuple[str, str], Walk] = field(factory=dict)
    """Those on their way, the oldest first."""
    _lane: trio.CapacityLimiter = field(factory=lambda: trio.CapacityLimiter(LANES))
    _closing: trio.Event = field(factory=trio.Event)
    _arrivals: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot)
    _tally: Tally = field(init=False)

    def __attrs_post_init__(self) -> None:
        most = self._limits.webhooks_per_caller
        self._tally = Tally("webhooks at tasks that run", self._limits.webhooks, most)

    def check(self, owner: str, key: tuple[str, str]) -> None:
        """See that there is room for a walk.

        Raises:
            TooBusy: there is none, and no webhook that is late holds any.
        """
        if key in self._walks:
            return
        if not (self._tally.has_room() and self._tally.has_room_for(owner)):
            self._make_room(owner)
        self._tally.check(owner)

    def begin(self, walk: Walk) -> None:
        """Let a webhook hear."""
        self._walks[walk.key] = walk
        self._tally.add(walk.owner)
        self._set_out(walk)

    def stop(self, key: tuple[str, str]) -> None:
        """Let a webhook hear no more. It need not be on its way."""
        if key in self._walks:
            self._walks[key].scope.cancel()
            self._forget(self._walks[key])

    async def resume(self, join: Join) -> None:
        """See who has something to hear yet. They are told from `announce` on."""
        graves = {
            (letter.task_id, letter.webhook_id, letter.last): letter
            for letter in await self._store.dead_letters()
        }
        for behind in await self._store.behind():
            config = behind.webhook.config
            walk = Walk(
                behind.webhook,
                behind.owner,
                behind.place,
                self._store,
                join(config.task_id),
                behind.events,
                graves.get((config.task_id, config.id, behind.place.heard)),
                self._lane,
            )
            self._left.append(walk)

    def announce(self, stamp: Stamp | None) -> None:
        """Post what was left, and sign what is posted from now on, if there is a stamp."""
        self._stamp = stamp
        for walk in self._left:
            self.begin(walk)
        self._left.clear()
        if not self._announced:
            self._announced = True
            self._nursery.start_soon(self._look_for_wanted)

    async def close(self) -> None:
        """Wait for the walks, whose tasks have all ended or are left, but not for long."""
        self._closing.set()
        with trio.move_on_after(LAST_CHANCE):
            while self._walks:
                await self._arrivals.park()

    def _set_out(self, walk: Walk) -> None:
        walk.scope = trio.CancelScope()
        self._nursery.start_soon(self._go, walk, walk.scope)

    async def _go(self, walk: Walk, scope: trio.CancelScope) -> None:
        # Loads an HTTP client, of no use to a server that posts nothing.
        from a2acore.push.post import Post

        post = Post(
            walk.webhook,
            self._guard,
            self._network,
            self._patience,
            self._closing,
            self._stamp,
            walk.lane,
        )
        try:
            with scope:
                async with post:
                    while not await self._has_gone(walk, post):
                        with trio.move_on_after(TROUBLE):
                            await self._closing.wait()
        except Exception:  # a bug of ours, which must not become the end of the server
            task_id, id = walk.key
            log.exception("webhook %r of task %s broke", id, task_id)
        finally:
            if walk.scope is scope and self._walks.get(walk.key) is walk:
                self._forget(walk)
            self._arrivals.unpark_all()

    async def _has_gone(self, walk: Walk, post: Post) -> bool:
        """Walk; whether there is nothing left to do, or no time."""
        try:
            await walk.go(post)
        except StoreTrouble:
            return self._closing.is_set()
        return True

    def _forget(self, walk: Walk) -> None:
        del self._walks[walk.key]
        self._tally.drop(walk.owner)

    def _make_room(self, owner: str) -> None:
        """Give up the webhook that is late for longest: one of this owner's, if it is the owner who
        has no room."""
        own = not self._tally.has_room_for(owner)
        for walk in self._walks.values():
            if walk.is_late and (walk.owner == owner or not own):
                self.stop(walk.key)
                walk.give_up("it was late, and others needed the room")
                return

    async def _look_for_wanted(self) -> None:
        """Try letters again that were given up and that somebody wants to be tried again."""
        while True:
            try:
                await self._store.settle()  # so that none is found that was tried just now
                wanted = defaultdict(list)
                for letter in await self._store.dead_letters(wanted=True):
                    wanted[letter.task_id, letter.webhook_id].append(letter)
                for key, letters in wanted.items():
                    await self._try_again(key, letters)
            except StoreTrouble:
                pass  # they stay wanted
            await trio.sleep(LOOK)

    async def _try_again(self, key: tuple[str, str], letters: list[DeadLetter]) -> None:
        walk = self._walks.get(key) or await self._walk_of(key)
        if walk is None:
            for letter in letters:
                self._store.unbury(letter)
            return
        known = {letter.first for letter in walk.wanted}
        new = [letter for letter in letters if letter.first not in known]
        if not new:
            return
        walk.wanted += new
        if walk.key in self._walks:
            # It may be waiting long for its next attempt. Whoever wants this thinks it is of use.
            walk.scope.cancel()
            self._set_out(walk)
        else:
            self.begin(walk)

    async def _walk_of(self, key: tuple[str, str]) -> Walk | None:
        """A walk for a webhook that has nothing more to hear; nothing if it is gone."""
        task_id, id = key
        entry = await self._store.find(task_id)
        webhooks = await self._store.webhooks(task_id)
        webhook = next((each for each in webhooks if each.config.id == id), None)
        if entry is None or webhook is None:
            return None
        return Walk(webhook, entry.owner, Place(EVERYTHING), self._store, None, lane=self._lane)
