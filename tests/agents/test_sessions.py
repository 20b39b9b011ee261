"""Sessions of real agents: their conversations outlive the process, theirs and ours."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from a2acore.client import Client
from a2acore.model import TaskArtifactUpdateEvent, TaskState
from a2acore.store import MemoryStore
from tests.caller import Heard, request, tell
from tests.kit.agents import RealAgent
from tests.kit.fakemodel import FakeModel
from tests.kit.workshop import Workshop, serving

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


def cost_of(heard: Heard) -> float:
    return float(heard.end_data["usage"]["cost"])
