"""Streams: who hears what, when a stream ends, and what a caller that leaves or lags can do to it.

What takes time or a caller that does not read is told without a socket, on a clock of its own.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import define, field
from trio.testing import MockClock, wait_all_tasks_blocked

from a2acore import sse
from a2acore.asgi import ASGIApp, Message, Scope
from a2acore.backend import Backend, Question, Settings, Text, Turn, find_backends
from a2acore.server import Options, open_app
from tests.edge import (
    BINDINGS_10,
    PATIENCE,
    WAYS,
    Edge,
    Said,
    Spelled,
    Way,
    echoing,
    serving,
    state,
)
from tests.stage import Actor

each_way = pytest.mark.parametrize("way", WAYS, ids=str)
on_old = pytest.mark.parametrize("way", WAYS[2:], ids=str)
on_new = pytest.mark.parametrize("way", BINDINGS_10, ids=str)
OURS = "urn:a2acode:work:v1"


@define(eq=False)
class Play:
    """A turn in two halves; the test says when the second begins."""

    asks: bool = False
    said: trio.Event = field(factory=trio.Event)
    go_on: trio.Event = field(factory=trio.Event)
    task_id: str = ""

    async def __call__(self, turn: Turn) -> str | None:
        self.task_id = turn.task_id
        turn.say(Text("one "))
        self.said.set()
        await self.go_on.wait()
        if self.asks:
            await turn.ask(Question("Which?"))
        turn.say(Text("two"))
        return None


def text_of(task: dict[str, Any]) -> str:
    return "".join(part["text"] for part in task["artifacts"][0]["parts"])


async def get(edge: Edge, way: Way, task: str) -> dict[str, Any]:
    said: dict[str, Any] = way.unwrap((await edge.do(way, "get", id=task)).json)
    return said


async def answer(edge: Edge, way: Way, task: str, words: str, **ours: Any) -> dict[str, Any]:
    metadata = {"metadata": {OURS: ours}} if ours else {}
    return await edge.tell(way, words, taskId=task, **metadata)


def request_id(status: dict[str, Any]) -> str:
    """The id of what a status asks."""
    named: str = status["status"]["message"]["metadata"][OURS]["requestId"]
    return named


# Leaving and joining


@each_way
async def test_a_caller_that_hangs_up_changes_nothing_for_the_task(way: Way) -> None:
    """V10-MUST-022: the others go on hearing, and the task completes."""
    play = Play()
    async with serving(Actor(play)) as edge:
        async with edge.telling(way, "go") as leaver:
            task = (await leaver.hear(way)).inside["id"]
            await play.said.wait()
            async with edge.listen(way, "subscribe", id=task) as stayer:
                await stayer.hear(way)
                await leaver.stream.aclose()
                await wait_all_tasks_blocked()
                play.go_on.set()
                assert (await stayer.hear_out(way))[-1].state == "completed"
        assert text_of(await get(edge, way, task)) == "one two"


@each_way
async def test_a_task_with_no_caller_left_completes(way: Way) -> None:
    play = Play()
    async with serving(Actor(play)) as edge:
        async with edge.telling(way, "go") as stream:
            await stream.hear(way)
            await play.said.wait()
        await wait_all_tasks_blocked()
        assert state(await get(edge, way, play.task_id)) == "working"
        play.go_on.set()
        await wait_all_tasks_blocked()
        assert state(await get(edge, way, play.task_id)) == "completed"


@each_way
async def test_a_blocking_caller_that_hangs_up_changes_nothing_either(way: Way) -> None:
    play = Play()
    async with serving(Actor(play)) as edge:
        async with edge.connect(*way.spell("send", {"message": way.message("go")})):
            await play.said.wait()
        await wait_all_tasks_blocked()
        assert state(await get(edge, way, play.task_id)) == "working"
        play.go_on.set()
        await wait_all_tasks_blocked()
        assert text_of(await get(edge, way, play.task_id)) == "one two"


@each_way
async def test_all_who_listen_hear_the_same_in_the_same_order(way: Way, tmp_path: Path) -> None:
    """V10-MUST-019, V10-MUST-020, V10-MUST-021."""
    async with echoing(tmp_path) as edge:
        task = await edge.tell(way, "credential think plan tool edit notice long:200")
        assert state(task) == "auth-required"
        async with (
            edge.listen(way, "subscribe", id=task["id"]) as first,
            edge.listen(way, "subscribe", id=task["id"]) as second,
        ):
            assert await first.hear(way) == await second.hear(way)
            await answer(edge, way, task["id"], "done")
            one, other = await first.hear_out(way), await second.hear_out(way)
    assert len(one) > 200
    assert one == other


# Where a stream ends


@each_way
async def test_a_sending_stream_ends_at_a_question(way: Way, tmp_path: Path) -> None:
    """A2A 1.0.1 section 11.7; V03-MUST-042: on line 0.3 the question is final."""
    async with echoing(tmp_path) as edge:
        async with edge.telling(way, "question") as stream:
            asked = (await stream.hear_out(way))[-1]
        assert asked.state == "input-required"
        assert asked.inside.get("final") == (True if way.old else None)
        assert state(await get(edge, way, asked.inside["taskId"])) == "input-required"


@each_way
async def test_a_sending_stream_stays_open_while_a_credential_is_awaited(
    way: Way, tmp_path: Path
) -> None:
    """V10-SHOULD-059, V10-SHOULD-060, V10-MUST-117, V10-MUST-118, V03-SHOULD-007."""
    async with echoing(tmp_path) as edge, edge.telling(way, "credential") as stream:
        heard = [await stream.hear(way)]
        while heard[-1].state != "auth-required":
            heard.append(await stream.hear(way))
        assert heard[-1].inside.get("final") == (False if way.old else None)
        assert "Log in" in json.dumps(heard[-1].inside["status"]["message"])
        await answer(edge, way, heard[0].inside["id"], "done")
        rest = await stream.hear_out(way)
    assert (rest[0].state, rest[-1].state) == ("working", "completed")


@on_new
async def test_a_subscription_outlives_a_question_and_its_answer(way: Way, tmp_path: Path) -> None:
    """V10-MUST-016: it ends with the task."""
    async with echoing(tmp_path) as edge:
        task = (await edge.tell(way, "question"))["id"]
        async with edge.listen(way, "subscribe", id=task) as stream:
            assert (await stream.hear(way)).state == "input-required"
            await answer(edge, way, task, "blue")
            heard = await stream.hear_out(way)
    assert [said.state for said in heard if said.state] == ["working", "completed"]


@on_new
async def test_a_subscription_hears_the_question_and_stays(way: Way) -> None:
    play = Play(asks=True)
    async with serving(Actor(play)) as edge, edge.telling(way, "go") as sender:
        await sender.hear(way)
        await play.said.wait()
        async with edge.listen(way, "subscribe", id=play.task_id) as stream:
            await stream.hear(way)
            play.go_on.set()
            assert (await sender.hear_out(way))[-1].state == "input-required"
            await answer(edge, way, play.task_id, "this")
            heard = await stream.hear_out(way)
    states = [said.state for said in heard if said.state]
    assert states == ["input-required", "working", "completed"]


@on_old
async def test_on_the_old_line_a_subscription_ends_with_the_question(way: Way) -> None:
    """Its `final` would otherwise come in the middle of the stream."""
    play = Play(asks=True)
    async with serving(Actor(play)) as edge:
        async with edge.telling(way, "go") as sender:
            await sender.hear(way)
            await play.said.wait()
            async with edge.listen(way, "subscribe", id=play.task_id) as stream:
                await stream.hear(way)
                play.go_on.set()
                asked = (await stream.hear_out(way))[-1]
                assert (asked.state, asked.inside["final"]) == ("input-required", True)
        # And one that comes when it is asked already is told so, and that this is all.
        async with edge.listen(way, "subscribe", id=play.task_id) as late:
            task, again = await late.hear_out(way)
    assert (task.name, task.state) == ("task", "input-required")
    assert (again.state, again.inside["final"]) == ("input-required", True)
    assert request_id(again.inside) == request_id(asked.inside)


# Answers that settle nothing


@each_way
async def test_an_answer_to_another_question_settles_nothing_and_keeps_nobody_waiting(
    way: Way, tmp_path: Path
) -> None:
    async with echoing(tmp_path) as edge:
        paused = await edge.tell(way, "sudo")
        asked, task = request_id(paused), paused["id"]
        stale = {"taskId": task, "metadata": {OURS: {"requestId": "another"}}}
        sent = await edge.tell(way, "allow", **stale)
        async with edge.telling(way, "allow", **stale) as stream:
            snapshot, restated = await stream.hear_out(way)
        for status in (sent, snapshot.inside, restated.inside):
            assert state(status) == "input-required"
            assert request_id(status) == asked
            assert "still to be answered" in json.dumps(status["status"]["message"])
        assert restated.inside.get("final") == (True if way.old else None)
        done = await answer(edge, way, task, "allow", requestId=asked)
    assert state(done) == "completed"
    assert "denied" not in text_of(done)


@each_way
async def test_an_answer_by_stream_begins_with_the_task_at_work(way: Way, tmp_path: Path) -> None:
    async with echoing(tmp_path) as edge:
        task = (await edge.tell(way, "question"))["id"]
        async with edge.telling(way, "blue", taskId=task) as stream:
            heard = await stream.hear_out(way)
    assert (heard[0].name, heard[0].state) == ("task", "working")
    assert [said.name for said in heard].count("task") == 1
    assert heard[-1].state == "completed"


# Without a socket


@define(eq=False)
class Caller:
    """A caller that an ASGI app sees: it says its piece, listens, and may stop reading."""

    spelled: Spelled
    reads: trio.Event = field(factory=trio.Event)
    """Set while it takes what is sent to it."""
    heard: list[Message] = field(factory=list)
    _asked: bool = False

    async def call(self, app: ASGIApp) -> None:
        verb, target, headers, _ = self.spelled
        scope: Scope = {
            "type": "http",
            "http_version": "1.1",
            "method": verb,
            "path": target,
            "raw_path": target.encode(),
            "query_string": b"",
            "headers": [(k.lower().encode(), v.encode()) for k, v in headers.items()],
        }
        await app(scope, self.receive, self.send)

    async def receive(self) -> Message:
        if self._asked:
            await trio.sleep_forever()  # it stays
        self._asked = True
        return {"type": "http.request", "body": self.spelled.body}

    async def send(self, message: Message) -> None:
        self.heard.append(message)
        await self.reads.wait()

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.heard)

    def said(self, way: Way) -> list[Said]:
        frames = sse.Decoder().feed(self.body)
        return [way.event(json.loads(each.data)) for each in frames if each.event == "message"]


@asynccontextmanager
async def calling(app: ASGIApp, caller: Caller) -> AsyncIterator[trio.Event]:
    """A call beside the block: the event is set when it has been answered."""
    over = trio.Event()

    async def call() -> None:
        await caller.call(app)
        over.set()

    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(call)
            yield over
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def open_echo(workspace: Path) -> AsyncIterator[Backend]:
    async with find_backends()["echo"].open(Settings(workspace)) as backend:
        yield backend


async def test_a_silent_stream_says_that_it_is_alive(autojump_clock: MockClock) -> None:
    """In a comment, which readers skip, every 15 seconds, whatever was told meanwhile."""

    async def play(turn: Turn) -> str | None:
        await trio.sleep(40)
        turn.say(Text("at last"))
        await trio.sleep(14)
        return None

    [way, *_] = WAYS
    caller = Caller(way.spell("stream", {"message": way.message("go")}))
    caller.reads.set()
    async with open_app(Actor(play), "http://agent.example") as app:
        await caller.call(app)
    blocks = caller.body.split(b"\n\n")[:-1]
    kinds = ["comment" if block.startswith(b":") else "event" for block in blocks]
    silence = ["comment", "comment", "event", "comment", "event", "event"]
    assert kinds == ["event", "event", *silence]
    assert [said.state for said in caller.said(way)][-1] == "completed"
    assert trio.current_time() == pytest.approx(54, abs=1)


@each_way
async def test_who_falls_too_far_behind_is_told_so_and_may_subscribe_again(
    way: Way, tmp_path: Path
) -> None:
    slow = Caller(way.spell("stream", {"message": way.message("long:50000 question")}))
    async with open_echo(tmp_path) as echo, open_app(echo, "http://agent.example") as app:
        async with calling(app, slow) as over:
            await wait_all_tasks_blocked()  # the task is asking by now; the caller read nothing
            slow.reads.set()
            await over.wait()
        block = slow.body.split(b"\n\n")[-2].decode()
        lines = dict(line.split(": ", 1) for line in block.split("\n"))
        told = json.loads(lines["data"])
        assert lines["event"] == "error"
        assert "subscribe again" in block
        if way.rpc:
            assert (told["id"], told["error"]["code"]) == (1, -32603)
        else:
            assert (told if way.old else told["error"])["code"] in (-32603, 500)
        assert not slow.heard[-1].get("more_body", False)
        task = slow.said(way)[0].inside["id"]
        again = Caller(way.spell("subscribe", {"id": task}))
        again.reads.set()
        async with calling(app, again):
            await wait_all_tasks_blocked()
        snapshot = again.said(way)[0]
        assert snapshot.state == "input-required"
        assert text_of(snapshot.inside).split()[-1] == "50000"


async def test_all_lines_and_bindings_hear_every_event_once_early_or_late(tmp_path: Path) -> None:
    """And an end is `final` on 0.3, though others were told of it before."""
    begin, *_ = WAYS
    async with open_echo(tmp_path) as echo, open_app(echo, "http://agent.example") as app:
        asking = Caller(begin.spell("send", {"message": begin.message("credential long:3000")}))
        asking.reads.set()
        await asking.call(app)
        task = begin.unwrap(json.loads(asking.body))["task"]["id"]
        listening = [(way, Caller(way.spell("subscribe", {"id": task}))) for way in WAYS * 2]
        async with AsyncExitStack() as calls:
            over = [await calls.enter_async_context(calling(app, each)) for _, each in listening]
            for _, early in listening[: len(WAYS)]:
                early.reads.set()
            await wait_all_tasks_blocked()
            answer = Caller(begin.spell("send", {"message": begin.message("done", taskId=task)}))
            answer.reads.set()
            await answer.call(app)
            for _, late in listening[len(WAYS) :]:
                late.reads.set()
            for each in over:
                await each.wait()
    for way, caller in listening:
        _, *events = sse.Decoder().feed(caller.body)
        numbers = [int(each.id) for each in events]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        _, *told = caller.said(way)
        words = [said.inside["artifact"]["parts"] for said in told if "artifact" in said.inside]
        text = "".join(part["text"] for parts in words for part in parts)
        assert [each for each in text.split() if each.isdigit()] == [*map(str, range(1, 3001))]
        ends = [bool(said.inside.get("final")) for said in told]
        assert ends == [False] * (len(told) - 1) + [way.old]
        assert told[-1].state == "completed"
    bodies = [caller.body for _, caller in listening]
    assert bodies[: len(WAYS)] == bodies[len(WAYS) :]


async def test_a_caller_that_does_not_read_holds_nobody_up(tmp_path: Path) -> None:
    """Nor does the task wait for it."""
    [way, *_] = WAYS
    stuck = Caller(way.spell("stream", {"message": way.message("long:1000", contextId="c")}))
    after = Caller(way.spell("send", {"message": way.message("how many", contextId="c")}))
    after.reads.set()
    async with (
        open_echo(tmp_path) as echo,
        open_app(echo, "http://agent.example") as app,
        calling(app, stuck) as over,
    ):
        await wait_all_tasks_blocked()
        await after.call(app)
        assert not over.is_set()
    assert b"this is turn 2" in after.body


async def test_buffered_or_not_the_task_is_the_same(tmp_path: Path) -> None:
    [way, *_] = WAYS
    texts = []
    for buffered in (False, True):
        options = Options(tmp_path, buffered=buffered)
        caller = Caller(way.spell("send", {"message": way.message("think long:100 plan")}))
        caller.reads.set()
        async with (
            open_echo(tmp_path) as echo,
            open_app(echo, "http://agent.example", options=options) as app,
        ):
            await caller.call(app)
        artifacts = json.loads(caller.body)["result"]["task"]["artifacts"]
        texts.append({each["artifactId"]: each["parts"][0]["text"] for each in artifacts})
    assert texts[0] == texts[1]
