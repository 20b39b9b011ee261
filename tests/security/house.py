"""A server as `serve` starts it, with everything around it that an attack could leave a mark on."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import trio
from attrs import define, field
from click.testing import CliRunner, Result

from a2acli.main import a2acode
from a2acore.credentials import Token, hashed
from tests.edge import Edge, Way, task_of
from tests.raw_http import Client
from tests.test_cli import A2ACODE, environment

PATIENCE = 20.0
"""Seconds after which something is taken to hang."""

TOKENS = {
    name: f"{name}-{hashlib.sha256(name.encode()).hexdigest()}"
    for name in ("alice", "bob", "reader", "runner", "ops", "expired")
}
"""What each caller shows."""
PASSWORD = "correct horse battery staple"
"""Carol's."""

RPC, REST, OLD_RPC, OLD_REST = (
    Way("1.0", "JSONRPC"),
    Way("1.0", "HTTP+JSON"),
    Way("0.3", "JSONRPC"),
    Way("0.3", "HTTP+JSON"),
)


def entry(name: str, **members: str) -> str:
    """An entry for the file of credentials; members are TOML."""
    lines = (f"{key} = {value}" for key, value in members.items())
    return "\n".join(("[[callers]]", f'name = "{name}"', *lines, ""))


def bearer(name: str) -> str:
    return f'"{Token.of(TOKENS[name].encode())}"'


CALLERS = "\n".join(
    (
        entry("alice", bearer=bearer("alice")),
        entry("bob", bearer=bearer("bob")),
        entry("reader", bearer=bearer("reader"), scopes='["read"]'),
        entry("runner", bearer=bearer("runner"), scopes='["read", "run"]'),
        entry("ops", bearer=bearer("ops"), scopes='["admin"]'),
        entry("expired", bearer=bearer("expired"), expires="2020-01-01T00:00:00Z"),
        entry("carol", basic=f'"{hashed(PASSWORD.encode(), b"sixteen bytes ok")}"'),
    )
)


@define(eq=False)
class House:
    """A server, the callers it knows, and the places where something could happen."""

    folder: Path
    url: str = ""
    process: subprocess.Popen[bytes] | None = None
    extra: Mapping[str, str] = field(factory=dict)
    """Of its environment."""
    program: Sequence[str] = tuple(A2ACODE)
    args: tuple[str, ...] = ()

    @property
    def workspace(self) -> Path:
        return self.folder / "workspace"

    @property
    def credentials(self) -> Path:
        return self.folder / "callers.toml"

    @property
    def log(self) -> str:
        """What the server has written to stderr."""
        return (self.folder / "log").read_text(errors="replace")

    @property
    def audit(self) -> str:
        """What is written of who let the agent do what."""
        file = self.folder / "audit.jsonl"
        return file.read_text() if file.exists() else ""

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def edge(self, name: str = "") -> Edge:
        """The server as a caller sees it; without a name, as a stranger does."""
        return Edge(self.url, TOKENS.get(name, ""))

    @asynccontextmanager
    async def socket(self) -> AsyncIterator[Client]:
        """A connection on which exactly the given bytes are sent."""
        where = urlsplit(self.url)
        assert where.hostname is not None
        assert where.port is not None
        with trio.fail_after(PATIENCE):
            async with await trio.open_tcp_stream(where.hostname, where.port) as stream:
                yield Client(stream)

    async def told(self, data: bytes) -> bytes:
        """Everything that is answered to some bytes, until the server closes."""
        async with self.socket() as client:
            try:
                await client.send(data)
                return await client.rest()
            except trio.BrokenResourceError:
                return b""

    def marks(self) -> tuple[str, dict[str, bytes]]:
        """What an attack could have changed: the audit log, and every file around the server."""
        ours = {self.folder / "log", self.folder / "audit.jsonl"}
        files = {
            str(path.relative_to(self.folder)): _content(path)
            for path in sorted(self.folder.rglob("*"))
            if path not in ours
        }
        return self.audit, files

    @contextmanager
    def untouched(self) -> Iterator[None]:
        """Nothing happens in this block."""
        before = self.marks()
        yield
        assert self.marks() == before
        assert self.process is None or self.process.poll() is None, self.log

    def start(self, *args: str) -> None:
        """Serve; the arguments come after those that every house has."""
        self.args = args
        self.workspace.mkdir(exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            begun = log.tell()
            self.process = subprocess.Popen(
                [*self.program, "serve", "--port", "0", "--cwd", str(self.workspace), *args],
                stdin=subprocess.DEVNULL,
                stderr=log,
                env=environment(**self.extra),
            )
        while (found := re.search(r" is at (\S+) \(card: ", self.log[begun:])) is None:
            assert self.process.poll() is None, self.log
            time.sleep(0.01)  # a file tells nobody that it has grown
        self.url = found[1]

    def stop(self, how: signal.Signals = signal.SIGKILL) -> int:
        """End it, and say with which status."""
        assert self.process is not None
        self.process.send_signal(how)
        return self.process.wait(PATIENCE)


@contextmanager
def house(
    folder: Path, *args: str, program: Sequence[str] = tuple(A2ACODE), **extra: str
) -> Iterator[House]:
    """A server for the length of the block; `extra` is set in its environment."""
    standing = House(folder, extra=extra, program=program)
    standing.start(*args)
    try:
        yield standing
    finally:
        assert standing.process is not None
        standing.process.kill()
        standing.process.wait()


@contextmanager
def guarded(
    folder: Path, *args: str, program: Sequence[str] = tuple(A2ACODE), **extra: str
) -> Iterator[House]:
    """One that knows its callers, and writes an audit log."""
    (folder / "callers.toml").touch(0o600)
    (folder / "callers.toml").write_text(CALLERS)
    files = ("--credentials", str(folder / "callers.toml"), "--audit", str(folder / "audit.jsonl"))
    with house(folder, *files, *args, program=program, **extra) as standing:
        yield standing


def command(*args: str) -> Result:
    """What the command does, and what it says: in this process, which is quicker than another."""
    return CliRunner().invoke(a2acode, args)


ECHO = ("--backend", "echo")


def agent(script: str, *args: str) -> tuple[str, ...]:
    """The options that serve an agent of the tests."""
    return (
        "--agent-command",
        " ".join((sys.executable, str(Path(__file__).parents[1] / script), *args)),
    )


async def begin(edge: Edge, text: str, **members: Any) -> dict[str, Any]:
    """Say something in line 1.0, and have the task as it pauses or ends."""
    configuration = members.pop("configuration", {})
    message = RPC.message(text, **members)
    return task_of(RPC, await edge.do(RPC, "send", message=message, configuration=configuration))


async def until(true: Callable[[], object]) -> None:
    """Wait for what nobody tells us: a file grows, a process ends."""
    with trio.fail_after(PATIENCE):
        while not true():  # noqa: ASYNC110
            await trio.sleep(0.02)


def anything() -> str:
    """An id of nothing."""
    return str(uuid4())


def _content(path: Path) -> bytes:
    if path.is_symlink():
        return os.readlink(path).encode()
    return path.read_bytes() if path.is_file() else b""


PATIENT = ("--limit", "refusals_per_address=0")
"""Of a server that is to be attacked more often than it would put up with."""
