"""The server that is asked, over one of its interfaces, and what it answers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import httpx
import trio
from attrs import define, field, frozen

from a2acli.conformance import shapes03, shapes10, view
from a2acli.conformance.answer import Answer, Seen
from a2acli.conformance.faults import Refusal
from a2acli.conformance.groups import alone
from a2acli.conformance.shapes import Judge
from a2acli.conformance.site import Site
from a2acli.conformance.spelling import METHODS, STREAMING, Spelled, Way
from a2acli.conformance.tape import Tape
from a2acli.conformance.verdict import Failed, NotApplicable, shown
from a2acli.conformance.webhook import Receiver
from a2acore.client.reach import credentials

NOTHING: Mapping[str, Any] = {}

RESULTS = {
    "send": "SendMessageResponse",
    "stream": "StreamResponse",
    "subscribe": "StreamResponse",
    "get": "Task",
    "list": "ListTasksResponse",
    "cancel": "Task",
    "set_push": "TaskPushNotificationConfig",
    "get_push": "TaskPushNotificationConfig",
    "list_push": "ListTaskPushNotificationConfigsResponse",
    "card": "AgentCard",
}
"""The type of what an operation returns, or of each event that it streams."""

DENIED = (401, 403)
"""What strangers get."""

TRY_GET = (404, 405, 501)
"""What `POST .../{id}:subscribe` gets from servers that have it under GET: the sources differ."""


@frozen
class Texts:
    """What is said to the agent to see it do something."""

    hello: str = "hello"
    slow: str = "slow:3"
    """Something that takes a few seconds."""
    pause: str = "permission"
    """Something that the agent has to ask about."""
    credential: str = "credential"
    """Something that the agent needs a credential for."""


@define(eq=False)
class Peer:
    """A server, over one interface."""

    http: httpx.AsyncClient = field(repr=False)
    way: Way
    site: Site = field(repr=False)
    """Its card, in the form of this line."""
    receiver: Receiver = field(repr=False)
    """Where its push notifications may go."""
    token: str = field(repr=False)
    texts: Texts
    patience: float
    """Seconds after which an answer or the end of a stream does not come."""
    seen: list[Seen] = field(factory=list, init=False)
    refusals: list[Refusal] = field(factory=list, init=False)
    opened: list[str] = field(factory=list, init=False)
    """The ids of tasks that we may leave unfinished."""
    told: dict[str, Any] = field(factory=dict, init=False)
    """What came of the stories that were played."""

    # What the card says

    @property
    def card(self) -> Mapping[str, Any]:
        return self.site.card

    @property
    def capabilities(self) -> Mapping[str, Any]:
        said = self.card.get("capabilities")
        return said if isinstance(said, dict) else {}

    @property
    def extensions(self) -> list[Mapping[str, Any]]:
        said = self.capabilities.get("extensions")
        return [each for each in said or () if isinstance(each, dict) and each.get("uri")]

    @property
    def extended_card(self) -> bool:
        if self.way.old:
            return self.card.get("supportsAuthenticatedExtendedCard") is True
        return self.capabilities.get("extendedAgentCard") is True

    @property
    def guarded(self) -> bool:
        """Whether the card says that callers have to authenticate."""
        return bool(self.card.get("security" if self.way.old else "securityRequirements"))

    def judge(self, document: Any) -> Judge:
        """The judge of something that this interface said.

        On HTTP+JSON of 0.3 a server may answer what has no body, a GET, in either form.
        """
        if not self.way.old:
            return shapes10.JUDGE
        if self.way.rpc:
            return shapes03.JUDGE
        proto = view.in_proto_form(document)
        return shapes03.PROTO_JUDGE if proto else shapes03.WRAPPED_JUDGE

    @property
    def extension_header(self) -> str:
        return "X-A2A-Extensions" if self.way.old else "A2A-Extensions"

    # Asking

    async def ask(
        self,
        operation: str,
        params: Mapping[str, Any] = NOTHING,
        *,
        headers: Mapping[str, str | None] = NOTHING,
        token: str | None = None,
        id: Any = 1,
    ) -> Answer:
        """Ask for an operation, and have the whole answer.

        Headers that are None are left out; an empty token makes the caller anonymous.
        """
        spelled = self.way.spell(operation, params, id)
        answer = await self.request(spelled, headers=headers, token=token)
        if operation == "subscribe" and not self.way.rpc and answer.status in TRY_GET:
            other = await self.request(_by_get(spelled), headers=headers, token=token)
            answer = answer if other.status in TRY_GET else other
        self._note(operation, answer)
        return answer

    async def post(self, body: bytes, headers: Mapping[str, str | None] = NOTHING) -> Answer:
        """Send a body of our own making to the address of JSON-RPC."""
        said = {} if self.way.old else {"A2A-Version": "1.0"}
        said["Content-Type"] = "application/json"
        return await self.request(Spelled("POST", self.way.url, said, body), headers=headers)

    async def call(
        self, method: str, params: Any = NOTHING, headers: Mapping[str, str | None] = NOTHING
    ) -> Answer:
        """Call a method of JSON-RPC by its name."""
        said = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return await self.post(json.dumps(said).encode(), headers)

    async def rest(
        self,
        verb: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str | None] = NOTHING,
    ) -> Answer:
        """Send a request of our own making to a path of HTTP+JSON."""
        said = {} if self.way.old else {"A2A-Version": "1.0"}
        if body is not None:
            said["Content-Type"] = "application/json"
        return await self.request(Spelled(verb, self.way.base + path, said, body), headers=headers)

    async def fetch(self, url: str, headers: Mapping[str, str]) -> Answer:
        """Get what is at an address."""
        return await self.request(Spelled("GET", url, dict(headers), None))

    async def request(
        self,
        spelled: Spelled,
        *,
        headers: Mapping[str, str | None] = NOTHING,
        token: str | None = None,
    ) -> Answer:
        """Send one request.

        Raises:
            Failed: there is no answer.
            NotApplicable: we are not let in, and the card says that we need not be.
        """
        verb, url, _, body = spelled
        with trio.move_on_after(self.patience) as patience, reached(url):
            response = await self.http.request(
                verb, url, headers=self.headers(spelled, headers, token), content=body
            )
        if patience.cancelled_caught:
            raise Failed(f"{verb} had no answer within {self.patience:g} s")
        answer = Answer(self.way, response.status_code, response.headers, response.content)
        if answer.status in DENIED:
            if token is None:
                self._see_let_in()
            return answer
        try:
            if answer.refused:
                self.refusals.append(answer.refusal)
        except Failed:
            pass  # whoever asked will say so
        return answer

    @asynccontextmanager
    async def listening(self, operation: str, params: Mapping[str, Any]) -> AsyncIterator[Tape]:
        """Open a stream and record it; leaving the block hangs up.

        Raises:
            Failed: the answer is no stream.
        """
        spelled = self.way.spell(operation, params)
        tape = Tape(self.way, self.patience)
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(self._record, tape, spelled)
                if operation == "subscribe" and not self.way.rpc and tape.status in TRY_GET:
                    tape = Tape(self.way, self.patience)
                    await nursery.start(self._record, tape, _by_get(spelled))
                if not tape.is_stream:
                    if tape.status in DENIED:
                        self._see_let_in()
                    await tape.wait_end()
                    answer = Answer(self.way, tape.status, tape.headers, tape.body)
                    told = answer.refusal if answer.refused else shown(tape.body)
                    raise Failed(f"{operation} is answered with no stream, but {told}")
                yield tape
                nursery.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            raise alone(group) from None
        finally:
            where = f"an event of {operation}"
            self.seen += [Seen(where, RESULTS[operation], event.said) for event in tape.events]

    async def _record(
        self, tape: Tape, spelled: Spelled, *, task_status: trio.TaskStatus[None]
    ) -> None:
        verb, url, _, body = spelled
        with trio.move_on_after(self.patience) as patience, reached(url):
            headers = self.headers(spelled, NOTHING, None)
            headers["Accept"] = "text/event-stream, application/json"
            async with self.http.stream(verb, url, headers=headers, content=body) as response:
                patience.deadline = trio.current_time() + float("inf")
                tape.begin(response.status_code, response.headers)
                task_status.started()
                async for chunk in response.aiter_bytes():
                    tape.feed(chunk)
                tape.end()
        if patience.cancelled_caught:
            raise Failed(f"{verb} had no answer within {self.patience:g} s")

    def _see_let_in(self) -> None:
        """Who is turned away with our token, or without one, can say nothing of the rest."""
        if self.guarded:
            wants = "other credentials" if self.token else "credentials"
            raise NotApplicable(f"the server wants {wants}; see --token-file")

    def headers(
        self, spelled: Spelled, said: Mapping[str, str | None], token: str | None
    ) -> dict[str, str]:
        """All headers of a request; extensions that the card requires are activated."""
        required = ", ".join(each["uri"] for each in self.extensions if each.get("required"))
        ours: dict[str, str | None] = {self.extension_header: required} if required else {}
        token = self.token if token is None else token
        together = {**spelled.headers, **ours, **credentials(token), **said}
        return {name: value for name, value in together.items() if value is not None}

    def _note(self, operation: str, answer: Answer) -> None:
        try:
            refused, document = answer.refused, answer.document
        except Failed:
            return
        if operation in STREAMING or operation not in RESULTS or refused:
            return
        said = document.get("result") if self.way.rpc and isinstance(document, dict) else document
        name = RESULTS[operation]
        self.seen.append(Seen(f"the answer to {operation}", name, said))

    async def leave(self) -> None:
        """Stop what we may have left unfinished."""
        for id in self.opened:
            with suppress(Failed):
                await self.ask("cancel", {"task": id})

    @property
    def methods(self) -> Mapping[str, str]:
        return METHODS[self.way.line]


def _by_get(spelled: Spelled) -> Spelled:
    headers = {name: value for name, value in spelled.headers.items() if name != "Content-Type"}
    return Spelled("GET", spelled.url, headers, None)


@contextmanager
def reached(url: str) -> Iterator[None]:
    """Turn what keeps an answer from coming into a failure of the server's."""
    try:
        yield
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        told = f"{type(error).__name__} {error}".strip()
        raise Failed(f"no answer from {url}: {told}") from error
