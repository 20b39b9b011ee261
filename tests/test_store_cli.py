"""What `serve` keeps, as a shell sees it: real processes, stopped, killed and started again."""

from __future__ import annotations

import json
import re
import shlex
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import httpx
import pytest
from attrs import define, field

from a2acore.store.sqlite.dead import dead_letters
from a2acore.store.terms import Keep
from tests.test_cli import PATIENCE, a2acode, serving, task_of

DOCUMENT = Path(__file__).parent.parent / "docs/store.md"
ECHO = ("--backend", "echo")


def ask(url: str, method: str, **params: Any) -> Any:
    """The result of an operation of line 1.0."""
    asked = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    answer = httpx.post(url, json=asked, headers={"A2A-Version": "1.0"}).json()
    assert "result" in answer, answer
    return answer["result"]


def message(text: str) -> dict[str, Any]:
    return {"messageId": "m", "role": "ROLE_USER", "parts": [{"text": text}]}


def end(server: subprocess.Popen[str], how: signal.Signals = signal.SIGTERM) -> None:
    server.send_signal(how)
    server.wait(PATIENCE)


def store(*args: str | Path, **extra: str) -> subprocess.CompletedProcess[str]:
    """`a2acode store`, which is to do what it is asked."""
    done = a2acode("store", *map(str, args), **extra)
    assert (done.returncode, done.stderr) == (0, "")
    return done


def refused(*args: str | Path, **extra: str) -> str:
    """What is said of a command that was asked wrongly: one line."""
    done = a2acode(*map(str, args), **extra)
    assert done.returncode == 2, done.stderr
    [line] = done.stderr.splitlines()
    return line


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "kept" / "tasks.sqlite"


@pytest.fixture
def url(file: Path) -> str:
    return f"sqlite:///{file}"


# serve --store


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_what_a_caller_was_told_is_there_after_a_restart(how: signal.Signals, url: str) -> None:
    told = []
    for again in (False, True):
        with serving("--store", url) as (at, server):
            if not again:
                task = task_of(a2acode("call", "tool edit notes.md", "--yes", "--url", at).stderr)
            told.append((ask(at, "GetTask", id=task), ask(at, "ListTasks")))
            end(server, how)
    assert told[0] == told[1]
    assert told[1][0]["status"]["state"] == "TASK_STATE_COMPLETED"
    assert told[1][1]["totalSize"] == 1


def test_what_is_asked_is_asked_again_after_a_kill(url: str) -> None:
    with serving("--store", url) as (at, server):
        asked = a2acode("call", "sudo", "--url", at)
        assert asked.returncode == 3
        [allow, *_] = re.findall(r"^    a2acode (call allow .*)$", asked.stderr, re.MULTILINE)
        end(server, signal.SIGKILL)
    task = task_of(asked.stderr)
    with serving("--store", url) as (at, _):
        old = shlex.split(allow)
        late = a2acode(*old[: old.index("--url")], *old[old.index("--url") + 2 :], "--url", at)
        assert late.returncode != 0, "what was answered is asked no more"
        assert a2acode("get", task, "--url", at).returncode == 3
        done = a2acode("call", "allow", "--task", task, "--url", at)
    assert (done.returncode, done.stdout) == (0, "echo: sudo\n")


def test_without_a_word_tasks_are_kept_in_the_state_directory(tmp_path: Path) -> None:
    state, workspace = tmp_path / "state", tmp_path / "my project"
    workspace.mkdir()
    usual = {"A2ACODE_STORE": "", "XDG_STATE_HOME": str(state)}
    place = ("--cwd", str(workspace))
    for again in (False, True):
        with serving(*place, **usual) as (at, server):
            assert server.stderr is not None
            told = server.stderr.readline()
            if not again:
                task = task_of(a2acode("call", "hello", "--url", at).stderr)
            assert a2acode("get", task, "--url", at).stdout == "echo: hello\n"
            end(server)
    [file] = (state / "a2acode").glob("*.sqlite")
    assert told == f"a2acode: tasks are kept in {file}\n"
    assert file.name.startswith("my-project-")
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert json.loads(store("info", "--json", *ECHO, *place, **usual).stdout)["file"] == str(file)


def test_each_workspace_and_agent_has_a_store_of_its_own(tmp_path: Path) -> None:
    def kept(*args: str) -> str:
        shown = a2acode("config", "show", "--cwd", str(tmp_path), *args).stdout
        [where] = re.findall(r"^store +default +(sqlite:////\S+)$", shown, re.MULTILINE)
        return str(where)

    (tmp_path / "sub").mkdir()
    usual = kept()
    assert kept("--agent", "claude") == kept("--model", "other") == usual
    others = [
        ("--agent", "codex"),
        ("--agent-command", "claude"),
        ("--backend", "echo"),
        ("--cwd", str(tmp_path / "sub")),
    ]
    assert len({usual, *(kept(*args) for args in others)}) == 1 + len(others)


def test_in_memory_nothing_is_kept(tmp_path: Path) -> None:
    state = {"A2ACODE_STORE": "", "XDG_STATE_HOME": str(tmp_path / "state")}
    with serving("--store", "memory:", **state) as (at, server):
        assert server.stderr is not None
        assert server.stderr.readline() == "a2acode: tasks are kept in memory, until it stops\n"
        task = task_of(a2acode("call", "hello", "--url", at).stderr)
        end(server)
    with serving("--store", "memory:", **state) as (at, _):
        assert a2acode("get", task, "--url", at).returncode == 2
    assert not (tmp_path / "state").exists()


def test_a_second_server_on_one_file_is_told_who_has_it(url: str, file: Path) -> None:
    serve = ("serve", *ECHO, "--port", "0", "--store", url)
    with serving("--store", url) as (at, server):
        line = refused(*serve)
        assert f"{file}: is used by process {server.pid}; " in line
        assert "--store" in line
        assert a2acode("call", "hello", "--url", at).returncode == 0, "the first one goes on"


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("tasks.sqlite", "a store is sqlite:////PATH"),
        ("sqlite:///", "a store is sqlite:////PATH"),
        ("postgresql://user:s3cret@host/db", "PostgreSQL is not spoken to yet"),
    ],
)
def test_what_means_no_store_is_refused_without_being_quoted(
    url: str, complaint: str, tmp_path: Path
) -> None:
    settings = tmp_path / "serve.toml"
    settings.write_text(f'\nstore = "{url}"\n')
    for args in (
        ["serve", "--store", url],
        ["store", "info", url],
        ["push", "list", "--store", url],
    ):
        line = refused(*args)
        assert complaint in line
        assert "s3cret" not in line
    done = a2acode("config", "check", str(settings))
    assert done.returncode == 2
    assert f"{settings}:2: store is not as it should be: " in done.stderr
    assert "s3cret" not in done.stderr


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("notes.md", b"# Notes\n" * 100, "no SQLite database"),
        ("other.sqlite", None, "database of another program"),
        ("folder/", b"", "is no file"),
        ("under.md/tasks.sqlite", b"", "is no folder"),
    ],
)
def test_what_is_no_place_for_tasks_is_refused_and_left_alone(
    name: str, content: bytes | None, complaint: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    if name == "folder/":
        path = path / "tasks.sqlite"
        path.mkdir(parents=True)
    elif "/" in name:
        path.parent.write_text("Mine.\n")
    elif content is None:
        with closing(sqlite3.connect(path)) as db:
            db.execute("CREATE TABLE songs (title TEXT)")
    else:
        path.write_bytes(content)
    before = looks_of(tmp_path)
    url = f"sqlite:///{path}"
    line = refused("serve", *ECHO, "--port", "0", "--store", url)
    assert complaint in line
    assert str(tmp_path) in line
    assert "--store" in line
    assert looks_of(tmp_path) == before
    [what] = unwell(url)
    assert what.startswith("tasks cannot be kept: ")
    assert looks_of(tmp_path) == before


def looks_of(folder: Path) -> dict[Path, tuple[int, bytes]]:
    """Every file in a folder, with its mode."""
    return {
        path: (path.stat().st_mode, path.read_bytes() if path.is_file() else b"")
        for path in folder.rglob("*")
    }


# What is forgotten


def test_only_so_many_tasks_are_kept_as_are_asked_for(url: str) -> None:
    with serving("--store", url) as (at, server):
        tasks = [ask(at, "SendMessage", message=message(str(n)))["task"]["id"] for n in range(3)]
        end(server)
    with serving("--store", url, "--keep-tasks", "1") as (at, _):
        while (found := ask(at, "ListTasks"))["totalSize"] > 1:
            """Until it has gone through them, which it does at once."""
        assert [task["id"] for task in found["tasks"]] == tasks[-1:]


def test_the_documentation_tells_what_is_kept_by_default() -> None:
    text, keep = DOCUMENT.read_text(), Keep()
    assert f"{keep.days} days (`--keep-days`), the newest {keep.tasks:,} (`--keep-tasks`)" in text
    assert f"of the {keep.events:,} that ended last" in text
    help_ = a2acode("serve", "--help").stdout
    for flag, number in (("--keep-days", keep.days), ("--keep-tasks", keep.tasks)):
        assert re.search(rf"{flag} [^-]*?\[default: {number};", help_), flag


# doctor and config check


def unwell(url: str) -> list[str]:
    done = a2acode("doctor", "--json", *ECHO, "--port", "0", "--store", url)
    return [each["what"] for each in json.loads(done.stdout)["findings"] if not each["well"]]


def test_the_doctor_looks_at_the_store_and_makes_none(url: str, file: Path, tmp_path: Path) -> None:
    settings = tmp_path / "serve.toml"
    settings.write_text(f'backend = "echo"\nstore = "{url}"\n')
    for begun in (False, True):
        assert unwell(url) == []
        assert a2acode("config", "check", str(settings)).returncode == 0
        assert file.parent.exists() == begun
        with serving("--store", url) as (_, server):
            assert unwell(url) == [f"process {server.pid} keeps its tasks in {file}"]
            assert a2acode("config", "check", str(settings)).returncode == 0
            end(server)
    assert unwell("memory:") == []


# store


def test_a_store_is_looked_into_beside_its_server(url: str, file: Path) -> None:
    with serving("--store", url) as (at, server):
        done = a2acode("call", "tool hello", "--url", at)
        asked = a2acode("call", "sudo", "--url", at)
        tasks = [task_of(each.stderr) for each in (done, asked)]
        as_told = [ask(at, "GetTask", id=task) for task in tasks]

        found = json.loads(store("info", url, "--json").stdout)
        assert (found["file"], found["process"]) == (str(file), server.pid)
        assert (found["unfinished"], found["ended"]) == (1, {"TASK_STATE_COMPLETED": 1})
        shown = store("info", url).stdout
        assert f"process {server.pid}" in shown
        assert "1 not ended, 1 completed" in shown

        lines = store("export", url).stdout.splitlines()
        assert [json.loads(line) for line in lines] == as_told
        [line] = store("export", url, "--task", tasks[1]).stdout.splitlines()
        assert json.loads(line) == as_told[1]
        assert "no task nope" in refused("store", "export", url, "--task", "nope")

        assert " before, " in store("vacuum", url).stdout
        assert a2acode("call", "allow", "--task", tasks[1], "--url", at).stdout == "echo: sudo\n"
        end(server)
    assert "used by       nobody" in store("info", url).stdout
    assert json.loads(store("export", A2ACODE_STORE=url).stdout.splitlines()[0]) == as_told[0]


def test_a_store_that_is_not_there_is_not_made(url: str, file: Path) -> None:
    for command in ("info", "export", "vacuum"):
        assert f"there is no store at {file}" in refused("store", command, url)
    assert "memory" in refused("store", "info", "memory:")
    assert not file.parent.exists()


def test_what_is_no_store_is_not_looked_into(tmp_path: Path) -> None:
    notes = tmp_path / "notes.md"
    notes.write_text("# Notes\n" * 100)
    for command in ("info", "export", "vacuum"):
        assert "no SQLite database" in refused("store", command, f"sqlite:///{notes}")
    assert notes.read_text() == "# Notes\n" * 100


# push


@define(eq=False)
class Receiver:
    """A webhook: it answers with `status`, and remembers what it was told."""

    url: str
    heard: SimpleQueue[tuple[str, Any]] = field(factory=SimpleQueue)
    """The id of each letter, and what is in it."""
    status: int = 404

    def next(self) -> tuple[str, Any]:
        return self.heard.get(timeout=PATIENCE)


@contextmanager
def receiving() -> Iterator[Receiver]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(receiver.status)
            self.send_header("Content-Length", "0")
            self.end_headers()
            receiver.heard.put((self.headers["X-A2A-Notification-Id"], json.loads(body)))

        def log_message(self, format: str, *args: Any) -> None:
            """Nobody wants to read it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver = Receiver(f"http://127.0.0.1:{server.server_port}/s3cret-path")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()


def with_webhook(at: str, receiver: Receiver) -> str:
    """A task that ends at once, and has a webhook called `hook`."""
    webhook = {"id": "hook", "url": receiver.url, "token": "s3cret-token"}
    sent = ask(
        at,
        "SendMessage",
        message=message("hello"),
        configuration={"taskPushNotificationConfig": webhook},
    )
    return str(sent["task"]["id"])


Told = dict[str, Any]
"""What is in each letter, by its id."""


def all_refused(at: str, file: Path, receiver: Receiver) -> tuple[str, Told]:
    """A task whose webhook has refused all that it was told, and what that was."""
    task, told, last = with_webhook(at, receiver), Told(), 0
    while "TASK_STATE_COMPLETED" not in json.dumps([*told.values()]):
        id, told[id] = receiver.next()
        last = last_of(id)
    while not any(letter.last == last for letter in dead_letters(file)):
        """Until it has been noted."""
    return task, told


def heard_again(file: Path, receiver: Receiver) -> Told:
    """What is sent until there is nothing left that was given up."""
    told = Told([receiver.next()])
    while dead_letters(file):
        """Until it has been noted that all of it was taken."""
    while not receiver.heard.empty():
        told |= [receiver.next()]
    return told


@pytest.mark.parametrize("restarted", [False, True], ids=["lives", "is started again"])
def test_what_was_given_up_is_sent_again_by_the_server_that(
    restarted: bool, url: str, file: Path
) -> None:
    with receiving() as receiver, ExitStack() as servers:
        serve = ("--store", url, "--webhook-allow-private")
        at, server = servers.enter_context(serving(*serve))
        task, told = all_refused(at, file, receiver)
        shown = a2acode("push", "list", "--store", url).stdout
        assert re.search(rf"  task {task}  webhook hook  events? \d.*404", shown)
        [line, *_] = a2acode("push", "list", "--store", url, "--json").stdout.splitlines()
        assert json.loads(line)["task_id"] == task
        receiver.status = 200
        if restarted:
            end(server, signal.SIGKILL)
        done = a2acode("push", "resend", "hook", "--store", url)
        assert re.fullmatch(r"\d+ letters? will be tried again\n", done.stdout)
        if restarted:
            servers.enter_context(serving(*serve))
        again = heard_again(file, receiver)
    assert max(last_of(id) for id in again) == max(last_of(id) for id in told)
    assert all(told[id] == body for id, body in again.items() if id in told)


def last_of(id: str) -> int:
    """The number of the last event that a letter tells."""
    return int(id.rpartition("-")[2])


def test_what_was_given_up_can_be_forgotten(url: str, file: Path) -> None:
    push = ("--store", url)
    with receiving() as receiver, serving(*push, "--webhook-allow-private") as (at, _):
        task, _told = all_refused(at, file, receiver)
        assert "nothing of that was given up" in refused("push", "forget", "nope", *push)
        assert "--all" in refused("push", "forget", *push)
        assert "--all" in refused("push", "resend", "--all", task, *push)
        done = a2acode("push", "forget", task, *push)
        assert re.fullmatch(r"\d+ letters? forgotten\n", done.stdout)
        assert a2acode("push", "list", *push).stdout == ""
        assert a2acode("push", "resend", "--all", *push).stdout == "0 letters will be tried again\n"


def test_no_secret_of_a_webhook_is_told(url: str, file: Path) -> None:
    with receiving() as receiver, serving("--store", url, "--webhook-allow-private") as (at, _):
        all_refused(at, file, receiver)
        for command in (["store", "info"], ["store", "export"], ["push", "list"]):
            done = a2acode(*command, A2ACODE_STORE=url)
            assert done.stdout
            assert "s3cret" not in done.stdout + done.stderr


# In a program


def test_the_program_of_the_documentation_is_one() -> None:
    [program] = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    run = f"{program}\nprint(serve_for_good.__name__)"
    done = subprocess.run([sys.executable, "-c", run], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("serve_for_good\n", "")
