"""Patterns over the words of a command and over the segments of a path."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

ANY = "**"
"""Any number of pieces, none included."""


def fits(pieces: Sequence[str], pattern: Sequence[str], start: int = 0) -> bool:
    """Whether a pattern describes all pieces from `start` on: each a glob, `**` any number.

    It walks the pattern once, with every place that it could have come to, so that no pattern and
    no input can make it slow.
    """
    places = {start}
    for number, glob in enumerate(pattern, 1):
        if glob == ANY:
            if number == len(pattern):
                return True
            places = set(range(min(places), len(pieces) + 1))
        else:
            places = {
                place + 1
                for place in places
                if place < len(pieces) and fnmatchcase(pieces[place], glob)
            }
        if not places:
            return False
    return len(pieces) in places


def among(pieces: Iterable[str], pattern: Sequence[str]) -> bool:
    """Whether pieces that fit stand among these in that order, whatever is between them."""
    rest = iter(pieces)
    return all(any(fnmatchcase(piece, glob) for piece in rest) for glob in pattern if glob != ANY)


def names(text: str) -> frozenset[str]:
    """A set of names, written as one text."""
    return frozenset(text.split())
