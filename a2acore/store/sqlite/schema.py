"""The tables, and how a database of an older version becomes one of ours.

The version stands in the database (`PRAGMA user_version`), and whose it is (`application_id`).
Whatever changes the tables is a further step; a step that was released is never changed again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from a2acore.store.sqlite.sql import transaction

APPLICATION = 0x61326163
"""What a database of ours says it is: "a2ac"."""

STEPS: Sequence[tuple[str, ...]] = (
    (
        # Not STRICT: there are systems of today whose SQLite does not know it (3.34).
        # A task. What is NULL is so until it has ended and left memory: then lists find it here.
        """CREATE TABLE tasks (
            number INTEGER PRIMARY KEY,  -- in the order in which they began
            id TEXT NOT NULL UNIQUE,
            owner TEXT NOT NULL,
            context_id TEXT NOT NULL,
            ended INTEGER,               -- in the order in which they ended
            lived REAL,                  -- when it ended, by the store's own clock, in seconds
            state TEXT,
            timestamp TEXT,
            events INTEGER               -- how many there were
        )""",
        "CREATE INDEX tasks_left ON tasks (number) WHERE ended IS NULL",
        "CREATE INDEX tasks_ended ON tasks (ended) WHERE ended IS NOT NULL",
        """CREATE INDEX tasks_listed ON tasks (timestamp, id, state, ended)
            WHERE ended IS NOT NULL""",
        """CREATE INDEX tasks_of_owner ON tasks (owner, timestamp, id, state, ended)
            WHERE ended IS NOT NULL""",
        """CREATE INDEX tasks_of_context ON tasks (context_id, timestamp, id, owner, state, ended)
            WHERE ended IS NOT NULL""",
        # The log of each task; see `lines`. What is in a batch is one row for each task.
        """CREATE TABLE log (
            line INTEGER PRIMARY KEY,
            task INTEGER NOT NULL REFERENCES tasks ON DELETE CASCADE,
            first INTEGER NOT NULL,
            last INTEGER NOT NULL,
            body BLOB NOT NULL
        )""",
        "CREATE INDEX log_of_task ON log (task, last)",
        # The whole task, once it has ended: what its log amounts to.
        """CREATE TABLE bodies (
            task INTEGER PRIMARY KEY REFERENCES tasks ON DELETE CASCADE,
            body BLOB NOT NULL
        )""",
        """CREATE TABLE webhooks (
            number INTEGER PRIMARY KEY,  -- in the order in which they were registered
            task INTEGER NOT NULL REFERENCES tasks ON DELETE CASCADE,
            id TEXT NOT NULL,
            config BLOB NOT NULL,
            line TEXT NOT NULL,
            plain INTEGER NOT NULL,
            heard INTEGER NOT NULL,
            posting INTEGER NOT NULL,
            UNIQUE (task, id)
        )""",
        """CREATE TABLE dead_letters (
            number INTEGER PRIMARY KEY,
            task INTEGER NOT NULL REFERENCES tasks ON DELETE CASCADE,
            webhook TEXT NOT NULL,
            first INTEGER NOT NULL,
            last INTEGER NOT NULL,
            why TEXT NOT NULL,
            timestamp TEXT NOT NULL,
            wanted INTEGER NOT NULL,
            UNIQUE (task, webhook, first)
        )""",
        "CREATE INDEX dead_letters_wanted ON dead_letters (number) WHERE wanted",
        """CREATE TABLE sent (
            owner TEXT NOT NULL,
            key TEXT NOT NULL,
            digest BLOB NOT NULL,
            task_id TEXT NOT NULL,
            PRIMARY KEY (owner, key)
        ) WITHOUT ROWID""",
        """CREATE TABLE sessions (
            conversation TEXT PRIMARY KEY,
            session BLOB NOT NULL,
            used REAL NOT NULL           -- when, by the store's own clock
        ) WITHOUT ROWID""",
        # The store's own clock, how far logs of ended tasks were cut, and the like.
        "CREATE TABLE marks (name TEXT PRIMARY KEY, value REAL NOT NULL) WITHOUT ROWID",
    ),
    (
        "ALTER TABLE webhooks ADD COLUMN whole INTEGER NOT NULL DEFAULT 0",
        """UPDATE webhooks SET whole = heard + 1
            WHERE (task, id, heard) IN (SELECT task, webhook, last FROM dead_letters)""",
    ),
)
VERSION = len(STEPS)


class Foreign(Exception):
    """A database that is not ours to use: somebody else's, or of a version yet to come."""


def check(db: sqlite3.Connection, steps: Sequence[Sequence[str]] = STEPS) -> int:
    """See that a database is ours to use, and tell its version; 0 is one with nothing in it.

    Raises:
        Foreign: it is not.
        sqlite3.Error: it cannot be read.
    """
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application != APPLICATION and (application or version or tables):
        raise Foreign("is the database of another program; name another file")
    if version > len(steps):
        raise Foreign(
            f"is of version {version}, and this program knows no more than {len(steps)}; "
            "use a newer one, or name another file"
        )
    return int(version)


def migrate(db: sqlite3.Connection, steps: Sequence[Sequence[str]] = STEPS) -> None:
    """Bring a database to the newest version, all at once or not at all.

    Raises:
        Foreign: it is not ours to use; then it is left as it is.
        sqlite3.Error: it cannot be read or written.
    """
    version = check(db, steps)
    if version == len(steps):
        return
    with transaction(db):
        for step in steps[version:]:
            for statement in step:
                db.execute(statement)
        db.execute(f"PRAGMA application_id = {APPLICATION}")
        db.execute(f"PRAGMA user_version = {len(steps)}")
