"""With more than there is room for. The limits are small here, so that little is enough."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, suppress
from typing import Any
from urllib.parse import urlsplit

import pytest
import trio

from tests.edge import Answer, Edge, state
from tests.raw_http import Client
from tests.security.house import ECHO, OLD_RPC, REST, RPC, TOKENS, House, agent, begin, guarded
from tests.security.test_doors import RIGHT, spelled, statuses

LIMITS = {
    "tasks": 12,
    "tasks_per_caller": 6,
    "contexts_per_caller": 4,
    "waiting": 2,
    "streams_per_caller": 2,
    "requests_per_caller": 400,
    "refusals_per_address": 30,
    "webhooks_per_caller": 3,
    "connections_per_address": 24,
    "parts": 5,
    "body": 100_000,
    "body_time": 1,
    "head_time": 1,
    "write_time": 1,
}


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    limits = [word for name, most in LIMITS.items() for word in ("--limit", f"{name}={most}")]
    with guarded(tmp_path_factory.mktemp("floods"), *ECHO, *limits) as house:
        yield house


@pytest.fixture
async def house(standing: House) -> AsyncIterator[House]:
    """After each attack whoever else calls is answered; then what is left of it is cleared away."""
    yield standing
    house = standing
    with trio.fail_after(5):
        told = await begin(house.edge("bob"), "hi")
    assert state(told) == "completed"
    for name in ("alice", "bob"):
        listed = RPC.unwrap((await house.edge(name).do(RPC, "list", pageSize=100)).json)["tasks"]
        for task in listed:
            if state(task) not in ("completed", "canceled"):
                await house.edge(name).do(RPC, "cancel", id=task["id"])


def busy(answer: Answer) -> bool:
    """Whether it says: later; and when."""
    if answer.status != 429:
        return False
    return int(answer.headers["retry-after"]) > 0


# Tasks


async def send(edge: Edge, text: str, **members: Any) -> Answer:
    return await edge.do(REST, "send", message=REST.message(text, **members))


async def test_tasks_that_wait_for_ever(house: House) -> None:
    alice = house.edge("alice")
    answers = [await send(alice, "permission", contextId=f"c{n % 3}") for n in range(3)]
    assert [answer.status for answer in answers] == [200] * 3
    at_once = {"configuration": {"returnImmediately": True}}
    more = [
        await alice.do(REST, "send", message=REST.message("x", contextId=f"c{n % 3}"), **at_once)
        for n in range(6)
    ]
    assert [answer.status for answer in more] == [200] * 3 + [429] * 3
    assert busy(more[-1])


async def test_a_process_for_each_context(house: House) -> None:
    """A peer started forty for forty."""
    answers = [await send(house.edge("alice"), "permission") for _ in range(6)]
    assert [answer.status for answer in answers] == [200] * 4 + [429] * 2


async def test_a_line_in_front_of_one_context(house: House) -> None:
    alice = house.edge("alice")
    await send(alice, "permission", contextId="one")
    at_once = {"configuration": {"returnImmediately": True}}
    answers = [
        await alice.do(REST, "send", message=REST.message("x", contextId="one"), **at_once)
        for _ in range(4)
    ]
    assert [answer.status for answer in answers] == [200, 200, 429, 429]


async def test_streams_that_nobody_ends(house: House) -> None:
    alice = house.edge("alice")
    task = await begin(alice, "permission")
    async with AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(alice.listen(RPC, "subscribe", id=task["id"]))
        assert busy(await alice.do(REST, "subscribe", id=task["id"]))
        assert (await alice.do(REST, "get", id=task["id"])).status == 200


async def test_webhooks_without_number(house: House) -> None:
    alice = house.edge("alice")
    task = await begin(alice, "permission")
    answers = [
        await alice.do(REST, "set_push", taskId=task["id"], id=f"{n}", url="https://x.invalid/")
        for n in range(5)
    ]
    assert [answer.status for answer in answers] == [200] * 3 + [429] * 2


# Documents


async def test_parts_without_number(house: House) -> None:
    parts = [{"text": "x"}] * 6
    with house.untouched():
        answer = await house.edge("alice").do(RPC, "send", message=RPC.message("", parts=parts))
        assert answer.json["error"]["code"] == -32602


async def test_a_document_that_nests_without_end(house: House) -> None:
    deep: Any = "x"
    for _ in range(900):
        deep = [deep]
    with house.untouched():
        for message in (
            RPC.message("", parts=[{"data": deep}]),
            RPC.message("x", metadata={"x": deep}),
        ):
            answer = await house.edge("alice").do(RPC, "send", message=message)
            assert answer.json["error"]["code"] in (-32602, -32700, -32600)
        for body in (b"[" * 90_000, b'{"a":' * 15_000):
            answer = await house.edge("alice").ask(*RPC.spell("list", {})[:3], body)
            assert answer.json["error"]["code"] == -32700


async def test_calls_by_the_thousand_in_one_request(house: House) -> None:
    call = json.loads(RPC.spell("list", {}).body)
    with house.untouched():
        body = json.dumps([call] * 1000).encode()
        verb, target, headers, _ = RPC.spell("list", {})
        answer = await house.edge("alice").ask(verb, target, headers, body)
        assert answer.json["error"]["code"] == -32600


async def test_a_body_that_is_larger_than_it_may_be(house: House) -> None:
    huge = b'{"x": "' + b"x" * 200_000 + b'"}'
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(huge), huge)
    with house.untouched():
        for length in ("100001", "99999999999999", "9" * 30):
            said = await house.told(spelled("POST", "/", RIGHT, f"Content-Length: {length}"))
            assert statuses(said) in ([413], [400])
        chunked = ("Content-Type: application/json", "Transfer-Encoding: chunked")
        said = await house.told(spelled("POST", "/", RIGHT, *chunked, body=chunks))
        assert statuses(said) == [413]


async def test_a_body_that_grows_when_it_is_unpacked(house: House) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    verb, target, headers, _ = RPC.spell("list", {})
    with house.untouched():
        for coding in ("gzip", "deflate", "br", "identity, gzip"):
            shown = {**headers, "Content-Encoding": coding}
            answer = await house.edge("alice").ask(verb, target, shown, bomb)
            assert answer.status in (200, 400, 415)
            assert "error" in answer.json


async def test_headers_without_number_or_end(house: House) -> None:
    with house.untouched():
        many = (f"X-{n}: y" for n in range(1000))
        assert statuses(await house.told(spelled("GET", "/tasks", *many))) in ([431], [400])
        for line in ("X: " + "y" * 200_000, "y" * 200_000 + ": x"):
            assert statuses(await house.told(spelled("GET", "/tasks", line))) in ([431], [400], [])
        target = "/tasks?" + "x" * 200_000
        assert statuses(await house.told(spelled("GET", target))) in ([431], [414], [400], [])


async def test_an_agents_pattern_that_never_ends(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A form is a schema that a stranger wrote, and the answer another stranger's."""
    schema = {
        "type": "object",
        "properties": {"x": {"type": "string", "pattern": "^(a+)+$"}},
        "required": ["x"],
    }
    form = {"message": "?", "mode": "form", "requestedSchema": schema}
    steps = json.dumps([["call", "elicitation/create", form]])
    with guarded(tmp_path_factory.mktemp("pattern"), *agent("gate_agent.py")) as house:
        alice = house.edge("alice")
        task = await begin(alice, steps)
        assert state(task) == "input-required"
        with trio.fail_after(5):
            told = await begin(alice, "a" * 60 + "!", taskId=task["id"])
        assert state(told) == "completed"


# Slowness. Connections are the attacker's own; what they cost is what is measured.


async def test_a_head_that_comes_a_byte_at_a_time(house: House) -> None:
    async with house.socket() as client:
        with trio.fail_after(4):
            await drip(client, spelled("GET", "/tasks", RIGHT), 0.2)
            assert await ended(client)


async def test_a_body_that_comes_a_byte_at_a_time(house: House) -> None:
    head = spelled("POST", "/", RIGHT, "Content-Type: application/json", "Content-Length: 1000")
    with house.untouched():
        async with house.socket() as client:
            await client.send(head)
            with trio.fail_after(6):
                answer = await client.answer("POST")
                assert answer.status == 408
                assert await ended(client)


async def test_a_body_that_is_promised_and_never_sent(house: House) -> None:
    """Without a credential it is not even waited for."""
    head = spelled("POST", "/", "Content-Type: application/json", "Content-Length: 1000")
    async with house.socket() as client:
        await client.send(head)
        with trio.fail_after(0.9):
            assert (await client.answer("POST")).status == 401


async def drip(client: Client, data: bytes, pause: float) -> None:
    """Send byte by byte, until the other side has had enough."""
    try:
        for byte in data:
            await client.send(bytes([byte]))
            await trio.sleep(pause)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        return


async def ended(client: Client) -> bool:
    with suppress(trio.BrokenResourceError):
        await client.rest()
    return True


async def test_a_stream_that_is_not_read(house: House) -> None:
    """The writer does not wait for it, and the task goes on."""
    where = urlsplit(house.url)
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect((where.hostname, where.port))
        body = REST.spell("stream", {"message": REST.message("long:50000", contextId="deaf")}).body
        kind = ("Content-Type: application/json", "A2A-Version: 1.0")
        deaf.sendall(spelled("POST", "/message:stream", RIGHT, *kind, body=body))
        with trio.fail_after(10):
            while True:
                tasks = (await house.edge("alice").do(REST, "list", contextId="deaf")).json["tasks"]
                if tasks and state(tasks[0]) == "completed":
                    break
                await trio.sleep(0.05)


async def test_connections_that_say_nothing(house: House) -> None:
    """They have to leave for who says something."""
    where = urlsplit(house.url)
    with ExitStack() as stack:
        for _ in range(60):
            stack.enter_context(socket.create_connection((where.hostname, where.port)))
        with trio.fail_after(5):
            assert state(await begin(house.edge("bob"), "hi")) == "completed"


async def test_guessing_tokens_as_fast_as_one_can(house: House) -> None:
    """And who is known is let in from the very same address."""
    assert state(await begin(house.edge("bob"), "hi")) == "completed"
    verb, target, headers, body = RPC.spell("list", {})
    with house.untouched():
        found = [
            await Edge(house.url, f"guess-{n}").ask(verb, target, headers, body) for n in range(40)
        ]
    assert {answer.status for answer in found} == {401, 429}
    assert busy(found[-1])
    assert TOKENS["alice"] not in house.log
    assert (await house.edge("bob").ask(verb, target, headers, body)).status == 200


async def test_asking_without_a_pause(house: House) -> None:
    """The caller who asks too often is told so; another one is not."""
    verb, target, headers, body = OLD_RPC.spell("get", {"id": "none"})
    statuses = []
    for _ in range(LIMITS["requests_per_caller"] + 20):
        answer = await house.edge("reader").ask(verb, target, headers, body)
        statuses.append(answer.status)
        if busy(answer):
            break
    assert statuses[-1] == 429
    assert (await house.edge("bob").ask(verb, target, headers, body)).status == 200
