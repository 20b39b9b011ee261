"""From bytes to what JSON says in them, strictly.

JSON is what RFC 8259 says it is, in UTF-8 throughout; and it does not nest so deep that it could be
read here but not be written again from deeper down the stack.
"""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec

from a2acore.errors import ParseError

T = TypeVar("T")

DEPTH = 100
"""How deep a document may nest: as deep as in Protocol Buffers."""

_ESCAPE = re.compile(rb"\\.")
_STRING = re.compile(rb'"[^"]*"')
_NO_STRUCTURE = bytes(set(range(256)) - set(b'[]{}"'))


def decode(text: bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """Decode JSON.

    Raises:
        ParseError: it is not JSON.
        msgspec.ValidationError: the decoder expects something else. The rest of the text has not
            been looked at then, and may be anything.
    """
    try:
        # msgspec does not look into what it skips. "JSON text MUST be UTF-8" (A2A 1.0.1, 14.1.1).
        str(text, "utf-8")
        value = decoder.decode(text)
    except msgspec.ValidationError:
        raise
    except UnicodeDecodeError as exc:
        raise ParseError("Invalid JSON payload: it is not UTF-8") from exc
    except msgspec.DecodeError as exc:
        raise ParseError(f"Invalid JSON payload: {exc}") from exc
    except RecursionError as exc:
        raise ParseError("Invalid JSON payload: it nests too deep") from exc
    if nests_deeper(text):
        raise ParseError("Invalid JSON payload: it nests too deep")
    return value


def nests_deeper(text: bytes, depth: int = DEPTH) -> bool:
    """Whether JSON nests deeper than that."""
    # Few brackets cannot nest deep, and counting them costs next to nothing.
    if text.count(b"[") + text.count(b"{") <= depth:
        return False
    # Strings may hold brackets. Two quotes that meet change nothing in what is quoted.
    quoted = _ESCAPE.sub(b"", text).translate(None, _NO_STRUCTURE).replace(b'""', b"")
    brackets = _STRING.sub(b"", quoted)
    for _ in range(depth):
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
        if not brackets:
            return False
    return True
