"""Whatever was told is there after the process was killed, at whatever moment that was."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import trio

from a2acore.model import TaskArtifactUpdateEvent, TaskState
from a2acore.store.opening import Keep
from a2acore.store.sqlite import SqliteStore, open_sqlite
from tests.storing import begin, end, piece, said, write

KILLS = 20
PRODUCERS = 8
EVENTS = 7
FOR_GOOD = Keep(days=0, tasks=0, events=0)


def say(*words: object) -> None:
    """A line, whole or not at all, to whoever has started this process."""
    os.write(1, f"{' '.join(map(str, words))}\n".encode())


async def work(path: Path) -> None:
    """Give tasks until killed, and say what was told of them."""
    names = (f"{os.getpid()}-{number}" for number in count())
    async with open_sqlite(path, keep=FOR_GOOD) as store, trio.open_nursery() as nursery:
        for _ in range(PRODUCERS):
            nursery.start_soon(produce, store, names)


async def produce(store: SqliteStore, names: Iterator[str]) -> None:
    for name in names:
        record = begin(store, name)
        for number in range(1, EVENTS + 1):

            def told(number: int = number) -> None:
                say(name, number)  # noqa: B023 - it is told before the next one begins

            write(store, record, said(str(number)), piece(name, str(number)), told=told)
            if number % 3 == 0:
                await store.settle()
        end(store, record)
        await store.settle()
        say(name, "ended")


async def hear(lines: int, path: Path) -> list[list[str]]:
    """What a process says that works until it has said so much, and is killed."""
    start = "import sys, trio; from pathlib import Path; from tests.test_store_crash import work"
    command = [sys.executable, "-c", f"{start}; trio.run(work, Path(sys.argv[1]))", str(path)]
    process = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    text = b""
    async with process.stdout:
        while text.count(b"\n") < lines:
            text += await process.stdout.receive_some()
        process.kill()
        async for more in process.stdout:
            text += more
    await process.wait()
    return [line.split() for line in text.decode().splitlines()]


async def test_what_was_told_outlives_a_process_that_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "tasks.sqlite"
    chance = random.Random(7)
    told: dict[str, int] = {}
    ended: set[str] = set()
    for _ in range(KILLS):
        with trio.fail_after(30):
            lines = await hear(chance.randrange(1, 600), path)
        for name, what in lines:
            if what == "ended":
                ended.add(name)
            else:
                assert int(what) == told.get(name, 0) + 1, "it is told in order, and once"
                told[name] = int(what)
        async with open_sqlite(path, keep=FOR_GOOD) as store:
            left = {each.beginning.record.id for each in await store.left()}
            for name in {name for name, _ in lines}:
                await check(store, name, told[name])
            assert not left & ended
    async with open_sqlite(path, keep=FOR_GOOD) as store:
        for name, number in told.items():
            await check(store, name, number)
    assert len(ended) > 100


async def check(store: SqliteStore, name: str, told: int) -> None:
    """See that a task is there as far as it was told, or further, and that nothing is twice."""
    entry = await store.find(name)
    assert entry is not None
    texts = [
        event.artifact.parts[0].text
        for event in await store.events(name, 0) or ()
        if isinstance(event, TaskArtifactUpdateEvent)
    ]
    assert told <= len(texts) <= EVENTS
    assert texts == [str(number) for number in range(1, len(texts) + 1)]
    task = entry.task()
    assert [message.message_id for message in task.history] == [
        "m-hello",
        *(f"m-{t}" for t in texts),
    ]
    assert (task.status.state is TaskState.COMPLETED) <= (len(texts) == EVENTS)
