"""The forms of other servers, typed here from their contracts and not from `a2acore.compat`."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
import trio

from a2acore import compat
from a2acore.backend import (
    AgentFailed,
    FileChange,
    Location,
    Notice,
    Option,
    Output,
    Permission,
    Plan,
    PlanEntry,
    Question,
    Saying,
    Settings,
    Text,
    Thought,
    ToolCall,
    Turn,
    Usage,
)
from a2acore.compat import Switch
from a2acore.compat.shared import Shared
from a2acore.compat.trace import Trace
from a2acore.model import Artifact, Metadata, Part, TaskState
from a2acore.pause import Pause
from a2acore.server import Options, serve
from a2acore.wire.shared import METHODS
from a2acore.work import Scribe, Written
from tests.edge import JSON, WAYS, Said, Way, echoing, serving
from tests.kit.sdks import Binding, Sdk
from tests.stage import Actor

NOW = "2026-01-02T03:04:05.678Z"
NEW = Way("1.0", "JSONRPC")
BOTH: tuple[Switch, ...] = ("shared-stream", "trace")
WORKSPACE = Path("/workspace")

LS = ToolCall("t1", "List files", "shell", "execute", "in_progress", {"command": "ls -l"})
LS_DONE = ToolCall(
    "t1", "List files", "shell", "execute", "completed", {"command": "ls -l"}, (), "a.txt\n", 0
)
EDIT = ToolCall("t2", "Edit a.txt", "edit", "edit", "pending", None, (Location("a.txt"),))
USAGE = Usage(10, 20, 3, 4, 37, 0.5, "EUR", "m1")
PLAN = Plan((PlanEntry("look", "completed"), PlanEntry("leap", "in_progress")))


def scribe() -> Scribe:
    return Scribe("task", "context", WORKSPACE)


def written(*sayings: Saying) -> list[Written]:
    """Our events for what an agent says, after the one that says that it works."""
    by = scribe()
    events: list[Written] = [by.status(TaskState.WORKING, NOW)]
    for saying in sayings:
        events += by.write(saying, NOW)
    return events


def said(form: compat.Compat, events: Sequence[Written]) -> list[dict[str, Any]]:
    """What a form tells for events, as it is on the wire of line 1.0."""
    told = [each for event in events for each in form.translate(event, NOW)]
    decoded: list[dict[str, Any]] = json.loads(msgspec.json.encode(told))
    return decoded


def shared(*sayings: Saying) -> list[dict[str, Any]]:
    """What is told in the shared form after the status that says that it works."""
    return said(Shared("task", "context", "Actor"), written(*sayings))[1:]


def traced(*sayings: Saying) -> list[dict[str, Any]]:
    """The sideband's artifacts after the one that says that it works."""
    events = said(Trace("task", "context", "Actor"), written(*sayings))
    found = [each["artifact"] for each in events if is_trace(each)]
    return found[1:]


def is_trace(event: dict[str, Any]) -> bool:
    return "urn:x-a2a:trace:v1" in event.get("artifact", {}).get("extensions", [])


# metadata.shared


def place(source: str, sequence: int) -> dict[str, Any]:
    return {
        "source": source,
        "message_id": "task:assistant",
        "event_id": f"task:{sequence}",
        "sequence": sequence,
    }


def block(kind: str, source: str, sequence: int) -> dict[str, Any]:
    return {"stream": {"block_type": kind, "role": "agent", **place(source, sequence)}}


def test_each_chunk_of_text_says_its_block_its_place_and_its_source() -> None:
    first, second = shared(Text("Hello, "), Text("world"))
    assert first["artifact"]["metadata"]["shared"] == block("text", "delta_event", 2)
    assert second == {
        "taskId": "task",
        "contextId": "context",
        "artifact": {
            "artifactId": "response",
            "name": "response",
            "parts": [{"text": "world"}],
            "metadata": {"shared": block("text", "delta_event", 3)},
        },
        "append": True,
    }


def test_thinking_is_reasoning() -> None:
    [told] = shared(Thought("Hm."))
    assert told["artifact"]["metadata"]["shared"] == block("reasoning", "delta_event", 2)


def test_a_tool_is_also_an_artifact_with_the_state_of_the_call() -> None:
    status, started, _, done = shared(LS, LS_DONE)
    assert status["metadata"]["shared"]["stream"] == place("status", 2)
    assert started == {
        "taskId": "task",
        "contextId": "context",
        "artifact": {
            "artifactId": "tool:t1",
            "name": "shell",
            "parts": [
                {
                    "data": {
                        "kind": "state",
                        "source_method": "commandExecution",
                        "call_id": "t1",
                        "tool": "shell",
                        "status": "running",
                        "title": "List files",
                        "input": {"command": "ls -l"},
                    }
                }
            ],
            "metadata": {"shared": block("tool_call", "tool_part_update", 3)},
        },
    }
    [part] = done["artifact"]["parts"]
    assert done["lastChunk"] is True
    assert part["data"]["status"] == "completed"
    assert part["data"]["output"] == {"text": "a.txt\n", "exit_code": 0}


@pytest.mark.parametrize(
    ("tool", "state"),
    [
        (EDIT, {"source_method": "fileChange", "tool": "edit", "status": "pending"}),
        (
            ToolCall("3", "", "", "read", "completed", output="text"),
            {"tool": "read", "status": "completed", "output": "text"},
        ),
        (
            ToolCall("4", "", "look", "search", "failed", output="no such file"),
            {"tool": "look", "status": "failed", "error": "no such file"},
        ),
        (
            ToolCall("5", "", "", "execute", "cancelled"),
            {"source_method": "commandExecution", "tool": "execute", "status": "cancelled"},
        ),
    ],
)
def test_a_call_is_told_in_their_words(tool: ToolCall, state: dict[str, Any]) -> None:
    _, told = shared(tool)
    [part] = told["artifact"]["parts"]
    assert {k: v for k, v in part["data"].items() if k != "title"} == {
        "kind": "state",
        "call_id": tool.id,
        **state,
    }


def test_a_diff_and_a_plan_cannot_be_taken_for_the_answer() -> None:
    diff, plan = shared(FileChange("a.txt", "a\n", "b\n"), PLAN)
    assert diff["artifact"]["metadata"]["shared"]["stream"]["block_type"] == "tool_call"
    assert plan["artifact"]["metadata"]["shared"]["stream"]["block_type"] == "tool_call"
    assert diff["artifact"]["artifactId"] == "file:a.txt"


def test_an_artifact_of_the_backend_is_text_when_it_is_one_and_left_alone_otherwise() -> None:
    text = Output(Artifact("poem", (Part(text="Roses"),), metadata={"by": "me"}))
    picture = Output(Artifact("picture", (Part(raw=b"png"),)))
    poem, alone = shared(text, picture)
    assert poem["artifact"]["metadata"] == {"by": "me", "shared": block("text", "delta_event", 2)}
    assert "metadata" not in alone["artifact"]


def test_the_end_tells_the_usage_in_their_words_and_ours() -> None:
    by = scribe()
    by.write(USAGE, NOW)
    [told] = said(
        Shared("task", "context", "Actor"), [by.end(TaskState.COMPLETED, NOW, "", "end_turn")]
    )
    assert told["metadata"]["shared"] == {
        "stream": place("status", 1),
        "session": {"id": "context"},
        "usage": {
            "input_tokens": 10,
            "output_tokens": 20,
            "total_tokens": 37,
            "reasoning_tokens": 4,
            "cost": 0.5,
            "cache_tokens": {"read_tokens": 3},
            "raw": {
                "inputTokens": 10,
                "outputTokens": 20,
                "cachedTokens": 3,
                "thoughtTokens": 4,
                "totalTokens": 37,
                "cost": 0.5,
                "currency": "EUR",
                "model": "m1",
            },
        },
    }


SCHEMA: Metadata = {"type": "object", "properties": {"name": {"type": "string"}}}
OPTIONS = (
    Option("a", "Allow", "allow_once"),
    Option("b", "Always allow ls", "allow_always"),
    Option("c", "Reject", "reject_once"),
)
ASKED = [
    (
        Permission(LS, OPTIONS),
        "permission",
        {"permission": "command_execution", "patterns": ["ls -l"], "always": ["Always allow ls"]},
    ),
    (
        Permission(ToolCall("5", "Run", "", "execute", input={"command": ["rm", "a b"]})),
        "permission",
        {"permission": "command_execution", "patterns": ["rm 'a b'"], "always": []},
    ),
    (
        Permission(EDIT, OPTIONS, changes=(FileChange("b.txt", None, "b\n"),)),
        "permission",
        {
            "permission": "file_change",
            "patterns": ["a.txt", "b.txt"],
            "always": ["Always allow ls"],
        },
    ),
    (
        Permission(ToolCall("7", "Look it up", "web", "fetch")),
        "permission",
        {"permission": "web", "patterns": [], "always": []},
    ),
    (
        Question("Which?", ("red", "blue")),
        "question",
        {
            "questions": [
                {
                    "question": "Which?",
                    "options": [
                        {"label": "red", "description": ""},
                        {"label": "blue", "description": ""},
                    ],
                }
            ]
        },
    ),
    (
        Question("Who?", schema=SCHEMA),
        "elicitation",
        {"mode": "form", "requested_schema": SCHEMA},
    ),
]


@pytest.mark.parametrize(("asking", "kind", "details"), ASKED)
def test_what_is_asked_is_told_with_all_that_is_to_be_decided_on(
    asking: Permission | Question, kind: str, details: dict[str, Any]
) -> None:
    by, form = scribe(), Shared("task", "context", "Actor")
    message = Pause("r1", asking).message(by)
    [told] = said(form, [by.status(TaskState.INPUT_REQUIRED, NOW, message)])
    assert told["metadata"]["shared"] == {
        "stream": place("interrupt", 1),
        "session": {"id": "context"},
        "interrupt": {
            "request_id": "r1",
            "type": kind,
            "phase": "asked",
            "details": {**details, "display_message": message.parts[0].text},
        },
    }


def resolved(resolution: str) -> dict[str, Any]:
    return {
        "request_id": "r1",
        "type": "permission",
        "phase": "resolved",
        "resolution": resolution,
        "details": {},
    }


def test_work_that_goes_on_resolves_what_was_asked_and_once() -> None:
    by, form = scribe(), Shared("task", "context", "Actor")
    message = Pause("r1", Permission(LS)).message(by)
    by_and_by = by.status(TaskState.WORKING, NOW)
    [_, first, second] = said(
        form, [by.status(TaskState.INPUT_REQUIRED, NOW, message), by_and_by, by_and_by]
    )
    assert first["metadata"]["shared"]["interrupt"] == resolved("replied")
    assert first["metadata"]["shared"]["stream"]["source"] == "interrupt"
    assert "interrupt" not in second["metadata"]["shared"]


def test_a_question_that_nobody_answered_in_time_is_rejected() -> None:
    by, form = scribe(), Shared("task", "context", "Actor")
    message = Pause("r1", Permission(LS)).message(by)
    notice = by.message("Nobody answered.", {"kind": "notice", "notice": "timeout"})
    [_, told] = said(
        form,
        [
            by.status(TaskState.INPUT_REQUIRED, NOW, message),
            by.status(TaskState.WORKING, NOW, notice),
        ],
    )
    assert told["metadata"]["shared"]["interrupt"] == resolved("rejected")


def test_a_task_that_ends_unanswered_rejects_what_was_asked() -> None:
    by, form = scribe(), Shared("task", "context", "Actor")
    message = Pause("r1", Permission(LS)).message(by)
    [_, end] = said(
        form,
        [
            by.status(TaskState.INPUT_REQUIRED, NOW, message),
            by.end(TaskState.CANCELED, NOW, "", "cancelled"),
        ],
    )
    assert end["metadata"]["shared"]["interrupt"] == resolved("rejected")


# The sideband

WHO = {"agent_id": "Actor", "agent_name": "Actor", "trace_id": "context"}


def test_an_event_of_the_sideband_is_an_artifact_with_one_part_of_data() -> None:
    started, _ = said(Trace("task", "context", "Actor"), written())
    assert started["artifact"]["artifactId"].startswith("trace.lifecycle-")
    del started["artifact"]["artifactId"]
    assert started == {
        "taskId": "task",
        "contextId": "context",
        "artifact": {
            "name": "trace.lifecycle",
            "extensions": ["urn:x-a2a:trace:v1"],
            "metadata": {"traceType": "trace.lifecycle", "timestamp": NOW},
            "parts": [
                {
                    "data": {**WHO, "state": "started", "backend": "Actor"},
                    "metadata": {"mimeType": "application/json"},
                }
            ],
        },
        "lastChunk": True,
    }


TRACES: list[tuple[list[Saying], list[tuple[str, dict[str, Any]]]]] = [
    (
        [LS, LS_DONE, LS_DONE],
        [
            ("trace.mcp.start", {"toolKind": "shell", "command": "ls -l", "itemId": "t1"}),
            (
                "trace.mcp",
                {
                    "toolKind": "shell",
                    "itemId": "t1",
                    "exitCode": 0,
                    "output": "a.txt\n",
                    "status": "completed",
                },
            ),
        ],
    ),
    # What has but a name has not started; what ends has.
    ([EDIT], []),
    (
        [EDIT, ToolCall("t2", "Edit a.txt", "edit", "edit", "failed", output="read-only")],
        [
            ("trace.mcp.start", {"toolKind": "edit", "tool": "edit", "itemId": "t2"}),
            (
                "trace.mcp",
                {
                    "toolKind": "edit",
                    "tool": "edit",
                    "itemId": "t2",
                    "status": "failed",
                    "error": "read-only",
                },
            ),
        ],
    ),
    (
        [ToolCall("9", "x" * 600, "", "execute", "in_progress")],
        [("trace.mcp.start", {"toolKind": "shell", "command": "x" * 500, "itemId": "9"})],
    ),
    # What came out of a tool that is no command is left out.
    (
        [ToolCall("8", "Read", "", "read", "completed", output="secret")],
        [
            ("trace.mcp.start", {"toolKind": "read", "tool": "Read", "itemId": "8"}),
            (
                "trace.mcp",
                {"toolKind": "read", "tool": "Read", "itemId": "8", "status": "completed"},
            ),
        ],
    ),
    (
        [FileChange("a.txt", None, "a\n"), FileChange("b.txt", "b\n", "c\n")],
        [
            (
                "trace.decision",
                {"kind": "file_change", "changes": [{"path": "a.txt", "kind": "add"}]},
            ),
            (
                "trace.decision",
                {"kind": "file_change", "changes": [{"path": "b.txt", "kind": "update"}]},
            ),
        ],
    ),
    (
        [FileChange("a.txt", "a\n", None)],
        [
            (
                "trace.decision",
                {"kind": "file_change", "changes": [{"path": "a.txt", "kind": "delete"}]},
            )
        ],
    ),
    (
        [PLAN],
        [
            (
                "trace.decision",
                {
                    "kind": "todo_list",
                    "items": [
                        {"text": "look", "completed": True},
                        {"text": "leap", "completed": False},
                    ],
                },
            )
        ],
    ),
    ([Text("answer"), Notice("by the way")], []),
]


@pytest.mark.parametrize(("sayings", "events"), TRACES)
def test_what_an_agent_does_is_an_event_of_the_sideband(
    sayings: list[Saying], events: list[tuple[str, dict[str, Any]]]
) -> None:
    artifacts = traced(*sayings)
    assert [(a["name"], a["parts"][0]["data"]) for a in artifacts] == [
        (name, {**WHO, "backend": "Actor", **data}) for name, data in events
    ]
    assert len({a["artifactId"] for a in artifacts}) == len(events)


def test_thinking_is_told_whole_when_it_has_ended() -> None:
    events = said(
        Trace("task", "context", "Actor"),
        written(Thought("Let me "), Thought("see."), Text("Well"), Thought("Hm."), Notice("!")),
    )
    told = [
        (event["artifact"]["name"], event["artifact"]["parts"][0].get("data"))
        for event in events
        if "artifact" in event
    ]
    assert told[1:] == [
        ("thinking", None),
        ("thinking", None),
        ("trace.thinking", {**WHO, "content": "Let me see."}),
        ("response", None),
        ("thinking", None),
        ("trace.thinking", {**WHO, "content": "Hm."}),
    ]


@pytest.mark.parametrize(
    ("state", "data"),
    [
        (
            TaskState.COMPLETED,
            {
                "state": "finished",
                "usage": {
                    "input_tokens": 10,
                    "cached_input_tokens": 3,
                    "output_tokens": 20,
                    "reasoning_output_tokens": 4,
                },
            },
        ),
        (TaskState.FAILED, {"state": "error", "message": "Broken."}),
        (TaskState.CANCELED, {"state": "error", "message": "Broken."}),
        (TaskState.REJECTED, {"state": "error", "message": "Broken."}),
    ],
)
def test_an_end_is_told_before_the_status_that_nothing_can_follow(
    state: TaskState, data: dict[str, Any]
) -> None:
    by = scribe()
    by.write(USAGE, NOW)
    lifecycle, end = said(Trace("task", "context", "Actor"), [by.end(state, NOW, "Broken.", "")])
    assert lifecycle["artifact"]["parts"][0]["data"] == {**WHO, "backend": "Actor", **data}
    assert end["status"]["state"] == state.value


@pytest.mark.parametrize("data", [{"usage": 5}, {"usage": {"inputTokens": 1}}, {"id": 5}])
def test_a_notice_is_none_of_theirs_whatever_its_members_are_called(data: Metadata) -> None:
    scribe = Scribe("t", "c", WORKSPACE)
    [event] = scribe.write(Notice("Look.", "odd", data), NOW)
    [told] = Shared("t", "c", "Echo").translate(event, NOW)
    assert told.metadata is not None
    assert told.metadata["shared"].keys() == {"stream", "session"}
    assert Trace("t", "c", "Echo").translate(event, NOW)[-1] == event


def test_an_agent_that_counts_nothing_has_no_usage() -> None:
    lifecycle, _ = said(
        Trace("task", "context", "Actor"), [scribe().end(TaskState.COMPLETED, NOW, "", "")]
    )
    assert lifecycle["artifact"]["parts"][0]["data"]["usage"] is None


# Over HTTP


async def work(turn: Turn) -> str | None:
    """One of everything that is said."""
    for saying in (Thought("Hm."), LS, LS_DONE, FileChange("a.txt", "a\n", "b\n"), PLAN, USAGE):
        turn.say(saying)
    answer = await turn.ask(Permission(LS, OPTIONS))
    turn.say(Text("Yes. " if answer.allowed else "No. "))
    if turn.text == "fail":
        raise AgentFailed("It broke.")
    turn.say(Text("Done."))
    return "end_turn"


async def story(way: Way, switches: tuple[Switch, ...], prompt: str = "go") -> list[Said]:
    """Everything that a caller hears of `work`, whose permission it gives."""
    async with serving(Actor(work), Options(compat=switches)) as edge:
        async with edge.telling(way, prompt) as stream:
            heard = await stream.hear_out(way)
        task_id = heard[0].inside["id"]
        message = way.message("allow", taskId=task_id)
        async with edge.listen(way, "stream", message=message) as stream:
            return heard + await stream.hear_out(way)


MADE_UP = {"id", "taskId", "contextId", "messageId", "timestamp", "requestId", "durationMs"}


def ours_alone(said: Any) -> Any:
    """What is told, without what a form adds, and without what is made up at each time."""
    if isinstance(said, dict):
        kept = {
            key: key if key in MADE_UP else ours_alone(value)
            for key, value in said.items()
            if key != "shared"
        }
        if kept.get("metadata") == {} != said["metadata"]:
            del kept["metadata"]  # it was there for `shared` alone
        if isinstance(artifacts := said.get("artifacts"), list):
            kept["artifacts"] = [ours_alone(each) for each in artifacts if not theirs(each)]
        return kept
    return [ours_alone(each) for each in said] if isinstance(said, list) else said


def theirs(artifact: dict[str, Any]) -> bool:
    return str(artifact["artifactId"]).startswith(("trace.", "tool:"))


@pytest.mark.parametrize("way", WAYS, ids=str)
@pytest.mark.parametrize("prompt", ["go", "fail"])
async def test_a_form_adds_and_leaves_everything_of_ours_as_it_is(way: Way, prompt: str) -> None:
    plain, both = await story(way, (), prompt), await story(way, BOTH, prompt)
    kept = [
        event
        for event in both
        if not ("artifact" in event.inside and theirs(event.inside["artifact"]))
    ]
    assert json.dumps(ours_alone([each.inside for each in kept])) == json.dumps(
        ours_alone([each.inside for each in plain])
    )
    assert "shared" not in json.dumps(plain)
    assert len(both) > len(plain)


async def test_a_whole_task_is_numbered_without_a_gap_and_tells_its_question_and_its_end() -> None:
    """On the one stream: who names their extension answers beside it, and goes on listening."""
    verb, target, headers, body = NEW.spell("stream", {"message": NEW.message("go")})
    headers["A2A-Extensions"] = "urn:codex-a2a:extension:stream-hints:v1"
    metadata: list[dict[str, Any]] = []
    async with (
        serving(Actor(work), Options(compat=("shared-stream",))) as edge,
        edge.exchange(verb, target, headers, body) as stream,
    ):
        await stream.hear(NEW)  # the task as it stands
        while not metadata or "usage" not in metadata[-1]:
            event = await stream.hear(NEW)
            metadata.append(event.inside.get("artifact", event.inside)["metadata"]["shared"])
            interrupt = metadata[-1].get("interrupt", {})
            if interrupt.get("phase") == "asked":
                params = {"request_id": interrupt["request_id"], "reply": "once"}
                call = {"jsonrpc": "2.0", "id": 7, "params": params}
                reply = json.dumps({**call, "method": "a2a.interrupt.permission.reply"}).encode()
                answer = await edge.ask("POST", "/", JSON, reply)
                assert answer.json["result"] == {"ok": True, "request_id": interrupt["request_id"]}
        assert await stream.event() is None
    numbers = [each["stream"]["sequence"] for each in metadata]
    assert numbers == list(range(1, len(numbers) + 1))
    interrupts = [each["interrupt"] for each in metadata if "interrupt" in each]
    assert [(each["phase"], each.get("resolution")) for each in interrupts] == [
        ("asked", None),
        ("resolved", "replied"),
    ]
    blocks = [each["stream"].get("block_type") for each in metadata]
    assert [each for each in blocks if each] == [
        *("reasoning", "tool_call", "tool_call", "tool_call", "tool_call"),
        *("text", "text", "reasoning", "text"),
    ]


async def test_a_cancelled_question_is_rejected_even_while_a_tool_is_open(tmp_path: Path) -> None:
    async def play(turn: Turn) -> str | None:
        turn.say(LS)
        await turn.ask(Permission(LS, OPTIONS))
        return None

    async with serving(Actor(play), Options(compat=BOTH)) as edge:
        task = await edge.tell(NEW, "go")
        async with edge.listen(NEW, "subscribe", id=task["id"]) as stream:
            await stream.hear(NEW)
            await edge.do(NEW, "cancel", id=task["id"])
            heard = await stream.hear_out(NEW)
    shared = [event.inside.get("metadata", {}).get("shared", {}) for event in heard]
    [interrupt] = [each["interrupt"] for each in shared if "interrupt" in each]
    assert (interrupt["phase"], interrupt["resolution"]) == ("resolved", "rejected")
    ends = [
        event.inside["artifact"]["parts"][0]["data"]
        for event in heard
        if event.inside.get("artifact", {}).get("name") == "trace.mcp"
    ]
    assert [end["status"] for end in ends] == ["cancelled"]
    assert heard[-1].state == "canceled"


async def test_a_stored_task_has_their_artifacts_beside_ours(tmp_path: Path) -> None:
    async with echoing(tmp_path, compat=BOTH) as edge:
        task = await edge.tell(NEW, "think tool plan")
    names = [artifact.get("name", artifact["artifactId"]) for artifact in task["artifacts"]]
    assert names.count("response") == 1
    assert names[0] == "trace.lifecycle"
    assert {"trace.thinking", "trace.mcp.start", "trace.mcp", "trace.decision"} <= set(names)
    assert names[-1] == "trace.lifecycle"


# The card

URNS = {
    f"urn:{peer}:extension:{name}:v1"
    for peer in ("codex-a2a", "opencode-a2a")
    for name in ("stream-hints", "interactive-interrupt", "interrupt-recovery")
}
DECLARED: list[tuple[tuple[Switch, ...], set[str]]] = [
    ((), set()),
    (("shared-stream",), URNS),
    (("trace",), {"urn:x-a2a:trace:v1"}),
    (BOTH, URNS | {"urn:x-a2a:trace:v1"}),
]


@pytest.mark.parametrize(("switches", "uris"), DECLARED)
async def test_the_card_declares_the_forms_that_are_on_and_requires_none(
    switches: tuple[Switch, ...], uris: set[str], tmp_path: Path
) -> None:
    async with echoing(tmp_path, compat=switches) as edge:
        card = (await edge.ask("GET", "/.well-known/agent-card.json")).json
    extensions = {each["uri"]: each for each in card["capabilities"]["extensions"]}
    assert extensions.keys() == {"urn:a2acode:work:v1", *uris}
    assert not any(each.get("required") for each in extensions.values())


async def test_the_card_tells_their_callers_what_they_look_for(tmp_path: Path) -> None:
    async with echoing(tmp_path, compat=("shared-stream",)) as edge:
        card = (await edge.ask("GET", "/.well-known/agent-card.json")).json
    params = {each["uri"]: each.get("params") for each in card["capabilities"]["extensions"]}
    stream = params["urn:codex-a2a:extension:stream-hints:v1"]
    assert stream["artifact_metadata_field"] == "metadata.shared.stream"
    assert stream["block_types"] == ["text", "reasoning", "tool_call"]
    replies = params["urn:opencode-a2a:extension:interactive-interrupt:v1"]
    assert replies["methods"]["reply_permission"] == "a2a.interrupt.permission.reply"
    assert replies["errors"]["business_codes"] == {
        "INTERRUPT_REQUEST_NOT_FOUND": -32004,
        "INTERRUPT_REQUEST_EXPIRED": -32010,
        "INTERRUPT_TYPE_MISMATCH": -32008,
    }
    assert params["urn:codex-a2a:extension:interrupt-recovery:v1"]["methods"] == {
        "list": "codex.interrupts.list"
    }


async def test_a_request_that_names_a_form_hears_that_it_is_active(tmp_path: Path) -> None:
    uri = "urn:opencode-a2a:extension:stream-hints:v1"
    async with echoing(tmp_path, compat=("shared-stream",)) as edge:
        verb, target, headers, body = NEW.spell("send", {"message": NEW.message("hi")})
        answer = await edge.ask(verb, target, {**headers, "A2A-Extensions": uri}, body)
    assert answer.headers["a2a-extensions"] == uri


# The documentation

DOCUMENT = (Path(__file__).parent.parent / "docs" / "compat.md").read_text()


def test_the_document_lists_every_method_and_every_switch() -> None:
    listed = re.findall(r"`((?:a2a|codex|opencode)\.[a-z.]+)`", DOCUMENT)
    assert set(listed) == set(METHODS)
    assert set(re.findall(r"--compat ([a-z-]+)", DOCUMENT)) == set(get_args(Switch))


def test_the_examples_of_the_document_are_what_is_told() -> None:
    chunk, interrupt, trace = map(json.loads, re.findall(r"```json\n(.*?)```", DOCUMENT, re.S))
    [told] = shared(Text("Done."))
    assert chunk.keys() == told["artifact"].keys() - {"extensions"}
    assert chunk["metadata"]["shared"]["stream"].keys() == (
        told["artifact"]["metadata"]["shared"]["stream"].keys()
    )
    by = scribe()
    message = Pause("r1", Permission(LS, OPTIONS)).message(by)
    [asked] = said(
        Shared("task", "context", "Actor"), [by.status(TaskState.INPUT_REQUIRED, NOW, message)]
    )
    assert interrupt.keys() == asked["metadata"]["shared"]["interrupt"].keys()
    assert interrupt["details"].keys() == asked["metadata"]["shared"]["interrupt"]["details"].keys()
    [started, _] = traced(LS, LS_DONE)
    assert trace.keys() == started.keys()
    assert trace["parts"][0]["data"].keys() == started["parts"][0]["data"].keys()


# The official clients


@pytest.mark.sdks
@pytest.mark.parametrize("binding", ["JSONRPC", "HTTP+JSON"])
async def test_the_official_clients_read_a_task_with_every_form_as_one_without(
    official_client: Sdk, binding: Binding, tmp_path: Path
) -> None:
    from a2abackends.echo import ECHO

    with trio.fail_after(90):
        async with ECHO.open(Settings(tmp_path)) as backend, trio.open_nursery() as nursery:
            options = Options(workspace=tmp_path, compat=BOTH)
            bound = await nursery.start(partial(serve, backend, port=0, options=options))
            seen = await official_client.play("stream", bound.url, binding, "think tool plan")
            nursery.cancel_scope.cancel()
    assert seen.error is None
    assert (seen.states[0], seen.states[-1]) == ("submitted", "completed")
    assert seen.text() == "echo: think tool plan"
