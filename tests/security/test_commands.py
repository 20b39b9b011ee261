"""By an agent, past the policy; and with what a command is given.

The policy allows `git status`, `ls` and to read what is in `src`; it denies `rm`. Whatever the
agent makes of that, nothing else goes without a question.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import trio

from tests.edge import state
from tests.security.house import RPC, House, agent, begin, guarded
from tests.security.test_answers import OPTIONS, OURS, request_id, say, shown

POLICY = """
[[rules]]
name = "never"
verdict = "deny"
command = ["rm *", "curl *"]

[[rules]]
name = "look"
verdict = "allow"
kind = "execute"
command = ["git status", "ls *"]

[[rules]]
name = "source"
verdict = "allow"
kind = "read"
path = ["src/**"]

[[rules]]
name = "docs"
verdict = "allow"
kind = "fetch"
host = ["docs.example.com"]
"""
SECRETS = {"A2ACODE_TEST": "of-the-server-s3cret", "AWS_SECRET_ACCESS_KEY": "of-aws-s3cret"}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("commands")
    (folder / "policy.toml").write_text(POLICY)
    args = (
        *agent("gate_agent.py"),
        "--offer",
        "terminals",
        "--policy",
        str(folder / "policy.toml"),
    )
    with guarded(folder, *args, **SECRETS) as house:
        (house.workspace / "src").mkdir()
        (house.workspace / "src" / "out").symlink_to(folder)
        yield house


def ask(given: Any, kind: str = "execute", **tool: Any) -> list[Any]:
    call = {"toolCallId": "t", "title": "git status", "kind": kind, "rawInput": given, **tool}
    return ["call", "session/request_permission", {"toolCall": call, "options": OPTIONS}]


def verdict(house: House, task: dict[str, Any]) -> str:
    """How a question was decided without anybody; nothing if it was not."""
    lines = [json.loads(line) for line in house.audit.splitlines() if task["id"] in line]
    decided = [line for line in lines if line["what"] == "decided"]
    return "".join(f"{line['verdict']} by {line['by']}" for line in decided)


async def decided(house: House, step: list[Any]) -> str:
    # In one context, so that it is one agent that asks all of it.
    task = await begin(house.edge("alice"), json.dumps([step]), contextId="policy")
    said = verdict(house, task)
    assert (state(task) == "input-required") == (not said)
    if not said:
        await house.edge("alice").do(RPC, "cancel", id=task["id"])
    return said


async def test_what_is_allowed_is_allowed(house: House) -> None:
    """Or the tests below could not fail."""
    assert await decided(house, ask({"command": "git status"})) == "allow by policy:look"
    assert await decided(house, ask({"command": "rm -rf X"})) == "deny by policy:never"
    source = ask({"path": "src/a.py"}, kind="read")
    assert await decided(house, source) == "allow by policy:source"


MORE = [
    "git status; touch owned",
    "git status && touch owned",
    "git status || touch owned",
    "git status | sh",
    "git status & touch owned",
    "git status\ntouch owned",
    "git status\r\ntouch owned",
    "git status > ~/.bashrc",
    "git status >& owned",
    "git status < /etc/passwd",
    "git status $(touch owned)",
    "git status `touch owned`",
    "git status ${X:-$(touch owned)}",
    "git status #\ntouch owned",
    "git status <(touch owned)",
    "git 'status' ; touch owned",
    "git status\\\n; touch owned",
    "git\u00a0status",
    "git status\u2028touch owned",
    "GIT_SSH_COMMAND=owned git status",
    "LD_PRELOAD=/tmp/x.so git status",
    "env git status",
    "sudo git status",
    "/tmp/git status",
    "./git status",
    "../git status",
    "git -c core.fsmonitor=./owned status",
    "git status --porcelain=$X",
    "git statusx",
    "GIT STATUS",
    "git",
    "bash -c 'git status; touch owned'",
    'bash -c "git status $(touch owned)"',
    "bash -c 'bash -c \"git status;touch owned\"'",
    "sh -c 'git status' -- owned; touch owned",
    "eval git status",
    "exec git status; x",
    "{git,status}",
    "git stat*",
    "~/git status",
    "git status;",
    "ls; touch owned",
    "ls -la $(touch owned)",
    "ls *",
    "ls {a,b}",
    'ls "$HOME"',
    "ls !-1",
    "ls \\\n/; touch owned",
]


@pytest.mark.parametrize("command", MORE, ids=repr)
async def test_more_than_the_command_that_is_allowed(house: House, command: str) -> None:
    for given in ({"command": command}, {"cmd": command}, command):
        assert not (await decided(house, ask(given))).startswith("allow"), given


HIDDEN = [
    {"command": "git status", "args": [";", "touch", "owned"]},
    {"command": "git status", "env": {"LD_PRELOAD": "x.so"}},
    {"command": "git status", "environment": {"GIT_DIR": "/tmp/x"}},
    {"command": "git status", "cwd": "/"},
    {"command": "git status", "workdir": "../"},
    {"command": "git status", "cwd": "src/out"},
    {"command": "git status", "stdin": "x"},
    {"command": "git status", "nested": {"command": "touch owned"}},
    {"command": "git status", "commands": [{"cmd": "touch owned"}]},
    {"command": ["git", "status", "&&", "x"]},
    {"command": ["git status"]},
    {"command": ["bash", "-c", "git status; touch owned"]},
    {"command": ["git", ["status"]]},
    {"command": ["/tmp/git", "status"]},
    {"command": {"git": "status"}},
    {"command": None},
    {"script": "touch owned"},
    {"Command": "touch owned"},
    {},
    None,
    [],
    "",
    7,
]


@pytest.mark.parametrize("given", HIDDEN, ids=repr)
async def test_something_else_beside_the_command(house: House, given: Any) -> None:
    assert await decided(house, ask(given)) == ""


async def test_a_kind_that_is_not_what_the_tool_does(house: House) -> None:
    """A kind is the agent's word: what runs a command is no reading."""
    for kind in ("read", "fetch", "think", "search", "other", "nonsense"):
        tool = {"command": "touch owned", "path": "src/a.py", "url": "https://docs.example.com/"}
        assert await decided(house, ask(tool, kind=kind)) == "", kind


async def test_a_path_that_leads_out_of_the_one_that_is_allowed(house: House) -> None:
    for path in (
        "src/../x",
        "src/../../secret",
        "src/out/secret",
        "/etc/passwd",
        "src",
        "SRC/a",
        "src\\..\\x",
        "src/a\0",
        "file:///etc/passwd",
        "~/src/a",
        "src/.git/hooks/pre-commit",
    ):
        said = await decided(house, ask({"path": path}, kind="read"))
        assert not said.startswith("allow"), path
    both = {"path": "src/a.py", "file_path": "/etc/passwd"}
    assert await decided(house, ask(both, kind="read")) == ""
    elsewhere = [{"path": "/etc/passwd"}]
    assert await decided(house, ask({"path": "src/a"}, kind="read", locations=elsewhere)) == ""


async def test_a_host_that_looks_like_the_one_that_is_allowed(house: House) -> None:
    for url in (
        "https://docs.example.com.evil.example/",
        "https://docs.example.com@evil.example/",
        "https://evil.example/?https://docs.example.com/",
        "https://evil.example#docs.example.com",
        "https://evil.example\\@docs.example.com/",
        "https://docs.example.com:80:evil@evil.example/",
        "ftp://docs.example.com/",
        "//evil.example/docs.example.com",
        "https://xdocs.example.com/",
        "https://docs\u3002example.com.evil.example/",
    ):
        said = await decided(house, ask({"url": url}, kind="fetch"))
        assert not said.startswith("allow"), url


async def test_what_is_denied_under_another_name(house: House) -> None:
    """Deny is for good faith, as docs/policy.md says; these are in it."""
    for command in (
        "sudo rm -rf X",
        "/bin/rm -rf X",
        "true; rm -rf X",
        "sh -c 'rm -rf X'",
        "echo $(rm -rf X)",
        "find . | xargs rm",
        "RM -rf X",
        "env A=b rm -rf X",
    ):
        said = await decided(house, ask({"command": command}))
        assert said == "deny by policy:never", command


async def test_an_option_that_sticks_is_not_what_the_policy_picks(house: House) -> None:
    only = [{"optionId": "ever", "name": "Always", "kind": "allow_always"}]
    step = ask({"command": "git status"})
    step[2]["options"] = only
    assert await decided(house, step) == ""


# Commands that the server runs for the agent


def run(command: str, *args: str, **more: Any) -> list[Any]:
    return ["call", "terminal/create", {"command": command, "args": args, **more}]


WAIT = ["call", "terminal/wait_for_exit", {"terminalId": "$terminal"}]
OUTPUT = ["call", "terminal/output", {"terminalId": "$terminal"}]


async def ran(house: House, *steps: list[Any]) -> list[Any]:
    """What the agent is answered, if Alice allows everything."""
    task = await begin(house.edge("alice"), json.dumps(steps))
    while state(task) == "input-required":
        task = await say(house, task, "allow", metadata={OURS: {"requestId": request_id(task)}})
    texts = [
        part["text"]
        for artifact in task.get("artifacts", [])
        if artifact["name"] == "response"
        for part in artifact["parts"]
    ]
    return [json.loads(line) for line in "".join(texts).splitlines()]


async def test_running_a_command_without_a_question(house: House) -> None:
    task = await begin(house.edge("alice"), json.dumps([run("touch", "owned")]))
    assert state(task) == "input-required"
    assert not (house.workspace / "owned").exists()
    await say(house, task, "no")
    assert not (house.workspace / "owned").exists()


async def test_a_command_with_an_environment_that_decides_what_runs(house: House) -> None:
    """A peer did not show it."""
    env = [{"name": "LD_PRELOAD", "value": "/tmp/x.so"}, {"name": "PATH", "value": "/tmp"}]
    step = run("git", "status", env=env)
    task = await begin(house.edge("alice"), json.dumps([step]))
    assert state(task) == "input-required"
    assert "With LD_PRELOAD=/tmp/x.so" in shown(task)
    await say(house, task, "no")


async def test_what_the_server_knows_in_the_environment_of_a_command(house: House) -> None:
    _, _, out = await ran(house, run("env"), WAIT, OUTPUT)
    told = {line.partition("=")[0] for line in out["output"].splitlines()}
    assert "PATH" in told
    assert not {"A2ACODE_TEST", "AWS_SECRET_ACCESS_KEY"} & told
    assert "s3cret" not in out["output"]


async def test_a_command_in_a_folder_outside(house: House) -> None:
    for cwd in (
        "/",
        "..",
        "src/out",
        str(house.folder),
        f"{house.workspace}/../",
        "src/../..",
        "\0",
    ):
        [answer] = await ran(house, run("touch", "owned", cwd=cwd))
        assert "code" in answer, cwd
    assert not (house.folder / "owned").exists()
    assert not await trio.Path("/owned").exists()


async def test_a_folder_that_becomes_a_link_while_the_command_is_read(house: House) -> None:
    room = house.workspace / "room"
    room.mkdir()
    task = await begin(house.edge("alice"), json.dumps([run("touch", "owned", cwd="room")]))
    room.rmdir()
    room.symlink_to(house.folder)
    await say(house, task, "allow")
    assert not (house.folder / "owned").exists()


async def test_words_that_a_shell_would_act_on(house: House) -> None:
    """There is none between the agent and the program."""
    words = ("$(touch owned)", "; touch owned", "`touch owned`", "> owned", "*")
    _, _, out = await ran(house, run("printf", "%s\n", *words), WAIT, OUTPUT)
    assert tuple(out["output"].splitlines()) == words
    assert not (house.workspace / "owned").exists()


async def test_variables_with_names_that_are_none(house: House) -> None:
    for name in ("", "A=B", "A\0"):
        [answer] = await ran(house, run("env", env=[{"name": name, "value": "x"}]))
        assert "code" in answer


async def test_somebody_elses_terminal(house: House) -> None:
    """A terminal belongs to its turn; what one can guess of its name is nothing."""
    for id in ("terminal-0", "terminal-1", "0", "", "../"):
        for method in ("terminal/output", "terminal/kill", "terminal/release"):
            [answer] = await ran(house, ["call", method, {"terminalId": id}])
            assert "code" in answer


async def test_output_without_an_end(house: House) -> None:
    """It is not kept: only its end is, however much the agent wants."""
    endless = run("seq", "1", "99999999999", outputByteLimit=10**12)
    truncated = ["until", "terminal/output", '"truncated": true']
    assert len(await ran(house, endless, truncated)) == 1


async def test_more_terminals_than_there_may_be(house: House) -> None:
    steps = [run("sleep", "1000") for _ in range(17)]
    answers = await ran(house, *steps)
    assert ["terminalId" in answer for answer in answers] == [True] * 16 + [False]
