"""What is known of one session with an agent, whichever turn it became known in."""

from __future__ import annotations

import time
from typing import Any

from attrs import define, field
from msgspec import structs

from a2abackends.acp.choices import Knobs
from a2abackends.acp.kept import Kept
from a2abackends.acp.updates import Standing
from a2abackends.acp.wire import AnyUpdate, ConfigOption, CurrentMode, SessionState
from a2acore.backend import Notice, Turn

MEANWHILE = 10
"""Notices from between two turns that are kept for the next one."""


@define(eq=False)
class Session:
    """One session, as far as we know it."""

    kept: Kept
    standing: Standing = field(factory=Standing)
    knobs: Knobs = field(factory=Knobs)
    made_of: dict[str, tuple[str, str]] = field(factory=dict)
    """Of each choice that holds: what was chosen, and what the agent made of it."""
    _meanwhile: list[Notice] = field(factory=list)

    @property
    def id(self) -> str:
        return self.kept.session

    def begin(self, state: SessionState) -> None:
        """Take in what the agent says as the session begins, or goes on.

        What was heard before is no news: it is the past, told once more.
        """
        self.knobs.begin(state)
        self.standing.configure(state.config_options or ())
        if state.modes is not None and state.modes.current_mode_id:
            self.standing.hear(CurrentMode(state.modes.current_mode_id))
        self._meanwhile.clear()

    def hear(self, update: AnyUpdate) -> None:
        """Take in what is said between two turns."""
        self.knobs.hear(update)
        self.missed(*self.standing.hear(update))

    def missed(self, *notices: Notice) -> None:
        """Keep what only the next turn can be told."""
        self._meanwhile = [*self._meanwhile, *notices][-MEANWHILE:]

    def turned(self, name: str, value: str, options: list[ConfigOption] | None) -> None:
        """Take in that we have set something, which is no news to the caller."""
        self.knobs.turned(name, value, options)
        if options is not None:
            self.standing.configure(options)
        elif name == "mode":
            self.standing.hear(CurrentMode(value))
        elif name == "model":
            self.standing.model = value
        self._meanwhile.clear()  # codex tells of it before it answers

    def catch_up(self, turn: Turn) -> None:
        """Tell a turn what has become of the session since the last one."""
        meanwhile, self._meanwhile = self._meanwhile, []
        for notice in meanwhile:
            turn.say(notice)

    def keep(self, turn: Turn, **changes: Any) -> None:
        """Keep what is needed to find it again, if that has changed."""
        kept = structs.replace(self.kept, **changes)
        if turn.session != kept.spelled():
            turn.keep_session(kept.spelled())
        self.kept = kept

    def touch(self, turn: Turn) -> None:
        """Keep it as one that was made or loaded just now."""
        self.keep(turn, touched=time.time())
