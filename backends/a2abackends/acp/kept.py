"""What is kept of a session, so that it is found again when its agent is gone, or we were. Pure."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from a2abackends.acp.wire import Cost
from a2acore.model import Metadata


class Kept(Struct, frozen=True):
    """One session of one agent, as `Turn.keep_session` takes it."""

    agent: str
    """What the agent calls itself: no other is asked for this session."""
    session: str
    cwd: str
    touched: float
    """When it was made or last loaded: seconds since 1970."""
    begun: bool = False
    """It has been given a prompt, so that something is lost with it."""
    task: str = ""
    """Whose prompt it was given last."""
    cost: Cost | None = None
    """As much of what it has cost as some turn's usage has told."""
    before: dict[str, str] = {}
    """What had been set where a choice holds: what it goes back to."""

    def spelled(self) -> Metadata:
        spelled: Metadata = msgspec.to_builtins(self)
        return spelled


def kept_of(session: Metadata | None) -> Kept | None:
    """What was kept, if it is of this form: another backend, or a version to come, has another."""
    try:
        return msgspec.convert(session, Kept)
    except msgspec.ValidationError:
        return None
