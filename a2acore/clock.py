"""The time of day."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> str:
    """The time as A2A writes it: RFC 3339, UTC, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
