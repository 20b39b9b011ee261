"""The whole way of a question over a restart: the real command, a store in a file, an agent.

It is asked, the server ends, another one is started on the same store, asks again, and is answered.
"""

from __future__ import annotations

import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import trio

from a2acore.client import Client, open_client
from a2acore.lifecycle import PAUSES
from a2acore.model import SubscribeToTaskRequest
from tests.caller import Heard, answering, data_of, request, tell
from tests.test_acp import is_alive
from tests.test_cli import serving

Server = subprocess.Popen[str]


async def kill(server: Server) -> None:
    server.kill()
    await trio.to_thread.run_sync(server.wait)


async def stop(server: Server) -> None:
    """Tell it to stop: it ends well, and its agents end before it does."""
    agents = agents_of(server.pid)
    assert agents
    server.terminate()
    assert await trio.to_thread.run_sync(server.wait) == 0
    assert not any(map(is_alive, agents))


ENDS: list[Callable[[Server], Awaitable[None]]] = [kill, stop]


async def over_a_restart(
    end: Callable[[Server], Awaitable[None]], text: str, *options: str, **variables: str
) -> tuple[Heard, Heard]:
    """Have something done that needs a permission, which is given when the server has ended and
    another one asks: what was heard of the one, and of the other."""
    with serving(*options, **variables) as (url, server):
        async with open_client(url) as client:
            before = await tell(client, text)
            assert before.end.state in PAUSES, before.texts()
        await end(server)
    with serving(*options, **variables) as (url, server):
        async with open_client(url) as client:
            after = await asked_again(client, before)
            async with client.stream(request("allow", **answering(after))) as events:
                async for event in events:
                    after.events.append(event)
        await stop(server)
    return before, after


async def asked_again(client: Client, before: Heard) -> Heard:
    """Listen to a task until it asks again; it may not have come to that yet."""
    heard = Heard()
    request_id = data_of(before.end.message)["requestId"]
    async with client.subscribe(SubscribeToTaskRequest(before.task_id)) as events:
        async for event in events:
            heard.events.append(event)
            asks = heard.end.state in PAUSES
            if asks and data_of(heard.end.message)["requestId"] != request_id:
                return heard
    raise AssertionError(heard.texts())


def agents_of(pid: int) -> set[int]:
    """The children of a process: here, the agents that a server has started."""
    found: list[str] = []
    for thread in Path(f"/proc/{pid}/task").iterdir():
        try:
            found += (thread / "children").read_text().split()
        except FileNotFoundError:  # it has ended, and another has its children: look again
            return agents_of(pid)
    return {int(child) for child in found}
