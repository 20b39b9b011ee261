"""Tasks in memory: gone with the process.

Running tasks are kept as they are. Ended ones are kept as bytes: a hundred thousand of them as
structs would make the garbage collector stop the server for half a second at a time. Events are
not kept at all, beyond what a task's journal holds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import define, field

from a2acore.lifecycle import TERMINAL, Record
from a2acore.model import Metadata
from a2acore.push.port import Behind, DeadLetter, Place, Webhook
from a2acore.store.entries import Ended, merged
from a2acore.store.port import Beginning, Entry, Item, Left, Page, Query, Sent, Told
from a2acore.store.shelves import Shelves
from a2acore.work import Written

KEEP = 10_000
"""Ended tasks, and as many of each other thing, that are kept; the oldest go first."""


@define(eq=False)
class MemoryStore:
    """A store that holds nothing after the end of the process."""

    keep: int = KEEP
    durable: bool = field(default=False, init=False)
    _running: dict[str, Record] = field(factory=dict)
    _ended: dict[str, Ended] = field(factory=dict)
    _shelves: Shelves = field(factory=Shelves)
    """The ended ones once more, to be listed."""
    _sent: dict[tuple[str, str], Sent] = field(factory=dict)
    _sessions: dict[str, Metadata] = field(factory=dict)
    """By conversation, the one that was kept last at the end."""
    _webhooks: dict[str, dict[str, Webhook]] = field(factory=dict)
    _dead: dict[tuple[str, str, int], DeadLetter] = field(factory=dict)

    def check(self) -> None:
        """There is always room: what is kept is bounded."""

    def begin(self, beginning: Beginning, told: Callable[[], None]) -> None:
        self._running[beginning.record.id] = beginning.record
        told()

    def append(self, record: Record, items: Sequence[Item], told: Told) -> None:
        told(items)
        if record.status.state in TERMINAL and self._running.pop(record.id, None) is not None:
            ended = self._ended[record.id] = Ended.of(record)
            self._shelves.add(ended)
            if len(self._ended) > self.keep:
                self._forget(next(iter(self._ended)))

    async def settle(self) -> None:
        """All is kept already."""

    async def find(self, task_id: str) -> Entry | None:
        return self._running.get(task_id) or self._ended.get(task_id)

    async def page(self, query: Query) -> Page:
        return merged(query, self._running.values(), *self._shelves.look(query))

    async def events(self, task_id: str, after: int) -> Sequence[Written] | None:
        return None

    async def left(self) -> Sequence[Left]:
        return ()

    def keep_webhook(self, webhook: Webhook, place: Place) -> None:
        config = webhook.config
        if config.task_id in self._running or config.task_id in self._ended:
            self._webhooks.setdefault(config.task_id, {})[config.id] = webhook

    async def webhooks(self, task_id: str) -> Sequence[Webhook]:
        return list(self._webhooks.get(task_id, {}).values())

    def drop_webhook(self, task_id: str, id: str) -> None:
        self._webhooks.get(task_id, {}).pop(id, None)
        for key in [key for key in self._dead if key[:2] == (task_id, id)]:
            del self._dead[key]

    def move_webhook(self, task_id: str, id: str, place: Place) -> None:
        """Who follows a task knows the place by itself, for as long as there is this process."""

    async def behind(self) -> Sequence[Behind]:
        return ()

    def bury(self, letter: DeadLetter) -> None:
        self._dead[letter.task_id, letter.webhook_id, letter.first] = letter
        if len(self._dead) > self.keep:
            del self._dead[next(iter(self._dead))]

    def unbury(self, letter: DeadLetter) -> None:
        self._dead.pop((letter.task_id, letter.webhook_id, letter.first), None)

    async def dead_letters(self, *, wanted: bool = False) -> Sequence[DeadLetter]:
        return [letter for letter in self._dead.values() if letter.wanted or not wanted]

    async def sent(self, owner: str, key: str) -> Sent | None:
        return self._sent.get((owner, key))

    def keep_sent(self, owner: str, key: str, sent: Sent) -> None:
        self._sent[owner, key] = sent
        if len(self._sent) > self.keep:
            del self._sent[next(iter(self._sent))]

    async def session(self, conversation: str) -> Metadata | None:
        return self._sessions.get(conversation)

    def keep_session(self, conversation: str, session: Metadata | None) -> None:
        self._sessions.pop(conversation, None)
        if session is not None:
            self._sessions[conversation] = session
            if len(self._sessions) > self.keep:
                del self._sessions[next(iter(self._sessions))]

    def _forget(self, task_id: str) -> None:
        self._shelves.drop(self._ended.pop(task_id))
        for id in list(self._webhooks.get(task_id, {})):
            self.drop_webhook(task_id, id)
        self._webhooks.pop(task_id, None)
