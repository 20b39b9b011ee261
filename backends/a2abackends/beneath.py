"""Files below a folder, found without ever leaving it.

A path is walked name by name, each opened from the folder that holds it and never through a link:
a link is read, and walked in the same way. So whoever swaps a folder for a link while we are on our
way, only makes us refuse. Nothing here waits for a pipe or wakes a device. Blocking: for a thread.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from attrs import define, field

LINKS = 40
"""Links that one path may lead through, as in the kernel."""
DEEPEST = 128
"""Folders that one path may lead through: each is held open on the way."""
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Outside(Exception):
    """The path leads out of the folder."""


class Unsuitable(Exception):
    """What is there is no ordinary file, or too large. `str(error)` completes "path ..."."""


@define(eq=False)
class Place:
    """Where a file is or would be: an open folder, and a name in it."""

    folder: int
    name: str

    def read(self, largest: int) -> bytes | None:
        """What the file holds, `None` if there is none.

        Raises:
            Unsuitable: it is no ordinary file, or larger than `largest` bytes.
            OSError: it cannot be read.
        """
        try:
            self._look()
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
            file = os.open(self.name, flags, dir_fd=self.folder)
        except FileNotFoundError:
            return None
        with open(file, "rb") as opened:
            _check_kind(os.fstat(file).st_mode)
            data = opened.read(largest + 1)
        if len(data) > largest:
            raise Unsuitable(f"is larger than {largest} bytes")
        return data

    def write(self, data: bytes) -> None:
        """Replace the file, at once and whole, or make it; it keeps its mode.

        Raises:
            Unsuitable: there is something that is no ordinary file.
            OSError: it cannot be written; what was there is still there.
        """
        mode = None
        with suppress(FileNotFoundError):
            mode = stat.S_IMODE(self._look())
        fresh = f".a2acode-{uuid4().hex}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        file = os.open(fresh, flags, 0o666, dir_fd=self.folder)
        try:
            with open(file, "wb") as opened:
                if mode is not None:
                    os.fchmod(file, mode)
                opened.write(data)
            os.replace(fresh, self.name, src_dir_fd=self.folder, dst_dir_fd=self.folder)
        except BaseException:
            os.unlink(fresh, dir_fd=self.folder)
            raise

    def _look(self) -> int:
        mode = os.stat(self.name, dir_fd=self.folder, follow_symlinks=False).st_mode
        _check_kind(mode)
        return mode


@contextmanager
def open_place(root: Path, path: str, *, make: bool = False) -> Iterator[Place]:
    """Find a path, absolute or relative, below a folder; `make` the folders that it needs.

    Raises:
        Outside: it leads out of the folder, or is the folder.
        FileNotFoundError: a folder that it needs is not there.
        OSError: it cannot be looked for.
    """
    walk = _Walk(root, make)
    try:
        yield walk.find(path)
    finally:
        walk.close()


@define(eq=False)
class _Walk:
    """A way through folders: those that are open, the innermost last."""

    _root: Path
    _make: bool
    _folders: list[int] = field(factory=list)
    _links: int = 0

    def find(self, path: str) -> Place:
        self._folders.append(os.open(self._root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        ahead = self._names(path)
        while ahead:
            name = ahead.pop(0)
            if name == "..":
                self._leave()
            elif (target := self._link(name)) is not None:
                if target.startswith("/"):
                    while len(self._folders) > 1:
                        self._leave()
                ahead = self._names(target) + ahead
            elif ahead:
                self._enter(name)
            else:
                return Place(self._folders[-1], name)
        raise Outside

    def close(self) -> None:
        for folder in self._folders:
            os.close(folder)

    def _names(self, path: str) -> list[str]:
        """The names of a path, from where we are; of an absolute one, from the root folder."""
        if path.startswith("/"):
            for root in (str(self._root), os.path.realpath(self._root)):
                if path.startswith(f"{root.rstrip('/')}/"):
                    path = path.removeprefix(root)
                    break
            else:
                raise Outside
        return [name for name in path.split("/") if name not in ("", ".")]

    def _leave(self) -> None:
        if len(self._folders) == 1:
            raise Outside
        os.close(self._folders.pop())

    def _enter(self, name: str) -> None:
        here = self._folders[-1]
        if len(self._folders) > DEEPEST:
            raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), name)
        try:
            self._folders.append(os.open(name, FOLDER, dir_fd=here))
        except FileNotFoundError:
            if not self._make:
                raise
            with suppress(FileExistsError):
                os.mkdir(name, dir_fd=here)
            self._folders.append(os.open(name, FOLDER, dir_fd=here))

    def _link(self, name: str) -> str | None:
        """Where a link leads; `None` if it is none."""
        try:
            target = os.readlink(name, dir_fd=self._folders[-1])
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.ENOENT):
                return None
            raise
        self._links += 1
        if self._links > LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), name)
        return target


def _check_kind(mode: int) -> None:
    if not stat.S_ISREG(mode):
        what = "a folder" if stat.S_ISDIR(mode) else "no ordinary file"
        raise Unsuitable(f"is {what}")
