"""A server ends, the store stays: what callers hear of a task is kept, and the next server brings
every task to an honest state."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing
from attrs import define, field
from trio.testing import wait_all_tasks_blocked

from a2acore.backend import (
    AgentFailed,
    Answer,
    Option,
    Permission,
    Question,
    Text,
    ToolCall,
    Turn,
)
from a2acore.errors import StoreTrouble, TaskNotFound, UnsupportedOperation
from a2acore.model import CancelTaskRequest, SubscribeToTaskRequest, Task, TaskState
from a2acore.service import ANONYMOUS, Service
from a2acore.supervisor import open_supervisor
from tests.shelf import Shelf
from tests.stage import (
    WORKSPACE,
    Actor,
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
async def open_server(actor: Actor, shelf: Shelf) -> AsyncIterator[Service]:
    """A server on a store that may have outlived another one."""
    with trio.fail_after(60):
        async with open_supervisor(actor, shelf, WORKSPACE) as supervisor:
            await supervisor.recover()
            yield Service(supervisor, shelf)


@asynccontextmanager
async def open_doomed(actor: Actor, shelf: Shelf) -> AsyncIterator[Service]:
    """A server that keeps nothing of its own end: as killed."""
    async with open_server(actor, shelf) as service:
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


# Trouble


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


async def test_who_was_cut_off_from_an_ended_task_hears_that_one_and_no_other() -> None:
    shelf = Shelf()

    async def play(turn: Turn) -> None:
        turn.say(Text(turn.text))

    async with open_server(Actor(play), shelf) as service:
        for text in ("mine", "yours"):
            task = await send(service, text)
            again = SubscribeToTaskRequest(task.id)
            stream = await service.subscribe(ANONYMOUS, again, after=0)
            for number, event in enumerate(await told(stream), 1):
                assert event.task_id == task.id
                shown = stream.follower.text(number, "form", lambda: task.id.encode())  # noqa: B023
                assert shown == task.id.encode()
