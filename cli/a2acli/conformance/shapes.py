"""What documents must look like: a judge of plain JSON, by the tables `shapes03` and `shapes10`.

A table says for each type what its members are, in a small language:

    string int bool object any     JSON of that type (an int may be written `1.0`)
    time base64                    a string of that form
    =a|b                           one of these words
    Name                           another type of the table
    [x]  {x}                       an array, a map of these
    x!                             required; of an array, "[x]!+": with something in it
    !one: a|b                      (as a member's name) exactly one of these members is there
    !by: kind                      (as a member's name) the type is told by this member's word
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

Table = Mapping[str, Mapping[str, str]]


class Problem(NamedTuple):
    """What is wrong with a document, and where."""

    kind: str
    """missing, empty, type, unknown, word, time, choice."""
    path: str
    said: str

    def __str__(self) -> str:
        return f"{self.path or 'it'} {self.said}"


class Judge(NamedTuple):
    """The rules of a line."""

    table: Table
    open: bool
    """Whether objects may have members that the table does not name."""
    zone: bool
    """Whether a time has to be UTC and to say so with a Z."""

    def problems(self, name: str, document: Any, path: str = "") -> Iterator[Problem]:
        """All that is wrong with a document of a type."""
        if not isinstance(document, dict):
            yield Problem("type", path, f"is no {name} but {_type(document)}")
            return
        members = self.table[name]
        if by := members.get("!by"):
            word = document.get(by)
            if f"{name}/{word}" not in self.table:
                yield Problem("word", _join(path, by), f"is {word!r}")
                return
            members = self.table[f"{name}/{word}"]
        one = members.get("!one", "")
        if one:
            there = [each for each in one.split("|") if each in document]
            if len(there) != 1:
                told = " and ".join(there) or "none"
                yield Problem("choice", path, f"has {told} of {one}")
        for member, rule in members.items():
            if member.startswith("!"):
                continue
            if member in document:
                yield from self._member(rule, document[member], _join(path, member))
            elif "!" in rule:
                yield Problem("missing", _join(path, member), "is missing")
        if not self.open:
            for member in document.keys() - members.keys():
                yield Problem("unknown", _join(path, member), f"is no member of {name}")

    def _member(self, rule: str, value: Any, path: str) -> Iterator[Problem]:
        filled = rule.endswith("+")
        rule = rule.rstrip("!+")
        if rule == "any":
            return
        if rule[0] in "[{":
            yield from self._items(rule, filled, value, path)
        elif rule.startswith("="):
            words = rule[1:].split("|")
            if value not in words:
                yield Problem("word", path, f"is {value!r:.60}, not one of {', '.join(words)}")
        elif rule in SIMPLE:
            if not SIMPLE[rule](value):
                yield Problem("type", path, f"is no {rule} but {_type(value)}")
            elif rule == "time":
                yield from self._time(value, path)
        else:
            yield from self.problems(rule, value, path)

    def _items(self, rule: str, filled: bool, value: Any, path: str) -> Iterator[Problem]:
        items: Iterable[tuple[Any, Any]]
        match rule[0], value:
            case "[", list():
                items = enumerate(value)
            case "{", dict():
                items = value.items()
            case _:
                wanted = "array" if rule[0] == "[" else "map"
                yield Problem("type", path, f"is no {wanted} but {_type(value)}")
                return
        if filled and not value:
            yield Problem("empty", path, "is empty")
        for key, each in items:
            yield from self._member(rule[1:-1], each, f"{path}[{key}]")

    def _time(self, value: str, path: str) -> Iterator[Problem]:
        match = TIME.fullmatch(value)
        if not match:
            yield Problem("time", path, f"is no ISO 8601 time: {value!r:.60}")
        elif self.zone and match["zone"] != "Z":
            yield Problem("time", path, f"does not end in Z: {value!r}")


TIME = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?P<fraction>\.\d{1,9})?(?P<zone>Z|[+-]\d\d:\d\d)?"
)


def _is_base64(value: Any) -> bool:
    try:
        base64.b64decode(value, validate=True)
    except (ValueError, TypeError):
        return False
    return isinstance(value, str)


SIMPLE: Mapping[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "time": lambda value: isinstance(value, str),
    "base64": _is_base64,
    "bool": lambda value: isinstance(value, bool),
    "int": lambda value: (
        isinstance(value, int | float) and not isinstance(value, bool) and value == int(value)
    ),
    "object": lambda value: isinstance(value, dict),
}


def _type(value: Any) -> str:
    match value:
        case None:
            return "null"
        case dict():
            return "an object"
        case list():
            return "an array"
    return f"{value!r:.60}"


def _join(path: str, member: str) -> str:
    return f"{path}.{member}" if path else member
