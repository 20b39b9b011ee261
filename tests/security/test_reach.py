"""At random: whatever is asked without a credential, nothing behind the door is reached.

The invariant: a request that shows no credential is answered with a public page, or is refused; the
backend and the store, which every operation of the service begins with, are never touched.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any, cast
from urllib.parse import quote, unquote

import pytest
import trio
from attrs import define, field
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from a2acore.backend import Turn
from a2acore.http import PUBLIC
from a2acore.limits import Limits
from a2acore.server import Options, serve
from a2acore.signing import new
from a2acore.store import MemoryStore, Store
from tests.edge import METHODS, ROUTES
from tests.security.house import PATIENCE, REST, RPC, TOKENS
from tests.stage import Actor

KEYS = "/.well-known/jwks.json"
PAGES = {*PUBLIC, KEYS}
REFUSALS = {400, 401, 403, 405, 408, 413, 421, 431, 501, 505}


BY_ITSELF = frozenset({"settle", "left", "behind", "dead_letters"})
"""What a server does with its store as it starts, and when it looks for letters to post."""


@define(eq=False)
class Watched:
    """A store of which every touch is noted, but for those that nobody has to ask for."""

    touched: list[str] = field(factory=list)
    _within: MemoryStore = field(factory=MemoryStore)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # what shows a failing example looks for names of its own
            raise AttributeError(name)
        if name not in BY_ITSELF:
            self.touched.append(name)
        return getattr(self._within, name)


@define(eq=False)
class Place:
    """Where the server is, and what was reached behind it."""

    port: int
    store: Watched
    turns: list[str]

    def ask(self, request: bytes) -> bytes:
        """What is answered to some bytes, to the end of the connection."""
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as sock:
            said = b""
            try:
                sock.sendall(request)
                while data := sock.recv(65536):
                    said += data
            except ConnectionError:
                pass  # it was told enough
            return said


@contextmanager
def listening(folder: Path) -> Iterator[Place]:
    """A whole server in a thread; nothing of it is left out, and all behind it is watched."""
    store, turns = Watched(), list[str]()
    told: Queue[Any] = Queue()

    async def play(turn: Turn) -> None:
        turns.append(turn.text)

    options = Options(
        folder,
        token=TOKENS["ops"],
        sign_keys=(new("ES256", "k"),),
        limits=Limits(refusals_per_address=0, head_time=1),
        compat=("shared-stream", "trace"),
    )

    async def run() -> None:
        async with trio.open_nursery() as nursery:
            start = partial(serve, Actor(play), port=0, options=options, store=cast(Store, store))
            bound = await nursery.start(start)
            store.touched.clear()
            told.put((bound.port, trio.lowlevel.current_trio_token(), nursery.cancel_scope.cancel))

    thread = Thread(target=trio.run, args=(run,))
    thread.start()
    port, token, cancel = told.get(timeout=PATIENCE)
    try:
        yield Place(port, store, turns)
    finally:
        token.run_sync_soon(cancel)
        thread.join(PATIENCE)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with listening(tmp_path_factory.mktemp("reach")) as place:
        yield place


TARGETS = sorted(
    {target.format(id="x", taskId="x") for _, target in ROUTES.values()} | PAGES | {"/"}
)
PREFIXES = (
    "",
    "/v1",
    "/health",
    "/.well-known",
    "/acme",
    "/",
    "/..",
    "/%2e%2e",
    "http://localhost",
)
TAILS = ("", "/", "?A2A-Version=1.0", "?a2a-version=0.3", "%00", ";x", "/..", "/../tasks", "#x")
letters = st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0 "), max_size=30)


@st.composite
def targets(draw: st.DrawFn) -> str:
    """Where operations and pages are, and what looks like it."""
    path = draw(st.sampled_from(PREFIXES)) + draw(st.sampled_from(TARGETS) | letters)
    path += draw(st.sampled_from(TAILS))
    if draw(st.booleans()):
        spot = draw(st.integers(0, len(path)))
        path = (
            path[:spot]
            + quote(path[spot : spot + 1], safe="").replace("/", "%2f")
            + path[spot + 1 :]
        )
    return path if path.startswith(("/", "http")) else f"/{path}"


VERBS = ("GET", "POST", "HEAD", "DELETE", "OPTIONS", "PUT", "PATCH", "TRACE", "CONNECT", "get", "X")
NAMES = (
    *("Content-Type", "A2A-Version", "A2A-Extensions", "Accept", "Host", "Origin", "Upgrade", "TE"),
    *("Connection", "X-Forwarded-For", "X-Original-URL", "X-HTTP-Method-Override", "Cookie"),
    *("Idempotency-Key", "Last-Event-ID", "Expect", "Authorization", "Proxy-Authorization"),
)
VALUES = (
    *("application/json", "text/plain", "1.0", "0.3", "close", "Upgrade", "h2c", "websocket"),
    *("/tasks", "POST", "100-continue", "127.0.0.1", "localhost", "null", "http://localhost"),
    *("Bearer", "Bearer x", "Basic Ong=", "Bearer eyJhbGciOiJub25lIn0.e30.", "Digest username=ops"),
)
headers = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(VALUES) | letters), max_size=6)
MESSAGE = {"message": REST.message("reached")}
CALLS = [
    {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**MESSAGE, "id": "x", "taskId": "x"}}
    for line in METHODS.values()
    for method in (*line.values(), "codex.interrupts.list", "a2a.interrupt.permission.reply")
]
bodies = st.one_of(
    st.sampled_from([json.dumps(call).encode() for call in (*CALLS, MESSAGE)]),
    st.binary(max_size=60),
)


def spelled(verb: str, target: str, said: list[tuple[str, str]], body: bytes) -> bytes:
    names = {name.lower() for name, _ in said}
    host = [] if "host" in names else [("Host", "localhost")]
    lines = [f"{name}: {value}" for name, value in (*host, *said)]
    end = [f"Content-Length: {len(body)}", "Connection: close", "", ""]
    return "\r\n".join([f"{verb} {target} HTTP/1.1", *lines, *end]).encode("latin-1") + body


def public(target: str) -> bool:
    """Whether a public page is at a target, read as the strictest server would."""
    path = re.sub(r"^http://localhost(?=/)", "", target)
    return unquote(path.partition("?")[0]) in PAGES


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(verb=st.sampled_from(VERBS), target=targets(), said=headers, body=bodies)
@example("POST", "/.well-known/message:send", [("Content-Type", "application/json")], b"{}")
@example("POST", "/", [("Authorization", ""), ("Content-Type", "application/json")], b"{}")
def test_whatever_is_asked_without_a_credential(
    place: Place, verb: str, target: str, said: list[tuple[str, str]], body: bytes
) -> None:
    answered = place.ask(spelled(verb, target, said, body))
    found = [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answered)]
    assert all(status in REFUSALS or public(target) for status in found if status != 100), answered
    assert not place.turns
    assert not place.store.touched
    assert b"reached" not in answered


PIECES = (
    *(
        b"GET / HTTP/1.1\r\n",
        b"POST /message:send HTTP/1.1\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ),
    *(b"Host: localhost\r\n", b"Transfer-Encoding: chunked\r\n", b"Content-Length: 3\r\n"),
    *(b"\r\n", b"0\r\n\r\n", b"\x16\x03\x01\x02\x00", b"{}"),
)
pieces = st.lists(st.sampled_from(PIECES), max_size=8).map(b"".join)


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=200) | pieces)
def test_whatever_bytes_are_sent(place: Place, data: bytes) -> None:
    with socket.create_connection(("127.0.0.1", place.port), PATIENCE) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        try:
            answered = sock.recv(65536)
        except ConnectionError:
            answered = b""
    assert not re.match(rb"HTTP/1\.1 2", answered)
    assert not place.turns
    assert not place.store.touched


def test_with_the_credential_it_is_reached(place: Place) -> None:
    """Or the tests above could not fail."""
    call = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ListTasks", "params": {}}).encode()
    shown = [("Authorization", f"Bearer {TOKENS['ops']}"), ("A2A-Version", "1.0")]
    answered = place.ask(spelled("POST", "/", [*shown, ("Content-Type", "application/json")], call))
    assert b'"totalSize":0' in answered
    assert place.store.touched == ["page"]
    place.store.touched.clear()
    assert RPC.unwrap(json.loads(answered.partition(b"\r\n\r\n")[2]))["tasks"] == []
