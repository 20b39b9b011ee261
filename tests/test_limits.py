"""Limits: the numbers by themselves, and a server that is given small ones, on real sockets."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import h11
import pytest
import trio
import trio.lowlevel
from attrs import fields
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from a2acore.asgi import Message, Receive, Scope, Send
from a2acore.backend import Text, Turn
from a2acore.errors import TooBusy
from a2acore.limits import NAMES, UNNAMED, Buckets, Limits, Rates, Tally
from a2acore.middleware.floods import Floods, network_of
from a2acore.middleware.payloads import PAYLOADS
from a2acore.redaction import Redactor
from a2acore.server import Options
from tests.edge import WAYS, Answer, Edge, Way, serving
from tests.raw_http import GET, Client, Server, get, post
from tests.raw_http import serving as serving_raw
from tests.receiver import receiving
from tests.stage import Actor
from tests.test_guard import resident
from tests.test_push import sending, spelled
from tests.test_refusals import BUSY, check
from tests.test_serve import hello

each_way = pytest.mark.parametrize("way", WAYS, ids=str)
WAY = WAYS[0]

TOKENS = {"alice": "alice-token-0123456789", "bob": "bob-token-0123456789"}


async def forever(turn: Turn) -> str | None:
    await trio.sleep_forever()
    return None


async def at_once(turn: Turn) -> str | None:
    turn.say(Text("done"))
    return None


@asynccontextmanager
async def limited(
    folder: Path, play: Any = forever, *, callers: Sequence[str] = (), **limits: int
) -> AsyncIterator[dict[str, Edge]]:
    """A server with limits, as each of its callers sees it, and as nobody does (under "")."""
    options: dict[str, Any] = {"limits": Limits(**limits), "webhook_allow_private": True}
    if callers:
        file = folder / "credentials.toml"
        entries = (
            f'[[callers]]\nname = "{name}"\nbearer = '
            f'"sha256:{hashlib.sha256(TOKENS[name].encode()).hexdigest()}"\n'
            for name in callers
        )
        file.write_text("\n".join(entries))
        options["credentials"] = file
    async with serving(Actor(play), Options(**options)) as edge:
        yield {"": edge, **{name: Edge(edge.url, TOKENS[name]) for name in callers}}


async def start(edge: Edge, way: Way, context: str = "") -> Answer:
    message = way.message("go", **({"contextId": context} if context else {}))
    return await edge.do(way, "send", message=message, configuration=way.at_once())


def refused(way: Way, answer: Answer) -> str:
    """The answer to who is over a limit; what it says."""
    message: str = check(way, answer, BUSY)["message"]
    assert int(answer.headers["retry-after"]) > 0
    return message


# The numbers


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [-1, 1.5, True, "5", None])
def test_a_limit_is_a_whole_number(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=name):
        Limits(**{name: value})


def test_there_is_room_for_as_many_as_are_said_for_each_and_in_all() -> None:
    tally = Tally("things", 3, 2)
    for _ in range(2):
        tally.check("a")
        tally.add("a")
    with pytest.raises(TooBusy, match="You have 2 things"):
        tally.check("a")
    tally.check("b")
    tally.add("b")
    with pytest.raises(TooBusy, match="There are 3 things"):
        tally.check("b")
    for who in "aab":
        tally.drop(who)
    tally.check("a")
    assert tally.count == 0


def test_who_cannot_be_told_from_others_is_held_by_what_holds_for_all() -> None:
    tally = Tally("things", 3, 1)
    for _ in range(3):
        tally.check(UNNAMED)
        tally.add(UNNAMED)
    with pytest.raises(TooBusy):
        tally.check(UNNAMED)


def test_no_limit_is_none() -> None:
    tally, buckets = Tally("things", 0, 0), Buckets(0)
    for _ in range(10_000):
        tally.check("a")
        tally.add("a")
        buckets.take("a", 0)
    assert buckets.wait("a", 0) == 0


@given(st.integers(1, 1000), st.lists(st.floats(0, 30), max_size=200))
def test_in_no_minute_more_is_let_through_than_twice_the_rate(
    rate: int, pauses: list[float]
) -> None:
    """What was saved up, and what comes in while it is spent."""
    buckets, now, let_in = Buckets(rate), 0.0, []
    for pause in pauses:
        now += pause
        if not buckets.wait("a", now):
            buckets.take("a", now)
            let_in.append(now)
    for end in let_in:
        assert len([then for then in let_in if end - 60 < then <= end]) <= 2 * rate


@given(st.integers(1, 1000), st.integers(0, 2000))
def test_who_waits_as_long_as_is_said_is_let_in(rate: int, before: int) -> None:
    buckets = Buckets(rate)
    for _ in range(before):
        buckets.take("a", 0)
    wait = buckets.wait("a", 0)
    assert (wait > 0) == (before >= rate)
    assert buckets.wait("a", wait + 1e-6) == 0
    assert buckets.wait("b", 0) == 0


def test_buckets_are_kept_for_so_many_and_no_more() -> None:
    buckets = Buckets(1, remembered=100)
    for number in range(10_000):
        buckets.take(str(number), 0)
    assert [buckets.wait(key, 0) > 0 for key in ("9999", "9900", "9899", "0")] == [
        True,
        True,
        False,
        False,
    ]


def test_one_caller_does_not_use_up_what_another_may_ask() -> None:
    rates = Rates(Limits(requests=5, requests_per_caller=2))
    said = [rates.refusal(who, 0) for who in ("a", "a", "a", "b", UNNAMED, UNNAMED, "b")]
    assert [str(each or "") for each in said] == [
        *("", "", "You may ask 2 times a minute", "", "", ""),
        "This server may be asked 5 times a minute",
    ]
    assert [each.retry_after for each in said if each] == [30, 12]


def test_the_document_tells_every_limit_and_its_default() -> None:
    text = (Path(__file__).parent.parent / "docs/limits.md").read_text()
    told = dict(re.findall(r"^\| `(\w+)` \| (\d+) \|", text, re.MULTILINE))
    assert told == {each.name: str(each.default) for each in fields(Limits)}


# Callers


@each_way
async def test_a_caller_has_so_many_tasks_and_no_more(way: Way, tmp_path: Path) -> None:
    async with limited(tmp_path, callers=("alice", "bob"), tasks_per_caller=2, tasks=3) as edges:
        for _ in range(2):
            assert (await start(edges["alice"], way)).status == 200
        assert "You have 2 tasks" in refused(way, await start(edges["alice"], way))
        assert (await start(edges["bob"], way)).status == 200
        assert "There are 3 tasks" in refused(way, await start(edges["bob"], way))


@each_way
async def test_an_ended_task_makes_room(way: Way, tmp_path: Path) -> None:
    async with limited(tmp_path, at_once, tasks=1, contexts=1) as edges:
        for _ in range(5):
            await edges[""].tell(way, "go")


@each_way
async def test_a_caller_works_in_so_many_contexts_and_queues_in_those(
    way: Way, tmp_path: Path
) -> None:
    async with limited(tmp_path, callers=("alice",), contexts_per_caller=1, waiting=2) as edges:
        alice = edges["alice"]
        for _ in range(3):
            assert (await start(alice, way, "c")).status == 200
        assert "2 turns are waiting" in refused(way, await start(alice, way, "c"))
        assert "You have 1 contexts" in refused(way, await start(alice, way, "d"))


@each_way
async def test_a_refused_task_was_never_begun(way: Way, tmp_path: Path) -> None:
    async with limited(tmp_path, tasks=1) as edges:
        await start(edges[""], way)
        refused(way, await start(edges[""], way))
        listed = await edges[""].do(WAY, "list")
        assert len(WAY.unwrap(listed.json)["tasks"]) == 1


@each_way
async def test_a_caller_has_so_many_streams_open_and_no_more(way: Way, tmp_path: Path) -> None:
    async with limited(tmp_path, callers=("alice", "bob"), streams_per_caller=1) as edges:
        alice, bob = edges["alice"], edges["bob"]
        message = way.message("go")
        async with alice.listen(way, "stream", message=message) as stream:
            task = (await stream.hear(way)).inside["id"]
            again = await alice.do(way, "stream", message=way.message("go"))
            assert "You have 1 streams" in refused(way, again)
            refused(way, await alice.do(way, "subscribe", id=task))
            async with bob.listen(way, "stream", message=way.message("go")) as other:
                await other.hear(way)
        await wait_all_tasks_blocked()
        async with alice.listen(way, "subscribe", id=task) as stream:
            await stream.hear(way)


@each_way
async def test_who_asks_too_often_is_told_when_to_come_again(way: Way, tmp_path: Path) -> None:
    """V10-SHOULD-093."""
    async with limited(tmp_path, callers=("alice", "bob"), requests_per_caller=2) as edges:
        alice, bob = edges["alice"], edges["bob"]
        for _ in range(2):
            assert (await alice.do(way, "get", id="none")).status in (200, 404)
        over = await alice.do(way, "get", id="none")
        assert "You may ask 2 times a minute" in refused(way, over)
        assert int(over.headers["retry-after"]) <= 30
        refused(way, await start(alice, way))
        assert b"may ask" not in (await bob.do(way, "get", id="none")).body
        assert (await alice.ask("GET", "/.well-known/agent-card.json")).status == 200


async def test_what_is_no_request_counts_as_one(tmp_path: Path) -> None:
    async with limited(tmp_path, callers=("alice",), requests_per_caller=2) as edges:
        for _ in range(2):
            await edges["alice"].ask("POST", "/", {"Content-Type": "application/json"}, b"{")
        refused(WAY, await edges["alice"].do(WAY, "get", id="none"))


@each_way
async def test_a_caller_has_so_many_webhooks_at_tasks_that_run(way: Way, tmp_path: Path) -> None:
    limits = {"webhooks_per_caller": 2, "webhooks": 0}
    async with receiving() as hook, limited(tmp_path, callers=("alice",), **limits) as edges:
        config = {**sending(way, spelled(way, hook.url)), **way.at_once()}
        for _ in range(2):
            await edges["alice"].tell(way, "go", configuration=config)
        message = way.message("go")
        over = await edges["alice"].do(way, "send", message=message, configuration=config)
        assert "You have 2 webhooks" in refused(way, over)


@each_way
async def test_a_message_has_so_many_parts_and_no_more(way: Way, tmp_path: Path) -> None:
    async with limited(tmp_path, at_once, parts=2) as edges:
        message = way.message("go")
        message["parts"] *= 3
        answer = await edges[""].do(way, "send", message=message)
    assert "message.parts are 3; there may be 2" in answer.body.decode()


async def test_a_body_is_so_long_and_no_longer(tmp_path: Path) -> None:
    async with limited(tmp_path, at_once, body=1000) as edges:
        message = WAY.message("x" * 1000)
        assert (await edges[""].do(WAY, "send", message=message)).status == 413
        await edges[""].tell(WAY, "short")


async def test_a_head_has_so_many_headers_and_no_more(tmp_path: Path) -> None:
    async with limited(tmp_path) as edges:
        many = {f"X-{number}": "x" for number in range(200)}
        answer = await edges[""].ask("GET", "/.well-known/agent-card.json", many)
    assert answer.status == 431


# Strangers


async def test_an_address_that_shows_no_good_credential_is_told_to_come_later(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """V10-SHOULD-089."""
    caplog.set_level(logging.INFO)
    async with limited(
        tmp_path, at_once, callers=("alice", "bob"), refusals_per_address=3
    ) as edges:
        alice, bob, stranger = edges["alice"], edges["bob"], Edge(edges[""].url, "guessed")
        await alice.tell(WAY, "go")
        for _ in range(3):
            assert (await stranger.do(WAY, "list")).status == 401
        over = await stranger.do(WAY, "list")
        assert over.status == 429
        assert over.json["error"]["status"] == "RESOURCE_EXHAUSTED"
        assert 0 < int(over.headers["retry-after"]) <= 20
        assert (await edges[""].do(WAY, "list")).status == 429
        # Who was let in before is let in still; who was not cannot be told from the others.
        await alice.tell(WAY, "go")
        assert (await bob.do(WAY, "list")).status == 429
        assert (await stranger.ask("GET", "/.well-known/agent-card.json")).status == 200
    assert caplog.text.count("refused a request of 127.0.0.1") == 3


async def test_a_public_page_does_not_vouch_for_a_credential(tmp_path: Path) -> None:
    async with limited(tmp_path, callers=("alice",), refusals_per_address=1) as edges:
        stranger = Edge(edges[""].url, "guessed")
        for _ in range(2):
            assert (await stranger.ask("GET", "/.well-known/agent-card.json")).status == 200
            statuses = {(await stranger.do(WAY, "list")).status for _ in range(3)}
        assert statuses == {429}


async def test_addresses_are_counted_one_by_one_and_time_heals(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def stranger(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 401, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    app = Floods(stranger, (), 2)

    async def ask(host: str) -> int:
        said: list[Message] = []

        async def send(message: Message) -> None:
            said.append(message)

        scope = {"type": "http", "path": "/", "client": (host, 1), "headers": []}
        await app(scope, trio.sleep_forever, send)
        status: int = said[0]["status"]
        return status

    assert [await ask("192.0.2.1") for _ in range(3)] == [401, 401, 429]
    assert await ask("192.0.2.2") == 401
    await trio.sleep(30)
    assert [await ask("192.0.2.1") for _ in range(2)] == [401, 429]
    # A subscriber has all addresses of a network, and does not count more often for it.
    assert [await ask(f"2001:db8:1:1::{n}") for n in range(3)] == [401, 401, 429]
    assert await ask("2001:db8:1:2::1") == 401


def test_an_address_is_named_by_its_network() -> None:
    assert network_of("::ffff:192.0.2.1") == "192.0.2.1"
    assert network_of("2001:db8:1:1::5") == "2001:db8:1:1::/64"


# Connections


async def test_who_says_nothing_keeps_nobody_out() -> None:
    """Slow heads (slowloris), and connections that were used once and are kept."""
    limits = Limits(connections=10)
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving_raw(hello, limits=limits))
        crowd = [await stack.enter_async_context(server.client()) for _ in range(10)]
        for number, client in enumerate(crowd):
            await client.send(b"GET / HTTP/1.1\r\nHost:" if number % 2 else GET)
        for _ in range(20):
            async with server.client() as newcomer:
                assert (await newcomer.ask(GET)).status == 200
        # The oldest had to leave.
        assert b"hello" in await crowd[0].rest()


async def test_where_all_are_being_answered_a_new_one_is_turned_away() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        if scope["path"] == "/":
            started.set()
            while (await receive())["type"] != "http.disconnect":
                pass
        else:
            await hello(scope, receive, send)

    started = trio.Event()
    async with serving_raw(app, limits=Limits(connections_per_address=1)) as server:
        async with server.client() as client:
            await client.send(GET)
            await started.wait()
            async with server.client() as other:
                answer = await other.answer()
                assert answer.status == 429
                assert answer.headers[b"retry-after"] == b"5"
                assert answer.error["status"] == "RESOURCE_EXHAUSTED"
        while (await answered(server)) == 429:  # until it is noticed that the first has left
            pass


async def answered(server: Server) -> int:
    """The status that a new connection gets; the answer to who is turned away may be lost."""
    async with server.client() as client:
        try:
            return (await client.ask(get("/other"))).status
        except (OSError, trio.BrokenResourceError, h11.RemoteProtocolError):
            return 429


async def test_times_among_the_limits_hold(tmp_path: Path) -> None:
    async with limited(tmp_path, head_time=1, idle_time=1, body_time=1) as edges:
        host, port = edges[""].url.removeprefix("http://").split(":")
        for said in (b"GET / HT", b"", GET):
            async with await trio.open_tcp_stream(host, int(port)) as stream:
                with trio.fail_after(5):
                    if said:
                        await stream.send_all(said)
                    while await stream.receive_some():
                        pass
        headers = {"Content-Type": "application/json", "Content-Length": "5"}
        with trio.fail_after(5):
            async with edges[""].exchange("POST", "/", headers, None) as exchange:
                assert exchange.status == 408


async def test_streams_that_nobody_reads_are_cut_off_and_hold_little(
    tmp_path: Path, mock_clock: trio.testing.MockClock
) -> None:
    """However much there is to tell, and however many of them there are."""
    mock_clock.rate = 1
    begin, done, streams = trio.Event(), trio.Event(), 20

    async def much(turn: Turn) -> str | None:
        await begin.wait()
        for _ in range(10_000):
            turn.say(Text("x" * 2000))
            await trio.lowlevel.checkpoint()
        done.set()
        return None

    async with limited(tmp_path, much, write_time=5) as edges, AsyncExitStack() as stack:
        task = (await edges[""].tell(WAY, "go", configuration=WAY.at_once()))["id"]
        stuck = [
            await stack.enter_async_context(edges[""].listen(WAY, "subscribe", id=task))
            for _ in range(streams)
        ]
        for stream in stuck:
            await stream.hear(WAY)
        before = resident()
        begin.set()
        await done.wait()  # and not by asking: each answer would be all of it
        # What is told is 20 MB, which the task and its journal hold once; not once for each.
        assert resident() - before < 20 * 20e6 / 3
        await wait_all_tasks_blocked()
        mock_clock.jump(5)
        await wait_all_tasks_blocked()
        with trio.fail_after(10):
            for stream in stuck:
                while await stream.stream.receive_some(1_000_000):
                    pass


async def test_what_was_asked_is_not_held_while_its_stream_is_told(tmp_path: Path) -> None:
    streams, padding = 20, "x" * 4_000_000

    async def wait(turn: Turn) -> str | None:
        await trio.sleep_forever()
        return None

    async with limited(tmp_path, wait) as edges, AsyncExitStack() as stack:
        task = (await edges[""].tell(WAY, "go", configuration=WAY.at_once()))["id"]
        params = {"id": task, "padding": padding}
        call = {"jsonrpc": "2.0", "id": 1, "method": "SubscribeToTask", "params": params}
        body = json.dumps(call).encode()
        about = ["Content-Type: application/json", "A2A-Version: 1.0"]
        request = post(body, f"Content-Length: {len(body)}", *about)
        request = request.replace(b"Host: test", b"Host: localhost")

        async def follow() -> None:
            url = urlsplit(edges[""].url)
            assert url.hostname
            assert url.port
            client = Client(await trio.open_tcp_stream(url.hostname, url.port))
            await stack.enter_async_context(client.stream)
            await client.send(request)
            await client.until(task.encode())

        await follow()
        before = resident()
        for _ in range(streams):
            await follow()
        assert resident() - before < streams * len(padding) / 4


# What is logged of it


async def test_payloads_are_logged_when_that_is_wanted_and_without_secrets(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def tell(turn: Turn) -> str | None:
        turn.say(Text(f"heard {turn.text}"))
        return None

    caplog.set_level(logging.DEBUG)
    options = Options(token="s3cret-token", log_payloads=True, redactor=Redactor(["s3cret-word"]))
    async with serving(Actor(tell), options) as edge:
        await edge.tell(WAY, "hello s3cret-word and s3cret-token")
        await edge.tell(WAY, "y" * 10_000)
        async with edge.listen(WAY, "stream", message=WAY.message("hi")) as stream:
            await stream.hear_out(WAY)
    said = [each.getMessage() for each in caplog.records if each.name == PAYLOADS]
    assert len(said) == 6
    assert said[0].startswith("POST / asks {")
    assert "hello *** and ***" in said[0]
    assert "heard hello *** and ***" in said[1]
    assert max(map(len, said)) < 5000
    assert re.fullmatch(r"POST / 200 answers a stream of \d+ bytes", said[-1])
    assert "s3cret" not in caplog.text


async def test_otherwise_no_payload_is_logged(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "a2acore")
    async with limited(tmp_path, at_once) as edges:
        await edges[""].tell(WAY, "a very special word")
        await edges[""].do(WAY, "get", id="another special word")
    assert "special" not in caplog.text
