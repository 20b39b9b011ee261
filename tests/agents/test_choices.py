"""What can be chosen for real agents: the model, the mode, the effort."""

from __future__ import annotations

from typing import Any

import pytest

from a2acore.backend import Choices
from a2acore.client import Client
from a2acore.lifecycle import EXTENSION
from a2acore.model import TaskState
from tests.caller import deny, tell
from tests.kit.agents import AGENTS, Agent, RealAgent, edit_prompt
from tests.kit.fakemodel import FakeModel, Request
from tests.kit.workshop import Workshop, serving

pytestmark = pytest.mark.agents


async def test_the_model_of_the_server_is_asked(
    real_agent: RealAgent, fake_model: FakeModel
) -> None:
    async with serving(real_agent, choices=Choices(model=real_agent.agent.model)) as client:
        heard = await tell(client, "SAY:one")
    assert heard.end.state is TaskState.COMPLETED, heard.texts()
    assert name_of(real_agent.agent) in model_of(fake_model.asked("SAY:one"))


async def test_the_model_of_a_request_is_asked_and_the_usual_one_with_the_next(
    workshop: Workshop, client: Client
) -> None:
    models = []
    for words, model in (
        ("SAY:usual", ""),
        ("SAY:other", workshop.real.agent.model),
        ("SAY:back", ""),
    ):
        heard = await workshop.tell(client, words, metadata=choosing(model=model))
        assert heard.end.state is TaskState.COMPLETED, heard.texts()
        models.append(model_of(workshop.model.asked(words)))
    usual, other, back = models
    assert usual == back != other
    assert name_of(workshop.real.agent) in other


def choosing(**choices: str) -> dict[str, Any]:
    """What a request says to choose; nothing where the choice is empty."""
    return {EXTENSION: {name: choice for name, choice in choices.items() if choice}}


def name_of(agent: Agent) -> str:
    """What to look for in the name of the model that is asked; opencode's has a provider too."""
    return agent.model.rpartition("/")[2]


def model_of(request: Request) -> str:
    """The model that was asked; with gemini it is in the path."""
    return str(request.body.get("model", request.path))


async def test_a_model_that_the_agent_has_not_is_rejected_and_nothing_prompted(
    workshop: Workshop, client: Client
) -> None:
    heard = await workshop.tell(client, "SAY:never", metadata=choosing(model="no such model"))
    assert heard.end.state is TaskState.REJECTED
    assert heard.end_data["stopReason"] == "unsupported"
    assert "'no such model'; there are " in heard.texts()
    assert name_of(workshop.real.agent) in heard.texts()
    assert "SAY:never" not in [request.prompt for request in workshop.model.requests]


FREE = [name for name, agent in AGENTS.items() if agent.free_mode]


@pytest.mark.parametrize("workshop", FREE, indirect=True)
async def test_a_mode_holds_for_its_request(workshop: Workshop, client: Client) -> None:
    mode, file = workshop.real.agent.free_mode, workshop.real.workspace / "mode.txt"
    file.write_text("OLD\n")
    heard = await workshop.tell(client, edit_prompt(file), metadata=choosing(mode=mode))
    assert heard.end.state is TaskState.COMPLETED, heard.texts()
    assert heard.said("permission") == []
    assert file.read_text() == "NEW\n"
    file.write_text("OLD\n")
    heard = await workshop.tell(client, edit_prompt(file), deny)
    assert len(heard.said("permission")) == 1
    assert file.read_text() == "OLD\n"


@pytest.mark.parametrize("workshop", ["opencode"], indirect=True)
async def test_opencode_tells_its_model_that_it_is_to_plan_only(
    workshop: Workshop, client: Client
) -> None:
    told = []
    for words, mode in ("SAY:build", ""), ("SAY:plan", "plan"):
        heard = await workshop.tell(client, words, metadata=choosing(mode=mode))
        assert heard.end.state is TaskState.COMPLETED, heard.texts()
        told.append("Plan mode ACTIVE" in str(workshop.model.asked(words).body))
    assert told == [False, True]


@pytest.mark.parametrize("workshop", ["codex"], indirect=True)
async def test_codex_asks_for_nothing_outside_of_its_sandbox(
    workshop: Workshop, client: Client
) -> None:
    workshop.model.escalate = False  # there is nothing to get out of
    try:
        heard = await workshop.tell(client, "RUN:touch free.txt", metadata=choosing(sandbox="full"))
    finally:
        workshop.model.escalate = True
    assert heard.end.state is TaskState.COMPLETED, heard.texts()
    assert (workshop.real.workspace / "free.txt").exists()


EAGER = [name for name, agent in AGENTS.items() if agent.effort]


@pytest.mark.parametrize("workshop", EAGER, indirect=True)
async def test_an_effort_is_asked_of_the_model(workshop: Workshop, client: Client) -> None:
    efforts = []
    for words, effort in ("SAY:usual", ""), ("SAY:with might", workshop.real.agent.effort):
        heard = await workshop.tell(client, words, metadata=choosing(effort=effort))
        assert heard.end.state is TaskState.COMPLETED, heard.texts()
        efforts.append(effort_of(workshop.model.asked(words)))
    usual, high = efforts
    assert high == workshop.real.agent.effort != usual


def effort_of(request: Request) -> Any:
    """The effort that the model is asked for: in Anthropic's way and in the two of OpenAI."""
    asked = request.body.get("output_config") or request.body.get("reasoning") or {}
    return asked.get("effort", request.body.get("reasoning_effort"))
