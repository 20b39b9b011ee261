"""A server that is killed again and again, on one port, one store and one workspace."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import trio
from attrs import define, field

from a2acore.clock import now
from tests.crash.checker import Life

READY = re.compile(rb" is at http://\S+ \(card: ")
STARTS = 30.0
"""Seconds after which a server that does not say that it is there is taken to hang."""
STOPS = 20.0
"""Seconds that one has to end in peace."""
TRACE = "A2ACRASH_LIFE"
"""A variable by which the processes of a life, and of its agents, are known."""


@define(eq=False)
class Site:
    """The server, through all its lives."""

    command: Sequence[str]
    folder: Path
    port: int
    _nursery: trio.Nursery
    _fault: Callable[[str], None]
    lives: list[Life] = field(factory=list)
    up: bool = False
    """It has said that it is there, and nobody has made to kill it."""
    moments: dict[str, trio.lowlevel.ParkingLot] = field(factory=dict)
    """What callers do and what is done to them, and who waits for it."""
    _process: trio.Process | None = None
    _doom: trio.Event = field(factory=trio.Event)
    """Set when this life is made to end."""
    _ready: trio.Event = field(factory=trio.Event)
    _news: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def life(self) -> int:
        """How many times it was started."""
        return len(self.lives)

    async def start(self) -> None:
        """Start it, and do not wait until it is there."""
        self._doom, self._ready = trio.Event(), trio.Event()
        self.lives.append(Life(now()))
        self._process = await trio.lowlevel.open_process(
            self.command,
            stderr=subprocess.PIPE,
            env={**os.environ, TRACE: f"{self.folder}:{self.life}"},
            cwd=self.folder,
        )
        self._nursery.start_soon(self._listen, self._process, self._ready, self._doom)

    async def wait_up(self) -> None:
        """Wait until it is there."""
        while not self.up:
            await self._news.park()

    async def wait_after(self, life: int) -> None:
        """Wait until it is there in another life."""
        while not (self.up and self.life > life):
            await self._news.park()

    async def wait_ready(self) -> None:
        """Wait until this life has said that it is there. It is a fault if it does not."""
        with trio.move_on_after(STARTS) as scope:
            await self._ready.wait()
        if scope.cancelled_caught:
            self._fault(f"it is not there {STARTS:g} s after it was started")

    def lives_on(self, life: int) -> bool:
        """Whether it is there, and was never away since that life began."""
        return self.up and self.life == life

    def passes(self, moment: str) -> None:
        """Something of that kind is happening."""
        if moment in self.moments:
            self.moments[moment].unpark_all()

    async def wait_for(self, moment: str) -> None:
        """Wait until something of that kind happens."""
        await self.moments.setdefault(moment, trio.lowlevel.ParkingLot()).park()

    async def kill(self) -> None:
        """Kill the server, and nobody else."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """Let it end in peace."""
        with trio.move_on_after(STOPS):
            await self._end(signal.SIGTERM)
            if self._process is not None and self._process.returncode != 0:
                self._fault(f"told to stop, it ended with {self._process.returncode}")
            return
        self._fault("it does not stop when it is told to")
        await self.kill()

    async def _end(self, how: signal.Signals) -> None:
        assert self._process is not None
        self.up = False
        self._doom.set()
        self._process.send_signal(how)
        await self._process.wait()

    async def _listen(self, process: trio.Process, ready: trio.Event, doom: trio.Event) -> None:
        """Keep what it says, notice that it is there, and that it ends by itself."""
        assert process.stderr is not None
        unread = b""
        with (self.folder / "server.log").open("ab") as log:
            log.write(f"--- life {self.life}\n".encode())
            async for data in process.stderr:
                log.write(data)
                log.flush()
                unread = (unread + data)[-4096:]
                if not ready.is_set() and READY.search(unread):
                    ready.set()
                    self.up = not doom.is_set()
                    self._news.unpark_all()
        await process.wait()
        if not doom.is_set():
            self.up = False
            ready.set()
            self._fault(f"it ended by itself, with {process.returncode}")


@asynccontextmanager
async def open_site(
    command: Sequence[str], folder: Path, fault: Callable[[str], None]
) -> AsyncIterator[Site]:
    """A site inside the block; leaving kills what still runs. The command gets its `--port`."""
    port = free_port()
    async with trio.open_nursery() as nursery:
        site = Site([*command, "--port", str(port)], folder, port, nursery, fault)
        try:
            yield site
        finally:
            if site._process is not None and site._process.returncode is None:
                with trio.CancelScope(shield=True):
                    await site.kill()


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port
