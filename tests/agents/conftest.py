"""The real agents at work, one after the other."""

from collections.abc import AsyncIterator, Iterator

import pytest
import trio

from a2acore.client import Client, open_client
from tests.kit.agents import AGENTS
from tests.kit.cache import Missing
from tests.kit.fakemodel import FakeModel
from tests.kit.fixtures import unavailable
from tests.kit.workshop import PATIENCE, Workshop, open_workshop


@pytest.fixture(params=AGENTS, scope="session")
def workshop(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workshop]:
    """Each of the real agents in turn, at work for all tests that leave it in order."""
    with FakeModel() as model:
        try:
            agent = AGENTS[request.param].prepare(model, tmp_path_factory.mktemp(request.param))
        except Missing as missing:
            unavailable(request.param, missing)
        with open_workshop(agent, model) as shop:
            yield shop


@pytest.fixture
async def client(workshop: Workshop) -> AsyncIterator[Client]:
    """A client of the workshop, within the time that a test may take."""
    with trio.fail_after(PATIENCE):
        async with open_client(workshop.url) as client:
            await workshop.tidy_up(client)
            yield client
