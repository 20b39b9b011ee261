"""The file that a store is in: for its owner alone, and for one process at a time.

What locks it is a second file, `<file>.lock`: whoever holds a lock on that one has the store. The
lock is gone with the process, however that ended; the file stays, because to delete it would let
two processes each have a lock of their own.

Nothing in here opens and closes the database file by itself while SQLite has it open: closing any
descriptor of a file gives up all the locks that the process has on it (POSIX).
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from attrs import frozen

from a2acore.store.sqlite.schema import VERSION, Foreign, check
from a2acore.store.sqlite.words import Moved, words
from a2acore.store.terms import BadStore

BUSY = 2.0
"""Seconds that we wait for another process that has the database: long enough for one that looks
something up, or changes a row; who has it for longer is a trouble, and told as one."""
WAL_KEPT = 64 * 1024 * 1024
"""Bytes that the write-ahead log keeps on the disk when it has been much larger."""

Connect = Callable[[Path], sqlite3.Connection]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Have the store to ourselves.

    Raises:
        BadStore: another process has it, or there can be no such file.
    """
    beside = path.with_name(f"{path.name}.lock")
    try:
        fd = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise BadStore(f"{beside}: {error.strerror}; name a file that can be written") from error
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(fd, 20, 0).decode("ascii", "replace").strip()
            raise BadStore(
                f"{path}: is used by process {holder}; stop that one, or name another file"
            ) from error
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(fd)


def holder(path: Path) -> str:
    """The number of the process that has the store; empty when none has. Makes nothing."""
    try:
        fd = os.open(path.with_name(f"{path.name}.lock"), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.pread(fd, 20, 0).decode("ascii", "replace").strip()
    else:
        return ""
    finally:
        os.close(fd)


def make_folder(path: Path) -> None:
    """See that there is a folder for the file.

    Raises:
        BadStore: there can be none.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BadStore(f"{path.parent}: {error.strerror}; name a file elsewhere") from error


def prepare(path: Path) -> None:
    """See that there is a file, and that nobody else may read it.

    Raises:
        BadStore: there can be no such file.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
        try:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise BadStore(f"{path}: is no file; name another one")
            if status.st_mode & 0o077:
                os.fchmod(fd, 0o600)
        finally:
            os.close(fd)
        for end in ("-wal", "-shm"):  # they have the mode that the file had when they were made
            with suppress(FileNotFoundError):
                path.with_name(path.name + end).chmod(0o600)
    except OSError as error:
        raise BadStore(f"{path}: {error.strerror}; name a file that can be written") from error


def connect(path: Path) -> sqlite3.Connection:
    """A connection that writes, and says that something is kept when it is on the disk.

    Transactions are begun and ended by hand. It may go from thread to thread, one at a time.

    Raises:
        Foreign: the database is not ours to use.
        sqlite3.Error: it cannot be used.
    """
    db = _connect(path)
    try:
        check(db)  # first of all: what is not ours is not made to use a write-ahead log either
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",
            "fullfsync = ON",  # where fsync alone promises nothing (macOS)
            f"journal_size_limit = {WAL_KEPT}",
            "foreign_keys = ON",
        ):
            db.execute(f"PRAGMA {pragma}")
    except BaseException:
        db.close()
        raise
    return db


def connect_to_read(path: Path) -> sqlite3.Connection:
    """A connection that changes nothing, and waits for nobody who does.

    Raises:
        sqlite3.Error: it cannot.
    """
    db = _connect(path)
    # Not opened for reading alone: then SQLite could not make the files that readers share.
    db.execute("PRAGMA query_only = ON")
    return db


@contextmanager
def beside(path: Path, connect: Connect = connect_to_read) -> Iterator[sqlite3.Connection]:
    """A connection to what a server has kept, whether it runs or not; as it is, and it is not made.

    Raises:
        BadStore: there is no store in the file that we know, or it cannot be used.
    """
    with explained(path), closing(connect(path)) as db:
        version = check(db)
        if version != VERSION:
            holds = (
                f"of version {version}; a server that opens it renews it" if version else "empty"
            )
            raise BadStore(f"{path}: is {holds}")
        yield db


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",  # an error, where it would make a new file
        uri=True,
        timeout=BUSY,
        isolation_level=None,
        check_same_thread=False,
    )


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Say of what SQLite raises what is to be done about it.

    Raises:
        BadStore: in its place.
    """
    try:
        yield
    except Foreign as error:
        raise BadStore(f"{path}: {error}") from error
    except (sqlite3.Error, OSError) as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        raise BadStore(f"{path}: {words(error)}; {ADVICE.get(code, _OTHERWISE)}") from error


_ANOTHER = "name another file"
_RESTORE = "restore it from a copy, or name another file"
ADVICE = {
    sqlite3.SQLITE_FULL: "make room",
    sqlite3.SQLITE_READONLY: "let this user write it and its folder, or name another file",
    sqlite3.SQLITE_CANTOPEN: "let this user write it and its folder, or name another file",
    sqlite3.SQLITE_BUSY: "stop that one, or name another file",
    sqlite3.SQLITE_CORRUPT: _RESTORE,
    sqlite3.SQLITE_NOTADB: _ANOTHER,
}
_OTHERWISE = "look at the disk, or name another file"


@frozen
class Whereabouts:
    """Which files a connection has open, so that it can be seen that they are still there."""

    _files: dict[Path, tuple[int, int]]

    @classmethod
    def of(cls, path: Path) -> Whereabouts:
        """Those of a database that is open, and has been written to."""
        return cls({file: _identity(file) for file in (path, path.with_name(f"{path.name}-wal"))})

    def check(self) -> None:
        """See that they are where they were.

        Raises:
            Moved: they are not.
        """
        for file, identity in self._files.items():
            try:
                here = _identity(file) == identity
            except OSError:
                here = False
            if not here:
                raise Moved


def _identity(file: Path) -> tuple[int, int]:
    status = os.stat(file)
    return (status.st_dev, status.st_ino)
