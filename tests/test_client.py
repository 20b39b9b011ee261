"""The client, against agents made by hand on real sockets: the tests decide every byte."""

from __future__ import annotations

import gc
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import h11
import httpx
import pytest
import trio
from attrs import define, field, frozen
from trio.testing import MockClock

from a2acore.client import (
    CARD_PATH,
    BrokenOff,
    ClientError,
    NoWay,
    Unauthorized,
    Unreachable,
    choose,
    fetch_card,
    open_client,
)
from a2acore.errors import InvalidAgentResponse, TaskNotFound, VersionNotSupported
from a2acore.model import (
    AgentCapabilities,
    AgentCard,
    AgentInterface,
    CancelTaskRequest,
    GetTaskRequest,
    ListTasksRequest,
    Message,
    Part,
    Role,
    SendMessageRequest,
    SubscribeToTaskRequest,
    Task,
    TaskState,
    TaskStatusUpdateEvent,
)

TASK = {"id": "t1", "contextId": "c1", "status": {"state": "TASK_STATE_COMPLETED"}}
WORKING = {
    "taskId": "t1",
    "contextId": "c1",
    "status": {"state": "TASK_STATE_WORKING"},
}
HELLO = SendMessageRequest(Message("m1", Role.USER, (Part(text="hello"),)))


@frozen
class Asked:
    """A request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


Answer = Callable[[Asked, trio.SocketStream], Awaitable[None]]


@define(eq=False)
class Agent:
    """A server whose every answer is written by hand; it closes after each."""

    answer: Answer
    interfaces: list[dict[str, str]] = field(factory=list)
    asked: list[Asked] = field(factory=list)
    """What was asked of it, the card aside."""
    cards: list[Asked] = field(factory=list)
    url: str = ""

    async def serve(self, stream: trio.SocketStream) -> None:
        asked = await read_request(stream)
        if asked.target == CARD_PATH:
            self.cards.append(asked)
            await stream.send_all(whole(json.dumps(card(self.interfaces)).encode()))
        else:
            self.asked.append(asked)
            await self.answer(asked, stream)
        await stream.aclose()


async def read_request(stream: trio.SocketStream) -> Asked:
    connection = h11.Connection(h11.SERVER)
    head: h11.Request | None = None
    body = b""
    while True:
        match connection.next_event():
            case h11.Request() as head:
                pass
            case h11.Data(data=data):
                body += data
            case h11.EndOfMessage():
                assert head is not None
                headers = {name.decode(): value.decode() for name, value in head.headers}
                return Asked(head.method.decode(), head.target.decode(), headers, body)
            case _:
                connection.receive_data(await stream.receive_some())


@asynccontextmanager
async def agent(
    answer: Answer, *interfaces: tuple[str, str], tenant: str = ""
) -> AsyncIterator[Agent]:
    """An agent by hand; its card names the interfaces (binding, version), all at its address."""
    made = Agent(answer)
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, made.serve, 0, host="127.0.0.1"))
        made.url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        made.interfaces = [
            {"url": made.url, "protocolBinding": binding, "protocolVersion": version}
            | ({"tenant": tenant} if tenant else {})
            for binding, version in interfaces or [("JSONRPC", "1.0")]
        ]
        yield made
        nursery.cancel_scope.cancel()


def card(interfaces: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "name": "By hand",
        "description": "says what the test says",
        "version": "1",
        "supportedInterfaces": interfaces,
        "capabilities": {"streaming": True},
        "defaultInputModes": ["text/plain"],
        "defaultOutputModes": ["text/plain"],
        "skills": [],
    }


def whole(body: bytes, status: str = "200 OK", kind: str = "application/json") -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def rpc(asked: Asked, **answer: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": asked.json["id"], **answer}).encode()


def frame(asked: Asked, **result: Any) -> bytes:
    return b"data: " + rpc(asked, result=result) + b"\n\n"


STREAM_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n\r\n"


def answering(**answer: Any) -> Answer:
    """Answers every JSON-RPC request alike."""

    async def respond(asked: Asked, stream: trio.SocketStream) -> None:
        await stream.send_all(whole(rpc(asked, **answer)))

    return respond


async def silent(asked: Asked, stream: trio.SocketStream) -> None:
    """Closes without a word."""


# Meeting the agent


async def test_the_card_is_asked_for_in_the_form_of_the_newest_line() -> None:
    async with agent(silent) as by_hand, open_client(by_hand.url) as client:
        assert by_hand.cards[0].headers["a2a-version"] == "1.0"
        assert client.card.name == "By hand"


async def test_the_address_of_the_card_is_taken_for_the_address_of_the_agent() -> None:
    async with agent(silent) as by_hand, open_client(by_hand.url + CARD_PATH):
        assert by_hand.cards[0].target == CARD_PATH


async def test_no_proxy_stands_between_programs_on_one_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ALL_PROXY", await closed_address())
    async with agent(silent) as by_hand:
        assert await fetch_card(by_hand.url)


async def test_a_card_is_fetched_as_it_is_served() -> None:
    async with agent(silent) as by_hand:
        body = await fetch_card(by_hand.url, line="0.3")
        assert json.loads(body)["name"] == "By hand"
        assert by_hand.cards[0].headers["a2a-version"] == "0.3"


OFFERS = [
    (("GRPC", "1.0"), ("HTTP+JSON", "1.0"), ("JSONRPC", "1.0"), ("JSONRPC", "0.3")),
    (("JSONRPC", "0.3.0"), ("JSONRPC", "1.0.1"), ("JSONRPC", "2.0"), ("JSONRPC", "")),
]


@pytest.mark.parametrize(
    ("offered", "line", "binding", "chosen"),
    [
        (OFFERS[0], None, None, ["HTTP+JSON 1.0", "JSONRPC 1.0", "JSONRPC 0.3"]),
        (OFFERS[0], "1.0", None, ["HTTP+JSON 1.0", "JSONRPC 1.0"]),
        (OFFERS[0], "0.3", None, ["JSONRPC 0.3"]),
        (OFFERS[0], None, "JSONRPC", ["JSONRPC 1.0", "JSONRPC 0.3"]),
        (OFFERS[0], "0.3", "HTTP+JSON", []),
        (OFFERS[1], None, None, ["JSONRPC 0.3", "JSONRPC 1.0", "JSONRPC 1.0"]),
    ],
)
def test_interfaces_are_taken_in_the_order_of_the_card_and_never_against_a_pin(
    offered: tuple[tuple[str, str], ...], line: str | None, binding: str | None, chosen: list[str]
) -> None:
    interfaces = tuple(AgentInterface("http://x", binding, version) for binding, version in offered)
    card = AgentCard("n", "d", interfaces, "1", AgentCapabilities(), (), (), ())
    ways = choose(card, line=line, binding=binding)
    assert [f"{way.dialect.binding} {way.dialect.version}" for way in ways] == chosen


async def test_without_a_common_interface_the_error_names_what_is_offered() -> None:
    async with agent(silent, ("JSONRPC", "1.0")) as by_hand:
        with pytest.raises(NoWay, match=r"offers JSONRPC 1\.0 .* none of it is 0\.3"):
            async with open_client(by_hand.url, line="0.3"):
                pass


MOVED = b"HTTP/1.1 308 Permanent Redirect\r\nLocation: http://b/\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize(
    ("served", "error", "complaint"),
    [
        (whole(b"gone", "404 Not Found"), NoWay, "answered 404, not with an agent card"),
        (MOVED, NoWay, "redirects to http://b/; use that address"),
        (whole(b"<html>", kind="text/html"), InvalidAgentResponse, "card cannot be read"),
    ],
)
async def test_an_address_without_a_card_is_no_agent(
    served: bytes, error: type[Exception], complaint: str
) -> None:
    async def serve(stream: trio.SocketStream) -> None:
        await read_request(stream)
        await stream.send_all(served)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        port = listeners[0].socket.getsockname()[1]
        with pytest.raises(error, match=complaint):
            async with open_client(f"http://127.0.0.1:{port}"):
                pass
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("url", ["127.0.0.1:9100", "ftp://127.0.0.1", "http://x:y", "", "http://"])
async def test_what_is_no_address_is_refused_in_a_sentence(url: str) -> None:
    with pytest.raises(ClientError, match="no address of an agent"):
        await fetch_card(url)


async def test_nobody_there_is_unreachable() -> None:
    with pytest.raises(Unreachable, match="is the agent running"):
        await fetch_card(await closed_address())


async def closed_address() -> str:
    """An address where nobody listens."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    await listeners[0].aclose()
    return f"http://127.0.0.1:{port}"


# Tokens


async def test_the_token_and_the_version_go_with_every_request() -> None:
    async with (
        agent(answering(result=TASK)) as by_hand,
        open_client(by_hand.url, token="s3cret") as client,
    ):
        await client.get(GetTaskRequest("t1"))
        for asked in (*by_hand.cards, *by_hand.asked):
            assert asked.headers["authorization"] == "Bearer s3cret"
            assert asked.headers["a2a-version"] == "1.0"


@pytest.mark.parametrize("token", ["s3cret\n", "s3 cret", "s3crét"])
async def test_a_token_that_no_header_can_hold_is_refused_without_being_told(token: str) -> None:
    with pytest.raises(ClientError, match="visible ASCII") as caught:
        async with open_client("http://127.0.0.1:1", token=token):
            pass
    assert "s3" not in str(caught.value)


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden"])
async def test_a_door_that_stays_shut_is_no_error_of_the_protocol(status: str) -> None:
    async def shut(asked: Asked, stream: trio.SocketStream) -> None:
        await stream.send_all(whole(b"{}", status))

    async with agent(shut) as by_hand:
        async with open_client(by_hand.url) as client:
            with pytest.raises(Unauthorized, match="wants a token"):
                await client.get(GetTaskRequest("t1"))
        async with open_client(by_hand.url, token="wrong") as client:
            with pytest.raises(Unauthorized, match="does not accept this token"):
                async with client.stream(HELLO):
                    pass


@pytest.mark.parametrize(("token", "leads"), [("s3cret", False), ("", True)])
async def test_a_token_meant_for_https_does_not_leave_it(token: str, leads: bool) -> None:
    interfaces = [
        {"url": "http://agent.example", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}
    ]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = json.dumps(card(interfaces)).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as http:
        if leads:
            async with open_client("https://agent.example", token=token, http=http) as client:
                assert client.card.name == "By hand"
        else:
            with pytest.raises(NoWay, match="no token goes there"):
                async with open_client("https://agent.example", token=token, http=http):
                    pass


# Asking


async def test_the_tenant_of_the_interface_goes_with_every_request() -> None:
    async with (
        agent(answering(result=TASK), tenant="acme") as by_hand,
        open_client(by_hand.url) as client,
    ):
        await client.get(GetTaskRequest("t1"))
        await client.cancel(CancelTaskRequest("t1", tenant="other"))
        assert [asked.json["params"]["tenant"] for asked in by_hand.asked] == ["acme", "other"]


async def test_every_operation_gives_what_the_agent_answers() -> None:
    answers = {
        "SendMessage": {"task": TASK},
        "GetTask": TASK,
        "CancelTask": TASK,
        "ListTasks": {"tasks": [TASK], "nextPageToken": "", "pageSize": 50, "totalSize": 1},
    }

    async def respond(asked: Asked, stream: trio.SocketStream) -> None:
        await stream.send_all(whole(rpc(asked, result=answers[asked.json["method"]])))

    async with agent(respond) as by_hand, open_client(by_hand.url) as client:
        sent = await client.send(HELLO)
        assert isinstance(sent, Task)
        assert sent.status.state is TaskState.COMPLETED
        assert await client.get(GetTaskRequest("t1")) == sent
        assert await client.cancel(CancelTaskRequest("t1")) == sent
        assert (await client.list(ListTasksRequest())).tasks == (sent,)


async def test_a_refusal_is_the_error_that_the_server_raised() -> None:
    async with (
        agent(answering(error={"code": -32001, "message": "no task t9"})) as by_hand,
        open_client(by_hand.url) as client,
    ):
        with pytest.raises(TaskNotFound, match="no task t9"):
            await client.get(GetTaskRequest("t9"))
        with pytest.raises(TaskNotFound, match="no task t9"):
            async with client.subscribe(SubscribeToTaskRequest("t9")):
                pass


async def test_the_next_interface_is_tried_when_the_first_cannot_be_reached() -> None:
    async with agent(answering(result=TASK)) as by_hand:
        gone = {**by_hand.interfaces[0], "url": await closed_address()}
        by_hand.interfaces.insert(0, gone)
        async with open_client(by_hand.url) as client:
            assert (await client.get(GetTaskRequest("t1"))).id == "t1"


async def test_the_next_interface_is_tried_when_the_first_does_not_speak_its_line() -> None:
    async def picky(asked: Asked, stream: trio.SocketStream) -> None:
        if asked.method == "POST":
            refusal = rpc(asked, error={"code": -32009, "message": "not here"})
            await stream.send_all(whole(refusal))
        else:
            await stream.send_all(whole(json.dumps(TASK).encode()))

    async with agent(picky, ("JSONRPC", "1.0"), ("HTTP+JSON", "1.0")) as by_hand:
        async with open_client(by_hand.url) as client:
            assert (await client.get(GetTaskRequest("t1"))).id == "t1"
            assert (await client.get(GetTaskRequest("t1"))).id == "t1"
        # Once bitten: the interface that does not speak it is not asked again.
        assert [asked.method for asked in by_hand.asked] == ["POST", "GET", "GET"]
        async with open_client(by_hand.url, binding="JSONRPC") as client:
            with pytest.raises(VersionNotSupported):
                await client.get(GetTaskRequest("t1"))


async def test_what_may_have_been_heard_is_not_said_again() -> None:
    async with agent(silent, ("JSONRPC", "1.0"), ("HTTP+JSON", "1.0")) as by_hand:
        async with open_client(by_hand.url) as client:
            with pytest.raises(BrokenOff, match="may still be going on"):
                await client.send(HELLO)
        assert len(by_hand.asked) == 1


async def test_an_answer_may_take_an_hour() -> None:
    async def slow(asked: Asked, stream: trio.SocketStream) -> None:
        await trio.sleep(3600)
        await stream.send_all(whole(rpc(asked, result={"task": TASK})))

    async def main() -> None:
        async with agent(slow) as by_hand, open_client(by_hand.url) as client:
            assert isinstance(await client.send(HELLO), Task)

    await trio.to_thread.run_sync(lambda: trio.run(main, clock=MockClock(autojump_threshold=0.05)))


# Streams


async def test_an_event_is_there_before_the_next_one_is_sent() -> None:
    heard = trio.Event()

    async def respond(asked: Asked, stream: trio.SocketStream) -> None:
        await stream.send_all(STREAM_HEAD + frame(asked, statusUpdate=WORKING))
        await heard.wait()
        await stream.send_all(b": still here\n\n" + frame(asked, task=TASK))

    with trio.fail_after(5):
        async with (
            agent(respond) as by_hand,
            open_client(by_hand.url) as client,
            client.stream(HELLO) as events,
        ):
            assert isinstance(await anext(events), TaskStatusUpdateEvent)
            heard.set()
            assert [type(event) async for event in events] == [Task]


async def test_a_stream_reads_the_same_byte_by_byte() -> None:
    async def drip(asked: Asked, stream: trio.SocketStream) -> None:
        await stream.send_all(STREAM_HEAD)
        stream.setsockopt(6, 1, 1)  # TCP_NODELAY
        said = frame(asked, task=TASK) + b"\r\n: hm\r\n" + frame(asked, statusUpdate=WORKING)
        for position in range(len(said)):
            await stream.send_all(said[position : position + 1])

    async with (
        agent(drip) as by_hand,
        open_client(by_hand.url) as client,
        client.subscribe(SubscribeToTaskRequest("t1")) as events,
    ):
        assert [type(event) async for event in events] == [Task, TaskStatusUpdateEvent]


async def test_a_stream_can_be_left_in_the_middle() -> None:
    left = trio.Event()

    async def respond(asked: Asked, stream: trio.SocketStream) -> None:
        await stream.send_all(STREAM_HEAD + frame(asked, task=TASK) * 3)
        assert not await stream.receive_some()
        left.set()

    async with agent(respond) as by_hand, open_client(by_hand.url) as client:
        async with client.stream(HELLO) as events:
            await anext(events)
        # httpx reads through nested generators: one that is not closed is a ResourceWarning here.
        gc.collect()
        with trio.fail_after(5):
            await left.wait()


async def test_a_stream_that_breaks_off_says_so() -> None:
    async def respond(asked: Asked, stream: trio.SocketStream) -> None:
        head = STREAM_HEAD.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n")
        said = frame(asked, task=TASK)
        await stream.send_all(head + b"%x\r\n" % len(said) + said + b"\r\n")

    async with (
        agent(respond) as by_hand,
        open_client(by_hand.url) as client,
        client.stream(HELLO) as events,
    ):
        assert isinstance(await anext(events), Task)
        with pytest.raises(BrokenOff):
            await anext(events)


async def test_a_refusal_in_the_middle_of_a_stream_is_raised() -> None:
    async def respond(asked: Asked, stream: trio.SocketStream) -> None:
        refusal = rpc(asked, error={"code": -32001, "message": "lost it"})
        await stream.send_all(STREAM_HEAD + frame(asked, task=TASK) + b"data: " + refusal + b"\n\n")

    async with (
        agent(respond) as by_hand,
        open_client(by_hand.url) as client,
        client.stream(HELLO) as events,
    ):
        assert isinstance(await anext(events), Task)
        with pytest.raises(TaskNotFound, match="lost it"):
            await anext(events)


async def test_an_answer_in_place_of_a_stream_is_not_taken_for_one() -> None:
    async with (
        agent(answering(result={"task": TASK})) as by_hand,
        open_client(by_hand.url) as client,
    ):
        with pytest.raises(InvalidAgentResponse):
            async with client.stream(HELLO):
                pass
