"""The writer of the audit log: the file, what a crash left in it, and the disk."""

from __future__ import annotations

import fcntl
import logging
import os
import re
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import msgspec
import trio
from attrs import define, field, frozen
from msgspec import structs

from a2acore.audit.lines import START, Line, Torn, archive, archives, digest, files, read
from a2acore.clock import now
from a2acore.errors import InternalError

SIZE = 64 * 1024 * 1024
"""Bytes of a file before the next is begun: small enough to look at, and to be moved."""
SYNC = 1.0
"""Seconds after which a line is on the disk: what a power failure may take. To wait for the disk at
every line would stop the server for milliseconds each time, and on a busy disk for seconds."""
TAIL = 1024 * 1024
"""Bytes at the end of a file in which its last whole line is looked for."""
_FIRST = b'{"seq":1,'
"""How a log begins."""

log = logging.getLogger(__name__)


class BadAudit(ValueError):
    """A file that no audit log can be kept in. One line: what is wrong, and what would be right."""


class Unaudited(InternalError):
    """What was asked cannot be written to the audit log, so it is not done."""

    reason = "UNAVAILABLE"
    status = status_03 = 503
    grpc = "UNAVAILABLE"
    default = "The audit log cannot be written, and nothing is done that is not in it"


class Audit(Protocol):
    """Where it is written what was done."""

    def write(self, line: Line) -> None:
        """Keep a line; when this returns, it survives the end of the process.

        Raises:
            Unaudited: it cannot be kept.
        """
        ...


@frozen
class NoAudit:
    """Nothing is written."""

    def write(self, line: Line) -> None:
        pass


@define(eq=False)
class FileAudit:
    """The log in a file, and in those before it: `FILE.1` is the oldest, `FILE` goes on."""

    path: Path
    size: int = SIZE
    unsynced: trio.Event = field(factory=trio.Event)
    _fd: int = -1
    _full: list[int] = field(factory=list)
    """Files that are done with, but for the disk."""
    _written: int = 0
    _seq: int = 0
    _head: str = START
    _torn: bytes = b""
    _failing: bool = False

    def open(self) -> None:
        """Go on where the file ends. Raises `BadAudit`."""
        try:
            self._fd = _open(self.path)
            self._written = os.fstat(self._fd).st_size
            self._find_end()
            self.write(Line(what="opened"))
        except (OSError, Unaudited) as error:
            cause = error.__cause__ if isinstance(error, Unaudited) else error
            why = cause.strerror if isinstance(cause, OSError) else str(error)
            raise BadAudit(f"{self.path}: cannot be written: {why}") from error

    def write(self, line: Line) -> None:
        try:
            if self._torn:
                self._mend()
            elif self._written >= self.size:
                self._rotate()
            self._append(line)
        except (OSError, BadAudit) as error:
            if not self._failing:
                log.error("%s: cannot be written, so no work is taken: %s", self.path, error)
            self._failing = True
            raise Unaudited from error
        if self._failing:
            log.warning("%s: can be written again", self.path)
        self._failing = False
        self.unsynced.set()

    def sync(self) -> None:
        """Wait until all that was written is on the disk."""
        rotated = bool(self._full)
        while self._full:  # one that cannot be written stays in line
            os.fsync(self._full[0])
            os.close(self._full.pop(0))
        os.fsync(self._fd)
        if rotated:
            _sync_folder(self.path.parent)

    def close(self) -> None:
        if self._fd >= 0:
            try:
                self.sync()
            except OSError as error:
                log.error("%s: may not be whole on the disk: %s", self.path, error)
            os.close(self._fd)
            if self._seq:
                log.info("%s: ends with line %d, head %s", self.path, self._seq, self._head)

    def _append(self, line: Line, lead: bytes = b"") -> None:
        line = structs.replace(line, seq=self._seq + 1, prev=self._head, time=now())
        text = _encode(line)
        left = memoryview(lead + text + b"\n")
        try:
            while left:
                done = os.write(self._fd, left)
                self._torn += left[:done]
                left = left[done:]
        finally:
            self._written = os.fstat(self._fd).st_size
        self._torn = b""
        self._seq, self._head = line.seq, digest(text)

    def _mend(self) -> None:
        whole = read(self._torn)
        if whole is not None and (whole.seq, whole.prev) == (self._seq + 1, self._head):
            os.write(self._fd, b"\n")  # nothing but its end is missing
            self._seq, self._head, self._torn = whole.seq, digest(self._torn), b""
            return
        lead = b"" if self._torn.endswith(b"\n") else b"\n"
        torn = self._torn.removesuffix(b"\n")
        self._append(Line(what="mended", torn=Torn(len(torn), digest(torn))), lead)

    def _rotate(self) -> None:
        full = archive(self.path, max(archives(self.path), default=0) + 1)
        os.rename(self.path, full)
        try:
            fd = _open(self.path)
        except (OSError, BadAudit):
            os.rename(full, self.path)
            raise
        self._full.append(self._fd)
        self._fd, self._written = fd, 0

    def _find_end(self) -> None:
        """Where the chain goes on, and what is torn behind it."""
        for file in reversed(files(self.path)):
            tail = _tail(file)
            ends = [0, *(match.end() for match in re.finditer(rb"\n", tail))]
            for start, end in zip(ends[-2::-1], ends[:0:-1], strict=True):
                line = read(tail[start:end])
                if line is not None:
                    self._seq, self._head = line.seq, digest(tail[start : end - 1])
                    break
            else:
                end = 0
            if file == self.path:
                self._torn = tail[end:]
            if end:
                return
            if len(tail) == TAIL:
                raise BadAudit(f"{file}: does not end as an audit log does; name a new file")
        if not self._torn.startswith(_FIRST[: len(self._torn)]):
            raise BadAudit(f"{self.path}: is no audit log; name a new file")


@asynccontextmanager
async def open_audit(path: Path, *, size: int = SIZE) -> AsyncIterator[Audit]:
    """Keep the log in `path` inside the block; a new file is begun after `size` bytes.

    Raises:
        BadAudit: it cannot be written, is used by another server, or holds something else.
    """
    audit = FileAudit(path, size)
    failure: Exception | None = None
    try:
        audit.open()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_keep_in_sync, audit)
            try:
                yield audit
            except Exception as error:
                failure = error
            nursery.cancel_scope.cancel()
    finally:
        audit.close()
    if failure is not None:
        raise failure  # out here, where the nursery does not wrap it


async def _keep_in_sync(audit: FileAudit) -> None:
    while True:
        await audit.unsynced.wait()
        await trio.sleep(SYNC)
        audit.unsynced = trio.Event()
        try:
            await trio.to_thread.run_sync(audit.sync)
        except OSError as error:
            log.error("%s: may not be whole on the disk: %s", audit.path, error)


def _open(path: Path) -> int:
    """The file to go on with, for us alone and read by nobody else. It never follows a link."""
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    fd = os.open(path, flags, 0o600)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise BadAudit(f"{path}: is no file; name a new one")
        os.fchmod(fd, 0o600)
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(fd)
        raise BadAudit(f"{path}: is used by another server; give each its own") from error
    except BaseException:
        os.close(fd)
        raise
    return fd


def _tail(file: Path) -> bytes:
    with file.open("rb") as given:
        given.seek(max(0, os.fstat(given.fileno()).st_size - TAIL))
        return given.read()


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


_encode = msgspec.json.Encoder().encode
