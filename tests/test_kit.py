"""The kit of the tests itself: the fake model in each dialect, its script, the cache."""

import http.client
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from tests.kit.cache import Missing, cached, npm_package
from tests.kit.fakemodel import FakeModel
from tests.kit.fakemodel.script import Conversation, Reply, Said, decide
from tests.kit.fakemodel.tools import Call, Tool

BASH = Tool("Bash", frozenset({"command", "description"}))
EXEC = Tool("exec_command", frozenset({"cmd", "sandbox_permissions"}))
EDIT = Tool("edit", frozenset({"filePath", "oldString", "newString"}))
PATCH = Tool("apply_patch", freeform=True)

RAN = Said("result", "fine")


def conversation(*said: str | Said, tools: tuple[Tool, ...] = (BASH,)) -> Conversation:
    messages = [Said("user", each) if isinstance(each, str) else each for each in said]
    return Conversation(messages, {tool.name: tool for tool in tools})


RUN_CALL = Call("Bash", {"command": "touch x", "description": "run touch x"})
EDIT_CALL = Call("edit", {"filePath": "/n", "oldString": "OLD", "newString": "NEW"})
PATCH_CALL = Call(
    "apply_patch", "*** Begin Patch\n*** Update File: /n\n@@\n-OLD\n+NEW\n*** End Patch"
)
PLAN_CALL = Call(
    "update_plan",
    {"plan": [{"step": "one", "status": "in_progress"}, {"step": "two", "status": "pending"}]},
)

DECISIONS = [
    (conversation("hi"), Reply("Hello from fake")),
    (conversation("SAY:this"), Reply("this")),
    (conversation("first", Said("assistant", "yes"), "SAY:second"), Reply("second")),
    (conversation("SAY:this\n<env>\nSAY:not this\n</env>"), Reply("this")),
    (conversation("SAY:this", "<system-reminder>and so on</system-reminder>"), Reply("this")),
    (conversation("SAY:this", tools=()), Reply("Fake title")),
    (conversation("SLOW:3:0.5"), Reply("w0 w1 w2", pace=0.5)),
    (conversation("HANG:2"), Reply(hang=2.0)),
    (conversation("DROP"), Reply(drop=True)),
    (conversation("ERR:429"), Reply(status=429)),
    (conversation("ERR:500", tools=()), Reply(status=500)),
    (conversation("RUN:touch x"), Reply("Calling Bash.", call=RUN_CALL)),
    (conversation("RUN:touch x", RAN), Reply("Done: fine")),
    (conversation("RUN:a\nRUN:touch x", RAN), Reply("Calling Bash.", call=RUN_CALL)),
    (conversation("RUN:a\nSAY:over", RAN), Reply("over")),
    (conversation("EDIT:/n", tools=(EDIT,)), Reply("Calling edit.", call=EDIT_CALL)),
    (
        conversation("EDIT:/n", tools=(EDIT, PATCH)),
        Reply("Calling apply_patch.", call=PATCH_CALL),
    ),
    (
        conversation('TOOL:files::find {"in": "x"}'),
        Reply("Calling find.", call=Call("find", {"in": "x"}, "files")),
    ),
    (conversation("PLAN"), Reply("No tool for PLAN among Bash")),
    (
        conversation("PLAN", tools=(Tool("update_plan"),)),
        Reply("Calling update_plan.", call=PLAN_CALL),
    ),
]


@pytest.mark.parametrize(("said", "reply"), DECISIONS)
def test_the_last_words_of_the_user_are_the_script(said: Conversation, reply: Reply) -> None:
    assert decide(said) == reply


def test_an_error_can_be_meant_for_the_first_attempts_alone() -> None:
    said = conversation("ERR:500:2\nSAY:at last")
    replies = [decide(said, attempt=attempt) for attempt in (1, 2, 3)]
    assert [reply.status for reply in replies] == [500, 500, 200]
    assert replies[-1].text == "at last"


def test_only_commands_escalate_and_only_when_told_to() -> None:
    for prompt, told, expected in [
        ("RUN:touch x", True, "require_escalated"),
        ("RUN:touch x", False, None),
        ("READ:/n", True, None),
    ]:
        call = decide(conversation(prompt, tools=(EXEC,)), escalate=told).call
        assert call is not None
        assert isinstance(call.arguments, dict)
        assert call.arguments.get("sandbox_permissions") == expected


def test_a_wanted_schema_gets_an_instance() -> None:
    properties: dict[str, Any] = {
        "title": {"type": "string"},
        "kind": {"type": "string", "enum": ["a", "b"]},
    }
    schema = {"type": "object", "properties": properties}
    reply = decide(Conversation([Said("user", "name it")], schema=schema))
    assert json.loads(reply.text) == {"title": "fake", "kind": "a"}


class Spoken(NamedTuple):
    """How a dialect asks with one tool on offer, and where the answer's text and call are."""

    path: str
    body: Callable[[str], dict[str, Any]]
    text: Callable[[Any], str]
    delta: Callable[[Any], str]
    called: str
    streamed_path: str | None = None


def responses(prompt: str) -> dict[str, Any]:
    parameters = {"type": "object", "properties": {"cmd": {"type": "string"}}}
    tool = {"type": "function", "name": "exec_command", "parameters": parameters}
    said = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": prompt}]}
    return {"model": "m", "input": [said], "tools": [tool]}


def chat(prompt: str) -> dict[str, Any]:
    function = {"name": "bash", "parameters": {"properties": {"command": {}}}}
    said = {"role": "user", "content": prompt}
    tools = [{"type": "function", "function": function}]
    return {"model": "m", "messages": [said], "tools": tools}


def anthropic(prompt: str) -> dict[str, Any]:
    tool = {"name": "Bash", "input_schema": {"properties": {"command": {}}}}
    said = {"role": "user", "content": [{"type": "text", "text": prompt}]}
    return {"model": "m", "messages": [said], "tools": [tool]}


def gemini(prompt: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"command": {"type": "string"}}}
    function = {"name": "run_shell_command", "parametersJsonSchema": schema}
    said = {"role": "user", "parts": [{"text": prompt}]}
    return {"contents": [said], "tools": [{"functionDeclarations": [function]}]}


def gemini_text(document: Any) -> str:
    parts = document["candidates"][0]["content"]["parts"]
    return "".join(part.get("text", "") for part in parts if not part.get("thought"))


DIALECTS = {
    "responses": Spoken(
        "/v1/responses",
        responses,
        lambda d: "".join(i["content"][0]["text"] for i in d["output"] if i["type"] == "message"),
        lambda e: e["delta"] if e["type"] == "response.output_text.delta" else "",
        "exec_command",
    ),
    "chat": Spoken(
        "/v1/chat/completions",
        chat,
        lambda d: d["choices"][0]["message"]["content"],
        lambda e: "".join(choice["delta"].get("content", "") for choice in e["choices"]),
        "bash",
    ),
    "anthropic": Spoken(
        "/v1/messages?beta=true",
        anthropic,
        lambda d: "".join(b["text"] for b in d["content"] if b["type"] == "text"),
        lambda e: e.get("delta", {}).get("text", ""),
        "Bash",
    ),
    "gemini": Spoken(
        "/v1beta/models/m:generateContent",
        gemini,
        gemini_text,
        gemini_text,
        "run_shell_command",
        streamed_path="/v1beta/models/m:streamGenerateContent?alt=sse",
    ),
}

in_each_dialect = pytest.mark.parametrize("spoken", DIALECTS.values(), ids=DIALECTS.keys())


@in_each_dialect
async def test_an_answer_is_the_same_whole_and_streamed(
    spoken: Spoken, fake_model: FakeModel
) -> None:
    body = spoken.body("THINK\nSAY:one two three")
    async with httpx.AsyncClient(base_url=fake_model.url) as caller:
        whole = await caller.post(spoken.path, json=body)
        streamed = await caller.post(
            spoken.streamed_path or spoken.path, json=body | {"stream": True}
        )
    assert spoken.text(whole.json()) == "one two three"
    assert streamed.headers["content-type"] == "text/event-stream"
    lines = [line for line in streamed.text.splitlines() if line.startswith("data: {")]
    deltas = [spoken.delta(json.loads(line.removeprefix("data: "))) for line in lines]
    assert [delta for delta in deltas if delta] == ["one ", "two ", "three"]


@in_each_dialect
async def test_a_step_calls_the_tool_that_the_agent_offers(
    spoken: Spoken, fake_model: FakeModel
) -> None:
    body = spoken.body("RUN:touch x")
    async with httpx.AsyncClient(base_url=fake_model.url) as caller:
        whole = await caller.post(spoken.path, json=body)
        streamed = await caller.post(
            spoken.streamed_path or spoken.path, json=body | {"stream": True}
        )
    for answer in (whole, streamed):
        assert f'"name": "{spoken.called}"' in answer.text
        assert "touch x" in answer.text


async def test_what_the_model_was_reminded_of_can_be_looked_up(fake_model: FakeModel) -> None:
    said = [{"role": "user", "content": text} for text in ("my name is Ada", "SAY:who am I")]
    for_a_title = {"response_format": {"json_schema": {"schema": {"type": "object"}}}}
    async with httpx.AsyncClient(base_url=fake_model.url) as caller:
        for body in {"messages": said}, {"messages": said[1:], **for_a_title}:
            await caller.post("/v1/chat/completions", json=body)
    assert "my name is Ada" in fake_model.asked("who am I").text
    with pytest.raises(LookupError, match="was not asked, only"):
        fake_model.asked("where am I")


async def test_the_same_question_counts_as_another_attempt(fake_model: FakeModel) -> None:
    async with httpx.AsyncClient(base_url=fake_model.url) as caller:
        answers = [
            await caller.post("/v1/chat/completions", json=chat("ERR:503:1\nSAY:well"))
            for _ in range(2)
        ]
    assert [answer.status_code for answer in answers] == [503, 200]


async def test_a_dropped_answer_ends_in_the_middle(fake_model: FakeModel) -> None:
    body = chat("SAY:one two three four\nDROP") | {"stream": True}
    async with httpx.AsyncClient(base_url=fake_model.url) as caller:
        answer = await caller.post("/v1/chat/completions", json=body)
    assert "two" in answer.text
    assert "three" not in answer.text
    assert "[DONE]" not in answer.text


def test_closing_the_model_ends_its_silence() -> None:
    with FakeModel() as model:
        caller = http.client.HTTPConnection(model.url.removeprefix("http://"))
        caller.request("POST", "/v1/chat/completions", json.dumps(chat("HANG")))
    with pytest.raises(ConnectionError):
        caller.getresponse()
    caller.close()


def test_what_was_made_halfway_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A2ACODE_TEST_CACHE", str(tmp_path))

    def fail(folder: Path) -> None:
        (folder / "half").touch()
        raise Missing("no network")

    def succeed(folder: Path) -> None:
        (folder / "whole").touch()

    with pytest.raises(Missing, match="no network"):
        cached("thing", fail)
    folder = cached("thing", succeed)
    assert (folder / "whole").exists()
    assert not (folder / "half").exists()
    assert cached("thing", fail) == folder


def test_without_npm_the_package_is_missed_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Missing, match=r"some-agent@1\.0 needs node, which is not on the PATH"):
        npm_package("some-agent", "1.0")
