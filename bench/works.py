"""The kinds of work: what is done to a server, and what is measured of it.

Each kind is a function that gets a running server ready, does the work once to see that the server
can, and returns what measures one round.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from attrs import Factory, frozen

from bench.asks import FAN, FEW, POOL, followed, gets, has_an_event, sends, streams, waiting
from bench.audience import Audience
from bench.load import Hopeless, Load, asked, drive
from bench.machine import Meter, cpu_time, settled
from bench.speech import FIRST, Ask, Form, named
from bench.targets import Server

PAGE = 50
"""Tasks on a page of a list; what both lines of the SDK take for the default."""
AT_ONCE = 16
"""Callers that fill a server with tasks."""
WARM = 0.3
"""Seconds for which a fresh server works before it is measured."""


@frozen
class Pace:
    """How long a round lasts."""

    seconds: float = 2.0
    warm_up: float = 0.2
    calm: float = 2.0
    """Seconds for which idle streams are watched."""


@frozen
class Measure:
    """What one round has shown."""

    value: float
    """In the unit of the kind."""
    details: dict[str, float] = Factory(dict)
    """`p50`, `p99` and `first` in milliseconds; `cpu` in microseconds of the server for each
    request; `generator`, our own share of a core; and what is particular about the kind."""
    errors: int = 0
    wrong: str = ""


Round = Callable[[Pace], Measure]


@frozen
class Work:
    """One row of the table."""

    kind: str
    size: int = 0
    """Chunks, tasks, followers or streams."""
    callers: int = 1
    form: Form = FIRST

    def __str__(self) -> str:
        title = KINDS[self.kind].title.format(size=f"{self.size:,}")
        title = re.sub(r"\b1 (chunk|follower|task)s\b", r"1 \1", title)
        if KINDS[self.kind].unit == PER_SECOND:
            title += f", {self.callers} at once" if self.callers > 1 else ", one at a time"
        return title if self.form == FIRST else f"{title}, {self.form}"


@frozen
class Kind:
    """What is done, and what its numbers mean."""

    title: str
    prepare: Callable[[Server, Work], Round]
    """Raises `Wrong` or `Hopeless`: this server cannot."""
    unit: str
    more_is_better: bool = False
    rounds: int = 99
    """More than these are not played: one takes long, and is much like another."""


PER_SECOND = "/s"


# Requests, again and again


def _measured(server: Server, work: Work, asks: Callable[[], Ask]) -> Round:
    """Rounds of these requests; the first ones, which must be answered right, make it warm."""
    began = time.perf_counter()
    asked(server.address, asks())
    while time.perf_counter() - began < WARM:
        asked(server.address, asks())

    def measure(pace: Pace) -> Measure:
        load = drive(
            server.address,
            server.pid,
            asks,
            callers=work.callers,
            seconds=pace.seconds,
            # A single caller is under way at once; and one stream may be longer than any warm-up.
            warm_up=pace.warm_up if work.callers > 1 else 0.0,
        )
        return _measure(load)

    return measure


def _measure(load: Load) -> Measure:
    return Measure(
        load.count / load.seconds,
        {
            "p50": load.p50 * 1e3,
            "p99": load.p99 * 1e3,
            "first": load.first * 1e3,
            "cpu": load.server_cpu / load.count * 1e6,
            "generator": load.own_cpu / load.seconds,
            "bytes": load.size,
        },
        load.errors,
        load.wrong,
    )


def card(server: Server, work: Work) -> Round:
    ask = Ask(work.form.card(), named)
    return _measured(server, work, lambda: ask)


def send(server: Server, work: Work) -> Round:
    return _measured(server, work, sends(work.form, FEW))


def stream(server: Server, work: Work) -> Round:
    return _measured(server, work, streams(work.form, work.size))


def get(server: Server, work: Work) -> Round:
    fill(server, max(0, work.size - POOL))
    return _measured(server, work, gets(server.address, work.form))


def list_tasks(server: Server, work: Work) -> Round:
    request = work.form.list_tasks(PAGE)
    asked(server.address, Ask(request, lambda body: work.form.page(body, 0, 0)))
    fill(server, work.size)
    ask = Ask(request, lambda body: work.form.page(body, PAGE, work.size))
    return _measured(server, work, lambda: ask)


def fill(server: Server, tasks: int) -> None:
    """Let it finish that many tasks.

    Raises:
        Hopeless: it does not.
    """
    if tasks:
        asks = sends(FIRST, FEW)
        load = drive(server.address, server.pid, asks, callers=AT_ONCE, count=tasks)
        if load.errors:
            raise Hopeless(f"{load.errors} of {tasks} tasks failed: {load.wrong}")


# Those who follow


def fan_out(server: Server, work: Work) -> Round:
    def measure(pace: Pace) -> Measure:
        with followed(server.address, work.form, work.size) as go_on:
            meter = Meter(server.pid)
            go_on()
            wall, cpu, own = meter.read()
        deliveries = work.size * FAN
        return Measure(
            wall * 1e3,
            {
                "deliveries": deliveries / wall,
                "cpu": cpu / deliveries * 1e6,
                "generator": own / wall,
            },
        )

    measure(Pace())
    return measure


def idle(server: Server, work: Work) -> Round:
    """Streams on a task that waits: what each holds while nothing happens."""

    def measure(pace: Pace) -> Measure:
        server.restart()
        asked(server.address, sends(work.form, FEW)())
        task_id = waiting(server.address, work.form, "")
        subscribe = work.form.subscribe(task_id)
        with Audience(server.address, subscribe, 1) as first:  # what the first one loads is no row
            first.listen(has_an_event)
            before = settled(server.pid)
            with Audience(server.address, subscribe, work.size) as audience:
                audience.listen(has_an_event)
                during = settled(server.pid)
                used = cpu_time(server.pid)
                time.sleep(pace.calm)
                used = cpu_time(server.pid) - used
                errors = work.size - audience.quiet()
        return Measure(
            (during - before) * 1024 / work.size,
            {"idle_cpu_ms": used * 1e3},
            errors,
            "streams that were silent no more" if errors else "",
        )

    with followed(server.address, work.form, 1) as go_on:  # to see that it can
        go_on()
    return measure


# The process


def start(server: Server, work: Work) -> Round:
    """From the start of the process to its card; the time that a stop takes does not count."""

    def measure(pace: Pace) -> Measure:
        taken = server.restart()
        return Measure(taken * 1e3, {"start_cpu": cpu_time(server.pid) * 1e3})

    return measure


def memory(server: Server, work: Work) -> Round:
    """What a fresh process holds once it has finished so many tasks."""

    def measure(pace: Pace) -> Measure:
        server.restart()
        asked(server.address, Ask(work.form.card(), named))
        before = settled(server.pid)
        fill(server, work.size)
        after = settled(server.pid)
        each = {"kib_per_task": (after - before) * 1024 / work.size} if work.size else {}
        return Measure(after, each)

    if work.size:
        fill(server, 1)
    return measure


KINDS = {
    "card": Kind("card", card, PER_SECOND, more_is_better=True),
    "get": Kind("get one of {size} tasks", get, PER_SECOND, more_is_better=True),
    "list": Kind("list 50 of {size} tasks", list_tasks, PER_SECOND, more_is_better=True),
    "send": Kind("blocking send", send, PER_SECOND, more_is_better=True),
    "stream": Kind("stream of {size} chunks", stream, PER_SECOND, more_is_better=True),
    "fanout": Kind("200 chunks to {size} followers", fan_out, "ms"),
    "idle": Kind("memory of each of {size} idle streams", idle, "KiB", rounds=3),
    "start": Kind("start to first answer", start, "ms"),
    "rss": Kind("memory before the first task", memory, "MiB", rounds=3),
    "memory": Kind("memory after {size} tasks", memory, "MiB", rounds=2),
}
