"""Everything A2A: serve a backend, call an agent. What is named here stays; the rest may change.

Names are loaded when they are first used: who only calls an agent need not load a server.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from a2acore.backend import (
        AgentFailed,
        AgentInfo,
        AgentRefused,
        Answer,
        Backend,
        BackendKind,
        BadSettings,
        Choices,
        Credential,
        FileChange,
        Finding,
        Location,
        McpServer,
        Notice,
        Option,
        Output,
        Permission,
        Plan,
        PlanEntry,
        Question,
        Settings,
        Text,
        Thought,
        ToolCall,
        Turn,
        Usage,
        find_backends,
    )
    from a2acore.client import open_client
    from a2acore.limits import Limits
    from a2acore.listener import Bound
    from a2acore.policy import BadPolicy, Policy, Rule, read_policy
    from a2acore.server import Application, Options, open_app, serve
    from a2acore.store.opening import open_store
    from a2acore.store.terms import BadStore, Keep
    from a2acore.tls import Tls

_ROOMS = {
    "a2acore.backend": (
        "AgentFailed",
        "AgentInfo",
        "AgentRefused",
        "Answer",
        "Backend",
        "BackendKind",
        "BadSettings",
        "Choices",
        "Credential",
        "FileChange",
        "Finding",
        "Location",
        "McpServer",
        "Notice",
        "Option",
        "Output",
        "Permission",
        "Plan",
        "PlanEntry",
        "Question",
        "Settings",
        "Text",
        "Thought",
        "ToolCall",
        "Turn",
        "Usage",
        "find_backends",
    ),
    "a2acore.client": ("open_client",),
    "a2acore.limits": ("Limits",),
    "a2acore.listener": ("Bound",),
    "a2acore.policy": ("BadPolicy", "Policy", "Rule", "read_policy"),
    "a2acore.server": ("Application", "Options", "open_app", "serve"),
    "a2acore.store.opening": ("open_store",),
    "a2acore.store.terms": ("BadStore", "Keep"),
    "a2acore.tls": ("Tls",),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}

__all__ = [
    "AgentFailed",
    "AgentInfo",
    "AgentRefused",
    "Answer",
    "Application",
    "Backend",
    "BackendKind",
    "BadPolicy",
    "BadSettings",
    "BadStore",
    "Bound",
    "Choices",
    "Credential",
    "FileChange",
    "Finding",
    "Keep",
    "Limits",
    "Location",
    "McpServer",
    "Notice",
    "Option",
    "Options",
    "Output",
    "Permission",
    "Plan",
    "PlanEntry",
    "Policy",
    "Question",
    "Rule",
    "Settings",
    "Text",
    "Thought",
    "Tls",
    "ToolCall",
    "Turn",
    "Usage",
    "find_backends",
    "open_app",
    "open_client",
    "open_store",
    "read_policy",
    "serve",
]


def __getattr__(name: str) -> Any:
    if name in _ROOM_OF:
        return getattr(import_module(_ROOM_OF[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
