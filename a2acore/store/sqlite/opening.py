"""How a store is opened, gone on with, and closed."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from functools import partial
from pathlib import Path

import msgspec
import trio
from attrs import define

from a2acore.lifecycle import TERMINAL, IllegalTransition
from a2acore.store.port import Left
from a2acore.store.sqlite import reading
from a2acore.store.sqlite.batch import Batch, Ending
from a2acore.store.sqlite.care import examine
from a2acore.store.sqlite.file import (
    Connect,
    Whereabouts,
    connect,
    connect_to_read,
    explained,
    locked,
    make_folder,
    prepare,
)
from a2acore.store.sqlite.hand import Hand, open_hand
from a2acore.store.sqlite.reading import Readers
from a2acore.store.sqlite.schema import migrate
from a2acore.store.sqlite.store import SqliteStore
from a2acore.store.sqlite.sweep import EVERY, Clock, Forgotten, Sweep, mark
from a2acore.store.sqlite.words import words
from a2acore.store.sqlite.writer import Writer
from a2acore.store.terms import KEEP, BadStore, Keep

log = logging.getLogger(__name__)


@define(eq=False)
class Disk:
    """The connection that writes. Nothing but the thread beside it touches it."""

    hand: Hand
    db: sqlite3.Connection
    whereabouts: Whereabouts

    async def write(self, batch: Batch) -> None:
        await self.hand.do(lambda: batch.write(self.db, self.whereabouts.check))

    async def sweep(self, sweep: Sweep) -> Forgotten:
        return await self.hand.do(lambda: sweep.slice(self.db))

    async def close(self) -> None:
        await self.hand.do(self.db.close)


@define(eq=False)
class Found:
    """What was in the file."""

    clock: Clock
    number: int
    """The number of the task that began last."""
    newest: int
    """The place of the one that ended last."""
    left: dict[int, Left]
    """Those that have not ended, by their numbers."""
    conversations: set[str]
    """Of which a backend keeps something."""


@asynccontextmanager
async def open_sqlite(
    path: Path,
    *,
    keep: Keep = KEEP,
    clock: Callable[[], float] = time.time,
    connect: Connect = connect,
) -> AsyncIterator[SqliteStore]:
    """Keep tasks in a file inside the block. It is made if it is not there, its folder too.

    Leaving the block, however that comes, keeps what was given; if the disk is in trouble, what can
    be kept within `LAST_WORDS` seconds. `clock` tells the time of day, in seconds since 1970;
    `connect` makes the connection that writes.

    Raises:
        BadStore: no tasks can be kept there.
    """
    examine(path)  # first: nothing is made beside a file that is not ours, and its mode stays
    make_folder(path)
    with locked(path), open_hand("a2acode store") as hand:
        db, whereabouts, found = await hand.do(partial(_open, path, clock, connect))
        disk = Disk(hand, db, whereabouts)
        with closing(Readers(partial(connect_to_read, path))) as readers:
            writer = Writer(disk.write)
            store = SqliteStore(
                writer, found.clock, readers, found.conversations, found.newest, found.number
            )
            for number, left in found.left.items():
                store.take_over(number, left)
            try:
                async with _writing(store, partial(_tidy, store, disk, keep)):
                    yield store
            finally:
                await disk.close()


@asynccontextmanager
async def _writing(store: SqliteStore, tidy: Callable[[], Awaitable[float]]) -> AsyncIterator[None]:
    failure: Exception | None = None
    scope = trio.CancelScope(shield=True)  # what is cancelled outside was given before

    async def write() -> None:
        with scope:
            await store.writer.run(store.kept, tidy)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write, name="store")
        try:
            yield
        except Exception as error:
            failure = error
        finally:
            with trio.CancelScope(shield=True):
                await store.writer.close()
            scope.cancel()
    if failure is not None:
        raise failure  # out here, where the nursery does not wrap it


async def _tidy(store: SqliteStore, disk: Disk, keep: Keep) -> float:
    """Forget a bit of what is to be forgotten; returns when to go on."""
    lived = store.clock.look()
    try:
        forgotten = await disk.sweep(Sweep(keep, lived, store.clock.seen, store.newest))
    except sqlite3.Error as error:
        log.warning("what is old could not be forgotten: %s", words(error))
        forgotten = Forgotten()
    store.forget(forgotten)
    return trio.current_time() + (0.0 if forgotten.more else EVERY)


def _open(
    path: Path, clock: Callable[[], float], connect: Connect
) -> tuple[sqlite3.Connection, Whereabouts, Found]:
    with explained(path):
        prepare(path)
        db = connect(path)
        try:
            migrate(db)
            found = _find(path, db, clock)
            mark(db, found.clock.look(), found.clock.seen)  # also to see whether it can be written
            return db, Whereabouts.of(path), found
        except BaseException:
            db.close()
            raise


def _find(path: Path, db: sqlite3.Connection, time: Callable[[], float]) -> Found:
    clock = Clock.of(db, time)
    number, newest = db.execute("SELECT max(number), max(ended) FROM tasks").fetchone()
    conversations = {name for (name,) in db.execute("SELECT conversation FROM sessions")}
    found = Found(clock, number or 0, newest or 0, {}, conversations)
    batch = Batch()
    numbers = "SELECT number FROM tasks WHERE ended IS NULL ORDER BY number"
    for (task,) in db.execute(numbers).fetchall():
        try:
            left = reading.rebuild(db, task)
        except (msgspec.DecodeError, IllegalTransition, ValueError) as error:
            raise BadStore(
                f"{path}: the log of task number {task} is damaged; restore it from a copy"
            ) from error
        record = left.beginning.record
        if record.state not in TERMINAL:
            found.left[task] = left
        else:  # there was no time to pack it
            found.newest += 1
            ending = Ending(task, found.newest, clock.look(), left.events, record)
            batch.endings.append(ending)
    batch.write(db, lambda: None)
    return found
