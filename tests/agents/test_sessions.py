"""Sessions of real agents: their conversations outlive the process, theirs and ours."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import trio

from a2abackends.acp import Limits, open_acp
from a2acore.backend import Notice, Permission, Settings, ToolCall
from a2acore.client import Client
from a2acore.model import Part, TaskArtifactUpdateEvent, TaskState
from a2acore.store import MemoryStore
from tests.caller import Heard, request, tell
from tests.kit.agents import MINUTE, RealAgent
from tests.kit.fakemodel import FakeModel
from tests.kit.workshop import PATIENCE, Workshop, serving
from tests.left_behind import leave_behind
from tests.test_acp import Heard as Turn
from tests.test_acp import allow

pytestmark = pytest.mark.agents


async def test_a_killed_agent_fails_its_own_task_only_and_the_next_turn_goes_on(
    workshop: Workshop, client: Client
) -> None:
    neighbour = await workshop.tell(client, "SAY:neighbour")
    assert neighbour.text() == "neighbour"
    others = agents_of(os.getpid())
    before = await tell(client, "REMEMBER-ME")
    [doomed] = agents_of(os.getpid()) - others
    heard = Heard()
    async with client.stream(request("SLOW:400", context=before.context_id)) as events:
        async for event in events:
            heard.events.append(event)
            if isinstance(event, TaskArtifactUpdateEvent):
                break
        os.killpg(doomed, signal.SIGKILL)
        async for event in events:
            heard.events.append(event)
    assert heard.end.state is TaskState.FAILED
    assert heard.end_data["stopReason"] == "crashed"
    again = await tell(client, "SAY:again", context=heard.context_id)
    assert again.end.state is TaskState.COMPLETED, again.texts()
    assert again.text() == "again"
    assert "memory_lost" not in again.notices()
    assert "REMEMBER-ME" in workshop.model.asked("SAY:again").text
    still = await workshop.tell(client, "SAY:still here")
    assert still.text() == "still here"
    assert others <= agents_of(os.getpid())


def agents_of(pid: int) -> set[int]:
    """The children of a process: here, the agents that the server has started."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return {int(child) for thread in threads for child in (thread / "children").read_text().split()}


async def test_a_conversation_goes_on_after_a_restart_of_the_server(
    real_agent: RealAgent, fake_model: FakeModel
) -> None:
    store = MemoryStore()
    async with serving(real_agent, store=store) as client:
        first = await tell(client, "REMEMBER-ME")
        context = first.context_id
        more = await tell(client, "SAY:more", context=context)
    async with serving(real_agent, store=store) as client:
        second = await tell(client, "SAY:second", context=context)
        third = await tell(client, "SAY:third", context=context)
    assert second.end.state is TaskState.COMPLETED, second.texts()
    assert second.text() == "second"
    assert "memory_lost" not in second.notices()
    assert "REMEMBER-ME" in fake_model.asked("SAY:second").text
    if real_agent.agent.bills:  # what had been paid before is on no bill again
        assert cost_of(second) < cost_of(first) + cost_of(more) + cost_of(third)


async def test_a_turn_that_asked_when_its_server_was_killed_asks_again_and_does_it_once(
    real_agent: RealAgent, fake_model: FakeModel
) -> None:
    made, run = real_agent.workspace / "made", "RUN:mkdir made"
    fake_model.otherwise = run
    settings = Settings(
        real_agent.workspace, command=tuple(real_agent.command), environment=real_agent.env
    )
    turn = Turn((Part(run),), real_agent.workspace, allow)
    with trio.fail_after(PATIENCE):
        await leave_behind(settings, turn)
        assert not made.exists()
        async with open_acp(settings, Limits(minute=MINUTE)) as backend:
            await backend.resume(turn)  # type: ignore[attr-defined]
    assert [type(asked) for asked in turn.asked] == [Permission]
    assert made.is_dir()
    assert "resumed" in [notice.kind for notice in turn.all(Notice)]
    [status] = {call.id: call.status for call in turn.all(ToolCall)}.values()
    assert status == "completed"
    asked = fake_model.asked("was restarted")
    assert run in asked.text
    assert run not in asked.prompt


def cost_of(heard: Heard) -> float:
    return float(heard.end_data["usage"]["cost"])
