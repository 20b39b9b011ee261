"""What a request must fill, by the rules of the proto, whichever way it was read.

"Fields marked REQUIRED MUST be present and set"; arrays then hold at least one element (A2A 1.0.1
section 5.7). A part holds exactly one of its contents, and an integer has 32 bits.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Sequence
from typing import NamedTuple, cast

from msgspec import UNSET, Struct, inspect

from a2acore.errors import Violation
from a2acore.model import Part

INT32 = range(-(2**31), 2**31)


def unmet(request: Struct) -> list[Violation]:
    """All that is missing in a request, and all integers that are out of range.

    A None where a struct belongs counts as missing; within an array it is passed over.
    """
    found: list[Violation] = []
    _look(request, "", found)
    return found


def _look(value: Struct, path: str, found: list[Violation]) -> None:
    """`path` ends in a dot, unless it is empty."""
    for name, key, required, number, nested, unspecified in _rules(type(value)):
        item = getattr(value, name)
        if required and (item is unspecified or item in (None, "", ())):
            found.append(Violation(path + key, "is required and must not be empty"))
        elif number:
            if item is not None and item not in INT32:
                found.append(Violation(path + key, "is out of the range of 32 bits"))
        elif nested and isinstance(item, tuple):
            for n, each in enumerate(item):
                if each is not None:
                    _look(each, f"{path}{key}[{n}].", found)
        elif nested and item is not None:
            _look(item, f"{path}{key}.", found)
    if isinstance(value, Part):
        contents = (value.text, value.raw, value.url)
        if 3 - contents.count(None) + (value.data is not UNSET) != 1:
            wanted = "must hold exactly one of text, raw, url, data"
            found.append(Violation(path.rstrip("."), wanted))


class _Rule(NamedTuple):
    """What to look at in a field."""

    name: str
    key: str
    required: bool
    number: bool
    nested: bool
    unspecified: enum.Enum | None


@functools.cache
def _rules(shape: type[Struct]) -> Sequence[_Rule]:
    rules = []
    for field in cast("inspect.StructType", inspect.type_info(shape)).fields:
        kind = field.type
        if isinstance(kind, inspect.UnionType):
            kind = next(each for each in kind.types if each != inspect.NoneType())
        if isinstance(kind, inspect.VarTupleType):
            kind = kind.item_type
        number = isinstance(kind, inspect.IntType)
        nested = isinstance(kind, inspect.StructType)
        # The first value of an enum of the proto says nothing.
        unspecified = next(iter(kind.cls)) if isinstance(kind, inspect.EnumType) else None
        if field.required or number or nested:
            rule = _Rule(field.name, field.encode_name, field.required, number, nested, unspecified)
            rules.append(rule)
    return rules
