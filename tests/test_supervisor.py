"""The life of a turn, from the outside: what a backend does, and what becomes of its task."""

from __future__ import annotations

import gc
import logging
import weakref
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
import trio
from msgspec import structs
from trio.testing import MockClock, wait_all_tasks_blocked

from a2acore.backend import (
    AgentFailed,
    AgentRefused,
    Answer,
    BackendError,
    Credential,
    FileChange,
    Permission,
    Question,
    Text,
    ToolCall,
    Turn,
    Usage,
)
from a2acore.errors import ServerStopping, TooBusy, UnsupportedOperation
from a2acore.limits import LIMITS
from a2acore.model import CancelTaskRequest, Task, TaskState
from a2acore.policy import Policy
from a2acore.service import ANONYMOUS, Service, Stream
from a2acore.store import MemoryStore
from a2acore.supervisor import LAST_WORDS
from tests.stage import (
    artifacts_of,
    begin,
    data,
    get,
    open_stage,
    replay,
    response,
    saying,
    send,
    states,
    subscribe,
    told,
    words,
)


async def cancel(service: Service, task: Task) -> Task:
    return await service.cancel(ANONYMOUS, CancelTaskRequest(task.id))


async def for_ever(turn: Turn) -> str | None:
    await trio.sleep_forever()
    return None


# The ends


async def test_a_backend_that_returns_completes_its_task() -> None:
    async def play(turn: Turn) -> str | None:
        turn.say(Text("Hello, "))
        turn.say(Text(turn.text))
        turn.say(Usage(input_tokens=2))
        return "end_turn"

    async with open_stage(play) as service:
        task = await send(service, "caller")
    assert (task.status.state, response(task)) == (TaskState.COMPLETED, "Hello, caller")
    end = data(task.status.message)
    assert (end["stopReason"], end["usage"]) == ("end_turn", {"inputTokens": 2})
    assert end.keys() == {"kind", "stopReason", "durationMs", "usage"}


class Odd(BackendError):
    stop_reason = "odd"


BAD_ENDS: list[tuple[BaseException, TaskState, str, str]] = [
    (BackendError("No."), TaskState.FAILED, "No.", "error"),
    (BackendError("Full.", stop_reason="max_tokens"), TaskState.FAILED, "Full.", "max_tokens"),
    (AgentFailed("It broke."), TaskState.FAILED, "It broke.", "crashed"),
    (AgentRefused("I will not."), TaskState.REJECTED, "I will not.", "refusal"),
    (Odd("Odd."), TaskState.FAILED, "Odd.", "odd"),
    (AgentFailed("lone \udcff byte"), TaskState.FAILED, "lone ? byte", "crashed"),
    (ExceptionGroup("", [AgentRefused("No.")]), TaskState.REJECTED, "No.", "refusal"),
    (
        ExceptionGroup("", [ExceptionGroup("", [AgentFailed("Deep.")])]),
        TaskState.FAILED,
        "Deep.",
        "crashed",
    ),
]


@pytest.mark.parametrize(("error", "state", "text", "stop_reason"), BAD_ENDS)
async def test_a_backend_error_ends_the_task_as_it_says(
    error: Exception, state: TaskState, text: str, stop_reason: str
) -> None:
    async def play(turn: Turn) -> str | None:
        raise error

    async with open_stage(play) as service:
        task = await send(service)
    assert (task.status.state, words(task.status.message)) == (state, text)
    assert data(task.status.message)["stopReason"] == stop_reason


BUGS: list[tuple[Exception, str]] = [
    (ValueError("a secret"), "Internal error (ValueError)"),
    (ExceptionGroup("", [KeyError("a secret")]), "Internal error (KeyError)"),
    (ExceptionGroup("", [ValueError("a secret"), AgentFailed("It broke.")]), "It broke."),
]


@pytest.mark.parametrize(("bug", "text"), BUGS)
async def test_a_bug_fails_its_own_task_alone_and_is_told_to_the_log_not_to_the_caller(
    bug: Exception, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def play(turn: Turn) -> str | None:
        if turn.text == "bug":
            raise bug
        return (await turn.ask(Question("?"))).words

    async with open_stage(play) as service:
        other = await send(service, "other")
        task = await send(service, "bug")
        assert (task.status.state, words(task.status.message)) == (TaskState.FAILED, text)
        after = await send(service, saying("done", task_id=other.id))
    assert after.status.state is TaskState.COMPLETED
    (logged,) = caplog.records
    assert logged.levelno == logging.ERROR
    assert task.id in logged.getMessage()
    assert "a secret" in caplog.text


def nested(depth: int) -> list[Any]:
    whole: list[Any] = []
    for _ in range(depth):
        whole = [whole]
    return whole


@pytest.mark.parametrize(
    "unspeakable",
    [
        Text("\ud800"),
        ToolCall("1", input=object()),
        ToolCall("1", input=nested(90)),
        ToolCall("1", input=nested(2000)),
        FileChange("a", "\udcff", ""),
    ],
)
@pytest.mark.parametrize("paused", [False, True])
async def test_saying_what_no_json_can_hold_fails_the_task_that_says_it_and_nothing_else(
    unspeakable: Text | ToolCall | FileChange, paused: bool
) -> None:
    async def play(turn: Turn) -> str | None:
        async with trio.open_nursery() as nursery:
            if paused:
                nursery.start_soon(turn.ask, Question("?"))
                await wait_all_tasks_blocked()
            turn.say(unspeakable)
        return None

    async with open_stage(play) as service:
        task, stream = await begin(service)
        await told(stream)
        task = await get(service, task.id)
    assert task.status.state is TaskState.FAILED
    assert words(task.status.message).startswith("Internal error")


@pytest.mark.parametrize(
    "unspeakable",
    [Question("\ud800"), Permission(ToolCall("1", input=object())), Credential("", "\udcff")],
)
async def test_a_question_that_cannot_be_shown_is_not_asked(
    unspeakable: Question | Permission | Credential,
) -> None:
    async def play(turn: Turn) -> str | None:
        with pytest.raises((TypeError, ValueError)):
            await turn.ask(unspeakable)
        turn.say(Text("still here"))
        return (await turn.ask(Question("And now?"))).words

    async with open_stage(play) as service:
        task = await send(service)
        assert words(task.status.message) == "And now?"
        assert response(task) == "still here"
        task = await send(service, saying("fine", task_id=task.id))
    assert data(task.status.message)["stopReason"] == "fine"


async def test_what_is_said_after_the_end_is_lost() -> None:
    turns: list[Turn] = []

    async def play(turn: Turn) -> str | None:
        turns.append(turn)
        return None

    async with open_stage(play) as service:
        task = await send(service)
        turns[0].say(Text("one more thing"))
        assert await get(service, task.id) == task
    assert response(task) == ""


async def test_no_tool_stays_open_when_its_task_ends() -> None:
    async def play(turn: Turn) -> str | None:
        turn.say(ToolCall("1", "ls", status="in_progress"))
        match turn.text:
            case "return":
                return None
            case "raise":
                raise AgentFailed("Gone.")
        await trio.sleep_forever()
        return None

    async with open_stage(play) as service:
        fates = {}
        for text in ("return", "raise"):
            fates[text] = (await send(service, text)).history
        task, _ = await begin(service, "cancel")
        fates["cancel"] = (await cancel(service, task)).history
    assert {text: data(history[-1])["status"] for text, history in fates.items()} == {
        "return": "completed",
        "raise": "failed",
        "cancel": "cancelled",
    }


async def test_a_buffered_answer_is_told_whole_before_the_task_pauses_and_before_it_ends() -> None:
    async def play(turn: Turn) -> str | None:
        for piece in ("a", "b"):
            turn.say(Text(piece))
        await turn.ask(Question("?"))
        for piece in ("c", "d"):
            turn.say(Text(piece))
        return None

    async with open_stage(play, buffered=True) as service:
        task, stream = await begin(service)
        assert response(task) == "ab"
        await send(service, saying(task_id=task.id))
        events = await told(stream)
    assert response(replay(stream.task, events)) == "abcd"
    assert [e.artifact.parts[0].text for e in artifacts_of(events)] == ["ab", "cd", ""]


# Asking


async def test_an_answer_reaches_the_one_who_asked() -> None:
    answers: list[Answer] = []

    async def play(turn: Turn) -> str | None:
        answers.append(await turn.ask(Question("Which?")))
        return None

    async with open_stage(play) as service:
        task = await send(service)
        assert task.status.state is TaskState.INPUT_REQUIRED
        done = await send(service, saying("this one", task_id=task.id))
    assert answers == [Answer(True, None, "this one")]
    assert done.status.state is TaskState.COMPLETED
    spoken = [words(message) for message in done.history]
    assert spoken == ["go", "Which?", "this one"]


async def test_the_states_of_a_task_that_asks_for_a_credential() -> None:
    async def play(turn: Turn) -> str | None:
        await turn.ask(Credential("Sign in."))
        return None

    async with open_stage(play) as service:
        task, stream = await begin(service)
        await send(service, saying("done", task_id=task.id))
        assert states(await told(stream)) == ["WORKING", "AUTH_REQUIRED", "WORKING", "COMPLETED"]


async def test_questions_that_are_asked_at_once_are_shown_one_after_the_other() -> None:
    answers: dict[str, str] = {}

    async def play(turn: Turn) -> str | None:
        async def ask(question: str) -> None:
            answers[question] = (await turn.ask(Question(question))).words

        async with trio.open_nursery() as nursery:
            for question in ("one", "two", "three"):
                nursery.start_soon(ask, question)
        return None

    async with open_stage(play) as service:
        task = await send(service)
        while task.status.state is TaskState.INPUT_REQUIRED:
            question = data(task.status.message)["question"]
            task = await send(service, saying(f"to {question}", task_id=task.id))
    assert task.status.state is TaskState.COMPLETED
    assert answers == {question: f"to {question}" for question in ("one", "two", "three")}


async def test_a_second_yes_does_not_answer_a_question_that_was_not_shown_yet() -> None:
    answers: list[Answer] = []

    async def play(turn: Turn) -> str | None:
        async def ask() -> None:
            answers.append(await turn.ask(Permission(ToolCall("1", "rm"))))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            nursery.start_soon(ask)
        return None

    async with open_stage(play) as service:
        task = await send(service)
        run = service.supervisor.runs[task.id]
        # Both in one breath: no other task gets to run between them.
        run.questions.reply(saying("yes", task_id=task.id), run.questions.pause, "anonymous")
        with pytest.raises(Exception, match="has asked nothing"):
            run.questions.reply(saying("yes", task_id=task.id), run.questions.pause, "anonymous")
        await wait_all_tasks_blocked()
        assert len(answers) == 1
        assert (await get(service, task.id)).status.state is TaskState.INPUT_REQUIRED
        await send(service, saying("no", task_id=task.id))
    assert [answer.allowed for answer in answers] == [True, False]


async def test_a_yes_that_is_delivered_twice_counts_once() -> None:
    answers: list[Answer] = []

    async def play(turn: Turn) -> str | None:
        for _ in range(2):
            answers.append(await turn.ask(Permission(ToolCall("1", "rm"))))
        return None

    async with open_stage(play) as service:
        task = await send(service)
        yes = saying("yes", task_id=task.id)
        task = await send(service, yes)
        first = data(task.status.message)["requestId"]
        task = await send(service, yes)
        assert len(answers) == 1
        assert words(task.status.message).startswith("That message was heard before")
        assert data(task.status.message)["requestId"] == first
        assert [message.message_id for message in task.history].count(yes.message_id) == 1
        task = await send(service, saying("no", task_id=task.id))
    assert [answer.allowed for answer in answers] == [True, False]


async def test_the_message_that_began_the_task_answers_nothing() -> None:
    async def play(turn: Turn) -> str | None:
        return "allowed" if (await turn.ask(Permission(ToolCall("1")))).allowed else "denied"

    async with open_stage(play) as service:
        yes = saying("yes")
        task = await send(service, yes)
        again = await send(service, structs.replace(yes, task_id=task.id))
        assert again.status.state is TaskState.INPUT_REQUIRED
        task = await send(service, saying("no", task_id=task.id))
    assert data(task.status.message)["stopReason"] == "denied"


async def test_an_answer_to_another_request_is_kept_and_the_question_restated() -> None:
    async def play(turn: Turn) -> str | None:
        return "allowed" if (await turn.ask(Permission(ToolCall("1")))).allowed else "denied"

    async with open_stage(play) as service:
        task = await send(service)
        stale = saying("yes", task_id=task.id, ours={"requestId": "stale"})
        again = await send(service, stale)
        assert again.status.state is TaskState.INPUT_REQUIRED
        assert words(again.status.message).startswith("That answer names another request")
        assert data(again.status.message) == data(task.status.message)
        assert [words(message)[:10] for message in again.history] == ["go", "Permission", "yes"]
        right = {"requestId": data(again.status.message)["requestId"]}
        task = await send(service, saying("yes", task_id=task.id, ours=right))
    assert data(task.status.message)["stopReason"] == "allowed"


async def test_what_is_said_while_the_task_is_paused_comes_after_the_answer_and_in_order() -> None:
    async def play(turn: Turn) -> str | None:
        async def talk() -> None:
            for piece in ("a", "b", "c"):
                turn.say(Text(piece))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(turn.ask, Question("?"))
            await wait_all_tasks_blocked()
            nursery.start_soon(talk)
        return None

    async with open_stage(play) as service:
        task, stream = await begin(service)
        await wait_all_tasks_blocked()
        assert (response(task), words(task.status.message)) == ("", "?")
        await send(service, saying(task_id=task.id))
        events = await told(stream)
    assert response(replay(stream.task, events)) == "abc"
    assert states(events) == ["WORKING", "INPUT_REQUIRED", "WORKING", "COMPLETED"]


async def test_what_is_said_while_the_task_is_paused_keeps_its_place_when_it_is_cancelled() -> None:
    async def play(turn: Turn) -> str | None:
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(turn.ask, Question("?"))
                await wait_all_tasks_blocked()
                turn.say(Text("said, "))
                turn.say(ToolCall("1", "ls"))
        finally:
            turn.say(Text("and left"))
        return None

    async with open_stage(play) as service:
        task, _ = await begin(service)
        await wait_all_tasks_blocked()
        task = await cancel(service, task)
    assert (task.status.state, response(task)) == (TaskState.CANCELED, "said, and left")
    assert data(task.history[-1])["status"] == "cancelled"


async def test_a_question_that_is_withdrawn_is_answered_by_nothing(
    autojump_clock: MockClock,
) -> None:
    async def play(turn: Turn) -> str | None:
        with trio.move_on_after(10):
            await turn.ask(Permission(ToolCall("1", "rm")))
        turn.say(Text("never mind"))
        await trio.sleep(10)
        return None

    async with open_stage(play) as service:
        task = await send(service)
        await trio.sleep(15)
        now = await get(service, task.id)
        assert (now.status.state, response(now)) == (TaskState.WORKING, "never mind")
        with pytest.raises(Exception, match="has asked nothing"):
            await send(service, saying("yes", task_id=task.id))


# Cancelling


async def test_a_cancelled_task_is_canceled_in_whatever_phase_it_was() -> None:
    async def play(turn: Turn) -> str | None:
        if turn.text == "ask":
            await turn.ask(Question("?"))
        await trio.sleep_forever()
        return None

    async with open_stage(play) as service:
        working, working_stream = await begin(service, saying("work", context_id="c"))
        queued, queued_stream = await begin(service, saying("wait", context_id="c"))
        paused, paused_stream = await begin(service, "ask")
        assert [task.status.state.name for task in (working, queued, paused)] == [
            "WORKING",
            "SUBMITTED",
            "INPUT_REQUIRED",
        ]
        for task, stream in (
            (queued, queued_stream),
            (working, working_stream),
            (paused, paused_stream),
        ):
            ended = await cancel(service, task)
            assert ended.status.state is TaskState.CANCELED
            assert words(ended.status.message) == "Cancelled by the caller."
            assert data(ended.status.message)["stopReason"] == "cancelled"
            assert replay(stream.task, await told(stream)).status == ended.status


async def test_a_task_that_is_cancelled_before_it_began_never_reaches_its_backend() -> None:
    begun: list[str] = []

    async def play(turn: Turn) -> str | None:
        begun.append(turn.text)
        return None

    async with open_stage(play) as service:
        run = service.supervisor.start("anonymous", saying("never"), {})
        run.cancel("Cancelled by the caller.")
        await run.ended.wait()
        assert run.record.state is TaskState.CANCELED
    assert begun == []


async def shrug(turn: Turn) -> str | None:
    with suppress(trio.Cancelled):
        await trio.sleep_forever()
    return "end_turn"


async def complain(turn: Turn) -> str | None:
    try:
        await trio.sleep_forever()
    finally:
        raise AgentFailed("I was not finished.")


async def stumble(turn: Turn) -> str | None:
    async def last_words() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise ValueError("a bug on the way out")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(last_words)
        await trio.sleep_forever()
    return None


@pytest.mark.parametrize("play", [shrug, complain, stumble])
async def test_the_callers_cancel_wins_over_what_the_backend_makes_of_it(
    play: Callable[[Turn], Awaitable[str | None]], caplog: pytest.LogCaptureFixture
) -> None:
    async with open_stage(play) as service:
        task, stream = await begin(service)
        ended = await cancel(service, task)
        assert ended.status.state is TaskState.CANCELED
        assert states(await told(stream)) == ["WORKING", "CANCELED"]
    assert ("a bug on the way out" in caplog.text) is (play is stumble)


async def test_cancelling_twice_at_once_gives_the_same_task_twice() -> None:
    stopping = trio.Event()
    stopped = trio.Event()

    async def play(turn: Turn) -> str | None:
        try:
            await trio.sleep_forever()
        finally:
            stopping.set()
            with trio.CancelScope(shield=True):
                await stopped.wait()
        return None

    async with open_stage(play) as service:
        task, _ = await begin(service)
        ended: list[Task] = []

        async def stop() -> None:
            ended.append(await cancel(service, task))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(stop)
            await stopping.wait()
            assert (await get(service, task.id)).status.state is TaskState.WORKING
            nursery.start_soon(stop)
            await wait_all_tasks_blocked()
            assert ended == []
            stopped.set()
    assert ended[0] == ended[1]
    assert ended[0].status.state is TaskState.CANCELED


async def test_an_answer_that_comes_while_the_task_is_being_cancelled_is_refused() -> None:
    async def play(turn: Turn) -> str | None:
        await turn.ask(Question("?"))
        return None

    async with open_stage(play) as service:
        task, stream = await begin(service)
        run = service.supervisor.runs[task.id]
        run.cancel("Cancelled by the caller.")
        with pytest.raises(UnsupportedOperation, match="being cancelled"):
            run.questions.reply(saying("yes", task_id=task.id), run.questions.pause, "anonymous")
        await run.ended.wait()
        assert states(await told(stream)) == ["WORKING", "INPUT_REQUIRED", "CANCELED"]


async def test_what_a_backend_says_while_it_stops_is_told() -> None:
    async def play(turn: Turn) -> str | None:
        try:
            await trio.sleep_forever()
        finally:
            turn.say(Text("bye"))
        return None

    async with open_stage(play) as service:
        task, _ = await begin(service)
        assert response(await cancel(service, task)) == "bye"


# Contexts


async def test_a_context_does_one_turn_at_a_time_in_the_order_of_their_coming(
    autojump_clock: MockClock,
) -> None:
    played: list[str] = []
    busy = 0

    async def play(turn: Turn) -> str | None:
        nonlocal busy
        busy += 1
        assert busy == 1
        played.append(turn.text)
        await trio.sleep(1)
        busy -= 1
        return None

    async with open_stage(play) as service:
        for number in range(6):
            # Without a wait between them, so that trio may start them in any order.
            service.supervisor.start("anonymous", saying(str(number), context_id="c"), {})
        await send(service, saying("last", context_id="c"))
    assert played == ["0", "1", "2", "3", "4", "5", "last"]


async def test_who_has_to_wait_is_told_how_many_come_first() -> None:
    async with open_stage(for_ever) as service:
        tasks = [await send(service, saying(context_id="c"), wait=False) for _ in range(3)]
        assert tasks[0].status.message is None
        assert words(tasks[1].status.message) == "Waiting for 1 turn in this context"
        assert words(tasks[2].status.message) == "Waiting for 2 turns in this context"
        assert data(tasks[2].status.message) == {"kind": "queued", "ahead": 2}
        assert {task.status.state for task in tasks} == {TaskState.SUBMITTED}


async def test_cancelling_one_who_waits_does_not_let_the_next_one_jump_the_line() -> None:
    played: list[str] = []
    go = trio.Event()

    async def play(turn: Turn) -> str | None:
        played.append(turn.text)
        await go.wait()
        return None

    async with open_stage(play) as service:
        _first, second, third = [
            (await begin(service, saying(text, context_id="c")))[0] for text in ("1", "2", "3")
        ]
        await cancel(service, second)
        await wait_all_tasks_blocked()
        assert played == ["1"]
        stream = await subscribe(service, third.id)
        go.set()
        await told(stream)
    assert played == ["1", "3"]


async def test_a_full_context_refuses_and_takes_again_when_there_is_room() -> None:
    async with open_stage(for_ever) as service:
        tasks = [
            await send(service, saying(context_id="c"), wait=False)
            for _ in range(LIMITS.waiting + 1)
        ]
        with pytest.raises(TooBusy, match="context c"):
            await send(service, saying(context_id="c"), wait=False)
        await send(service, saying(context_id="d"), wait=False)
        await cancel(service, tasks[5])
        await send(service, saying(context_id="c"), wait=False)


async def test_one_context_does_not_wait_for_another() -> None:
    async def play(turn: Turn) -> str | None:
        if turn.text == "slow":
            await trio.sleep_forever()
        return None

    async with open_stage(play) as service:
        await begin(service, saying("slow", context_id="c"))
        task = await send(service, saying("quick", context_id="d"))
        assert task.status.state is TaskState.COMPLETED


async def test_a_pause_keeps_its_turn() -> None:
    async def play(turn: Turn) -> str | None:
        if turn.text == "ask":
            await turn.ask(Question("?"))
        return None

    async with open_stage(play) as service:
        paused = await send(service, saying("ask", context_id="c"))
        waiting, stream = await begin(service, saying("next", context_id="c"))
        assert waiting.status.state is TaskState.SUBMITTED
        await send(service, saying("answer", task_id=paused.id))
        assert states(await told(stream)) == ["WORKING", "COMPLETED"]


# Stopping


async def test_draining_lets_tasks_end_within_the_grace_and_cancels_the_rest(
    autojump_clock: MockClock,
) -> None:
    async def play(turn: Turn) -> str | None:
        await trio.sleep(float(turn.text))
        return None

    async with open_stage(play) as service:
        streams = {}
        for seconds in ("1", "9", "11", "inf"):
            _, streams[seconds] = await begin(service, seconds)
        before = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(service.supervisor.drain, 10)
            await wait_all_tasks_blocked()
            with pytest.raises(ServerStopping):
                await send(service, "1")
        assert trio.current_time() - before == pytest.approx(10, abs=0.1)
        stories = {text: await told(stream) for text, stream in streams.items()}
    assert {text: states(story)[-1] for text, story in stories.items()} == {
        "1": "COMPLETED",
        "9": "COMPLETED",
        "11": "CANCELED",
        "inf": "CANCELED",
    }
    last = replay(streams["inf"].task, stories["inf"]).status.message
    assert words(last) == "The server stopped."


async def test_draining_ends_early_when_nothing_is_left(autojump_clock: MockClock) -> None:
    async def play(turn: Turn) -> str | None:
        await trio.sleep(1)
        return None

    async with open_stage(play) as service:
        await begin(service)
        await service.supervisor.drain(1000)
        assert trio.current_time() < 10


async def test_a_paused_task_does_not_hold_up_the_stop(autojump_clock: MockClock) -> None:
    async def play(turn: Turn) -> str | None:
        await turn.ask(Question("?"))
        return None

    async with open_stage(play) as service:
        task = await send(service)
        await service.supervisor.drain(1000)
        assert trio.current_time() < 10
        assert (await get(service, task.id)).status.state is TaskState.CANCELED


async def test_a_backend_that_does_not_let_go_holds_up_neither_a_cancel_nor_a_follower(
    autojump_clock: MockClock,
) -> None:
    released = trio.Event()

    async def play(turn: Turn) -> str | None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await released.wait()
        return None

    async with open_stage(play) as service:
        task, stream = await begin(service)
        cancelled = await cancel(service, task)
        assert cancelled.status.state is TaskState.CANCELED
        assert trio.current_time() < LAST_WORDS + 1
        assert states(await told(stream))[-1] == "CANCELED"
        released.set()


async def test_leaving_the_supervisor_ends_every_task_and_every_follower_hears_it() -> None:
    stories: list[list[str]] = []

    async def listen(stream: Stream) -> None:
        stories.append(states(await told(stream)))

    async with trio.open_nursery() as nursery, open_stage(for_ever) as service:
        for text in ("1", "2", "3"):
            _, stream = await begin(service, saying(text, context_id="c"))

            nursery.start_soon(listen, stream)
    assert [story[-1] for story in stories] == ["CANCELED"] * 3


async def test_cancelling_the_server_from_outside_ends_its_tasks_as_canceled() -> None:
    store = MemoryStore()
    with trio.CancelScope() as server:
        async with open_stage(for_ever, store=store) as service:
            working, _ = await begin(service, saying(context_id="c"))
            waiting, _ = await begin(service, saying(context_id="c"))
            server.cancel()
            await trio.sleep_forever()
    for task in (working, waiting):
        entry = await store.find(task.id)
        assert entry is not None
        assert entry.state is TaskState.CANCELED
        assert words(entry.task().status.message) == "The server stopped."


async def test_an_error_in_the_servers_own_block_still_ends_its_tasks() -> None:
    store = MemoryStore()
    with pytest.raises(LookupError):  # noqa: PT012
        async with open_stage(for_ever, store=store) as service:
            task, _ = await begin(service)
            raise LookupError
    entry = await store.find(task.id)
    assert entry is not None
    assert entry.state is TaskState.CANCELED


async def test_a_backend_stops_politely_before_the_supervisor_is_left(
    autojump_clock: MockClock,
) -> None:
    stopped = False

    async def play(turn: Turn) -> str | None:
        nonlocal stopped
        try:
            await trio.sleep_forever()
        finally:
            with trio.move_on_after(5, shield=True):
                await trio.sleep(1)
                stopped = True
        return None

    async with open_stage(play) as service:
        await begin(service)
    assert stopped


async def test_a_task_runs_in_a_trio_task_of_its_name() -> None:
    names: list[str] = []

    async def play(turn: Turn) -> str | None:
        names.append(trio.lowlevel.current_task().name)
        return None

    async with open_stage(play) as service:
        task = await send(service)
    assert names == [f"task {task.id}"]


async def test_nothing_is_left_of_a_task_that_has_ended() -> None:
    async with open_stage(for_ever) as service:
        task, _ = await begin(service, saying(context_id="c"))
        assert set(service.supervisor.runs) == {task.id}
        await cancel(service, task)
        assert service.supervisor.runs == {}


@pytest.mark.parametrize("fate", ["completed", "failed", "asked", "cancelled", "followed"])
async def test_what_a_task_was_told_goes_with_it_and_waits_for_no_collector(fate: str) -> None:
    """It is a lot, and the collector sees little of it: it does not look at events."""
    held: list[weakref.ref[Any]] = []

    async def play(turn: Turn) -> str | None:
        turn.say(Text("much"))
        held.append(weakref.ref(turn))
        if fate == "failed":
            raise AgentFailed("No.")
        if fate == "asked":
            await turn.ask(Question("And?"))
        if fate == "cancelled":
            await trio.sleep_forever()
        return None

    async with open_stage(play) as service:
        gc.disable()
        try:
            task, stream = await begin(service)
            await wait_all_tasks_blocked()
            if fate == "asked":
                await send(service, saying("yes", task_id=task.id))
            if fate == "cancelled":
                await cancel(service, task)
            if fate == "followed":
                await told(stream)
            del stream
            await wait_all_tasks_blocked()
            assert [ref() for ref in held] == [None]
        finally:
            gc.enable()


async def test_an_answer_that_names_its_request_counts_though_its_message_id_was_used_before() -> (
    None
):
    """Callers in the field use one id twice; what they name is what they mean."""

    async def play(turn: Turn) -> str | None:
        await turn.ask(Question("?"))
        return None

    async with open_stage(play) as service:
        task = await send(service, saying("go", message_id="m1"))
        unnamed = await send(service, saying("yes", message_id="m1", task_id=task.id))
        assert unnamed.status.state is TaskState.INPUT_REQUIRED
        named = {"requestId": data(unnamed.status.message)["requestId"]}
        answer = saying("yes", message_id="m1", task_id=task.id, ours=named)
        assert (await send(service, answer)).status.state is TaskState.COMPLETED


async def test_a_cancel_is_seen_through_though_its_caller_hangs_up(
    autojump_clock: MockClock,
) -> None:
    released = trio.Event()

    async def play(turn: Turn) -> str | None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await released.wait()
        return None

    async with open_stage(play) as service:
        task, _ = await begin(service)
        with trio.move_on_after(0.1):
            await cancel(service, task)
        await trio.sleep(LAST_WORDS + 1)
        assert (await get(service, task.id)).status.state is TaskState.CANCELED
        released.set()


@pytest.mark.parametrize("asking", [Question("?"), Permission(ToolCall("1", "rm"))])
@pytest.mark.parametrize("policy", [Policy(), Policy(default="allow")])
async def test_who_asks_in_a_cancelled_turn_is_told_no_and_nobody_is_asked(
    asking: Question | Permission, policy: Policy
) -> None:
    answers: list[Answer] = []

    async def play(turn: Turn) -> str | None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.move_on_after(1, shield=True):
                answers.append(await turn.ask(asking))
        return None

    async with open_stage(play, policy=policy) as service:
        task, stream = await begin(service)
        await cancel(service, task)
        assert states(await told(stream)) == ["WORKING", "CANCELED"]
    assert [answer.allowed for answer in answers] == [False]


async def test_a_task_that_has_ended_asks_nothing_though_its_backend_waits_for_the_answer(
    autojump_clock: MockClock,
) -> None:
    answers: list[Answer] = []

    async def play(turn: Turn) -> str | None:
        with trio.CancelScope(shield=True):
            answers.append(await turn.ask(Question("?")))
        return None

    async with open_stage(play) as service:
        task, _ = await begin(service)
        assert service.asked(ANONYMOUS)
        await cancel(service, task)
        assert service.supervisor.pending(task.id) is None
        assert not service.asked(ANONYMOUS)
    assert [answer.allowed for answer in answers] == [False]


async def test_a_question_that_is_withdrawn_says_so(autojump_clock: MockClock) -> None:
    async def play(turn: Turn) -> str | None:
        with trio.move_on_after(10):
            await turn.ask(Question("?"))
        return None

    async with open_stage(play) as service:
        asked, stream = await begin(service)
        await told(stream)
        task = await get(service, asked.id)
    notice = task.history[-1]
    assert words(notice) == "The agent no longer asks this."
    assert data(notice) == {
        "kind": "notice",
        "notice": "withdrawn",
        "requestId": data(asked.status.message)["requestId"],
    }
