"""What there is in a store, for whoever cares for it: beside a server that uses it, or without."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
from attrs import frozen

from a2acore.model import TaskState
from a2acore.store.sqlite import reading
from a2acore.store.sqlite.file import beside, connect, connect_to_read, explained
from a2acore.store.sqlite.schema import check
from a2acore.store.sqlite.sql import transaction
from a2acore.store.terms import BadStore

SLICE = 100
"""Tasks that are read at a time: while they are, nothing of the write-ahead log can be reused."""


@frozen
class Info:
    """What there is. Sizes are in bytes, timestamps are RFC 3339 in UTC."""

    version: int
    """Of the tables."""
    size: int
    """On the disk, with what is not yet in the file itself."""
    free: int
    """Of that, what the next tasks may take; `vacuum` gives it back."""
    unfinished: int
    """Tasks that have not ended, or not been packed since."""
    ended: dict[TaskState, int]
    """Tasks that have, by how."""
    oldest: str
    """The timestamp of the ended task with the smallest; empty if there is none."""
    newest: str
    """And with the largest."""
    events: int
    """Events that are kept of all these."""
    conversations: int
    """Of which a backend keeps something."""
    webhooks: int
    dead_letters: int


def info(path: Path) -> Info:
    """What there is in a store.

    Raises:
        BadStore: there is none in the file, or it cannot be read.
    """

    def one(statement: str) -> int:
        (number,) = db.execute(statement).fetchone()
        return int(number or 0)

    with beside(path) as db, transaction(db, "DEFERRED"):
        states = db.execute("SELECT state, count(*) FROM tasks WHERE ended > 0 GROUP BY state")
        span = "SELECT min(timestamp), max(timestamp) FROM tasks WHERE ended > 0"
        oldest, newest = db.execute(span).fetchone()
        return Info(
            version=check(db),
            size=_size(path),
            free=one("PRAGMA freelist_count") * one("PRAGMA page_size"),
            unfinished=one("SELECT count(*) FROM tasks WHERE ended IS NULL"),
            ended={TaskState[state]: number for state, number in states},
            oldest=oldest or "",
            newest=newest or "",
            events=one("SELECT sum(last - first + 1) FROM log WHERE last > 0"),
            conversations=one("SELECT count(*) FROM sessions"),
            webhooks=one("SELECT count(*) FROM webhooks"),
            dead_letters=one("SELECT count(*) FROM dead_letters"),
        )


def examine(path: Path) -> None:
    """See whether a server could keep tasks in a file, as far as can be told without making one.

    Raises:
        BadStore: it could not. That another server has it now does not count: see `holder`.
    """
    with explained(path):
        folder = next(each for each in path.parents if each.exists())
        if not folder.is_dir():
            raise BadStore(f"{folder}: is no folder; name a file elsewhere")
        if path.exists() and not path.is_file():
            raise BadStore(f"{path}: is no file; name another one")
        for needed in filter(Path.exists, (path, folder)):
            if not os.access(needed, os.W_OK):
                raise BadStore(f"{needed}: cannot be written; name a file that can be")
        if path.exists():
            with closing(connect_to_read(path)) as db:
                check(db)


def vacuum(path: Path) -> tuple[int, int]:
    """Give back to the disk what a store no longer needs; its size before and after, in bytes.

    A server that uses it can keep nothing meanwhile, and goes on afterwards.

    Raises:
        BadStore: there is none in the file, or there is no room for a copy.
    """
    with beside(path, connect) as db:
        before = _size(path)
        db.execute("VACUUM")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return before, _size(path)


def export(path: Path, task_id: str = "") -> Iterator[bytes]:
    """Every task, or one: whole, as JSON in the form of line 1.0, in the order in which they began.

    Tasks that begin or end meanwhile are there as they are when it is their turn, or not at all.

    Raises:
        BadStore: there is no store in the file, or it cannot be read.
    """
    with beside(path) as db:
        last = 0
        while tasks := _slice(db, last, task_id):
            for number, body in tasks:
                last = number
                yield body


def _slice(db: sqlite3.Connection, last: int, task_id: str) -> list[tuple[int, bytes]]:
    where, values = ("AND id = ?", (task_id,)) if task_id else ("", ())
    statement = f"""SELECT number, body FROM tasks LEFT JOIN bodies ON bodies.task = number
        WHERE number > ? {where} ORDER BY number LIMIT ?"""
    with transaction(db, "DEFERRED"):
        rows = db.execute(statement, (last, *values, SLICE)).fetchall()
        return [(number, body or _from_log(db, number)) for number, body in rows]


def _from_log(db: sqlite3.Connection, number: int) -> bytes:
    return msgspec.json.encode(reading.rebuild(db, number).beginning.record.task())


def _size(path: Path) -> int:
    beside_it = path.with_name(f"{path.name}-wal")
    return sum(file.stat().st_size for file in (path, beside_it) if file.exists())
