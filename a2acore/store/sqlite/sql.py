"""How statements are put together: a transaction, and rows that go in as one statement."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from itertools import chain
from typing import Any

ROWS = 64
"""Rows of one statement, at most: a statement lets go of the interpreter and has to wait for it
again, which takes longer than many a row. Nine values in each are fewer than any SQLite takes."""


@contextmanager
def transaction(db: sqlite3.Connection, kind: str = "IMMEDIATE") -> Iterator[None]:
    """Do all that is in the block, or nothing of it, even where the commit itself fails.

    A `DEFERRED` one that only reads holds up nobody, and sees the database at one moment.
    """
    db.execute(f"BEGIN {kind}")
    try:
        yield
        db.execute("COMMIT")
    finally:
        if db.in_transaction:
            with suppress(sqlite3.Error):  # what it ends with has been raised already
                db.execute("ROLLBACK")


def insert(
    db: sqlite3.Connection, head: str, rows: Sequence[Sequence[Any]], tail: str = ""
) -> None:
    """Execute `head VALUES (...), (...) tail` for all rows, which are of the same length."""
    at, size = 0, ROWS
    while at < len(rows):
        while size > len(rows) - at:  # powers of two, so that there are few different statements
            size //= 2
        some = rows[at : at + size]
        db.execute(_values(head, len(some[0]), size, tail), list(chain.from_iterable(some)))
        at += size


@cache
def _values(head: str, columns: int, rows: int, tail: str) -> str:
    row = f"({', '.join('?' * columns)})"
    return f"{head} VALUES {', '.join([row] * rows)} {tail}"
