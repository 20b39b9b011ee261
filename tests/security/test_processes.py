"""What is started, by whom, and what is left of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

from a2abackends.presets import PRESETS
from tests.edge import state
from tests.security.house import RPC, House, agent, begin, guarded, until
from tests.test_cli import A2ACODE, environment

GONE = 10.0
"""Seconds after which a process is taken to stay."""


def alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


async def gone(*pids: int) -> bool:
    with trio.move_on_after(GONE):
        await until(lambda: not any(map(alive, pids)))
    left = [pid for pid in pids if alive(pid)]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    return not left


async def number(path: Path) -> int:
    """The number that somebody writes into a file."""
    await until(lambda: path.exists() and path.read_text().strip())
    return int(await trio.Path(path).read_text())


def run(*command: str) -> list[Any]:
    return ["call", "terminal/create", {"command": command[0], "args": command[1:]}]


READY = ["until", "terminal/output", "ready"]


async def left_by(house: House, script: str, *rest: list[Any]) -> int:
    """A command is allowed; the number of the process that it leaves behind.

    The turn ends when that has been written, or before `rest`, in which it is cancelled.
    """
    file = house.workspace / "pid"
    file.unlink(missing_ok=True)
    steps = [run("sh", "-c", script), *(rest or [READY])]
    task = await begin(house.edge("alice"), json.dumps(steps))
    assert state(task) == "input-required"
    message = RPC.message("allow", taskId=task["id"])
    await house.edge("alice").do(RPC, "send", message=message, configuration=RPC.at_once())
    pid = await number(file)
    if rest:
        await house.edge("alice").do(RPC, "cancel", id=task["id"])
    return pid


DAEMONS = {
    "a child": "sleep 1000 & echo $! > pid; echo ready; wait",
    "a child of a child": "(sleep 1000 & echo $! > pid); echo ready; sleep 1000",
    "in a session of its own": "setsid sh -c 'echo $$ > pid; echo ready; exec sleep 1000' & wait",
    "a daemon": "setsid sh -c '(sleep 1000 & echo $! > pid; echo ready) &'",
    "deaf": "(trap '' HUP TERM INT; echo $$ > pid; echo ready; while :; do sleep 1; done) & wait",
}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("processes")
    with guarded(folder, *agent("gate_agent.py"), "--offer", "terminals") as house:
        yield house


@pytest.mark.parametrize("script", DAEMONS.values(), ids=DAEMONS)
async def test_a_command_that_outlives_its_turn(house: House, script: str) -> None:
    """A peer left both of two sleeps behind, for ever."""
    assert await gone(await left_by(house, script))
    assert await gone(await left_by(house, script, ["hang"]))


async def test_an_agent_that_outlives_its_server(tmp_path: Path) -> None:
    """It ignores the end of its input and SIGTERM, and has a child that does as well."""
    deaf = "trap '' TERM HUP INT; echo $$ > pid; sh -c 'echo $$ > child; exec sleep 1000' &"
    script = tmp_path / "agent"
    real = agent("fake_acp_agent.py")[1]
    script.write_text(f"#!/bin/sh\n{deaf}\n{real}\nwhile :; do sleep 1; done\n")
    script.chmod(0o700)
    with guarded(tmp_path, "--agent-command", str(script), "--grace", "0") as house:
        assert state(await begin(house.edge("alice"), "hello")) == "completed"
        pids = [await number(house.workspace / name) for name in ("pid", "child")]
        assert await trio.to_thread.run_sync(house.stop, signal.SIGTERM) == 0
        assert await gone(*pids)


async def test_an_agent_whose_server_is_killed(tmp_path: Path) -> None:
    """Nobody is left to end it; its input ends, and it hears that."""
    with guarded(tmp_path, *agent("fake_acp_agent.py")) as house:
        task = await begin(house.edge("alice"), json.dumps([["who"]]))
        told = "".join(part["text"] for each in task["artifacts"] for part in each["parts"])
        pid = json.loads(told)["pid"]
        house.stop(signal.SIGKILL)
        assert await gone(pid)


# What is started


@pytest.mark.parametrize("name", PRESETS)
async def test_a_version_that_nobody_has_looked_at(tmp_path: Path, name: str) -> None:
    """`npx` is asked for one version, and a package cannot be another one tomorrow."""
    asked = await started(tmp_path, name, tmp_path / "workspace")
    preset = PRESETS[name]
    assert f"{preset.package}@{preset.version}" in asked
    assert preset.version.replace(".", "").isdigit()


async def started(tmp_path: Path, name: str, workspace: Path) -> list[str]:
    """The words with which `npx` is started for a preset."""
    npx = _install(tmp_path, workspace)
    command = [*A2ACODE, "doctor", "--agent", name, "--cwd", str(workspace), "--port", "0"]
    env = environment(PATH=f"{npx.parent}:/usr/bin:/bin", HOME=str(tmp_path))
    await trio.run_process(
        command, check=False, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    return (await trio.Path(tmp_path, "asked").read_text()).splitlines()


def _install(folder: Path, workspace: Path) -> Path:
    """An `npx` that notes what it is asked."""
    workspace.mkdir(exist_ok=True)
    npx = folder / "bin" / "npx"
    npx.parent.mkdir()
    npx.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > "{folder}/asked"\nexit 1\n')
    npx.chmod(0o700)
    return npx


async def test_a_package_that_lies_in_the_workspace(tmp_path: Path) -> None:
    """In the folder of a project npx takes the project's own packages, and its registry."""
    asked = await started(tmp_path, "claude", tmp_path / "workspace")
    [prefix] = [word for word in asked if word.startswith("--prefix=")]
    assert prefix == f"--prefix={tmp_path}"
    assert asked.index(prefix) < asked.index(next(word for word in asked if "@" in word))


async def test_a_program_that_lies_in_the_workspace(tmp_path: Path) -> None:
    """What is named like the agent, like npx, or like a module of ours is not what is run."""
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    for name in ("npx", "node", "claude-agent-acp", "sh", "git", "bwrap", "python"):
        (workspace / name).write_text("#!/bin/sh\ntouch owned\n")
        (workspace / name).chmod(0o700)
    for name in ("trio", "a2acore", "a2abackends", "sitecustomize", "usercustomize", "json"):
        (workspace / f"{name}.py").write_text("open('owned', 'w')\n")
    await started(tmp_path, "claude", workspace)
    with guarded(tmp_path, *agent("fake_acp_agent.py")) as house:
        assert state(await begin(house.edge("alice"), "hello")) == "completed"
    assert not (workspace / "owned").exists()


async def test_settings_of_the_server_that_lie_in_the_workspace(tmp_path: Path) -> None:
    """It is served from there, as a person would; nothing there says how."""
    for name in (
        ".env",
        "a2acode.toml",
        ".a2acode.toml",
        "policy.toml",
        "callers.toml",
        "config.toml",
    ):
        (tmp_path / name).write_text('default = "allow"\nhost = "0.0.0.0"\ninsecure = true\n')
    (tmp_path / ".a2acode").mkdir()
    (tmp_path / ".a2acode" / "config.toml").write_text('host = "0.0.0.0"\ninsecure = true\n')
    done = await trio.run_process(
        [sys.executable, "-P", "-m", "a2acli.main", "config", "show"],
        cwd=tmp_path,
        env=environment(),
        capture_stdout=True,
        capture_stderr=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert b"0.0.0.0" not in done.stdout
    assert b"127.0.0.1" in done.stdout
