"""Real coding agents, from npm, on a fake model: the straight path over HTTP, end to end."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from a2abackends.acp import ACP
from a2acore.backend import Settings
from a2acore.client import Client, open_client
from a2acore.model import CancelTaskRequest, TaskArtifactUpdateEvent, TaskState
from a2acore.server import Options, serve
from tests.caller import Heard, request, tell
from tests.kit.agents import edit_prompt
from tests.kit.fakemodel import FakeModel
from tests.kit.fixtures import RealAgent

pytestmark = pytest.mark.agents

PATIENCE = 60.0
"""Seconds for a whole test: the slowest agent takes five to start."""


@asynccontextmanager
async def serving(agent: RealAgent) -> AsyncIterator[Client]:
    """A server with that agent behind it, and a client."""
    settings = Settings(
        workspace=agent.workspace, command=tuple(agent.command), environment=agent.env
    )
    with trio.fail_after(PATIENCE):
        async with ACP.open(settings) as backend, trio.open_nursery() as nursery:
            bound = await nursery.start(
                partial(serve, backend, port=0, options=Options(workspace=agent.workspace))
            )
            async with open_client(bound.url) as client:
                yield client
            nursery.cancel_scope.cancel()


def allow(asked: dict[str, Any]) -> str:
    return "allow"


def deny(asked: dict[str, Any]) -> str:
    return "no, not that"


async def test_a_turn_is_answered_and_the_next_one_remembers_it(
    real_agent: RealAgent, fake_model: FakeModel
) -> None:
    async with serving(real_agent) as client:
        first = await tell(client, "REMEMBER-ME")
        assert first.states == [TaskState.SUBMITTED, TaskState.WORKING, TaskState.COMPLETED]
        assert first.text() == "Hello from fake"
        second = await tell(client, "SAY:second", context=first.context_id)
        assert second.text() == "second"
        assert second.context_id == first.context_id
        assert "REMEMBER-ME" in fake_model.asked("SAY:second").text


async def test_a_tool_that_is_allowed_runs(real_agent: RealAgent) -> None:
    async with serving(real_agent) as client:
        heard = await tell(client, "RUN:touch ran.txt", allow)
        assert heard.end.state is TaskState.COMPLETED, heard.texts()
        assert (real_agent.workspace / "ran.txt").exists()
        [asked] = heard.said("permission")
        assert "touch ran.txt" in str(asked["tool"])
        assert {option["kind"] for option in asked["options"]} >= {"allow_once", "reject_once"}
        [statuses] = heard.tools().values()
        assert statuses[-1] == "completed"
        assert TaskState.INPUT_REQUIRED in heard.states


async def test_a_tool_that_is_denied_does_not_run(real_agent: RealAgent) -> None:
    async with serving(real_agent) as client:
        heard = await tell(client, "RUN:touch ran.txt", deny)
        assert heard.end.state is TaskState.COMPLETED, heard.texts()
        assert not (real_agent.workspace / "ran.txt").exists()
        assert heard.end_data["stopReason"] == real_agent.agent.denied_stop
        [statuses] = heard.tools().values()
        assert statuses[-1] != "completed"


async def test_an_edit_arrives_as_a_diff_that_git_takes(real_agent: RealAgent) -> None:
    async with serving(real_agent) as client:
        heard = await tell(client, edit_prompt(real_agent.workspace), allow)
        assert heard.end.state is TaskState.COMPLETED, heard.texts()
        assert (real_agent.workspace / "note.txt").read_text() == "NEW\n"
        diff = heard.diffs()["note.txt"]
        assert "-OLD\n+NEW\n" in diff
        assert undone(real_agent.workspace, diff) == "OLD\n"


def undone(workspace: Path, diff: str) -> str:
    subprocess.run(["git", "apply", "-R"], cwd=workspace, input=diff.encode(), check=True)
    return (workspace / "note.txt").read_text()


async def test_a_cancel_in_mid_turn_ends_it_within_a_second(real_agent: RealAgent) -> None:
    async with serving(real_agent) as client:
        heard = Heard()
        async with client.stream(request("SLOW:400")) as events:
            async for event in events:
                heard.events.append(event)
                if isinstance(event, TaskArtifactUpdateEvent):
                    break
            with trio.fail_after(1):
                cancelled = await client.cancel(CancelTaskRequest(heard.task_id))
            assert cancelled.status.state is TaskState.CANCELED
            async for event in events:
                heard.events.append(event)
        assert heard.end.state is TaskState.CANCELED
        after = await tell(client, "SAY:after", context=heard.context_id)
        assert after.end.state is TaskState.COMPLETED, after.texts()
        assert after.text() == "after"


async def test_a_cancel_while_a_permission_is_pending_leaves_a_session_that_works(
    real_agent: RealAgent,
) -> None:
    async with serving(real_agent) as client:
        paused = await tell(client, "RUN:touch ran.txt")
        assert paused.end.state is TaskState.INPUT_REQUIRED
        with trio.fail_after(1):
            cancelled = await client.cancel(CancelTaskRequest(paused.task_id))
        assert cancelled.status.state is TaskState.CANCELED
        after = await tell(client, "SAY:after", context=paused.context_id)
        assert after.text() == "after"
        assert not (real_agent.workspace / "ran.txt").exists()


async def test_a_killed_agent_fails_its_own_task_only_and_the_next_turn_works(
    real_agent: RealAgent,
) -> None:
    async with serving(real_agent) as client:
        async with client.stream(request("SLOW:400")) as events:
            heard = Heard()
            async for event in events:
                heard.events.append(event)
                if isinstance(event, TaskArtifactUpdateEvent):
                    break
            doomed = agents_of(os.getpid())
            neighbour = await tell(client, "SAY:neighbour")
            assert neighbour.text() == "neighbour"
            for pid in doomed:
                os.kill(pid, signal.SIGKILL)
            async for event in events:
                heard.events.append(event)
        assert heard.end.state is TaskState.FAILED
        assert heard.end_data["stopReason"] == "crashed"
        again = await tell(client, "SAY:again", context=heard.context_id)
        assert again.end.state is TaskState.COMPLETED, again.texts()
        assert again.text() == "again"
        assert again.said("notice"), "that the agent has forgotten what was said is not hidden"
        next_door = await tell(client, "SAY:still here", context=neighbour.context_id)
        assert next_door.text() == "still here"


def agents_of(pid: int) -> list[int]:
    """The children of a process: here, the agents that the server has started."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for thread in threads for child in (thread / "children").read_text().split()]


async def test_usage_comes_with_the_end(real_agent: RealAgent) -> None:
    async with serving(real_agent) as client:
        heard = await tell(client, "hello")
        assert heard.end_data["usage"]["inputTokens"] > 0
