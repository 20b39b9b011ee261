"""What is kept beside the tasks: webhooks and their letters, what was sent, what backends keep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from attrs import astuple, define, field

from a2acore.model import Metadata
from a2acore.push.port import Behind, DeadLetter, Place, Webhook
from a2acore.store.port import Sent
from a2acore.store.sqlite import reading
from a2acore.store.sqlite.reading import Readers
from a2acore.store.sqlite.sweep import DAY, Clock
from a2acore.store.sqlite.writer import Writer

_encode = msgspec.json.Encoder().encode


@define(eq=False)
class Belongings:
    """One half of a store: see `Store` for what each of these does."""

    writer: Writer
    clock: Clock
    read: Readers
    _conversations: set[str]
    """Of which something may be kept. Every turn asks for it, and most find nothing: nobody else
    writes it, so there is no need to look."""
    _sent: dict[tuple[str, str], Sent] = field(factory=dict, init=False)
    _sessions: dict[str, Metadata | None] = field(factory=dict, init=False)
    """What was given of these, and is not kept yet."""

    # Webhooks

    def keep_webhook(self, webhook: Webhook, place: Place) -> None:
        config = webhook.config
        how = (webhook.line, webhook.plain, *astuple(place))
        self._change(_KEEP_WEBHOOK, config.id, _encode(config), *how, config.task_id)

    async def webhooks(self, task_id: str) -> Sequence[Webhook]:
        return await self.read(reading.webhooks, task_id)

    def drop_webhook(self, task_id: str, id: str) -> None:
        self._change(_DROP_WEBHOOK, id, task_id)
        self._change(_DROP_LETTERS, id, task_id)

    def move_webhook(self, task_id: str, id: str, place: Place) -> None:
        self._change(_MOVE_WEBHOOK, *astuple(place), id, task_id)

    async def behind(self) -> Sequence[Behind]:
        return await self.read(reading.behind)

    def bury(self, letter: DeadLetter) -> None:
        what = (letter.first, letter.last, letter.why, letter.timestamp, letter.wanted)
        self._change(_BURY, *what, letter.webhook_id, letter.task_id)

    def unbury(self, letter: DeadLetter) -> None:
        self._change(_UNBURY, letter.first, letter.webhook_id, letter.task_id)

    async def dead_letters(self, *, wanted: bool = False) -> Sequence[DeadLetter]:
        return await self.read(reading.dead_letters, wanted)

    # What was sent

    async def sent(self, owner: str, key: str) -> Sent | None:
        given = self._sent.get((owner, key))
        return given or await self.read(reading.sent, owner, key)

    def keep_sent(self, owner: str, key: str, sent: Sent) -> None:
        def told() -> None:
            if self._sent.get((owner, key)) is sent:
                del self._sent[owner, key]

        self._change(_KEEP_SENT, owner, key, sent.digest, sent.task_id)
        self._sent[owner, key] = sent
        self.writer.batch.told.append(told)

    # What backends keep

    async def session(self, conversation: str) -> Metadata | None:
        if conversation in self._sessions:
            return self._sessions[conversation]
        if conversation not in self._conversations:
            return None
        found = await self.read(reading.session, conversation)
        if found is None:
            return None
        session, used = found
        now = self.clock.look()
        if now - used > DAY:  # often enough for what is forgotten after days
            self._change(_USE_SESSION, now, conversation)
        return session

    def keep_session(self, conversation: str, session: Metadata | None) -> None:
        def told() -> None:
            if self._sessions.get(conversation, _NOTHING) is session:
                del self._sessions[conversation]

        if session is None:
            self._change(_DROP_SESSION, conversation)
        else:
            self._change(_KEEP_SESSION, conversation, _encode(session), self.clock.look())
            self._conversations.add(conversation)
        self._sessions[conversation] = session
        self.writer.batch.told.append(told)

    def _change(self, statement: str, *values: Any) -> None:
        self.writer.batch.change(statement, *values)
        self.writer.at_once()


_NOTHING: Metadata = {}
_TASK = "task = (SELECT number FROM tasks WHERE id = ?)"
_DROP_WEBHOOK = f"DELETE FROM webhooks WHERE id = ? AND {_TASK}"
_DROP_LETTERS = f"DELETE FROM dead_letters WHERE webhook = ? AND {_TASK}"
_MOVE_WEBHOOK = f"UPDATE webhooks SET heard = ?, posting = ?, whole = ? WHERE id = ? AND {_TASK}"
_UNBURY = f"DELETE FROM dead_letters WHERE first = ? AND webhook = ? AND {_TASK}"
# Of a task, or a webhook, that is not there, nothing is kept: there is no row to begin with.
_KEEP_WEBHOOK = """INSERT INTO webhooks (task, id, config, line, plain, heard, posting, whole)
    SELECT number, ?, ?, ?, ?, ?, ?, ? FROM tasks WHERE tasks.id = ?
    ON CONFLICT (task, id) DO UPDATE SET config = excluded.config, line = excluded.line,
        plain = excluded.plain, heard = excluded.heard, posting = excluded.posting,
        whole = excluded.whole"""
_BURY = """INSERT INTO dead_letters (task, webhook, first, last, why, timestamp, wanted)
    SELECT task, webhooks.id, ?, ?, ?, ?, ? FROM webhooks JOIN tasks ON tasks.number = task
        WHERE webhooks.id = ? AND tasks.id = ?
    ON CONFLICT (task, webhook, first) DO UPDATE SET last = excluded.last, why = excluded.why,
        timestamp = excluded.timestamp, wanted = excluded.wanted"""
_KEEP_SENT = "INSERT OR REPLACE INTO sent (owner, key, digest, task_id) VALUES (?, ?, ?, ?)"
_KEEP_SESSION = "INSERT OR REPLACE INTO sessions (conversation, session, used) VALUES (?, ?, ?)"
_USE_SESSION = "UPDATE sessions SET used = ? WHERE conversation = ?"
_DROP_SESSION = "DELETE FROM sessions WHERE conversation = ?"
