"""What an agent does, written as events: by a `Scribe`, through its front door."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from a2acore.backend import (
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
    Usage,
)
from a2acore.lifecycle import EXTENSION
from a2acore.model import Artifact, Message, Part, TaskState, TaskStatusUpdateEvent
from a2acore.work import EXCERPT, Scribe, Written, excerpt, unified, visible
from tests.stage import WORKSPACE, artifacts_of, data, words

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


# Diffs


def git_apply(folder: Path, patch: str) -> subprocess.CompletedProcess[bytes]:
    command = ("git", "apply", "--whitespace=nowarn", "-")
    alone = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    return subprocess.run(command, cwd=folder, env=alone, input=patch.encode(), capture_output=True)


def put(folder: Path, name: str, text: str | None) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    if text is not None:
        file.write_bytes(text.encode())
    return file


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    subprocess.run(("git", "init", "--quiet", tmp_path), check=True)
    return tmp_path


LONG = "".join(f"line {number}\n" for number in range(40))
CHANGES: dict[str, tuple[str | None, str | None]] = {
    "modified": ("a\nb\n", "a\nc\n"),
    "modified in two places": (LONG, LONG.replace("line 3\n", "").replace("line 30", "LINE 30")),
    "added": (None, "a\nb\n"),
    "added, empty": (None, ""),
    "deleted": ("a\nb\n", None),
    "deleted, empty": ("", None),
    "filled": ("", "a\n"),
    "emptied": ("a\nb\n", ""),
    "no newline before": ("a", "a\n"),
    "no newline after": ("a\n", "a"),
    "no newline on either side": ("a\nb", "a\nc"),
    "added without newline": (None, "a"),
    "deleted without newline": ("a", None),
    "carriage returns": ("a\r\nb\r\n", "a\r\nc\r\n"),
    "carriage returns taken away": ("a\r\nb\r\n", "a\nb\n"),
    "a lone carriage return": ("a\rb\n", "a\rc\n"),
    "other ends of lines": ("a\x0cb\u2028c\x85d\n", "a\x0cb\u2028c\x85e\n"),
    "lines that look like a diff": ("--- a/x\n+++ b/x\n", "@@ -1 +1 @@\n-x\n"),
    "only newlines": ("\n\n", "\n\n\n"),
}
NAMES = [
    "plain.txt",
    "deep/er/file.txt",
    "with space",
    "fo lder/a  b ",
    "ünï/文件.txt",
    'quo"te',
    "back\\slash",
    "tab\there",
    "new\nline",
    "esc\x1b[2K",
    "'single'",
    "-dash",
    "a => b",
]


@pytest.mark.parametrize(("before", "after"), CHANGES.values(), ids=CHANGES)
def test_git_takes_a_diff_and_makes_the_file_what_it_became(
    repository: Path, before: str | None, after: str | None
) -> None:
    file = put(repository, "f", before)
    done = git_apply(repository, unified("f", FileChange("f", before, after)))
    assert (done.returncode, done.stderr) == (0, b"")
    assert (file.read_bytes().decode() if file.exists() else None) == after


@pytest.mark.parametrize("name", NAMES, ids=map(ascii, NAMES))
@pytest.mark.parametrize("kind", ["modified", "added", "added, empty", "deleted", "deleted, empty"])
def test_git_takes_a_diff_whatever_the_name_of_the_file(
    repository: Path, name: str, kind: str
) -> None:
    before, after = CHANGES[kind]
    file = put(repository, name, before)
    done = git_apply(repository, unified(name, FileChange(name, before, after)))
    assert (done.returncode, done.stderr) == (0, b"")
    assert (file.read_bytes().decode() if file.exists() else None) == after


def test_a_name_cannot_pass_for_lines_of_a_diff() -> None:
    diff = unified("x\n+++ b/.git/config", FileChange("", "a\n", "b\n"))
    assert [line for line in diff.splitlines() if line.startswith("+++")] == [
        '+++ "b/x\\012+++ b/.git/config"\t'
    ]


TEXTS = st.none() | st.text(st.sampled_from("ab\n\r \\-+@"), max_size=12)


@given(TEXTS, TEXTS)
@example("a\n", "a\n")
def test_the_lines_of_a_diff_give_back_both_texts(before: str | None, after: str | None) -> None:
    diff = unified("f", FileChange("f", before, after))
    sides = {"-": "", "+": ""}
    mark = ""
    _, _, hunks = diff.partition("\n@@")
    for line in f"@@{hunks}".split("\n")[:-1]:
        if line.startswith("\\"):
            sides = {side: t[:-1] if mark in (side, " ") else t for side, t in sides.items()}
        elif not line.startswith("@@"):
            mark = line[0]
            sides = {s: t + f"{line[1:]}\n" if mark in (s, " ") else t for s, t in sides.items()}
    if before == after:
        assert diff == ""
    else:
        assert (sides["-"], sides["+"]) == (before or "", after or "")


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
    assert again.parts[0].text == unified("a", FileChange("a", "1\n", "3\n"))


@pytest.mark.parametrize("start", ["1\n", None])
def test_a_file_that_is_again_as_it_was_has_no_diff_left(start: str | None) -> None:
    one = scribe()
    change(one, "a", start, "2\n")
    assert change(one, "a", "2\n", start).parts[0].text == ""


def test_a_file_that_did_not_change_is_not_told() -> None:
    assert scribe().write(FileChange("a", "1", "1"), NOW) == []


@pytest.mark.parametrize(
    ("before", "after", "binary", "kind"),
    [
        (None, "a", False, "added"),
        ("a", None, False, "deleted"),
        ("a", "b", False, "modified"),
        (None, None, True, "binary"),
    ],
)
def test_a_change_says_of_what_kind_it_is(
    before: str | None, after: str | None, binary: bool, kind: str
) -> None:
    made = change(scribe(), "a", before, after, binary=binary)
    assert (made.metadata or {})[EXTENSION]["change"] == kind


def test_a_binary_file_is_only_named() -> None:
    diff = change(scribe(), "a.png", None, None, binary=True).parts[0].text
    assert diff == "diff --git a/a.png b/a.png\nBinary files a/a.png and b/a.png differ\n"


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


def test_an_end_of_which_nothing_is_known_says_only_that_it_is_one() -> None:
    end = scribe().end(TaskState.FAILED, NOW, "It broke.", "")
    assert words(end.status.message) == "It broke."
    assert data(end.status.message) == {"kind": "end"}
