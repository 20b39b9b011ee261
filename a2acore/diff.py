"""What has become of files, as diffs that `git apply` takes. Pure.

`Files` keeps the account of one turn: whatever happens to a file, and however often, there is one
outcome for it, from before the turn until now. All outcomes together turn the files as they were
into the files as they are.

A diff is exact where that is cheap. What it may cost is bounded, because the server tells nothing
else while it is made: lines that stand once on both sides are lined up first, what lies between
them is compared line by line for as long as `CELLS` lasts, and the rest is replaced as a whole.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from io import StringIO
from itertools import pairwise
from typing import Literal

from attrs import define, field, frozen

from a2acore.backend import FileChange

CONTEXT = 3
"""Lines of a file that are shown around what has changed in it."""
LINES = 100_000
"""Of so many lines on both sides, where they differ, nothing is lined up any more."""
CELLS = 250_000
"""Pairs of lines that are compared for one diff: some 50 ms."""
DEPTH = 8
"""How often lines are lined up between lines that were lined up before."""

Fate = Literal["added", "modified", "deleted", "moved", "binary", "unchanged"]
Edit = tuple[int, int, int, int]
"""Lines from the first to before the second become those from the third to before the fourth."""


@frozen
class Outcome:
    """What has become of one file since the turn began."""

    path: str
    fate: Fate
    diff: str = ""
    moved_from: str = ""
    moved_to: str = ""
    """Where it is now. The diff is then told there."""


@define(eq=False)
class Files:
    """The files of one turn, each known by one spelling of its path."""

    _first: dict[str, str | None] = field(factory=dict)
    """What each held before the turn; `None` when it was not there, or is no text."""
    _now: dict[str, str | None] = field(factory=dict)
    _binary: set[str] = field(factory=set)
    _origins: dict[str, str] = field(factory=dict)
    """Where files were before the turn that have been moved."""
    _told: dict[str, Outcome] = field(factory=dict)

    def take(self, change: FileChange) -> list[Outcome]:
        """The outcomes that are new with a change: its file's, and those of where it was before."""
        path, source = change.path, change.moved_from
        touched = [path]
        if source and source != path:
            touched += self._move(source, change)
        else:
            self._first.setdefault(path, change.before)
            touched += filter(None, [self._origins.get(path)])
            if change.after is not None or change.binary:  # there is a file again
                touched += self._forget_moves_from(path)
        self._now[path] = change.after
        if change.binary:
            self._binary.add(path)
        # The file itself comes last: what its place has taken over is given up first.
        return [
            outcome for each in dict.fromkeys(reversed(touched)) for outcome in self._tell(each)
        ]

    def _move(self, source: str, change: FileChange) -> list[str]:
        path = change.path
        self._first.setdefault(source, change.before)
        self._first.setdefault(path, None)
        self._now[source] = None
        if change.binary:
            self._binary.add(source)
        origin = self._origins.pop(source, source)
        touched = [source, origin, *self._forget_moves_from(path), *self._forget_moves_from(origin)]
        if origin != path:
            self._origins[path] = origin
        return touched

    def _forget_moves_from(self, path: str) -> list[str]:
        moved = [now for now, origin in self._origins.items() if origin == path]
        for now in moved:
            del self._origins[now]
        return moved

    def _tell(self, path: str) -> Iterator[Outcome]:
        outcome, told = self._outcome(path), self._told.get(path)
        if outcome == told:
            return
        if told is None and (outcome.fate == "unchanged" or outcome.moved_to):
            return  # of this file a caller has never heard
        self._told[path] = outcome
        yield outcome

    def _outcome(self, path: str) -> Outcome:
        source = self._source(path)
        for now in self._origins:
            if self._origins[now] == path and self._source(now):
                return Outcome(path, "moved", moved_to=now)
        change = FileChange(
            path,
            self._first[source or path],
            self._now[path],
            path in self._binary or source in self._binary,
            source,
        )
        return Outcome(path, fate(change), unified(change), source)

    def _source(self, path: str) -> str:
        """Where the file was before the turn, if it is there no more and can be said to be here."""
        origin = self._origins.get(path, "")
        was = origin in self._binary or self._first.get(origin) is not None
        came = path in self._binary or self._now.get(path) is not None
        return origin if was and came and self._first[path] is None else ""


def fate(change: FileChange) -> Fate:
    """What a change does to its file, in a word."""
    if change.binary:
        return "binary"
    if change.before is None:
        return "unchanged" if change.after is None else "added"
    if change.after is None:
        return "deleted"
    if change.moved_from:
        return "moved"
    return "unchanged" if change.before == change.after else "modified"


def unified(change: FileChange) -> str:
    """A file change as a unified diff, its paths relative to a root; a binary file is only named.

    Nothing when there is no change.
    """
    what = fate(change)
    if what == "unchanged":
        return ""
    path = change.path.lstrip("/")  # of an absolute one, the root is that of the file system
    moved_from = change.moved_from.lstrip("/") if what in ("moved", "binary") else ""
    a, b = _quoted(f"a/{moved_from or path}"), _quoted(f"b/{path}")
    head = f"diff --git {a} {b}\n"
    if moved_from:
        if change.before == change.after and not change.binary:
            head += "similarity index 100%\n"
        head += f"rename from {_quoted(moved_from)}\nrename to {_quoted(path)}\n"
    if what == "binary":
        return f"{head}Binary files {a} and {b} differ\n"
    if what == "added":
        a = "/dev/null"
        head += "new file mode 100644\n"
    elif what == "deleted":
        b = "/dev/null"
        head += "deleted file mode 100644\n"
    if (change.before or "") == (change.after or ""):
        return head
    old, new = _lines(change.before or ""), _lines(change.after or "")
    return "".join((head, f"--- {_ended(a)}\n+++ {_ended(b)}\n", *_hunks(old, new)))


def _quoted(name: str) -> str:
    """A name as git writes it in a diff: quoted, if it holds what a line of it could not."""
    escaped = re.sub(r'[\x00-\x1f\x7f"\\]', lambda found: f"\\{ord(found[0]):03o}", name)
    return name if escaped == name else f'"{escaped}"'


def _ended(name: str) -> str:
    # A tab ends a name with a blank in it, for a `patch` that expects a date there.
    return f"{name}\t" if " " in name else name


def _lines(text: str) -> list[str]:
    # Not `splitlines`: a diff knows one end of a line, the newline.
    return StringIO(text, newline="\n").readlines()


def _hunks(old: Sequence[str], new: Sequence[str]) -> Iterator[str]:
    """What differs, each line with its mark, in hunks with lines of context."""
    for group in _groups(edits(old, new)):
        (i1, _, j1, _), (_, i2, _, j2) = group[0], group[-1]
        before, behind = min(CONTEXT, i1), min(CONTEXT, len(old) - i2)
        i1, j1, i2, j2 = i1 - before, j1 - before, i2 + behind, j2 + behind
        yield f"@@ -{_range(i1, i2)} +{_range(j1, j2)} @@\n"
        for start, stop, first, last in group:
            yield _marked(" ", old[i1:start])
            yield _marked("-", old[start:stop])
            yield _marked("+", new[first:last])
            i1 = stop
        yield _marked(" ", old[i1:i2])


def _groups(all_edits: Sequence[Edit]) -> list[list[Edit]]:
    groups = [list(all_edits[:1])]
    for last, edit in pairwise(all_edits):
        if edit[0] - last[1] > 2 * CONTEXT:
            groups.append([])
        groups[-1].append(edit)
    return groups


def _range(start: int, stop: int) -> str:
    """Lines as a hunk's head counts them: from 1, or from the line before if there are none."""
    length = stop - start
    if length == 1:
        return str(stop)
    return f"{start + 1 if length else start},{length}"


def _marked(mark: str, lines: Sequence[str]) -> str:
    text = "".join(lines)
    if not text:
        return ""
    marked = mark + text.removesuffix("\n").replace("\n", f"\n{mark}")
    return f"{marked}\n" if text[-1] == "\n" else f"{marked}\n\\ No newline at end of file\n"


# What differs


def edits(old: Sequence[str], new: Sequence[str]) -> list[Edit]:
    """What makes the new lines of the old ones, in their order."""
    found: list[Edit] = []
    cells = CELLS
    open_ = [(0, len(old), 0, len(new), DEPTH)]
    while open_:
        i1, i2, j1, j2, depth = open_.pop()
        while i1 < i2 and j1 < j2 and old[i1] == new[j1]:
            i1, j1 = i1 + 1, j1 + 1
        while i1 < i2 and j1 < j2 and old[i2 - 1] == new[j2 - 1]:
            i2, j2 = i2 - 1, j2 - 1
        if i1 == i2 and j1 == j2:
            continue
        size = (i2 - i1) * (j2 - j1)
        pairs: list[tuple[int, int]] = []
        if size and depth and i2 - i1 + j2 - j1 <= LINES:
            pairs = _aligned(_once(old, i1, i2), _once(new, j1, j2))
        if pairs:
            for i, j in [*pairs, (i2, j2)]:
                open_.append((i1, i, j1, j, depth - 1))
                i1, j1 = i + 1, j + 1
        elif 0 < size <= cells:
            cells -= size
            found += _compared(old, new, (i1, i2, j1, j2))
        else:
            found.append((i1, i2, j1, j2))
    return sorted(found)


def _once(lines: Sequence[str], start: int, stop: int) -> dict[str, int]:
    """The lines that stand only once, with their places, in order."""
    places: dict[str, int] = {}
    for place in range(start, stop):
        line = lines[place]
        places[line] = -1 if line in places else place
    return {line: place for line, place in places.items() if place >= 0}


def _aligned(old: dict[str, int], new: dict[str, int]) -> list[tuple[int, int]]:
    """The places of as many common lines as stand in the same order on both sides."""
    ends: list[int] = []
    """The place where the best row of each length ends, in the new lines."""
    rows: list[tuple[int, int, int]] = []
    """Each pair, and the pair before it in its row: patience sorting."""
    tops: list[int] = []
    for line, i in old.items():
        j = new.get(line)
        if j is None:
            continue
        length = bisect_left(ends, j)
        ends[length : length + 1] = [j]
        tops[length : length + 1] = [len(rows)]
        rows.append((i, j, tops[length - 1] if length else -1))
    row: list[tuple[int, int]] = []
    last = tops[-1] if tops else -1
    while last >= 0:
        i, j, last = rows[last]
        row.append((i, j))
    return row[::-1]


def _compared(old: Sequence[str], new: Sequence[str], part: Edit) -> Iterator[Edit]:
    """What differs in a part, with as many lines kept as can be."""
    i1, i2, j1, j2 = part
    width = j2 - j1
    kept = [[0] * (width + 1)]
    """For the last lines of the old part and of the new one: how many can be kept of them."""
    for i in range(i2 - 1, i1 - 1, -1):
        line, below, row = old[i], kept[-1], [0] * (width + 1)
        for k in range(width - 1, -1, -1):
            if line == new[j1 + k]:
                row[k] = below[k + 1] + 1
            else:
                row[k] = max(below[k], row[k + 1])
        kept.append(row)
    i, j = start, first = i1, j1
    while i < i2 and j < j2:
        if old[i] == new[j]:
            if (start, first) != (i, j):
                yield start, i, first, j
            i, j = start, first = i + 1, j + 1
        elif kept[i2 - i - 1][j - j1] >= kept[i2 - i][j - j1 + 1]:
            i += 1
        else:
            j += 1
    if (start, first) != (i2, j2):
        yield start, i2, first, j2
