"""What an agent does, written as events: by a `Scribe`, through its front door."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from a2acore.backend import (
    AgentFailed,
    FileChange,
    Location,
    Notice,
    Output,
    Plan,
    PlanEntry,
    Saying,
    Text,
    Thought,
    ToolCall,
    ToolStatus,
    Turn,
    Usage,
)
from a2acore.diff import unified
from a2acore.lifecycle import EXTENSION, about
from a2acore.model import (
    Artifact,
    Message,
    Part,
    TaskArtifactUpdateEvent,
    TaskState,
    TaskStatusUpdateEvent,
)
from a2acore.work import EXCERPT, Scribe, Written, excerpt, visible
from tests.stage import (
    WORKSPACE,
    artifacts_of,
    begin,
    data,
    open_stage,
    response,
    send,
    told,
    words,
)

NOW = "2026-01-01T00:00:00.000Z"


def scribe(*, buffered: bool = False) -> Scribe:
    return Scribe("t", "c", WORKSPACE, buffered)


def message(events: list[Written]) -> Message:
    """The message of the one status that was written."""
    (event,) = events
    assert isinstance(event, TaskStatusUpdateEvent)
    assert event.status.state is TaskState.WORKING
    assert event.status.message is not None
    return event.status.message


def pieces(events: list[Written]) -> list[tuple[str, str | None, bool, bool]]:
    return [
        (e.artifact.artifact_id, e.artifact.parts[0].text, e.append, e.last_chunk)
        for e in artifacts_of(events)
    ]


# Text


def test_text_and_thinking_flow_into_artifacts_of_their_own_and_are_closed_at_the_end() -> None:
    one = scribe()
    said: list[Saying] = [Text("a"), Thought("hm"), Text("b"), Thought("ah")]
    events = [event for saying in said for event in one.write(saying, NOW)]
    assert pieces(events) == [
        ("response", "a", False, False),
        ("thinking", "hm", False, False),
        ("response", "b", True, False),
        ("thinking", "ah", True, False),
    ]
    assert pieces(one.close(NOW, "completed")) == [
        ("response", "", True, True),
        ("thinking", "", True, True),
    ]
    assert one.close(NOW, "completed") == []


@pytest.mark.parametrize("nothing", [Text(""), Thought("")])
def test_an_empty_text_is_not_told(nothing: Saying) -> None:
    one = scribe()
    assert one.write(nothing, NOW) == []
    assert one.close(NOW, "completed") == []


def test_a_buffered_answer_is_held_back_until_it_is_flushed_and_then_told_whole() -> None:
    one = scribe(buffered=True)
    assert [one.write(Text(text), NOW) for text in "ab"] == [[], []]
    assert pieces(one.write(Thought("hm"), NOW)) == [("thinking", "hm", False, False)]
    assert pieces(one.flush()) == [("response", "ab", False, False)]
    assert one.flush() == []
    one.write(Text("c"), NOW)
    assert pieces(one.close(NOW, "completed")) == [
        ("response", "c", True, False),
        ("thinking", "", True, True),
        ("response", "", True, True),
    ]


# Tools


LINES: list[tuple[ToolCall, str]] = [
    (ToolCall("1", "Run tests"), "· Run tests"),
    (ToolCall("1", "Run tests", status="in_progress"), "· Run tests"),
    (ToolCall("1", "Run tests", status="completed", output="ok"), "✓ Run tests"),
    (ToolCall("1", "Run tests", status="failed"), "✗ Run tests"),
    (ToolCall("1", "Run tests", status="cancelled"), "✗ Run tests"),
    (ToolCall("1", "Run", status="failed", output="\n no file\nat 3"), "✗ Run: no file"),
    (ToolCall("1", "", "bash"), "· bash"),
    (ToolCall("1", kind="fetch"), "· fetch"),
    (ToolCall("1", "rm\n✓ ls"), "· rm⏎✓ ls"),
    (ToolCall("1", "x", status="failed", output="\x1b[31mred"), "✗ x: \\x1b[31mred"),
]


@pytest.mark.parametrize(("tool", "line"), LINES)
def test_a_tool_call_is_one_line_for_a_person(tool: ToolCall, line: str) -> None:
    assert words(message(scribe().write(tool, NOW))) == line


def test_a_tool_call_is_data_for_a_program() -> None:
    tool = ToolCall(
        "1",
        "Edit a.py",
        "edit",
        "edit",
        "completed",
        {"path": "a.py", "n": None},
        (Location("/workspace/a.py", 3), Location("/etc/hosts")),
        "done",
        0,
    )
    said = message(scribe().write(tool, NOW))
    assert data(said) == {
        "kind": "tool",
        "id": "1",
        "name": "edit",
        "title": "Edit a.py",
        "toolKind": "edit",
        "status": "completed",
        "input": {"path": "a.py", "n": None},
        "locations": [{"path": "a.py", "line": 3}, {"path": "/etc/hosts"}],
        "output": "done",
        "exitCode": 0,
    }
    assert said.metadata == {EXTENSION: {"kind": "tool", "id": "1"}}
    assert said.extensions == (EXTENSION,)


def test_what_is_not_known_of_a_tool_is_left_out() -> None:
    said = data(message(scribe().write(ToolCall("1"), NOW)))
    assert not {"input", "locations", "output", "exitCode"} & set(said)


def test_a_tool_is_told_again_only_when_more_is_known() -> None:
    one = scribe()
    assert one.write(ToolCall("1", "a"), NOW)
    assert one.write(ToolCall("1", "a"), NOW) == []
    assert one.write(ToolCall("1", "a", status="completed"), NOW)
    assert one.write(ToolCall("2", "a", status="completed"), NOW)


@pytest.mark.parametrize("fate", ["completed", "failed", "cancelled"])
def test_no_tool_is_open_after_the_end(fate: ToolStatus) -> None:
    one = scribe()
    for tool in (
        ToolCall("1", status="completed"),
        ToolCall("2", status="in_progress", output="so far"),
        ToolCall("3", status="failed"),
    ):
        one.write(tool, NOW)
    said = data(message(one.close(NOW, fate)))
    assert (said["id"], said["status"], said["output"]) == ("2", fate, "so far")
    assert one.close(NOW, fate) == []


def test_a_long_output_is_cut_in_its_middle_and_says_so() -> None:
    long = "a" * EXCERPT + "MIDDLE" + "z" * EXCERPT
    cut = excerpt(long)
    assert cut.startswith("a" * (EXCERPT // 2))
    assert cut.endswith("z" * (EXCERPT // 2))
    assert f"{len(long) - EXCERPT} characters left out" in cut
    assert excerpt("x" * EXCERPT) == "x" * EXCERPT


# What a person is shown


VISIBLE = {
    "plain wörds → ✓ 漢字": "plain wörds → ✓ 漢字",
    "a\nb": "a⏎b",
    "\x1b[2K": "\\x1b[2K",
    "a\rb\tc\x00d\x7f": "a\\rb\\tc\\x00d\\x7f",
    "\u202egnp.exe": "\\u202egnp.exe",  # right-to-left override
    "a\u2066b\u2069": "a\\u2066b\\u2069",  # isolates
    "a\u200bb\ufeff": "a\\u200bb\\ufeff",  # no width
    "a\u2028b\x85": "a\\u2028b\\x85",  # other ends of lines
    "a\xa0b": "a\\xa0b",
    "\ud800": "\\ud800",
}


@pytest.mark.parametrize(("text", "shown"), VISIBLE.items(), ids=map(ascii, VISIBLE))
def test_nothing_in_a_shown_text_is_invisible(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(st.text(st.characters(exclude_categories=())))
def test_a_shown_text_is_printable_and_can_be_written(text: str) -> None:
    assert visible(text).isprintable()
    assert visible(text).encode().decode() == visible(visible(text))


# Files


def change(one: Scribe, path: str, before: str | None, after: str | None, **more: Any) -> Artifact:
    (event,) = artifacts_of(one.write(FileChange(path, before, after, **more), NOW))
    assert (event.append, event.last_chunk) == (False, True)
    return event.artifact


def test_a_file_change_is_an_artifact_named_by_its_place_in_the_workspace() -> None:
    made = change(scribe(), "/workspace/src/a.py", "a\n", "b\n")
    assert (made.artifact_id, made.name) == ("file:src/a.py", "src/a.py")
    assert made.metadata == {EXTENSION: {"kind": "diff", "path": "src/a.py", "change": "modified"}}
    (part,) = made.parts
    assert (part.media_type, part.filename) == ("text/x-diff", "src/a.py")


PLACES = {
    "a.py": "a.py",
    "/workspace/a.py": "a.py",
    "./a.py": "a.py",
    "src/../a.py": "a.py",
    "/workspace/src/../a.py": "a.py",
    "../elsewhere/a.py": "/elsewhere/a.py",
    "/workspace2/a.py": "/workspace2/a.py",
    "/etc/../etc/hosts": "/etc/hosts",
}


@pytest.mark.parametrize(("path", "place"), PLACES.items())
def test_a_file_has_one_name_however_the_agent_spells_it(path: str, place: str) -> None:
    assert scribe().relative(path) == place


def test_a_file_that_changes_again_shows_the_change_since_the_beginning() -> None:
    one = scribe()
    change(one, "a", "1\n", "2\n")
    again = change(one, "/workspace/a", "2\n", "3\n")
    assert again.artifact_id == "file:a"
    assert again.parts[0].text == unified(FileChange("a", "1\n", "3\n"))


@pytest.mark.parametrize("start", ["1\n", None])
def test_a_file_that_is_again_as_it_was_has_no_diff_left(start: str | None) -> None:
    one = scribe()
    change(one, "a", start, "2\n")
    again = change(one, "a", "2\n", start)
    assert again.parts[0].text == ""
    assert (again.metadata or {})[EXTENSION]["change"] == "unchanged"


def test_a_file_that_did_not_change_is_not_told() -> None:
    assert scribe().write(FileChange("a", "1", "1"), NOW) == []


@pytest.mark.parametrize(
    ("before", "after", "binary", "kind"),
    [
        (None, "a", False, "added"),
        ("a", None, False, "deleted"),
        ("a", "b", False, "modified"),
        ("a", "", False, "modified"),
        (None, "", False, "added"),
        (None, None, True, "binary"),
    ],
)
def test_a_change_says_of_what_kind_it_is(
    before: str | None, after: str | None, binary: bool, kind: str
) -> None:
    made = change(scribe(), "a", before, after, binary=binary)
    assert (made.metadata or {})[EXTENSION]["change"] == kind


def test_a_moved_file_says_where_it_was_and_its_old_place_where_it_is() -> None:
    one = scribe()
    change(one, "/workspace/old", "1\n", "2\n")
    move = FileChange("/workspace/new", "2\n", "2\n", moved_from="/workspace/sub/../old")
    left, made = [event.artifact for event in artifacts_of(one.write(move, NOW))]
    assert (left.artifact_id, left.parts[0].text) == ("file:old", "")
    assert (left.metadata or {})[EXTENSION] == {
        "kind": "diff",
        "path": "old",
        "change": "moved",
        "movedTo": "new",
    }
    assert made.artifact_id == "file:new"
    assert made.parts[0].text == one.diff(evolve(move, before="1\n"))
    assert (made.metadata or {})[EXTENSION] == {
        "kind": "diff",
        "path": "new",
        "change": "moved",
        "movedFrom": "old",
    }


# The rest


def test_a_plan_replaces_the_one_before() -> None:
    one = scribe()
    one.write(Plan((PlanEntry("look"), PlanEntry("do"))), NOW)
    now = Plan((PlanEntry("look", "completed", "high"), PlanEntry("do", "in_progress")))
    (event,) = artifacts_of(one.write(now, NOW))
    assert (event.artifact.artifact_id, event.append) == ("plan", False)
    text, entries = event.artifact.parts
    assert text.text == "- [x] look\n- [>] do"
    assert entries.data == {
        "kind": "plan",
        "entries": [
            {"content": "look", "status": "completed", "priority": "high"},
            {"content": "do", "status": "in_progress", "priority": "medium"},
        ],
    }


def test_what_a_notice_says_does_not_say_what_the_message_is_about() -> None:
    notice = Notice("See", data={"id": "1", "requestId": "2"})
    said = message(scribe().write(notice, NOW))
    assert said.metadata == {EXTENSION: {"kind": "notice"}}
    assert about(said) is None


def test_a_notice_keeps_its_kind_whatever_its_data_say() -> None:
    notice = Notice("Renamed", "title", {"title": "New", "kind": "tool", "notice": "other"})
    said = message(scribe().write(notice, NOW))
    assert words(said) == "Renamed"
    assert data(said) == {"kind": "notice", "notice": "title", "title": "New"}


def test_an_output_passes_as_the_backend_made_it() -> None:
    made = Artifact("picture", (Part(raw=b"\x89", media_type="image/png"),))
    (event,) = artifacts_of(scribe().write(Output(made, append=True, last=False), NOW))
    assert (event.artifact, event.append, event.last_chunk) == (made, True, False)


def test_the_end_tells_why_and_what_it_has_cost_in_whole() -> None:
    one = scribe()
    for used in (Usage(input_tokens=1, model="old"), Usage(3, 0, cost=0.5, currency="EUR")):
        assert one.write(used, NOW) == []
    end = one.end(TaskState.COMPLETED, NOW, "", "end_turn")
    assert end.status.state is TaskState.COMPLETED
    assert words(end.status.message) == ""
    assert data(end.status.message) == {
        "kind": "end",
        "stopReason": "end_turn",
        "usage": {"inputTokens": 3, "outputTokens": 0, "cost": 0.5, "currency": "EUR"},
    }


def test_the_end_tells_how_long_it_took_since_work_began() -> None:
    one = scribe()
    one.status(TaskState.SUBMITTED, "2026-01-01T00:00:00.000Z")
    one.status(TaskState.WORKING, "2026-01-01T00:00:01.000Z")
    one.status(TaskState.INPUT_REQUIRED, "2026-01-01T00:00:02.000Z")
    one.status(TaskState.WORKING, "2026-01-01T00:00:03.000Z")
    end = one.end(TaskState.COMPLETED, "2026-01-01T00:01:02.345Z", "", "")
    assert data(end.status.message) == {"kind": "end", "durationMs": 61345}
    put_back = one.end(TaskState.COMPLETED, "2025-12-31T23:59:00.000Z", "", "")
    assert data(put_back.status.message)["durationMs"] == 0


# In a task


async def test_what_was_written_before_a_tool_is_told_before_it_and_nothing_is_held_back() -> None:
    async def play(turn: Turn) -> None:
        for saying in (
            Text("Let me "),
            Text("look."),
            ToolCall("1", "ls"),
            ToolCall("1", "ls", status="in_progress"),
            Thought("hm"),
            Text("Done"),
            ToolCall("1", "ls", status="completed"),
            Text("."),
        ):
            turn.say(saying)

    async with open_stage(play) as service:
        _, stream = await begin(service)
        events = await told(stream)
    heard = [
        event.artifact.parts[0].text
        if isinstance(event, TaskArtifactUpdateEvent)
        else words(event.status.message)
        for event in events
        if isinstance(event, TaskArtifactUpdateEvent) or event.status.message
    ]
    closed = ["", "", ""]
    assert heard == ["Let me ", "look.", "· ls", "· ls", "hm", "Done", "✓ ls", ".", *closed]


async def test_the_words_and_the_open_tools_of_a_turn_that_breaks_are_told() -> None:
    async def play(turn: Turn) -> None:
        turn.say(Text("I will"))
        turn.say(ToolCall("1", "rm"))
        turn.say(Text(" now"))
        raise AgentFailed("It fell over")

    async with open_stage(play) as service:
        task = await send(service)
    assert response(task) == "I will now"
    [_, tool] = task.history
    assert (data(tool)["id"], data(tool)["status"]) == ("1", "failed")
    assert words(task.status.message) == "It fell over"
    assert data(task.status.message)["stopReason"] == "crashed"


def test_an_end_of_which_nothing_is_known_says_only_that_it_is_one() -> None:
    end = scribe().end(TaskState.FAILED, NOW, "It broke.", "")
    assert words(end.status.message) == "It broke."
    assert data(end.status.message) == {"kind": "end"}
