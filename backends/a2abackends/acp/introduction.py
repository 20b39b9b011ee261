"""Who an agent is and what it can do, as it says when it is met. Pure."""

from __future__ import annotations

from typing import Literal

from attrs import field, frozen

from a2abackends.acp.wire import (
    PROTOCOL_VERSION,
    AgentCapabilities,
    Implementation,
    InitializeResult,
    McpCapabilities,
    PromptCapabilities,
    SessionCapabilities,
)
from a2abackends.presets import Oddities, oddities_of

Way = Literal["session/resume", "session/load"]


@frozen
class Introduction:
    """What an agent has said of itself; before it was asked, nothing."""

    _told: InitializeResult = field(factory=lambda: InitializeResult(PROTOCOL_VERSION))

    @property
    def who(self) -> Implementation:
        return self._told.agent_info or Implementation()

    @property
    def oddities(self) -> Oddities:
        return oddities_of(self.who.name or "")

    @property
    def takes(self) -> PromptCapabilities:
        return self._can.prompt_capabilities or PromptCapabilities()

    @property
    def reaches(self) -> McpCapabilities:
        return self._can.mcp_capabilities or McpCapabilities()

    @property
    def ways(self) -> tuple[Way, ...]:
        """How it goes on with a session of before, the best way first."""
        ways: list[Way] = []
        if self._with_sessions.resume is not None:
            ways.append("session/resume")
        if self._can.load_session:
            ways.append("session/load")
        return tuple(ways)

    @property
    def closes(self) -> bool:
        """It wants to be told when a session is over."""
        return self._with_sessions.close is not None

    @property
    def logins(self) -> tuple[str, ...]:
        """The ways in which it can be let in, as it describes them."""
        return tuple(
            ": ".join(filter(None, (method.name or method.id, method.description)))
            for method in self._told.auth_methods or ()
        )

    def door(self, error: Exception) -> str:
        """What has to be done so that it can work, when it says that it must be let in."""
        lines = [f"{self.who.title or self.who.name or 'The agent'} has to be let in: {error}"]
        if self.logins:
            lines.append("It knows these ways:")
        lines += [f"- {login}" for login in self.logins]
        lines.append("Do so where the agent runs, then answer here, and it tries again.")
        return "\n".join(lines)

    @property
    def _can(self) -> AgentCapabilities:
        return self._told.agent_capabilities or AgentCapabilities()

    @property
    def _with_sessions(self) -> SessionCapabilities:
        return self._can.session_capabilities or SessionCapabilities()
