"""What SQLite says went wrong, in words for a person: none of it names a file or quotes a row."""

from __future__ import annotations

import sqlite3

WORDS = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_READONLY: "the database can only be read",
    sqlite3.SQLITE_PERM: "the database may not be used",
    sqlite3.SQLITE_BUSY: "another process holds the database",
    sqlite3.SQLITE_LOCKED: "another process holds the database",
    sqlite3.SQLITE_PROTOCOL: "another process holds the database",
    sqlite3.SQLITE_IOERR: "the disk does not work",
    sqlite3.SQLITE_CORRUPT: "the database is damaged",
    sqlite3.SQLITE_NOTADB: "that is no SQLite database",
    sqlite3.SQLITE_CANTOPEN: "the database cannot be opened",
    sqlite3.SQLITE_NOMEM: "there is not enough memory",
    sqlite3.SQLITE_TOOBIG: "there is more in it than the database takes",
}
"""By the first byte of the code, which tells the kind (https://www.sqlite.org/rescode.html)."""


class Moved(Exception):
    """The file is not where it was: what is written now, nobody will find."""

    def __str__(self) -> str:
        return "the database was deleted, moved or replaced"


def words(error: Exception) -> str:
    """What went wrong."""
    if isinstance(error, Moved):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return f"the database does not work ({type(error).__name__})"
    name = getattr(error, "sqlite_errorname", "")
    return f"{WORDS.get(code & 0xFF, 'the database does not work')} ({name})"
