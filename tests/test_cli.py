"""The command, as a shell runs it: real processes, and the echo agent behind a real server."""

from __future__ import annotations

import io
import json
import os
import pty
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from a2acli.explain import explain
from a2acli.main import COMMANDS
from a2acli.plain import one_line, plain
from a2acli.target import Target
from a2acli.view import View
from a2acore.errors import InternalError, InvalidParams, Violation
from a2acore.model import (
    Artifact,
    Message,
    Part,
    Role,
    Task,
    TaskArtifactUpdateEvent,
    TaskState,
    TaskStatus,
    TaskStatusUpdateEvent,
)

A2ACODE = [sys.executable, "-m", "a2acli.main"]
ECHO = ("--backend", "echo", "--port", "0")
PATIENCE = 30
"""Seconds after which a command is taken to hang."""


def environment(**extra: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("A2ACODE_")}
    return {**clean, "COLUMNS": "200", **extra}


def a2acode(*args: str, say: str = "", **extra: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, without a terminal."""
    return subprocess.run(
        [*A2ACODE, *args],
        input=say,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env=environment(**extra),
        check=False,
    )


@contextmanager
def serving(*args: str, **extra: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server on a free port, until the block ends: its URL and its process."""
    process = subprocess.Popen(
        [*A2ACODE, "serve", *ECHO, "--log-level", "warning", *args],
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**{"A2ACODE_STORE": "memory:", **extra}),
    )
    assert process.stderr is not None
    try:
        ready = process.stderr.readline()
        found = re.search(r" is at (\S+) \(card: \S+\)", ready)
        assert found, ready + process.stderr.read()
        yield found[1], process
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An echo agent that all tests share."""
    with serving("--cwd", str(tmp_path_factory.mktemp("workspace"))) as (url, _):
        yield url


def task_of(talk: str) -> str:
    found = re.search(r"^task (\S+) in context", talk, re.MULTILINE)
    assert found, talk
    return found[1]


# The command itself


def test_help_waits_for_no_command() -> None:
    script = (
        "import sys; from a2acli.main import a2acode\n"
        "a2acode(['--help'], standalone_mode=False)\n"
        "print(sorted({'trio', 'httpx', 'rich', 'msgspec'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert "Put a coding agent behind A2A." in done.stdout
    assert done.stdout.endswith("\n[]\n")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_helps(name: str) -> None:
    done = a2acode(name, "--help")
    assert done.returncode == 0
    assert done.stdout.startswith(f"Usage: a2acode {name} ")


@pytest.mark.parametrize(
    ("args", "complaint"),
    [
        (["fly"], "No such command"),
        (["call"], "there is nothing to say"),
        (["call", "hi", "--yes", "--no"], "exclude each other"),
        (["call", os.fsdecode(b"\xff")], "not in UTF-8"),
        (["call", "hi", "--request", "r"], "--task ID"),
        (["call", "--task", "t", "--answer", "blue"], "QUESTION=ANSWER"),
        (["call", "hi", "--file", "/nowhere"], "does not exist"),
        (["call", "hi", "--protocol", "0.2"], "is not one of"),
        (["call", "hi", "--token-file", "/nowhere"], "cannot read the token file"),
        (["get"], "Missing argument"),
        (["serve", "--backend", "none"], "there is no backend 'none'; there are acp, echo"),
        (["serve", "--port", "99999"], "is not in the range"),
        (["serve", "--cwd", "/nowhere"], "does not exist"),
        (["serve", "--agent-command", "a 'b"], "check its quotes"),
        (["serve", "--sandbox", "none"], "is not one of"),
        (["serve", "--offer", "money"], "is not one of"),
        (["serve", "--mcp-config", "/nowhere"], "cannot read /nowhere"),
        (["serve", "--public-url", "here", "--backend", "echo"], "is no http or https URL"),
        (["serve", "--host", "0.0.0.0", "--backend", "echo"], "--insecure"),
    ],
)
def test_what_is_asked_wrongly_is_told_in_one_line(args: list[str], complaint: str) -> None:
    done = a2acode(*args)
    assert done.returncode == 2
    assert complaint in done.stderr
    assert re.fullmatch(r"a2acode: [^\n]+; see `a2acode( \w+)? --help`\n", done.stderr)


def test_what_nobody_expected_is_told_in_one_line() -> None:
    text, code = explain(ExceptionGroup("group", [RuntimeError("two\nlines\x1b[2J")]))
    assert (text, code) == (
        r"RuntimeError: two⏎lines\u001b[2J; run with A2ACODE_DEBUG=1 for the traceback",
        1,
    )


def test_the_agents_failure_is_no_wrong_question() -> None:
    assert explain(InternalError("oops")) == ("oops (the agent's own failure)", 1)
    wrong = InvalidParams("Invalid", violations=[Violation("message.parts", "is empty")])
    assert explain(wrong) == ("Invalid; message.parts: is empty", 2)


# call


def test_the_answer_goes_to_stdout_and_the_talk_to_stderr(url: str) -> None:
    done = a2acode("call", "think tool hello", "--url", url)
    assert done.returncode == 0
    assert done.stdout == "echo: think tool hello\n"
    for talk in (
        "task ",
        "~ ",
        "· Run `echo hello`",
        "✓ Run `echo hello` (exit 0)",
        "completed · ",
    ):
        assert talk in done.stderr
    assert "tokens out" in done.stderr.splitlines()[-1]
    assert "echo: " not in done.stderr


@pytest.mark.parametrize("protocol", ["1.0", "0.3"])
@pytest.mark.parametrize("binding", ["jsonrpc", "http+json"])
def test_every_line_and_binding_shows_the_same(url: str, protocol: str, binding: str) -> None:
    way = ("--url", url, "--protocol", protocol, "--binding", binding)
    done = a2acode("call", "think plan edit notes.md", "--yes", *way)
    assert done.returncode == 0
    assert done.stdout == "echo: think plan edit notes.md\n"
    for talk in ("~ ", "repeat", "✓ Edit notes.md", "+echo was here", "completed · "):
        assert talk in done.stderr
    assert a2acode("get", task_of(done.stderr), *way).stdout == done.stdout


@pytest.mark.parametrize(
    ("word", "why", "end"),
    [
        ("fail", "\n! echo failed, as asked\n", "failed · "),
        ("refuse", "\n! echo will not do that, as asked\n", "rejected · "),
    ],
)
def test_the_exit_code_tells_a_bad_end(url: str, word: str, why: str, end: str) -> None:
    done = a2acode("call", word, "--url", url)
    assert done.returncode == 1
    assert why in done.stderr
    assert done.stderr.splitlines()[-1].startswith(end)


def test_a_pause_shows_what_is_asked_and_the_command_that_answers_it(url: str) -> None:
    done = a2acode("call", "sudo edit list.md", "--url", url)
    assert done.returncode == 3
    assert "The agent calls it: Edit list.md" in done.stderr
    assert "+echo was here" in done.stderr
    commands = re.findall(r"^    a2acode (call .*)$", done.stderr, re.MULTILINE)
    assert commands[0].startswith("call allow ")
    assert commands[1].startswith("call deny ")
    answered = a2acode(*shlex.split(commands[0]))
    assert answered.returncode == 0
    assert answered.stdout == "echo: sudo edit list.md\n"
    again = a2acode(*shlex.split(commands[0]))
    assert again.returncode == 2
    assert len(again.stderr.splitlines()) == 1


@pytest.mark.parametrize(("flag", "said"), [("--yes", "echo: sudo"), ("--no", "denied: deny")])
def test_a_flag_answers_every_permission(url: str, flag: str, said: str) -> None:
    done = a2acode("call", "sudo", flag, "--url", url)
    assert done.returncode == 0
    assert done.stdout.strip() == said


def test_a_yes_is_no_answer_to_a_question(url: str) -> None:
    done = a2acode("call", "question", "--yes", "--url", url)
    assert done.returncode == 3
    assert "Which colour do you like best?" in done.stderr
    (command,) = re.findall(r"^    a2acode (call green .*)$", done.stderr, re.MULTILINE)
    assert a2acode(*shlex.split(command)).stdout.startswith("you said: green\n")


def test_an_option_is_picked_by_its_id(url: str) -> None:
    done = a2acode("call", "sudo", "--url", url)
    commands = re.findall(r"^    a2acode (call --option=.*)$", done.stderr, re.MULTILINE)
    assert commands
    assert a2acode(*shlex.split(commands[0])).returncode == 0


def test_a_person_at_the_terminal_is_asked(url: str) -> None:
    ours, theirs = pty.openpty()
    call = subprocess.Popen(
        [*A2ACODE, "call", "sudo edit asked.md", "--url", url],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=environment(),
    )
    os.close(theirs)
    os.write(ours, b"y\n")  # typed before anything was asked: no answer
    shown = b""
    while b"leaves it open" not in shown:
        shown += os.read(ours, 1000)
    assert b"The agent calls it: Edit asked.md" in shown
    os.write(ours, b"rather not\n")
    stdout, _ = call.communicate(timeout=PATIENCE)
    os.close(ours)
    assert call.returncode == 0
    assert stdout.decode() == "denied: rather not\n"


def test_json_is_one_event_a_line(url: str) -> None:
    done = a2acode("call", "sudo", "--yes", "--json", "--url", url)
    assert done.returncode == 0
    assert done.stderr == ""
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [*events[0]] == ["task"]
    states = [
        event["statusUpdate"]["status"]["state"] for event in events if "statusUpdate" in event
    ]
    assert "TASK_STATE_INPUT_REQUIRED" in states
    assert states[-1] == "TASK_STATE_COMPLETED"


def test_files_and_stdin_are_sent(url: str, tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(bytes(100))
    (tmp_path / "data.unknown").write_bytes(bytes(7))
    files = [f"--file={tmp_path / name}" for name in ("photo.png", "data.unknown")]
    done = a2acode("call", "-", *files, "--url", url, say="from stdin")
    assert "received photo.png (image/png): 100 bytes" in done.stdout
    assert "received data.unknown (application/octet-stream): 7 bytes" in done.stdout
    assert done.stdout.endswith("echo: from stdin\n")


def test_a_file_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(10**12)
    done = a2acode("call", "look", "--file", str(tmp_path / "huge"), "--url", "http://127.0.0.1:1")
    assert done.returncode == 2
    assert "1,000,000,000,000 bytes, and a file that is sent may have 16,777,216" in done.stderr


@pytest.mark.parametrize("protocol", ["1.0", "0.3"])
def test_a_task_is_referred_to(url: str, protocol: str) -> None:
    way = ("--url", url, "--protocol", protocol)
    first = task_of(a2acode("call", "hello", *way).stderr)
    done = a2acode("call", "and now?", "--reference", first, *way)
    assert done.stdout == f"received task {first} (completed): response\necho: and now?\n"


@pytest.mark.parametrize("flag", ["--model=m1", "--mode=plan", "--effort=high", "--sandbox=full"])
@pytest.mark.parametrize("protocol", ["1.0", "0.3"])
def test_what_the_agent_does_not_let_choose_is_refused(url: str, flag: str, protocol: str) -> None:
    done = a2acode("call", "hello", flag, "--url", url, "--protocol", protocol)
    assert done.returncode == 2
    name = flag[2:].partition("=")[0]
    assert f"].{name} cannot be chosen here: the agent has no such thing" in done.stderr


def test_an_agent_that_does_not_know_of_choices_is_not_asked_for_one() -> None:
    """The agents of others say nothing of our extension, and would ignore it."""
    card = {
        "name": "Other",
        "description": "Somebody else's.",
        "version": "1",
        "capabilities": {},
        "defaultInputModes": [],
        "defaultOutputModes": [],
        "skills": [],
        "supportedInterfaces": [
            {"url": "http://127.0.0.1:1", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}
        ],
    }
    with one_document(card) as url:
        done = a2acode("call", "hello", "--model", "m1", "--url", url)
    assert done.returncode == 2
    assert "Other does not let its callers choose: --model" in done.stderr


@contextmanager
def one_document(document: Any) -> Iterator[str]:
    """A server that answers everything with one document."""
    body = json.dumps(document).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Nobody wants to read it."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def test_a_backend_refuses_what_it_has_not(tmp_path: Path) -> None:
    servers = tmp_path / "mcp.json"
    servers.write_text('{"mcpServers": {"s": {"command": "c", "env": {"KEY": "${KEY}"}}}}')
    for args in (["--model", "m"], ["--sandbox", "full"], [f"--mcp-config={servers}"]):
        done = a2acode("serve", "--backend", "echo", "--port", "0", *args, KEY="s3cret")
        assert done.returncode == 2
        flag = args[0].partition("=")[0]
        assert done.stderr.startswith(f"a2acode: the echo backend takes no {flag}; leave it out")
        assert "s3cret" not in done.stderr


def test_a_context_goes_on(url: str) -> None:
    first = a2acode("call", "how many", "--url", url)
    context = re.findall(r"in context (\S+)", first.stderr)[0]
    second = a2acode("call", "how many", "--context", context, "--url", url)
    assert "this is turn 2" in second.stdout


def test_nothing_an_agent_says_acts_on_the_terminal(url: str) -> None:
    done = a2acode("call", "\x1b]0;owned\x07 \u202eback", "--url", url)
    assert r"echo: \u001b]0;owned\u0007 \u202eback" in done.stdout
    assert not re.search(r"[\x00-\x08\x0b-\x1f\u202e]", done.stdout + done.stderr)


def test_nobody_there_is_told_in_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        done = a2acode("call", "hi", "--url", f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert done.returncode == 1
    assert re.fullmatch(r"a2acode: cannot reach [^\n]+ is the agent running[^\n]+\n", done.stderr)


def test_an_unknown_task_was_asked_for_wrongly(url: str) -> None:
    for args in (["get", "nope"], ["cancel", "nope"], ["call", "hi", "--task", "nope"]):
        done = a2acode(*args, "--url", url)
        assert done.returncode == 2
        assert re.fullmatch(r"a2acode: [^\n]*check the id[^\n]*\n", done.stderr)


@contextmanager
def calling(*args: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A call under way, from the moment its answer begins: its process and its task."""
    call = subprocess.Popen(
        [*A2ACODE, "call", *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    assert call.stderr is not None
    assert call.stdout is not None
    with call:
        try:
            task = task_of(call.stderr.readline())
            assert call.stdout.read(1) == "1"
            yield call, task
        finally:
            call.kill()


def test_who_stops_watching_does_not_stop_the_task(url: str) -> None:
    with calling("slow:60", "--url", url) as (call, task):
        call.send_signal(signal.SIGINT)
        _, talk = call.communicate(timeout=PATIENCE)
    assert call.returncode == 130
    assert f"try `a2acode get {task} " in talk
    assert "Traceback" not in talk
    assert "working" in a2acode("get", task, "--url", url).stderr
    done = a2acode("cancel", task, "--url", url)
    assert done.returncode == 0
    assert done.stderr == f"task {task} is canceled\n"
    assert a2acode("get", task, "--url", url).returncode == 1
    assert a2acode("cancel", task, "--url", url).returncode == 2


# serve


def test_a_stop_lets_every_caller_hear_the_end(tmp_path: Path) -> None:
    with (
        serving("--cwd", str(tmp_path), "--grace", "0.1") as (url, server),
        calling("slow:60", "--url", url) as (call, _),
    ):
        server.send_signal(signal.SIGTERM)
        _, talk = call.communicate(timeout=PATIENCE)
        assert call.returncode == 1
        assert "! The server stopped.\ncanceled · " in talk
        assert server.wait(PATIENCE) == 0


def test_a_server_under_nohup_outlives_its_terminal(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # and so it is for what we start
    try:
        with serving("--cwd", str(tmp_path)) as (url, server):
            server.send_signal(signal.SIGHUP)
            assert a2acode("call", "hello", "--url", url).returncode == 0
            server.send_signal(signal.SIGTERM)
            assert server.wait(PATIENCE) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_second_signal_does_not_wait(tmp_path: Path) -> None:
    with (
        serving("--cwd", str(tmp_path), "--grace", "1000") as (url, server),
        calling("slow:60", "--url", url) as _,
    ):
        assert server.stderr is not None
        server.send_signal(signal.SIGINT)
        assert "tasks are kept in memory" in server.stderr.readline()
        assert "stops at once" in server.stderr.readline()
        server.send_signal(signal.SIGTERM)
        assert server.wait(PATIENCE) == 1


def test_a_server_with_a_token_lets_in_who_has_it(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("s3cret-s3cret\n")
    secret.chmod(0o600)
    with serving(A2ACODE_AUTH_TOKEN_FILE=str(secret), A2ACODE_CWD=str(tmp_path)) as (url, _):
        shut = a2acode("call", "hi", "--url", url)
        wrong = a2acode("call", "hi", "--url", url, A2ACODE_TOKEN="wrong")
        for done, complaint in ((shut, "wants a token"), (wrong, "does not accept this token")):
            assert done.returncode == 1
            assert re.fullmatch(rf"a2acode: [^\n]*{complaint}[^\n]*A2ACODE_TOKEN\n", done.stderr)
        by_name = a2acode("call", "sudo", "--url", url, A2ACODE_TOKEN="s3cret-s3cret")
        by_file = a2acode("call", "sudo", "--url", url, "--token-file", str(secret))
        assert by_name.returncode == by_file.returncode == 3
        assert f"--token-file {secret}" in by_file.stderr
        for done in (by_name, by_file):
            assert "s3cret" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(b" \n", "is empty"), (b"one\ntwo\n", "more than one token"), ("é".encode(), "is ASCII")],
)
def test_a_bad_token_file_is_refused(tmp_path: Path, content: bytes, complaint: str) -> None:
    secret = tmp_path / "token"
    secret.write_bytes(content)
    done = a2acode("serve", "--backend", "echo", "--auth-token-file", str(secret))
    assert done.returncode == 2
    assert complaint in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_token_that_others_can_read_is_warned_of(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("s3cret")
    secret.chmod(0o644)
    done = a2acode("card", "--token-file", str(secret), "--url", "nowhere")
    assert done.stderr.startswith(f"a2acode: others can read {secret}; try `chmod 600 {secret}`\n")


def test_a_webhook_may_lead_here_only_if_the_server_is_told_so(url: str) -> None:
    part = {"text": "hello"}
    params = {
        "message": {"messageId": "m", "role": "ROLE_USER", "parts": [part]},
        "configuration": {"taskPushNotificationConfig": {"url": "http://127.0.0.1:9999/"}},
    }

    def answer(url: str) -> str:
        asked = {"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": params}
        return httpx.post(url, json=asked, headers={"A2A-Version": "1.0"}).text

    assert "url leads to an address that is not public" in answer(url)
    with serving("--webhook-allow-private") as (open_url, _):
        assert "TASK_STATE_COMPLETED" in answer(open_url)


def test_a_port_that_is_taken_is_told_in_one_line() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = a2acode("serve", "--backend", "echo", "--port", port)
    assert done.returncode == 1
    assert re.fullmatch(rf"a2acode: [^\n]*{port}[^\n]*; try another --port\n", done.stderr)


# The small ones


def test_the_card_is_printed_in_the_form_of_a_line(url: str) -> None:
    card = json.loads(a2acode("card", "--url", url).stdout)
    assert card["supportedInterfaces"][0]["url"] == url
    raw = a2acode("card", "--url", url, "--raw", "--protocol", "0.3").stdout
    assert json.loads(raw)["protocolVersion"] == "0.3.0"


def test_the_backends_are_listed_with_what_they_need() -> None:
    done = a2acode("backends")
    assert done.returncode == 0
    assert re.search(r"^acp +\w", done.stdout, re.MULTILINE)
    assert re.search(r"^echo +\w", done.stdout, re.MULTILINE)


def test_the_demo_shows_it_all() -> None:
    done = a2acode("demo")
    assert done.returncode == 0
    assert done.stdout.startswith("echo: ")
    for talk in (
        "~ ",
        "✓ Run `echo hello` (exit 0)",
        "? input required",
        "> allow",
        "+echo was here",
        "completed · ",
        "a2acode serve --agent claude",
    ):
        assert talk in done.stderr


def test_a_reader_who_has_enough_is_no_error(url: str) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*A2ACODE, "card", "--url", url],
        stdout=write,
        stderr=subprocess.PIPE,
        env=environment(),
        check=False,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (1, b"")


# What a person sees of agents that do not know our extension


def view(*events: Any) -> tuple[str, str]:
    """What is written to stdout and to stderr, the line with the time left out."""
    out, err = io.StringIO(), io.StringIO()
    shown = View(out, err, Target())
    for event in events:
        shown.show(event)
    shown.end()
    return out.getvalue(), re.sub(r"[^\n]* · \d+\.\d s\n$", "", err.getvalue())


def spoken(state: TaskState, text: str) -> TaskStatusUpdateEvent:
    message = Message("m", Role.AGENT, (Part(text=text),))
    return TaskStatusUpdateEvent("t", "c", TaskStatus(state, message))


def piece(text: str, append: bool = False, key: str = "a") -> TaskArtifactUpdateEvent:
    return TaskArtifactUpdateEvent("t", "c", Artifact(key, (Part(text=text),)), append)


INTRODUCTION = "task t in context c\n"


def test_the_word_at_the_end_is_the_answer_when_there_is_no_other() -> None:
    ended = spoken(TaskState.COMPLETED, "42")
    assert view(spoken(TaskState.WORKING, "let me\nsee"), ended) == (
        "42\n",
        INTRODUCTION + "· let me⏎see\n",
    )
    assert view(piece("41"), ended) == ("41\n", INTRODUCTION + "· 42\n")


def test_a_snapshot_repeats_nothing() -> None:
    whole = Artifact("a", (Part(text="one two three"),))
    working = TaskStatus(TaskState.WORKING)
    out, _ = view(piece("one"), piece(" two", True), Task("t", working, "c", (whole,)))
    assert out == "one two three\n"


def test_another_text_begins_on_a_line_of_its_own() -> None:
    out, _ = view(piece("first"), piece("second", key="b"), piece("other", key="b"))
    assert out == "first\nsecond\nother\n"


def test_what_is_no_text_is_named() -> None:
    parts = (
        Part(data={"n": 1}),
        Part(raw=b"123", media_type="image/png", filename="x.png"),
        Part(url="https://files.example/y"),
    )
    out, err = view(Message("m", Role.AGENT, parts))
    assert out == '{"n": 1}\n'
    assert err == "[x.png] image/png, 3 bytes; --json has them\n[m] https://files.example/y\n"


def test_a_mere_message_has_no_state() -> None:
    assert view(Message("m", Role.AGENT, (Part(text="hi"),))) == ("hi\n", "")


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("a\tb\nc", "a\tb\nc"),
        ("a\r\nb", "a\nb"),
        ("a\rb", r"a\u000db"),
        ("\x1b[31m\x9b\x7f", r"\u001b[31m\u009b\u007f"),
        ("\u2066x\u2028", r"\u2066x\u2028"),
        ("naïve 👩‍👩‍👧 שלום", "naïve 👩‍👩‍👧 שלום"),
    ],
)
def test_what_acts_is_written_out(said: str, shown: str) -> None:
    assert plain(said) == shown
    assert "\n" not in one_line(said)


class Screen(io.StringIO):
    """One terminal that both streams are written to."""

    def isatty(self) -> bool:
        return True


def test_on_one_screen_every_line_of_talk_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")  # no colours
    screen = Screen()
    shown = View(screen, screen, Target())
    shown.show(piece("one"))
    shown.show(spoken(TaskState.WORKING, "looking"))
    shown.show(piece(" two", append=True))
    shown.end()
    lines = screen.getvalue().splitlines()
    assert lines[:-1] == ["task t in context c", "one", "· looking", " two"]
    assert lines[-1].startswith("working · ")
