"""New ids, which nobody can guess."""

from __future__ import annotations

import os
from uuid import UUID

AT_ONCE = 64
"""Ids for which the system is asked at once: to ask takes longer than all else of an id."""

_drawn: list[bytes] = []
"""What no id was made of yet. Threads may share it: to take one is one step."""
os.register_at_fork(after_in_child=_drawn.clear)  # or two processes would draw the same


def new_id() -> str:
    """A UUID of version 4, as text (RFC 9562, 5.4)."""
    return str(_uuid())


def new_hex() -> str:
    """The same in hexadecimal digits alone."""
    return _uuid().hex


def _uuid() -> UUID:
    try:
        drawn = _drawn.pop()
    except IndexError:
        some = os.urandom(16 * AT_ONCE)
        drawn = some[:16]
        _drawn.extend(some[at : at + 16] for at in range(16, len(some), 16))
    return UUID(bytes=drawn, version=4)
