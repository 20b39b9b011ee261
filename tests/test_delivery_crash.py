"""The command is killed while letters are under way, and started again: its webhooks miss nothing.

Real processes on a real store, and a real webhook that outlives them.
"""

from __future__ import annotations

import re
import signal
import subprocess
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from attrs import define

from tests.edge import WAYS, Edge, Way
from tests.receiver import Letter, Reply, receiving
from tests.scene import told
from tests.test_cli import A2ACODE, ECHO, environment
from tests.test_delivery import id_of, numbers, span
from tests.test_push import sending, spelled

each_line = pytest.mark.parametrize("way", [WAYS[0], WAYS[2]], ids=str)
HANG = 60
"""Seconds."""


@define(eq=False)
class Server:
    """A process that serves echo, with its store in a folder."""

    edge: Edge
    process: trio.Process

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Server]:
    command = [
        *A2ACODE,
        "serve",
        *ECHO,
        *("--cwd", str(folder), "--store", url_of(folder), "--webhook-allow-private"),
    ]
    process = await trio.lowlevel.open_process(command, stderr=subprocess.PIPE, env=environment())
    assert process.stderr is not None
    async with trio.open_nursery() as nursery:
        try:
            said = b""
            while (found := re.search(rb" is at (\S+) \(card: \S+\)", said)) is None:
                more = await process.stderr.receive_some()
                assert more, said
                said += more
            nursery.start_soon(_drain, process.stderr)
            yield Server(Edge(found[1].decode()), process)
        finally:
            process.kill()
            with trio.CancelScope(shield=True):
                await process.wait()
            nursery.cancel_scope.cancel()


async def _drain(stream: trio.abc.ReceiveStream) -> None:
    while await stream.receive_some():
        pass


def url_of(folder: Path) -> str:
    return f"sqlite:///{folder}/store.sqlite"


def tasks_of(letters: Iterable[Letter]) -> dict[str, list[Letter]]:
    """The letters about each task."""
    found = defaultdict(list)
    for letter in letters:
        found[id_of(letter).partition(":")[0]].append(letter)
    return found


def over(*tasks: str) -> Callable[[list[Letter]], bool]:
    """Whether letters tell the end of all these tasks."""

    def are_over(letters: list[Letter]) -> bool:
        found = tasks_of(letters)
        return all(id in found and told(found[id][-1]) in OVER for id in tasks)

    return are_over


OVER = ("completed", "failed", "canceled")


@each_line
@pytest.mark.parametrize("at", [1, 2, 3])
async def test_a_letter_that_was_under_way_when_the_server_was_killed_comes_again_and_all_others(
    way: Way, at: int, tmp_path: Path
) -> None:
    """V10-MUST-043. Of three tasks at once."""
    servers: list[Server] = []
    killed = trio.Event()

    async def answer(letter: Letter) -> Reply:
        if len(hook.letters) == at:
            servers[0].kill()
            killed.set()
            await trio.sleep_forever()
        return Reply()

    with trio.fail_after(HANG):
        async with receiving(answer) as hook:
            configuration = {**sending(way, spelled(way, hook.url)), **way.at_once()}
            ids: list[str] = []

            async def begin() -> None:
                task = await servers[0].edge.tell(way, "hello", configuration=configuration)
                ids.append(task["id"])

            async with serving(tmp_path) as server:
                servers.append(server)
                async with trio.open_nursery() as nursery:
                    for _ in range(3):
                        nursery.start_soon(begin)
                    await killed.wait()
                    nursery.cancel_scope.cancel()
            under_way = hook.letters[at - 1]
            async with serving(tmp_path):
                ids.append(id_of(under_way).partition(":")[0])
                await hook.until(over(*ids))
    assert id_of(under_way) in [id_of(letter) for letter in hook.letters[at:]]
    for letters in tasks_of(hook.letters).values():
        assert numbers(letters) == list(range(1, span(letters[-1])[1] + 1))


def asks(letters: list[Letter]) -> bool:
    """Whether the last of the letters tells of a question."""
    return bool(letters) and told(letters[-1]) == "input-required"


@each_line
async def test_a_webhook_of_a_task_that_waits_for_an_answer_goes_on_hearing_of_it(
    way: Way, tmp_path: Path
) -> None:
    with trio.fail_after(HANG):
        async with receiving() as hook:
            configuration = sending(way, spelled(way, hook.url))
            async with serving(tmp_path) as server:
                task = await server.edge.tell(way, "question", configuration=configuration)
                await hook.until(asks)
                server.kill()
            heard = span(hook.letters[-1])[1]
            async with serving(tmp_path) as server:
                # Not the letter of before, which may come again.
                await hook.until(lambda letters: asks(letters) and span(letters[-1])[0] > heard)
                await server.edge.tell(way, "blue", taskId=task["id"])
                letters = await hook.until(over(task["id"]))
    assert told(letters[-1]) == "completed"
    assert numbers(letters) == list(range(1, span(letters[-1])[1] + 1))


async def test_what_was_given_up_is_sent_again_when_the_command_is_told_to(tmp_path: Path) -> None:
    """By another process, while the server runs."""
    way = WAYS[0]

    async def answer(letter: Letter) -> Reply:
        return Reply(410 if len(hook.letters) == 1 else 200)

    with trio.fail_after(HANG):
        async with receiving(answer) as hook, serving(tmp_path) as server:
            configuration = sending(way, spelled(way, hook.url))
            task = await server.edge.tell(way, "hello", configuration=configuration)
            letters = await hook.until(over(task["id"]))
            before = len(letters)
            command = [*A2ACODE, "push", "resend", task["id"], "--store", url_of(tmp_path)]
            done = await trio.run_process(command, capture_stdout=True, env=environment())
            assert done.stdout == b"1 letter will be tried again\n"
            await hook.count(before + 1)
    assert id_of(hook.letters[before]) == id_of(hook.letters[0])
    assert hook.letters[before].body == hook.letters[0].body
