"""A server ends, the store stays: what callers hear of a task is kept, and the next server brings
every task to an honest state."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing
from attrs import define, field
from msgspec import structs
from trio.testing import wait_all_tasks_blocked

from a2acore.backend import (
    AgentFailed,
    AgentInfo,
    Answer,
    Option,
    Permission,
    Question,
    Text,
    ToolCall,
    Turn,
)
from a2acore.compat import Switch
from a2acore.errors import (
    ServerStopping,
    StoreTrouble,
    TaskNotCancelable,
    TaskNotFound,
    UnsupportedOperation,
)
from a2acore.model import CancelTaskRequest, Part, SubscribeToTaskRequest, Task, TaskState
from a2acore.service import ANONYMOUS, Service
from a2acore.supervisor import open_supervisor
from a2acore.wire.shared import PermissionReply
from a2acore.work import Written
from tests.shelf import Shelf, events_of
from tests.stage import (
    WORKSPACE,
    Actor,
    artifacts_of,
    begin,
    data,
    get,
    replay,
    request,
    response,
    saying,
    send,
    states,
    subscribe,
    told,
    words,
)

MAY_I = Permission(ToolCall("t", "rm"), (Option("y", "Yes", "allow_once"),))


@define(eq=False)
class Resumable(Actor):
    """An actor who asks again what it was asking when its server ended."""

    resumed: list[str] = field(factory=list)

    async def resume(self, turn: Turn) -> str | None:
        self.resumed.append(turn.text)
        return await self.play(turn)


@asynccontextmanager
async def open_server(
    actor: Actor, shelf: Shelf, compat: Sequence[Switch] = ()
) -> AsyncIterator[Service]:
    """A server on a store that may have outlived another one."""
    with trio.fail_after(60):
        async with open_supervisor(actor, shelf, WORKSPACE, compat=compat) as supervisor:
            await supervisor.recover()
            yield Service(supervisor, shelf)


@asynccontextmanager
async def open_doomed(
    actor: Actor, shelf: Shelf, compat: Sequence[Switch] = ()
) -> AsyncIterator[Service]:
    """A server that keeps nothing of its own end: as killed."""
    async with open_server(actor, shelf, compat) as service:
        yield service
        for run in service.supervisor.runs.values():
            run.put_away()


async def ask(turn: Turn) -> None:
    turn.say(Text("asking. "))
    answer = await turn.ask(MAY_I)
    turn.say(Text("allowed" if answer.allowed else "denied"))


async def hang(turn: Turn) -> None:
    turn.say(ToolCall("t", "make", status="in_progress"))
    turn.say(Text("so far "))
    await trio.sleep_forever()


# Nobody hears of what is not kept


async def test_nothing_is_told_before_it_is_kept() -> None:
    shelf = Shelf(slow=True)

    async def play(turn: Turn) -> None:
        turn.say(Text("done"))

    answers: list[Task] = []
    async with open_server(Actor(play), shelf) as service, trio.open_nursery() as nursery:

        async def call() -> None:
            answers.append(await send(service))

        nursery.start_soon(call)
        for _ in range(2):  # its beginning, its end
            await wait_all_tasks_blocked()
            assert answers == []
            shelf.keep_all()
        await wait_all_tasks_blocked()
        assert [task.status.state for task in answers] == [TaskState.COMPLETED]


async def test_a_backend_begins_when_it_is_kept_that_it_does() -> None:
    shelf, begun = Shelf(slow=True), trio.Event()

    async def play(turn: Turn) -> None:
        begun.set()

    async with open_server(Actor(play), shelf) as service, trio.open_nursery() as nursery:
        nursery.start_soon(send, service)
        await wait_all_tasks_blocked()
        assert not begun.is_set()
        shelf.slow = False
        shelf.keep_all()
        await begun.wait()


async def test_what_is_read_is_what_is_kept() -> None:
    shelf, more = Shelf(), trio.Event()

    async def play(turn: Turn) -> None:
        turn.say(Text("one "))
        await more.wait()
        turn.say(Text("two"))

    async with open_server(Actor(play), shelf) as service:
        task, stream = await begin(service)
        shelf.slow = True
        more.set()
        await wait_all_tasks_blocked()
        seen = await get(service, task.id)
        assert (seen.status.state, response(seen)) == (TaskState.WORKING, "one ")
        late = await subscribe(service, task.id)
        assert response(late.task) == "one "
        shelf.slow = False
        shelf.keep_all()
        events = await told(late)
        assert response(replay(late.task, events)) == "one two"
        assert response(replay(stream.task, await told(stream))) == "one two"


async def test_an_answer_to_a_question_that_is_not_published_yet_does_not_count() -> None:
    shelf, go = Shelf(), trio.Event()

    async def play(turn: Turn) -> None:
        await go.wait()
        await ask(turn)

    async with open_server(Actor(play), shelf) as service, trio.open_nursery() as nursery:
        task, _ = await begin(service)
        shelf.slow = True
        go.set()
        await wait_all_tasks_blocked()
        early = saying("yes", task_id=task.id)
        nursery.start_soon(send, service, early)
        await wait_all_tasks_blocked()
        shelf.slow = False
        shelf.keep_all()
        await wait_all_tasks_blocked()
        seen = await get(service, task.id)
        assert seen.status.state is TaskState.INPUT_REQUIRED
        assert "came before this was asked" in words(seen.status.message)


# What is left


async def test_a_task_that_was_at_work_has_failed_as_interrupted() -> None:
    shelf = Shelf()
    async with open_doomed(Actor(hang), shelf) as service:
        task, _ = await begin(service)
    async with open_server(Actor(hang), shelf) as service:
        after = await get(service, task.id)
        assert after.status.state is TaskState.FAILED
        assert data(after.status.message)["stopReason"] == "interrupted"
        assert response(after) == "so far "
        tools = [data(said) for said in after.history if said.role.name == "AGENT"]
        assert [tool["status"] for tool in tools if tool["kind"] == "tool"] == ["failed"]
        with pytest.raises(UnsupportedOperation):
            await subscribe(service, task.id)


async def test_who_was_cut_off_hears_the_rest_from_the_next_server() -> None:
    shelf = Shelf()
    async with open_doomed(Actor(hang), shelf) as service:
        task, stream = await begin(service)
        await stream.follower.more()
        number = stream.follower.number
    async with open_server(Actor(hang), shelf) as service:
        again = await service.subscribe(ANONYMOUS, SubscribeToTaskRequest(task.id), after=number)
        assert again.resumed
        rest = await told(again)
        assert states(rest)[-1] == "FAILED"
        whole = await service.subscribe(ANONYMOUS, SubscribeToTaskRequest(task.id), after=0)
        assert (await told(whole))[number:] == rest
        assert whole.follower.number == again.follower.number


async def test_a_turn_that_waited_for_its_turn_is_done_once_by_the_next_server() -> None:
    shelf, done = Shelf(), []

    async def play(turn: Turn) -> None:
        if turn.text == "first":
            await trio.sleep_forever()
        done.append(turn.text)

    async with open_doomed(Actor(play), shelf) as service:
        first, _ = await begin(service, saying("first", context_id="c"))
        waiting = [
            (await send(service, saying(text, context_id="c"), wait=False)).id
            for text in ("second", "third")
        ]
    async with open_server(Actor(play), shelf) as service:
        await wait_all_tasks_blocked()
        assert (await get(service, first.id)).status.state is TaskState.FAILED
        for id in waiting:
            assert (await get(service, id)).status.state is TaskState.COMPLETED
    assert done == ["second", "third"]


async def test_a_question_is_asked_again_and_a_word_for_the_old_one_settles_nothing() -> None:
    shelf = Shelf()
    async with open_doomed(Resumable(ask), shelf) as service:
        task, _ = await begin(service)
        old = data(task.status.message)["requestId"]
    actor = Resumable(ask)
    async with open_server(actor, shelf) as service:
        await wait_all_tasks_blocked()
        assert actor.resumed == ["go"]
        asked = await get(service, task.id)
        assert asked.status.state is TaskState.INPUT_REQUIRED
        new = data(asked.status.message)["requestId"]
        assert new != old
        late = await send(service, saying("yes", task_id=task.id, ours={"requestId": old}))
        assert late.status.state is TaskState.INPUT_REQUIRED
        assert "another request" in words(late.status.message)
        answered = await send(service, saying("yes", task_id=task.id, ours={"requestId": new}))
        assert answered.status.state is TaskState.COMPLETED
        assert response(answered) == "asking. asking. allowed"


@pytest.mark.parametrize(("again", "fate"), [("t", "completed"), ("another", "cancelled")])
async def test_a_tool_that_was_left_open_was_done_only_if_its_agent_came_back_to_it(
    again: str, fate: str
) -> None:
    tools = ["t", again]

    async def play(turn: Turn) -> None:
        turn.say(ToolCall(tools.pop(0), "make"))
        await turn.ask(MAY_I)

    shelf = Shelf()
    async with open_doomed(Resumable(play), shelf) as service:
        task, _ = await begin(service)
    async with open_server(Resumable(play), shelf) as service:
        await wait_all_tasks_blocked()
        done = await send(service, saying("yes", task_id=task.id))
        told = [data(said) for said in done.history if said.role.name == "AGENT"]
        assert [tool["status"] for tool in told if tool.get("id") == "t"][-1] == fate
        assert done.status.state is TaskState.COMPLETED


async def test_a_question_of_an_agent_that_cannot_ask_again_has_failed() -> None:
    shelf = Shelf()
    async with open_doomed(Actor(ask), shelf) as service:
        task, _ = await begin(service)
    async with open_server(Actor(ask), shelf) as service:
        after = await get(service, task.id)
        assert after.status.state is TaskState.FAILED
        assert data(after.status.message)["stopReason"] == "interrupted"
        with pytest.raises(UnsupportedOperation):
            await send(service, saying("yes", task_id=task.id))


async def test_an_agent_that_finds_nothing_to_go_on_with_says_so() -> None:
    shelf = Shelf()

    @define(eq=False)
    class Forgetful(Actor):
        async def resume(self, turn: Turn) -> str | None:
            raise AgentFailed("The agent has forgotten it", stop_reason="interrupted")

    async with open_doomed(Forgetful(ask), shelf) as service:
        task, _ = await begin(service)
    async with open_server(Forgetful(ask), shelf) as service:
        await wait_all_tasks_blocked()
        after = await get(service, task.id)
        assert data(after.status.message)["stopReason"] == "interrupted"
        assert "has forgotten it" in words(after.status.message)


async def test_what_was_sent_under_a_key_is_known_to_the_next_server() -> None:
    shelf, turns = Shelf(), []

    async def play(turn: Turn) -> None:
        turns.append(turn.text)

    message = request(saying("go"))
    ids = []
    for _ in range(2):
        async with open_server(Actor(play), shelf) as service:
            task = await service.send(ANONYMOUS, message, key="k")
            assert isinstance(task, Task)
            ids.append(task.id)
    assert ids[0] == ids[1]
    assert turns == ["go"]


async def test_what_a_caller_calls_a_tool_is_no_tool_of_the_next_servers_agent() -> None:
    shelf, actor = Shelf(), Actor(hang, AgentInfo("Any", "Takes all.", input_modes=("*/*",)))
    message = saying("go")
    parts = (*message.parts, Part(data={"kind": "tool"}))
    async with open_doomed(actor, shelf) as service:
        task, _ = await begin(service, structs.replace(message, parts=parts))
    async with open_server(actor, shelf) as service:
        assert (await get(service, task.id)).status.state is TaskState.FAILED


async def test_other_forms_go_on_where_the_dead_server_was() -> None:
    shelf = Shelf()
    switches: tuple[Switch, ...] = ("shared-stream", "trace")

    async def play(turn: Turn) -> None:
        turn.say(ToolCall("t", "rm", status="in_progress"))
        await turn.ask(MAY_I)
        turn.say(ToolCall("t", "rm", status="completed"))

    async with open_doomed(Resumable(play), shelf, compat=switches) as service:
        task, _ = await begin(service)
        old = data(task.status.message)["requestId"]
    async with open_server(Resumable(play), shelf, compat=switches) as service:
        await wait_all_tasks_blocked()
        await send(service, saying("yes", task_id=task.id))
    events = events_of(shelf.logs[task.id])
    shared = [
        (event.metadata or {}).get("shared") or (event.artifact.metadata or {}).get("shared", {})
        for event in events
    ]
    numbers = [each["stream"]["sequence"] for each in shared if "stream" in each]
    assert numbers == sorted(set(numbers))
    phases = [
        (each["interrupt"]["request_id"] == old, each["interrupt"]["phase"])
        for each in shared
        if "interrupt" in each
    ]
    assert phases == [(True, "asked"), (True, "resolved"), (False, "asked"), (False, "resolved")]
    traced = [event.artifact.name for event in artifacts_of(events)]
    assert [traced.count(name) for name in ("trace.mcp.start", "trace.mcp")] == [1, 1]
    assert traced.count("trace.lifecycle") == 2  # started, finished


# A stop


async def test_a_stop_leaves_what_waits_to_the_next_server() -> None:
    shelf, done = Shelf(), []

    async def play(turn: Turn) -> None:
        done.append(turn.text)
        if turn.text == "ask":
            await ask(turn)
        elif turn.text == "hang" and done.count("hang") == 1:
            await trio.sleep_forever()

    async with open_server(Resumable(play), shelf) as service:
        asked, stream = await begin(service, "ask")
        worked, _ = await begin(service, saying("hang", context_id="c"))
        queued = await send(service, saying("late", context_id="c"), wait=False)
        await service.supervisor.drain(0)
        states(await told(stream))  # it ends
        assert (await get(service, asked.id)).status.state is TaskState.INPUT_REQUIRED
        assert (await get(service, worked.id)).status.state is TaskState.CANCELED
        assert (await get(service, queued.id)).status.state is TaskState.SUBMITTED
    assert done == ["ask", "hang"]
    async with open_server(Resumable(play), shelf) as service:
        await wait_all_tasks_blocked()
        assert (await get(service, asked.id)).status.state is TaskState.INPUT_REQUIRED
        assert (await get(service, queued.id)).status.state is TaskState.COMPLETED
    assert sorted(done[2:]) == ["ask", "late"]


async def test_who_waits_for_a_turn_that_is_left_to_the_next_server_hears_which_it_is() -> None:
    shelf, tasks = Shelf(), []

    async with open_server(Actor(hang), shelf) as service, trio.open_nursery() as nursery:
        await begin(service, saying("first", context_id="c"))

        async def call() -> None:
            tasks.append(await send(service, saying("second", context_id="c")))

        nursery.start_soon(call)
        await wait_all_tasks_blocked()
        await service.supervisor.drain(0)
        await wait_all_tasks_blocked()
        assert [task.status.state for task in tasks] == [TaskState.SUBMITTED]
        with pytest.raises(ServerStopping):  # it would be done by the next server
            await service.cancel(ANONYMOUS, CancelTaskRequest(tasks[0].id))


async def test_a_stop_does_not_wait_for_an_agent_that_insists_on_its_question(
    autojump_clock: trio.testing.MockClock,
) -> None:
    shelf, answers = Shelf(), []

    async def play(turn: Turn) -> None:
        with trio.CancelScope(shield=True):
            answers.append(await turn.ask(MAY_I))

    async with open_server(Resumable(play), shelf) as service:
        task, _ = await begin(service)
        await service.supervisor.drain(1)
    assert trio.current_time() < 30
    assert [answer.allowed for answer in answers] == [False]
    assert (await get(service, task.id)).status.state is TaskState.INPUT_REQUIRED


async def test_a_cancel_that_came_too_late_says_so_though_nobody_has_heard_of_the_end() -> None:
    shelf, done, refused = Shelf(), trio.Event(), []

    async def play(turn: Turn) -> None:
        await done.wait()

    async with open_server(Actor(play), shelf) as service, trio.open_nursery() as nursery:
        task, _ = await begin(service)
        shelf.slow = True
        done.set()
        await wait_all_tasks_blocked()

        async def cancel() -> None:
            with pytest.raises(TaskNotCancelable) as raised:
                await service.cancel(ANONYMOUS, CancelTaskRequest(task.id))
            refused.append(raised.value.message)

        nursery.start_soon(cancel)
        await wait_all_tasks_blocked()
        shelf.slow = False
        shelf.keep_all()
        await wait_all_tasks_blocked()
        assert refused == [f"Task {task.id} is COMPLETED already"]


# Under a key


async def test_who_comes_again_while_a_task_is_on_its_way_to_the_store_gets_that_one() -> None:
    shelf, ids = Shelf(slow=True), []
    message = request(saying("go"), wait=False)

    async with open_server(Actor(hang), shelf) as service:

        async def call() -> None:
            task = await service.send(ANONYMOUS, message, key="k")
            assert isinstance(task, Task)
            ids.append(task.id)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(call)
            await wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()  # the caller leaves
        async with trio.open_nursery() as nursery:
            nursery.start_soon(call)
            await wait_all_tasks_blocked()
            assert ids == []
            shelf.slow = False
            shelf.keep_all()
        assert ids == list(shelf.begun)


@pytest.mark.parametrize("waiting", [False, True])
async def test_who_was_refused_may_come_again_under_the_key_and_it_is_done_once(
    waiting: bool,
) -> None:
    shelf, first, done = Shelf(), trio.Event(), []

    async def play(turn: Turn) -> None:
        done.append(turn.text)
        if turn.text == "first":
            await first.wait()

    message = request(saying("second", context_id="c"))
    async with open_server(Actor(play), shelf) as service, trio.open_nursery() as nursery:
        if waiting:
            await begin(service, saying("first", context_id="c"))
        shelf.slow = True

        async def refused() -> None:
            with pytest.raises(StoreTrouble):
                await service.send(ANONYMOUS, message, key="k")

        nursery.start_soon(refused)
        await wait_all_tasks_blocked()
        shelf.trouble = "the disk is full"
        shelf.wake()
        await wait_all_tasks_blocked()
        shelf.trouble, shelf.slow = "", False
        shelf.keep_all()
        first.set()
        again = await service.send(ANONYMOUS, message, key="k")
        assert isinstance(again, Task)
        assert again.status.state is TaskState.COMPLETED
    assert done.count("second") == 1


# Trouble


async def test_a_turn_whose_time_comes_in_a_trouble_waits_for_its_end() -> None:
    shelf, first = Shelf(), trio.Event()

    async def play(turn: Turn) -> None:
        if turn.text == "first":
            await first.wait()

    async with open_server(Actor(play), shelf) as service:
        await begin(service, saying("first", context_id="c"))
        second = await send(service, saying("second", context_id="c"), wait=False)
        shelf.trouble = "the disk is full"
        first.set()
        await wait_all_tasks_blocked()
        shelf.trouble = ""
        shelf.keep_all()
        await wait_all_tasks_blocked()
        assert (await get(service, second.id)).status.state is TaskState.COMPLETED


async def test_a_question_stays_when_its_answer_cannot_be_taken() -> None:
    shelf, heard = Shelf(), []

    async def play(turn: Turn) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(work, turn)
            heard.append((await turn.ask(Question("Which one?"))).words)

    async def work(turn: Turn) -> None:
        await wait_all_tasks_blocked()
        turn.say(Text("meanwhile"))

    async with open_server(Actor(play), shelf) as service:
        task, _ = await begin(service)
        answer = saying("that one", task_id=task.id)
        shelf.full = True
        with pytest.raises(StoreTrouble):
            await send(service, answer)
        assert (await get(service, task.id)).status.state is TaskState.INPUT_REQUIRED
        shelf.full = False
        done = await send(service, answer)
        assert (done.status.state, response(done)) == (TaskState.COMPLETED, "meanwhile")
        assert [said.message_id for said in done.history].count(answer.message_id) == 1
    assert heard == ["that one"]


async def test_what_could_not_be_asked_holds_nothing_back() -> None:
    shelf, asked = Shelf(), trio.Event()

    async def play(turn: Turn) -> None:
        shelf.full = True
        with pytest.raises(StoreTrouble):
            await turn.ask(MAY_I)
        shelf.full = False
        turn.say(Text("then not"))
        asked.set()
        await trio.sleep_forever()

    async with open_server(Actor(play), shelf) as service:
        task, _ = await begin(service)
        await asked.wait()
        seen = await get(service, task.id)
        assert (seen.status.state, response(seen)) == (TaskState.WORKING, "then not")


async def test_a_stop_does_not_wait_for_the_end_of_a_question_that_cannot_be_kept(
    autojump_clock: trio.testing.MockClock,
) -> None:
    shelf = Shelf()
    async with open_server(Actor(ask), shelf) as service:
        await begin(service)
        shelf.trouble = "the disk is full"
        await service.supervisor.drain(1)
        assert trio.current_time() < 30


async def test_nothing_new_is_promised_when_nothing_can_be_kept() -> None:
    shelf = Shelf()
    async with open_server(Actor(hang), shelf) as service:
        task, _ = await begin(service)
        shelf.trouble = "the disk is full"
        with pytest.raises(StoreTrouble, match="the disk is full"):
            await send(service)
        with pytest.raises(StoreTrouble):
            await send(service, saying("yes", task_id=task.id))
        with pytest.raises(StoreTrouble):
            await service.cancel(ANONYMOUS, CancelTaskRequest(task.id))
        assert (await get(service, task.id)).status.state is TaskState.WORKING
        shelf.trouble = ""
        await wait_all_tasks_blocked()
        shelf.keep_all()
        await wait_all_tasks_blocked()
        assert (await get(service, task.id)).status.state is TaskState.CANCELED


async def test_a_turn_whose_beginning_cannot_be_kept_is_not_done() -> None:
    shelf, begun = Shelf(slow=True), []

    async def play(turn: Turn) -> None:
        begun.append(turn.text)

    async with open_server(Actor(play), shelf) as service, trio.open_nursery() as nursery:

        async def refused() -> None:
            with pytest.raises(StoreTrouble):
                await send(service)

        nursery.start_soon(refused)
        await wait_all_tasks_blocked()
        shelf.trouble = "the disk is full"
        shelf.wake()
        await wait_all_tasks_blocked()
        shelf.trouble, shelf.slow = "", False
        shelf.keep_all()
    assert begun == []


async def test_a_stop_does_not_wait_for_a_store_that_is_in_trouble(
    autojump_clock: trio.testing.MockClock,
) -> None:
    shelf = Shelf()
    async with open_server(Actor(hang), shelf) as service:
        _, stream = await begin(service)
        shelf.trouble = "the disk is full"
        before = trio.current_time()
        await service.supervisor.drain(1)
        assert trio.current_time() - before < 30
        await told(stream)
        with pytest.raises(TaskNotFound):
            await get(service, "unknown")


async def test_questions_and_free_answers_are_resumed_as_permissions_are() -> None:
    shelf, answers = Shelf(), []

    async def play(turn: Turn) -> None:
        answer: Answer = await turn.ask(Question("Which one?"))
        answers.append(answer.words)

    async with open_doomed(Resumable(play), shelf) as service:
        task, _ = await begin(service)
    async with open_server(Resumable(play), shelf) as service:
        await wait_all_tasks_blocked()
        done = await send(service, saying("that one", task_id=task.id))
        assert done.status.state is TaskState.COMPLETED
    assert answers == ["that one"]


async def test_an_agent_hears_an_answer_when_it_is_kept() -> None:
    shelf, heard = Shelf(), []

    async def play(turn: Turn) -> None:
        answer: Answer = await turn.ask(Question("Which one?"))
        heard.append(answer.words)

    async with open_server(Actor(play), shelf) as service, trio.open_nursery() as nursery:
        task, _ = await begin(service)
        shelf.slow = True
        nursery.start_soon(send, service, saying("that one", task_id=task.id))
        await wait_all_tasks_blocked()
        assert heard == []
        shelf.slow = False
        shelf.keep_all()
        await wait_all_tasks_blocked()
        assert heard == ["that one"]


async def test_an_answer_in_another_form_is_taken_when_it_is_kept() -> None:
    shelf, answered = Shelf(), trio.Event()

    async with open_server(Actor(ask), shelf) as service, trio.open_nursery() as nursery:
        task, _ = await begin(service)
        reply = PermissionReply(data(task.status.message)["requestId"], "once")
        shelf.slow = True

        async def answer() -> None:
            await service.answer(ANONYMOUS, reply)
            answered.set()

        nursery.start_soon(answer)
        await wait_all_tasks_blocked()
        assert not answered.is_set()
        shelf.slow = False
        shelf.keep_all()
        await answered.wait()


async def test_who_joins_again_as_a_task_ends_hears_the_end() -> None:
    @define(eq=False)
    class Slowly(Shelf):
        found: trio.Event = field(factory=trio.Event)

        async def events(self, task_id: str, after: int) -> Sequence[Written] | None:
            past = await super().events(task_id, after)
            await self.found.wait()
            return past

    shelf, streams, done = Slowly(), [], trio.Event()
    async with open_doomed(Resumable(ask), shelf) as service:
        task, _ = await begin(service)

    async def play(turn: Turn) -> None:
        await done.wait()

    async with open_server(Resumable(play), shelf) as service, trio.open_nursery() as nursery:

        async def join() -> None:
            again = SubscribeToTaskRequest(task.id)
            streams.append(await service.subscribe(ANONYMOUS, again, after=1))

        nursery.start_soon(join)
        await wait_all_tasks_blocked()
        done.set()
        await wait_all_tasks_blocked()
        shelf.found.set()
        await wait_all_tasks_blocked()
        assert states(await told(streams[0]))[-1] == "COMPLETED"


async def test_who_was_cut_off_from_an_ended_task_hears_that_one_and_no_other() -> None:
    shelf = Shelf()

    async def play(turn: Turn) -> None:
        turn.say(Text(turn.text))

    async with open_server(Actor(play), shelf) as service:
        for text in ("mine", "yours"):
            task = await send(service, text)
            again = SubscribeToTaskRequest(task.id)
            stream = await service.subscribe(ANONYMOUS, again, after=0)
            news = await stream.follower.more()
            assert {event.task_id for event in news} == {task.id}
            shown = stream.follower.texts("form", news, lambda event: event.task_id.encode())
            assert set(shown) == {task.id.encode()}
