"""Sessions of real agents: their conversations outlive the process, theirs and ours."""

from __future__ import annotations

import os
import shlex
import signal
from collections.abc import Awaitable, Callable
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
from tests.restarted import ENDS, Server, agents_of, over_a_restart
from tests.test_acp import Heard as Turn
from tests.test_acp import allow
from tests.test_orphans import clean as clean

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


@pytest.mark.usefixtures("clean")
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("real_agent", ["claude"], indirect=True)  # of all others: the test above
async def test_what_was_asked_when_the_command_ended_is_asked_again_and_done_once(
    real_agent: RealAgent,
    fake_model: FakeModel,
    tmp_path: Path,
    end: Callable[[Server], Awaitable[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # It would be passed on where it is set, and claude then wants to do without permissions.
    monkeypatch.delenv("IS_SANDBOX", raising=False)
    made, run = real_agent.workspace / "made", "RUN:mkdir made"
    fake_model.otherwise = run
    options = ["--backend", "acp", "--agent-command", shlex.join(real_agent.command)]
    options += ["--cwd", str(real_agent.workspace), "--store", f"sqlite:///{tmp_path}/store.sqlite"]
    options += [f"--agent-env={name}" for name in real_agent.env]
    with trio.fail_after(PATIENCE):
        before, after = await over_a_restart(end, run, *options, **real_agent.env)
    assert before.end.state is TaskState.INPUT_REQUIRED
    assert after.task_id == before.task_id
    assert after.end.state is TaskState.COMPLETED, after.texts()
    assert made.is_dir()
    [asked_first] = before.tools()
    [asked_again] = after.tools().keys() - {asked_first}
    assert after.tools()[asked_first] == ["cancelled"]
    assert after.tools()[asked_again][-1] == "completed"


def cost_of(heard: Heard) -> float:
    return float(heard.end_data["usage"]["cost"])
