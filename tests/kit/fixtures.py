"""Fixtures for the fake model, the real agents and the official clients.

Listed in `tests/conftest.py`: `pytest_plugins = ["tests.kit.fixtures"]`.

Who is missing on this machine is skipped by name; with `A2ACODE_TESTS_NO_SKIP=1` it is a failure.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from tests.kit.agents import AGENTS
from tests.kit.agents import RealAgent as RealAgent
from tests.kit.cache import Missing
from tests.kit.fakemodel import FakeModel
from tests.kit.sdks import SDKS, Sdk


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
    try:
        return AGENTS[request.param].prepare(fake_model, tmp_path)
    except Missing as missing:
        unavailable(request.param, missing)


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
