"""A caller who asks a server that may be gone at any moment, and notes all that is told.

What was under way when the server was killed has no answer, and nobody knows what became of it.
That is all right. A server that lives owes an answer, in good time.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import h11
import trio
from attrs import define, field

from tests.crash.ledger import Ledger
from tests.crash.past import ENDS, PAUSES, Said, asked, sight
from tests.crash.site import Site
from tests.edge import Answer, Edge, Exchange, Way, state

GONE = (OSError, trio.BrokenResourceError, trio.ClosedResourceError, h11.RemoteProtocolError)
"""What becomes of a connection whose server is killed."""
PATIENCE = 20.0
"""Seconds after which a server that lives, and does not answer, is taken to hang."""
BREATH = 0.1
"""Seconds before something is asked again that should have been granted."""
BROKEN = -32603
"""What JSON-RPC calls an internal error."""
V10 = Way("1.0", "HTTP+JSON")
RPC = Way("1.0", "JSONRPC")
V03 = Way("0.3", "JSONRPC")
SHOWS = frozenset({"send", "get", "cancel"})
"""Operations whose answer is a task."""
NO_HEADERS: Mapping[str, str] = {}


@define(eq=False)
class Talk:
    """A task as its caller knows it, by what was told last."""

    context: str
    task: str = ""
    state: str = ""
    number: int | None = None
    """The last event that was heard; `None` before the first."""
    request: str = ""
    """The id of what is asked."""
    events: list[Said] = field(factory=list)
    """Everything that was heard with a number."""

    @property
    def over(self) -> bool:
        return self.state in ENDS

    def see(self, said: Said) -> None:
        """A task, or an update of its status, was told."""
        self.state, self.request = state(said), asked(said)


def pauses(talk: Talk) -> bool:
    return talk.state in PAUSES


@define(eq=False)
class Caller:
    """One caller, who does one thing at a time."""

    site: Site
    ledger: Ledger
    way: Way = V10

    async def ask(
        self, talk: Talk, operation: str, key: str = "", *, way: Way | None = None, **params: Any
    ) -> Said | None:
        """Ask once: what is granted, nothing if it is refused. `None`: the server is gone, and
        nobody knows."""
        way = way or self.way
        answer = None
        since = self.ledger.tick()
        async with self.spared(operation), self._connect(way, operation, key, params) as exchange:
            await exchange.read_head()
            answer = await exchange.answer()
        if answer is None:
            return None
        said = self._note(talk, operation, way, answer, since)
        if operation == "send" and said:
            self._check_heard(params["message"]["messageId"], said.get("task", said))
        return said

    async def surely(
        self, talk: Talk, operation: str, key: str = "", *, way: Way | None = None, **params: Any
    ) -> Said:
        """Ask until there is an answer: only what does no harm when it is asked twice."""
        granted = None
        while granted is None:
            granted = await self.ask(talk, operation, key, way=way, **params)
        return granted

    async def hear(
        self,
        talk: Talk,
        operation: str,
        key: str = "",
        *,
        headers: Mapping[str, str] = NO_HEADERS,
        enough: Callable[[Talk], bool] = pauses,
        **params: Any,
    ) -> bool | None:
        """Hear a stream to its end, or until it is enough. Whether it was granted, if known."""
        granted = None
        since = self.ledger.tick()
        async with (
            self.spared(operation),
            self._connect(self.way, operation, key, params, headers) as exchange,
        ):
            await exchange.read_head()
            granted = exchange.headers.get("content-type") == "text/event-stream"
            if not granted:
                self._note(talk, operation, self.way, await exchange.answer(), since)
                return False
            async for number, event in Frames(exchange, self.way):
                self.site.passes("told")
                self._heard(talk, number, event, operation, since)
                if enough(talk):
                    return True
            if not talk.over:
                self.ledger.fault("answer", talk.task, f"{operation} ended as it was {talk.state}")
        return granted

    @asynccontextmanager
    async def spared(self, what: str) -> AsyncIterator[None]:
        """When there is a server: ask it something. The block ends early if it is killed."""
        await self.site.wait_up()
        life = self.site.life
        try:
            with trio.fail_after(PATIENCE):
                yield
        except (*GONE, trio.TooSlowError) as error:
            if self.site.lives_on(life):
                self.ledger.fault("answer", what, f"a server that lives owes one: {error!r}")
                await trio.sleep(BREATH)

    def _connect(
        self,
        way: Way,
        operation: str,
        key: str,
        params: Mapping[str, Any],
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> AbstractAsyncContextManager[Exchange]:
        verb, target, said, body = way.spell(operation, params)
        keyed = {"Idempotency-Key": key} if key else {}
        self.site.passes("asked")
        return Edge(self.site.url).connect(verb, target, {**said, **keyed, **headers}, body)

    def _heard(
        self, talk: Talk, number: int | None, event: Said, operation: str, since: int
    ) -> None:
        if "task" in event:
            self._shown(talk, event["task"], operation, since, number)
            talk.number = talk.number if number is None else number
        elif number is None:
            self.ledger.fault("answer", talk.task, f"{operation} broke off with {dict(event)}")
        else:
            behind = number - 1 if talk.number is None else talk.number
            self.ledger.hear(talk.task, number, event, behind)
            talk.number = number
            talk.events.append(event)
            if "statusUpdate" in event:
                talk.see(event["statusUpdate"])

    def _note(self, talk: Talk, operation: str, way: Way, answer: Answer, since: int) -> Said:
        """Note the tasks that an answer shows, and what nobody should be answered."""
        self.site.passes("answered")
        said: Said = answer.json if answer.body else {}
        error = said.get("error", {})
        if answer.status >= 500 or error.get("code") == BROKEN:
            self.ledger.fault("answer", operation, f"{answer.status} {answer.body[:300]!r}")
        if answer.status != 200 or error:
            return {}
        said = said["result"] if way.rpc else said
        if operation == "list":
            for task in said["tasks"]:
                self.ledger.show(task, operation, since)
        elif operation in SHOWS:
            self._shown(talk, said.get("task", said), operation, since)
        return said

    def _check_heard(self, message_id: str, task: Said) -> None:
        """Who is answered has been heard."""
        if message_id not in sight(task).heard:
            self.ledger.fault("lost", task["id"], f"it was not told {message_id}, but answers that")

    def _shown(
        self, talk: Talk, task: Said, operation: str, since: int, number: int | None = None
    ) -> None:
        if talk.task not in ("", task["id"]):
            self.ledger.fault("doubled", talk.task, f"{operation} answers with {task['id']}")
        self.ledger.show(task, operation, since, number)
        talk.task = task["id"]
        talk.see(task)


@define(eq=False)
class Frames:
    """The events of a stream, with their numbers. A task that has ended has none."""

    _exchange: Exchange
    _way: Way
    _unread: bytes = b""

    def __aiter__(self) -> Frames:
        return self

    async def __anext__(self) -> tuple[int | None, Said]:
        while True:
            while b"\n\n" not in self._unread:
                data = await self._exchange.data()
                if not data:
                    raise StopAsyncIteration
                self._unread += data
            block, self._unread = self._unread.split(b"\n\n", 1)
            if not block.startswith(b":"):
                lines = dict(line.split(": ", 1) for line in block.decode().split("\n"))
                said = json.loads(lines["data"])
                number = int(lines["id"]) if "id" in lines else None
                return number, said["result"] if self._way.rpc and "result" in said else said
