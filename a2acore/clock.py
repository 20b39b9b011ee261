"""The time of day."""

from __future__ import annotations

import time
from functools import lru_cache


def now() -> str:
    """The time as A2A writes it: RFC 3339, UTC, milliseconds."""
    return _written(time.time_ns() // 1_000_000)


@lru_cache(maxsize=1)
def _written(milliseconds: int) -> str:
    seconds, rest = divmod(milliseconds, 1000)
    return f"{_second(seconds)}.{rest:03}Z"


@lru_cache(maxsize=1)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
