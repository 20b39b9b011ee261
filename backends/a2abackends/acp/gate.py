"""What an agent asks of us in a turn: each request is a task, and is answered once.

How it ends is how the task ends: it returns (the result), it raises `Refused` (an error), or it is
withdrawn, by the agent or because the turn is over.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import trio
from attrs import define, field

from a2abackends.acp.connection import Connection, Refused
from a2abackends.acp.limits import Patience
from a2acore.backend import Answer, Asking, Turn
from a2acore.errors import InvalidRequest
from a2acore.jsonrpc import RpcId

MOST = 100
"""Requests that may be open at once. An agent that has more has gone wild."""
DENIED = -32001
"""Of the range that JSON-RPC leaves to implementations; ACP has no code for it."""


def denial(what: str, answer: Answer) -> Refused:
    """The caller does not want it; with the words that say why, for the agent's model to hear."""
    why = f": {answer.words}" if answer.words else ""
    return Refused(DENIED, f"{what} was denied{why}", {"reason": answer.words})


@define(eq=False)
class Gate:
    """The requests of one turn that are open."""

    turn: Turn
    _connection: Connection
    _patience: Patience
    _open: dict[RpcId, trio.CancelScope] = field(factory=dict)
    _over: bool = False

    async def ask(self, asking: Asking) -> Answer:
        """Ask the caller; the agent's deadlines stand still meanwhile."""
        with self._patience.paused():
            return await self.turn.ask(asking)

    def alive(self) -> None:
        """What the agent waits for goes on."""
        self._patience.heard()

    def admit(
        self, nursery: trio.Nursery, id: RpcId, work: Callable[[], Awaitable[Any]], withdrawn: Any
    ) -> None:
        """Answer a request with what `work` returns, or with `withdrawn` if it is withdrawn."""
        if self._over:
            self._connection.reply(id, withdrawn)
        elif id in self._open or len(self._open) >= MOST:
            why = "its id is in use" if id in self._open else f"{MOST} others are open"
            self._connection.reply(id, Refused(InvalidRequest.code, f"Request not taken: {why}"))
        else:
            self._open[id] = scope = trio.CancelScope()
            nursery.start_soon(self._answer, id, work, withdrawn, scope)

    def withdraw(self, id: RpcId) -> None:
        """The agent no longer wants to know."""
        if (scope := self._open.get(id)) is not None:
            scope.cancel()

    def close(self) -> None:
        """The turn is over: what is open is withdrawn, and nothing is admitted any more."""
        self._over = True
        for scope in self._open.values():
            scope.cancel()

    async def _answer(
        self,
        id: RpcId,
        work: Callable[[], Awaitable[Any]],
        withdrawn: Any,
        scope: trio.CancelScope,
    ) -> None:
        reply = withdrawn
        try:
            with scope:
                reply = await work()
        except Refused as refused:
            reply = refused
        finally:
            del self._open[id]
            self._connection.reply(id, reply)
