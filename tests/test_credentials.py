"""Credentials: what a file says, who comes in by it, and what they may do then."""

from __future__ import annotations

import base64
import logging
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from attrs import fields
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from a2acore.asgi import Message, Receive, Scope, Send
from a2acore.backend import Option, Permission, ToolCall, Turn
from a2acore.client import ClientError, Unauthorized, open_client
from a2acore.credentials import (
    SCOPES,
    USUAL,
    BadCredentials,
    Certificate,
    Credentials,
    Issuer,
    Password,
    Principal,
    Token,
    hashed,
    read_credentials,
)
from a2acore.errors import Forbidden
from a2acore.middleware.bearer import Bearer
from a2acore.middleware.roster import CHECKS, POLL, WAITING, Roster, open_roster
from a2acore.model import CancelTaskRequest, GetTaskRequest
from a2acore.server import Options
from tests.edge import METHODS, WAYS, Answer, Edge, Way, echoing, serving, state
from tests.stage import Actor

PASSWORD = "correct horse battery"
HASHED = str(hashed(PASSWORD.encode(), b"sixteen or more bytes"))
"""Slow to make: once is enough."""
OTHER = str(hashed(b"another password", b"sixteen or more bytes"))
CARD = "/.well-known/agent-card.json"
NEW = Way("1.0", "JSONRPC")
REST = Way("1.0", "HTTP+JSON")
each_way = pytest.mark.parametrize("way", WAYS, ids=str)


def caller(name: str, token: str = "", *, expires: datetime | None = None, **members: Any) -> str:
    """An entry of the file; the token is the name, where none is given."""
    lines = ["[[callers]]", f'name = "{name}"']
    if not {"basic", "certificate", "bearer"} & members.keys():
        members["bearer"] = str(Token.of((token or name).encode()))
    lines += [f"{key} = {value!r}" for key, value in members.items()]
    if expires is not None:
        lines.append(f"expires = {expires.isoformat()}")
    return "\n".join(lines) + "\n"


def written(folder: Path, *entries: str) -> Path:
    """A file of credentials, put in the place of the one that was there."""
    file, new = folder / "credentials.toml", folder / "credentials.new"
    new.write_text("\n".join(entries))
    new.replace(file)
    return file


def basic(name: str, password: str) -> dict[str, str]:
    said = base64.b64encode(f"{name}:{password}".encode()).decode()
    return {"Authorization": f"Basic {said}"}


# The file


def test_a_file_says_who_is_let_in_by_what_and_what_they_may_do(tmp_path: Path) -> None:
    end = datetime(2031, 2, 3, 4, 5, 6, tzinfo=UTC)
    file = written(
        tmp_path,
        caller("ci", scopes=["run"], expires=end),
        caller("ci", "the next one"),
        caller("alice", basic=HASHED, scopes=["admin"]),
        caller("proxy", certificate="URI:spiffe://example/proxy", scopes=[]),
        """
        [[issuers]]
        name = "corp"
        issuer = "https://login.example/"
        audience = "a2acode"
        """,
    )
    credentials = read_credentials(file)
    secrets = [each.secret for each in credentials.callers]
    assert [credentials.principal(secret) for secret in secrets] == [
        Principal("ci", frozenset({"run"}), end.timestamp()),
        Principal("ci", USUAL),
        Principal("alice", frozenset({"admin"})),
        Principal("proxy", frozenset()),
    ]
    assert credentials.principal(Token.of(b"ci")) == Principal(
        "ci", frozenset({"run"}), end.timestamp()
    )
    assert credentials.principal(Token.of(b"ci ")) is None
    [password] = credentials.passwords("alice")
    assert password.fits(PASSWORD.encode())
    assert not password.fits(PASSWORD.encode()[:-1])
    [issuer] = credentials.issuers
    assert issuer.configuration == "https://login.example/.well-known/openid-configuration"
    assert issuer.scopes == frozenset()
    assert "admin" not in USUAL


NAMES = 'name = "a"\n'
SHA = f'bearer = "{Token.of(b"x")}"\n'
CHEAP = base64.b64encode(bytes(32)).decode()
ISSUER = 'name = "corp"\nissuer = "https://a.example"\naudience = "x"\n'

MISTAKES = [
    ("s3cret-token", "is no TOML"),
    ("token = 's3cret-token'", "token: is not known"),
    ("callers = 's3cret-token'", "callers: must be tables"),
    ("[callers]\nname = 's3cret-token'", "callers: must be tables"),
    (f"[[callers]]\n{SHA}", "callers[0].name: must be letters"),
    (f"[[callers]]\nname = 'corp:alice'\n{SHA}", "callers[0].name: must be letters"),
    (f"[[callers]]\nname = 'two words'\n{SHA}", "callers[0].name: must be letters"),
    (f"[[callers]]\nname = 7\n{SHA}", "callers[0].name: must be letters"),
    (f"[[callers]]\nname = 'bearer'\n{SHA}", "means something else already"),
    (f"[[callers]]\nname = 'anonymous'\n{SHA}", "means something else already"),
    (f"[[callers]]\n{NAMES}", "callers[0]: needs one of bearer, basic, certificate"),
    (f"[[callers]]\n{NAMES}{SHA}certificate = 'CN:a'", "callers[0]: needs one of"),
    (f"[[callers]]\n{NAMES}bearer = 's3cret-token'", "callers[0].bearer: must be"),
    (f"[[callers]]\n{NAMES}bearer = 's3cret-token'", "the token itself never"),
    (f"[[callers]]\n{NAMES}bearer = 'sha256:s3cret-token'", "callers[0].bearer: must be"),
    (f"[[callers]]\n{NAMES}bearer = ['s3cret-token']", "callers[0].bearer: must be"),
    (f"[[callers]]\n{NAMES}basic = 's3cret-token'", "the password itself never"),
    (f"[[callers]]\n{NAMES}basic = 'scrypt:1024,8,1${CHEAP}${CHEAP}'", "is too cheap"),
    (f"[[callers]]\n{NAMES}basic = 'scrypt:32769,8,1${CHEAP}${CHEAP}'", "is too cheap"),
    (f"[[callers]]\n{NAMES}basic = 'scrypt:32768,8,0${CHEAP}${CHEAP}'", "is too cheap"),
    (f"[[callers]]\n{NAMES}basic = 'scrypt:4194304,8,1${CHEAP}${CHEAP}'", "is too dear"),
    (f"[[callers]]\n{NAMES}basic = 'scrypt:32768,8,99${CHEAP}${CHEAP}'", "is too dear"),
    (f"[[callers]]\n{NAMES}basic = 'scrypt:32768,8,1$AAAA${CHEAP}'", "bytes of salt"),
    (f"[[callers]]\n{NAMES}basic = 'scrypt:32768,8,1${CHEAP}$AAAA'", "bytes of salt"),
    (f"[[callers]]\n{NAMES}basic = 'scrypt:32768,8,1$AAAAA${CHEAP}'", "not in base64"),
    (f"[[callers]]\n{NAMES}certificate = 'alice'", "callers[0].certificate: must be"),
    (f"[[callers]]\n{NAMES}certificate = 'URI:'", "callers[0].certificate: must be"),
    (f"[[callers]]\n{NAMES}{SHA}scopes = 'read'", "callers[0].scopes: must be a list"),
    (f"[[callers]]\n{NAMES}{SHA}scopes = ['write']", "callers[0].scopes: must be a list"),
    (f"[[callers]]\n{NAMES}{SHA}scopes = [['read']]", "callers[0].scopes: must be a list"),
    (f"[[callers]]\n{NAMES}{SHA}expires = '2030-01-01'", "callers[0].expires: must be a date"),
    (f"[[callers]]\n{NAMES}{SHA}expires = 2030-01-01", "callers[0].expires: must be a date"),
    (f"[[callers]]\n{NAMES}{SHA}expires = 2030-01-01T00:00:00", "with its zone"),
    (f"[[callers]]\n{NAMES}{SHA}password = 's3cret-token'", "callers[0].password: is not known"),
    (f"[[callers]]\n{NAMES}{SHA}[[callers]]\nname = 'b'\n{SHA}", "let in by the same thing"),
    ("[[issuers]]\nname = 'corp'", "issuers[0]: needs an issuer"),
    ("[[issuers]]\nname = 'corp'\nissuer = 'https://a.example'", "issuers[0]: needs an audience"),
    (f"[[issuers]]\n{ISSUER}[[issuers]]\n{ISSUER}", "two of them have the name 'corp'"),
    (f"[[issuers]]\n{ISSUER}algorithms = ['HS256']", "'HS256' is not taken"),
    (f"[[issuers]]\n{ISSUER}algorithms = ['none']", "'none' is not taken"),
    (f"[[issuers]]\n{ISSUER}algorithms = []", "issuers[0].algorithms: must not be empty"),
    (f"[[issuers]]\n{ISSUER}leeway = 3600", "issuers[0].leeway: must be seconds"),
    (f"[[issuers]]\n{ISSUER}leeway = -1", "issuers[0].leeway: must be seconds"),
    (f"[[issuers]]\n{ISSUER}leeway = nan", "issuers[0].leeway: must be seconds"),
    (f"[[issuers]]\n{ISSUER}leeway = true", "issuers[0].leeway: must be seconds"),
    (f"[[issuers]]\n{ISSUER}jwks = 'http://a.example/keys'", "issuers[0].jwks: must be an https"),
    (f"[[issuers]]\n{ISSUER}jwks = 'https://a@b.example/'", "issuers[0].jwks: must be an https"),
    (f"[[issuers]]\n{ISSUER}jwks = 'https://b.example:x/'", "issuers[0].jwks: is no URL"),
    (f"[[issuers]]\n{ISSUER}secret = 's3cret-token'", "issuers[0].secret: is not known"),
    (
        "[[issuers]]\nname = 'corp'\nissuer = 'corp.example'\naudience = 'x'",
        "issuers[0].issuer: must be an https URL",
    ),
]


@pytest.mark.parametrize(("text", "what"), MISTAKES, ids=range(len(MISTAKES)))
def test_a_mistake_is_told_with_its_place_and_without_what_could_be_secret(
    text: str, what: str, tmp_path: Path
) -> None:
    file = written(tmp_path, text)
    with pytest.raises(BadCredentials) as caught:
        read_credentials(file)
    [mistake, *_] = [each for each in caught.value.mistakes if what in each]
    assert mistake.startswith(f"{file}: ")
    assert "s3cret" not in str(caught.value)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    file = written(tmp_path, *(text for text, what in MISTAKES if what.startswith("callers[0].")))
    with pytest.raises(BadCredentials) as caught:
        read_credentials(file)
    assert len(caught.value.mistakes) > 10


def test_a_file_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(BadCredentials, match="cannot be read: No such file"):
        read_credentials(tmp_path / "nothing.toml")


def test_what_is_kept_shows_nothing_that_lets_anybody_in(tmp_path: Path) -> None:
    file = written(tmp_path, caller("ci", "t0ken"), caller("alice", basic=HASHED))
    told = repr(read_credentials(file))
    assert Token.of(b"t0ken").digest.hex() not in told
    assert HASHED.rpartition("$")[2] not in told


def test_the_files_of_the_documentation_can_be_served_with(tmp_path: Path) -> None:
    page = (Path(__file__).parents[1] / "docs/callers.md").read_text()
    found = read_credentials(written(tmp_path, *re.findall(r"```toml\n(.*?)```", page, re.DOTALL)))
    assert {type(each.secret) for each in found.callers} == {Token, Password, Certificate}
    assert found.issuers
    told = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \|$", page, re.MULTILINE)
    assert [name for name, *_ in told] == [
        each.name for each in fields(Issuer) if each.name != "name"
    ]
    assert re.findall(r"^\| `(\w+)` \| [^|]* \|$", page, re.MULTILINE) == list(SCOPES)


# What they may do

NEEDS = {
    "send": "run",
    "stream": "run",
    "get": "read",
    "list": "read",
    "cancel": "run",
    "subscribe": "read",
    "set_push": "run",
    "get_push": "read",
    "list_push": "read",
    "delete_push": "run",
    "card": "read",
}


def params(way: Way, operation: str, task: str) -> dict[str, Any]:
    """What an operation on a task is asked with; of a new one where it begins one."""
    match operation:
        case "send" | "stream":
            return {"message": way.message("hi")}
        case "set_push" if way.rpc and way.old:
            return {"taskId": task, "pushNotificationConfig": {"url": "https://example.com"}}
        case "set_push" if way.old:
            hook = {"url": "https://example.com"}
            return {"taskId": task, "config": {"pushNotificationConfig": hook}}
        case "set_push":
            return {"taskId": task, "url": "https://example.com"}
        case "get_push" | "delete_push" if way.rpc and way.old:
            return {"id": task, "pushNotificationConfigId": "c"}
        case "list_push" if way.rpc and way.old:
            return {"id": task}
        case "get_push" | "delete_push" | "list_push":
            return {"taskId": task, "id": "c"} if operation != "list_push" else {"taskId": task}
        case "list" | "card":
            return {}
    return {"id": task}


def forbidden(way: Way, answer: Answer) -> str:
    """The scope that an answer says is missing; empty when it says no such thing."""
    if not answer.headers["content-type"].startswith("application/"):
        return ""
    said = answer.json
    if way.rpc:
        error = said.get("error", {})
        if error.get("code") != -32043:
            return ""
        data = error["data"]
        return str(data["missingScope"] if way.old else data[0]["metadata"]["missingScope"])
    if answer.status != 403:
        return ""
    if way.old:
        assert (said["code"], said["type"]) == (-32043, "ForbiddenError")
        return str(said["data"]["missingScope"])
    assert said["error"]["status"] == "PERMISSION_DENIED"
    [info] = said["error"]["details"]
    assert info["reason"] == "FORBIDDEN"
    return str(info["metadata"]["missingScope"])


@each_way
async def test_who_lacks_a_scope_is_told_which_whatever_it_is_about(
    way: Way, tmp_path: Path
) -> None:
    """V10-MUST-061, V10-SHOULD-029, V03-SHOULD-021: and learns nothing of what there is."""
    file = written(
        tmp_path, *(caller(scope, scopes=[scope]) for scope in SCOPES), caller("none", scopes=[])
    )
    async with echoing(tmp_path, credentials=file) as edge:
        task = (await Edge(edge.url, "run").tell(way, "hi"))["id"]
        for operation in METHODS[way.line]:
            if operation == "list" and way.old:
                continue
            for scope in (*SCOPES, "none"):
                asker = Edge(edge.url, scope)
                answers = []
                for about in (task, "nobody"):
                    verb, target, headers, body = way.spell(
                        operation, params(way, operation, about)
                    )
                    answers.append(await asker.ask(verb, target, headers, body))
                missing = [forbidden(way, answer) for answer in answers]
                if scope in (NEEDS[operation], "admin"):
                    assert missing == ["", ""], (operation, scope)
                else:
                    assert missing == [NEEDS[operation]] * 2, (operation, scope)
                    assert answers[0].body == answers[1].body


SHELL = ToolCall("t1", "Remove everything", "shell", "execute", "pending", {"command": "rm -rf /"})
PERMISSION = Permission(
    SHELL, (Option("yes", "Yes", "allow_once"), Option("no", "No", "reject_once"))
)


async def asking(turn: Turn) -> str | None:
    answer = await turn.ask(PERMISSION)
    return "end_turn" if answer.allowed else "refusal"


@each_way
async def test_only_who_may_approve_answers_what_is_asked(way: Way, tmp_path: Path) -> None:
    """One person with two credentials: a pipeline that starts tasks, and a telephone that allows
    what they do. The telephone starts none."""
    file = written(
        tmp_path,
        caller("alice", "pipeline", scopes=["read", "run"]),
        caller("alice", "telephone", scopes=["approve"]),
        caller("mallory", scopes=["read", "run", "approve"]),
    )
    async with serving(Actor(asking), Options(tmp_path, credentials=file)) as edge:
        pipeline, telephone = Edge(edge.url, "pipeline"), Edge(edge.url, "telephone")
        task = await pipeline.tell(way, "go")
        assert state(task) == "input-required"
        for text in ("yes", "no"):
            said = way.message(text, taskId=task["id"], contextId=task["contextId"])
            for operation in ("send", "stream"):
                assert forbidden(way, await pipeline.do(way, operation, message=said)) == "approve"
        assert forbidden(way, await telephone.do(way, "send", message=way.message("x"))) == "run"
        assert forbidden(way, await telephone.do(way, "get", id=task["id"])) == "read"
        stranger = await Edge(edge.url, "mallory").do(way, "send", message=said)
        assert forbidden(way, stranger) == ""
        assert (
            "TaskNotFound" in stranger.body.decode()
            or b"-32001" in stranger.body
            or (stranger.status == 404)
        )
        found = way.unwrap((await pipeline.do(way, "get", id=task["id"])).json)
        assert state(found) == "input-required"
        assert len(found["history"]) == len(task["history"])
        ended = await telephone.tell(way, "yes", taskId=task["id"], contextId=task["contextId"])
        assert state(ended) == "completed"


async def test_the_methods_of_other_servers_need_the_scopes_too(tmp_path: Path) -> None:
    file = written(
        tmp_path,
        caller("alice", "all", scopes=["read", "run", "approve"]),
        caller("alice", "reader", scopes=["read"]),
        caller("alice", "approver", scopes=["approve"]),
    )
    options = Options(tmp_path, credentials=file, compat=("shared-stream",))
    async with serving(Actor(asking), options) as edge:
        task = await Edge(edge.url, "all").tell(NEW, "go")

        async def call(token: str, method: str, **params: Any) -> Answer:
            body = b'{"jsonrpc":"2.0","id":1,"method":"%s","params":%s}' % (
                method.encode(),
                str(params).replace("'", '"').encode(),
            )
            headers = {"Content-Type": "application/json", "A2A-Version": "1.0"}
            return await Edge(edge.url, token).ask("POST", "/", headers, body)

        listed = await call("reader", "codex.interrupts.list")
        [item] = listed.json["result"]["items"]
        assert forbidden(NEW, await call("approver", "codex.interrupts.list")) == "read"
        reply = {"request_id": item["request_id"], "reply": "once"}
        method = "a2a.interrupt.permission.reply"
        assert forbidden(NEW, await call("reader", method, **reply)) == "approve"
        nothing = {"request_id": "nothing", "reply": "once"}
        assert forbidden(NEW, await call("reader", method, **nothing)) == "approve"
        assert (await call("approver", method, **reply)).json["result"]["ok"] is True
        ended = NEW.unwrap((await Edge(edge.url, "all").do(NEW, "get", id=task["id"])).json)
        assert state(ended) == "completed"


@each_way
async def test_an_admin_sees_and_stops_everybodys_tasks_and_no_webhooks(
    way: Way, tmp_path: Path
) -> None:
    file = written(tmp_path, caller("alice"), caller("bob"), caller("root", scopes=["admin"]))
    options = Options(tmp_path, credentials=file, webhook_allow_private=True)
    async with serving(Actor(asking), options) as edge:
        alice, bob, root = (Edge(edge.url, name) for name in ("alice", "bob", "root"))
        task = await alice.tell(way, "go")
        config = params(way, "set_push", task["id"])
        assert (await alice.do(way, "set_push", **config)).status == 200
        about = params(way, "list_push", task["id"])
        assert "example.com" in (await alice.do(way, "list_push", **about)).body.decode()
        for other in (bob, root):
            for operation in ("set_push", "get_push", "list_push", "delete_push"):
                said = params(way, operation, task["id"])
                refused = await other.do(way, operation, **said)
                assert b"Task not found" in refused.body, operation
            answer = way.message("yes", taskId=task["id"])
            assert b"Task not found" in (await other.do(way, "send", message=answer)).body
        for operation in ("get", "subscribe", "cancel"):
            assert b"Task not found" in (await bob.do(way, operation, id=task["id"])).body
        assert way.unwrap((await root.do(way, "get", id=task["id"])).json)["id"] == task["id"]
        async with root.listen(way, "subscribe", id=task["id"]) as stream:
            await stream.hear(way)
            assert state(way.unwrap((await root.do(way, "cancel", id=task["id"])).json)) == (
                "canceled"
            )
            ends = [said.state for said in await stream.hear_out(way)]
            # On 0.3 it ends with the question.
            assert ends == (["input-required"] if way.old else ["canceled"])
        for each, seen in ((alice, 1), (bob, 0), (root, 1)):
            listed = NEW.unwrap((await each.do(NEW, "list")).json)
            assert listed["totalSize"] == seen


async def test_the_one_token_of_a_server_may_do_everything(tmp_path: Path) -> None:
    file = written(tmp_path, caller("alice"))
    async with echoing(tmp_path, credentials=file, token="the-one") as edge:
        task = await Edge(edge.url, "alice").tell(NEW, "hi")
        got = NEW.unwrap((await Edge(edge.url, "the-one").do(NEW, "get", id=task["id"])).json)
        assert got["id"] == task["id"]


async def test_two_credentials_of_one_name_are_one_owner(tmp_path: Path) -> None:
    """V10-SHOULD-086: so that one can take the place of the other."""
    file = written(tmp_path, caller("alice", "old"), caller("alice", "new"))
    async with echoing(tmp_path, credentials=file) as edge:
        task = await Edge(edge.url, "old").tell(NEW, "hi")
        found = NEW.unwrap((await Edge(edge.url, "new").do(NEW, "get", id=task["id"])).json)
        assert found["id"] == task["id"]


# Passwords


async def test_a_password_lets_its_user_in_and_nobody_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    file = written(
        tmp_path, caller("alice", basic=OTHER), caller("alice", basic=HASHED), caller("bob")
    )
    async with echoing(tmp_path, credentials=file) as edge:
        verb, target, headers, body = NEW.spell("send", {"message": NEW.message("hi")})

        async def ask(said: Mapping[str, str]) -> Answer:
            return await edge.ask(verb, target, {**headers, **said}, body)

        right = basic("alice", PASSWORD)["Authorization"].removeprefix("Basic ")
        for scheme in ("Basic", "basic", "BASIC  "):  # the second time without scrypt
            assert (await ask({"Authorization": f"{scheme} {right}"})).status == 200
        for wrong in (
            basic("alice", PASSWORD + "x"),
            basic("alice", ""),
            basic("alice", PASSWORD + "\0"),  # which scrypt does not tell from the right one
            basic("bob", PASSWORD),
            basic("Alice", PASSWORD),
            basic("nobody", PASSWORD),
            basic("", PASSWORD),
            basic("alice", "x" * 2000),
            {"Authorization": "Basic"},
            {"Authorization": f"Basic {right}!"},
            {"Authorization": "Basic YWxpY2U="},
            {"Authorization": "Basic /////w=="},
            {"Authorization": f"Bearer {right}"},
            {"Authorization": f"Bearer {PASSWORD.replace(' ', '')}"},
        ):
            answer = await ask(wrong)
            assert answer.status == 401, wrong
            assert PASSWORD not in answer.body.decode()
    assert PASSWORD not in caplog.text
    assert right not in caplog.text


async def test_who_is_turned_away_hears_of_each_way_in(tmp_path: Path) -> None:
    """RFC 9110, 11.6.1; RFC 6750, 3.1: a token that is wrong is told from one that is missing."""
    file = written(tmp_path, caller("alice", basic=HASHED), caller("bob"))
    told: list[list[str]] = []

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = message["headers"]
            told.append([each.decode() for name, each in headers if name == b"www-authenticate"])

    async with open_roster(file=file) as roster:
        for said in ({}, {"Authorization": "Bearer wrong"}):
            await Bearer(Inside(), roster, ())(showing(said), nothing, send)
    assert told == [
        ['Bearer realm="a2acode"', 'Basic realm="a2acode", charset="UTF-8"'],
        [
            'Bearer realm="a2acode", error="invalid_token"',
            'Basic realm="a2acode", charset="UTF-8"',
        ],
    ]


def request(headers: Iterable[tuple[bytes, bytes]] = ()) -> Scope:
    return {"type": "http", "path": "/", "method": "POST", "headers": list(headers)}


def showing(said: Mapping[str, str]) -> Scope:
    return request((name.lower().encode(), value.encode()) for name, value in said.items())


async def nothing() -> Message:
    await trio.sleep_forever()
    raise AssertionError


async def test_guesses_wait_in_a_short_line_and_never_hold_up_who_is_known(
    tmp_path: Path,
) -> None:
    file = written(tmp_path, caller("alice", basic=HASHED), caller("bob"))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    statuses: list[int] = []

    async def ask(bearer: Bearer, headers: Mapping[str, str]) -> int:
        heard: list[Message] = []

        async def send(message: Message) -> None:
            heard.append(message)

        await bearer(showing(headers), nothing, send)
        status: int = heard[0]["status"]
        if status == 429:
            assert dict(heard[0]["headers"])[b"retry-after"]
        return status

    async def guess(bearer: Bearer, number: int) -> None:
        statuses.append(await ask(bearer, basic("alice", f"guess {number}")))

    async with open_roster(file=file) as roster:
        bearer = Bearer(app, roster, ())
        assert await ask(bearer, basic("alice", PASSWORD)) == 200
        async with trio.open_nursery() as nursery:
            for number in range(CHECKS + WAITING + 5):
                nursery.start_soon(guess, bearer, number)
            await trio.testing.wait_all_tasks_blocked()
            assert statuses.count(429) == 5
            assert await ask(bearer, basic("alice", PASSWORD)) == 200
            assert await ask(bearer, {"Authorization": "Bearer bob"}) == 200
            assert await ask(bearer, basic("alice", "guess")) == 429
            nursery.cancel_scope.cancel()


# What changes while it is served


async def test_a_change_of_the_file_counts_at_once_and_disturbs_nobody_else(
    tmp_path: Path, mock_clock: trio.testing.MockClock
) -> None:
    """V10-SHOULD-088: what is withdrawn is of no use, also to who is inside already."""
    file = written(tmp_path, caller("alice"), caller("bob"), caller("carol"), caller("dave"))

    async def listening(turn: Turn) -> str | None:
        await trio.sleep_forever()
        return None

    async with serving(Actor(listening), Options(tmp_path, credentials=file)) as edge:
        names = ("alice", "bob", "carol", "dave")
        callers = {name: Edge(edge.url, name) for name in names}
        async with (
            callers["alice"].telling(REST, "go") as alice,
            callers["bob"].telling(REST, "go") as bob,
            callers["carol"].telling(REST, "go") as carol,
            callers["dave"].telling(REST, "go") as dave,
        ):
            streams = (alice, bob, carol, dave)
            tasks = [(await stream.hear(REST)).inside["id"] for stream in streams]
            for stream in streams:
                assert (await stream.hear(REST)).state == "working"
            written(
                tmp_path,
                caller("alice"),
                caller("carol", scopes=["run"]),  # may do less
                caller("david", "dave"),  # the token of somebody else
                caller("erin"),
            )
            mock_clock.jump(POLL)
            for stream in (bob, carol, dave):
                with pytest.raises(Exception, match=r"peer closed|incomplete|without sending"):
                    await stream.data()
            assert (await callers["bob"].do(NEW, "list")).status == 401
            assert forbidden(NEW, await callers["carol"].do(NEW, "list")) == "read"
            assert (await Edge(edge.url, "erin").do(NEW, "list")).status == 200
            cancelled = await callers["alice"].do(REST, "cancel", id=tasks[0])
            assert state(cancelled.json) == "canceled"
            *_, last = await alice.hear_out(REST)
            assert last.state == "canceled"


async def test_a_file_that_is_no_good_changes_nothing(
    tmp_path: Path, mock_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    file = written(tmp_path, caller("alice"))
    async with open_roster(file=file) as roster:
        good = roster.credentials
        await trio.testing.wait_all_tasks_blocked()
        file.write_text("[[callers]]\nname = 's3cret")
        mock_clock.jump(POLL)
        await trio.testing.wait_all_tasks_blocked()
        assert roster.credentials is good
        assert "stays as it was" in caplog.text
        assert "s3cret" not in caplog.text
        file.unlink()
        mock_clock.jump(POLL)
        await trio.testing.wait_all_tasks_blocked()
        assert roster.credentials is good
        written(tmp_path, caller("bob"))
        mock_clock.jump(POLL)
        await trio.testing.wait_all_tasks_blocked()
        assert roster.credentials.principal(Token.of(b"alice")) is None
        assert roster.credentials.principal(Token.of(b"bob")) is not None


class Inside:
    """An app that lets nobody go by itself, or only who was answered."""

    def __init__(self, *, answering: bool = False) -> None:
        self.answering = answering
        self.entered = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.entered += 1
        if self.answering:
            await send({"type": "http.response.start", "status": 200, "headers": []})
        await trio.sleep_forever()


@pytest.mark.parametrize("answering", [False, True])
async def test_who_is_inside_when_their_credential_expires_leaves_then(
    answering: bool, tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    end = datetime.now(UTC) + timedelta(hours=1)
    file = written(tmp_path, caller("alice", expires=end))
    heard: list[Message] = []

    async def send(message: Message) -> None:
        heard.append(message)

    async with open_roster(file=file) as roster:
        begin = trio.current_time()
        app = Inside(answering=answering)
        await Bearer(app, roster, ())(showing({"Authorization": "Bearer alice"}), nothing, send)
        assert 3590 < trio.current_time() - begin < 3601
    statuses = [each["status"] for each in heard if each["type"] == "http.response.start"]
    assert statuses == ([200] if answering else [401])  # the server breaks off what was begun


async def test_the_end_of_a_credential_may_be_put_off_and_brought_forward(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    now = datetime.now(UTC)
    file = written(tmp_path, caller("alice", expires=now + timedelta(hours=1)))
    async with open_roster(file=file) as roster:
        for later in (timedelta(hours=3), timedelta(hours=2)):
            async with trio.open_nursery() as nursery:
                begin = trio.current_time()
                bearer = Bearer(Inside(), roster, ())
                said = showing({"Authorization": "Bearer alice"})

                async def drop(message: Message) -> None:
                    pass

                nursery.start_soon(bearer, said, nothing, drop)
                await trio.lowlevel.checkpoint()
                written(tmp_path, caller("alice", expires=now + later))
            assert abs(trio.current_time() - begin - later.total_seconds()) < 10


async def test_an_expired_credential_lets_nobody_in(tmp_path: Path) -> None:
    past = datetime.now(UTC) - timedelta(seconds=1)
    file = written(
        tmp_path, caller("alice", expires=past), caller("bob", basic=HASHED, expires=past)
    )
    async with echoing(tmp_path, credentials=file) as edge:
        for said in ({"Authorization": "Bearer alice"}, basic("bob", PASSWORD)):
            verb, target, headers, body = NEW.spell("list", {})
            assert (await edge.ask(verb, target, {**headers, **said}, body)).status == 401


# The card


async def test_the_card_says_how_to_come_in_and_goes_with_the_file(
    tmp_path: Path, mock_clock: trio.testing.MockClock
) -> None:
    """V03-MUST-006, on both lines: each of the schemes is enough."""
    everything = (
        caller("alice"),
        caller("bob", basic=HASHED),
        caller("proxy", certificate="CN:proxy"),
        """
        [[issuers]]
        name = "corp"
        issuer = "https://login.example"
        audience = "a2acode"

        [[issuers]]
        name = "lab"
        issuer = "lab"
        jwks = "lab.json"
        audience = "a2acode"
        """,
    )
    file = written(tmp_path, caller("bob", basic=HASHED))
    async with echoing(tmp_path, credentials=file) as edge:
        before = (await edge.ask("GET", CARD, {"A2A-Version": "1.0"})).json
        assert list(before["securitySchemes"]) == ["basic"]
        assert before["capabilities"]["extendedAgentCard"] is True
        written(tmp_path, *everything)
        mock_clock.jump(POLL)
        await trio.testing.wait_all_tasks_blocked()
        new = (await edge.ask("GET", CARD, {"A2A-Version": "1.0"})).json
        old = (await edge.ask("GET", CARD, {"A2A-Version": "0.3"})).json
    url = "https://login.example/.well-known/openid-configuration"
    assert old["securitySchemes"] == {
        "bearer": {"type": "http", "scheme": "Bearer"},
        "basic": {"type": "http", "scheme": "Basic"},
        "oidc-corp": {"type": "openIdConnect", "openIdConnectUrl": url},
        "jwt-lab": {"type": "http", "scheme": "Bearer", "bearerFormat": "JWT"},
        "mtls": {"type": "mutualTLS"},
    }
    assert new["securitySchemes"] == {
        "bearer": {"httpAuthSecurityScheme": {"scheme": "Bearer"}},
        "basic": {"httpAuthSecurityScheme": {"scheme": "Basic"}},
        "oidc-corp": {"openIdConnectSecurityScheme": {"openIdConnectUrl": url}},
        "jwt-lab": {"httpAuthSecurityScheme": {"scheme": "Bearer", "bearerFormat": "JWT"}},
        "mtls": {"mtlsSecurityScheme": {}},
    }
    assert [list(each["schemes"]) for each in new["securityRequirements"]] == [
        [name] for name in new["securitySchemes"]
    ]
    assert old["security"] == [{name: []} for name in old["securitySchemes"]]


# The client


async def test_the_client_comes_in_by_a_password_and_knows_what_it_may_not(tmp_path: Path) -> None:
    file = written(tmp_path, caller("alice", basic=HASHED, scopes=["run"]))
    async with echoing(tmp_path, credentials=file) as edge:
        for way in WAYS:
            pins = partial(open_client, line=way.line, binding=way.binding)
            async with pins(edge.url, user="alice", token=PASSWORD) as client:
                with pytest.raises(Forbidden, match="'read'") as caught:
                    await client.get(GetTaskRequest("nobody"))
                assert caught.value.metadata == {"missingScope": "read"}
                with pytest.raises(Forbidden, match="'read'"):
                    await client.extended_card()
        async with open_client(edge.url, user="alice", token="wrong") as client:
            with pytest.raises(Unauthorized, match="does not accept"):
                await client.cancel(CancelTaskRequest("nobody"))


@pytest.mark.parametrize(
    "url", ["http://agent.example", "http://192.0.2.1:9100", "http://[2001:db8::1]"]
)
async def test_a_token_goes_nowhere_where_everybody_on_the_way_reads_it(url: str) -> None:
    """Before anything is looked up or connected to."""
    for user in ("", "alice"):
        with pytest.raises(ClientError, match="everybody on the way") as caught:
            async with open_client(url, token="s3cret", user=user):
                pass
        assert "s3cret" not in str(caught.value)


async def test_nor_do_the_cards_of_this_machine_lead_it_there(tmp_path: Path) -> None:
    file = written(tmp_path, caller("alice"))
    async with echoing(
        tmp_path, credentials=file, public_url="http://agent.example", allow_hosts=("*",)
    ) as edge:
        with pytest.raises(ClientError, match="no token goes there"):
            async with open_client(edge.url, token="alice"):
                pass
        async with open_client(edge.url, token="alice", insecure=True) as client:
            assert client.card.supported_interfaces


@pytest.mark.parametrize(("user", "token"), [("a:b", "x"), ("a", "x\ny"), ("a\n", "x")])
async def test_what_basic_cannot_say_is_refused_without_being_told(user: str, token: str) -> None:
    with pytest.raises(ClientError, match="of one line"):
        async with open_client("http://127.0.0.1:1", user=user, token=token):
            pass


# The command


def a2acode(*args: str, say: str = "") -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("A2ACODE_")}
    return subprocess.run(
        [sys.executable, "-m", "a2acli.main", *args],
        input=say,
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
        check=False,
    )


def test_a_new_token_is_told_once_and_its_entry_lets_it_in(tmp_path: Path) -> None:
    made = a2acode("credentials", "new", "ci", "--scope", "read", "--scope", "run", "--expires=90d")
    assert made.returncode == 0, made.stderr
    *_, token = made.stderr.split()
    assert token.startswith("a2acode_")
    assert token not in made.stdout
    [entry] = tomllib.loads(made.stdout)["callers"]
    assert 89 < (entry["expires"] - datetime.now(UTC)) / timedelta(days=1) <= 90
    file = written(tmp_path, made.stdout)
    file.chmod(0o600)
    principal = read_credentials(file).principal(Token.of(token.encode()))
    assert principal is not None
    assert principal.name == "ci"
    assert principal.scopes == {"read", "run"}
    checked = a2acode("credentials", "check", str(file))
    assert (checked.returncode, checked.stderr) == (0, "")
    assert checked.stdout.startswith("ci: bearer, read run until ")


def test_a_password_is_asked_for_and_never_told() -> None:
    made = a2acode("credentials", "new", "alice", "--basic", say=f"{PASSWORD}\n")
    assert made.returncode == 0, made.stderr
    assert PASSWORD not in made.stdout + made.stderr
    [entry] = tomllib.loads(made.stdout)["callers"]
    assert Password.read(entry["basic"]).fits(PASSWORD.encode())
    again = a2acode("credentials", "new", "alice", "--basic", say=f"{PASSWORD}\n")
    assert again.stdout != made.stdout  # another salt


@pytest.mark.parametrize(
    ("args", "what"),
    [
        (["corp:alice"], "NAME is letters"),
        (["bearer"], "NAME is letters"),
        (["a", "--basic"], "12 characters or more"),
        (["a", "--basic", "--certificate", "CN:a"], "one each"),
        (["a", "--certificate", "alice"], "must be"),
        (["a", "--expires", "soon"], "must be like"),
        (["a", "--scope", "write"], "write"),
    ],
)
def test_what_no_file_could_hold_is_refused_in_one_line(args: list[str], what: str) -> None:
    done = a2acode("credentials", "new", *args, say="short\n")
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert what in line


def test_serve_says_all_that_is_wrong_with_the_file_and_does_not_begin(tmp_path: Path) -> None:
    file = written(tmp_path, "[[callers]]\nname = 'a:b'\nbearer = 's3cret'\nscopes = ['write']")
    done = a2acode("serve", "--backend", "echo", "--port", "0", "--credentials", str(file))
    assert done.returncode == 2
    assert [line for line in done.stderr.splitlines() if "callers[0]" in line].__len__() == 3
    assert "s3cret" not in done.stderr
    assert a2acode("credentials", "check", str(file)).returncode == 2


async def test_nobody_at_all_may_be_let_in(tmp_path: Path) -> None:
    """An empty file is one by which everything was withdrawn, not a server for everybody."""
    async with echoing(tmp_path, credentials=written(tmp_path, "")) as edge:
        assert (await edge.do(NEW, "list")).status == 401
        assert (await edge.ask("GET", CARD)).status == 200


NOTHING_RIGHT = st.one_of(
    st.binary(max_size=64),
    st.builds(
        lambda scheme, rest: scheme + b" " + rest,
        st.sampled_from([b"Bearer", b"bearer", b"Basic", b"Digest", b"Bearer bearer"]),
        st.one_of(
            st.binary(max_size=64),
            st.binary(max_size=48).map(base64.b64encode),
            st.text(max_size=32).map(lambda text: base64.b64encode(f"bob:{text}".encode())),
            st.lists(st.binary(max_size=24).map(base64.urlsafe_b64encode), max_size=5).map(
                b".".join
            ),
        ),
    ),
)


@settings(max_examples=300, deadline=None)
@given(headers=st.lists(NOTHING_RIGHT, max_size=3), path=st.text(max_size=20))
def test_no_request_without_a_credential_reaches_what_is_behind(
    headers: list[bytes], path: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever it shows, and wherever it goes but to the public pages."""
    file = written(tmp_path_factory.getbasetemp(), caller("alice"))
    app, statuses = Inside(), []

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    async def ask() -> None:
        async with open_roster("the-one", file) as roster:
            shown = [(b"authorization", each) for each in headers]
            bearer = Bearer(app, roster, ("/health",))
            await bearer({**request(shown), "path": f"/{path}"}, nothing, send)

    assume(path != "health")
    trio.run(ask)
    assert (statuses, app.entered) == ([401], 0)


async def test_a_roster_of_nobody_lets_nobody_in() -> None:
    async with open_roster() as roster:
        assert isinstance(roster, Roster)
        assert roster.credentials == Credentials()
        reached: list[Scope] = []
        heard: list[Message] = []

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            reached.append(scope)

        async def send(message: Message) -> None:
            heard.append(message)

        for shown in ([], [(b"authorization", b"Bearer ")], [(b"authorization", b"Bearer None")]):
            await Bearer(app, roster, ())(request(shown), nothing, send)
        assert not reached
        statuses = [each["status"] for each in heard if "status" in each]
        assert statuses == [401, 401, 401]
