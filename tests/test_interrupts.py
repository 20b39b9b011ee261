"""The methods of codex-a2a and opencode-a2a that answer and list what is asked.

Their names, params and errors are typed here from their contracts.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from msgspec import structs
from trio.testing import MockClock

from a2acore.backend import (
    Answer,
    Asking,
    Credential,
    Option,
    Permission,
    Question,
    ToolCall,
    Turn,
)
from a2acore.limits import Limits
from a2acore.policy import Policy
from a2acore.server import Options
from a2acore.service import ANONYMOUS, Caller
from a2acore.wire.shared import InterruptExpired, InterruptNotFound, PermissionReply
from tests.edge import JSON, Edge, Way, serving
from tests.stage import Actor, begin, get, open_stage

NEW = Way("1.0", "JSONRPC")
SHELL = ToolCall("t1", "Remove everything", "shell", "execute", "pending", {"command": "rm -rf /"})
OPTIONS = (
    Option("no-never", "Never", "reject_always"),
    Option("no", "No", "reject_once"),
    Option("yes", "Yes", "allow_once"),
    Option("yes-always", "Always", "allow_always"),
)
PERMISSION = Permission(SHELL, OPTIONS)
COLOUR = Question("Which?", ("red", "blue"))
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}},
    "required": ["name"],
}
FORM = Question("Who?", schema=SCHEMA)


@asynccontextmanager
async def asked(
    *askings: Asking, token: str = "", on: bool = True
) -> AsyncIterator[tuple[Edge, dict[str, Any], list[Answer]]]:
    """A task that asks, one thing after the other; and what the agent is answered."""
    answers: list[Answer] = []

    async def play(turn: Turn) -> str | None:
        for asking in askings:
            answers.append(await turn.ask(asking))
        return "end_turn"

    options = Options(compat=("shared-stream",) if on else (), token=token)
    async with serving(Actor(play), options) as edge:
        yield edge, await edge.tell(NEW, "go"), answers


async def call(
    edge: Edge, method: str, params: Any = None, headers: Mapping[str, str] = {}
) -> dict[str, Any]:
    """The answer to a method of theirs, without its envelope."""
    said = {"jsonrpc": "2.0", "id": 5, "method": method}
    body = json.dumps(said if params is None else {**said, "params": params}).encode()
    answer = await edge.ask("POST", "/", {**JSON, **headers}, body)
    assert answer.status == 200
    whole: dict[str, Any] = answer.json
    assert (whole.pop("jsonrpc"), whole.pop("id")) == ("2.0", 5)
    return whole


def request_id(task: Mapping[str, Any]) -> str:
    """The id under which a task asks."""
    id: str = task["status"]["message"]["metadata"]["urn:a2acode:work:v1"]["requestId"]
    return id


async def state_of(edge: Edge, task: Mapping[str, Any]) -> str:
    got = NEW.unwrap((await edge.do(NEW, "get", id=task["id"])).json)
    return str(got["status"]["state"])


ANSWERS: list[tuple[Asking, str, dict[str, Any], Answer]] = [
    (PERMISSION, "permission.reply", {"reply": "once"}, Answer(True, OPTIONS[2])),
    (PERMISSION, "permission.reply", {"reply": "always"}, Answer(True, OPTIONS[3])),
    (PERMISSION, "permission.reply", {"reply": "reject"}, Answer(False, OPTIONS[1])),
    # A word of consent beside a rejection consents to nothing.
    (
        PERMISSION,
        "permission.reply",
        {"reply": "reject", "message": "ok"},
        Answer(False, OPTIONS[1], "ok"),
    ),
    (Permission(SHELL), "permission.reply", {"reply": "once", "message": None}, Answer(True)),
    (
        Permission(SHELL),
        "permission.reply",
        {"reply": "reject", "message": "allow", "metadata": {"opencode": {}}},
        Answer(False, None, "allow"),
    ),
    (
        Permission(SHELL, OPTIONS[:1]),
        "permission.reply",
        {"reply": "reject"},
        Answer(False),
    ),
    (
        COLOUR,
        "question.reply",
        {"answers": [["red", "blue"], ["none"]]},
        Answer(True, None, "red, blue\nnone", [["red", "blue"], ["none"]]),
    ),
    (COLOUR, "question.reject", {}, Answer(False)),
    (
        FORM,
        "elicitation.reply",
        {"action": "accept", "content": {"name": "Ada"}},
        Answer(True, None, "", {"name": "Ada"}),
    ),
    (FORM, "elicitation.reply", {"action": "decline"}, Answer(False)),
    (FORM, "elicitation.reply", {"action": "cancel", "content": None}, Answer(False)),
]


@pytest.mark.parametrize(("asking", "method", "params", "answer"), ANSWERS)
async def test_an_answer_reaches_the_agent_and_counts_once(
    asking: Asking, method: str, params: dict[str, Any], answer: Answer
) -> None:
    async with asked(asking) as (edge, task, answers):
        id = request_id(task)
        told = await call(edge, f"a2a.interrupt.{method}", {"request_id": id, **params})
        again = await call(edge, f"a2a.interrupt.{method}", {"request_id": id, **params})
        state = await state_of(edge, task)
    assert told == {"result": {"ok": True, "request_id": id}}
    assert again["error"]["code"] == -32004
    assert answers == [answer]
    assert state == "TASK_STATE_COMPLETED"


REFUSED: list[tuple[Asking, str, dict[str, Any], str]] = [
    # Less is offered than is given: nothing is given.
    (Permission(SHELL, OPTIONS[:3]), "permission.reply", {"reply": "always"}, "reply"),
    (Permission(SHELL), "permission.reply", {"reply": "always"}, "reply"),
    (Permission(SHELL, OPTIONS[3:]), "permission.reply", {"reply": "once"}, "reply"),
    (PERMISSION, "permission.reply", {"reply": "yes"}, "reply"),
    (PERMISSION, "permission.reply", {}, ""),
    (PERMISSION, "permission.reply", {"reply": "once", "message": 5}, "message"),
    (COLOUR, "question.reply", {"answers": ["red"]}, "answers[0]"),
    (COLOUR, "question.reply", {"answers": "red"}, "answers"),
    (FORM, "elicitation.reply", {"action": "accept", "content": {"name": 5}}, "$.name"),
    (FORM, "elicitation.reply", {"action": "accept"}, "$"),
    (FORM, "elicitation.reply", {"action": "ok"}, "action"),
]


@pytest.mark.parametrize(("asking", "method", "params", "field"), REFUSED)
async def test_an_answer_that_does_not_fit_is_refused_and_the_question_stays(
    asking: Asking, method: str, params: dict[str, Any], field: str
) -> None:
    async with asked(asking) as (edge, task, answers):
        said = {"request_id": request_id(task), **params}
        told = await call(edge, f"a2a.interrupt.{method}", said)
        state = await state_of(edge, task)
    assert told["error"]["code"] == -32602
    [violation] = told["error"]["data"][1]["fieldViolations"]
    assert violation["field"] == field
    assert state == "TASK_STATE_INPUT_REQUIRED"
    assert not answers


@pytest.mark.parametrize("params", [None, {}, {"request_id": ""}, {"request_id": 5}, ["r"]])
async def test_an_answer_has_to_name_a_request(params: Any) -> None:
    async with asked(COLOUR) as (edge, _, answers):
        told = await call(edge, "a2a.interrupt.question.reject", params)
    assert told["error"]["code"] == -32602
    assert not answers


MISMATCHES: list[tuple[Asking, str, str, dict[str, Any], str]] = [
    (PERMISSION, "permission", "question.reply", {"answers": [["allow"]]}, "question"),
    (PERMISSION, "permission", "question.reject", {}, "question"),
    (PERMISSION, "permission", "permissions.reply", {"permissions": {}}, "permissions"),
    (COLOUR, "question", "permission.reply", {"reply": "once"}, "permission"),
    (COLOUR, "question", "elicitation.reply", {"action": "accept"}, "elicitation"),
    (FORM, "elicitation", "question.reply", {"answers": []}, "question"),
]


@pytest.mark.parametrize(("asking", "actual", "method", "params", "expected"), MISMATCHES)
async def test_an_answer_to_something_else_is_none(
    asking: Asking, actual: str, method: str, params: dict[str, Any], expected: str
) -> None:
    async with asked(asking) as (edge, task, answers):
        id = request_id(task)
        told = await call(edge, f"a2a.interrupt.{method}", {"request_id": id, **params})
        old = await call(
            edge,
            f"a2a.interrupt.{method}",
            {"request_id": id, **params},
            {"A2A-Version": "0.3"},
        )
        state = await state_of(edge, task)
    assert told["error"] == {
        "code": -32008,
        "message": "Interrupt callback type mismatch",
        "data": [
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "INTERRUPT_TYPE_MISMATCH",
                "domain": "a2a-protocol.org",
                "metadata": {
                    "requestId": id,
                    "expectedInterruptType": expected,
                    "actualInterruptType": actual,
                },
            }
        ],
    }
    assert old["error"]["data"] == {
        "type": "INTERRUPT_TYPE_MISMATCH",
        "request_id": id,
        "expected_interrupt_type": expected,
        "actual_interrupt_type": actual,
    }
    assert state == "TASK_STATE_INPUT_REQUIRED"
    assert not answers


async def test_what_nobody_asked_is_not_found_in_the_form_of_each_line() -> None:
    params = {"request_id": "made-up", "reply": "once"}
    async with asked(PERMISSION) as (edge, _, answers):
        method = "a2a.interrupt.permission.reply"
        new = await call(edge, method, params, {"A2A-Version": "1.0"})
        silent = await call(edge, method, params)
        old = await call(edge, method, params, {"A2A-Version": "0.3"})
        other = await call(edge, method, params, {"A2A-Version": "2.0"})
    assert new == silent
    assert new["error"] == {
        "code": -32004,
        "message": "Interrupt request not found",
        "data": [
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "INTERRUPT_REQUEST_NOT_FOUND",
                "domain": "a2a-protocol.org",
                "metadata": {"requestId": "made-up"},
            }
        ],
    }
    assert old["error"] == {
        "code": -32004,
        "message": "Interrupt request not found",
        "data": {"type": "INTERRUPT_REQUEST_NOT_FOUND", "request_id": "made-up"},
    }
    assert other["error"]["data"][0]["reason"] == "VERSION_NOT_SUPPORTED"
    assert not answers


async def test_a_credential_is_not_theirs_to_answer() -> None:
    async with asked(Credential("Log in.")) as (edge, task, answers):
        items = (await call(edge, "codex.interrupts.list"))["result"]["items"]
        params = {"request_id": request_id(task)}
        told = await call(edge, "a2a.interrupt.question.reject", params)
    assert items == []
    assert told["error"]["code"] == -32004
    assert not answers


async def test_a_late_answer_never_settles_the_next_question() -> None:
    async with asked(PERMISSION, PERMISSION) as (edge, task, answers):
        params = {"request_id": request_id(task), "reply": "once"}
        await call(edge, "a2a.interrupt.permission.reply", params)
        late = await call(edge, "a2a.interrupt.permission.reply", params)
        state = await state_of(edge, task)
    assert late["error"]["code"] == -32004
    assert state == "TASK_STATE_INPUT_REQUIRED"
    assert len(answers) == 1


async def test_an_answer_stands_in_the_history_as_the_callers() -> None:
    async with asked(PERMISSION) as (edge, task, _):
        params = {"request_id": request_id(task), "reply": "always", "message": "go ahead"}
        await call(edge, "a2a.interrupt.permission.reply", params)
        got = NEW.unwrap((await edge.do(NEW, "get", id=task["id"])).json)
    message = got["history"][-1]
    assert message["role"] == "ROLE_USER"
    assert message["parts"] == [{"text": "go ahead"}]
    assert message["metadata"]["urn:a2acode:work:v1"] == {
        "requestId": request_id(task),
        "option": "yes-always",
    }


async def test_anothers_question_is_not_found_and_not_listed() -> None:
    async def play(turn: Turn) -> str | None:
        return (await turn.ask(PERMISSION)).words

    alice, bob = Caller("alice"), ANONYMOUS
    async with open_stage(play) as service:
        task, _ = await begin(service)
        [run] = service.asked(bob)
        assert run.task_id == task.id
        assert run.questions.pause is not None
        reply = PermissionReply(run.questions.pause.request_id, "once")
        assert not service.asked(alice)
        with pytest.raises(InterruptNotFound):
            await service.answer(alice, reply)
        with pytest.raises(InterruptNotFound):
            await service.answer(bob, structs.replace(reply, request_id=reply.request_id.upper()))
        await service.answer(bob, reply)
        with pytest.raises(InterruptNotFound):
            await service.answer(bob, reply)
        await trio.testing.wait_all_tasks_blocked()
        assert (await get(service, task.id)).status.state.name == "COMPLETED"


LISTS = [
    ("codex.interrupts.list", None, ["permission", "question", "elicitation"]),
    ("codex.interrupts.list", {"type": "question"}, ["question"]),
    ("codex.interrupts.list", {"type": "elicitation"}, ["elicitation"]),
    ("opencode.permissions.list", {}, ["permission"]),
    ("opencode.questions.list", {}, ["question"]),
]


@pytest.mark.parametrize(("method", "params", "types"), LISTS)
async def test_what_waits_for_the_caller_is_listed(
    method: str, params: dict[str, Any] | None, types: list[str]
) -> None:
    askings: dict[str, Asking] = {"1": PERMISSION, "2": COLOUR, "3": FORM}

    async def play(turn: Turn) -> str | None:
        await turn.ask(askings[turn.text])
        return None

    async with serving(Actor(play), Options(compat=("shared-stream",))) as edge:
        tasks = {text: await edge.tell(NEW, text) for text in askings}
        told = await call(edge, method, params)
    items = told["result"]["items"]
    assert sorted(item["interrupt_type"] for item in items) == sorted(types)
    if "permission" in types:
        [item] = [item for item in items if item["interrupt_type"] == "permission"]
        task = tasks["1"]
        assert item == {
            "request_id": request_id(task),
            "session_id": task["contextId"],
            "interrupt_type": "permission",
            "task_id": task["id"],
            "context_id": task["contextId"],
            "details": {
                "permission": "command_execution",
                "patterns": ["rm -rf /"],
                "always": ["Always"],
                "display_message": task["status"]["message"]["parts"][0]["text"],
            },
            "expires_at": None,
        }


TEN = Policy(time_limit=10)


async def test_what_has_a_time_limit_says_when_it_ends_in_seconds_since_1970() -> None:
    async with serving(
        Actor(asking_of(COLOUR)), Options(compat=("shared-stream",), policy=TEN)
    ) as edge:
        before = time.time()
        await edge.tell(NEW, "go")
        [item] = (await call(edge, "codex.interrupts.list"))["result"]["items"]
        after = time.time()
    assert before + 10 - 0.1 <= item["expires_at"] <= after + 10 + 0.1


def asking_of(*askings: Asking) -> Callable[[Turn], Awaitable[str | None]]:
    async def play(turn: Turn) -> str | None:
        for asking in askings:
            await turn.ask(asking)
        return None

    return play


async def test_what_nobody_answered_in_time_has_expired_for_as_long_as_its_task_goes_on(
    mock_clock: MockClock,
) -> None:
    async with open_stage(asking_of(PERMISSION, PERMISSION), policy=TEN) as service:
        await begin(service)
        [run] = service.asked(ANONYMOUS)
        assert run.questions.pause is not None
        late = PermissionReply(run.questions.pause.request_id, "once")
        mock_clock.jump(10)  # the run has not heard of it yet
        for _ in range(2):
            with pytest.raises(InterruptExpired):
                await service.answer(ANONYMOUS, late)
            with pytest.raises(InterruptNotFound):
                await service.answer(Caller("alice"), late)
            await trio.testing.wait_all_tasks_blocked()
        assert run.questions.pause is not None, "the second permission stays"
        mock_clock.jump(10)
        await run.ended.wait()
        with pytest.raises(InterruptNotFound):
            await service.answer(ANONYMOUS, late)


async def test_who_asks_too_often_is_told_so_here_too() -> None:
    limits = Limits(requests=2)
    options = Options(compat=("shared-stream",), limits=limits)
    async with serving(Actor(asking_of(COLOUR)), options) as edge:
        for _ in range(2):
            assert "result" in await call(edge, "codex.interrupts.list")
        new = await edge.ask("POST", "/", JSON, LISTING)
        old = await edge.ask("POST", "/", {**JSON, "A2A-Version": "0.3"}, LISTING)
    for told in (new, old):
        assert "may be asked 2 times a minute" in told.json["error"]["message"]
        assert int(told.headers["retry-after"]) > 0


LISTING = json.dumps({"jsonrpc": "2.0", "id": 5, "method": "codex.interrupts.list"}).encode()


async def test_an_unknown_type_is_refused() -> None:
    async with asked(COLOUR) as (edge, _, _):
        told = await call(edge, "codex.interrupts.list", {"type": "poem"})
    assert told["error"]["code"] == -32602


async def test_an_answered_question_is_listed_no_more() -> None:
    async with asked(COLOUR) as (edge, task, _):
        await call(edge, "a2a.interrupt.question.reject", {"request_id": request_id(task)})
        told = await call(edge, "codex.interrupts.list")
    assert told["result"] == {"items": []}


@pytest.mark.parametrize(
    "method",
    [
        "a2a.interrupt.permission.reply",
        "a2a.interrupt.question.reply",
        "a2a.interrupt.question.reject",
        "a2a.interrupt.permissions.reply",
        "a2a.interrupt.elicitation.reply",
        "codex.interrupts.list",
        "opencode.permissions.list",
        "opencode.questions.list",
    ],
)
async def test_without_the_switch_there_is_no_such_method(method: str) -> None:
    async with asked(COLOUR, on=False) as (edge, task, answers):
        told = await call(edge, method, {"request_id": request_id(task)})
    assert told["error"]["code"] == -32601
    assert not answers


async def test_the_methods_need_the_token_as_all_operations_do() -> None:
    async with asked(COLOUR, token="s3cret") as (edge, task, answers):
        body = {"jsonrpc": "2.0", "id": 1, "method": "a2a.interrupt.question.reject"}
        params = {"request_id": request_id(task)}
        told = await Edge(edge.url).ask(
            "POST", "/", JSON, json.dumps({**body, "params": params}).encode()
        )
    assert told.status == 401
    assert not answers
