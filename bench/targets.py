"""What is measured: each target, how it is made, and one that runs."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from attrs import define, field, frozen

from bench.environments import Missing, checkout, environment
from bench.load import Address, asked
from bench.speech import FIRST, Ask, Wrong, named

HERE = Path(__file__).parent

OURS = "ours"
PEER = "peer"
"""Whom the others are compared with."""

STARTS = 60.0
"""Seconds until a server has to show its card."""
STOPS = 15.0
"""Seconds that one has after it was told to stop; ours gives running tasks 10 of them."""
GLANCE = 0.002
"""Seconds between two looks whether a server is there: what the time of its start is true to."""


class Failed(Exception):
    """A server does not start, or has ended; the text is the end of what it said."""


@frozen
class Target:
    """A server that can be started."""

    name: str
    about: str
    """What it is, for the table."""
    command: Callable[[], Sequence[str]]
    """How to start it at `{port}`, with files in `{folder}`. Makes its environment first, where
    that was not done yet.

    Raises `Missing`: there is none, and why.
    """


def _peer() -> list[str]:
    bin = environment(PEER, ["a2acode==0.9.0", "a2a-sdk==1.3.0", "uvicorn==0.54.0"])
    return [str(bin / "a2acode"), "serve", "--backend", "echo", "--port", "{port}"]


def _sdk() -> list[str]:
    wanted = ["a2a-sdk[http-server]==1.3.0", "uvicorn==0.54.0", "sse-starlette==3.7.0"]
    return [str(environment("sdk", wanted) / "python"), str(HERE / "sdk_echo.py"), "{port}"]


def _bare() -> list[str]:
    bin = environment("bare", ["hypercorn[trio]==0.18.0"])
    return [str(bin / "python"), str(HERE / "bare_echo.py"), "{port}"]


@cache
def _options() -> str:
    """What `serve` of this checkout can be told."""
    told = subprocess.run(
        [str(checkout() / "a2acode"), "serve", "--help"], capture_output=True, text=True, check=True
    )
    return told.stdout


def _ours(*wanted: str, needs: Sequence[str] = ()) -> Callable[[], list[str]]:
    """Our echo agent, with options: some are `wanted` where there are such, others it `needs`."""

    def command() -> list[str]:
        program = str(checkout() / "a2acode")
        found = [program, "serve", "--backend", "echo", "--port", "{port}"]
        for option, value in zip(needs[::2], needs[1::2], strict=True):
            if option not in _options():
                raise Missing(f"`a2acode serve` has no {option}")
            found += [option, value]
        for option, value in zip(wanted[::2], wanted[1::2], strict=True):
            if option in _options():
                found += [option, value]
        return found

    return command


IN_MEMORY = ("--store", "memory:")

TARGETS = {
    target.name: target
    for target in (
        Target(PEER, "a2acode 0.9.0 with its echo agent, as it comes", _peer),
        Target("sdk", "a minimal server on the official SDK (a2a-sdk 1.3, uvicorn)", _sdk),
        Target("bare", "hypercorn on trio that echoes JSON, with no task behind it", _bare),
        Target(OURS, "this checkout with its echo agent, tasks in memory", _ours(*IN_MEMORY)),
        Target(
            "ours-sqlite",
            "the same, tasks in a file",
            _ours(needs=("--store", "sqlite:///{folder}/tasks.db")),
        ),
        Target(
            "ours-native",
            "the same as `ours`, by our own HTTP front",
            _ours(*IN_MEMORY, needs=("--front", "native")),
        ),
        Target(
            "ours-hypercorn",
            "the same as `ours`, by hypercorn",
            _ours(*IN_MEMORY, needs=("--front", "hypercorn")),
        ),
    )
}


@define(eq=False)
class Server:
    """A target that runs; made by `running`."""

    target: Target
    _folder: Path
    """Where it works; its files and its log are there."""
    address: Address = ("127.0.0.1", 0)
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def _log(self) -> Path:
        return self._folder / "log"

    def start(self) -> float:
        """Start it; the seconds until it showed its card.

        Raises:
            Failed: it does not start.
            Missing: it cannot be made on this machine.
        """
        command = self.target.command()
        work = Path(tempfile.mkdtemp(dir=self._folder))
        port = _free_port()
        self.address = ("127.0.0.1", port)
        began = time.perf_counter()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [part.format(port=port, folder=work) for part in command],
                cwd=work,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": ""},
            )
        while (taken := time.perf_counter() - began) < STARTS:
            if self._process.poll() is not None:
                raise Failed(f"{self.target.name} has ended: {self.last_words()}")
            try:
                asked(self.address, Ask(FIRST.card(), named))
            except Wrong:
                time.sleep(GLANCE)
            else:
                return time.perf_counter() - began
        raise Failed(f"{self.target.name}: no card after {taken:.0f} s: {self.last_words()}")

    def stop(self) -> None:
        """Tell it to stop, wait for that, and end it if it does not."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOPS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def restart(self) -> float:
        """Begin anew, with nothing of before; the seconds as for `start`."""
        self.stop()
        return self.start()

    def last_words(self) -> str:
        return " / ".join(self._log.read_text(errors="replace").strip().splitlines()[-3:])


@contextmanager
def running(target: Target) -> Iterator[Server]:
    """Run a target for the length of a block.

    Raises:
        Failed: it does not start.
        Missing: it cannot be made on this machine.
    """
    with tempfile.TemporaryDirectory(prefix="a2acode-bench-") as folder:
        server = Server(target, Path(folder))
        try:
            server.start()
            yield server
        finally:
            server.stop()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port
