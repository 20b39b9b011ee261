"""The server against rude clients and rude apps, on real sockets.

Most of it is what hypercorn 0.18 was seen to do wrong by itself; it is asked of both fronts, and
where quart-trio made a difference, of both kinds of app.
"""

from __future__ import annotations

import errno
import logging
import os
import socket
from collections.abc import AsyncGenerator
from functools import partial
from importlib.metadata import requires, version
from itertools import count
from typing import Any, cast

import h11
import pytest
import trio
from hpack import Encoder
from quart import Response, request
from quart_trio import QuartTrio
from trio.testing import wait_all_tasks_blocked

from a2acore.asgi import ASGIApp, ClientGone, Message, Receive, Scope, Send
from a2acore.front import Front, Patience, Site
from a2acore.lifespan import StartupFailed
from a2acore.listener import Bound, Crowd, listen
from tests.raw_http import FRONTS, GET, Client, Serving, get, post
from tests.raw_http import serving as serving_by

EVENT_STREAM = [(b"content-type", b"text/event-stream")]
MUCH = b"x" * 65536


@pytest.fixture(params=FRONTS)
def serving(request: pytest.FixtureRequest) -> Serving:
    """Both fronts have to pass."""
    return partial(serving_by, front=request.param)


class Stage:
    """What a test app tells its test, and waits for."""

    def __init__(self) -> None:
        self.streaming = trio.Event()
        self.left = trio.Event()
        self.curtain = trio.Event()


def bare(stage: Stage) -> ASGIApp:
    """Greets; on `/stream` says one thing, and the last thing when the curtain falls."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] != "/stream":
            await greet(send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": EVENT_STREAM})
        await send({"type": "http.response.body", "body": b"data: first\n\n", "more_body": True})
        stage.streaming.set()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch, nursery.cancel_scope, receive)
            await stage.curtain.wait()
            await send({"type": "http.response.body", "body": b"data: last\n\n"})
            nursery.cancel_scope.cancel()

    async def watch(scope: trio.CancelScope, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        stage.left.set()
        scope.cancel()

    return app


def quart(stage: Stage) -> ASGIApp:
    """The same on quart-trio."""
    app = QuartTrio("test")

    @app.get("/")
    async def hello() -> str:
        return "hello"

    @app.get("/stream")
    async def stream() -> Response:
        async def events() -> AsyncGenerator[bytes]:
            try:
                yield b"data: first\n\n"
                stage.streaming.set()
                await stage.curtain.wait()
                yield b"data: last\n\n"
            finally:
                stage.left.set()

        response = Response(events(), content_type="text/event-stream")
        response.timeout = None
        return response

    return cast("ASGIApp", app)


async def greet(send: Send) -> None:
    headers = [(b"content-length", b"5")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"hello"})


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that greets and knows nothing of lifespans."""
    assert scope["type"] == "http"
    await greet(send)


async def flood(scope: Scope, receive: Receive, send: Send) -> None:
    """An app that talks for ever and never looks whether anybody is there."""
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": EVENT_STREAM})
    for _ in count():
        await send({"type": "http.response.body", "body": MUCH, "more_body": True})


both = pytest.mark.parametrize("kind", [bare, quart])


async def expect_hello(client: Client) -> None:
    answer = await client.ask(GET)
    assert (answer.status, answer.body) == (200, b"hello")


# What is not HTTP/1.1


@both
@pytest.mark.parametrize(
    "upgrade",
    [
        ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"],
        ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"],
    ],
    ids=["websocket", "h2c"],
)
async def test_a_request_to_upgrade_is_answered_as_a_plain_one(
    serving: Serving, kind: Any, upgrade: list[str]
) -> None:
    async with serving(kind(Stage())) as server, server.client() as client:
        await client.send(get("/", *upgrade, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="))
        answer = await client.answer()
        assert (answer.status, answer.body) == (200, b"hello")
        await expect_hello(client)


@both
async def test_bytes_after_a_websocket_upgrade_end_that_connection_and_no_other(
    serving: Serving, kind: Any
) -> None:
    upgrade = get(
        "/",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    )
    async with serving(kind(Stage())) as server:
        async with server.client() as rude, server.client() as bystander:
            await expect_hello(bystander)
            await rude.send(upgrade + b"\x81\x85\x00\x00\x00\x00trail\r\n\r\n")
            assert (await rude.answer()).status == 200
            assert (await rude.answer()).status == 400
            assert await rude.rest() == b""
            await expect_hello(bystander)
        async with server.client() as newcomer:
            await expect_hello(newcomer)


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """A frame of HTTP/2 (RFC 9113, 4.1)."""
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def h2_request(method: bytes = b"GET", path: bytes = b"/", data: bytes = b"") -> bytes:
    """A whole client's side of HTTP/2: preface, SETTINGS, HEADERS, DATA if any."""
    pseudo = [(b":method", method), (b":path", path), (b":scheme", b"http"), (b":authority", b"t")]
    headers = frame(1, 4 if data else 5, 1, Encoder().encode(pseudo))
    body = frame(0, 0, 1, data) * 3 if data else b""
    return b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0) + headers + body


@both
@pytest.mark.parametrize(
    "bytes_",
    [
        h2_request(),
        h2_request(path=b"/\xc3\xa9"),
        h2_request(method=b"G\xc3\x89T"),
        h2_request(data=b"x" * 100),
    ],
    ids=["plain", "path", "method", "data"],
)
async def test_http2_is_refused_without_harm(serving: Serving, kind: Any, bytes_: bytes) -> None:
    async with serving(kind(Stage())) as server, server.client() as bystander:
        await expect_hello(bystander)
        async with server.client() as client:
            await client.send(bytes_)
            answer = await client.answer()
            assert answer.status == 505
            assert answer.error["status"] == "UNIMPLEMENTED"
        await expect_hello(bystander)


@pytest.mark.parametrize(
    ("bytes_", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),  # TLS says hello
        (b"GET /\xff HTTP/1.1\r\nHost: test\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),  # no Host
        (b"GET / HTTP/1.1\r\nHost: test\r\nA: " + b"x" * 100_000 + b"\r\n\r\n", 431),
        (post(b"", "Transfer-Encoding: gzip"), 501),
        (post(b"", "Content-Length: 5", "Content-Length: 6"), 400),
        (post(b"", "Content-Length: -1"), 400),
        (b"HEAD * HTTP/2.0\r\nHost: test\r\n\r\n", 505),
    ],
)
async def test_what_is_not_http_is_refused_in_json_and_closed(
    serving: Serving, bytes_: bytes, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(hello) as server, server.client() as client:
        await client.send(bytes_)
        method = "HEAD" if bytes_.startswith(b"HEAD") else "GET"
        answer = await client.answer(method)
        assert answer.status == status
        assert method == "HEAD" or answer.error["message"]
        assert await client.rest() == b""
    assert caplog.records == []


# Connections that end, and that do not


@both
async def test_connection_close_is_closed(serving: Serving, kind: Any) -> None:
    async with serving(kind(Stage())) as server, server.client() as client:
        await client.send(get("/", "Connection: close"))
        assert (await client.answer()).body == b"hello"
        assert await client.rest() == b""


@both
@pytest.mark.parametrize("more", [b"\r\n", GET, b"\x00\xff"], ids=["newline", "request", "garbage"])
async def test_what_follows_the_last_request_does_not_harm_its_answer(
    serving: Serving, kind: Any, more: bytes
) -> None:
    stage = Stage()
    async with serving(kind(stage)) as server, server.client() as client:
        await client.send(get("/stream", "Connection: close") + more)
        await client.until(b"\r\n\r\n")
        await client.send(more)
        await stage.streaming.wait()
        stage.curtain.set()
        await client.until(b"last")
        assert b"HTTP/1.1" not in await client.rest()


@both
async def test_a_connection_that_is_idle_after_a_request_is_closed_by_the_timer(
    serving: Serving, kind: Any
) -> None:
    async with (
        serving(kind(Stage()), patience=Patience(keep_alive=0.05)) as server,
        server.client() as client,
    ):
        await expect_hello(client)
        await expect_hello(client)
        assert await client.rest() == b""


@pytest.mark.parametrize("before", [b"", GET], ids=["first", "second"])
@pytest.mark.parametrize(
    "piece", [b"", b"G", b"GET / HTTP/1.1\r\nHost:"], ids=["nothing", "a byte", "half"]
)
async def test_a_slow_head_is_closed(serving: Serving, before: bytes, piece: bytes) -> None:
    keep_alive = 0.05 if before and not piece else 30
    patience = Patience(head=0.05, keep_alive=keep_alive)
    async with serving(hello, patience=patience) as server, server.client() as client:
        if before:
            await client.ask(before)
        if piece:
            await client.send(piece)
        assert await client.rest() == b""


async def test_a_slow_head_behind_a_stream_is_closed(serving: Serving) -> None:
    stage = Stage()
    patience = Patience(head=0.05)
    async with serving(bare(stage), patience=patience) as server, server.client() as client:
        await client.send(get("/stream") + b"GET / HT")
        await stage.streaming.wait()
        stage.curtain.set()
        assert (await client.answer()).body.endswith(b"last\n\n")
        assert await client.rest() == b""


async def test_a_request_that_is_silent_for_long_is_not_idle(serving: Serving) -> None:
    stage = Stage()
    patience = Patience(head=0.01, keep_alive=0.01)
    async with serving(bare(stage), patience=patience) as server, server.client() as client:
        await client.send(get("/stream"))
        await client.until(b"first")
        with trio.move_on_after(0.05):
            await stage.left.wait()
        assert not stage.left.is_set()
        stage.curtain.set()
        await client.until(b"last")


async def test_a_connection_serves_more_requests_than_hypercorns_thousand(serving: Serving) -> None:
    async with serving(hello) as server, server.client() as client:
        for _ in range(1_100):
            await expect_hello(client)


@both
async def test_pipelined_requests_are_answered_in_order(serving: Serving, kind: Any) -> None:
    stage = Stage()
    async with serving(kind(stage)) as server, server.client() as client:
        await client.send(get("/stream") + GET)
        await stage.streaming.wait()
        await client.send(GET)  # comes while the first pipelined one waits
        stage.curtain.set()
        assert (await client.answer()).body == b"data: first\n\ndata: last\n\n"
        assert (await client.answer()).body == b"hello"
        assert (await client.answer()).body == b"hello"


@both
@pytest.mark.parametrize("pipelined", [b"", GET, GET * 100], ids=["alone", "one", "many"])
async def test_an_app_hears_at_once_that_its_caller_left(
    serving: Serving, kind: Any, pipelined: bytes
) -> None:
    stage = Stage()
    async with serving(kind(stage)) as server:
        async with server.client() as client:
            await client.send(get("/stream") + pipelined)
            await client.until(b"first")
        with trio.fail_after(1):
            await stage.left.wait()


async def test_an_app_that_never_listens_ends_when_its_caller_leaves(serving: Serving) -> None:
    ended = trio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await flood(scope, receive, send)
        finally:
            ended.set()

    async with serving(app) as server:
        ended = trio.Event()
        async with server.client() as client:
            await client.send(GET)
            await client.until(b"xxx")
        await ended.wait()


async def test_an_app_that_never_listens_ends_when_its_caller_turns_to_garbage(
    serving: Serving,
) -> None:
    ended = trio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await flood(scope, receive, send)
        finally:
            ended.set()

    async with serving(app) as server:
        ended = trio.Event()
        async with server.client() as client:
            await client.send(post(b"not a chunk\r\n", "Transfer-Encoding: chunked"))
            await ended.wait()


async def test_after_the_disconnect_receive_says_so_as_often_as_it_is_asked(
    serving: Serving,
) -> None:
    heard: list[Message] = []
    done = trio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        heard.extend([await receive() for _ in range(3)])
        done.set()

    async with serving(app) as server:
        async with server.client() as client:
            await client.send(GET)
        await done.wait()
    assert [event["type"] for event in heard] == [
        "http.request",
        "http.disconnect",
        "http.disconnect",
    ]


async def test_a_client_that_does_not_read_is_dropped(serving: Serving) -> None:
    ended = trio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await flood(scope, receive, send)
        finally:
            ended.set()

    async with serving(app, patience=Patience(write=0.05)) as server:
        ended = trio.Event()
        async with server.client() as client, server.client() as bystander:
            await client.send(GET)
            await ended.wait()
            await bystander.send(GET)
            await bystander.until(b"xxx")


async def test_a_write_that_the_app_gave_up_ends_the_connection(serving: Serving) -> None:
    ended = trio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        with trio.move_on_after(0.05):
            await flood(scope, receive, send)
        with pytest.raises(ClientGone):  # nothing may follow half a message
            await send({"type": "http.response.body", "body": b"end"})
        ended.set()

    async with serving(app) as server, server.client() as client:
        await client.send(GET)
        await ended.wait()
        assert not (await client.rest()).endswith(b"0\r\n\r\n")


@both
async def test_descriptors_do_not_leak(serving: Serving, kind: Any) -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    patience = Patience(keep_alive=0.02)
    async with serving(kind(Stage()), patience=patience) as server:
        async with server.client() as client:
            await expect_hello(client)
        before = descriptors()
        for i in range(200):
            async with server.client() as client:
                match i % 5:
                    case 0:
                        await client.ask(get("/", "Connection: close"))
                        await client.rest()
                    case 1:
                        await expect_hello(client)
                    case 2:
                        await client.send(b"GET / HT")
                    case 3:
                        await client.send(GET)
        async with server.client() as client:  # the timer closes this one last
            await expect_hello(client)
            await client.rest()
        while descriptors() > before:  # the last ones are on their way
            await trio.lowlevel.checkpoint()


@pytest.mark.parametrize("late", [False, True], ids=["at once", "when no more fits"])
async def test_a_refusal_reaches_a_client_that_is_still_sending(
    serving: Serving, late: bool, caplog: pytest.LogCaptureFixture
) -> None:
    decide = trio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await decide.wait()
        headers = [(b"content-length", b"2"), (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 401, "headers": headers})
        await send({"type": "http.response.body", "body": b"no"})

    async def send_all(client: Client) -> None:
        await client.send(post(MUCH * 256, f"Content-Length: {256 * len(MUCH)}"))

    async with serving(app) as server, server.client() as client, trio.open_nursery() as nursery:
        nursery.start_soon(send_all, client)
        if late:
            await wait_all_tasks_blocked(0.01)
        decide.set()
        answer = await client.answer()
        assert (answer.status, answer.body) == (401, b"no")
        assert await client.rest() == b""
    assert caplog.records == []


async def test_a_client_that_goes_on_sending_after_its_refusal_is_dropped(serving: Serving) -> None:
    async def send_for_ever(client: Client) -> None:
        while True:
            await client.send(MUCH)

    async with serving(hello, patience=Patience(linger=0.05)) as server, server.client() as client:
        await client.send(post(b"", "Content-Length: 1000000000000"))
        with pytest.raises(trio.BrokenResourceError):
            await send_for_ever(client)


# Apps that fail


async def test_an_app_that_raises_before_its_answer_gives_a_500(
    serving: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise ZeroDivisionError("a bug")

    async with serving(app) as server, server.client() as client:
        assert (await client.ask(GET)).status == 500
    assert [record.getMessage() for record in caplog.records] == ["GET / failed"]


async def test_an_app_that_raises_in_its_answer_ends_the_connection_in_the_middle(
    serving: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await send({"type": "http.response.start", "status": 200, "headers": EVENT_STREAM})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise ZeroDivisionError("a bug")

    async with serving(app) as server, server.client() as client, server.client() as other:
        await client.send(GET)
        with pytest.raises(h11.RemoteProtocolError):
            await client.answer()
        await other.send(GET)
        await other.until(b"half")
    assert [record.getMessage() for record in caplog.records] == ["GET / failed"] * 2


class Cursed:
    """A socket on which reading fails in a way that nobody thought of."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.socket = stream.socket

    async def receive_some(self, max_bytes: int) -> bytes:
        await trio.lowlevel.checkpoint()
        raise ZeroDivisionError("a bug of the protocol")


@pytest.mark.parametrize("front", FRONTS)
async def test_an_exception_in_a_connections_own_code_ends_nothing_else(
    front: Front, caplog: pytest.LogCaptureFixture
) -> None:
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        address = listener.socket.getsockname()
        async with await trio.open_tcp_stream(*address), await listener.accept() as accepted:
            crowd = Crowd(Site(hello, {}, Patience()), front=front)
            await crowd.serve(cast("trio.SocketStream", Cursed(accepted)))
    assert [record.getMessage() for record in caplog.records] == [
        "A connection failed and was closed"
    ]


# Stopping


@both
async def test_a_stop_does_not_wait_for_an_idle_connection(serving: Serving, kind: Any) -> None:
    async with (
        serving(kind(Stage()), stop=30) as server,
        server.client() as used,
        server.client() as fresh,
    ):
        await expect_hello(used)
        with trio.fail_after(1):
            await server.stop()
        assert await used.rest() == b""
        assert await fresh.rest() == b""


async def test_a_stop_does_not_wait_for_a_client_that_never_reads(serving: Serving) -> None:
    async with serving(flood, stop=0.05) as server, server.client() as client:
        await client.send(GET)
        await client.until(b"xxx")
        with trio.fail_after(1):
            await server.stop()


@both
async def test_a_stop_without_a_drain_cuts_streams_after_its_grace(
    serving: Serving, kind: Any
) -> None:
    async with serving(kind(Stage()), stop=0.05) as server, server.client() as client:
        await client.send(get("/stream"))
        await client.until(b"first")
        with trio.fail_after(1):
            await server.stop()
        with pytest.raises(h11.RemoteProtocolError):
            await client.answer()


@both
async def test_streams_hear_their_end_before_the_server_stops(serving: Serving, kind: Any) -> None:
    stage = Stage()
    draining, drained = trio.Event(), trio.Event()

    async def drain() -> None:
        draining.set()
        await drained.wait()
        stage.curtain.set()

    async with serving(kind(stage), drain=drain, stop=30) as server, server.client() as client:
        await client.send(get("/stream"))
        await stage.streaming.wait()
        server.stopping.set()
        await draining.wait()
        async with server.client() as newcomer:  # the door is open while work ends
            await expect_hello(newcomer)
        drained.set()
        assert (await client.answer()).body == b"data: first\n\ndata: last\n\n"
        assert await client.rest() == b""
        with trio.fail_after(1):
            await server.stopped.wait()


@both
@pytest.mark.parametrize("front", FRONTS)
async def test_cancelling_the_server_ends_everything_at_once(kind: Any, front: Front) -> None:
    stage = Stage()
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            start = partial(listen, kind(stage), port=0, stop=30, front=front)
            bound: Bound = await nursery.start(start)
            streaming = await trio.open_tcp_stream(bound.host, bound.port)
            idle = await trio.open_tcp_stream(bound.host, bound.port)
            async with streaming, idle:
                await expect_hello(Client(idle))
                await streaming.send_all(get("/stream"))
                await stage.streaming.wait()
                nursery.cancel_scope.cancel()
    with pytest.raises(OSError, match="all attempts to connect"):
        await trio.open_tcp_stream(bound.host, bound.port)


# Listening


async def test_a_port_in_use_is_an_oserror_for_who_starts_the_server() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        async with trio.open_nursery() as nursery:
            with pytest.raises(OSError, match=f"Cannot listen on 127.0.0.1 port {port}: ") as info:
                await nursery.start(partial(listen, hello, port=port))
    assert info.value.errno == errno.EADDRINUSE


@pytest.mark.parametrize(
    ("host", "port"),
    [("192.0.2.1", 0), ("127.0.0.1", 70_000), ("a..b", 0)],
)
async def test_a_bad_address_is_an_oserror_that_names_it(host: str, port: int) -> None:
    with pytest.raises(OSError, match=f"Cannot listen on {host} port {port}: "):
        await listen(hello, host=host, port=port)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
async def test_the_real_port_is_told_when_any_will_do(host: str) -> None:
    async with trio.open_nursery() as nursery:
        bound: Bound = await nursery.start(partial(listen, hello, host=host, port=0))
        async with await trio.open_tcp_stream(host, bound.port) as stream:
            await expect_hello(Client(stream))
        nursery.cancel_scope.cancel()
    assert bound.url == f"http://{f'[{host}]' if host == '::1' else host}:{bound.port}"


# The app's own life


async def test_an_apps_lifespan_spans_its_requests(serving: Serving) -> None:
    life: list[str] = []
    app = QuartTrio("test")

    @app.before_serving
    async def open_() -> None:
        life.append("open")

    @app.after_serving
    async def close() -> None:
        life.append("close")

    @app.post("/")
    async def work() -> str:
        life.append("work")
        return str(len(await request.get_data()))

    async with serving(cast("ASGIApp", app)) as server, server.client() as client:
        assert (await client.ask(post(b"four", "Content-Length: 4"))).body == b"4"
        await server.stop()
    assert life == ["open", "work", "close"]


async def test_requests_see_the_state_of_the_lifespan(serving: Serving) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            scope["state"]["word"] = b"hello"
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        headers = [(b"word", scope["state"]["word"])]
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body"})

    async with serving(app) as server, server.client() as client:
        assert (await client.ask(GET)).headers[b"word"] == b"hello"


async def test_an_app_that_cannot_start_fails_the_start_of_the_server() -> None:
    app = QuartTrio("test")

    @app.before_serving
    async def open_() -> None:
        raise RuntimeError("no database")

    async with trio.open_nursery() as nursery:
        with pytest.raises(StartupFailed, match="no database"):
            await nursery.start(partial(listen, cast("ASGIApp", app), port=0))


# Manners towards the program around us


async def test_the_server_writes_nothing_and_installs_no_log_handlers(
    serving: Serving, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(hello) as server:
        async with server.client() as client:
            await expect_hello(client)
            await client.send(b"garbage\r\n\r\n")
            await client.rest()
        async with server.client() as client:
            await client.send(b"GET")
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []
    for name in ("a2acore.serve", "hypercorn.error", "hypercorn.access"):
        assert logging.getLogger(name).handlers == []


async def test_no_task_is_left_waiting_for_a_request_that_is_over(serving: Serving) -> None:
    async with serving(hello) as server, server.client() as client:
        await expect_hello(client)
        await wait_all_tasks_blocked()
        before = trio.lowlevel.current_statistics().tasks_living
        for _ in range(10):
            await expect_hello(client)
        await wait_all_tasks_blocked()
        assert trio.lowlevel.current_statistics().tasks_living == before


def test_hypercorn_is_the_release_whose_insides_we_know() -> None:
    assert "hypercorn==0.18.0" in (requires("a2acore") or [])
    assert version("hypercorn") == "0.18.0"


async def test_an_answer_that_comes_before_the_body_is_through_says_that_it_is_the_last(
    serving: Serving,
) -> None:
    """Who is not told so sends the next request into a socket that is being closed."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        headers = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 404, "headers": headers})
        await send({"type": "http.response.body", "body": b"no"})

    async with serving(app) as server, server.client() as client:
        await client.send(post(b"a", "Content-Length: 2"))
        answer = await client.answer()
        assert answer.headers[b"connection"] == b"close"
        await client.send(b"b")
        assert await client.rest() == b""
