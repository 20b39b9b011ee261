"""A turn that waits for an answer outlives its server, however that ends. The whole way, with a
scripted agent; `tests/agents/test_sessions.py` goes it with a real one."""

from __future__ import annotations

import json
import shlex
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio

from a2acore.model import TaskState
from tests.restarted import ENDS, Server, over_a_restart
from tests.test_acp import AGENT
from tests.test_orphans import clean as clean
from tests.test_sandbox import PYTHON

SOON = 30.0
"""Seconds that a test may take before it is called hung."""


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize("end", ENDS)
async def test_what_was_asked_when_the_server_ended_is_asked_again_and_done_once(
    end: Callable[[Server], Awaitable[None]], tmp_path: Path
) -> None:
    workspace, memory = tmp_path / "workspace", tmp_path / "memory"
    workspace.mkdir()
    memory.mkdir()
    asks = json.dumps([["ask", {"toolCallId": "old"}]])
    goes_on = json.dumps([["ask", {"toolCallId": "new"}], ["shell", "echo done >>made"]])
    command = [PYTHON, AGENT, f"--memory={memory}", "--goes-on", goes_on]
    options = ["--backend", "acp", "--agent-command", shlex.join(command)]
    options += ["--cwd", str(workspace), "--store", f"sqlite:///{tmp_path}/store.sqlite"]
    with trio.fail_after(SOON):
        before, after = await over_a_restart(end, asks, *options)
    assert before.end.state is TaskState.INPUT_REQUIRED
    assert after.task_id == before.task_id
    assert after.end.state is TaskState.COMPLETED, after.texts()
    assert (workspace / "made").read_text() == "done\n"
    last = {tool: told[-1] for tool, told in after.tools().items()}  # as far as it was heard
    assert last == {"new": "completed", "old": "cancelled"}
