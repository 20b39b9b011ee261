"""Reading what an agent said under our extension; anyone may have written it: nothing is sure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from a2acore.lifecycle import EXTENSION
from a2acore.model import Artifact, Message, Part


def said(spoken: Message | Artifact | None) -> Mapping[str, Any]:
    """What a message or an artifact says for programs: its metadata, and its data part below that.

    Empty when it says nothing under our extension.
    """
    if spoken is None:
        return {}
    marked = (spoken.metadata or {}).get(EXTENSION)
    if not isinstance(marked, dict):
        return {}
    data = (part.data for part in spoken.parts if isinstance(part.data, dict))
    return {**next(data, {}), **marked}


def words(data: Mapping[str, Any], name: str) -> str:
    """A member that ought to be text."""
    value = data.get(name)
    return value if isinstance(value, str) else ""


def texts(parts: Iterable[Part]) -> str:
    """The text of some parts, one below the other."""
    return "\n".join(part.text for part in parts if part.text is not None)
