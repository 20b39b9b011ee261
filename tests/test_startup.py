"""What a plain server loads: no more than it uses, since every start waits for it and it stays.

Counted, not timed. What a test finds too much belongs into a room that is loaded by who uses it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import trio

from a2acore.signing import new
from tests.edge import PATIENCE, WAYS, Edge, state
from tests.test_cli import environment

HEAVY = {
    # What speaks HTTP to others, or for us in another way.
    "a2acore.client",
    "httpx",
    "httpcore",
    "hypercorn",
    "quart",
    "werkzeug",
    # Keys, forms, terminals.
    "jwcrypto",
    "cryptography",
    "jsonschema",
    "rich",
    # A loop that is not ours, and agents that are not asked for.
    "asyncio",
    "a2abackends.acp",
}
"""Libraries and rooms that a server with the echo agent has no use for."""

MOST = 520
"""Modules of a server that has been asked everything once, those of Python included."""


async def loaded(folder: Path, *options: str) -> set[str]:
    """The modules that a server with the echo agent has loaded once it has been used."""
    command = [sys.executable, "-X", "importtime", "-m", "a2acli.main", "serve", *options]
    command += ["--backend", "echo", "--port", "0", "--cwd", str(folder)]
    start = partial(trio.run_process, command, stderr=subprocess.PIPE, deliver_cancel=kill)
    said = b""
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            server: trio.Process = await nursery.start(
                partial(start, env=environment(XDG_STATE_HOME=str(folder)))
            )
            assert server.stderr is not None
            async with server.stderr as stderr:
                while (found := re.search(rb" is at (http\S+) ", said)) is None:
                    data = await stderr.receive_some()
                    assert data, said[-2000:].decode()
                    said += data
                await use(Edge(found[1].decode()))
                server.terminate()
                async for data in stderr:
                    said += data
    return set(re.findall(r"^import time: +\d+ \| +\d+ \| +(\S+)$", said.decode(), re.MULTILINE))


async def kill(server: trio.Process) -> None:
    server.kill()


async def use(server: Edge) -> None:
    """Ask for what most callers ask for, on each line and binding."""
    assert (await server.ask("GET", "/.well-known/agent-card.json")).status == 200
    for way in WAYS:
        task = await server.tell(way, "hello")
        assert state(task) == "completed"
        assert (await server.do(way, "get", id=task["id"])).status == 200
        async with server.telling(way, "hello") as stream:
            assert (await stream.hear_out(way))[-1].state == "completed"


async def test_a_server_that_answers_has_loaded_nothing_heavy(tmp_path: Path) -> None:
    modules = await loaded(tmp_path)
    assert "a2acore.service" in modules, "this is no list of modules"
    assert not HEAVY & modules
    assert len(modules) <= MOST


async def test_what_signs_is_loaded_by_a_server_that_has_a_key(tmp_path: Path) -> None:
    """Late, as far as Python is concerned: it is seen all the same."""
    key = tmp_path / "key"
    key.touch(0o600)
    key.write_text(json.dumps(new("ES256").secret))
    modules = await loaded(tmp_path, "--sign-key", str(key))
    assert HEAVY & modules == {"jwcrypto", "cryptography"}
