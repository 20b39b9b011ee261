"""What is chosen for an ACP agent: model, mode, effort and sandbox, and its servers of tools."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from a2abackends.acp import Limits, open_acp
from a2abackends.acp.limits import USUAL
from a2acore.backend import (
    AgentFailed,
    AgentRefused,
    Backend,
    Choices,
    McpServer,
    Notice,
    Settings,
)
from a2acore.model import Metadata, Part
from tests.test_acp import AGENT, Heard, running

PATIENCE = 20  # seconds that a test may take before it is called hung
Make = Callable[..., Heard]
CODEX = "@agentclientprotocol/codex-acp"


def select(id: str, category: str, *values: str, current: str = "") -> dict[str, Any]:
    """A configuration option, as an agent describes it."""
    options = [{"value": value, "name": value.title()} for value in values]
    common = {"id": id, "name": id.title(), "type": "select", "category": category}
    return {**common, "currentValue": current or values[0], "options": options}


OPTIONS = {
    "configOptions": [
        select("m", "model", "big", "small"),
        select("how", "mode", "build", "plan"),
        select("think", "thought_level", "low", "high"),
    ]
}
OLD = {
    "modes": {
        "currentModeId": "default",
        "availableModes": [{"id": "default", "name": "Default"}, {"id": "plan", "name": "Plan"}],
    },
    "models": {
        "currentModelId": "unlisted",
        "availableModels": [{"modelId": "pro", "name": "Pro"}],
    },
}
LEVELS = {
    "configOptions": [
        select("mode", "mode", "agent", "read-only", "workspace-write", "agent-full-access")
    ]
}


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes a turn of steps for the agent; those of one test follow each other."""
    sessions: dict[str, Metadata | None] = {}

    def make(*steps: list[Any], **options: Any) -> Heard:
        parts = (Part(text=json.dumps(steps or [["chosen"]])),)
        return Heard(parts, tmp_path, **{"sessions": sessions, **options})

    return make


@asynccontextmanager
async def open_fake(
    workspace: Path,
    offered: Any,
    *flags: str,
    choices: Choices = Choices(),
    limits: Limits = USUAL,
    **more: Any,
) -> AsyncIterator[Backend]:
    settings = Settings(
        workspace,
        command=(sys.executable, AGENT, "--choices", json.dumps(offered), *flags),
        environment={"PATH": os.environ["PATH"]},
        choices=choices,
        **more,
    )
    with trio.fail_after(PATIENCE):
        async with open_acp(settings, limits) as backend:
            yield backend


async def chosen(backend: Backend, turn: Heard) -> Any:
    """What is set while a turn is at work."""
    await backend.run(turn)
    return json.loads(turn.response)


# Choosing


async def test_the_settings_hold_where_a_request_chooses_nothing(
    tmp_path: Path, make: Make
) -> None:
    usual = Choices(model="small", mode="plan", effort="high")
    async with open_fake(tmp_path, OPTIONS, choices=usual) as backend:
        turn = make()
        what = await chosen(backend, turn)
        assert (what["m"], what["how"], what["think"]) == ("small", "plan", "high")
        assert turn.all(Notice) == []


async def test_a_request_goes_before_the_settings_and_holds_for_its_turn_alone(
    tmp_path: Path, make: Make
) -> None:
    async with open_fake(tmp_path, OPTIONS, choices=Choices(model="small")) as backend:
        one, two = make(choices=Choices(model="big", effort="high")), make()
        assert (await chosen(backend, one))["m"] == "big"
        what = await chosen(backend, two)
        assert (what["m"], what["think"]) == ("small", "low")
        assert one.all(Notice) == two.all(Notice) == []


async def test_a_choice_goes_back_to_what_the_agent_had_at_first_even_when_that_is_on_no_list(
    tmp_path: Path, make: Make
) -> None:
    async with open_fake(tmp_path, OLD) as backend:
        one = await chosen(backend, make(choices=Choices(model="pro", mode="plan")))
        assert (one["model"], one["mode"]) == ("pro", "plan")
        two = await chosen(backend, make())
        assert (two["model"], two["mode"]) == ("unlisted", "default")


async def test_a_choice_goes_back_also_after_a_restart_of_ours(tmp_path: Path, make: Make) -> None:
    (tmp_path / "memory").mkdir()
    flags = (f"--memory={tmp_path / 'memory'}",)
    async with open_fake(tmp_path, OPTIONS, *flags) as backend:
        await backend.run(make(choices=Choices(model="small")))
    # The agent remembers with the session what it was set to.
    remembered = {"configOptions": [select("m", "model", "big", "small", current="small")]}
    async with open_fake(tmp_path, remembered, *flags) as backend:
        assert (await chosen(backend, make()))["m"] == "big"


async def test_a_mode_that_the_agent_takes_by_itself_is_left_alone(
    tmp_path: Path, make: Make
) -> None:
    async with open_fake(tmp_path, OLD) as backend:
        leaves = {"sessionUpdate": "current_mode_update", "currentModeId": "plan"}
        await backend.run(make(["update", leaves]))
        turn = make(["heard"])
        await backend.run(turn)
        assert "session/set_mode" not in json.loads(turn.response)


async def test_what_the_agent_makes_of_a_choice_is_told_once_when_it_is_another(
    tmp_path: Path, make: Make
) -> None:
    usual = Choices(model="small")
    async with open_fake(tmp_path, OPTIONS, "--makes", "small-2", choices=usual) as backend:
        one, two = make(), make(["heard"])
        assert (await chosen(backend, one))["m"] == "small-2"
        assert [notice.data for notice in one.all(Notice)] == [
            {"choice": "model", "asked": "small", "set": "small-2"}
        ]
        await backend.run(two)
        assert two.all(Notice) == []
        assert json.loads(two.response).count("session/set_config_option") == 1


async def test_a_sandbox_is_a_mode_with_an_agent_whose_modes_are_that(
    tmp_path: Path, make: Make
) -> None:
    usual = Choices(sandbox="full")  # the tighter ones are in tests/test_sandbox.py
    async with open_fake(tmp_path, LEVELS, "--name", CODEX, choices=usual) as backend:
        assert (await chosen(backend, make()))["mode"] == "agent-full-access"
        assert (await chosen(backend, make(choices=Choices(mode="agent"))))["mode"] == "agent"
        assert (await chosen(backend, make(choices=usual)))["mode"] == "agent-full-access"


@pytest.mark.parametrize(
    ("offered", "choices", "words"),
    [
        (OPTIONS, Choices(model="huge"), "no model 'huge'; there are big, small"),
        (OPTIONS, Choices(mode="yolo"), "no mode 'yolo'; there are build, plan"),
        (OPTIONS, Choices(effort="max"), "no effort 'max'; there are low, high"),
        (OLD, Choices(effort="high"), "no effort to choose; there is model, mode"),
        ({}, Choices(model="big"), "no model to choose; there is nothing"),
    ],
)
async def test_what_the_agent_has_not_is_refused_before_anything_is_prompted(
    tmp_path: Path, make: Make, offered: Any, choices: Choices, words: str
) -> None:
    async with open_fake(tmp_path, offered) as backend:
        turn = make(choices=choices)
        with pytest.raises(AgentRefused, match=words) as caught:
            await backend.run(turn)
        assert caught.value.stop_reason == "unsupported"
        assert turn.said == []
        after = make(["who"])
        await backend.run(after)
        assert json.loads(after.response)["prompts"] == 1


async def test_a_sandbox_and_another_mode_at_once_are_refused(tmp_path: Path, make: Make) -> None:
    async with open_fake(tmp_path, LEVELS, "--name", CODEX) as backend:
        turn = make(choices=Choices(mode="agent", sandbox="full"))
        with pytest.raises(AgentRefused, match="choose one of them"):
            await backend.run(turn)


async def test_an_agent_that_hangs_as_something_is_set_is_not_met_again(
    tmp_path: Path, make: Make
) -> None:
    flags, limits = ("--fails", "session/set_mode=hang"), Limits(start=1)
    async with open_fake(tmp_path, OLD, *flags, limits=limits) as backend:
        with pytest.raises(AgentFailed, match="did not answer session/set_mode in 1 s"):
            await backend.run(make(choices=Choices(mode="plan")))
        turn = make(["heard"])
        await backend.run(turn)
        assert json.loads(turn.response) == ["initialize", "session/new", "session/prompt"]


async def test_what_an_agent_says_right_behind_the_beginning_of_its_session_is_heard(
    tmp_path: Path, make: Make
) -> None:
    plan = {"sessionUpdate": "current_mode_update", "currentModeId": "plan"}
    async with open_fake(tmp_path, OLD, "--opens", json.dumps(plan)) as backend:
        turn = make()
        await backend.run(turn)
        assert [notice.data for notice in turn.all(Notice)] == [{"mode": "plan"}]


async def test_what_was_being_set_when_its_turn_was_cancelled_is_not_taken_for_unset(
    tmp_path: Path, make: Make
) -> None:
    async with open_fake(tmp_path, OLD, "--fails", "session/set_mode=hang") as backend:
        turn = make(choices=Choices(mode="plan"))
        async with running(backend, turn) as scope:
            await turn.wait_for(lambda: (turn.session or {}).get("before"))
            scope.cancel()
        after = make(["heard"])
        await backend.run(after)
        assert json.loads(after.response) == ["initialize", "session/new", "session/prompt"]


async def test_values_may_stand_in_groups(tmp_path: Path, make: Make) -> None:
    option = select("model", "model", "big")
    small = [{"value": "small", "name": "Small"}]
    option["options"] = [
        {"group": "g", "name": "G", "options": option["options"]},
        {"group": "h", "name": "H", "options": small},
    ]
    async with open_fake(tmp_path, {"configOptions": [option]}) as backend:
        turn = make(choices=Choices(model="small"))
        assert (await chosen(backend, turn))["model"] == "small"


async def test_every_choice_may_be_made_with_a_request(tmp_path: Path) -> None:
    async with open_fake(tmp_path, OPTIONS) as backend:
        assert backend.info.choices == {"model", "mode", "effort", "sandbox"}


# Servers of tools

STDIO = McpServer("files", ("mcp-files", "--root", "/"), env={"FILES_TOKEN": "t0p s3cret"})
HTTP = McpServer(
    "web",
    url="https://example.org/mcp",
    transport="http",
    headers={"Authorization": "Bearer t0p s3cret"},
)


async def test_the_agent_is_told_of_the_servers_of_tools(tmp_path: Path, make: Make) -> None:
    flags = ("--can", '{"mcpCapabilities": {"http": true}}')
    async with open_fake(tmp_path, OPTIONS, *flags, mcp_servers=(STDIO, HTTP)) as backend:
        turn = make(["place"])
        await backend.run(turn)
    assert json.loads(turn.response)["mcpServers"] == [
        {
            "name": "files",
            "command": "mcp-files",
            "args": ["--root", "/"],
            "env": [{"name": "FILES_TOKEN", "value": "t0p s3cret"}],
        },
        {
            "type": "http",
            "name": "web",
            "url": "https://example.org/mcp",
            "headers": [{"name": "Authorization", "value": "Bearer t0p s3cret"}],
        },
    ]


@pytest.mark.parametrize("way", ["session/resume", "session/load"])
async def test_it_is_told_of_them_again_when_it_goes_back_to_a_session(
    tmp_path: Path, make: Make, way: str
) -> None:
    (tmp_path / "memory").mkdir()
    flags = [f"--memory={tmp_path / 'memory'}"]
    if way == "session/load":
        flags += ["--fails=session/resume=error"]
    for turn in (make(["who"]), make(["place"])):
        async with open_fake(tmp_path, OPTIONS, *flags, mcp_servers=(STDIO,)) as backend:
            await backend.run(turn)
    assert json.loads(turn.response)["mcpServers"][0]["name"] == "files"


async def test_a_server_that_the_agent_cannot_reach_fails_the_turn_in_words_without_secrets(
    tmp_path: Path, make: Make
) -> None:
    async with open_fake(tmp_path, OPTIONS, mcp_servers=(HTTP,)) as backend:
        with pytest.raises(AgentFailed, match="'web' over http; it knows stdio") as caught:
            await backend.run(make())
    assert caught.value.stop_reason == "unsupported"
    assert "s3cret" not in str(caught.value)


async def test_what_servers_are_told_in_confidence_is_in_no_error(
    tmp_path: Path, make: Make
) -> None:
    async with open_fake(tmp_path, OPTIONS, mcp_servers=(STDIO,)) as backend:
        turn = make(["stderr", "cannot start with t0p s3cret"], ["exit", 1])
        with pytest.raises(AgentFailed) as caught:
            await backend.run(turn)
    assert "cannot start with ***" in str(caught.value)
