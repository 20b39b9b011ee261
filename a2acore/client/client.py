"""The client itself: one method per operation, and streams."""

from __future__ import annotations

import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import httpx
from attrs import define, field
from msgspec import structs

from a2acore import sse
from a2acore.client.errors import Unreachable, translated
from a2acore.client.reach import PATIENCE, Shown, Way, check, fetch, find, open_http, unwind
from a2acore.client.trust import Trust, believed
from a2acore.errors import InvalidAgentResponse, VersionNotSupported
from a2acore.lifecycle import EXTENSION
from a2acore.model import (
    AgentCard,
    CancelTaskRequest,
    Event,
    GetExtendedAgentCardRequest,
    GetTaskRequest,
    ListTasksRequest,
    ListTasksResponse,
    Message,
    SendMessageRequest,
    SubscribeToTaskRequest,
    Task,
)
from a2acore.wire import card as wire_card
from a2acore.wire import signatures, v03
from a2acore.wire.dialect import ClientDialect, Operation

T = TypeVar("T")


@define(eq=False)
class Stream:
    """The events of one task as they come; iterating it ends when the agent ends the stream.

    It may be left at any time: whoever opened it closes it.
    """

    _dialect: ClientDialect
    _url: str
    _chunks: AsyncIterator[bytes]
    _decoder: sse.Decoder = field(factory=sse.Decoder)
    _waiting: deque[sse.SSEvent] = field(factory=deque)

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> Event:
        """The next event. Cancelling it ends the stream: open another with `subscribe`.

        Raises:
            A2AError: the agent broke the stream off with a refusal.
            BrokenOff: the connection did.
        """
        while not self._waiting:
            with translated(self._url):
                self._waiting += self._decoder.feed(await anext(self._chunks))
        return self._dialect.event(self._waiting.popleft().data)


@define(eq=False)
class Client:
    """One agent, as its card describes it. Made by `open_client`; any number of tasks may use it.

    Every method raises `A2AError` for what the agent refuses and `ClientError` for what keeps it
    from being asked.
    """

    card: AgentCard
    _ways: deque[Way]
    _http: httpx.AsyncClient
    _shown: Shown
    _trust: Trust | None = None

    async def send(self, request: SendMessageRequest) -> Task | Message:
        """Say something, and wait for what comes of it: until the task ends or pauses."""
        answer: Task | Message = await self._ask(Operation.SEND, request)
        return answer

    async def get(self, request: GetTaskRequest) -> Task:
        """Where a task stands."""
        task: Task = await self._ask(Operation.GET, request)
        return task

    async def list(self, request: ListTasksRequest) -> ListTasksResponse:
        """The tasks that this caller may see. Line 0.3 has no such thing."""
        page: ListTasksResponse = await self._ask(Operation.LIST, request)
        return page

    async def cancel(self, request: CancelTaskRequest) -> Task:
        """Stop a task, and see where it stands then."""
        task: Task = await self._ask(Operation.CANCEL, request)
        return task

    async def extended_card(self) -> AgentCard:
        """The card for callers with a credential; from now on it is this client's `card`.

        Raises:
            Untrusted: it is not signed as the public one has to be.
        """
        card, body = await self._answer(Operation.EXTENDED_CARD, GetExtendedAgentCardRequest())
        if self._trust is not None:
            document = signatures.inside(body)
            card = wire_card.read(await believed(document, self._trust, self._http))
        # In the place of the public one (A2A 1.0.1, 3.1.11), which has chosen the ways; they stay.
        self.card = card
        return self.card

    @asynccontextmanager
    async def stream(self, request: SendMessageRequest) -> AsyncIterator[Stream]:
        """Say something, and hear what comes of it as it comes."""
        async with self._open(Operation.STREAM, request) as stream:
            yield stream

    @asynccontextmanager
    async def subscribe(self, request: SubscribeToTaskRequest) -> AsyncIterator[Stream]:
        """Hear of a task that is under way; the first event is the task as it stands."""
        async with self._open(Operation.SUBSCRIBE, request) as stream:
            yield stream

    async def _ask(self, operation: Operation, request: Any) -> Any:
        value, _ = await self._answer(operation, request)
        return value

    async def _answer(self, operation: Operation, request: Any) -> tuple[Any, bytes]:
        """What an operation returned, and as which bytes."""

        async def ask(way: Way) -> tuple[Any, bytes]:
            with translated(way.url):
                response = await self._http.send(
                    self._request(way, operation, request), follow_redirects=False
                )
            check(response, way.url, self._shown)
            value = way.dialect.answer(operation, response.status_code, response.content)
            return value, response.content

        return await self._try_ways(ask)

    @asynccontextmanager
    async def _open(self, operation: Operation, request: Any) -> AsyncIterator[Stream]:
        async def open_on(way: Way) -> tuple[Way, httpx.Response]:
            with translated(way.url):
                response = await self._http.send(
                    self._request(way, operation, request), stream=True, follow_redirects=False
                )
            if _flows(response):
                return way, response
            # A stream is refused like anything else: with a body that says why.
            with translated(way.url):
                await response.aread()
            check(response, way.url, self._shown)
            way.dialect.answer(operation, response.status_code, response.content)
            raise InvalidAgentResponse("The agent was asked for a stream, and answered otherwise")

        way, response = await self._try_ways(open_on)
        chunks = response.aiter_bytes()
        try:
            yield Stream(way.dialect, way.url, chunks)
        finally:
            await unwind(chunks)
            await response.aclose()

    async def _try_ways(self, attempt: Callable[[Way], Awaitable[T]]) -> T:
        """Make an attempt on the interface in use; on the next one when that is no use at all."""
        while True:
            way = self._ways[0]
            try:
                return await attempt(way)
            except (Unreachable, VersionNotSupported):
                if way is self._ways[0] and len(self._ways) > 1:
                    self._ways.popleft()
                if way is self._ways[0]:
                    raise

    def _extensions(self, way: Way) -> dict[str, str]:
        """The header that asks for our extension, of an agent that has it."""
        if all(each.uri != EXTENSION for each in self.card.capabilities.extensions):
            return {}
        name = "X-A2A-Extensions" if way.dialect.version == v03.VERSION else "A2A-Extensions"
        return {name: EXTENSION}

    def _request(self, way: Way, operation: Operation, request: Any) -> httpx.Request:
        if way.tenant and not request.tenant:
            request = structs.replace(request, tenant=way.tenant)
        sending = way.dialect.ask(operation, request)
        return self._http.build_request(
            sending.verb,
            way.url + sending.path,
            content=sending.body,
            headers={
                "A2A-Version": way.dialect.version,
                **self._extensions(way),
                **sending.headers,
                **self._shown.headers,
            },
            timeout=PATIENCE,
        )


@asynccontextmanager
async def open_client(
    url: str,
    *,
    token: str = "",
    user: str = "",
    insecure: bool = False,
    line: str | None = None,
    binding: str | None = None,
    verify: Trust | None = None,
    http: httpx.AsyncClient | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Client]:
    """Meet the agent at `url`: read its card, and find a way to speak to it.

    `url` is where the agent's card lives, with or without the card's own path. `token` is a bearer
    token, or with a `user` the password (Basic). It goes to https addresses and to this machine
    alone, unless `insecure` lets everybody on the way read it. `line` ("1.0" or
    "0.3") and `binding` ("JSONRPC" or "HTTP+JSON") pin the choice: then only interfaces that fit
    are used. `verify` says whose signature the card has to bear; what is not signed is not used
    of it. `http` is used instead of an HTTP client of our own, and left open. `tls` is what our own
    trusts, and shows of itself.

    Raises:
        ClientError: there is no way to speak to it; `Untrusted` is one.
        InvalidAgentResponse: what it serves as its card is none.
    """
    shown = Shown(token, user, insecure)
    async with open_http(http, tls) as client:
        card = wire_card.read(await believed(await fetch(client, url, shown), verify, client))
        ways = find(card, url, shown, line, binding)
        yield Client(card, deque(ways), client, shown, verify)


def _flows(response: httpx.Response) -> bool:
    kind: str = response.headers.get("content-type", "")
    return response.is_success and kind.partition(";")[0].strip() == sse.MEDIA_TYPE
