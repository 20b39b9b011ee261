"""Tools of real agents: allowed, denied, cancelled; their own and those of an MCP server."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import pytest
import trio

from a2acore.client import Client
from a2acore.model import CancelTaskRequest, TaskState
from tests.caller import allow, answering, deny, tell
from tests.kit.agents import AGENTS
from tests.kit.mcp_echo import proof
from tests.kit.workshop import SECRET, Workshop
from tests.test_acp import is_alive, wait_until_dead

pytestmark = pytest.mark.agents


async def test_a_tool_that_is_allowed_runs(workshop: Workshop, client: Client) -> None:
    heard = await workshop.tell(client, "RUN:touch ran.txt", allow)
    assert heard.end.state is TaskState.COMPLETED, heard.texts()
    assert (workshop.real.workspace / "ran.txt").exists()
    [asked] = heard.said("permission")
    assert "touch ran.txt" in str(asked["tool"])
    assert {option["kind"] for option in asked["options"]} >= {"allow_once", "reject_once"}
    [statuses] = heard.tools().values()
    assert statuses[-1] == "completed"
    assert TaskState.INPUT_REQUIRED in heard.states


async def test_a_tool_that_is_denied_does_not_run(workshop: Workshop, client: Client) -> None:
    heard = await workshop.tell(client, "RUN:touch never.txt", deny)
    assert heard.end.state is TaskState.COMPLETED, heard.texts()
    assert not (workshop.real.workspace / "never.txt").exists()
    assert heard.end_data["stopReason"] == workshop.real.agent.denied_stop
    [statuses] = heard.tools().values()
    assert statuses[-1] != "completed"


async def test_a_cancel_while_a_permission_is_pending_leaves_a_session_that_works(
    workshop: Workshop, client: Client
) -> None:
    paused = await workshop.tell(client, "RUN:touch cancelled.txt")
    assert paused.end.state is TaskState.INPUT_REQUIRED
    with trio.fail_after(1):
        cancelled = await client.cancel(CancelTaskRequest(paused.task_id))
    assert cancelled.status.state is TaskState.CANCELED
    after = await workshop.tell(client, "SAY:after")
    assert after.text() == "after"
    assert not (workshop.real.workspace / "cancelled.txt").exists()


async def test_a_command_does_not_survive_the_cancellation_of_its_turn(
    workshop: Workshop, client: Client, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    # Codex ends a command by itself that has only just begun.
    script = f"RUN:touch begun.txt; sleep 0.5; echo $$ > {pipe}; exec tail -f /dev/null"
    async with trio.open_nursery() as nursery:
        paused = await workshop.tell(client, script)
        assert paused.end.state is TaskState.INPUT_REQUIRED, paused.texts()
        nursery.start_soon(partial(tell, client, "yes", **answering(paused)))
        command = int(await trio.to_thread.run_sync(pipe.read_text, abandon_on_cancel=True))
        assert is_alive(command)
        with trio.fail_after(1):
            await client.cancel(CancelTaskRequest(paused.task_id))
        with trio.fail_after(3):
            await wait_until_dead(command)
    after = await workshop.tell(client, "SAY:after")
    assert after.text() == "after"
    assert "tail -f" in workshop.model.asked("SAY:after").text
    assert "memory_lost" not in after.notices()


# Tools of an MCP server


def use_echo(shop: Workshop) -> str:
    tool = shop.real.agent.mcp_tool.format(server="echo", tool="echo")
    return f'TOOL:{tool} {{"text": "are you there?"}}'


async def test_a_tool_of_an_mcp_server_is_used_with_the_secret_that_it_needs(
    workshop: Workshop, client: Client
) -> None:
    heard = await workshop.tell(client, use_echo(workshop), allow)
    assert heard.end.state is TaskState.COMPLETED, heard.texts()
    assert f"are you there? {proof(SECRET)}" in heard.text()
    [statuses] = heard.tools().values()
    assert statuses[-1] == "completed"
    assert SECRET not in str(heard.events)


ASKING = [name for name, agent in AGENTS.items() if agent.asks_for_mcp]


@pytest.mark.parametrize("workshop", ASKING, indirect=True)
async def test_a_tool_of_an_mcp_server_that_is_denied_is_not_used(
    workshop: Workshop, client: Client
) -> None:
    heard = await workshop.tell(client, use_echo(workshop), deny)
    assert "are you there?" in str(heard.said("permission")), heard.texts() + heard.text()
    assert proof(SECRET) not in heard.text()
    assert heard.end.state is TaskState.COMPLETED, heard.texts()
