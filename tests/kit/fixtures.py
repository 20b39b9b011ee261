"""Fixtures for the fake model, the real agents and the official clients.

Listed in `tests/conftest.py`: `pytest_plugins = ["tests.kit.fixtures"]`.

Who is missing on this machine is skipped by name; with `A2ACODE_TESTS_NO_SKIP=1` it is a failure.
"""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

from tests.kit.agents import AGENTS, Agent
from tests.kit.cache import Missing
from tests.kit.fakemodel import FakeModel
from tests.kit.sdks import SDKS, Sdk


@dataclass(frozen=True)
class RealAgent:
    """A real agent, ready to be started on the fake model."""

    agent: Agent
    command: list[str]
    env: dict[str, str]
    """All of its environment, not an addition to ours."""

    workspace: Path
    """A git repository holding `note.txt`, "OLD" and a newline."""


@pytest.fixture
def fake_model() -> Iterator[FakeModel]:
    """A fake model of this test's own."""
    with FakeModel() as model:
        yield model


# Both of these install and skip here, outside of trio: pytest-trio loses a skip's reason.


@pytest.fixture(params=AGENTS)
def real_agent(request: pytest.FixtureRequest, fake_model: FakeModel, tmp_path: Path) -> RealAgent:
    """Each of the real agents in turn, on this test's fake model.

    `@pytest.mark.parametrize("real_agent", ["codex"], indirect=True)` chooses among them.
    """
    agent = AGENTS[request.param]
    try:
        command = agent.command()
    except Missing as missing:
        unavailable(agent.name, missing)
    fake_model.escalate = agent.asks_to_escalate
    workspace = tmp_path / "workspace"
    subprocess.run(["git", "init", "--quiet", workspace], check=True)
    (workspace / "note.txt").write_text("OLD\n")
    environment = agent.environment(fake_model.url, tmp_path / "home")
    return RealAgent(agent, command, environment, workspace)


@pytest.fixture(params=SDKS)
def official_client(request: pytest.FixtureRequest) -> Sdk:
    """Each of the official clients in turn; to be chosen among like the agents."""
    sdk = SDKS[request.param]
    try:
        sdk.command()
    except Missing as missing:
        unavailable(sdk.name, missing)
    return sdk


def unavailable(name: str, missing: Missing) -> NoReturn:
    """End the test that needs what is missing."""
    end = pytest.fail if os.environ.get("A2ACODE_TESTS_NO_SKIP") == "1" else pytest.skip
    end(f"{name}: {missing}")
