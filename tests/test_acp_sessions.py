"""What becomes of a conversation when its agent is gone: sessions of ACP, kept and gone back to."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from a2abackends.acp import Limits
from a2abackends.acp.revival import GO_ON
from a2acore.backend import (
    AgentFailed,
    AgentRefused,
    Choices,
    Credential,
    Notice,
    Permission,
    Settings,
    Usage,
)
from a2acore.model import Metadata, Part
from tests.left_behind import leave_behind
from tests.test_acp import (
    AGENT,
    PATIENCE,
    Answerer,
    Heard,
    allow,
    fake,
    is_alive,
    never,
    running,
    wait_until_dead,
)
from tests.test_acp_choices import OPTIONS

Make = Callable[..., Heard]


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    """Where the agent keeps its sessions."""
    folder = tmp_path / "memory"
    folder.mkdir()
    return folder


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes a turn of steps for the agent; those of one test follow each other."""
    sessions: dict[str, Metadata | None] = {}

    def make(*steps: list[Any], **options: Any) -> Heard:
        parts = (Part(text=json.dumps(steps)),)
        return Heard(parts, tmp_path, **{"sessions": sessions, **options})

    return make


def kinds(turn: Heard) -> list[str]:
    return [notice.kind for notice in turn.all(Notice)]


async def served(turn: Heard, *flags: str, limits: Limits | None = None) -> Any:
    """What an agent answers whose server was started for this one turn."""
    async with fake(turn.workspace, *flags, limits=limits) as backend:
        await backend.run(turn)
    return json.loads(turn.response)


# What is kept


async def test_a_session_is_kept_before_it_is_prompted(
    tmp_path: Path, make: Make, memory: Path
) -> None:
    async with fake(tmp_path, f"--memory={memory}") as backend:
        turn = make(["say", "begun"], ["hang"])
        async with running(backend, turn) as scope:
            await turn.wait_for(lambda: turn.response)
            kept = turn.session
            scope.cancel()
    assert kept is not None
    assert (kept["agent"], kept["cwd"]) == ("fake", str(tmp_path))
    assert (memory / kept["session"]).exists()


# Going back


@pytest.mark.parametrize("way", ["session/resume", "session/load"])
async def test_a_conversation_goes_on_after_a_restart_of_ours(
    make: Make, memory: Path, way: str
) -> None:
    flags = [f"--memory={memory}"]
    if way == "session/load":
        flags += ["--can", '{"sessionCapabilities": null}']
    await served(make(["who"]), *flags)
    heard = await served(make(["heard"]), *flags)
    assert heard == ["initialize", way, "session/prompt"]
    turn = make(["past"])
    assert await served(turn, *flags) == ['[["who"]]', '[["heard"]]']
    assert kinds(turn) == []


async def test_it_goes_on_where_it_was_when_the_agent_has_died(
    tmp_path: Path, make: Make, memory: Path
) -> None:
    async with fake(tmp_path, f"--memory={memory}") as backend:
        with pytest.raises(AgentFailed):
            await backend.run(make(["kill"]))
        after = make(["past"])
        await backend.run(after)
        assert json.loads(after.response) == ['[["kill"]]']
        assert kinds(after) == []


async def test_it_goes_on_where_it_was_when_the_agent_was_let_go(
    tmp_path: Path, make: Make, memory: Path
) -> None:
    async with fake(tmp_path, f"--memory={memory}", limits=Limits(idle=0.1)) as backend:
        turn = make(["who"])
        await backend.run(turn)
        await wait_until_dead(json.loads(turn.response)["pid"])
        after = make(["past"])
        await backend.run(after)
        assert json.loads(after.response) == ['[["who"]]']
        assert kinds(after) == []


@pytest.mark.parametrize("when", ["before", "behind"])
async def test_what_is_told_of_the_past_is_heard_by_nobody(
    make: Make, memory: Path, when: str
) -> None:
    flags = [f"--memory={memory}", "--can", '{"sessionCapabilities": null}', "--replays", when]
    await served(make(["who"]), *flags)
    turn = make(["replayed"], ["past"])
    assert await served(turn, *flags) == ['[["who"]]']  # and nothing besides
    assert kinds(turn) == []


async def test_a_past_without_an_end_is_given_up(make: Make, memory: Path) -> None:
    flags = [f"--memory={memory}", "--can", '{"sessionCapabilities": null}', "--replays", "behind"]
    await served(make(["who"]), *flags)
    (memory / kept(make())["session"]).write_text(json.dumps(["so much"] * 1000))
    turn = make(["past"])
    assert await served(turn, *flags, limits=Limits(start=2)) == []
    assert kinds(turn) == ["memory_lost"]


def kept(turn: Heard) -> Metadata:
    assert turn.session is not None
    return turn.session


@pytest.mark.parametrize("fault", ["error", "hang", "die"])
async def test_a_session_that_cannot_be_had_in_any_way_is_begun_anew_and_said_to_be_lost(
    make: Make, memory: Path, fault: str
) -> None:
    flags = [f"--memory={memory}"]
    await served(make(["who"]), *flags)
    broken = [f"--fails=session/resume={fault}", f"--fails=session/load={fault}"]
    turn = make(["past"])
    assert await served(turn, *flags, *broken, limits=Limits(start=2)) == []
    [notice] = turn.all(Notice)
    assert notice.kind == "memory_lost"
    assert "session/" in notice.text
    # The new one is the one that is gone back to from here on.
    assert await served(make(["past"]), *flags) == ['[["past"]]']


async def test_a_session_that_cannot_be_resumed_is_loaded_which_is_told(
    make: Make, memory: Path
) -> None:
    flags = [f"--memory={memory}", "--fails", "session/resume=error"]
    await served(make(["who"]), *flags)
    turn = make(["past"])
    assert await served(turn, *flags) == ['[["who"]]']
    [notice] = turn.all(Notice)
    assert notice.kind == "downgrade"
    assert "no such session" in notice.text


async def test_an_agent_that_forgets_what_it_has_just_resumed_begins_anew(
    make: Make, memory: Path
) -> None:
    await served(make(["who"]), f"--memory={memory}")
    turn = make(["past"])
    assert await served(turn, f"--memory={memory}", "--fails", "session/resume=forgets") == []
    assert kinds(turn) == ["memory_lost"]


async def test_an_agent_that_can_do_nothing_of_the_kind_says_that_it_has_lost_the_conversation(
    make: Make,
) -> None:
    await served(make(["who"]))
    turn = make(["heard"])
    assert await served(turn) == ["initialize", "session/new", "session/prompt"]
    assert kinds(turn) == ["memory_lost"]


async def test_nothing_is_lost_with_a_session_that_was_never_prompted(
    tmp_path: Path, make: Make, memory: Path
) -> None:
    turn = make(["who"])
    async with fake(tmp_path, f"--memory={memory}") as backend:
        turn.parts = (Part(text=""),)
        with pytest.raises(AgentFailed, match="Nothing in the message"):
            await backend.run(turn)
    assert turn.session is not None
    after = make(["who"])
    await served(after, f"--memory={memory}")
    assert kinds(after) == []


async def test_a_session_of_another_agent_is_not_asked_for(make: Make, memory: Path) -> None:
    await served(make(["who"]), f"--memory={memory}")
    turn = make(["heard"])
    heard = await served(turn, f"--memory={memory}", "--name", "somebody else")
    assert heard == ["initialize", "session/new", "session/prompt"]
    [notice] = turn.all(Notice)
    assert (notice.kind, "another agent, fake" in notice.text) == ("memory_lost", True)


async def test_a_session_of_another_directory_is_not_asked_for(
    tmp_path: Path, make: Make, memory: Path
) -> None:
    await served(make(["who"]), f"--memory={memory}")
    (tmp_path / "elsewhere").mkdir()
    turn = make(["heard"])
    turn.workspace = tmp_path / "elsewhere"
    assert "session/new" in await served(turn, f"--memory={memory}")
    assert kinds(turn) == ["memory_lost"]


@pytest.mark.parametrize("kept", [{}, {"session": 5}, {"of": "another backend"}])
async def test_what_another_backend_has_kept_is_let_be(
    make: Make, memory: Path, kept: Metadata
) -> None:
    turn = make(["heard"], sessions={"of context": kept})
    assert "session/new" in await served(turn, f"--memory={memory}")
    assert kinds(turn) == []


async def test_the_cost_of_a_session_that_was_gone_back_to_is_not_billed_twice(
    tmp_path: Path, make: Make, memory: Path
) -> None:
    def costs(amount: float) -> list[Any]:
        cost = {"amount": amount, "currency": "EUR"}
        return ["update", {"sessionUpdate": "usage_update", "cost": cost}]

    flags = [f"--memory={memory}"]
    await served(make(costs(0.5), ["who"]), *flags)
    turn = make(costs(0.7), ["who"])
    await served(turn, *flags)
    assert turn.all(Usage) == [Usage(cost=0.2, currency="EUR", model="big")]


async def test_an_answer_to_a_question_of_before_a_restart_never_reaches_the_agent(
    tmp_path: Path, make: Make, memory: Path
) -> None:
    async with fake(tmp_path, f"--memory={memory}") as backend:
        turn = make(["ask", {"toolCallId": "t"}], answer=never)
        async with running(backend, turn) as scope:
            await turn.wait_for(lambda: turn.asked)
            scope.cancel()
    after = make(["heard"])
    heard = await served(after, f"--memory={memory}")
    assert heard == ["initialize", "session/resume", "session/prompt"]
    assert after.asked == []


# Turns that were under way when the server was killed

TOOL = {"toolCallId": "t", "title": "rm -r build"}
ASK = ["ask", TOOL]


async def left(turn: Heard, *flags: str) -> Heard:
    """The turn, after a server was killed that had begun it, and that waited for an answer."""
    command = (sys.executable, AGENT, *flags)
    settings = Settings(turn.workspace, command=command, environment={"PATH": os.environ["PATH"]})
    with trio.fail_after(PATIENCE):
        await leave_behind(settings, turn)
    return turn


async def resumed(turn: Heard, *flags: str, **settings: Any) -> str | None:
    """Have another server go on with it."""
    async with fake(turn.workspace, *flags, **settings) as backend:
        return await backend.resume(turn)  # type: ignore[attr-defined, no-any-return]


@pytest.mark.parametrize("way", ["session/resume", "session/load"])
async def test_a_turn_that_waited_for_an_answer_goes_on_in_its_session_and_asks_again(
    make: Make, memory: Path, way: str
) -> None:
    flags = [f"--memory={memory}"]
    if way == "session/load":
        flags += ["--can", '{"sessionCapabilities": null}']
    turn = await left(make(["say", "a"], ASK, answer=allow), *flags)
    goes_on = json.dumps([ASK, ["say", " "], ["heard"]])
    assert await resumed(turn, *flags, "--goes-on", goes_on) == "end_turn"
    [asked] = turn.asked
    assert isinstance(asked, Permission)
    assert asked.tool.title == "rm -r build"
    assert turn.response == f'once ["initialize", "{way}", "session/prompt"]'
    assert kinds(turn) == ["resumed"]


async def test_an_agent_that_goes_on_is_told_nothing_in_the_callers_name(
    make: Make, memory: Path
) -> None:
    turn = await left(make(["say", "a"], ASK), f"--memory={memory}")
    await resumed(turn, f"--memory={memory}")
    assert turn.response == GO_ON[0]["text"]
    past = json.loads((memory / kept(turn)["session"]).read_text())
    assert past == [turn.text, turn.response]


async def test_what_was_chosen_for_a_turn_holds_when_it_goes_on(make: Make, memory: Path) -> None:
    flags = [f"--memory={memory}", "--choices", json.dumps(OPTIONS)]
    turn = await left(make(ASK, choices=Choices(model="small")), *flags)
    await resumed(turn, *flags, "--goes-on", '[["chosen"]]')
    assert json.loads(turn.response)["m"] == "small"


async def test_a_turn_can_be_left_and_gone_on_with_again(make: Make, memory: Path) -> None:
    flags = [f"--memory={memory}", "--goes-on", json.dumps([ASK])]
    turn = await left(make(ASK, answer=never), *flags)
    async with fake(turn.workspace, *flags) as backend, trio.open_nursery() as nursery:
        nursery.start_soon(backend.resume, turn)  # type: ignore[attr-defined]
        await turn.wait_for(lambda: turn.asked)
        nursery.cancel_scope.cancel()
    turn.said.clear()
    turn.answer = allow
    await resumed(turn, *flags)
    assert turn.response == "once"
    assert kinds(turn) == ["resumed"]


@pytest.mark.parametrize(
    "flags",
    [
        ["--fails=session/resume=error", "--fails=session/load=error"],
        ["--fails=session/resume=hang"],
        ["--fails=session/resume=die"],
        ["--fails=session/resume=forgets"],
        ["--name", "somebody else"],
        ["--can", '{"loadSession": false, "sessionCapabilities": null}'],
    ],
)
async def test_a_turn_whose_session_cannot_be_had_is_interrupted_and_never_begun_anew(
    make: Make, memory: Path, flags: list[str]
) -> None:
    turn = await left(make(ASK), f"--memory={memory}")
    session = turn.session
    with pytest.raises(AgentFailed, match="interrupted by a restart") as caught:
        await resumed(turn, f"--memory={memory}", *flags, limits=Limits(start=2))
    assert caught.value.stop_reason == "interrupted"
    assert kept(turn)["session"] == kept(make(sessions={"of context": session}))["session"]
    assert turn.response == ""


@pytest.mark.parametrize("session", [None, {"of": "another backend"}])
async def test_a_turn_of_which_no_session_was_kept_is_interrupted(
    make: Make, session: Metadata | None
) -> None:
    turn = make(["say", "again"], sessions={"of context": session})
    with pytest.raises(AgentFailed) as caught:
        await resumed(turn)
    assert caught.value.stop_reason == "interrupted"
    assert turn.said == []


@pytest.mark.parametrize("where", ["at the session", "at the prompt"])
async def test_a_turn_that_waited_at_the_agents_door_is_begun_once_it_is_let_in(
    tmp_path: Path, make: Make, memory: Path, where: str
) -> None:
    card = tmp_path / "card"
    await served(make(["who"]), f"--memory={memory}")
    flags = [f"--memory={memory}"]
    steps: list[list[Any]] = [["say", "done"]]
    if where == "at the session":
        flags += ["--locked", str(card)]
    else:
        steps.insert(0, ["fail_unless", str(card), -32000])
    turn = await left(make(*steps, answer=show(card)), *flags)
    await resumed(turn, *flags)
    assert [type(asked) for asked in turn.asked] == [Credential]
    assert turn.response == "done"
    assert kinds(turn) == []


def show(card: Path) -> Answerer:
    """An answer that lets the agent in."""

    async def answer(asking: Any) -> Any:
        os.mknod(card)
        return await allow(asking)

    return answer


# An agent that names its sessions by the minute


async def test_a_session_is_not_loaded_in_the_minute_in_which_it_was_made(
    make: Make, memory: Path
) -> None:
    flags = [f"--memory={memory}", "--can", '{"sessionCapabilities": null}', "--name", "gemini-cli"]
    limits = Limits(minute=2)
    await served(make(["who"]), *flags, limits=limits)
    made = kept(make())["touched"]
    turn = make(["past"])
    assert await served(turn, *flags, limits=limits) == ['[["who"]]']
    assert kept(turn)["touched"] // 2 > made // 2


async def test_waiting_for_the_next_minute_is_told_and_can_be_cancelled(
    tmp_path: Path, make: Make, memory: Path
) -> None:
    flags = [f"--memory={memory}", "--can", '{"sessionCapabilities": null}', "--name", "gemini-cli"]
    limits = Limits(minute=1e10)  # until the year 2286
    await served(make(["who"]), *flags, limits=limits)
    async with fake(tmp_path, *flags, limits=limits) as backend:
        turn = make(["past"])
        async with running(backend, turn) as scope:
            await turn.wait_for(lambda: turn.all(Notice))
            scope.cancel()
        assert kinds(turn) == ["waiting"]


# Agents that are kept warm


async def test_busy_agents_do_not_count_among_the_warm(tmp_path: Path, make: Make) -> None:
    gate = tmp_path / "gate"
    async with fake(tmp_path, limits=Limits(warm=1)) as backend:
        idle = make(["who"], context_id="idle")
        await backend.run(idle)
        busy = [make(["who"], ["until", str(gate)], context_id=f"busy {n}") for n in range(2)]
        async with running(backend, busy[0]), running(backend, busy[1]):
            for turn in busy:
                await turn.wait_for(partial(getattr, turn, "response"))
            again = make(["who"], context_id="idle")
            await backend.run(again)
            assert json.loads(again.response)["pid"] == json.loads(idle.response)["pid"]
            gate.touch()


async def test_an_agent_that_hangs_as_it_resumes_holds_up_nobody_else(
    tmp_path: Path, make: Make, memory: Path
) -> None:
    flags = [f"--memory={memory}"]
    await served(make(["who"]), *flags)
    async with fake(tmp_path, *flags, "--fails", "session/resume=hang") as backend:
        stuck = make(["who"])
        async with running(backend, stuck) as scope:
            other = make(["who"], context_id="other")
            await backend.run(other)
            assert other.response
            assert stuck.said == []
            scope.cancel()


async def test_an_agent_is_told_that_its_session_ends_when_it_is_let_go(
    make: Make, memory: Path
) -> None:
    turn = make(["who"])
    await served(turn, f"--memory={memory}")
    assert (memory / "closed").read_text() == kept(turn)["session"]


async def test_an_agent_that_asks_to_be_let_in_as_it_goes_back_is_let_in(
    tmp_path: Path, make: Make, memory: Path
) -> None:
    await served(make(["who"]), f"--memory={memory}")
    card = tmp_path / "card"
    turn = make(["past"], answer=show(card))
    assert await served(turn, f"--memory={memory}", "--locked", str(card)) == ['[["who"]]']
    assert len(turn.asked) == 1


# Commands that outlive a turn


async def test_an_agent_that_ends_its_turn_itself_is_kept_however_it_ends(
    tmp_path: Path, make: Make
) -> None:
    tool = {"sessionUpdate": "tool_call", "toolCallId": "c", "kind": "execute"}
    async with fake(tmp_path, "--name", "@agentclientprotocol/codex-acp") as backend:
        with pytest.raises(AgentRefused):
            await backend.run(make(["update", tool], ["end", "refusal"]))
        after = make(["heard"])
        await backend.run(after)
        assert json.loads(after.response).count("session/prompt") == 2


async def test_a_command_of_a_cancelled_turn_is_ended_where_the_agent_would_let_it_run(
    tmp_path: Path, make: Make, memory: Path
) -> None:
    name = "@agentclientprotocol/codex-acp"
    number = tmp_path / "number"
    async with fake(tmp_path, f"--memory={memory}", "--name", name) as backend:
        turn = make(["background", str(number)])
        async with running(backend, turn) as scope:
            await turn.wait_for(lambda: turn.response)
            command = int(number.read_text())
            assert is_alive(command)
            scope.cancel()
            cancelled_at = trio.current_time()
        assert trio.current_time() - cancelled_at < 1
        await wait_until_dead(command)
        after = make(["past"])
        await backend.run(after)
        assert len(json.loads(after.response)) == 1
        assert kinds(after) == []
