"""A caller that spells every byte by itself: both lines, both bindings, over real sockets.

How things are spelled stands here once more, written from the specifications and not from
`a2acore.wire`, so that a test can notice when they come apart.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode, urlsplit
from uuid import uuid4

import h11
import trio
from attrs import define, frozen

from a2acore.backend import Backend, Settings, find_backends
from a2acore.server import Options, serve

PATIENCE = 20.0
"""Seconds after which a server or a caller is taken to hang."""

METHODS = {
    "1.0": {
        "send": "SendMessage",
        "stream": "SendStreamingMessage",
        "get": "GetTask",
        "list": "ListTasks",
        "cancel": "CancelTask",
        "subscribe": "SubscribeToTask",
        "set_push": "CreateTaskPushNotificationConfig",
        "get_push": "GetTaskPushNotificationConfig",
        "list_push": "ListTaskPushNotificationConfigs",
        "delete_push": "DeleteTaskPushNotificationConfig",
        "card": "GetExtendedAgentCard",
    },
    "0.3": {
        "send": "message/send",
        "stream": "message/stream",
        "get": "tasks/get",
        "list": "tasks/list",  # there is none
        "cancel": "tasks/cancel",
        "subscribe": "tasks/resubscribe",
        "set_push": "tasks/pushNotificationConfig/set",
        "get_push": "tasks/pushNotificationConfig/get",
        "list_push": "tasks/pushNotificationConfig/list",
        "delete_push": "tasks/pushNotificationConfig/delete",
        "card": "agent/getAuthenticatedExtendedCard",
    },
}
ROUTES = {
    "send": ("POST", "/message:send"),
    "stream": ("POST", "/message:stream"),
    "get": ("GET", "/tasks/{id}"),
    "list": ("GET", "/tasks"),
    "cancel": ("POST", "/tasks/{id}:cancel"),
    "subscribe": ("POST", "/tasks/{id}:subscribe"),
    "set_push": ("POST", "/tasks/{taskId}/pushNotificationConfigs"),
    "get_push": ("GET", "/tasks/{taskId}/pushNotificationConfigs/{id}"),
    "list_push": ("GET", "/tasks/{taskId}/pushNotificationConfigs"),
    "delete_push": ("DELETE", "/tasks/{taskId}/pushNotificationConfigs/{id}"),
    "card": ("GET", "/extendedAgentCard"),
}
"""Of line 1.0; line 0.3 has them under `/v1`, with another name for the card."""

JSON = {"Content-Type": "application/json"}


class Spelled(NamedTuple):
    """A request."""

    verb: str
    target: str
    headers: dict[str, str]
    body: bytes


class Said(NamedTuple):
    """An event: its name, as line 1.0 wraps it, and what is inside."""

    name: str
    inside: dict[str, Any]

    @property
    def state(self) -> str:
        """The state that it tells of; nothing when it tells of none."""
        return state(self.inside) if "status" in self.inside else ""


@frozen
class Way:
    """One line of the protocol on one binding."""

    line: str
    binding: str

    def __str__(self) -> str:
        return f"{self.line} {self.binding}"

    @property
    def rpc(self) -> bool:
        return self.binding == "JSONRPC"

    @property
    def old(self) -> bool:
        return self.line == "0.3"

    def message(self, text: str, **members: Any) -> dict[str, Any]:
        """A message of the caller's; on 0.3 in the form of the schema."""
        said = {"messageId": uuid4().hex, **members}
        if self.old:
            return {
                "kind": "message",
                "role": "user",
                "parts": [{"kind": "text", "text": text}],
            } | said
        return {"role": "ROLE_USER", "parts": [{"text": text}]} | said

    def at_once(self) -> dict[str, Any]:
        """The configuration of a send that does not wait."""
        return {"blocking": False} if self.old else {"returnImmediately": True}

    def spell(self, operation: str, params: Mapping[str, Any], id: Any = 1) -> Spelled:
        """The request for an operation."""
        headers = {} if self.old else {"A2A-Version": "1.0"}
        if self.rpc:
            call = {"jsonrpc": "2.0", "id": id, "method": METHODS[self.line][operation]}
            body = json.dumps({**call, "params": params}).encode()
            return Spelled("POST", "/", headers | JSON, body)
        verb, path = ROUTES[operation]
        if self.old:
            path = "/v1/card" if operation == "card" else f"/v1{path}"
        rest = dict(params)
        for name in ("id", "taskId"):
            if f"{{{name}}}" in path:
                path = path.replace(f"{{{name}}}", quote(rest.pop(name), safe=""))
        if verb == "POST":
            return Spelled(verb, path, headers | JSON, json.dumps(rest).encode())
        query = urlencode({name: json.dumps(value).strip('"') for name, value in rest.items()})
        return Spelled(verb, path + (f"?{query}" if query else ""), headers, b"")

    def unwrap(self, said: Any) -> Any:
        """What is inside the envelope of JSON-RPC."""
        if not self.rpc:
            return said
        assert said["jsonrpc"] == "2.0"
        assert said.keys() == {"jsonrpc", "id", "result"}, said
        return said["result"]

    def event(self, said: Any) -> Said:
        """What an event says."""
        said = self.unwrap(said)
        if self.old and self.rpc:
            first, *rest = said["kind"].split("-")
            return Said("".join((first, *(word.title() for word in rest))), said)
        [(name, inside)] = said.items()
        return Said(name, inside)


WAYS = [Way(line, binding) for line in ("1.0", "0.3") for binding in ("JSONRPC", "HTTP+JSON")]
BINDINGS_10 = WAYS[:2]


def state(said: Mapping[str, Any]) -> str:
    """The state of a task or a status, as line 0.3 spells it, however it was spelled."""
    word: str = said.get("status", said)["state"]
    if not word.startswith("TASK_STATE_"):
        return word
    word = word.removeprefix("TASK_STATE_").lower().replace("_", "-")
    return "canceled" if word == "cancelled" else word


@frozen
class Answer:
    """An answer, whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def media_type(self) -> str:
        return self.headers.get("content-type", "").partition(";")[0]


class Event(NamedTuple):
    """A server-sent event, and what was said in comments before it."""

    name: str
    data: Any
    comments: int


@define(eq=False)
class Exchange:
    """One request on a connection of its own, and its answer as it comes."""

    stream: trio.SocketStream
    http: h11.Connection
    status: int = 0
    headers: Mapping[str, str] = {}
    _body: bytes = b""

    async def _next(self) -> h11.Event:
        while (event := self.http.next_event()) is h11.NEED_DATA:
            self.http.receive_data(bytes(await self.stream.receive_some()))
        assert not isinstance(event, type)
        return event

    async def read_head(self) -> None:
        head = await self._next()
        assert isinstance(head, h11.Response)
        self.status = head.status_code
        self.headers = {name.decode(): value.decode() for name, value in head.headers}

    async def data(self) -> bytes:
        """More of the body; nothing at its end."""
        event = await self._next()
        return bytes(event.data) if isinstance(event, h11.Data) else b""

    async def answer(self) -> Answer:
        body = b""
        while data := await self.data():
            body += data
        return Answer(self.status, self.headers, body)

    async def event(self) -> Event | None:
        """The next event of a stream; None at its end."""
        comments = 0
        while True:
            while b"\n\n" not in self._body:
                data = await self.data()
                if not data:
                    assert not self._body, "the stream ended in the middle of an event"
                    return None
                self._body += data
            block, self._body = self._body.split(b"\n\n", 1)
            if block.startswith(b":"):
                comments += 1
                continue
            lines = dict(line.split(": ", 1) for line in block.decode().split("\n"))
            return Event(lines.get("event", "message"), json.loads(lines["data"]), comments)

    async def hear(self, way: Way) -> Said:
        """What the next event says: there has to be one."""
        event = await self.event()
        assert event is not None, "the stream has ended"
        return way.event(event.data)

    async def hear_out(self, way: Way) -> list[Said]:
        """What all further events say."""
        said = []
        while event := await self.event():
            said.append(way.event(event.data))
        return said

    async def closed(self) -> bool:
        """Whether the server closes the connection: waits until it does."""
        return not await self.stream.receive_some()


@frozen
class Edge:
    """A server, and every way to ask it."""

    url: str
    token: str = ""

    @asynccontextmanager
    async def connect(
        self, verb: str, target: str, headers: Mapping[str, str] = {}, body: bytes | None = b""
    ) -> AsyncIterator[Exchange]:
        """Ask, and do not wait for an answer. Leaving the block hangs up.

        Without a body, none is sent whatever the headers promise.
        """
        where = urlsplit(self.url)
        assert where.hostname is not None
        assert where.port is not None
        said = {"Host": "localhost", "Content-Length": str(len(body or b"")), **headers}
        if self.token:
            said.setdefault("Authorization", f"Bearer {self.token}")
        async with await trio.open_tcp_stream(where.hostname, where.port) as stream:
            http = h11.Connection(h11.CLIENT)
            lines = [(name.encode(), value.encode("latin-1")) for name, value in said.items()]
            sent = http.send(h11.Request(method=verb, target=target, headers=lines))
            if body is not None:
                for rest in (h11.Data(data=body), h11.EndOfMessage()):
                    sent = (sent or b"") + (http.send(rest) or b"")
            await stream.send_all(sent or b"")
            yield Exchange(stream, http)

    @asynccontextmanager
    async def exchange(
        self, verb: str, target: str, headers: Mapping[str, str] = {}, body: bytes | None = b""
    ) -> AsyncIterator[Exchange]:
        """Ask, and have the head of the answer."""
        async with self.connect(verb, target, headers, body) as exchange:
            await exchange.read_head()
            yield exchange

    async def ask(
        self, verb: str, target: str, headers: Mapping[str, str] = {}, body: bytes = b""
    ) -> Answer:
        async with self.exchange(verb, target, headers, body) as exchange:
            return await exchange.answer()

    async def do(self, way: Way, operation: str, /, **params: Any) -> Answer:
        """Ask for an operation."""
        return await self.ask(*way.spell(operation, params))

    async def tell(self, way: Way, text: str, /, **members: Any) -> dict[str, Any]:
        """Say something, wait, and have the task."""
        configuration = members.pop("configuration", {})
        message = way.message(text, **members)
        answer = await self.do(way, "send", message=message, configuration=configuration)
        assert answer.status == 200, answer.body
        return task_of(way, answer)

    @asynccontextmanager
    async def listen(self, way: Way, operation: str, /, **params: Any) -> AsyncIterator[Exchange]:
        """Open a stream."""
        async with self.exchange(*way.spell(operation, params)) as exchange:
            assert exchange.headers["content-type"] == "text/event-stream", exchange
            yield exchange

    @asynccontextmanager
    async def telling(self, way: Way, text: str, /, **members: Any) -> AsyncIterator[Exchange]:
        """Say something, and hear what comes of it."""
        async with self.listen(way, "stream", message=way.message(text, **members)) as exchange:
            yield exchange


def task_of(way: Way, answer: Answer) -> dict[str, Any]:
    """The task that answers a send."""
    said = way.unwrap(answer.json)
    task: dict[str, Any] = said if way.old and way.rpc else said["task"]
    return task


@asynccontextmanager
async def echoing(
    workspace: Path, *, host: str = "127.0.0.1", script: Path | None = None, **options: Any
) -> AsyncIterator[Edge]:
    """A server with the echo agent; `options` are those of `Options`."""
    kind = find_backends()["echo"]
    async with (
        kind.open(Settings(workspace, script=script)) as backend,
        serving(backend, Options(workspace, **options), host=host) as edge,
    ):
        yield edge


@asynccontextmanager
async def serving(
    backend: Backend, options: Options = Options(), *, host: str = "127.0.0.1"
) -> AsyncIterator[Edge]:
    """A server for the length of the block."""
    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            bound = await nursery.start(partial(serve, backend, host=host, port=0, options=options))
            yield Edge(bound.url, options.token)
            nursery.cancel_scope.cancel()
