"""What a killed server leaves behind, and what becomes of it when the next one is started.

Here are real servers, killed with SIGKILL, and agents that end neither with their input nor on
SIGTERM. What else runs on the machine may clear up too, so nobody counts on being the first.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
import trio

from a2abackends.orphans import SERVER, badge, end_orphans
from a2abackends.proc import everybody
from a2acore.client import open_client
from a2acore.model import TaskState
from tests.caller import Heard, request, tell
from tests.test_acp import AGENT, is_alive, wait_until_dead
from tests.test_cli import serving
from tests.test_sandbox import PYTHON, caged
from tests.test_sandbox import bubblewrap as bubblewrap

Start = Callable[..., subprocess.Popen[str]]

SOON = 30.0
"""Seconds that a test may take before it is called hung."""

LEAVE = """
trap '' TERM
echo $PPID >agent.pid
setsid sh -c 'echo $$ >far.pid; exec sleep 1000' >/dev/null 2>&1 &
sh -c 'env -i sh -c "echo \\$\\$ >bare.pid; exec sleep 1000"; true' >/dev/null 2>&1 &
until test -s far.pid && test -s bare.pid; do sleep 0.01; done
"""
"""What the agent's shell leaves behind: one in a session of its own, and one without a badge, both
deaf to SIGTERM."""


def agent_at(*flags: str) -> list[str]:
    command = shlex.join([PYTHON, AGENT, *flags])
    return ["--backend", "acp", "--agent-command", command]


async def at_work(url: str, workspace: Path) -> list[int]:
    """Have the agent of a server start what it leaves behind, and go on working: who they are."""
    steps = json.dumps([["shell", LEAVE], ["say", "ready"], ["hang"]])
    async with open_client(url) as client, client.stream(request(steps)) as events:
        heard = Heard()
        async for event in events:
            heard.events.append(event)
            if heard.text().endswith("ready"):
                break
    return [int((workspace / name).read_text()) for name in ("agent.pid", "far.pid", "bare.pid")]


async def kill(server: subprocess.Popen[str]) -> None:
    """Kill a server. Its parent, which is us, takes no note of it: there is a zombie."""
    server.kill()
    await wait_until_dead(server.pid)


@pytest.fixture
def clean() -> Iterator[None]:
    """Behind the test, too, nobody is left: its servers end by being killed."""
    yield
    end_orphans()


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    return folder


@pytest.fixture
def neighbourhood(tmp_path: Path) -> Path:
    folder = tmp_path / "neighbourhood"
    folder.mkdir()
    return folder


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts processes that do not outlive the test; each leads a session of its own."""
    started: list[subprocess.Popen[str]] = []

    def start(*command: str, server: str | None = None) -> subprocess.Popen[str]:
        env = {"PATH": os.environ["PATH"], **({} if server is None else {SERVER: server})}
        process = subprocess.Popen(
            command, env=env, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


def end_everything(pids: list[int]) -> None:
    for pid in filter(is_alive, pids):
        os.kill(pid, signal.SIGKILL)


@pytest.mark.usefixtures("clean")
async def test_what_a_killed_server_left_is_gone_before_the_next_one_starts_an_agent(
    workspace: Path, neighbourhood: Path
) -> None:
    with (
        trio.fail_after(SOON),
        serving("--cwd", str(neighbourhood), *agent_at("--stubborn")) as (near, _),
        serving("--cwd", str(workspace), *agent_at("--stubborn")) as (url, killed),
    ):
        others = await at_work(near, neighbourhood)
        left = await at_work(url, workspace)
        try:
            await kill(killed)
            assert all(map(is_alive, left))
            with serving("--cwd", str(workspace), *agent_at()) as (url, _):
                async with open_client(url) as client:
                    assert (await tell(client, "hello")).end.state is TaskState.COMPLETED
            assert not any(map(is_alive, left))
            assert all(map(is_alive, others))
        finally:
            end_everything(left + others)


@caged
@pytest.mark.usefixtures("clean")
async def test_what_a_killed_server_left_in_a_sandbox_is_gone_too(workspace: Path) -> None:
    # In a sandbox nothing is to be seen of where this lies.
    agent = str(shutil.copy(AGENT, workspace))
    command = shlex.join([PYTHON, agent, "--stubborn"])
    options = ["--cwd", str(workspace), "--sandbox", "workspace-write"]
    options += ["--backend", "acp", "--agent-command", command]
    with trio.fail_after(SOON), serving(*options) as (url, killed):
        await at_work(url, workspace)
        left = started_with(agent)
        try:
            await kill(killed)
            assert left
            assert all(map(is_alive, left))
            with serving(*options) as (url, _):
                async with open_client(url) as client:
                    assert (await tell(client, "hello")).end.state is TaskState.COMPLETED
            assert not any(map(is_alive, left))
        finally:
            end_everything(left)


def started_with(argument: str) -> list[int]:
    """Who was started with it as one of the arguments, by the numbers that count out here."""
    found = []
    for process in everybody():
        with suppress(OSError):
            arguments = Path(f"/proc/{process.pid}/cmdline").read_bytes().split(b"\0")
            if argument.encode() in arguments:
                found.append(process.pid)
    return found


async def clear() -> None:
    with trio.fail_after(SOON):
        await trio.to_thread.run_sync(end_orphans)


def dead() -> str:
    """The badge of one who had our number before us."""
    pid, _, place = badge()[SERVER].split(":", 2)
    return f"{pid}:1:{place}"


async def test_a_number_that_somebody_else_has_by_now_keeps_nobody_alive(start: Start) -> None:
    orphan = start("sleep", "1000", server=dead())
    await clear()
    assert orphan.wait(SOON) == -signal.SIGTERM


async def test_whoever_serves_is_left_alone(start: Start) -> None:
    neighbour = start("sleep", "1000", server=badge()[SERVER])
    await clear()
    assert neighbour.poll() is None


@pytest.mark.parametrize(
    "change",
    [
        lambda pid, started, namespace, boot: f"{pid}:1:1:{boot}",
        lambda pid, started, namespace, boot: f"{pid}:1:{namespace}:another boot",
        lambda pid, started, namespace, boot: f"{pid}:1:{namespace}",
        lambda pid, started, namespace, boot: f"{pid}:1:",
        lambda pid, started, namespace, boot: f"pid:1:{namespace}:{boot}",
        lambda pid, started, namespace, boot: f"{pid}::{namespace}:{boot}",
        lambda pid, started, namespace, boot: "",
    ],
)
async def test_a_badge_that_means_nothing_here_does_nobody_any_harm(
    start: Start, change: Callable[..., str]
) -> None:
    stranger = start("sleep", "1000", server=change(*badge()[SERVER].split(":")))
    await clear()
    assert stranger.poll() is None


async def test_one_who_was_started_by_an_orphan_does_not_end_its_own_family(start: Start) -> None:
    script = (
        "import subprocess, sys\n"
        "from a2abackends.orphans import end_orphans\n"
        "sibling = subprocess.Popen(['sleep', '1000'], start_new_session=True)\n"
        "end_orphans()\n"
        "print(sibling.poll())\n"
        "sibling.kill()\n"
    )
    family = start(sys.executable, "-c", script, server=dead())
    said, _ = await trio.to_thread.run_sync(partial(family.communicate, timeout=SOON))
    assert said == "None\n"


async def test_it_is_logged_what_was_ended_but_not_with_which_arguments(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    await clear()
    caplog.clear()
    for _ in range(2):
        start("sleep", "1000", server=dead())
    await clear()
    [line] = [record.getMessage() for record in caplog.records]
    assert line == "Ended what a server had left that was killed: 2 sleep"
