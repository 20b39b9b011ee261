"""At what is not to be told: in answers, events, cards, logs, argument lists, and to the agent."""

from __future__ import annotations

import base64
import json
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

from a2acore.server import Options
from tests.edge import WAYS, state
from tests.receiver import Letter, Reply, receiving
from tests.security.house import (
    CALLERS,
    ECHO,
    PASSWORD,
    RPC,
    TOKENS,
    House,
    agent,
    begin,
    command,
    entry,
    guarded,
)
from tests.test_cli import a2acode

TOKEN = "t0ken-of-the-operator-" + "0" * 32
KEY = "sk-ant-api03-k3y-of-the-agent-000000000000"
OTHERS = "s3cret-of-another-program"
MCP = "s3cret-of-an-mcp-server"
HOOK = "s3cret-of-a-webhook"
SECRETS = (TOKEN, KEY, OTHERS, MCP, HOOK, PASSWORD, *TOKENS.values())
SERVERS = {"mcpServers": {"m": {"command": "true", "env": {"MCP_TOKEN": "${MCP_SECRET}"}}}}
CARD = "/.well-known/agent-card.json"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("secrets")
    (folder / "token").write_text(TOKEN)
    (folder / "mcp.json").write_text(json.dumps(SERVERS))
    assert a2acode("keys", "new", str(folder / "card.key"), "--kid", "k").returncode == 0
    args = (
        *agent("fake_acp_agent.py"),
        *("--auth-token-file", str(folder / "token"), "--sign-key", str(folder / "card.key")),
        *("--mcp-config", str(folder / "mcp.json"), "--log-level", "debug"),
        *("--agent-env", "MY_AGENT_KEY", "--webhook-allow-private"),
    )
    env = {"MY_AGENT_KEY": KEY, "OTHERS_TOKEN": OTHERS, "MCP_SECRET": MCP, "A2ACODE_X": OTHERS}
    with guarded(folder, *args, **env) as house:
        yield house


def hidden(said: str, *besides: str) -> None:
    """None of the secrets is in there, as it is or in base64."""
    for secret in SECRETS:
        if secret not in besides:
            assert secret not in said, secret
            assert base64.b64encode(secret.encode()).decode().rstrip("=")[:24] not in said


def play(*steps: list[Any]) -> str:
    return json.dumps(steps)


def kin(pid: int) -> set[int]:
    """A process and all below it."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    below = [int(child) for each in lists for child in each.read_text().split()]
    return {pid}.union(*(kin(child) for child in below))


# To other users of the machine


async def test_reading_the_argument_lists_of_the_machine(house: House) -> None:
    await begin(house.edge("alice"), play(["say", "x"]))
    processes = kin(house.pid)
    assert len(processes) > 1
    for pid in processes:
        hidden(await trio.Path(f"/proc/{pid}/cmdline").read_text())


def test_a_token_on_the_command_line() -> None:
    """There is no option that takes one: it would stand in the list of processes."""
    wrong = ("--token ", "--token=", "--password", "--auth-token ", "--bearer", "--api-key")
    for verb in ("serve", "call", "get", "card", "conformance"):
        helped = command(verb, "--help").output
        assert "--help" in helped
        assert not [option for option in wrong if option in helped], verb


def test_files_that_others_may_read(house: House) -> None:
    for name in ("audit.jsonl", "card.key"):
        assert stat.S_IMODE((house.folder / name).stat().st_mode) == 0o600, name


def test_a_dump_of_the_server_when_it_dies(house: House) -> None:
    [line] = [
        line
        for line in Path(f"/proc/{house.pid}/limits").read_text().splitlines()
        if line.startswith("Max core file size")
    ]
    assert line.split()[4:6] == ["0", "0"]


# To the agent


async def test_the_servers_secrets_in_the_agents_environment(house: House) -> None:
    """The agent gets what it needs to run, and what it was given by name."""
    task = await begin(house.edge("alice"), play(["who"]))
    [artifact] = task["artifacts"]
    pid = json.loads("".join(part["text"] for part in artifact["parts"]))["pid"]
    raw = await trio.Path(f"/proc/{pid}/environ").read_text()
    given = dict(line.split("=", 1) for line in raw.split("\0") if line)
    assert given["MY_AGENT_KEY"] == KEY
    assert not {"OTHERS_TOKEN", "MCP_SECRET", "A2ACODE_X"} & given.keys()
    assert not [name for name in given if name.startswith("A2ACODE_") and given[name] in SECRETS]
    hidden(raw, KEY)


def test_giving_the_agent_what_is_the_servers(tmp_path: Path) -> None:
    for name in ("A2ACODE_TOKEN", "A2ACODE_*", "A2ACODE_AUTH_TOKEN_FILE"):
        place = ("--cwd", str(tmp_path), "--port", "0")
        done = a2acode("serve", *agent("gate_agent.py"), "--agent-env", name, *place)
        assert done.returncode != 0
        assert "server's own" in done.stderr


def test_a_value_where_the_name_of_a_variable_belongs(tmp_path: Path) -> None:
    """Who writes a secret there is told so, and the secret is not told."""
    given = ("--agent-env", f"MY_KEY={KEY}")
    done = a2acode("serve", *agent("gate_agent.py"), "--cwd", str(tmp_path), *given, "--port", "0")
    assert done.returncode != 0
    hidden(done.stdout + done.stderr)


# To callers and to the log


async def test_the_agents_key_in_its_last_words(tmp_path: Path) -> None:
    """A task that fails tells what the agent said on stderr, which may be anything."""
    script = tmp_path / "agent"
    words = 'env; echo "key=$MY_AGENT_KEY Authorization: Bearer $MY_AGENT_KEY"'
    script.write_text(f"#!/bin/sh\n({words}) >&2\nexit 3\n")
    script.chmod(0o700)
    args = ("--agent-command", str(script), "--agent-env", "MY_AGENT_KEY", "--log-level", "debug")
    with guarded(tmp_path, *args, MY_AGENT_KEY=KEY, OTHERS_TOKEN=OTHERS) as house:
        said = ""
        for way in WAYS:
            answer = await house.edge("alice").do(way, "send", message=way.message("hello"))
            said += answer.body.decode()
            message = way.message("hello")
            async with house.edge("alice").listen(way, "stream", message=message) as stream:
                said += str(await stream.hear_out(way))
        assert "key=***" in said
        hidden(said + house.log + house.audit)


async def test_everything_that_is_public(house: House) -> None:
    said = ""
    for path in (CARD, "/.well-known/agent.json", "/.well-known/jwks.json", "/health"):
        for version in ("", "1.0", "0.3"):
            answer = await house.edge().ask(
                "GET", path, {"A2A-Version": version} if version else {}
            )
            said += answer.body.decode() + json.dumps(dict(answer.headers))
    hidden(said)
    for place in (str(house.folder), "callers.toml", "alice", "carol", "sha256:", "gate_agent"):
        assert place not in said, place


async def test_the_private_half_of_a_key_among_the_public_ones(house: House) -> None:
    keys = (await house.edge().ask("GET", "/.well-known/jwks.json")).json["keys"]
    private = json.loads((house.folder / "card.key").read_text())
    assert keys
    assert "d" in private
    for key in keys:
        assert not {"d", "p", "q", "dp", "dq", "qi", "k", "oth"} & key.keys()
    everything = (await house.edge().ask("GET", CARD)).body.decode()
    assert private["d"] not in everything + house.log


async def test_what_a_webhook_is_given_and_where_it_is_told(house: House) -> None:
    """In its URL, its token and its credentials; and it fails, so that something is logged."""

    async def broken(letter: Letter) -> Reply:
        return Reply(raw=f"HOOK {letter.headers.get('authorization')}\r\n\r\n".encode())

    async with receiving(broken) as trap:
        hook = {
            "url": f"{trap.url}&key={HOOK}",
            "token": HOOK,
            "authentication": {"scheme": "Bearer", "credentials": HOOK},
        }
        log = house.log
        task = await begin(
            house.edge("alice"),
            play(["say", "x"]),
            configuration={"taskPushNotificationConfig": hook},
        )
        with trio.fail_after(10):
            await trap.until(lambda letters: letters)
            await house.edge("alice").do(RPC, "delete_push", taskId=task["id"], id="none")
    assert HOOK not in house.log + house.audit
    assert HOOK not in json.dumps(task)
    assert len(house.log) >= len(log)


async def test_what_is_answered_and_asked_in_the_audit_log(house: House) -> None:
    tool = {"toolCallId": "t", "title": f"curl -H {OTHERS}", "kind": "execute"}
    tool["rawInput"] = {"command": f"curl -H 'X: {OTHERS}'"}  # type: ignore[assignment]
    task = await begin(house.edge("alice"), play(["ask", tool]))
    assert state(task) == "input-required"
    await begin(house.edge("alice"), f"no, it is {HOOK}", taskId=task["id"])
    assert task["id"] in house.audit
    hidden(house.audit + house.log)


async def test_where_the_agent_works_for_who_may_not_read(house: House) -> None:
    seen = await house.edge("alice").do(RPC, "card")
    assert str(house.workspace) in seen.body.decode() or "card" in seen.body.decode()
    for name in ("", "expired"):
        answer = await house.edge(name).do(RPC, "card")
        assert answer.status == 401
        assert str(house.workspace) not in answer.body.decode()
    hidden(seen.body.decode())


async def test_the_token_in_the_log_of_a_server_that_logs_all(house: House) -> None:
    for shown in (f"Bearer {TOKENS['alice']}", f"Bearer {TOKENS['expired']}", f"Basic {TOKEN}"):
        await house.edge().ask("GET", "/tasks", {"Authorization": shown, "A2A-Version": "1.0"})
    wrong = base64.b64encode(f"carol:{PASSWORD}x".encode()).decode()
    await house.edge().ask("GET", "/tasks", {"Authorization": f"Basic {wrong}"})
    hidden(house.log)
    assert wrong not in house.log


def test_an_object_that_is_printed() -> None:
    assert TOKEN not in repr(Options(token=TOKEN))


def test_a_token_in_the_file_where_its_hash_belongs(tmp_path: Path) -> None:
    file = tmp_path / "callers.toml"
    for wrong in (
        entry("x", bearer=f'"{TOKEN}"'),
        entry("x", basic=f'"{TOKEN}"'),
        entry("x", bearer=f'"sha256:{TOKEN}"'),
        CALLERS + f'\ntoken = "{TOKEN}\n',
        f"{TOKEN}",
    ):
        file.write_text(wrong)
        for words in (("credentials", "check", str(file)), ("serve", "--credentials", str(file))):
            done = command(*words)
            assert done.exit_code != 0
            assert TOKEN not in f"{done.output} {done.exception}"


def test_a_file_that_is_named_where_another_belongs(tmp_path: Path) -> None:
    """What cannot be read as a policy, a key or a config is not quoted."""
    file = tmp_path / "secret"
    file.write_text(f"{TOKEN}\n")
    for option in ("--policy", "--credentials", "--sign-key", "--mcp-config", "--script"):
        said = ("serve", *ECHO, option, str(file), "--port", "0", "--cwd", str(tmp_path))
        done = command(*said)
        assert done.exit_code != 0, option
        assert TOKEN not in f"{done.output} {done.exception}", option
