"""What becomes of what an agent asks: by the policy, by the clock, and what the audit log says."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import define, field
from trio.testing import MockClock, wait_all_tasks_blocked

from a2acore.audit import Line, Unaudited
from a2acore.backend import (
    Answer,
    Asking,
    Credential,
    FileChange,
    Option,
    Permission,
    Question,
    ToolCall,
    Turn,
)
from a2acore.errors import UnsupportedOperation
from a2acore.model import (
    CancelTaskRequest,
    DeleteTaskPushNotificationConfigRequest,
    Task,
    TaskPushNotificationConfig,
    TaskState,
)
from a2acore.policy import Policy, Rule
from a2acore.push import open_courier
from a2acore.service import ANONYMOUS, Service
from a2acore.store import MemoryStore
from a2acore.supervisor import open_supervisor
from tests.edge import BINDINGS_10, echoing
from tests.stage import (
    HANG,
    WORKSPACE,
    Actor,
    begin,
    data,
    saying,
    send,
    states,
    told,
    words,
)

LS = Rule("look", "allow", command=("ls",))
RM = Rule("never", "deny", command=("rm *",), says="Keep your hands off.")
RULES = Policy((LS, RM))
ONCE = Option("once", "Once", "allow_once")
ALWAYS = Option("always", "Always", "allow_always")


def permission(command: str, **more: Any) -> Permission:
    return Permission(ToolCall("t", command, "Bash", "execute", input={"command": command}), **more)


@define(eq=False)
class Book:
    """An audit log on no disk, which may be full."""

    lines: list[Line] = field(factory=list)
    full: bool = False

    def write(self, line: Line) -> None:
        if self.full:
            raise Unaudited
        self.lines.append(line)


@define(eq=False)
class Scene:
    """A service in front of an agent that asks what it is told to, and remembers the answers."""

    service: Service
    book: Book
    answers: list[Answer]

    async def decided(self, wait: bool = True) -> tuple[Task, Line]:
        task = await send(self.service, wait=wait)
        return task, self.book.lines[-1]


@asynccontextmanager
async def open_scene(
    *asked: Asking, policy: Policy = RULES, play: Callable[[Turn], Awaitable[None]] | None = None
) -> AsyncIterator[Scene]:
    book, answers, store = Book(), [], MemoryStore()

    async def ask(turn: Turn) -> str | None:
        for asking in asked:
            answers.append(await turn.ask(asking))
        if play is not None:
            await play(turn)
        return "end_turn"

    with trio.fail_after(HANG):
        async with (
            open_courier(store) as courier,
            open_supervisor(Actor(ask), store, WORKSPACE, policy=policy, audit=book) as supervisor,
        ):
            yield Scene(Service(supervisor, store, courier), book, answers)


def notices(task: Task, kind: str) -> list[dict[str, Any]]:
    return [
        said
        for message in task.history
        if message.message_id and message.role.name == "AGENT"
        for said in [data(message)]
        if said.get("notice") == kind
    ]


async def for_ever(turn: Turn) -> None:
    await trio.sleep_forever()


# By the policy


async def test_what_is_allowed_goes_on_without_a_pause_and_is_told() -> None:
    async with open_scene(permission("ls", options=(ALWAYS, ONCE))) as scene:
        task, stream = await begin(scene.service)
        assert states(await told(stream)) == ["WORKING", "COMPLETED"]
    assert scene.answers == [Answer(True, ONCE)]
    assert notices(task, "decided") == [
        {"kind": "notice", "notice": "decided", "tool": "t", "verdict": "allow", "rule": "look"}
    ]
    said = [words(message) for message in task.history]
    assert said == ["go", "Allowed by the policy (look): ls"]


async def test_what_is_denied_goes_on_without_a_pause_and_the_agent_hears_why() -> None:
    async with open_scene(permission("rm x"), permission("rm y")) as scene:
        task, stream = await begin(scene.service)
        assert states(await told(stream)) == ["WORKING", "COMPLETED"]
    assert scene.answers == [Answer(False, None, "Keep your hands off.")] * 2
    assert [said["verdict"] for said in notices(task, "decided")] == ["deny", "deny"]


async def test_what_is_denied_without_words_names_the_rule() -> None:
    async with open_scene(permission("x"), policy=Policy(default="deny")) as scene:
        await send(scene.service)
    assert scene.answers == [Answer(False, None, "The policy of this server denies it (default).")]


async def test_what_no_rule_decides_is_asked_as_ever() -> None:
    async with open_scene(permission("make")) as scene:
        task = await send(scene.service)
        assert task.status.state is TaskState.INPUT_REQUIRED
        await send(scene.service, saying("yes", task_id=task.id))
    assert scene.answers == [Answer(True, None, "yes")]


async def test_the_routine_is_not_worth_a_word() -> None:
    asked = permission("x", routine=True)
    async with open_scene(asked, policy=Policy()) as scene:
        task, line = await scene.decided()
    assert scene.answers == [Answer(True)]
    assert [words(message) for message in task.history] == ["go"]
    assert (line.verdict, line.by) == ("allow", "policy:routine")


async def test_a_decision_does_not_wait_for_a_question_that_is_pending() -> None:
    decided = trio.Event()

    async def play(turn: Turn) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(turn.ask, Question("Which?"))
            await wait_all_tasks_blocked()
            assert (await turn.ask(permission("ls"))).allowed
            decided.set()

    async with open_scene(play=play) as scene:
        task = await send(scene.service)
        assert words(task.status.message).startswith("Which?")
        await decided.wait()
        assert scene.book.lines[-1].by == "policy:look"
        task = await send(scene.service, saying("this", task_id=task.id))
    assert len(notices(task, "decided")) == 1


@pytest.mark.parametrize(
    "unspeakable",
    [
        Permission(ToolCall("1", "\ud800", kind="execute", input="ls")),
        Permission(ToolCall("1", kind="execute", input={"command": "ls", "x": object()})),
        Permission(ToolCall("1"), changes=(FileChange("\udcff", None, ""),)),
    ],
)
async def test_what_cannot_be_written_down_is_not_decided(unspeakable: Permission) -> None:
    async def play(turn: Turn) -> None:
        with pytest.raises((TypeError, ValueError)):
            await turn.ask(unspeakable)

    async with open_scene(play=play, policy=Policy(default="allow")) as scene:
        task = await send(scene.service)
        assert task.status.state is TaskState.COMPLETED
        assert [line.what for line in scene.book.lines] == ["started"]


# By the clock

TEN = Policy(time_limit=10)


@pytest.mark.parametrize("asking", [permission("x"), Question("Which?"), Credential("Log in.")])
async def test_nobody_answers_in_time_and_that_is_a_no(
    asking: Asking, autojump_clock: MockClock
) -> None:
    async with open_scene(asking, policy=TEN) as scene:
        began = trio.current_time()
        task, stream = await begin(scene.service)
        asked = data(task.status.message)["requestId"]
        events = await told(stream)
        assert trio.current_time() - began == pytest.approx(10, abs=0.1)
        task = await send(scene.service, saying())  # another, to see that it can go on
        line = scene.book.lines[1]
    assert states(events)[-2:] == ["WORKING", "COMPLETED"]
    text = "Nobody answered within 10 seconds; that is a no."
    assert scene.answers[0] == Answer(False, None, text)
    [notice] = [
        said
        for event in events
        if hasattr(event, "status") and event.status.message is not None
        for said in [data(event.status.message)]
        if said["kind"] == "notice"
    ]
    assert notice == {"kind": "notice", "notice": "timeout", "requestId": asked}
    assert (line.by, line.request) == ("timeout", asked)
    assert line.verdict == ("deny" if isinstance(asking, Permission) else "decline")


async def test_the_words_of_the_file_reach_the_agent(autojump_clock: MockClock) -> None:
    policy = Policy(time_limit=10, time_limit_says="Nobody is there.")
    async with open_scene(permission("x"), policy=policy) as scene:
        _, stream = await begin(scene.service)
        await told(stream)
    assert scene.answers == [Answer(False, None, "Nobody is there.")]


async def test_each_question_has_its_own_time_from_when_it_is_shown(
    autojump_clock: MockClock,
) -> None:
    async with open_scene(permission("x"), permission("y"), policy=TEN) as scene:
        task, stream = await begin(scene.service)
        await trio.sleep(9)
        task = await send(scene.service, saying("yes", task_id=task.id))
        assert task.status.state is TaskState.INPUT_REQUIRED
        await trio.sleep(9)
        assert len(scene.answers) == 1
        await told(stream)
    assert [answer.allowed for answer in scene.answers] == [True, False]


async def test_an_answer_at_the_last_moment_counts(autojump_clock: MockClock) -> None:
    async with open_scene(permission("x"), policy=TEN) as scene:
        task, _ = await begin(scene.service)
        await trio.sleep(9.999)
        task = await send(scene.service, saying("yes", task_id=task.id))
        assert task.status.state is TaskState.COMPLETED
        await trio.sleep(20)
    assert scene.answers == [Answer(True, None, "yes")]
    assert [line.by for line in scene.book.lines] == ["", "caller"]


@pytest.mark.parametrize("named", [False, True])
async def test_an_answer_after_the_time_settles_nothing_though_the_alarm_was_not_heard_yet(
    named: bool, mock_clock: MockClock
) -> None:
    """The race: the time is over, and the answer is here before the run is woken."""
    async with open_scene(permission("x"), policy=TEN) as scene:
        task, stream = await begin(scene.service)
        run = scene.service.supervisor.runs[task.id]
        ours = {"requestId": data(task.status.message)["requestId"]} if named else None
        mock_clock.jump(10)  # and no other task has run since
        with pytest.raises(UnsupportedOperation, match="has asked nothing"):
            run.questions.reply(
                saying("yes", task_id=task.id, ours=ours), run.questions.pause, "anonymous"
            )
        assert scene.answers == []
        events = await told(stream)
    assert [answer.allowed for answer in scene.answers] == [False]
    assert states(events) == ["WORKING", "INPUT_REQUIRED", "WORKING", "COMPLETED"]
    assert [line.by for line in scene.book.lines] == ["", "timeout"]


async def test_a_late_answer_never_answers_the_question_that_came_after(
    mock_clock: MockClock,
) -> None:
    async with open_scene(permission("x"), permission("rm -r y"), policy=TEN) as scene:
        task, _ = await begin(scene.service)
        run = scene.service.supervisor.runs[task.id]
        late = saying("yes", task_id=task.id)
        seen = run.questions.pause
        mock_clock.jump(10)
        await wait_all_tasks_blocked()
        run.questions.reply(late, seen, "anonymous")
        assert [answer.allowed for answer in scene.answers] == [False]
        assert run.record.state is TaskState.INPUT_REQUIRED


async def test_a_question_that_is_withdrawn_before_its_time_is_nobodys_decision(
    autojump_clock: MockClock,
) -> None:
    async def play(turn: Turn) -> None:
        with trio.move_on_after(5):
            await turn.ask(permission("x"))
        await trio.sleep(20)

    async with open_scene(play=play, policy=TEN) as scene:
        _, stream = await begin(scene.service)
        assert states(await told(stream))[-1] == "COMPLETED"
    assert [line.what for line in scene.book.lines] == ["started"]


async def test_a_task_that_is_cancelled_when_its_time_is_over_is_canceled(
    mock_clock: MockClock,
) -> None:
    async with open_scene(permission("x"), policy=TEN) as scene:
        task, stream = await begin(scene.service)
        mock_clock.jump(10)
        await scene.service.cancel(ANONYMOUS, CancelTaskRequest(task.id))
        assert states(await told(stream))[-1] == "CANCELED"


# The log


async def test_who_did_what_is_written_before_it_happens() -> None:
    async with open_scene(permission("make"), permission("ls", options=(ONCE,))) as scene:
        task = await send(scene.service)
        asked = data(task.status.message)["requestId"]
        await send(scene.service, saying("Not now.", task_id=task.id))
    started, answered, allowed = scene.book.lines
    assert (started.what, started.who, started.task) == ("started", "anonymous", task.id)
    assert started.context == task.context_id
    assert (answered.what, answered.asked, answered.verdict) == ("decided", "permission", "deny")
    assert (answered.by, answered.request, answered.who) == ("caller", asked, "anonymous")
    assert (allowed.verdict, allowed.by, allowed.option) == ("allow", "policy:look", "once")
    assert allowed.tool is not None
    assert (allowed.tool.id, allowed.tool.name, allowed.tool.kind) == ("t", "Bash", "execute")


async def test_the_log_names_who_answered_and_not_whose_task_it_is() -> None:
    async with open_scene(permission("make")) as scene:
        task = await send(scene.service)
        questions = scene.service.supervisor.runs[task.id].questions
        questions.reply(saying("yes", task_id=task.id), questions.pause, "bob")
        assert [line.who for line in scene.book.lines] == ["anonymous", "bob"]


async def test_an_answer_to_a_task_that_is_being_cancelled_is_not_in_the_log() -> None:
    async with open_scene(permission("make")) as scene:
        task = await send(scene.service)
        run = scene.service.supervisor.runs[task.id]
        run.cancel("Enough.")
        with pytest.raises(UnsupportedOperation, match="being cancelled"):
            run.questions.reply(saying("yes"), run.questions.pause, "anonymous")
        await run.ended.wait()
        assert [line.what for line in scene.book.lines] == ["started"]
        assert scene.answers == []


async def test_what_callers_and_agents_say_is_not_in_the_log() -> None:
    secret = "s3cret"
    asked = (
        permission(f"curl -H {secret}"),
        Permission(ToolCall("1", f"Fetch https://x/?{secret}", kind="fetch", input=secret)),
        Question(f"Is it {secret}?"),
    )
    async with open_scene(*asked) as scene:
        task = await send(scene.service, f"Use {secret}")
        while task.status.state is TaskState.INPUT_REQUIRED:
            task = await send(scene.service, saying(f"It is {secret}", task_id=task.id))
        url = f"https://93.184.215.14/{secret}"
        hook = TaskPushNotificationConfig(url=url, task_id=task.id, token=secret)
        await scene.service.set_push(ANONYMOUS, hook)
    assert len(scene.book.lines) == 5
    assert secret not in repr(scene.book.lines)


async def test_a_cancel_and_the_life_of_a_webhook_are_written() -> None:
    async with open_scene(play=for_ever) as scene:
        task, _ = await begin(scene.service)
        hook = TaskPushNotificationConfig(
            url="https://93.184.215.14/hook?key=1", task_id=task.id, id="h"
        )
        await scene.service.set_push(ANONYMOUS, hook)
        await scene.service.delete_push(
            ANONYMOUS, DeleteTaskPushNotificationConfigRequest(task_id=task.id, id="h")
        )
        await scene.service.cancel(ANONYMOUS, CancelTaskRequest(task.id))
    assert [(line.what, line.task) for line in scene.book.lines] == [
        ("started", task.id),
        ("webhook set", task.id),
        ("webhook deleted", task.id),
        ("cancelled", task.id),
    ]
    assert scene.book.lines[1].host == "93.184.215.14"


async def test_a_log_that_is_full_lets_nothing_begin() -> None:
    async with open_scene() as scene:
        scene.book.full = True
        with pytest.raises(Unaudited, match="audit log cannot be written"):
            await send(scene.service, saying(context_id="c"))
        assert scene.service.supervisor.runs == {}
        scene.book.full = False
        task = await send(scene.service, saying(context_id="c"))
        assert task.status.state is TaskState.COMPLETED


async def test_an_answer_that_cannot_be_written_settles_nothing() -> None:
    async with open_scene(permission("make")) as scene:
        task = await send(scene.service)
        scene.book.full = True
        with pytest.raises(Unaudited):
            await send(scene.service, saying("yes", task_id=task.id))
        assert scene.answers == []
        scene.book.full = False
        task = await send(scene.service, saying("yes", task_id=task.id))
        assert task.status.state is TaskState.COMPLETED
        assert [answer.allowed for answer in scene.answers] == [True]


async def test_nothing_is_allowed_that_cannot_be_written_and_what_is_safe_goes_on(
    autojump_clock: MockClock,
) -> None:
    policy = Policy((LS, RM), time_limit=10)
    for asked, state, allowed in (
        (permission("ls"), TaskState.FAILED, []),
        (permission("rm x"), TaskState.COMPLETED, [False]),
        (permission("make"), TaskState.COMPLETED, [False]),
    ):
        begun = trio.Event()

        async def play(turn: Turn, begun: trio.Event = begun, asked: Asking = asked) -> None:
            await begun.wait()
            scene.answers.append(await turn.ask(asked))

        async with open_scene(play=play, policy=policy) as scene:
            task, stream = await begin(scene.service)
            scene.book.full = True
            begun.set()
            assert states(await told(stream))[-1] == state.name
            assert [answer.allowed for answer in scene.answers] == allowed
    async with open_scene(play=for_ever) as scene:
        task, _ = await begin(scene.service)
        scene.book.full = True
        task = await scene.service.cancel(ANONYMOUS, CancelTaskRequest(task.id))
        assert task.status.state is TaskState.CANCELED


# All of it, behind a socket


async def test_a_server_keeps_to_its_policy_and_writes_its_log(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("# Notes\n")
    policy = Policy((Rule("notes", "allow", kind=("edit",), path=("*.md",)),))
    log = tmp_path / "audit.jsonl"
    async with echoing(tmp_path, policy=policy, audit=log) as edge:
        task = await edge.tell(BINDINGS_10[1], "sudo edit notes.md")
    assert task["status"]["state"] == "TASK_STATE_COMPLETED"
    assert "echo was here" in (tmp_path / "notes.md").read_text()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["what"] for line in lines] == ["opened", "started", "decided"]
    assert (lines[2]["by"], lines[2]["verdict"]) == ("policy:notes", "allow")
    assert lines[2]["tool"]["title"] == "Edit notes.md"
    assert {line.get("task", task["id"]) for line in lines} == {task["id"]}
