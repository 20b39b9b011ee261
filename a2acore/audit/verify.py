"""Is an audit log as it was written?"""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

from a2acore.audit.lines import START, Torn, archive, archives, digest, lines


@frozen
class Verified:
    """What a look through all files has shown."""

    lines: int
    head: str
    """The SHA-256 of the last line: to be noted elsewhere."""
    mended: int
    """How many lines were torn, and told of as such."""
    wrong: str = ""
    """The first thing that is not as it was written, with its place: the check ends there."""


def verify(path: Path, head: str = "") -> Verified:
    """Look whether a log is as it was written, and whole up to its head, if one is given.

    Raises:
        OSError: a file cannot be read.
    """
    seq, last, mended, seen = 0, START, 0, not head
    torn = b""
    place = str(path)

    def broken(what: str) -> Verified:
        return Verified(seq, last, mended, f"{place}: {what}")

    numbers = archives(path)
    for number in range(1, max(numbers, default=0) + 1):
        if number not in numbers:
            place = str(archive(path, number))
            return broken("is not there")
    for file, number, text, line in lines(path):
        if not torn:
            place = f"{file}:{number}"
        if line is None:
            torn += text
            continue
        left = torn.removesuffix(b"\n")
        told = line.torn or Torn(0, "")
        if torn and told != Torn(len(left), digest(left)):
            return broken("is not a line as it was written")
        place = f"{file}:{number}"
        if told.bytes and not torn:
            return broken("tells of a torn line that is not there")
        if line.seq != seq + 1:
            return broken(f"is number {line.seq}, and number {seq + 1} is missing")
        if line.prev != last:
            return broken("does not follow from the line before: one of the two was changed")
        mended += bool(torn)
        torn = b""
        seq, last = line.seq, digest(text.removesuffix(b"\n"))
        seen = seen or last == head
    if torn:
        return broken("is torn, and nothing behind it tells of that")
    place = str(path)
    if not path.exists():
        return broken("is not there")
    if not seq:
        return broken("holds no line")
    if not seen:
        return broken(f"the line with the digest {head} is not there: the end was cut off")
    return Verified(seq, last, mended)
