"""What the guard refuses, on real sockets, around a bare app and around one on quart-trio."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import h11
import pytest
import trio
from quart import request
from quart_trio import QuartTrio

from a2acore.asgi import WHOLE, ASGIApp, ClientGone, Message, Receive, Scope, Send
from a2acore.middleware.guard import Guard, check_length, read_body
from a2acore.refusal import BodyTooLarge, Refusal
from tests.raw_http import GET, post, serving

CHUNKED = "Transfer-Encoding: chunked"
MIB = 1024 * 1024


async def size(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers how long the body is."""
    assert scope["type"] == "http"
    body = b"%d" % len(await read_body(receive))
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def quart_size() -> ASGIApp:
    app = QuartTrio("test")

    @app.post("/")
    async def size() -> str:
        return str(len(await request.get_data()))

    return cast("ASGIApp", app)


both = pytest.mark.parametrize("make", [lambda: size, quart_size], ids=["bare", "quart"])


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def resident() -> int:
    """Bytes of memory that this process has in RAM."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) * 1024


# Where a body ends


@both
@pytest.mark.parametrize(
    "headers",
    [
        ["Content-Length: 4", CHUNKED],
        [CHUNKED, "Content-Length: 4"],
        ["Content-Length: 4", "Content-Length: 5"],
        ["Content-Length: 4, 5"],
        ["Content-Length: +4"],
    ],
)
async def test_a_body_with_two_ends_is_refused(make: Any, headers: list[str]) -> None:
    async with serving(Guard(make())) as server, server.client() as client:
        answer = await client.ask(
            post(b"0\r\n\r\nGET /secret HTTP/1.1\r\nHost: test\r\n\r\n", *headers)
        )
        assert answer.status == 400
        assert answer.error["status"] == "INVALID_ARGUMENT"
        assert await client.rest() == b""  # the smuggled request has no answer


@pytest.mark.parametrize(
    ("version", "headers"),
    [
        ("1.1", [(b"content-length", b"4"), (b"transfer-encoding", b"chunked")]),
        ("1.1", [(b"content-length", b"4"), (b"content-length", b"4")]),
        ("1.1", [(b"content-length", b"4,4")]),
        ("1.1", [(b"content-length", b"-4")]),
        ("1.1", [(b"content-length", b"4" * 20)]),
        ("1.1", [(b"content-length", b"")]),
        ("1.0", [(b"transfer-encoding", b"chunked")]),
    ],
)
def test_an_ambiguous_length_is_refused_whoever_the_server_is(
    version: str, headers: list[tuple[bytes, bytes]]
) -> None:
    with pytest.raises(Refusal) as info:
        check_length({"http_version": version, "headers": headers}, 100)
    assert info.value.status == 400


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"content-length", b"0")],
        [(b"content-length", b"100")],
        [(b"transfer-encoding", b"chunked")],
    ],
)
def test_an_honest_length_is_let_through(headers: list[tuple[bytes, bytes]]) -> None:
    check_length({"http_version": "1.1", "headers": headers}, 100)


# How long a body is


@both
async def test_a_body_as_long_as_allowed_is_read_whole(make: Any) -> None:
    async with serving(Guard(make(), max_body=MIB)) as server, server.client() as client:
        body = b"x" * MIB
        assert (await client.ask(post(body, f"Content-Length: {MIB}"))).body == b"%d" % MIB
        parts = b"".join(chunk(body[i : i + 1000]) for i in range(0, MIB, 1000)) + chunk(b"")
        assert (await client.ask(post(parts, CHUNKED))).body == b"%d" % MIB


@both
async def test_a_declared_body_that_is_too_long_is_refused_before_it_comes(make: Any) -> None:
    async with serving(Guard(make(), max_body=100)) as server, server.client() as client:
        answer = await client.ask(post(b"", "Content-Length: 101"))
        assert answer.status == 413
        assert answer.error == {
            "code": 413,
            "status": "RESOURCE_EXHAUSTED",
            "message": "The body is too large: 100 bytes are allowed",
        }
        assert answer.headers[b"connection"] == b"close"
        assert await client.rest() == b""


@both
async def test_a_chunked_body_that_is_too_long_is_cut_and_not_kept(make: Any) -> None:
    async with serving(Guard(make(), max_body=MIB)) as server, server.client() as client:
        before = resident()
        await client.send(post(b"", CHUNKED))
        piece = chunk(b"x" * MIB)
        for _ in range(64):
            await client.send(piece)
        answer = await client.answer()
        assert answer.status == 413
        assert answer.error["status"] == "RESOURCE_EXHAUSTED"
        assert resident() - before < 16 * MIB
        assert await client.rest() == b""


async def test_a_body_that_nobody_reads_is_not_kept() -> None:
    async def uninterested(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 401, "headers": []})
        await send({"type": "http.response.body", "body": b"who are you?"})

    async with serving(Guard(uninterested)) as server, server.client() as client:
        before = resident()
        await client.send(post(b"", CHUNKED))
        for _ in range(64):
            await client.send(chunk(b"x" * MIB))
        assert (await client.answer()).status == 401
        assert resident() - before < 16 * MIB
        assert await client.rest() == b""


async def test_a_route_may_take_less_than_the_guard() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await read_body(receive, 10)

    async with serving(Guard(app)) as server, server.client() as client:
        answer = await client.ask(post(b"x" * 11, "Content-Length: 11"))
        assert answer.error["message"] == "The body is too large: 10 bytes are allowed"


async def test_a_client_that_waits_for_100_continue_gets_it() -> None:
    async with serving(Guard(size)) as server, server.client() as client:
        await client.send(post(b"", "Content-Length: 4", "Expect: 100-continue"))
        assert (await client.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
        await client.send(b"four")
        assert (await client.answer()).body == b"4"


async def test_a_refusal_may_come_instead_of_100_continue_or_right_after_it() -> None:
    async with serving(Guard(size, max_body=100)) as server, server.client() as client:
        await client.send(post(b"", "Content-Length: 101", "Expect: 100-continue"))
        assert (await client.answer()).error["code"] == 413
        assert await client.rest() == b""


# How long a body takes


@both
@pytest.mark.parametrize(
    "start", [post(b"hal", "Content-Length: 10"), post(b"5\r\nhal", CHUNKED)], ids=["cl", "te"]
)
async def test_a_slow_body_is_refused(make: Any, start: bytes) -> None:
    async with serving(Guard(make(), body_time=0.05)) as server, server.client() as client:
        answer = await client.ask(start)
        assert answer.status == 408
        assert answer.error["status"] == "DEADLINE_EXCEEDED"
        assert await client.rest() == b""


@pytest.mark.parametrize(("whole", "status"), [(True, 200), (False, 408)])
async def test_a_body_that_is_there_already_has_no_clock(
    whole: bool, status: int, autojump_clock: trio.testing.MockClock
) -> None:
    async def receive() -> Message:
        await trio.sleep(2)
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        said.append(message)

    said: list[Message] = []
    about = {"http_version": "1.1", "method": "POST", "path": "/", "headers": []}
    scope: Scope = {"type": "http", **about, WHOLE: whole}
    await Guard(size, body_time=1)(scope, receive, send)
    assert said[0]["status"] == status


async def test_an_answer_may_take_longer_than_a_body() -> None:
    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await read_body(receive)
        with trio.move_on_after(0.05):
            await receive()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    async with serving(Guard(slow, body_time=0.01)) as server, server.client() as client:
        assert (await client.ask(GET)).status == 204


async def test_a_client_that_leaves_in_its_body_is_nobodys_failure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    gone = trio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        try:
            await read_body(receive)
        except ClientGone:
            gone.set()
            raise

    async with serving(Guard(app)) as server:
        async with server.client() as client:
            await client.send(post(b"hal", "Content-Length: 10"))
        await gone.wait()
    assert caplog.records == []


# Apps that fail


def failing_quart() -> ASGIApp:
    app = QuartTrio("test")
    app.config["PROPAGATE_EXCEPTIONS"] = True

    @app.get("/")
    async def fail() -> str:
        await request.get_data()
        raise ZeroDivisionError("a secret")

    return cast("ASGIApp", app)


async def failing(scope: Scope, receive: Receive, send: Send) -> None:
    assert scope["type"] == "http"
    await read_body(receive)
    raise ZeroDivisionError("a secret")


@pytest.mark.parametrize("make", [lambda: failing, failing_quart], ids=["bare", "quart"])
async def test_a_failing_app_is_logged_whole_and_answered_briefly(
    make: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(Guard(make())) as server, server.client() as client:
        for _ in range(2):  # the body was read: the connection lives on
            answer = await client.ask(GET)
            assert answer.status == 500
            assert answer.error == {"code": 500, "status": "INTERNAL", "message": "Internal error"}
    ours = [record for record in caplog.records if record.name.startswith("a2acore")]
    assert [record.getMessage() for record in ours] == ["GET / failed"] * 2
    assert "ZeroDivisionError: a secret" in caplog.text


@pytest.mark.parametrize("error", [ZeroDivisionError("a bug"), BodyTooLarge(1)])
async def test_a_failure_in_the_middle_of_an_answer_cuts_it(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise error

    async with serving(Guard(app)) as server, server.client() as client:
        await client.send(GET)
        with pytest.raises(h11.RemoteProtocolError):
            await client.answer()
    assert [record.getMessage() for record in caplog.records] == ["GET / failed"]


# What passes untouched


async def test_an_answer_passes_message_by_message() -> None:
    sent: list[Message] = []
    said: list[Message] = [
        {"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]},
        {"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True},
        {"type": "http.response.body", "body": b"", "more_body": False},
    ]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in said:
            await send(message)

    async def receive() -> Message:
        raise AssertionError("nobody asked for the body")

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    await Guard(app)(scope, receive, send)
    assert all(a is b for a, b in zip(sent, said, strict=True))


async def test_what_is_not_a_request_passes_through() -> None:
    seen: list[Any] = []

    async def app(*call: Any) -> None:
        seen.append(call)

    async def receive() -> Message:
        raise AssertionError

    async def send(message: Message) -> None:
        raise AssertionError

    call = ({"type": "lifespan"}, receive, send)
    await Guard(app)(*call)
    assert seen == [call]
