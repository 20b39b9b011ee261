"""The servers that are killed: how each is started in the folder of a storm, but for its port."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.crash.site import TRACE

HERE = Path(__file__).parent
AGENT = HERE.parent / "fake_acp_agent.py"
STORE = "store.sqlite"
WORKSPACE = "workspace"
OPTIONS = (
    *("--cwd", WORKSPACE, "--store", f"sqlite:///{STORE}"),
    *("--log-level", "warning", "--webhook-allow-private"),
    # Nothing is to be gone because it is old, and no caller is to be refused for there being many.
    *("--keep-days", "0", "--keep-tasks", "0"),
    *("--limit", "tasks=0", "--limit", "contexts=0", "--limit", "webhooks=0"),
)
A2ACODE = (sys.executable, "-m", "a2acli.main")
SERVE = (*A2ACODE, "serve", *OPTIONS)

ECHO = (*SERVE, "--backend", "echo", "--script", str(HERE / "script.toml"))
"""The echo agent, which lives in the server."""
HASTY = (sys.executable, str(HERE / "hasty.py"))
"""One that promises too early."""
RESEND = (*A2ACODE, "push", "resend", "--store", f"sqlite:///{STORE}")
"""Has letters sent again that were given up."""


def agents(memory: Path) -> Sequence[str]:
    """Agents that are processes of their own, and find their sessions again in a folder."""
    command = [sys.executable, str(AGENT), f"--memory={memory}"]
    return (*SERVE, "--agent-command", shlex.join(command), "--agent-env", TRACE)
