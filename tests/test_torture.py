"""HTTP/1.1 at its edges, on real sockets: what is ambiguous, slow, cut off, or split anywhere.

Invariant: however a valid stream of bytes is cut into segments, the answers are the same; and
whatever comes instead of one ends that connection, and no other, with nothing left behind.

Both fronts are asked where both can pass; where hypercorn's parser takes what it should not, or is
lazier than ours, only the native one is.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import partial
from itertools import pairwise
from math import inf
from typing import Any

import h11
import pytest
import trio
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from a2acore import asgi
from a2acore.asgi import LEAVING, ASGIApp, ClientGone, Receive, Scope, Send
from a2acore.front import Patience
from a2acore.front.site import READ
from a2acore.limits import Limits
from a2acore.listener import listen
from a2acore.middleware.guard import Guard, read_body
from tests.raw_http import FRONTS, GET, Answer, Client, Server, Serving, get, post
from tests.raw_http import serving as serving_by

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="no EPOLLRDHUP")

QUICK = Patience(head=0.1, keep_alive=0.1, linger=0.1)


@pytest.fixture(params=FRONTS)
def serving(request: pytest.FixtureRequest) -> Serving:
    return partial(serving_by, front=request.param)


native: Serving = partial(serving_by, front="native")


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Says what was asked: the method, the path, and the body."""
    if scope["type"] != "http":
        return
    said = b"%b %b " % (scope["method"].encode(), scope["raw_path"]) + await read_body(receive)
    await say(send, said)


async def say(send: Send, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    length = (b"content-length", b"%d" % len(body))
    start = {"type": "http.response.start", "status": 200, "headers": [length, *headers]}
    await send(start)
    await send({"type": "http.response.body", "body": body})


def answering(*messages: dict[str, Any]) -> ASGIApp:
    """An app that says the same to everybody, and reads nothing."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        for message in messages:
            await send(dict(message))

    return app


def start(*headers: tuple[bytes, bytes], status: int = 200) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def piece(body: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": more}


def chunked(*chunks: bytes) -> bytes:
    """A POST in chunks, spelled as they are."""
    return post(b"".join(chunks), "Transfer-Encoding: chunked")


async def for_ever(client: Client, data: bytes) -> None:
    while True:
        await client.send(data)


async def refused(server: Server, request: bytes) -> Answer:
    """The answer to what has to be refused, and to end its connection."""
    async with server.client() as client:
        await client.send(request)
        answer = await client.answer()
        assert answer.headers[b"connection"] == b"close"
        assert await client.rest() == b""
        return answer


# Where a request ends: what two readers may read differently is refused

AMBIGUOUS = {
    "two lengths": (post(b"12345", "Content-Length: 5", "Content-Length: 4"), 400),
    "two lengths in one": (post(b"12345", "Content-Length: 5, 4"), 400),
    "a signed length": (post(b"12345", "Content-Length: +5"), 400),
    "a length in hex": (post(b"12345", "Content-Length: 0x5"), 400),
    "a length with a space": (post(b"12345", "Content-Length: 5 5"), 400),
    "an empty length": (post(b"", "Content-Length:"), 400),
    "a length of many digits": (post(b"", "Content-Length: " + "9" * 30), 400),
    "a coding that is none": (post(b"", "Transfer-Encoding: identity"), 501),
    "a coding beside chunked": (post(b"", "Transfer-Encoding: gzip, chunked"), 501),
    "chunked twice": (post(b"", "Transfer-Encoding: chunked, chunked"), 501),
    "chunked in two headers": (post(b"", *["Transfer-Encoding: chunked"] * 2), 501),
    "a hidden chunked": (post(b"", "Transfer-Encoding: \x0bchunked"), 400),
    "a space before the colon": (post(b"", "Content-Length : 5"), 400),
    "a space before the name": (b"GET / HTTP/1.1\r\n Host: test\r\n\r\n", 400),
    "a NUL in a header": (get("/", "A: b\0c"), 400),
    "a CR in a header": (get("/", "A: b\rContent-Length: 5"), 400),
    "no colon": (get("/", "what is this"), 400),
    "no name": (get("/", ": value"), 400),
    "two hosts": (get("/", "Host: other"), 400),
    "a space in the target": (b"GET /a b HTTP/1.1\r\nHost: test\r\n\r\n", 400),
    "a tab for a space": (b"GET\t/\tHTTP/1.1\r\nHost: test\r\n\r\n", 400),
    "no version": (b"GET /\r\n\r\n", 400),
    "a method in lower case": (b"head / HTTP/1.1\r\nHost: test\r\n\r\n", 400),
    "a method in both cases": (b"Get / HTTP/1.1\r\nHost: test\r\n\r\n", 400),
    "a version of words": (b"GET / HTTP/one\r\nHost: test\r\n\r\n", 400),
    "a chunk without a size": (chunked(b"\r\n", b"0\r\n\r\n"), 400),
    "a chunk of a negative size": (chunked(b"-1\r\n"), 400),
    "a chunk of a signed size": (chunked(b"+1\r\na\r\n0\r\n\r\n"), 400),
    "a chunk in 0x": (chunked(b"0x1\r\na\r\n0\r\n\r\n"), 400),
    "a chunk with a space before": (chunked(b" 1\r\na\r\n0\r\n\r\n"), 400),
    "a chunk of a huge size": (chunked(b"f" * 21 + b"\r\na"), 400),
    "a chunk longer than it says": (chunked(b"1\r\nab\r\n0\r\n\r\n"), 400),
    "a chunk that ends in LF": (chunked(b"1\r\na\n0\r\n\r\n"), 400),
    "a bad trailer": (chunked(b"0\r\nno colon\r\n\r\n"), 400),
}
AMBIGUOUS_TO_US = {
    "a length and chunks": (
        post(b"0\r\n\r\n", "Content-Length: 5", "Transfer-Encoding: chunked"),
        400,
    ),
    "chunks in HTTP/1.0": (
        b"POST / HTTP/1.0\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "chunks that end in LF": (chunked(b"1\r\na\r\n0\r\n\n"), 400),
    "a trailer that ends in LF": (chunked(b"0\r\nA: b\n\r\n"), 400),
    "trailers that end in LF": (chunked(b"0\r\nA: b\r\n\n"), 400),
    "lines that end in LF": (b"GET / HTTP/1.1\nHost: test\n\n", 400),
    "one line that ends in LF": (b"GET / HTTP/1.1\r\nHost: test\nA: b\r\n\r\n", 400),
    "a folded header": (get("/", "A: b", " c"), 400),
    "a fold that hides a length": (get("/", "A: b", "\tContent-Length: 5"), 400),
    "a tunnel": (b"CONNECT other:80 HTTP/1.1\r\nHost: other:80\r\n\r\n", 400),
    "a target that is no path": (b"GET other HTTP/1.1\r\nHost: test\r\n\r\n", 400),
    "a scheme that is not ours": (b"GET ftp://test/ HTTP/1.1\r\nHost: test\r\n\r\n", 400),
    "a user in the target": (b"GET http://me@test/ HTTP/1.1\r\nHost: test\r\n\r\n", 400),
    "a target without a host": (b"GET http:///a HTTP/1.1\r\nHost: test\r\n\r\n", 400),
}


@pytest.mark.parametrize("name", AMBIGUOUS)
async def test_a_request_that_may_end_elsewhere_is_refused_and_is_the_last(
    serving: Serving, name: str
) -> None:
    request, status = AMBIGUOUS[name]
    async with serving(echo, patience=QUICK) as server:
        answer = await refused(server, request + GET)
        assert answer.status == status
        assert answer.error["message"]


@pytest.mark.parametrize("name", AMBIGUOUS_TO_US)
async def test_what_other_parsers_let_pass_is_refused_and_is_the_last(name: str) -> None:
    request, status = AMBIGUOUS_TO_US[name]
    async with native(echo, patience=QUICK) as server:
        answer = await refused(server, request + GET)
        assert answer.status == status
        assert answer.error["message"]


async def test_a_length_that_is_said_twice_alike_is_that_length(serving: Serving) -> None:
    request = post(b"12345", "Content-Length: 5", "Content-Length: 5")
    async with serving(echo) as server, server.client() as client:
        assert (await client.ask(request)).body == b"POST / 12345"
        assert (await client.ask(GET)).body == b"GET / "


# Bodies that are counted

LENGTH_5 = "Content-Length: 5"


async def test_one_head_on_many_connections_has_a_body_on_each() -> None:
    """What the head means may be remembered; nothing else of a request may."""
    head = post(b"", LENGTH_5)
    async with native(echo) as server, server.client() as first, server.client() as second:
        for _ in range(3):
            await first.send(head + b"fir")
            await second.send(head + b"sec")
            await wait_all_tasks_blocked()
            await second.send(b"on")
            assert (await second.answer()).body == b"POST / secon"
            await first.send(b"st" + GET)
            assert (await first.answer()).body == b"POST / first"
            assert (await first.answer()).body == b"GET / "


async def test_what_is_longer_than_it_says_is_no_request_from_there_on(serving: Serving) -> None:
    async with serving(echo, patience=QUICK) as server:
        for _ in range(2):
            async with server.client() as client:
                await client.send(post(b"hello, and more\r\n\r\n", LENGTH_5))
                assert (await client.answer()).body == b"POST / hello"
                assert (await client.answer()).status == 400
                assert await client.rest() == b""


@pytest.mark.parametrize("size", [5, 5 * READ, 5 * READ + 1])
async def test_a_body_may_be_as_long_as_it_may_be_and_no_longer(
    serving: Serving, size: int
) -> None:
    guarded = Guard(echo, max_body=size)
    async with serving(guarded, patience=QUICK) as server:
        for _ in range(2):
            async with server.client() as client:
                whole = b"x" * size
                said = await client.ask(post(whole, f"Content-Length: {size}"))
                assert said.body == b"POST / " + whole
                assert (
                    await client.ask(chunked(b"%x\r\n%b\r\n0\r\n\r\n" % (size, whole)))
                ).status == 200
            long = b"x" * (size + 1)
            answer = await refused(server, post(long[:5], f"Content-Length: {size + 1}"))
            assert answer.status == 413
            answer = await refused(server, chunked(b"%x\r\n%b\r\n0\r\n\r\n" % (size + 1, long)))
            assert answer.status == 413


async def test_a_length_that_is_nobodys_is_refused_by_the_guard(serving: Serving) -> None:
    async with serving(Guard(echo, max_body=inf), patience=QUICK) as server:
        for _ in range(2):
            request = post(b"hello", "Content-Length: " + "9" * 20)
            assert (await refused(server, request)).status == 400


async def test_who_leaves_in_the_middle_of_a_body_takes_nothing_along() -> None:
    """Not the answer of somebody with the very same head."""
    head = post(b"", LENGTH_5)
    async with native(echo) as server, server.client() as other:
        await other.send(head + b"ot")
        for sent in (b"", b"h", b"hell"):
            async with server.client() as client:
                await client.send(head + sent)
                await wait_all_tasks_blocked()
        assert (await other.ask(b"her")).body == b"POST / other"


# Chunks

CHUNKS = {
    "one": (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
    "none": (b"0\r\n\r\n", b""),
    "many": (b"1\r\nh\r\n2\r\nel\r\n2\r\nlo\r\n0\r\n\r\n", b"hello"),
    "capitals": (b"A\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
    "leading zeros": (b"00000005\r\nhello\r\n000\r\n\r\n", b"hello"),
    "an extension": (b"5;name=value\r\nhello\r\n0;last\r\n\r\n", b"hello"),
    "a quoted extension": (b'5;a="1;2"\r\nhello\r\n0\r\n\r\n', b"hello"),
    "trailers": (b"5\r\nhello\r\n0\r\nChecksum: 1\r\nContent-Length: 9\r\n\r\n", b"hello"),
    "line ends inside": (b"7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n", b"\r\n0\r\n\r\n"),
}


@pytest.mark.parametrize("name", CHUNKS)
async def test_chunks_are_put_together_and_the_next_request_follows(
    serving: Serving, name: str
) -> None:
    chunks, body = CHUNKS[name]
    async with serving(echo) as server, server.client() as client:
        await client.send(chunked(chunks) + GET)
        assert (await client.answer()).body == b"POST / " + body
        assert (await client.answer()).body == b"GET / "


async def test_a_body_of_many_small_chunks_comes_whole_and_lets_others_in(
    serving: Serving,
) -> None:
    many = b"1\r\nx\r\n" * 5_000 + b"0\r\n\r\n"
    async with serving(echo) as server, server.client() as client, server.client() as other:
        await client.send(chunked(many))
        assert (await other.ask(GET)).body == b"GET / "
        assert (await client.answer()).body == b"POST / " + b"x" * 5_000


@pytest.mark.parametrize(
    "endless",
    [b"1;" + b"x" * 100_000, b"0\r\nA: " + b"x" * 100_000],
    ids=["extension", "trailer"],
)
async def test_what_surrounds_chunks_has_an_end(serving: Serving, endless: bytes) -> None:
    async with serving(echo, patience=QUICK) as server:
        assert (await refused(server, chunked(endless))).status == 431


# Pipelining


@pytest.mark.parametrize("request_", [GET, post(b"hi", "Content-Length: 2")], ids=["get", "post"])
async def test_a_hundred_requests_in_one_segment_are_answered_in_order(
    serving: Serving, request_: bytes
) -> None:
    async with serving(echo) as server, server.client() as client:
        requests = [request_.replace(b" / ", b" /%d " % number) for number in range(100)]
        await client.send(b"".join(requests))
        for number in range(100):
            assert (await client.answer()).body.split()[1] == b"/%d" % number


async def test_requests_that_come_byte_by_byte_are_answered(serving: Serving) -> None:
    async with serving(echo) as server, server.client() as client:
        for byte in post(b"hello", "Content-Length: 5") + chunked(b"1\r\na\r\n0\r\n\r\n") + GET:
            await client.send(bytes([byte]))
            await trio.lowlevel.checkpoint()
        bodies = [(await client.answer()).body for _ in range(3)]
        assert bodies == [b"POST / hello", b"POST / a", b"GET / "]


async def test_pipelined_requests_let_others_in(serving: Serving) -> None:
    """A client that asks without end and reads every answer is not the only one."""

    async def read(client: Client) -> None:
        while await client.stream.receive_some():
            pass

    async with (
        serving(echo) as server,
        server.client() as busy,
        server.client() as other,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(for_ever, busy, GET * 100)
        nursery.start_soon(read, busy)
        for _ in range(10):
            assert (await other.ask(GET)).body == b"GET / "
        nursery.cancel_scope.cancel()


async def test_empty_lines_before_a_request_are_passed_over() -> None:
    async with native(echo) as server, server.client() as client:
        await client.send(b"\r\n" + GET + b"\r\n\r\n" + GET)
        for _ in range(2):
            assert (await client.answer()).body == b"GET / "


PIPELINE = (
    GET,
    post(b"hello", "Content-Length: 5"),
    chunked(b"3\r\nabc\r\n", b"1;x=y\r\nd\r\n", b"0\r\nA: b\r\n\r\n"),
    post(b"", "Content-Length: 0", path="/empty"),
    get("/last?a=b", "Connection: close"),
)
BODIES = [b"GET / ", b"POST / hello", b"POST / abcd", b"POST /empty ", b"GET /last "]


def segments(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    """The data, cut at these places."""
    places = [0, *sorted(cuts), len(data)]
    return [data[a:b] for a, b in pairwise(places) if a < b]


WHOLE = b"".join(PIPELINE)


@given(st.sets(st.integers(1, len(WHOLE) - 1), max_size=30))
@example(set(range(1, len(WHOLE))))
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
async def test_however_requests_are_cut_the_answers_are_the_same(cuts: set[int]) -> None:
    async with native(echo) as server, server.client() as client:
        for segment in segments(WHOLE, cuts):
            await client.send(segment)
            await wait_all_tasks_blocked()
        answers = [await client.answer() for _ in PIPELINE]
        assert [answer.body for answer in answers] == BODIES
        assert await client.rest() == b""


SPOILING = st.tuples(
    st.integers(0, len(WHOLE) - 1), st.integers(0, 5), st.binary(min_size=0, max_size=5)
)


def spoil(spoilings: Iterable[tuple[int, int, bytes]]) -> bytes:
    data = WHOLE
    for place, length, other in spoilings:
        data = data[:place] + other + data[place + length :]
    return data


@given(st.one_of(st.binary(max_size=200), st.lists(SPOILING, max_size=3).map(spoil)))
@example(b"POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n")
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
async def test_no_bytes_crash_a_connection_or_leave_anything_behind(data: bytes) -> None:
    async with native(echo, patience=QUICK) as server:
        await wait_all_tasks_blocked()
        before = trio.lowlevel.current_statistics().tasks_living
        async with server.client() as client:
            await client.send(data)
            await client.stream.send_eof()
            answers = await client.rest()
        assert not answers or answers.startswith(b"HTTP/1.1 ")
        assert b" 500 " not in answers
        async with server.client() as bystander:
            assert (await bystander.ask(get("/", "Connection: close"))).body == b"GET / "
            await bystander.rest()
        await wait_all_tasks_blocked()
        assert trio.lowlevel.current_statistics().tasks_living == before


# Heads


async def test_a_head_may_be_as_long_as_it_may_be_and_no_longer() -> None:
    def long(size: int) -> bytes:
        bare = get("/", "A: ")
        return get("/", "A: " + "x" * (size - len(bare)))

    for sent in (long(16 * 1024), long(16 * 1024) + b"x" * 100):
        async with native(echo, patience=QUICK) as server, server.client() as client:
            assert (await client.ask(sent)).status == 200
    async with native(echo, patience=QUICK) as server:
        assert (await refused(server, long(16 * 1024 + 1))).status == 431


async def test_a_head_without_an_end_is_refused_as_it_grows(serving: Serving) -> None:
    async with serving(echo, patience=QUICK) as server, server.client() as client:
        await client.send(b"GET / HTTP/1.1\r\n")
        with pytest.raises(trio.BrokenResourceError):
            await for_ever(client, b"A: b\r\n" * 100)


async def test_the_host_of_an_absolute_target_counts_and_the_header_does_not() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        [host] = [value for name, value in scope["headers"] if name == b"host"]
        await say(send, b"%b %b %b" % (host, scope["raw_path"], scope["query_string"]))

    async with native(app) as server, server.client() as client:
        for target, said in (
            ("http://other/a?b=c", b"other /a b=c"),
            ("HTTPS://other:81", b"other:81 / "),
            ("http://other?b", b"other / b"),
            ("/http://other/", b"test /http://other/ "),
        ):
            assert (await client.ask(get(target))).body == said


async def test_a_path_is_decoded_and_the_raw_one_is_not(serving: Serving) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await say(send, b"%b %b" % (scope["path"].encode(), scope["raw_path"]))

    async with serving(app) as server, server.client() as client:
        assert (await client.ask(get("/a%20b/%C3%A9?c"))).body == "/a b/é /a%20b/%C3%A9".encode()


# Expectations


async def test_who_waits_to_be_told_to_go_on_is_told(serving: Serving) -> None:
    async with serving(echo) as server, server.client() as client:
        await client.send(post(b"", "Content-Length: 5", "Expect: 100-continue"))
        assert b" 100 " in await client.until(b"\r\n\r\n")
        await client.send(b"hello")
        assert (await client.answer()).body == b"POST / hello"
        assert (await client.ask(GET)).body == b"GET / "


async def test_who_waits_each_time_is_told_each_time(serving: Serving) -> None:
    async with serving(echo) as server, server.client() as client:
        for framing, body in (
            (LENGTH_5, b"hello"),
            ("Transfer-Encoding: chunked", CHUNKS["one"][0]),
        ):
            for _ in range(2):
                await client.send(post(b"", framing, "Expect: 100-continue"))
                assert b" 100 " in await client.until(b"\r\n\r\n")
                await client.send(body)
                assert (await client.answer()).body == b"POST / hello"


async def test_who_has_no_body_to_send_is_not_told_to_go_on() -> None:
    async with native(echo) as server, server.client() as client:
        await client.send(post(b"", "Content-Length: 0", "Expect: 100-continue"))
        assert b" 200 " in await client.until(b"\r\n\r\n")


async def test_who_sends_the_body_at_once_need_not_be_told() -> None:
    async with native(echo) as server, server.client() as client:
        await client.send(post(b"hello", "Content-Length: 5", "Expect: 100-continue"))
        assert b" 200 " in await client.until(b"\r\n\r\n")


async def test_who_is_refused_is_not_told_to_go_on() -> None:
    app = answering(start((b"content-length", b"2"), status=403), piece(b"no"))
    async with native(app) as server, server.client() as client:
        await client.send(post(b"", "Content-Length: 5", "Expect: 100-continue"))
        head = await client.until(b"\r\n\r\n")
        assert b" 403 " in head
        assert b"connection: close" in head


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_an_expectation_that_nobody_knows_is_none(serving: Serving, version: str) -> None:
    request = post(b"hello", "Content-Length: 5", "Expect: a-miracle")
    async with serving(echo) as server, server.client() as client:
        answer = await client.ask(request.replace(b"HTTP/1.1", f"HTTP/{version}".encode()))
        assert answer.body == b"POST / hello"


# HTTP/1.0, HEAD, and answers without a body


@pytest.mark.parametrize("more", [(), ("Connection: keep-alive",)], ids=["plain", "keep-alive"])
async def test_http_1_0_gets_one_answer_and_its_end(
    serving: Serving, more: tuple[str, ...]
) -> None:
    app = answering(start(), piece(b"one ", more=True), piece(b"two"))
    async with serving(app) as server, server.client() as client:
        await client.send(get("/", *more).replace(b"HTTP/1.1", b"HTTP/1.0"))
        head, _, body = (await client.rest()).partition(b"\r\n\r\n")
        assert b"transfer-encoding" not in head.lower()
        assert body == b"one two"


async def test_http_1_0_needs_no_host(serving: Serving) -> None:
    async with serving(echo) as server, server.client() as client:
        answer = await client.ask(b"GET / HTTP/1.0\r\n\r\n")
        assert (answer.body, answer.headers[b"connection"]) == (b"GET / ", b"close")


@pytest.mark.parametrize(
    "app",
    [
        answering(start((b"content-length", b"5")), piece(b"hello")),
        answering(start((b"content-length", b"5")), piece(b"")),
        answering(start(), piece(b"hel", more=True), piece(b"lo")),
    ],
    ids=["counted", "left out", "in pieces"],
)
async def test_an_answer_to_head_has_no_body(app: ASGIApp, serving: Serving) -> None:
    async with serving(app) as server, server.client() as client:
        for _ in range(2):
            await client.send(get("/").replace(b"GET", b"HEAD"))
            answer = await client.answer("HEAD")
            assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize("status", [204, 304])
async def test_some_answers_have_no_body_whatever_the_app_says(status: int) -> None:
    app = answering(start((b"content-length", b"5"), status=status), piece(b"hello"))
    async with native(app) as server, server.client() as client:
        for _ in range(2):
            answer = await client.ask(GET)
            assert (answer.status, answer.body) == (status, b"")
            assert (b"content-length" in answer.headers) == (status == 304)
            assert b"transfer-encoding" not in answer.headers


async def test_an_answer_in_pieces_without_a_length_comes_in_chunks(serving: Serving) -> None:
    app = answering(
        start((b"transfer-encoding", b"chunked")),
        piece(b"one ", more=True),
        piece(b"", more=True),
        piece(b"two", more=True),
        piece(b""),
    )
    async with serving(app) as server, server.client() as client:
        for _ in range(2):
            answer = await client.ask(GET)
            assert answer.body == b"one two"
            assert answer.headers[b"transfer-encoding"] == b"chunked"


# Answers that are none


@pytest.mark.parametrize(
    "header",
    [
        (b"a", b"b\r\nc: d"),
        (b"a", b"b\nc: d"),
        (b"a", b"b\rc"),
        (b"a", b"b\0c"),
        (b"a\r\nb", b"c"),
        (b"a b", b"c"),
        (b"", b"c"),
        (b"content-length", b"five"),
        (b"content-length", b"-1"),
    ],
)
async def test_an_app_cannot_say_two_things_in_one_header(
    header: tuple[bytes, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    async with native(answering(start(header), piece(b""))) as server:
        assert (await refused(server, GET)).status == 500
    assert [record.getMessage() for record in caplog.records] == ["GET / failed"]


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [start()],
        [piece(b"hello")],
        [start((b"content-length", b"5")), piece(b"hello!")],
        [start((b"content-length", b"5")), piece(b"hell")],
        [start(), start()],
        [start(status=100), piece(b"")],
        [{"type": "http.response.push"}],
    ],
    ids=["none", "no body", "no head", "too long", "too short", "two", "no status", "unknown"],
)
async def test_an_app_that_does_not_answer_is_answered_for(messages: list[dict[str, Any]]) -> None:
    async with native(answering(*messages)) as server:
        answer = await refused(server, GET)
        assert (answer.status, answer.error["status"]) == (500, "INTERNAL")


@pytest.mark.parametrize("last", [b"lo!", b"l", b""], ids=["longer", "shorter", "much shorter"])
async def test_an_answer_of_another_length_than_it_said_ends_the_connection(
    last: bytes, serving: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    app = answering(start((b"content-length", b"5")), piece(b"hel", more=True), piece(last))
    async with serving(app) as server, server.client() as client:
        await client.send(GET + GET)
        with pytest.raises(h11.RemoteProtocolError):
            await client.answer()
        assert (await client.rest()).count(b"HTTP/1.1 ") <= 1
    assert [record.getMessage() for record in caplog.records] == ["GET / failed"]


async def test_an_answer_that_stops_in_the_middle_ends_the_connection(serving: Serving) -> None:
    app = answering(start(), piece(b"half", more=True))
    async with serving(app) as server, server.client() as client:
        await client.send(GET + GET)
        with pytest.raises(h11.RemoteProtocolError):
            await client.answer()


async def test_a_piece_that_was_refused_counts_for_nothing() -> None:
    """An app that tries again must not leave the client with less than it was promised."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await send(start((b"content-length", b"5")))
        for wrong in (b"hello!", b"hel"):
            with pytest.raises(RuntimeError, match="not as long"):
                await send(piece(wrong))
        await send(piece(b"hello"))

    async with native(app) as server, server.client() as client:
        for _ in range(2):
            assert (await client.ask(GET)).body == b"hello"


async def test_nothing_is_said_after_the_end(
    serving: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    app = answering(start((b"content-length", b"2")), piece(b"hi"), piece(b"again"))
    async with serving(app) as server, server.client() as client:
        assert (await client.ask(GET)).body == b"hi"
        assert (await client.ask(GET)).body == b"hi"
    assert {record.getMessage() for record in caplog.records} == {"GET / failed"}


async def test_two_tasks_cannot_write_into_each_others_answer() -> None:
    """The second one is an error of the app's, and the first one goes on."""
    raised = trio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        size = 8 * 1024 * 1024

        async def other() -> None:
            with pytest.raises(trio.BusyResourceError):
                await send(piece(b"other", more=True))
            raised.set()

        await send(start((b"content-length", b"%d" % (size + 5))))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send, piece(b"x" * size, more=True))
            await wait_all_tasks_blocked()
            nursery.start_soon(other)

    async with native(app) as server, server.client() as client:
        await client.send(GET)
        await raised.wait()


# Clients that leave, and that half leave


@pytest.mark.parametrize("requests", [1, 3])
async def test_who_has_no_more_to_say_is_still_answered(requests: int) -> None:
    async with native(echo) as server, server.client() as client:
        await client.send(post(b"hello", "Content-Length: 5") * requests)
        await client.stream.send_eof()
        for _ in range(requests):
            assert (await client.answer()).body == b"POST / hello"
        assert await client.rest() == b""


@pytest.mark.parametrize(
    "half",
    [post(b"hel", "Content-Length: 5"), chunked(b"5\r\nhel"), chunked(b"5\r\nhello\r\n")],
    ids=["counted", "in a chunk", "between chunks"],
)
async def test_a_body_that_is_cut_off_is_never_taken_for_whole(
    serving: Serving, half: bytes
) -> None:
    heard = trio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        with pytest.raises(ClientGone):
            await read_body(receive)
        heard.set()

    async with serving(app) as server, server.client() as client:
        await client.send(half)
        await client.stream.send_eof()
        await heard.wait()
        assert await client.rest() == b""


async def test_who_was_told_that_the_client_left_cannot_answer() -> None:
    tried = trio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        while (await receive())["type"] != "http.disconnect":
            pass
        with pytest.raises(ClientGone):
            await send(start())
        tried.set()

    async with native(app) as server:
        async with server.client() as client:
            await client.send(GET)
        await tried.wait()


@needs_linux
@pytest.mark.parametrize("ahead", [0, 50_000], ids=["nothing", "much"])
async def test_an_app_that_minds_is_cancelled_when_its_client_leaves(ahead: int) -> None:
    """Whatever else the client has sent by then, which nobody reads."""
    minds, cancelled = trio.Event(), trio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        scope[LEAVING]()
        minds.set()
        try:
            await trio.sleep_forever()
        finally:
            cancelled.set()

    async with native(app) as server:
        async with server.client() as client:
            await client.send(GET)
            await minds.wait()
            await client.send(b"x" * ahead)
            assert not cancelled.is_set()
        await cancelled.wait()


@needs_linux
async def test_an_app_that_minds_late_is_cancelled_too() -> None:
    """The client has gone when it begins to mind, and what came before it was answered."""
    gone, cancelled = trio.Event(), trio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        if scope["path"] == "/early":
            scope[LEAVING]()
            await say(send, b"early")
            return
        await gone.wait()
        await wait_all_tasks_blocked()
        try:
            scope[LEAVING]()
            await trio.sleep_forever()
        finally:
            cancelled.set()

    async with native(app) as server, server.client() as client:
        await client.send(get("/early") + get("/late"))
        assert (await client.answer()).body == b"early"
        await client.stream.send_eof()
        gone.set()
        await cancelled.wait()
        assert await client.rest() == b""


@needs_linux
async def test_who_minded_in_one_request_is_not_cancelled_in_the_next() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        if scope["path"] == "/minds":
            scope[LEAVING]()
        else:
            await gone.wait()
            await wait_all_tasks_blocked()
        await say(send, scope["raw_path"])

    gone = trio.Event()
    async with native(app) as server, server.client() as client:
        await client.send(get("/minds") + get("/does-not"))
        assert (await client.answer()).body == b"/minds"
        await client.stream.send_eof()
        gone.set()
        assert (await client.answer()).body == b"/does-not"


@needs_linux
async def test_a_server_that_is_cancelled_amid_answers_has_nothing_to_complain_of(
    caplog: pytest.LogCaptureFixture,
) -> None:
    minds = trio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        scope[LEAVING]()
        minds.set()
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        bound = await nursery.start(partial(listen, app, port=0, front="native"))
        async with await trio.open_tcp_stream(bound.host, bound.port) as stream:
            await stream.send_all(GET)
            await minds.wait()
            nursery.cancel_scope.cancel()
    assert not caplog.records


async def test_a_body_that_came_with_its_head_is_said_to_be_whole() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        said = b"%d " % scope[asgi.WHOLE] + await read_body(receive)
        await say(send, said)

    async with native(app) as server, server.client() as client:
        assert (await client.ask(post(b"hello", "Content-Length: 5"))).body == b"1 hello"
        await client.send(post(b"hel", "Content-Length: 5"))
        await wait_all_tasks_blocked()
        assert (await client.ask(b"lo")).body == b"0 hello"
        assert (await client.ask(get("/"))).body == b"1 "


async def test_a_watcher_hears_the_end_of_the_answer() -> None:
    """Not only that of the client: nobody has to be cancelled who waits for either."""
    heard: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return

        async def watch() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            heard.append("disconnect")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch)
            await wait_all_tasks_blocked()
            await say(send, b"hi")

    async with native(app) as server, server.client() as client:
        for number in range(1, 4):
            assert (await client.ask(GET)).body == b"hi"
            await wait_all_tasks_blocked()
            assert heard == ["disconnect"] * number


async def test_what_comes_while_a_request_is_answered_is_read_up_to_a_bound(
    serving: Serving,
) -> None:
    """Then the client has to wait: it cannot fill our memory."""
    curtain = trio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"

        async def watch() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch)
            await curtain.wait()
            await say(send, b"hi")
            nursery.cancel_scope.cancel()

    async with (
        serving(app) as server,
        server.client() as client,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(for_ever, client, GET * 1000)
        await wait_all_tasks_blocked(0.01)  # it never would be, if all of it were read
        curtain.set()
        assert (await client.answer()).body == b"hi"
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("watched", [False, True])
async def test_a_slow_reader_gets_all_of_a_long_answer(serving: Serving, watched: bool) -> None:
    """Also when the app has a task that ends everything as soon as it hears of an end."""
    much = bytes(range(256)) * 32 * 1024

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return

        async def watch() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            if watched:
                nursery.start_soon(watch)
                await wait_all_tasks_blocked()
            await say(send, much)
            nursery.cancel_scope.cancel()

    async with serving(app) as server, server.client() as client:
        await client.send(GET)
        await wait_all_tasks_blocked(0.01)
        assert (await client.answer()).body == much


async def test_a_body_may_be_slower_than_a_head(serving: Serving) -> None:
    patience = Patience(head=0.05, keep_alive=0.05)
    async with serving(echo, patience=patience) as server, server.client() as client:
        await client.send(post(b"hel", "Content-Length: 5"))
        with trio.move_on_after(0.1):
            await client.answer()
        await client.send(b"lo")
        assert (await client.answer()).body == b"POST / hello"


async def test_an_app_may_answer_before_it_reads(serving: Serving) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await send(start())
        more = True
        while more:
            message = await receive()
            more = message["more_body"]
            await send(piece(message["body"], more=more))

    async with serving(app) as server, server.client() as client:
        await client.send(post(b"one ", "Content-Length: 7"))
        await client.until(b"one ")
        await client.send(b"two")
        await client.until(b"two")


async def test_a_request_that_breaks_while_it_is_answered_has_one_answer_and_is_nobodys_failure(
    serving: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    app = answering(start(), piece(b"h", more=True), piece(b"i"))
    async with serving(app, patience=QUICK) as server:
        for _ in range(50):  # who writes first, the app or we, is up to trio
            async with server.client() as client:
                await client.send(chunked(b"1\r\na\r\nno size\r\n") + GET)
                assert (await client.rest()).count(b"HTTP/1.1 ") == 1
    assert not caplog.records


async def test_a_body_that_nobody_read_is_passed_over_if_it_was_all_there() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/unread":
            await say(send, b"hi")
        else:
            await echo(scope, receive, send)

    unread = post(b"hello", "Content-Length: 5", path="/unread")
    async with native(app) as server, server.client() as client:
        for _ in range(2):
            assert (await client.ask(unread)).body == b"hi"
            assert (await client.ask(post(b"other", "Content-Length: 5"))).body == b"POST / other"
            assert (await client.ask(GET)).body == b"GET / "


# Making room


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"G", None),
        (GET + b"GET / HTTP/1.1\r\nHost:", 200),
        (b"no request\n", 400),
        (post(b"", "Content-Length: 9"), 413),
    ],
    ids=["a byte", "half a head", "no request", "a body too long"],
)
async def test_who_is_sent_away_for_another_is_gone_at_once(
    sent: bytes, status: int | None
) -> None:
    """Nobody lingers in a place that is another's: that would be more connections than may be."""
    patience = Patience(linger=60)
    limits = Limits(connections=1)
    guarded = Guard(echo, max_body=5)
    async with (
        native(guarded, patience=patience, limits=limits) as server,
        server.client() as client,
    ):
        await client.send(sent)
        if status is not None:
            assert (await client.answer()).status == status
        await wait_all_tasks_blocked(0.01)
        async with server.client() as newcomer:
            assert (await newcomer.ask(GET)).status == 200
        with pytest.raises(trio.BrokenResourceError):
            await for_ever(client, b"x")


async def test_who_is_turned_away_is_told_when(serving: Serving) -> None:
    # "An origin server with a clock MUST generate a Date header field in all 2xx (Successful), 3xx
    # (Redirection), and 4xx (Client Error) responses" (RFC 9110, 6.6.1)
    asked = trio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        asked.set()
        await trio.sleep_forever()

    async with (
        serving(app, limits=Limits(connections=1), stop=0.1) as server,
        server.client() as client,
    ):
        await client.send(GET)
        await asked.wait()
        async with server.client() as other:
            answer = await other.answer()
        assert answer.status == 429
        assert answer.headers[b"date"].endswith(b" GMT")


# Stopping, in each phase


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET / HT", GET, post(b"hel", "Content-Length: 5"), GET * 10],
    ids=["nothing", "half a head", "a request", "half a body", "many"],
)
async def test_a_server_stops_whatever_its_clients_are_doing(serving: Serving, sent: bytes) -> None:
    async with serving(echo, stop=0.1) as server, server.client() as client:
        if sent:
            await client.send(sent)
            await wait_all_tasks_blocked(0.01)
        with trio.fail_after(1):
            await server.stop()
        assert (await client.rest()).count(b"HTTP/1.1 200") == sent.count(b"GET / HTTP/1.1")


async def test_an_answer_that_begins_while_the_server_stops_says_that_it_is_the_last() -> None:
    asked, curtain = trio.Event(), trio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        asked.set()
        await curtain.wait()
        await say(send, b"hi")

    async with native(app, stop=30) as server, server.client() as client:
        await client.send(GET)
        await asked.wait()
        server.stopping.set()
        await wait_all_tasks_blocked(0.01)
        curtain.set()
        answer = await client.answer()
        assert (answer.body, answer.headers[b"connection"]) == (b"hi", b"close")
        assert await client.rest() == b""
