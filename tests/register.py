"""A store that outlives a server, for tests: one that keeps webhooks and their places too, and that
can be had as it was when the server was killed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import trio
import trio.testing
from attrs import define, evolve, field

from a2acore.ledger import nothing
from a2acore.lifecycle import TERMINAL, Record
from a2acore.push.port import Behind, DeadLetter, Place, Webhook
from a2acore.store import MemoryStore
from a2acore.work import Written
from tests.shelf import Shelf, events_of

Key = tuple[str, str]


@define(eq=False)
class Register(Shelf):
    """A shelf with webhooks, their places, and what was given up."""

    hooks: dict[Key, Webhook] = field(factory=dict)
    places: dict[Key, Place] = field(factory=dict)
    graves: dict[tuple[str, str, int], DeadLetter] = field(factory=dict)
    given: trio.Event = field(factory=trio.Event)
    forgetful: bool = False
    """Keep no events of tasks."""
    hesitant: bool = False
    """Tell who is behind when all that happens meanwhile has happened."""

    def as_killed(self) -> Register:
        """What the next server finds, if this one is killed now."""
        left = Register(
            begun=dict(self.begun),
            logs={id: list(log) for id, log in self.logs.items()},
            hooks=dict(self.hooks),
            places=dict(self.places),
            graves=dict(self.graves),
            forgetful=self.forgetful,
        )
        for id, begun in left.begun.items():
            before = begun.record
            record = Record(before.id, before.context_id, before.owner, before.status)
            record.history[:] = before.history
            for item in left.logs[id]:
                record.take(item)
            if record.state in TERMINAL:
                MemoryStore.begin(left, evolve(begun, record=record), nothing)
                MemoryStore.append(left, record, (), lambda items: None)
        return left

    async def keep_in_batches(self) -> None:
        """Keep what is given, some of it at a time."""
        self.slow = True
        while True:
            await self.given.wait()
            await trio.sleep(0.05)
            self.given = trio.Event()
            self.keep_all()

    def _give(self, keep: Callable[[], None], told: Callable[[], None]) -> None:
        super()._give(keep, told)
        self.given.set()

    async def events(self, task_id: str, after: int) -> Sequence[Written] | None:
        return None if self.forgetful else await Shelf.events(self, task_id, after)

    def keep_webhook(self, webhook: Webhook, place: Place) -> None:
        key = (webhook.config.task_id, webhook.config.id)

        def keep() -> None:
            self.hooks[key] = webhook
            self.places[key] = place

        self._give(keep, nothing)

    async def webhooks(self, task_id: str) -> Sequence[Webhook]:
        return [webhook for key, webhook in self.hooks.items() if key[0] == task_id]

    def drop_webhook(self, task_id: str, id: str) -> None:
        def keep() -> None:
            self.hooks.pop((task_id, id), None)
            for key in [key for key in self.graves if key[:2] == (task_id, id)]:
                del self.graves[key]

        self._give(keep, nothing)

    def move_webhook(self, task_id: str, id: str, place: Place) -> None:
        self._give(lambda: self.places.update({(task_id, id): place}), nothing)

    async def behind(self) -> Sequence[Behind]:
        found = []
        for key, webhook in self.hooks.items():
            entry, events = await self.find(key[0]), len(events_of(self.logs[key[0]]))
            assert entry is not None
            if entry.state not in TERMINAL or self.places[key].heard < events:
                found.append(Behind(webhook, self.places[key], entry.owner, events))
        if self.hesitant:
            await trio.testing.wait_all_tasks_blocked()
        return found

    def bury(self, letter: DeadLetter) -> None:
        key = (letter.task_id, letter.webhook_id, letter.first)
        self._give(lambda: self.graves.update({key: letter}), nothing)

    def unbury(self, letter: DeadLetter) -> None:
        def keep() -> None:
            self.graves.pop((letter.task_id, letter.webhook_id, letter.first), None)

        self._give(keep, nothing)

    async def dead_letters(self, *, wanted: bool = False) -> Sequence[DeadLetter]:
        return [letter for letter in self.graves.values() if letter.wanted or not wanted]

    def want_all(self) -> None:
        """What somebody does from another process: have everything tried again."""
        for key, letter in self.graves.items():
            self.graves[key] = evolve(letter, wanted=True)
