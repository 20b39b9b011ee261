"""What becomes of files in a turn, as whole texts.

An agent shows an edit as a pair of texts, which may be a whole file or a mere snippet of it, before
or after it has written. So the disk is asked: for each file that a tool may change, once as soon as
the tool is heard of, and once when it has ended. Where we came too late for the first look, the
edit that the agent shows is undone on the second.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

import trio
from attrs import define, field, frozen

from a2acore.backend import FileChange

LARGEST = 8 * 1024 * 1024
"""Bytes of a file that is read; a larger one is treated as one that is no text."""
SMALL = 256 * 1024
"""Bytes that are read at once, without a thread: fewer than the page cache gives in a moment."""
FILES = 1000
"""Files that are looked at in one turn, and"""
HELD = 64 * 1024 * 1024
"""characters that are kept of them: what an agent names costs it nothing."""
EFFORT = 256 * 1024 * 1024
"""Characters that are searched through to find where the edits of one file belong."""


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
    _held: int = 0
    overlooked: int = 0
    """Files that were too many to be looked at."""

    async def look(self, paths: Iterable[str], *, early: bool = False) -> None:
        """Remember what files hold that a tool will change; `early` if it surely has not yet."""
        for path in map(self._whole, paths):
            if path not in self._first:
                if len(self._first) >= FILES or self._held >= HELD:
                    self.overlooked += 1
                    continue
                content = self._first[path] = self._last[path] = await read(path)
                self._held += len(content.text or "")
                self._late.add(path)
            if early:
                self._late.discard(path)

    def proposed(self, diffs: Iterable[Diff]) -> tuple[FileChange, ...]:
        """What edits would make of files that were looked at and are not yet changed.

        Where they do not fit a file, they are told as the agent shows them, each and in full:
        somebody is going to be asked whether they may be made.
        """
        by_file = self._by_file(diffs).items()
        return tuple(self._proposed(path, edits) for path, edits in by_file)

    def _proposed(self, path: str, edits: list[Diff]) -> FileChange:
        before = self._last.get(path, MISSING)
        if before.mark is None and len(before.text or "") * len(edits) <= EFFORT:
            after = before.text
            for edit in edits:
                after = applied(after, edit)
                if after is None:
                    break
            else:
                return FileChange(path, before.text, after)
        olds = [edit.old for edit in edits if edit.old is not None]
        return FileChange(
            path, "\n".join(olds) if olds else None, "\n".join(edit.new for edit in edits)
        )

    async def settle(
        self, paths: Iterable[str], diffs: Iterable[Diff] = (), *, done: bool
    ) -> list[FileChange]:
        """What has really changed, now that a tool has ended; `done` if it says it went well."""
        changed: dict[str, Content] = {}
        edits = self._by_file(diffs)
        for path in dict.fromkeys(map(self._whole, paths)):
            if path not in self._first:
                continue
            before, after = self._last[path], await read(path)
            if before == after and done and path in self._late:
                self._first[path] = before = _undone(after, edits.get(path, []))
            self._late.discard(path)
            self._last[path] = after
            if before != after:
                changed[path] = before
        moves = self._moves(changed)
        sources = set(moves.values())
        return [
            _change(path, self._first[moves.get(path, path)], self._last[path], moves.get(path, ""))
            for path in changed
            if path not in sources
        ]

    def _moves(self, changed: Mapping[str, Content]) -> dict[str, str]:
        """Where files were before that have only been moved: what they held is now elsewhere.

        `changed` says what each held before. Of an empty file it cannot be told.
        """
        gone = {path: before for path, before in changed.items() if self._last[path] == MISSING}
        moves = {}
        for path, before in changed.items():
            now = self._last[path]
            if before != MISSING or now in (MISSING, Content("")):
                continue
            same = [source for source, held in gone.items() if held == now]
            if len(same) == 1:
                moves[path] = same[0]
                del gone[same[0]]
        return moves

    def _by_file(self, diffs: Iterable[Diff]) -> dict[str, list[Diff]]:
        edits: dict[str, list[Diff]] = {}
        for diff in diffs:
            edits.setdefault(self._whole(diff.path), []).append(diff)
        return edits

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
    if len(text or "") * len(edits) > EFFORT:
        return after
    for edit in reversed(edits):
        if text is not None and text == edit.new:
            text = edit.old
        elif text and edit.old is not None and edit.new and text.count(edit.new) == 1:
            text = text.replace(edit.new, edit.old)
        else:
            return after
    return Content(text) if edits else after


def _change(path: str, before: Content, after: Content, moved_from: str) -> FileChange:
    if before.mark is not None or after.mark is not None:
        return FileChange(path, None, None, binary=True, moved_from=moved_from)
    return FileChange(path, before.text, after.text, moved_from=moved_from)


async def read(path: str) -> Content:
    """What a file holds now; `MISSING` if there is none, or none that can be read."""
    await trio.lowlevel.checkpoint()
    try:
        # An agent may name anything: even to open a device or a pipe may do something, and a pipe
        # must not be waited for.
        if not stat.S_ISREG(os.stat(path).st_mode):
            return MISSING
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
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
            data = await trio.to_thread.run_sync(_read, fd, info.st_size)
        else:
            data = _read(fd, info.st_size)
    except OSError:
        return MISSING
    finally:
        os.close(fd)
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return mark
    return mark if "\0" in text else Content(text)


def _read(fd: int, size: int) -> bytes:
    # No more than it has: those in /proc say that they are empty, and then go on for ever, or have
    # to be waited for.
    with open(fd, "rb", closefd=False) as file:
        return file.read(size)
