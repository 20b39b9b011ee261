"""What A2A asks of clients, asked of ours: what it sends is read as another agent would.

The agents are scripted, on real sockets; the extended card is that of a real server.
"""

from __future__ import annotations

import datetime
import io
import json
import re
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import click
import pytest
import trio
from attrs import define, field
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from a2acli.follow import Following, converse
from a2acli.jsonlines import JsonLines
from a2acli.main import COMMANDS, a2acode
from a2acli.pause import Pause, Say
from a2acore.client import CARD_PATH, Client, ClientError, open_client
from a2acore.errors import VersionNotSupported
from a2acore.model import CancelTaskRequest, GetTaskRequest, ListTasksRequest
from tests.caller import request
from tests.edge import echoing
from tests.test_client import STREAM_HEAD, Asked, closed_address, read_request, whole

Reply = Callable[[Asked], bytes]

TASKS = {
    "1.0": {"id": "t1", "contextId": "c1", "status": {"state": "TASK_STATE_COMPLETED"}},
    "0.3": {"kind": "task", "id": "t1", "contextId": "c1", "status": {"state": "completed"}},
}
LINES = ("1.0", "0.3")
BINDINGS = ("JSONRPC", "HTTP+JSON")

each_line = pytest.mark.parametrize("line", LINES)
each_binding = pytest.mark.parametrize("binding", BINDINGS)


@define(eq=False)
class Agent:
    """An agent that answers by a script, and remembers what it was asked."""

    reply: Reply
    url: str = ""
    card: dict[str, Any] = field(factory=dict)
    asked: list[Asked] = field(factory=list)
    """What was asked of it, the card aside."""

    async def serve(self, stream: trio.SocketStream) -> None:
        asked = await read_request(stream)
        if asked.target == CARD_PATH:
            await stream.send_all(whole(json.dumps(self.card).encode()))
        else:
            self.asked.append(asked)
            await stream.send_all(self.reply(asked))
        await stream.aclose()


@asynccontextmanager
async def scripted(reply: Reply) -> AsyncIterator[Agent]:
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            agent = Agent(reply)
            [listener] = await nursery.start(
                partial(trio.serve_tcp, agent.serve, 0, host="127.0.0.1")
            )
            agent.url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
            yield agent
            nursery.cancel_scope.cancel()


def interface(url: str, binding: str, line: str, tenant: str = "") -> dict[str, str]:
    said = {"url": url, "protocolBinding": binding, "protocolVersion": line}
    return said | ({"tenant": tenant} if tenant else {})


def card(*interfaces: dict[str, str], streaming: bool = True) -> dict[str, Any]:
    """A card of line 1.0."""
    return {
        "name": "Scripted",
        "description": "says what the test says",
        "version": "1",
        "supportedInterfaces": interfaces,
        "capabilities": {"streaming": streaming},
        "defaultInputModes": ["text/plain"],
        "defaultOutputModes": ["text/plain"],
        "skills": [],
    }


def old_card(url: str, transport: str, *others: tuple[str, str]) -> dict[str, Any]:
    """A card of line 0.3."""
    return {
        "protocolVersion": "0.3.0",
        "name": "Scripted",
        "description": "says what the test says",
        "version": "1",
        "url": url,
        "preferredTransport": transport,
        "additionalInterfaces": [{"url": url, "transport": name} for url, name in others],
        "capabilities": {"streaming": True},
        "defaultInputModes": ["text/plain"],
        "defaultOutputModes": ["text/plain"],
        "skills": [],
    }


def answer(asked: Asked, result: Any) -> bytes:
    """A whole answer, in an envelope when the request came in one."""
    if asked.method == "POST" and "jsonrpc" in asked.json:
        result = {"jsonrpc": "2.0", "id": asked.json["id"], "result": result}
    return whole(json.dumps(result).encode())


def saying(line: str) -> Reply:
    """Answers whatever is asked with a task."""

    def reply(asked: Asked) -> bytes:
        if asked.method == "GET" and urlsplit(asked.target).path.endswith("/tasks"):
            return answer(asked, {"tasks": [], "nextPageToken": "", "pageSize": 50, "totalSize": 0})
        sends = asked.target.endswith(":send") or (
            asked.target == "/" and asked.json["method"] == "SendMessage"
        )
        task = TASKS[line]
        return answer(asked, {"task": task} if sends else task)

    return reply


async def ask_all(client: Client) -> None:
    """Three operations: a message, a query, an action."""
    await client.send(request("hello"))
    await client.get(GetTaskRequest("t1"))
    await client.cancel(CancelTaskRequest("t1"))


# What a request looks like


@each_binding
@each_line
async def test_every_request_says_the_version_of_its_line(line: str, binding: str) -> None:
    """V10-MUST-049, V10-MUST-050, V10-MUST-056, V10-SHOULD-023."""
    async with scripted(saying(line)) as agent:
        agent.card = card(interface(agent.url, binding, line))
        async with open_client(agent.url) as client:
            await ask_all(client)
    said = [asked.headers["a2a-version"] for asked in agent.asked]
    assert said == [line] * 3
    assert all(re.fullmatch(r"\d+\.\d+", version) for version in said)


@pytest.mark.parametrize(
    ("line", "methods"),
    [
        ("1.0", ["SendMessage", "GetTask", "CancelTask"]),
        ("0.3", ["message/send", "tasks/get", "tasks/cancel"]),
    ],
)
async def test_over_json_rpc_a_request_is_one_object_posted_to_the_url_of_the_card(
    line: str, methods: list[str]
) -> None:
    """V03-MUST-012, V03-MUST-013, V03-MUST-014, V03-MUST-015, V03-MUST-017, V03-MUST-018,
    V03-SHOULD-004, V03-SHOULD-005, V10-MUST-101."""
    task = TASKS[line]

    def reply(asked: Asked) -> bytes:
        return answer(asked, {"task": task} if asked.json["method"] == "SendMessage" else task)

    async with scripted(reply) as agent:
        agent.card = card(interface(f"{agent.url}/deep/down?key=v", "JSONRPC", line))
        async with open_client(agent.url) as client:
            await ask_all(client)
    assert [asked.json["method"] for asked in agent.asked] == methods
    for asked in agent.asked:
        assert (asked.method, asked.target) == ("POST", "/deep/down?key=v")
        assert asked.headers["content-type"] == "application/json"
        assert asked.json.keys() == {"jsonrpc", "id", "method", "params"}
        assert asked.json["jsonrpc"] == "2.0"
        assert type(asked.json["id"]) in (str, int)
        assert type(asked.json["params"]) is dict


async def test_what_is_asked_in_a_path_or_a_query_is_encoded_and_comes_back_whole() -> None:
    """V10-MUST-102, V10-MUST-103, V10-MUST-104, V10-MUST-105."""
    async with scripted(saying("1.0")) as agent:
        agent.card = card(interface(agent.url, "HTTP+JSON", "1.0"))
        async with open_client(agent.url) as client:
            await client.get(GetTaskRequest("a/b?c#d é", history_length=3))
            await client.list(
                ListTasksRequest(context_id="x&y=z +/", page_token="%41==", include_artifacts=True)
            )
            await client.send(request("hello"))
    get, listed, sent = agent.asked
    assert (get.method, listed.method, sent.method) == ("GET", "GET", "POST")
    assert (get.body, listed.body) == (b"", b"")
    assert get.target.isascii()
    path = urlsplit(get.target).path
    assert path.count("/") == 2
    assert unquote(path) == "/tasks/a/b?c#d é"
    assert parse_qsl(urlsplit(get.target).query) == [("historyLength", "3")]
    assert dict(parse_qsl(urlsplit(listed.target).query)) == {
        "contextId": "x&y=z +/",
        "pageToken": "%41==",
        "includeArtifacts": "true",
    }
    assert urlsplit(sent.target).query == ""
    assert sent.json["message"]["parts"] == [{"text": "hello"}]


TENANTS = ["", "acme", "Acme Inc/ü"]


@pytest.mark.parametrize("tenant", TENANTS)
async def test_a_tenant_is_copied_to_the_letter_and_left_out_when_there_is_none(
    tenant: str,
) -> None:
    """V10-MUST-129."""
    async with scripted(saying("1.0")) as agent:
        for binding in BINDINGS:
            agent.card = card(interface(agent.url, binding, "1.0", tenant))
            async with open_client(agent.url) as client:
                await ask_all(client)
    *over_rpc, sent, got, cancelled = agent.asked
    for asked in over_rpc:
        assert asked.json["params"].get("tenant") == (tenant or None)
    before = f"/{tenant}" if tenant else ""
    assert unquote(sent.target) == f"{before}/message:send"
    assert unquote(got.target) == f"{before}/tasks/t1"
    assert unquote(cancelled.target) == f"{before}/tasks/t1:cancel"
    assert all(asked.target.isascii() for asked in (sent, got, cancelled))
    if tenant:
        assert sent.target.split("/")[1] == quote(tenant, safe="")


@each_binding
@each_line
async def test_a_token_travels_in_the_header_that_its_scheme_has_and_nowhere_else(
    line: str, binding: str
) -> None:
    """V03-MUST-075, V03-MUST-090."""
    async with scripted(saying(line)) as agent:
        agent.card = card(interface(agent.url, binding, line))
        async with open_client(agent.url, token="s3cret") as client:
            await ask_all(client)
    for asked in agent.asked:
        rest = {name: value for name, value in asked.headers.items() if name != "authorization"}
        assert asked.headers["authorization"] == "Bearer s3cret"
        assert "s3cret" not in f"{rest}{asked.target}{asked.body!r}"


@pytest.mark.parametrize("name", COMMANDS)
def test_no_command_takes_a_token_as_an_argument(name: str) -> None:
    """V03-MUST-074: it comes in a file or by the environment, from wherever it was obtained."""
    command = a2acode.get_command(click.Context(a2acode), name)
    assert command is not None
    told = {option for parameter in command.params for option in parameter.opts}
    assert not {option for option in told if "token" in option} - TOKEN_FILES


TOKEN_FILES = {"--token-file", "--auth-token-file"}


# Which interface


PREFERENCES: list[tuple[Sequence[tuple[str, str, str]], str]] = [
    ([("JSONRPC", "1.0", "/rpc"), ("HTTP+JSON", "1.0", "/rest")], "/rpc"),
    ([("HTTP+JSON", "1.0", "/rest"), ("JSONRPC", "1.0", "/rpc")], "/rest/tasks/t1"),
    ([("GRPC", "1.0", "/grpc"), ("HTTP+JSON", "1.0", "/rest")], "/rest/tasks/t1"),
    ([("JSONRPC", "7.0", "/new"), ("urn:own", "1.0", "/own"), ("JSONRPC", "1.0", "/b")], "/b"),
    ([("HTTP+JSON", "0.3", "/a"), ("JSONRPC", "1.0", "/b")], "/a/v1/tasks/t1"),
]


@pytest.mark.parametrize(("offered", "target"), PREFERENCES)
async def test_the_first_interface_that_is_spoken_is_asked_at_its_own_url(
    offered: Sequence[tuple[str, str, str]], target: str
) -> None:
    """V10-MUST-126, V10-MUST-127, V10-MUST-128."""
    async with scripted(lambda asked: answer(asked, TASKS["1.0"])) as agent:
        agent.card = card(
            *(interface(agent.url + path, binding, line) for binding, line, path in offered)
        )
        async with open_client(agent.url) as client:
            assert (await client.get(GetTaskRequest("t1"))).id == "t1"
    assert [asked.target for asked in agent.asked] == [target]


OLD_CARDS: list[tuple[tuple[str, str], list[tuple[str, str]], str]] = [
    (("/main", "JSONRPC"), [("/rest", "HTTP+JSON"), ("/main", "JSONRPC")], "/main"),
    (("/main", "HTTP+JSON"), [("/rpc", "JSONRPC")], "/main/v1/tasks/t1"),
    (("/main", "GRPC"), [("/rest", "HTTP+JSON"), ("/rpc", "JSONRPC")], "/rest/v1/tasks/t1"),
]


@pytest.mark.parametrize(("main", "others", "target"), OLD_CARDS)
async def test_on_the_old_line_the_main_url_comes_first_when_its_transport_is_spoken(
    main: tuple[str, str], others: list[tuple[str, str]], target: str
) -> None:
    """V03-MUST-070, V03-MUST-071, V03-MUST-086, V03-MUST-087, V03-MUST-088, V03-SHOULD-016."""
    async with scripted(lambda asked: answer(asked, TASKS["0.3"])) as agent:
        there = [(agent.url + path, name) for path, name in others]
        agent.card = old_card(agent.url + main[0], main[1], *there)
        async with open_client(agent.url) as client:
            assert (await client.get(GetTaskRequest("t1"))).id == "t1"
    assert [asked.target for asked in agent.asked] == [target]


@each_line
async def test_another_interface_is_used_when_the_first_fails(line: str) -> None:
    """V03-SHOULD-003, V10-SHOULD-049."""
    gone = await closed_address()
    async with scripted(saying(line)) as agent:
        agent.card = (
            card(interface(gone, "JSONRPC", line), interface(agent.url, "HTTP+JSON", line))
            if line == "1.0"
            else old_card(gone, "JSONRPC", (agent.url, "HTTP+JSON"))
        )
        async with open_client(agent.url) as client:
            assert (await client.get(GetTaskRequest("t1"))).id == "t1"
    assert [asked.method for asked in agent.asked] == ["GET"]


async def test_who_asks_for_a_line_is_not_given_another() -> None:
    """V10-SHOULD-026, V10-MUST-055: with the option that every command has for it."""

    def refuse(asked: Asked) -> bytes:
        error = {"code": -32009, "message": "not here"}
        return whole(
            json.dumps({"jsonrpc": "2.0", "id": asked.json["id"], "error": error}).encode()
        )

    async with scripted(refuse) as agent:
        agent.card = card(*(interface(agent.url, "JSONRPC", line) for line in LINES))
        async with open_client(agent.url, line="1.0") as client:
            with pytest.raises(VersionNotSupported):
                await client.get(GetTaskRequest("t1"))
    assert [asked.headers["a2a-version"] for asked in agent.asked] == ["1.0"]


# Conversations


async def _say_yes(pause: Pause) -> Say | None:
    return pause.answer("yes")


async def _say_nothing(pause: Pause) -> Say | None:
    return None


def frames(asked: Asked, *events: dict[str, Any]) -> bytes:
    said = [{"jsonrpc": "2.0", "id": asked.json["id"], "result": event} for event in events]
    return STREAM_HEAD + b"".join(b"data: %b\n\n" % json.dumps(each).encode() for each in said)


async def test_an_answer_names_the_task_and_the_context_that_the_agent_told_and_no_other() -> None:
    """V10-MUST-082, V10-SHOULD-038, V10-SHOULD-039: as they were told, whatever they look like."""
    told = {"taskId": "task ☃/../x", "contextId": "{ctx: 7}"}
    task = {"id": told["taskId"], "contextId": told["contextId"]}

    def reply(asked: Asked) -> bytes:
        if len(agent.asked) > 1:
            return frames(asked, {"statusUpdate": told | {"status": TASKS["1.0"]["status"]}})
        status = {"state": "TASK_STATE_INPUT_REQUIRED"}
        return frames(
            asked,
            {"task": task | {"status": {"state": "TASK_STATE_WORKING"}}},
            {"statusUpdate": told | {"status": status}},
        )

    async with scripted(reply) as agent:
        agent.card = card(interface(agent.url, "JSONRPC", "1.0"))
        async with open_client(agent.url) as client:
            await converse(client, Say("hello"), Following(), JsonLines(io.StringIO()), _say_yes)
    first, second = (asked.json["params"]["message"] for asked in agent.asked)
    assert not first.keys() & told.keys()
    assert {name: second[name] for name in told} == told


async def test_an_agent_that_does_not_stream_is_sent_to_and_asked_again_until_the_end() -> None:
    """V10-SHOULD-037, V10-SHOULD-062."""
    task = TASKS["1.0"]

    def reply(asked: Asked) -> bytes:
        if asked.json["method"] == "SendMessage":
            return answer(asked, {"task": task | {"status": {"state": "TASK_STATE_WORKING"}}})
        return answer(asked, task)

    said = io.StringIO()
    async with scripted(reply) as agent:
        agent.card = card(interface(agent.url, "JSONRPC", "1.0"), streaming=False)
        async with open_client(agent.url) as client:
            code = await converse(client, Say("hello"), Following(), JsonLines(said), _say_nothing)
    assert [asked.json["method"] for asked in agent.asked] == ["SendMessage", "GetTask"]
    assert (code, "TASK_STATE_COMPLETED" in said.getvalue()) == (0, True)


async def test_the_last_page_of_a_list_is_told_by_its_empty_token() -> None:
    """V10-SHOULD-009."""
    pages = {"": "p2", "p2": "p3", "p3": ""}

    def reply(asked: Asked) -> bytes:
        token = pages[asked.json["params"].get("pageToken", "")]
        return answer(
            asked,
            {"tasks": [TASKS["1.0"]], "nextPageToken": token, "pageSize": 1, "totalSize": 3},
        )

    async with scripted(reply) as agent:
        agent.card = card(interface(agent.url, "JSONRPC", "1.0"))
        async with open_client(agent.url) as client:
            page = await client.list(ListTasksRequest(page_size=1))
            found = list(page.tasks)
            while page.next_page_token:
                asking = ListTasksRequest(page_size=1, page_token=page.next_page_token)
                page = await client.list(asking)
                found += page.tasks
    assert len(found) == len(agent.asked) == 3


# The card


@each_binding
@each_line
async def test_the_extended_card_is_fetched_with_the_token_and_replaces_the_public_one(
    line: str, binding: str, tmp_path: Path
) -> None:
    """V03-MUST-059, V10-MUST-141, V03-SHOULD-010, V10-SHOULD-078."""
    async with (
        echoing(tmp_path, token="s3cret") as edge,
        open_client(edge.url, token="s3cret", line=line, binding=binding) as client,
    ):
        public = client.card
        extended = await client.extended_card()
        assert str(tmp_path) not in public.description
        assert str(tmp_path) in extended.description
        assert client.card is extended
        assert (await client.send(request("hello"))) is not None


async def test_who_cannot_prove_to_be_the_agent_is_told_nothing(tmp_path: Path) -> None:
    """V03-SHOULD-018, V10-SHOULD-056: a certificate that nobody vouches for."""
    heard = b""

    async def serve(stream: trio.SSLStream[trio.SocketStream]) -> None:
        nonlocal heard
        with suppress(trio.BrokenResourceError):
            heard += await stream.receive_some()

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(self_signed(tmp_path))
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            [listener] = await nursery.start(
                partial(trio.serve_ssl_over_tcp, serve, 0, context, host="127.0.0.1")
            )
            port = listener.transport_listener.socket.getsockname()[1]
            with pytest.raises(ClientError, match=r"(?i)certificate"):
                async with open_client(f"https://localhost:{port}", token="s3cret"):
                    pass
            nursery.cancel_scope.cancel()
    assert heard == b""


def self_signed(folder: Path) -> Path:
    """A file with a key and a certificate for this machine, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = folder / "self.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file
