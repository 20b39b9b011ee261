"""Tasks in memory: gone with the process.

Running tasks are kept as they are. Ended ones are kept as bytes: a hundred thousand of them as
structs would make the garbage collector stop the server for half a second at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain

import msgspec
from attrs import define, field, frozen
from msgspec import structs

from a2acore.lifecycle import TERMINAL, Record
from a2acore.model import Metadata, Task, TaskState
from a2acore.push.port import Webhook
from a2acore.store.port import Entry, Sent

KEEP = 10_000
"""Ended tasks, and as many of each other thing, that are kept; the oldest go first."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Task).decode


@frozen(eq=False)
class Ended:
    """A task that has ended, packed."""

    id: str
    context_id: str
    owner: str
    state: TaskState
    timestamp: str
    _packed: bytes

    def task(self, history_length: int | None = None) -> Task:
        task = _decode(self._packed)
        if history_length is None or len(task.history) <= history_length:
            return task
        return structs.replace(task, history=task.history[len(task.history) - history_length :])


@define(eq=False)
class MemoryStore:
    """A store that holds nothing after the end of the process."""

    keep: int = KEEP
    _running: dict[str, Record] = field(factory=dict)
    _ended: dict[str, Ended] = field(factory=dict)
    _sent: dict[tuple[str, str], Sent] = field(factory=dict)
    _sessions: dict[str, Metadata] = field(factory=dict)
    """By conversation, the one that was kept last at the end."""
    _webhooks: dict[str, dict[str, Webhook]] = field(factory=dict)

    def save(self, record: Record, tell: Callable[[], None]) -> None:
        if record.state in TERMINAL:
            self._running.pop(record.id, None)
            self._ended[record.id] = Ended(
                record.id,
                record.context_id,
                record.owner,
                record.state,
                record.timestamp,
                _encode(record.task()),
            )
            if len(self._ended) > self.keep:
                oldest = next(iter(self._ended))
                del self._ended[oldest]
                self._webhooks.pop(oldest, None)
        else:
            self._running[record.id] = record
        tell()

    async def find(self, task_id: str) -> Entry | None:
        return self._running.get(task_id) or self._ended.get(task_id)

    async def entries(self) -> Iterable[Entry]:
        return chain(self._running.values(), self._ended.values())

    async def keep_webhook(self, webhook: Webhook) -> None:
        config = webhook.config
        if config.task_id in self._running or config.task_id in self._ended:
            self._webhooks.setdefault(config.task_id, {})[config.id] = webhook

    async def webhooks(self, task_id: str) -> Sequence[Webhook]:
        return list(self._webhooks.get(task_id, {}).values())

    async def drop_webhook(self, task_id: str, id: str) -> None:
        self._webhooks.get(task_id, {}).pop(id, None)

    async def sent(self, owner: str, key: str) -> Sent | None:
        return self._sent.get((owner, key))

    async def keep_sent(self, owner: str, key: str, sent: Sent) -> None:
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
