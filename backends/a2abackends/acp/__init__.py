"""Any agent that speaks the Agent Client Protocol (ACP, agentclientprotocol.com) over stdio."""

from a2abackends.acp.backend import open_acp
from a2abackends.acp.examination import examine
from a2abackends.acp.limits import Limits
from a2acore.backend import BackendKind

__all__ = ["ACP", "Limits", "open_acp"]

ACP = BackendKind(
    name="acp",
    summary="any agent that speaks the Agent Client Protocol: Claude Code, Codex, Gemini CLI, "
    "OpenCode by name, others by their command",
    needs="the agent, or npx to fetch it",
    open=open_acp,
    examine=examine,
)
