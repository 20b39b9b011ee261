"""What becomes of files in a turn, as whole texts.

An agent shows an edit as a pair of texts, which may be a whole file or a mere snippet of it, before
or after it has written. So the disk is asked: for each file that a tool may change, once as soon as
the tool is heard of, and once when it has ended. Where we came too late for the first look, the
edit that the agent shows is undone on the second.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

import trio
from attrs import define, field, frozen

from a2acore.backend import FileChange

LARGEST = 8 * 1024 * 1024
"""Bytes of a file that is read; a larger one is treated as one that is no text."""
SMALL = 256 * 1024
"""Bytes that are read at once, without a thread: fewer than the page cache gives in a moment."""


@frozen
class Diff:
    """An edit as an agent shows it; `old` is None where it makes a file or replaces it whole."""

    path: str
    old: str | None
    new: str


@frozen
class Content:
    """What a file holds: a text, or something of which we only see that it changes."""

    text: str | None = None
    mark: tuple[int, int] | None = None
    """Of a file that is no text: its size and the time of its last change."""


MISSING = Content()


@define(eq=False)
class Changes:
    """The files of one turn."""

    _cwd: Path
    _first: dict[str, Content] = field(factory=dict)
    """As they were before the turn."""
    _last: dict[str, Content] = field(factory=dict)
    """As they were when we looked last."""
    _late: set[str] = field(factory=set)
    """Those that may have been written before we looked first."""

    async def look(self, paths: Iterable[str], *, early: bool = False) -> None:
        """Remember what files hold that a tool will change; `early` if it surely has not yet."""
        for path in map(self._whole, paths):
            if path not in self._first:
                self._first[path] = self._last[path] = await read(path)
                self._late.add(path)
            if early:
                self._late.discard(path)

    def proposed(self, diffs: Iterable[Diff]) -> tuple[FileChange, ...]:
        """What edits would make of files that were looked at and are not yet changed."""
        texts: dict[str, FileChange] = {}
        for diff in diffs:
            path = self._whole(diff.path)
            before = self._last.get(path, MISSING)
            if before.mark is not None:
                texts[path] = FileChange(path, None, None, binary=True)
                continue
            now = texts[path].after if path in texts else before.text
            after = applied(now, diff)
            if after is None:  # It does not fit the file: better what the agent says than nothing.
                texts[path] = FileChange(path, diff.old, diff.new)
            else:
                texts[path] = FileChange(path, before.text, after)
        return tuple(texts.values())

    async def settle(
        self, paths: Iterable[str], diffs: Iterable[Diff] = (), *, done: bool
    ) -> list[FileChange]:
        """What has really changed, now that a tool has ended; `done` if it says it went well."""
        changes = []
        shown = list(diffs)
        for path in dict.fromkeys(map(self._whole, paths)):
            if path not in self._first:
                continue
            before, after = self._last[path], await read(path)
            if before == after and done and path in self._late:
                edits = [diff for diff in shown if self._whole(diff.path) == path]
                self._first[path] = before = _undone(after, edits)
            self._late.discard(path)
            self._last[path] = after
            if before != after:
                changes.append(_change(path, self._first[path], after))
        return changes

    def _whole(self, path: str) -> str:
        return os.path.normpath(self._cwd / path)


def applied(text: str | None, diff: Diff) -> str | None:
    """A text after an edit; None if the edit does not fit it."""
    if not diff.old:
        return diff.new
    if text is None or text.count(diff.old) != 1:
        return None
    return text.replace(diff.old, diff.new)


def _undone(after: Content, edits: list[Diff]) -> Content:
    """What a file held before edits that it holds now; `after` itself if that cannot be told."""
    text = after.text
    for edit in reversed(edits):
        if text is not None and text == edit.new:
            text = edit.old
        elif text and edit.old is not None and edit.new and text.count(edit.new) == 1:
            text = text.replace(edit.new, edit.old)
        else:
            return after
    return Content(text) if edits else after


def _change(path: str, before: Content, after: Content) -> FileChange:
    if before.mark is not None or after.mark is not None:
        return FileChange(path, None, None, binary=True)
    return FileChange(path, before.text, after.text)


async def read(path: str) -> Content:
    """What a file holds now; `MISSING` if there is none, or none that can be read.

    Waits only for large files.
    """
    try:
        # An agent may name anything: a pipe must not be waited for, a directory is no file.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return MISSING
    try:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode):
            return MISSING
        mark = Content(mark=(info.st_size, info.st_mtime_ns))
        if info.st_size > LARGEST:
            return mark
        if info.st_size > SMALL:
            data = await trio.to_thread.run_sync(_read_all, fd)
        else:
            data = _read_all(fd)
    except OSError:
        return MISSING
    finally:
        os.close(fd)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return mark
    return mark if "\0" in text else Content(text)


def _read_all(fd: int) -> bytes:
    with open(fd, "rb", closefd=False) as file:
        return file.read(LARGEST)
