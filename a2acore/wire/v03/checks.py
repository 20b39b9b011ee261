"""What is checked of line 0.3 beyond the shape of a document."""

from __future__ import annotations

from a2acore.errors import InvalidParams, Violation
from a2acore.wire import reading


def wrong(path: str, description: str) -> InvalidParams:
    """The error for one thing that is wrong at `path`, which may begin with a dot."""
    return reading.invalid([Violation(path.lstrip("."), description)])


def check_kind(said: str, wanted: str, path: str = "") -> None:
    """Refuse a `kind` that says something else; it may be left out."""
    if said not in ("", wanted):
        raise wrong(f"{path}.kind", f"expected {wanted}")
