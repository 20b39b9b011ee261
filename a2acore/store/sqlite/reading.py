"""What is read from a database, in threads, beside the one that writes and without waiting for it.

Each look sees the database as it is at one moment: it is one statement, or one transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Concatenate, ParamSpec, TypeVar

import msgspec
import trio
from attrs import define, field

from a2acore.errors import StoreTrouble
from a2acore.model import Message, Metadata, TaskPushNotificationConfig, TaskState
from a2acore.push.port import EVERYTHING, Behind, DeadLetter, Place, Webhook
from a2acore.store.entries import Ended
from a2acore.store.port import Left, Query, Sent
from a2acore.store.sqlite import lines
from a2acore.store.sqlite.sql import transaction
from a2acore.store.sqlite.words import words
from a2acore.work import Written

READERS = 4
"""Connections: a long list does not hold up who asks for one task."""

P = ParamSpec("P")
T = TypeVar("T")
DB = sqlite3.Connection

_read_config = msgspec.json.Decoder(TaskPushNotificationConfig).decode
_read_session = msgspec.json.Decoder(Metadata).decode


@define(eq=False)
class Readers:
    """Connections that read."""

    _connect: Callable[[], DB]
    _idle: list[DB] = field(factory=list)
    _limiter: trio.CapacityLimiter = field(factory=lambda: trio.CapacityLimiter(READERS))

    async def __call__(
        self, look: Callable[Concatenate[DB, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Look something up.

        Raises:
            StoreTrouble: the database cannot be read.
        """
        try:
            return await trio.to_thread.run_sync(
                lambda: self._look(look, *args, **kwargs), limiter=self._limiter
            )
        except (sqlite3.Error, msgspec.DecodeError) as error:
            raise StoreTrouble(f"What is kept cannot be read: {words(error)}") from error

    def close(self) -> None:
        """Let go of the database. Nothing may be looked up any more."""
        while self._idle:
            self._idle.pop().close()

    def _look(self, look: Callable[Concatenate[DB, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        # No more threads than connections, and a list gives and takes in one step.
        db = self._idle.pop() if self._idle else self._connect()
        try:
            found = look(db, *args, **kwargs)
        except BaseException:
            db.close()  # whatever it is in: the next one has a new one
            raise
        self._idle.append(db)
        return found


# Tasks

_ENDED = """SELECT id, context_id, owner, state, timestamp, body
    FROM tasks JOIN bodies ON bodies.task = tasks.number WHERE ended IS NOT NULL"""


def _ended(id: str, context: str, owner: str, state: str, timestamp: str, body: bytes) -> Ended:
    return Ended(id, context, owner, TaskState[state], timestamp, body)


def find(db: DB, id: str) -> Ended | None:
    """A task that has ended."""
    row = db.execute(f"{_ENDED} AND id = ?", (id,)).fetchone()
    return None if row is None else _ended(*row)


def page(db: DB, query: Query, newest: int) -> tuple[Sequence[Ended], int]:
    """Those of the tasks that a query means, one more than a page holds, and how many there are in
    all; of those that ended up to place `newest`."""
    where, values = "", []
    for condition, value in (
        ("+ended <= ?", newest),  # the sign keeps SQLite from going by this one's index
        ("owner = ?", query.owner),
        ("context_id = ?", query.context_id or None),
        ("state = ?", query.state and query.state.name),
        ("timestamp >= ?", query.since or None),
    ):
        if value is not None:
            where += f" AND {condition}"
            values.append(value)
    count = f"SELECT count(*) FROM tasks WHERE ended IS NOT NULL{where}"
    spot = "" if query.before is None else " AND (timestamp, id) < (?, ?)"
    some = f"{_ENDED}{where}{spot} ORDER BY timestamp DESC, id DESC LIMIT ?"
    with transaction(db, "DEFERRED"):
        (total,) = db.execute(count, values).fetchone()
        rows = db.execute(some, (*values, *(query.before or ()), query.size + 1)).fetchall()
    return [_ended(*row) for row in rows], total


def events(db: DB, id: str, after: int, until: int | None) -> Sequence[Written] | None:
    """The events of a task from behind number `after` up to number `until`, if its log is kept."""
    # The beginning is at 0 and comes along, so that where there is a log there is a row.
    statement = """SELECT context_id, first, iif(last, body, NULL)
        FROM log JOIN tasks ON tasks.number = task
        WHERE tasks.id = ? AND (last = 0 OR last > ?) ORDER BY line"""
    rows = db.execute(statement, (id, after)).fetchall()
    if not rows:
        return None
    found: list[Written] = []
    for context_id, first, body in rows:
        items = lines.items(id, context_id, body) if body else ()
        told = [item for item in items if not isinstance(item, Message)]
        found += told[max(0, after + 1 - first) :]
    return found if until is None else found[: max(0, until - after)]


def rebuild(db: DB, number: int) -> Left:
    """A task, from its log."""
    rows = db.execute("SELECT last, body FROM log WHERE task = ? ORDER BY line", (number,))
    (_, beginning), *rest = rows
    return lines.rebuild(beginning, rest)


# What belongs to them


def sent(db: DB, owner: str, key: str) -> Sent | None:
    statement = "SELECT digest, task_id FROM sent WHERE owner = ? AND key = ?"
    row = db.execute(statement, (owner, key)).fetchone()
    return None if row is None else Sent(*row)


def session(db: DB, conversation: str) -> tuple[Metadata, float] | None:
    """What a backend keeps of a conversation, and when that was used, by the store's clock."""
    statement = "SELECT session, used FROM sessions WHERE conversation = ?"
    row = db.execute(statement, (conversation,)).fetchone()
    return None if row is None else (_read_session(row[0]), row[1])


def webhooks(db: DB, id: str) -> Sequence[Webhook]:
    statement = """SELECT config, line, plain FROM webhooks
        WHERE task = (SELECT number FROM tasks WHERE id = ?) ORDER BY number"""
    return [_webhook(*row) for row in db.execute(statement, (id,))]


def behind(db: DB) -> Sequence[Behind]:
    events = "coalesce(events, (SELECT max(last) FROM log WHERE log.task = tasks.number))"
    statement = f"""SELECT config, line, plain, heard, posting, whole, owner, {events} AS told
        FROM webhooks JOIN tasks ON tasks.number = webhooks.task
        WHERE heard < iif(ended IS NULL, ?, told) ORDER BY webhooks.number"""
    return [
        Behind(_webhook(config, line, plain), Place(*place), owner, told)
        for config, line, plain, *place, owner, told in db.execute(statement, (EVERYTHING,))
    ]


def dead_letters(db: DB, wanted: bool) -> Sequence[DeadLetter]:
    statement = f"""SELECT id, webhook, first, last, why, dead_letters.timestamp, wanted
        FROM dead_letters JOIN tasks ON tasks.number = dead_letters.task
        {"WHERE wanted" if wanted else ""} ORDER BY dead_letters.number"""
    return [
        DeadLetter(id, webhook, first, last, why, timestamp, bool(again))
        for id, webhook, first, last, why, timestamp, again in db.execute(statement)
    ]


def _webhook(config: bytes, line: str, plain: int) -> Webhook:
    return Webhook(_read_config(config), line, bool(plain))
