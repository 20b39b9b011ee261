"""Canonical JSON: one value, one text, whoever writes it.

What is signed is bytes, and JSON can say one thing in many bytes. Here are the bytes that count,
and a reader that takes only texts which everybody reads alike.

Rule 1: what two readers could understand differently has no canonical form: a member given twice,
    half a surrogate pair, an integer that no double holds, a number beyond all doubles.
Rule 2: nothing is repaired. What is not canonical JSON's to say is refused.

Source: RFC 8785 (the form), RFC 7493 (I-JSON: what may be said), ECMA-262 6.1.6.1.20 (numbers).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

DEPTH = 100
"""How deep a value may nest: as deep as a document may on the wire."""

EXACT = 2**53 - 1
"""The largest integer up to which a double tells each one from the next (RFC 7493 section 2.2)."""

_INEXACT = "an integer in it is too large to be exact; send it as a string"

# "characters MUST be serialized [...] using the short escape [...] lowercase hexadecimal"
# (RFC 8785 section 3.2.2.2): these, and no others.
_ESCAPED = re.compile(r'[\x00-\x1f"\\]')
_ESCAPES = {
    **{chr(code): f"\\u{code:04x}" for code in range(0x20)},
    "\b": "\\b",
    "\t": "\\t",
    "\n": "\\n",
    "\f": "\\f",
    "\r": "\\r",
    '"': '\\"',
    "\\": "\\\\",
}


class NotCanonical(ValueError):
    """There is no canonical form of it; the text says why."""


def canonical(value: Any) -> bytes:
    """The canonical form of a JSON value: of `None`, booleans, numbers, strings, lists, mappings.

    Raises:
        NotCanonical: it has none.
    """
    try:
        return "".join(_written(value, 0)).encode()
    except UnicodeEncodeError as exc:
        raise NotCanonical("a string in it holds half a surrogate pair") from exc


def read(text: bytes | str) -> Any:
    """Read a JSON text that everybody reads alike, whether or not it is in canonical form.

    Raises:
        NotCanonical: it is no JSON, or leaves room for doubt.
    """
    try:
        said = text if isinstance(text, str) else text.decode()
        value = json.loads(
            said,
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_constant,
        )
    except UnicodeDecodeError as exc:
        raise NotCanonical("it is not UTF-8") from exc
    except json.JSONDecodeError as exc:
        raise NotCanonical(f"it is no JSON: {exc.msg} at character {exc.pos}") from exc
    except RecursionError as exc:
        raise NotCanonical("it nests too deep") from exc
    canonical(value)  # finds half a surrogate pair in an escape, and what nests too deep
    return value


def _written(value: Any, depth: int) -> Iterator[str]:
    match value:
        case None:
            yield "null"
        case bool():
            yield "true" if value else "false"
        case str():
            yield _string(value)
        case int():
            yield str(value) if abs(value) <= EXACT else number(_as_double(value))
        case float():
            yield number(value)
        case Mapping() | Sequence() if depth == DEPTH:
            raise NotCanonical("it nests too deep")
        case Mapping():
            yield "{"
            for place, name in enumerate(sorted(value, key=_units)):
                yield f"{',' if place else ''}{_string(name)}:"
                yield from _written(value[name], depth + 1)
            yield "}"
        case Sequence() if not isinstance(value, bytes | bytearray):
            yield "["
            for place, item in enumerate(value):
                if place:
                    yield ","
                yield from _written(item, depth + 1)
            yield "]"
        case _:
            raise NotCanonical(f"JSON has no {type(value).__name__}")


def _units(name: Any) -> bytes:
    """What members are sorted by: their UTF-16 code units (RFC 8785 section 3.2.3)."""
    if not isinstance(name, str):
        raise NotCanonical("a name in it is no string")
    return name.encode("utf-16-be")


def _string(text: str) -> str:
    return f'"{_ESCAPED.sub(lambda found: _ESCAPES[found[0]], text)}"'


def number(value: float) -> str:
    """A double as ECMAScript writes it (RFC 8785 section 3.2.2.3).

    Raises:
        NotCanonical: it is infinite, or not a number.
    """
    if not math.isfinite(value):
        raise NotCanonical("a number in it is infinite, or none")
    if value == 0:
        return "0"  # the minus of a zero is not written
    if value < 0:
        return f"-{number(-value)}"
    # Python finds the shortest digits that read back as the same double, and of these the closest:
    # the same as ECMAScript wants. From here on its steps, and its names: the value is the digits
    # (there are k) times 10 to the n-k.
    _, found, exponent = Decimal(repr(value)).normalize().as_tuple()
    assert isinstance(exponent, int)
    digits, k = "".join(map(str, found)), len(found)
    n = k + exponent
    if k <= n <= 21:
        return digits + "0" * (n - k)
    if 0 < n <= 21:
        return f"{digits[:n]}.{digits[n:]}"
    if -6 < n <= 0:
        return f"0.{'0' * -n}{digits}"
    mantissa = digits if k == 1 else f"{digits[0]}.{digits[1:]}"
    return f"{mantissa}e{n - 1:+d}"


# Reading


def _object(members: list[tuple[str, Any]]) -> dict[str, Any]:
    said = dict(members)
    if len(said) != len(members):
        raise NotCanonical("an object in it names a member twice")
    return said


def _integer(digits: str) -> int | float:
    # Doubles are not written with more digits and a sign, and to read very many would cost much.
    if len(digits) > 22:
        raise NotCanonical(_INEXACT)
    value = int(digits)
    return value if abs(value) <= EXACT else _as_double(value)


def _as_double(value: int) -> float:
    """An integer beyond the exact ones, when it is how a double is written."""
    if abs(value) >= 10**21 or number(float(value)) != str(value):
        raise NotCanonical(_INEXACT)
    return float(value)


def _float(digits: str) -> float:
    value = float(digits)
    if math.isinf(value):
        raise NotCanonical("a number in it is too large")
    return value


def _constant(word: str) -> Any:
    raise NotCanonical(f"JSON has no {word}")
