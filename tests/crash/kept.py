"""What stands in the store's file, read beside the server and without its help."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from attrs import frozen


@frozen
class Kept:
    """What is counted."""

    tasks: int
    unfinished: int
    dead: int
    """Letters that were given up."""
    sound: str
    """What the database says of itself; `ok` if it is well."""


def read(path: Path) -> Kept:
    """Read a store; nothing in it is changed."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:

        def said(statement: str) -> Any:
            return db.execute(statement).fetchone()[0]

        return Kept(
            said("SELECT count(*) FROM tasks"),
            said("SELECT count(*) FROM tasks WHERE ended IS NULL"),
            said("SELECT count(*) FROM dead_letters"),
            said("PRAGMA integrity_check(1)"),
        )
