"""How a check ends: by returning, or in one of these ways."""

from __future__ import annotations

import json
from typing import Any

from a2acli.plain import one_line

SHOWN = 160
"""How many characters of what was seen a reason shows: enough to find it in a log."""


class Failed(Exception):
    """The server does not keep to the specification; the text tells what was seen, in one line."""


class NotApplicable(Exception):
    """Nothing can be said; the text tells why, in one line."""


class Unseen(NotApplicable):
    """The server should have shown it, and failed on the way: another check says so."""


def expect(held: object, seen: str) -> None:
    """Fail with what was `seen`, unless it `held`."""
    if not held:
        raise Failed(seen)


def shown(value: Any) -> str:
    """A JSON value, or bytes, short enough for a reason."""
    if isinstance(value, bytes):
        text = value.decode(errors="backslashreplace")
    elif isinstance(value, str):
        text = value
    else:
        text = json.dumps(value, ensure_ascii=False)
    text = one_line(text)
    return text if len(text) <= SHOWN else text[:SHOWN] + " ..."
