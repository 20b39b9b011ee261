"""`a2acode doctor`, as a shell runs it: what it looks at, and what it says to do."""

from __future__ import annotations

import json
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import trio

from a2acli.doctor import within
from a2acore.backend import Finding
from a2acore.signing import new
from tests.test_cli import a2acode


def examined(*args: str, **extra: str) -> tuple[int, dict[str, Any]]:
    """The exit code and what it found, of the echo backend unless another is named."""
    done = a2acode("doctor", "--json", "--backend", "echo", "--port", "0", *args, **extra)
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def ill(*args: str, **extra: str) -> list[tuple[str, str]]:
    """What is not well, and what to do."""
    code, found = examined(*args, **extra)
    assert (code, found["well"]) == (1, False)
    assert all(each["advice"] == "" for each in found["findings"] if each["well"])
    return [(each["what"], each["advice"]) for each in found["findings"] if not each["well"]]


def test_where_all_is_well_each_thing_is_one_line(tmp_path: Path) -> None:
    place = ("--cwd", str(tmp_path), "--store", f"sqlite:///{tmp_path}/tasks.sqlite")
    done = a2acode("doctor", "--backend", "echo", "--port", "0", *place)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert all(line.startswith("✓ ") for line in lines)
    assert lines[1:] == [
        f"✓ the workspace {tmp_path} can be written to",
        f"✓ tasks are kept in {tmp_path}/tasks.sqlite",
        "✓ any free port will do",
        "✓ everybody who reaches it may call 127.0.0.1",
        "✓ echo is ready: it needs nothing",
    ]


def test_below_what_is_not_well_stands_what_to_do(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("secret")
    token.chmod(0o644)
    done = a2acode("doctor", "--backend=echo", "--port=0", f"--auth-token-file={token}")
    assert done.returncode == 1
    assert f"✗ the token file {token} holds a token, and others can read it\n" in done.stdout
    assert f"\n  chmod 600 {token}\n" in done.stdout
    assert "secret" not in done.stdout + done.stderr


def test_it_reads_the_environment_that_serve_reads(tmp_path: Path) -> None:
    [(what, _)] = ill(A2ACODE_CWD=str(tmp_path / "nowhere"))
    assert what == f"the workspace {tmp_path / 'nowhere'} is no directory"


def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        [(what, advice)] = ill("--port", str(port))
    assert what.startswith(f"port {port} on 127.0.0.1 cannot be had")
    assert "--port" in advice


def test_an_address_that_is_not_ours_is_told() -> None:
    [(what, advice)] = ill("--host", "192.0.2.1", "--insecure")
    assert what.startswith("port 0 on 192.0.2.1 cannot be had")
    assert advice == "check --host"


@pytest.mark.parametrize(
    ("args", "what", "advice"),
    [
        (["--host", "0.0.0.0"], "everybody who reaches 0.0.0.0", "--auth-token-file"),
        (["--host", "0.0.0.0", "--insecure"], "send callers to 0.0.0.0", "--public-url"),
        (["--public-url", "here"], "'here' is no http or https URL", "--public-url"),
        (["--auth-token-file", "/nowhere"], "cannot read the token file", "one token"),
        (["--auth-token-file", "/dev/null"], "is empty", "one token"),
        (["--sign-key", "/nowhere"], "does not sign: No such file", "a2acode keys new"),
        (["--sign-key", "/dev/null"], "does not sign", "a2acode keys new"),
        (["--backend", "none"], "there is no backend 'none'", "serve --help"),
        (["--model", "m1"], "echo cannot be opened", "takes no --model"),
        (["--offer", "files"], "echo cannot be opened", "takes no --offer"),
        (["--script", "/nowhere.toml"], "echo cannot be opened", "No such file"),
        (["--mcp-config", "/nowhere.json"], "cannot read /nowhere.json", "serve --help"),
        (["--agent-command", "a 'b"], "check its quotes", "serve --help"),
    ],
)
def test_what_would_not_work_is_told_with_what_to_do(
    args: list[str], what: str, advice: str
) -> None:
    [(told, to_do)] = ill(*args)
    assert what in told
    assert advice in to_do


def test_a_key_is_tried(tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    file.touch(0o600)
    file.write_text(json.dumps(new("ES256", "k1").secret))
    _, found = examined("--sign-key", str(file))
    assert {"well": True, "what": f"the key k1 in {file} signs", "advice": ""} in found["findings"]
    file.write_text(json.dumps(new("ES256", "k1").public))
    [(what, _)] = ill("--sign-key", str(file))
    assert "does not sign" in what


def test_a_key_that_others_can_read_is_told(tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    file.write_text(json.dumps(new("ES256").secret))
    file.chmod(0o640)
    assert ill("--sign-key", str(file)) == [
        (f"others can read the key in {file}", f"chmod 600 {file}")
    ]


STRANGER = """
from a2acore.backend import BackendKind, BadSettings, Finding

def refuse(settings):
    raise BadSettings("buy a licence")

def crash(settings):
    raise RuntimeError("two\\nlines")

async def examine(settings):
    return [Finding(True, "it is there"), Finding(False, "it sleeps", "wake it")]

REFUSING = BackendKind("refusing", "", "", refuse)
CRASHING = BackendKind("crashing", "", "", crash)
SLEEPING = BackendKind("sleeping", "", "", crash, examine)
"""


@pytest.fixture
def strangers(tmp_path: Path) -> str:
    """A package of somebody else's, with backends; the path to it."""
    (tmp_path / "stranger.py").write_text(STRANGER)
    info = tmp_path / "stranger-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1\n")
    points = [f"{name} = stranger:{name.upper()}" for name in ("refusing", "crashing", "sleeping")]
    (info / "entry_points.txt").write_text("\n".join(["[a2acore.backends]", *points, ""]))
    return str(tmp_path)


@pytest.mark.parametrize(
    ("backend", "what", "advice"),
    [
        ("refusing", "the backend refusing cannot be opened", "buy a licence"),
        (
            "crashing",
            "the backend crashing broke: RuntimeError: two\nlines",
            "tell whoever made it",
        ),
        ("sleeping", "it sleeps", "wake it"),
    ],
)
def test_a_strangers_backend_is_tried_or_examines_itself(
    strangers: str, backend: str, what: str, advice: str
) -> None:
    assert ill("--backend", backend, PYTHONPATH=strangers) == [(what, advice)]


def test_what_a_stranger_says_is_one_line(strangers: str) -> None:
    done = a2acode("doctor", "--backend=crashing", "--port=0", PYTHONPATH=strangers)
    assert "✗ the backend crashing broke: RuntimeError: two⏎lines\n" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


async def test_a_look_that_hangs_is_a_finding(autojump_clock: trio.abc.Clock) -> None:
    async def hang() -> Sequence[Finding]:
        await trio.sleep_forever()
        raise AssertionError

    [finding] = await within(10, "the disk", hang)
    assert not finding.well
    assert finding.what == "the disk: there was no answer within 10 s"
    assert trio.current_time() == 10


def test_a_file_that_hangs_is_left_behind(tmp_path: Path) -> None:
    """A pipe that nobody writes to."""
    subprocess.run(["mkfifo", tmp_path / "pipe"], check=True)
    [(what, _)] = ill("--auth-token-file", str(tmp_path / "pipe"))
    assert what.startswith("who may call: there was no answer within")
