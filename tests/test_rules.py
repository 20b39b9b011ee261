"""What driving real agents has taught, rule by rule, and that it is kept to.

An agent of ours plays what the real ones were seen to do: a process of its own behind a server, and
a caller that talks to it over HTTP. A prompt is a list of steps, see `tests/fake_acp_agent.py`.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from a2abackends.acp import Limits, open_acp
from a2abackends.process import EOF_GRACE, TERM_GRACE
from a2acore.backend import Settings
from a2acore.client import Client, open_client
from a2acore.model import (
    CancelTaskRequest,
    GetTaskRequest,
    Task,
    TaskArtifactUpdateEvent,
    TaskState,
)
from a2acore.server import Options, serve
from tests.caller import Heard, allow, deny, request, tell
from tests.test_acp import is_alive, wait_until_dead

PATIENCE = 30  # seconds that a test may take before it is called hung
AGENT = str(Path(__file__).with_name("fake_acp_agent.py"))
CODEX = "--name=@agentclientprotocol/codex-acp"  # by which its oddities are known

ENDED = {"completed", "failed", "cancelled"}


@asynccontextmanager
async def serving(
    workspace: Path, *flags: str, agent: str = AGENT, limits: Limits | None = None
) -> AsyncIterator[Client]:
    """A server with the agent behind it, and a client; within the time that a test may take."""
    settings = Settings(
        workspace,
        command=(sys.executable, agent, *flags),
        environment={"PATH": os.environ["PATH"]},
    )
    with trio.fail_after(PATIENCE):
        async with (
            open_acp(settings, limits or Limits()) as backend,
            trio.open_nursery() as nursery,
        ):
            bound = await nursery.start(partial(serve, backend, port=0, options=Options(workspace)))
            async with open_client(bound.url) as client:
                yield client
            nursery.cancel_scope.cancel()


def play(*steps: list[Any]) -> str:
    """A prompt that tells the agent what to do."""
    return json.dumps(steps)


async def begin(client: Client, prompt: str, until: str, **rest: Any) -> Heard:
    """Say something, and hear until a text has come; the task goes on."""
    heard = Heard()
    async with client.stream(request(prompt, **rest)) as events:
        async for event in events:
            heard.events.append(event)
            if isinstance(event, TaskArtifactUpdateEvent) and until in heard.text():
                break
    return heard


async def cancel(client: Client, heard: Heard) -> Task:
    """Cancel a task, within a second."""
    with trio.fail_after(1):
        return await client.cancel(CancelTaskRequest(heard.task_id))


# 1. An agent leads a process group and is ended with it: its input closed, then asked, then killed.


async def test_1_an_agent_that_does_not_want_to_end_is_ended_and_all_that_it_has_started(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path, "--stubborn") as client:
        heard = await tell(client, play(["who"], ["say", "\n"], ["spawn"]))
        who, _, child = heard.text().partition("\n")
        agent = json.loads(who)["pid"]
        assert is_alive(agent)
        assert is_alive(int(child))
        closing = trio.current_time()
    assert trio.current_time() - closing < EOF_GRACE + TERM_GRACE + 2
    assert not is_alive(agent)
    assert not is_alive(int(child))


async def test_1_what_a_killed_agent_has_started_does_not_outlive_it(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        heard = await tell(client, play(["spawn"], ["kill"]))
        assert heard.end.state is TaskState.FAILED
        await wait_until_dead(int(heard.text()))


# 2. Lines may be megabytes long, and what an agent says on stderr is always read.


async def test_2_a_line_of_8_mb_and_a_flood_of_stderr_hold_up_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        heard = await tell(client, play(["stderr", "x" * 100, 50_000], ["huge", 8_000_000]))
        assert heard.end.state is TaskState.COMPLETED
        assert len(heard.text()) == 8_000_000


# 3. Agents may be silent for ever: how long a turn and a silence may take is for us to say.


@pytest.mark.parametrize(
    ("limits", "what"),
    [(Limits(silence=0.3), "said nothing for 0.3 s"), (Limits(turn=0.3), "not done after 0.3 s")],
)
async def test_3_a_turn_without_an_end_is_ended(tmp_path: Path, limits: Limits, what: str) -> None:
    async with serving(tmp_path, limits=limits) as client:
        heard = await tell(client, play(["say", "so far"], ["hang"]))
        assert heard.end.state is TaskState.FAILED
        assert heard.end_data["stopReason"] == "limit"
        assert what in heard.texts()
        assert heard.text() == "so far"


# 4. What we know of a cancellation counts, whatever the agent calls the end of its turn.


async def test_4_a_turn_that_was_cancelled_is_cancelled_though_the_agent_says_it_ended_well(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as client:
        heard = await begin(client, play(["say", "begun"], ["shrug"]), "begun")
        assert (await cancel(client, heard)).status.state is TaskState.CANCELED


async def test_4_a_turn_that_was_denied_something_has_not_failed_though_the_agent_breaks_it_off(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as client:
        steps = play(["ask", {"toolCallId": "t"}], ["end", "cancelled"])
        heard = await tell(client, steps, deny)
        assert heard.end.state is TaskState.COMPLETED


# 5. A tool is there from the first word of it, whichever message that is in; words about it add
# up; and at the end of the turn no tool is open.


async def test_5_tools_are_put_together_from_any_message_and_closed_with_the_turn(
    tmp_path: Path,
) -> None:
    def update(**said: Any) -> list[Any]:
        return ["update", {"sessionUpdate": "tool_call_update", **said}]

    steps = play(
        update(toolCallId="a", title="Look around", kind="read"),
        update(toolCallId="a", rawInput={"path": "x"}),
        update(toolCallId="a", status="in_progress"),
        ["ask", {"toolCallId": "b", "title": "Dig"}],
    )
    async with serving(tmp_path) as client:
        heard = await tell(client, steps, allow)
    last = {tool["id"]: tool for tool in heard.said("tool")}
    assert last["a"]["title"] == "Look around"
    assert last["a"]["toolKind"] == "read"
    assert last["a"]["input"] == {"path": "x"}
    assert last["b"]["title"] == "Dig"
    assert {tool["status"] for tool in last.values()} <= ENDED


# 6. A permission that is pending at a cancellation is answered "cancelled". The agent may withdraw
# what it has asked, and may ask too late.


async def test_6_a_permission_that_is_pending_at_a_cancellation_is_answered_cancelled(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as client:
        paused = await tell(client, play(["ask", {"toolCallId": "t"}]))
        assert paused.end.state is TaskState.INPUT_REQUIRED
        assert (await cancel(client, paused)).status.state is TaskState.CANCELED
        after = await tell(client, play(["outcomes"]), context=paused.context_id)
        assert after.text() == '["cancelled"]'


async def test_6_a_permission_that_the_agent_withdraws_is_answered_and_holds_up_nothing(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as client:
        first = await tell(client, play(["withdraw", {"toolCallId": "t"}]))
        after = await tell(client, play(["outcomes"]), context=first.context_id)
        assert after.text() == '["cancelled"]'
        ended = await client.get(GetTaskRequest(first.task_id))
        assert ended.status.state is TaskState.COMPLETED


async def test_6_a_permission_that_is_asked_too_late_is_answered_and_asked_of_nobody(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as client:
        heard = await tell(client, play(["ask_afterwards", {"toolCallId": "t"}]))
        assert heard.end.state is TaskState.COMPLETED
        after = await tell(client, play(["recall"]), context=heard.context_id)
        assert after.states == [TaskState.SUBMITTED, TaskState.WORKING, TaskState.COMPLETED]
        assert after.text() == "cancelled"


# 7. Options are chosen by their kind, for ids say nothing; not every kind is there.


def options(**kinds: str) -> list[dict[str, str]]:
    return [{"optionId": id, "name": id.title(), "kind": kind} for id, kind in kinds.items()]


ALWAYS = options(allow="allow_always", yes="allow_always", no="reject_once")
TWISTED = options(reject="allow_once", allow="reject_once", once="allow_always")
ONE_SIDED = options(go="allow_once")


@pytest.mark.parametrize(
    ("offered", "verdict", "taken"),
    [
        (TWISTED, allow, "reject"),
        (TWISTED, deny, "allow"),
        (ALWAYS, allow, "allow"),
        (ALWAYS, deny, "no"),
        (ONE_SIDED, allow, "go"),
        (ONE_SIDED, deny, "cancelled"),
    ],
)
async def test_7_an_option_is_chosen_by_its_kind(
    tmp_path: Path, offered: Any, verdict: Any, taken: str
) -> None:
    async with serving(tmp_path) as client:
        heard = await tell(client, play(["ask", {"toolCallId": "t"}, offered]), verdict)
        assert heard.text() == taken


# 8. A session has one turn at a time; what comes meanwhile waits here, not in the agent.


async def test_8_a_second_turn_of_a_context_is_given_to_the_agent_when_the_first_has_ended(
    tmp_path: Path,
) -> None:
    gate = tmp_path / "gate"
    async with serving(tmp_path) as client:
        steps = play(["say", "begun"], ["until", str(gate)], ["heard"])
        first = await begin(client, steps, "begun")
        second = await client.send(request(play(["who"]), context=first.context_id, wait=False))
        assert isinstance(second, Task)
        elsewhere = await tell(client, "hello")  # takes longer than the second would have
        assert elsewhere.end.state is TaskState.COMPLETED
        waiting = await client.get(GetTaskRequest(second.id))
        assert waiting.status.state is TaskState.SUBMITTED
        gate.touch()
        third = await tell(client, play(["heard"]), context=first.context_id)
        assert json.loads(third.text()).count("session/prompt") == 3
        ended = await client.get(GetTaskRequest(second.id))
        assert ended.status.state is TaskState.COMPLETED
        whole = await client.get(GetTaskRequest(first.task_id))
        [answer] = [artifact for artifact in whole.artifacts if artifact.name == "response"]
        said = "".join(part.text or "" for part in answer.parts)
        assert json.loads(said.removeprefix("begun")).count("session/prompt") == 1


# 9. Usage may be missing; costs are told of the whole session, and ours are of the turn.


async def test_9_costs_are_told_as_differences_and_no_usage_is_made_up(tmp_path: Path) -> None:
    def costs(amount: float) -> str:
        cost = {"amount": amount, "currency": "EUR"}
        return play(["update", {"sessionUpdate": "usage_update", "cost": cost}])

    async with serving(tmp_path) as client:
        plain = await tell(client, "hello")
        assert "usage" not in plain.end_data
        told = [
            (await tell(client, costs(amount), context=plain.context_id)).end_data["usage"]
            for amount in (0.5, 0.7)
        ]
    assert [(usage["cost"], usage["currency"]) for usage in told] == [(0.5, "EUR"), (0.2, "EUR")]
    assert "inputTokens" not in told[0]


# 10. What is unknown is let pass, or refused as unknown if it is a request; an id may be 0 or a
# text.


async def test_10_what_is_unknown_is_let_pass_and_refused_if_it_is_a_request(
    tmp_path: Path,
) -> None:
    note = {"jsonrpc": "2.0", "method": "_auth/status_update", "params": {"loggedIn": True}}
    steps = play(
        ["update", {"sessionUpdate": "weather_update", "sky": "blue"}],
        ["raw", json.dumps(note)],
        ["call", "_weather/ask", {}],
    )
    async with serving(tmp_path) as client:
        heard = await tell(client, steps)
        assert heard.end.state is TaskState.COMPLETED
        assert json.loads(heard.text())["error"]["code"] == -32601
        assert heard.texts() == ""


@pytest.mark.parametrize("id", [0, "zero", ""])
async def test_10_a_request_is_answered_under_its_id_whatever_that_is(
    tmp_path: Path, id: Any
) -> None:
    async with serving(tmp_path) as client:
        heard = await tell(client, play(["ask_as", id, {"toolCallId": "t"}]), allow)
        assert heard.text() == "once"


# 11. Files and terminals are not offered unless that is asked for.


async def test_11_neither_files_nor_terminals_are_offered_unless_asked_for(tmp_path: Path) -> None:
    agent = str(Path(__file__).with_name("gate_agent.py"))
    asking = play(["capabilities"], ["call", "fs/read_text_file", {"path": str(tmp_path / "x")}])
    async with serving(tmp_path, agent=agent) as client:
        heard = await tell(client, asking)
    offered, refused = map(json.loads, heard.text().splitlines())
    assert offered["fs"] == {"readTextFile": False, "writeTextFile": False}
    assert offered["terminal"] is False
    assert refused["code"] == -32601


# 12. An error may come as the agent's last words, and its turn end well.


async def test_12_an_error_in_the_form_of_an_answer_fails_the_task(tmp_path: Path) -> None:
    words = {"type": "text", "text": "stream disconnected before completion"}
    steps = play(["update", {"sessionUpdate": "agent_message_chunk", "content": words}])
    async with serving(tmp_path, CODEX) as client:
        heard = await tell(client, steps)
        assert heard.end.state is TaskState.FAILED
        assert "stream disconnected" in heard.texts()
    async with serving(tmp_path) as client:  # with any other it is an answer
        heard = await tell(client, steps)
        assert heard.end.state is TaskState.COMPLETED


# 13. Codex leaves the commands of a cancelled turn running: they are ended for it.


async def test_13_a_command_that_codex_would_leave_running_is_ended_with_its_turn(
    tmp_path: Path,
) -> None:
    number, memory = tmp_path / "number", tmp_path / "memory"
    memory.mkdir()
    async with serving(tmp_path, CODEX, f"--memory={memory}") as client:
        heard = await begin(client, play(["background", str(number)]), "running")
        command = int(number.read_text())
        assert is_alive(command)
        assert (await cancel(client, heard)).status.state is TaskState.CANCELED
        await wait_until_dead(command)
        after = await tell(client, play(["past"]), context=heard.context_id)
        assert len(json.loads(after.text())) == 1
        assert "memory_lost" not in after.notices()


# 14. Commands that only read are run by most agents without asking: no permission is tried with
# one.


def test_14_permissions_are_tried_with_commands_that_change_something() -> None:
    scripts = Path(__file__).parent.joinpath("agents").glob("test_*.py")
    commands = [
        command for script in scripts for command in re.findall(r"RUN:(\w+)", script.read_text())
    ]
    assert commands
    assert set(commands) == {"touch", "mkdir"}
