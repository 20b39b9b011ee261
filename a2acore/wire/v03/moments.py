"""Timestamps of line 0.3."""

from __future__ import annotations

from datetime import UTC, datetime


def moment(text: str) -> str:
    """An ISO 8601 timestamp as the model has it; empty when it cannot be read.

    The examples of 0.3 leave out the zone; then it is UTC. A status without a time is worth more
    than no status, so what cannot be read is dropped.
    """
    try:
        when = datetime.fromisoformat(text)
        when = when.replace(tzinfo=when.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return ""
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")
