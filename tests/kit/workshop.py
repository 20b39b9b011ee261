"""A real agent behind a server of ours.

Agents start slowly, opencode takes seconds of computing for it. So a test that leaves its agent in
order shares one with the others, and the conversation that it is in: `Workshop.context`.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import trio
from attrs import field, frozen

from a2abackends.acp import Limits, open_acp
from a2acore.backend import McpServer, Settings
from a2acore.client import Client, open_client
from a2acore.lifecycle import TERMINAL
from a2acore.model import CancelTaskRequest, ListTasksRequest
from a2acore.server import Options, serve
from a2acore.store import Store
from tests.caller import Decide, Heard, tell
from tests.kit.agents import MINUTE, RealAgent
from tests.kit.fakemodel import FakeModel

PATIENCE = 60.0
"""Seconds for a whole test: on a busy machine opencode takes a dozen to start."""

SECRET = "open sesame, but only for the echo"
MCP_SERVER = McpServer(
    "echo",
    (sys.executable, str(Path(__file__).with_name("mcp_echo.py"))),
    {"ECHO_SECRET": SECRET},
)


@asynccontextmanager
async def serve_agent(
    agent: RealAgent, *, store: Store | None = None, **more: Any
) -> AsyncIterator[str]:
    """Serve an agent; `more` settings of the backend. The server's URL."""
    settings = Settings(
        agent.workspace, command=tuple(agent.command), environment=agent.env, **more
    )
    options = Options(workspace=agent.workspace)
    limits = Limits(minute=MINUTE)
    async with open_acp(settings, limits) as backend, trio.open_nursery() as nursery:
        bound = await nursery.start(partial(serve, backend, port=0, options=options, store=store))
        yield bound.url
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def serving(
    agent: RealAgent, *, store: Store | None = None, **more: Any
) -> AsyncIterator[Client]:
    """A server of a test's own, and a client, within the time that a test may take."""
    with trio.fail_after(PATIENCE):
        async with (
            serve_agent(agent, store=store, **more) as url,
            open_client(url) as client,
        ):
            yield client


@frozen
class Workshop:
    """A served agent that tests share."""

    real: RealAgent
    model: FakeModel
    url: str
    context: str = field(factory=lambda: uuid4().hex)
    """The conversation that they share, and with it the process."""

    async def tell(
        self, client: Client, text: str, answer: Decide | None = None, **rest: Any
    ) -> Heard:
        """Say something in that conversation; see `tests.caller.tell`."""
        return await tell(client, text, answer, context=self.context, **rest)

    async def tidy_up(self, client: Client) -> None:
        """End what a test has left behind that failed: the next turn would wait for it."""
        listed = await client.list(ListTasksRequest())
        for task in listed.tasks:
            if task.status.state not in TERMINAL:
                await client.cancel(CancelTaskRequest(task.id))


@contextmanager
def open_workshop(agent: RealAgent, model: FakeModel) -> Iterator[Workshop]:
    """Serve an agent in a thread of its own: the tests' event loops come and go."""
    opened: Future[tuple[str, trio.lowlevel.TrioToken, trio.Event]] = Future()

    async def work() -> None:
        async with serve_agent(agent, mcp_servers=(MCP_SERVER,)) as url:
            closed = trio.Event()
            opened.set_result((url, trio.lowlevel.current_trio_token(), closed))
            await closed.wait()

    with ThreadPoolExecutor(1, "workshop") as threads:
        working = threads.submit(trio.run, work)
        either: list[Future[Any]] = [opened, working]
        wait(either, return_when=FIRST_COMPLETED)
        if working.done():
            working.result()  # raises
        url, token, closed = opened.result()
        try:
            yield Workshop(agent, model, url)
        finally:
            token.run_sync_soon(closed.set)
            working.result()
