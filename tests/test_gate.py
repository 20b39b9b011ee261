"""What an agent asks of its client: files, terminals and elicitations, behind one gate.

A real process asks, through the port; what the caller would see and say is in the test's hands.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from a2abackends.acp import open_acp
from a2acore.backend import (
    AgentFailed,
    Answer,
    Asking,
    Backend,
    Credential,
    FileChange,
    Notice,
    Permission,
    Question,
    Settings,
    ToolCall,
)
from a2acore.model import Part
from tests.test_acp import Answerer, Heard, allow, deny, never, running, wait_until_dead

AGENT = str(Path(__file__).with_name("gate_agent.py"))
PATIENCE = 20  # seconds that a backend may be at work before it is called hung
BOTH = frozenset({"files", "terminals"})

INVALID, NOT_TAKEN, NO_METHOD, INTERNAL = -32602, -32600, -32601, -32603
NOT_FOUND, DENIED, WITHDRAWN = -32002, -32001, -32800


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    (tmp_path / "secret").write_text("outside")
    return folder


@asynccontextmanager
async def gate(
    workspace: Path, name: str = "gate", offers: Iterable[str] = BOTH, **env: str
) -> AsyncIterator[Backend]:
    settings = Settings(
        workspace,
        command=(sys.executable, AGENT, name),
        environment={"PATH": os.environ["PATH"], **env},
        offers=frozenset(offers),  # type: ignore[arg-type]
    )
    with trio.fail_after(PATIENCE):
        async with open_acp(settings) as backend:
            yield backend


def turn_of(workspace: Path, *steps: list[Any], answer: Answerer = allow) -> Heard:
    return Heard((Part(text=json.dumps(steps)),), workspace, answer)


def answers(turn: Heard) -> list[Any]:
    """What the agent says that it was answered."""
    return [json.loads(line) for line in turn.response.splitlines()]


async def ask(
    workspace: Path, *steps: list[Any], answer: Answerer = allow
) -> tuple[list[Any], Heard]:
    """Have it ask, and return what it was answered."""
    turn = turn_of(workspace, *steps, answer=answer)
    async with gate(workspace) as backend:
        await backend.run(turn)
    return answers(turn), turn


def read(path: Path | str, **rest: Any) -> list[Any]:
    return ["call", "fs/read_text_file", {"path": str(path), **rest}]


def write(path: Path | str, content: str) -> list[Any]:
    return ["call", "fs/write_text_file", {"path": str(path), "content": content}]


def saying_no(words: str) -> Answerer:
    async def answer(asking: Asking) -> Answer:
        return Answer(False, None, words)

    return answer


# What is offered


OFFERS = [
    ((), False, False),
    (("files",), True, False),
    (("terminals",), False, True),
    (BOTH, True, True),
]


@pytest.mark.parametrize(("offers", "files", "terminals"), OFFERS)
async def test_files_and_terminals_are_offered_where_the_operator_wants_it_and_forms_always(
    workspace: Path, offers: Iterable[str], files: bool, terminals: bool
) -> None:
    async with gate(workspace, offers=offers) as backend:
        turn = turn_of(workspace, ["capabilities"])
        await backend.run(turn)
    assert answers(turn) == [
        {
            "fs": {"readTextFile": files, "writeTextFile": files},
            "terminal": terminals,
            "elicitation": {"form": {}, "url": {}},
        }
    ]


@pytest.mark.parametrize(
    "method",
    [
        "fs/read_text_file",
        "fs/write_text_file",
        "terminal/create",
        "terminal/output",
        "terminal/wait_for_exit",
        "terminal/kill",
        "terminal/release",
        "session/telepathy",
    ],
)
async def test_what_is_not_offered_is_no_method(workspace: Path, method: str) -> None:
    async with gate(workspace, offers=()) as backend:
        turn = turn_of(workspace, ["call", method, {"path": "a", "command": "true"}])
        await backend.run(turn)
    assert answers(turn)[0]["code"] == NO_METHOD
    assert turn.asked == []


@pytest.mark.parametrize("name", ["gemini", "opencode"])
async def test_an_agent_that_is_better_without_files_is_never_offered_them(
    workspace: Path, name: str
) -> None:
    async with gate(workspace, f"/opt/npm/bin/{name}") as backend:
        turn = turn_of(workspace, ["capabilities"])
        await backend.run(turn)
    [told] = answers(turn)
    assert told["fs"] == {"readTextFile": False, "writeTextFile": False}
    assert told["terminal"] is True


# Reading


async def test_a_file_of_the_workspace_is_read_as_a_matter_of_routine(workspace: Path) -> None:
    (workspace / "a.txt").write_text("1\r\nzwei €\n")
    [told], turn = await ask(workspace, read(workspace / "a.txt"))
    assert told == {"content": "1\r\nzwei €\n"}
    [asked] = turn.asked
    assert isinstance(asked, Permission)
    assert asked.routine
    assert (asked.tool.kind, asked.tool.name) == ("read", "fs/read_text_file")
    assert asked.tool.locations[0].path == str(workspace / "a.txt")


PARTS = [
    ({"line": 1}, "a\nb\n\nd"),
    ({"line": 0}, "a\nb\n\nd"),
    ({"line": 2}, "b\n\nd"),
    ({"line": 2, "limit": 1}, "b\n"),
    ({"line": 2, "limit": 2}, "b\n\n"),
    ({"limit": 2}, "a\nb\n"),
    ({"limit": 0}, ""),
    ({"line": 4, "limit": 9}, "d"),
    ({"line": 5}, ""),
    ({"line": 99, "limit": 1}, ""),
    ({"line": None, "limit": None}, "a\nb\n\nd"),
]


@pytest.mark.parametrize(("asked", "content"), PARTS, ids=str)
async def test_some_lines_of_a_file_are_read(
    workspace: Path, asked: dict[str, Any], content: str
) -> None:
    (workspace / "a.txt").write_text("a\nb\n\nd")
    [told], _ = await ask(workspace, read(workspace / "a.txt", **asked))
    assert told == {"content": content}


async def test_a_denied_file_is_not_read_and_the_agent_hears_why(workspace: Path) -> None:
    (workspace / ".env").write_text("KEY=1")
    [told], _ = await ask(workspace, read(workspace / ".env"), answer=saying_no("secrets stay"))
    assert told == {
        "code": DENIED,
        "message": "Reading was denied: secrets stay",
        "data": {"reason": "secrets stay"},
    }


def make_odd_files(workspace: Path) -> None:
    (workspace / "folder").mkdir()
    (workspace / "binary").write_bytes(b"\xff\xfe\0")
    os.mkfifo(workspace / "pipe")
    (workspace / "zero").symlink_to("/dev/zero")
    (workspace / "away").symlink_to("../secret")
    (workspace / "far").symlink_to(workspace.parent / "secret")
    (workspace / "up").symlink_to("..")
    (workspace / "loop").symlink_to("loop")
    (workspace / "chain").symlink_to("up")
    (workspace / "file").write_text("here")
    with open(workspace / "huge", "wb") as huge:
        huge.truncate(8 * 1024 * 1024 + 1)


REFUSED = [
    ("nothing", NOT_FOUND, "not found"),
    ("no/such/folder", NOT_FOUND, "not found"),
    ("folder", INVALID, "is a folder"),
    ("binary", INVALID, "UTF-8"),
    ("pipe", INVALID, "no ordinary file"),
    ("huge", INVALID, "larger than"),
    ("zero", INVALID, "not in the workspace"),
    ("away", INVALID, "not in the workspace"),
    ("far", INVALID, "not in the workspace"),
    ("up/secret", INVALID, "not in the workspace"),
    ("chain/secret", INVALID, "not in the workspace"),
    ("../secret", INVALID, "not in the workspace"),
    ("folder/../../secret", INVALID, "not in the workspace"),
    ("/etc/passwd", INVALID, "not in the workspace"),
    ("", INVALID, "not in the workspace"),
    (".", INVALID, "not in the workspace"),
    ("file/below", INTERNAL, "Not a directory"),
    ("loop", INTERNAL, "Too many levels"),
    ("nu\0l", INTERNAL, "null"),
    ("x" * 300, INTERNAL, "too long"),
]


@pytest.mark.parametrize(("path", "code", "words"), REFUSED, ids=lambda given: repr(given)[:30])
async def test_what_is_no_text_of_the_workspace_is_not_read(
    workspace: Path, path: str, code: int, words: str
) -> None:
    make_odd_files(workspace)
    asked = path if path.startswith("/") else f"{workspace}/{path}"
    [told], _ = await ask(workspace, read(asked))
    assert told["code"] == code
    assert words.lower() in told["message"].lower()


async def test_links_within_the_workspace_are_followed(workspace: Path) -> None:
    (workspace / "deep" / "er").mkdir(parents=True)
    (workspace / "deep" / "a.txt").write_text("found")
    (workspace / "deep" / "er" / "up").symlink_to("../a.txt")
    (workspace / "whole").symlink_to(workspace / "deep" / "er")
    (workspace.parent / "alias").symlink_to(workspace)
    told, _ = await ask(
        workspace,
        read(workspace / "whole" / "up"),
        read(workspace / "deep" / "er" / ".." / "a.txt"),
    )
    assert told == [{"content": "found"}, {"content": "found"}]
    [told_by_alias], _ = await ask(workspace.parent / "alias", read(workspace / "deep" / "a.txt"))
    assert told_by_alias == {"content": "found"}


@pytest.mark.parametrize("params", [{}, {"path": 5}, {"path": "a", "line": -1}, {"path": None}])
async def test_a_request_that_makes_no_sense_is_refused(
    workspace: Path, params: dict[str, Any]
) -> None:
    [told], turn = await ask(workspace, ["call", "fs/read_text_file", params])
    assert told["code"] == INVALID
    assert turn.asked == []


async def test_a_request_of_another_session_is_not_heard(workspace: Path) -> None:
    (workspace / "a.txt").write_text("mine")
    params = {"path": str(workspace / "a.txt"), "sessionId": "another"}
    [told], turn = await ask(workspace, ["call", "fs/read_text_file", params])
    assert told["code"] == WITHDRAWN
    assert turn.asked == []


# Writing


async def test_a_file_is_written_when_the_caller_has_seen_the_change_and_allowed_it(
    workspace: Path,
) -> None:
    file = workspace / "run.sh"
    file.write_text("echo old\n")
    file.chmod(0o750)

    async def look(asking: Asking) -> Answer:
        assert file.read_text() == "echo old\n"
        return Answer(True)

    [told], turn = await ask(workspace, write(file, "echo new\n"), answer=look)
    assert told == {}
    assert file.read_text() == "echo new\n"
    assert file.stat().st_mode & 0o777 == 0o750
    [asked] = turn.asked
    assert isinstance(asked, Permission)
    assert not asked.routine
    assert asked.changes == (FileChange(str(file), "echo old\n", "echo new\n"),)
    assert asked.tool.kind == "edit"
    assert turn.all(FileChange) == list(asked.changes)
    assert [tool.status for tool in turn.all(ToolCall)] == ["pending", "completed"]
    assert os.listdir(workspace) == [file.name]


async def test_a_new_file_and_the_folders_that_it_needs_are_made_only_when_allowed(
    workspace: Path,
) -> None:
    file = workspace / "src" / "new" / "a.txt"
    [told], _ = await ask(workspace, write(file, "hi"), answer=deny)
    assert told["code"] == DENIED
    assert os.listdir(workspace) == []
    [told], turn = await ask(workspace, write(file, "hi"))
    assert told == {}
    assert file.read_text() == "hi"
    assert turn.all(FileChange) == [FileChange(str(file), None, "hi")]


async def test_a_denied_file_is_not_written_and_the_agent_hears_why(workspace: Path) -> None:
    (workspace / "a").write_text("as it was")
    [told], turn = await ask(workspace, write(workspace / "a", "b"), answer=saying_no("not now"))
    assert told["data"] == {"reason": "not now"}
    assert "not now" in told["message"]
    assert (workspace / "a").read_text() == "as it was"
    assert [tool.status for tool in turn.all(ToolCall)] == ["pending", "failed"]
    assert turn.all(FileChange) == []


async def test_what_stands_there_already_is_not_asked_for(workspace: Path) -> None:
    """An agent may tell of a file that it has just written by itself, as OpenCode does."""
    (workspace / "a").write_text("done")
    [told], turn = await ask(workspace, write(workspace / "a", "done"), answer=never)
    assert told == {}
    assert turn.asked == turn.all(ToolCall) == turn.all(FileChange) == []


async def test_a_file_that_changes_while_the_caller_thinks_is_not_written(workspace: Path) -> None:
    file = workspace / "a"
    file.write_text("shown")

    async def meanwhile(asking: Asking) -> Answer:
        file.write_text("somebody's work")
        return Answer(True)

    [told], _ = await ask(workspace, write(file, "new"), answer=meanwhile)
    assert "has changed" in told["message"]
    assert file.read_text() == "somebody's work"


async def test_a_folder_that_turns_into_a_link_while_the_caller_thinks_leads_nowhere(
    workspace: Path,
) -> None:
    folder, outside = workspace / "sub", workspace.parent / "outside"
    folder.mkdir()
    outside.mkdir()

    async def meanwhile(asking: Asking) -> Answer:
        folder.rmdir()
        folder.symlink_to(outside)
        return Answer(True)

    [told], _ = await ask(workspace, write(folder / "a", "new"), answer=meanwhile)
    assert "not in the workspace" in told["message"]
    assert os.listdir(outside) == []


UNWRITABLE = [path for path in REFUSED if path[0] not in ("nothing", "no/such/folder", "binary")]


@pytest.mark.parametrize(("path", "code", "words"), UNWRITABLE, ids=lambda given: repr(given)[:30])
async def test_nothing_is_written_that_is_no_file_of_the_workspace(
    workspace: Path, path: str, code: int, words: str
) -> None:
    make_odd_files(workspace)
    asked = path if path.startswith("/") else f"{workspace}/{path}"
    [told], turn = await ask(workspace, write(asked, "x"))
    assert told["code"] == code
    assert (workspace.parent / "secret").read_text() == "outside"
    assert turn.asked == []


async def test_a_link_within_the_workspace_is_written_through_and_stays(workspace: Path) -> None:
    (workspace / "real").write_text("old")
    (workspace / "link").symlink_to("real")
    await ask(workspace, write(workspace / "link", "new"))
    assert (workspace / "link").is_symlink()
    assert (workspace / "real").read_text() == "new"


async def test_what_replaces_a_file_that_is_no_text_is_shown_whole(workspace: Path) -> None:
    (workspace / "binary").write_bytes(b"\xff\0")
    [told], turn = await ask(workspace, write(workspace / "binary", "now text"))
    assert told == {}
    [asked] = turn.asked
    assert isinstance(asked, Permission)
    assert asked.changes[0].binary
    assert asked.tool.input["content"] == "now text"


# Terminals


def create(command: str, *args: str, **rest: Any) -> list[Any]:
    return ["call", "terminal/create", {"command": command, "args": args, **rest}]


def of_terminal(what: str) -> list[Any]:
    return ["call", f"terminal/{what}", {"terminalId": "$terminal"}]


async def run_command(workspace: Path, *command: str, **rest: Any) -> tuple[dict[str, Any], Heard]:
    """Run a command to its end, and return its output as the agent gets it."""
    (_, exited, output), turn = await ask(
        workspace, create(*command, **rest), of_terminal("wait_for_exit"), of_terminal("output")
    )
    assert output["exitStatus"] == exited
    return output, turn


async def test_a_command_runs_when_the_caller_has_seen_all_of_it_and_allowed_it(
    workspace: Path,
) -> None:
    (workspace / "src").mkdir()
    script = "pwd; echo $A >&2\nexit 3"
    output, turn = await run_command(
        workspace, "sh", "-c", script, cwd=str(workspace / "src"), env=[{"name": "A", "value": "b"}]
    )
    assert output == {
        "output": f"{workspace / 'src'}\nb\n",
        "truncated": False,
        "exitStatus": {"exitCode": 3, "signal": None},
    }
    [asked] = turn.asked
    assert isinstance(asked, Permission)
    assert asked.tool.kind == "execute"
    assert asked.tool.input == {"command": "sh", "args": ["-c", script]}
    assert (asked.cwd, asked.env) == (str(workspace / "src"), {"A": "b"})
    statuses = [(tool.status, tool.exit_code) for tool in turn.all(ToolCall)]
    assert statuses == [("pending", None), ("in_progress", None), ("failed", 3)]
    assert turn.all(ToolCall)[-1].output == output["output"]


async def test_a_denied_command_does_not_run_and_the_agent_hears_why(workspace: Path) -> None:
    [told], turn = await ask(workspace, create("touch", "ran"), answer=saying_no("use make"))
    assert told == {
        "code": DENIED,
        "message": "The command was denied: use make",
        "data": {"reason": "use make"},
    }
    assert not (workspace / "ran").exists()
    assert [tool.status for tool in turn.all(ToolCall)] == ["pending", "failed"]


async def test_a_command_knows_little_of_the_server_and_what_the_agent_passes(
    workspace: Path,
) -> None:
    known = {
        "LANG": "C.UTF-8",
        "LC_TIME": "C",
        "TERM": "dumb",
        "API_KEY": "s3cr3t",
        "LD_PRELOAD": "",
    }
    turn = turn_of(
        workspace,
        create("env", env=[{"name": "TERM", "value": "vt100"}]),
        of_terminal("wait_for_exit"),
        of_terminal("output"),
    )
    async with gate(workspace, **known) as backend:
        await backend.run(turn)
    names = dict(line.split("=", 1) for line in answers(turn)[-1]["output"].splitlines())
    assert names.keys() == {"PATH", "LANG", "LC_TIME", "TERM", "A2ACODE_TERMINAL", "A2ACODE_SERVER"}
    assert names["TERM"] == "vt100"


async def test_a_command_has_no_input_to_wait_for(workspace: Path) -> None:
    output, _ = await run_command(workspace, "cat")
    assert output["exitStatus"] == {"exitCode": 0, "signal": None}


BAD_COMMANDS = [
    ({"command": "no-such-program"}, NOT_FOUND, "no-such-program"),
    ({"command": "sh", "cwd": "/"}, INVALID, "not in the workspace"),
    ({"command": "sh", "cwd": "../"}, INVALID, "not in the workspace"),
    ({"command": "sh", "cwd": "up"}, INVALID, "not in the workspace"),
    ({"command": "sh", "cwd": "nowhere"}, INVALID, "no folder"),
    ({"command": "sh", "env": [{"name": "A=B", "value": ""}]}, INVALID, "no name"),
    ({"command": "sh", "env": [{"name": "", "value": ""}]}, INVALID, "no name"),
    ({"command": "sh", "args": ["nu\0l"]}, INTERNAL, "null byte"),
    ({"command": "sh", "outputByteLimit": -1}, INVALID, "outputByteLimit"),
    ({"args": []}, INVALID, "command"),
]


@pytest.mark.parametrize(("params", "code", "words"), BAD_COMMANDS, ids=str)
async def test_a_command_that_cannot_be_run_is_an_error_and_no_terminal(
    workspace: Path, params: dict[str, Any], code: int, words: str
) -> None:
    (workspace / "up").symlink_to("..")
    [told], _ = await ask(workspace, ["call", "terminal/create", params])
    assert told["code"] == code
    assert words in told["message"]


OUTPUTS = [
    ("printf abcdef", 4, "cdef", True),
    ("printf abcd", 4, "abcd", False),
    ("printf 'a€€'", 6, "€€", True),
    ("printf 'a€€'", 5, "€", True),
    ("printf '€'", 2, "", True),
    ("printf abc", 0, "", True),
    ("printf '\\377\\377'", 4, "�", False),
]


@pytest.mark.parametrize(("script", "limit", "text", "truncated"), OUTPUTS)
async def test_of_long_output_the_end_is_kept_and_no_character_is_cut(
    workspace: Path, script: str, limit: int, text: str, truncated: bool
) -> None:
    output, _ = await run_command(workspace, "sh", "-c", script, outputByteLimit=limit)
    assert (output["output"], output["truncated"]) == (text, truncated)


async def test_output_is_bounded_also_when_the_agent_wants_all_of_it(workspace: Path) -> None:
    script = "head -c 9000000 /dev/zero | tr '\\0' x"
    output, turn = await run_command(workspace, "sh", "-c", script, outputByteLimit=10**12)
    assert len(output["output"]) == 8 * 1024 * 1024
    assert output["truncated"]
    assert len(turn.all(ToolCall)[-1].output) < 100_000


async def test_output_can_be_had_while_the_command_runs(workspace: Path) -> None:
    os.mkfifo(workspace / "go")
    told, _ = await ask(
        workspace,
        create("sh", "-c", "echo begun; read line < go; echo $line"),
        ["begin", "terminal/wait_for_exit", {"terminalId": "$terminal"}],
        of_terminal("output"),
        create("sh", "-c", "echo done > go"),
        ["end"],
    )
    assert "exitStatus" not in told[1]
    assert told[3] == {"exitCode": 0, "signal": None}


async def test_output_is_told_while_the_command_runs(workspace: Path) -> None:
    os.mkfifo(workspace / "go")
    script = "echo begun; read line < go; echo $line"
    turn = turn_of(workspace, create("sh", "-c", script), of_terminal("wait_for_exit"))

    def told() -> list[str]:
        return [tool.output for tool in turn.all(ToolCall) if tool.status == "in_progress"]

    async with gate(workspace) as backend, running(backend, turn):
        await turn.wait_for(lambda: "begun\n" in told())
        (workspace / "go").write_text("done\n")
    assert told() == ["", "begun\n"]
    assert turn.all(ToolCall)[-1].output == "begun\ndone\n"


async def test_output_that_is_told_while_it_runs_is_but_the_end_of_it(workspace: Path) -> None:
    script = "head -c 1000000 /dev/zero | tr '\\0' x; exec sleep 1000"
    turn = turn_of(workspace, create("sh", "-c", script), ["hang"])
    async with gate(workspace) as backend, running(backend, turn) as scope:
        await turn.wait_for(lambda: turn.all(ToolCall) and turn.all(ToolCall)[-1].output)
        assert turn.all(ToolCall)[-1].output == "x" * 4096
        scope.cancel()


STRAYS = {
    "a job": "sleep 1000 & echo $!; sleep 1001",
    "a session of its own": "setsid sleep 1000 & echo $!; sleep 1001",
    "a daemon": "(setsid sh -c 'echo $$; exec sleep 1000' &); sleep 1001",
    "a daemon, left alone": "(setsid sh -c 'echo $$; exec sleep 1000' &)",
    "a job, left alone": "env -i sleep 1000 & echo $!",
    "deaf": "trap '' TERM HUP INT; echo $$; while :; do sleep 1000; done",
}


@pytest.mark.parametrize("script", STRAYS.values(), ids=STRAYS)
@pytest.mark.parametrize("how", ["kill", "release", "end", "cancel", "exit"])
async def test_a_command_dies_with_all_that_it_has_started(
    workspace: Path, script: str, how: str
) -> None:
    os.mkfifo(workspace / "pids")
    steps = [create("sh", "-c", f"exec > pids; {script}"), ["read", str(workspace / "pids")]]
    match how:
        case "kill" | "release":
            steps += [of_terminal(how), ["hang"]]
        case "cancel":
            steps.append(["hang"])
        case "exit":
            steps.append(["exit"])
    turn = turn_of(workspace, *steps)
    async with gate(workspace) as backend:
        if how == "end":
            await backend.run(turn)
        elif how == "exit":
            with pytest.raises(AgentFailed):
                await backend.run(turn)
        else:
            async with running(backend, turn) as scope:
                await turn.wait_for(lambda: len(answers(turn)) == len(steps) - 1)
                if how != "cancel":
                    await wait_until_dead(int(answers(turn)[1]))
                scope.cancel()
        await wait_until_dead(int(answers(turn)[1]))


async def test_a_killed_command_has_still_said_what_it_said(workspace: Path) -> None:
    told, turn = await ask(
        workspace,
        create("sh", "-c", "echo before; exec sleep 1000"),
        ["until", "terminal/output", "before"],
        of_terminal("kill"),
        of_terminal("wait_for_exit"),
        of_terminal("output"),
    )
    assert told[1:3] == [{}, {"exitCode": None, "signal": "SIGKILL"}]
    assert told[3]["output"] == "before\n"
    assert turn.all(ToolCall)[-1].status == "cancelled"


@pytest.mark.parametrize("what", ["output", "wait_for_exit", "kill", "release"])
async def test_a_released_terminal_is_not_found(workspace: Path, what: str) -> None:
    told, _ = await ask(workspace, create("true"), of_terminal("release"), of_terminal(what))
    assert told[1] == {}
    assert told[2]["code"] == NOT_FOUND


async def test_a_terminal_belongs_to_its_turn(workspace: Path) -> None:
    async with gate(workspace) as backend:
        first = turn_of(workspace, create("sleep", "1000"))
        await backend.run(first)
        assert first.all(ToolCall)[-1].status == "cancelled"
        second = turn_of(workspace, of_terminal("output"))
        await backend.run(second)
        assert answers(second)[0]["code"] == NOT_FOUND


async def test_only_so_many_terminals_are_open_at_once_counting_those_that_are_asked_for(
    workspace: Path,
) -> None:
    begun = [["begin", *create("sleep", "1000")[1:]]] * 17
    told, turn = await ask(workspace, *begun, ["end"], of_terminal("release"), create("true"))
    [refused] = [answer for answer in told[:17] if "terminalId" not in answer]
    assert "16 terminals are open" in refused["message"]
    assert len(turn.asked) == 17
    assert "terminalId" in told[18]


# Elicitations


FORM = {
    "type": "object",
    "properties": {
        "colour": {"type": "string", "enum": ["red", "blue"]},
        "count": {"type": "integer"},
    },
    "required": ["colour"],
}


def elicit(**params: Any) -> list[Any]:
    return ["call", "elicitation/create", {"message": "Which?", "mode": "form", **params}]


REPLIES = [
    (
        Answer(True, data={"colour": "red"}),
        {"action": "accept", "content": {"colour": "red"}},
    ),
    (Answer(False, words="skip"), {"action": "decline"}),
]


@pytest.mark.parametrize(("answer", "reply"), REPLIES)
async def test_a_form_is_a_question_that_is_answered_with_data(
    workspace: Path, answer: Answer, reply: dict[str, Any]
) -> None:
    async def caller(asking: Asking) -> Answer:
        return answer

    [told], turn = await ask(workspace, elicit(requestedSchema=FORM), answer=caller)
    assert told == reply
    assert turn.asked == [Question("Which?", schema=FORM)]


@pytest.mark.parametrize(("allowed", "action"), [(True, "accept"), (False, "decline")])
async def test_a_form_without_fields_asks_for_consent(
    workspace: Path, allowed: bool, action: str
) -> None:
    async def caller(asking: Asking) -> Answer:
        return Answer(allowed)

    announced = {"sessionUpdate": "tool_call", "toolCallId": "t1", "title": "echo_tool"}
    meta = {"codex_approval_kind": "mcp_tool_call", "tool_params": {"text": "rm -rf /"}}
    schema = {"type": "object", "properties": {}}
    asked = elicit(requestedSchema=schema, toolCallId="t1", _meta=meta, message="Allow echo?")
    [told], turn = await ask(workspace, ["update", announced], asked, answer=caller)
    assert told["action"] == action
    [permission] = turn.asked
    assert isinstance(permission, Permission)
    assert (permission.tool.id, permission.tool.title) == ("t1", "echo_tool")
    assert permission.tool.input == {"text": "rm -rf /"}
    assert permission.description == "Allow echo?"
    assert not permission.routine


URL = "https://login.example/start?state=1"


@pytest.mark.parametrize(("allowed", "action"), [(True, "accept"), (False, "decline")])
async def test_a_page_is_for_the_caller_to_open(
    workspace: Path, allowed: bool, action: str
) -> None:
    async def caller(asking: Asking) -> Answer:
        return Answer(allowed)

    [told], turn = await ask(
        workspace, elicit(mode="url", url=URL, elicitationId="e"), answer=caller
    )
    assert told == {"action": action}
    assert turn.asked == [Credential("Which?", URL)]


async def test_a_page_on_which_all_is_done_is_no_longer_asked_for(workspace: Path) -> None:
    [told], turn = await ask(
        workspace,
        ["begin", *elicit(mode="url", url=URL, elicitationId="e")[1:]],
        ["notify", "elicitation/complete", {"elicitationId": "other"}],
        ["notify", "elicitation/complete", {"elicitationId": "e"}],
        ["end"],
        answer=never,
    )
    assert told == {"action": "accept"}
    assert turn.withdrawn == turn.asked


async def test_a_page_on_which_all_was_done_as_it_was_asked_for_is_not_waited_for(
    workspace: Path,
) -> None:
    # Again and again: who is first, the page or its end, is for the scheduler to say.
    told, _ = await ask(workspace, *(["page", f"{n}"] for n in range(20)), answer=never)
    assert told == [{"action": "accept"}] * 20


@pytest.mark.parametrize("params", [{"mode": "dance"}, {"mode": "url"}, {"message": None}, {}])
async def test_an_elicitation_that_nobody_can_show_is_refused(
    workspace: Path, params: dict[str, Any]
) -> None:
    [told], turn = await ask(workspace, elicit(**params))
    assert told["code"] == INVALID
    assert turn.asked == []


# What becomes of what is asked


ASKED = {
    "elicitation": (elicit(requestedSchema=FORM)[1:], {"action": "cancel"}),
    "page": (elicit(mode="url", url=URL)[1:], {"action": "cancel"}),
    "terminal": (create("true")[1:], WITHDRAWN),
    "permission": (
        ["session/request_permission", {"toolCall": {"toolCallId": "t"}, "options": []}],
        {"outcome": {"outcome": "cancelled"}},
    ),
}


@pytest.mark.parametrize(("asked", "reply"), ASKED.values(), ids=ASKED)
async def test_what_the_agent_withdraws_is_no_longer_asked(
    workspace: Path, asked: list[Any], reply: Any
) -> None:
    [told], turn = await ask(workspace, ["begin", *asked], ["withdraw"], ["end"], answer=never)
    assert told == reply or told.get("code") == reply
    assert turn.withdrawn == turn.asked


@pytest.mark.parametrize(("asked", "reply"), ASKED.values(), ids=ASKED)
async def test_what_is_asked_when_the_turn_is_cancelled_is_answered_so(
    workspace: Path, asked: list[Any], reply: Any
) -> None:
    turn = turn_of(workspace, ["begin", *asked], ["end"], ["hang"], answer=never)
    async with gate(workspace) as backend, running(backend, turn) as scope:
        await turn.wait_for(lambda: turn.asked)
        scope.cancel()
    [told] = answers(turn)
    assert told == reply or told.get("code") == reply


async def test_an_agent_that_asks_without_end_is_told_to_wait(workspace: Path) -> None:
    asked = [["begin", *elicit(requestedSchema=FORM)[1:]]] * 101
    turn = turn_of(workspace, *asked, ["end"], answer=never)
    async with gate(workspace) as backend, running(backend, turn) as scope:
        await turn.wait_for(lambda: len(turn.asked) == 100)
        scope.cancel()
    assert [told.get("code") for told in answers(turn)][-1] == NOT_TAKEN


async def test_a_request_under_an_id_that_is_in_use_is_refused(workspace: Path) -> None:
    params = {"sessionId": "the-session", "message": "?", "requestedSchema": FORM}
    again = {"id": 1, "method": "elicitation/create", "params": params}
    first = elicit(requestedSchema=FORM)[1:]
    [told], turn = await ask(workspace, ["begin", *first], ["raw", again], ["end"], answer=never)
    assert "its id is in use" in told["message"]
    assert len(turn.asked) == 1


# Permissions


def permission(*options: tuple[str, str, str]) -> list[Any]:
    offered = [{"optionId": id, "name": name, "kind": kind} for id, name, kind in options]
    asked = {"toolCall": {"toolCallId": "t", "title": "rm"}, "options": offered}
    return ["call", "session/request_permission", asked]


YES, NO = ("yes", "Yes", "allow_once"), ("no", "No", "reject_once")
MEANINGS = [
    ([YES, NO], ["yes", "no"], "yes"),
    ([YES, YES, NO], ["yes", "no"], "yes"),
    ([("yes", "Deny", "reject_once"), YES, NO], ["no"], None),
    ([("yes", "Yes", "allow_if_sunday"), YES, NO], ["no"], None),
    ([("maybe", "Maybe", "shrug"), NO], ["no"], None),
    ([], [], None),
]


@pytest.mark.parametrize(("options", "shown", "picked"), MEANINGS)
async def test_an_option_of_which_it_is_not_sure_what_it_means_is_never_picked(
    workspace: Path, options: list[tuple[str, str, str]], shown: list[str], picked: str | None
) -> None:
    [told], turn = await ask(workspace, permission(*options))
    [asked] = turn.asked
    assert isinstance(asked, Permission)
    assert [option.id for option in asked.options] == shown
    assert told["outcome"].get("optionId") == picked


@pytest.mark.parametrize("words", ["", "no", "Deny.", "cancel"])
async def test_a_mere_no_is_told_the_agent_and_that_is_all(workspace: Path, words: str) -> None:
    [told], turn = await ask(workspace, permission(YES, NO), answer=saying_no(words))
    assert told["outcome"]["optionId"] == "no"
    assert turn.all(Notice) == []


async def test_the_caller_is_told_when_the_words_of_a_denial_do_not_reach_the_agent(
    workspace: Path,
) -> None:
    words = "no, move it to the attic"
    [told], turn = await ask(workspace, permission(YES, NO), answer=saying_no(words))
    assert told["outcome"]["optionId"] == "no"
    [notice] = turn.all(Notice)
    assert (notice.kind, notice.data) == ("not_delivered", {"words": words})
