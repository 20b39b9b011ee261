"""Counted work: what one request makes a server do, in calls and not in seconds.

    python -m bench.count            # beside the ceilings
    python -m bench.count --write    # set them anew, in bench/ceilings.json

Seconds depend on the machine and on who else is on it; the number of calls hardly does. So this is
what a test can hold (`tests/test_counted.py`): whoever makes a request dearer by more than the
slack has to say so, by setting the ceiling anew in the same change.

The server runs in this process, over a real socket; who asks sits in another thread, which is not
counted. The collector is off, and each work has been done once before it is counted.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from statistics import median
from types import FrameType
from typing import Any

import trio
from attrs import define, frozen
from trio.testing import wait_all_tasks_blocked

from a2acore.backend import Settings, find_backends
from a2acore.server import Options, serve
from bench import report
from bench.asks import FEW, POOL, followed, gets, sends, streams
from bench.load import Address, connected, exchanged
from bench.speech import FIRST, Ask, named
from bench.works import PAGE

CEILINGS = Path(__file__).parent / "ceilings.json"
SLACK = {"calls": 1.1, "steps": 1.25, "tasks": 1.1, "writes": 1.25, "reads": 1.25}
"""How much of what was measured a ceiling allows. Trio leaves to chance how tasks take turns, and
so how many frames are ready together; and the versions of libraries differ a little."""
SMALL = 4
"""A whole number below this has no slack: one write more may be twice as many."""
ROUNDS = 5
"""The middle one of these counts."""

Counts = dict[str, float]


@define(eq=False)
class Counter(trio.abc.Instrument):
    """Counts what the thread does that made it, between `begin` and `end`."""

    calls: int = 0
    """Of functions, Python's and C's; also each resumption of a coroutine."""
    steps: int = 0
    """Turns that trio gave to tasks."""
    tasks: int = 0
    """Tasks that were started."""
    writes: int = 0
    """System calls that write to a socket."""
    reads: int = 0

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.steps += 1

    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        self.tasks += 1

    def seen(self, frame: FrameType, event: str, what: Any) -> None:
        """A profile function; see `sys.setprofile`."""
        if event == "call":
            self.calls += 1
        elif event == "c_call":
            self.calls += 1
            if isinstance(getattr(what, "__self__", None), socket.socket):
                name = what.__name__
                self.writes += name.startswith("send")
                self.reads += name.startswith("recv")

    async def begin(self) -> None:
        """Go on counting, once the server has nothing left to do.

        A request then finds it asleep, always: one that came while it looked for the next would
        save it a look.
        """
        await wait_all_tasks_blocked()
        trio.lowlevel.add_instrument(self)
        sys.setprofile(self.seen)

    async def end(self) -> None:
        """Count no more, once the server has nothing left to do."""
        await wait_all_tasks_blocked()
        sys.setprofile(None)
        trio.lowlevel.remove_instrument(self)

    def each(self, requests: int) -> Counts:
        """What was counted, for one of so many requests."""
        counted = (self.calls, self.steps, self.tasks, self.writes, self.reads)
        return {kind: number / requests for kind, number in zip(KINDS, counted, strict=True)}


KINDS = ("calls", "steps", "tasks", "writes", "reads")


Play = Callable[[], object]
"""Does the work once, and reads the answer."""


@frozen
class Counted:
    """A work, and how often it is done for one count."""

    prepare: Callable[[Address], AbstractContextManager[Play]]
    times: int = 10


def _asking(make: Callable[[Address], Callable[[], Ask]], times: int = 10) -> Counted:
    """Requests on one connection."""

    @contextmanager
    def prepare(address: Address) -> Iterator[Play]:
        asks = make(address)
        with connected(address) as sock:
            yield lambda: exchanged(sock, asks())

    return Counted(prepare, times)


def _card(address: Address) -> Callable[[], Ask]:
    return lambda: Ask(FIRST.card(), named)


def _send(address: Address) -> Callable[[], Ask]:
    return sends(FIRST, FEW)


def _get(address: Address) -> Callable[[], Ask]:
    return gets(address, FIRST)


def _list(address: Address) -> Callable[[], Ask]:
    gets(address, FIRST)  # so that there are some
    return lambda: Ask(FIRST.list_tasks(PAGE), lambda body: FIRST.page(body, PAGE, POOL))


def _stream(chunks: int) -> Callable[[Address], Callable[[], Ask]]:
    return lambda address: streams(FIRST, chunks)


@contextmanager
def _followers(number: int, address: Address) -> Iterator[Play]:
    def play() -> None:
        with followed(address, FIRST, number) as go_on:
            go_on()

    yield play


WORKS = {
    "card": _asking(_card),
    "get": _asking(_get),
    "list 50 of 64": _asking(_list),
    "send": _asking(_send),
    "stream of 10": _asking(_stream(10)),
    "stream of 200": _asking(_stream(200), 5),
    "200 to 1 follower": Counted(partial(_followers, 1), 5),
    "200 to 11 followers": Counted(partial(_followers, 11), 5),
}


@asynccontextmanager
async def serving() -> AsyncIterator[Address]:
    """Our server with its echo agent, in this process."""
    with tempfile.TemporaryDirectory() as folder:
        async with (
            find_backends()["echo"].open(Settings(Path(folder))) as backend,
            trio.open_nursery() as nursery,
        ):
            options = Options(Path(folder))
            bound = await nursery.start(partial(serve, backend, port=0, options=options))
            port = int(bound.url.rsplit(":", 1)[1])
            yield "127.0.0.1", port
            nursery.cancel_scope.cancel()


def count(address: Address, work: Counted) -> Counts:
    """What a work done once costs the server of `serving`; from a thread of trio's."""
    gc.disable()
    try:
        with work.prepare(address) as play:
            play()
            worked = _median(play, work.times)
        idled = _median(lambda: None, work.times)  # what it takes to begin and end a count
    finally:
        gc.enable()
    return {kind: worked[kind] - idled[kind] for kind in KINDS}


def _median(play: Play, times: int) -> Counts:
    found = []
    for _ in range(ROUNDS):
        counter = Counter()
        for _ in range(times):
            trio.from_thread.run(counter.begin)
            play()
            trio.from_thread.run(counter.end)
        found.append(counter.each(times))
    return {kind: median(each[kind] for each in found) for kind in KINDS}


def ceilings(counted: Mapping[str, Counts]) -> dict[str, Any]:
    """What is allowed from now on, when this was counted."""
    allowed = {
        name: {kind: _ceiling(number, SLACK[kind]) for kind, number in counts.items()}
        for name, counts in counted.items()
    }
    return {"python": PYTHON, "each": allowed}


def _ceiling(number: float, slack: float) -> int:
    exact = number < SMALL and number == int(number)
    return int(number) if exact else math.ceil(number * slack)


PYTHON = ".".join(map(str, sys.version_info[:2]))


def table(counted: Mapping[str, Counts], allowed: Mapping[str, Mapping[str, float]]) -> str:
    """The counts of each work, with its ceilings in brackets."""
    lines: list[Sequence[str]] = [("one request", *KINDS), ["---"] * (1 + len(KINDS))]
    for name, counts in counted.items():
        limits = allowed.get(name, {})
        cells = [f"{counts[kind]:,.1f} ({limits.get(kind, '–')})" for kind in KINDS]
        lines.append((name, *cells))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


async def count_all() -> dict[str, Counts]:
    """All works, one after the other, on one server."""
    async with serving() as address:
        return {
            name: await trio.to_thread.run_sync(count, address, work)
            for name, work in WORKS.items()
        }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.count", description=__doc__)
    parser.add_argument("--write", action="store_true", help="set the ceilings anew")
    options = parser.parse_args(arguments)
    counted = trio.run(count_all)
    if options.write:
        CEILINGS.write_text(json.dumps(ceilings(counted), indent=2) + "\n")
    told = table(counted, json.loads(CEILINGS.read_text())["each"])
    print(told)
    if options.write:
        report.write({"counted": told})
    return 0


if __name__ == "__main__":
    sys.exit(main())
