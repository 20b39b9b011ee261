"""What an agent says and asks of its own accord, and for whom it is: the exchange that is on its
way, or the session.

Between two turns, what it says only counts for what holds for the whole session, and nobody is
there to be asked: what it asks is told to the next turn.
"""

from __future__ import annotations

import msgspec
import trio
from attrs import define, field

from a2abackends.acp import requests
from a2abackends.acp.connection import Connection, Refused
from a2abackends.acp.exchange import Exchange
from a2abackends.acp.requests import Elicitation, ElicitationComplete, Request
from a2abackends.acp.state import Session
from a2abackends.acp.wire import CancelRequest, PermissionRequest, SessionUpdate
from a2abackends.process import Child
from a2acore.backend import Notice
from a2acore.jsonrpc import RpcId

QUIET = 0.5
"""Seconds without a word after which a session that was loaded is told to its end: gemini tells it
behind its answer, and nothing tells that from what the next prompt brings."""
MISSED = 1000
"""Characters of a question that nobody has heard, for the turn that comes too late for it."""

_update = msgspec.json.Decoder(SessionUpdate)
_withdrawal = msgspec.json.Decoder(CancelRequest)
_completion = msgspec.json.Decoder(ElicitationComplete)


@define(eq=False)
class Listener:
    """Hears one agent; it is the client of the connection with it."""

    _child: Child
    _offers: frozenset[str]
    session: Session | None = None
    exchange: Exchange | None = None
    connection: Connection = field(init=False)
    _quiet: trio.CancelScope = field(factory=trio.CancelScope)
    """Ends when nothing was heard for a while."""

    def __attrs_post_init__(self) -> None:
        self.connection = Connection(self._child, self)

    async def wait_for_silence(self) -> None:
        with trio.move_on_after(QUIET) as self._quiet:
            await trio.sleep_forever()

    # Called by the reader of the connection

    async def heard(self, method: str, params: msgspec.Raw) -> None:
        self._quiet.deadline = trio.current_time() + QUIET
        exchange = self._current
        if exchange is not None:
            exchange.alive(len(params))
        try:
            if method == "session/update":
                await self._update(_update.decode(params), exchange)
            elif method == "$/cancel_request" and exchange is not None:
                exchange.withdrawn(_withdrawal.decode(params).request_id)
            elif method == "elicitation/complete" and exchange is not None:
                exchange.completed(_completion.decode(params).elicitation_id)
        except msgspec.DecodeError:
            pass  # an update of a kind that is none of ours

    async def asked(self, id: RpcId, method: str, params: msgspec.Raw) -> None:
        exchange = self._current
        if exchange is not None:
            exchange.alive(len(params))
        try:
            kind = requests.kind_of(method, self._offers)
            request = requests.read(kind, params)
        except Refused as refused:
            self.connection.reply(id, refused)
            return
        of_ours = self.session is not None and request.session_id in (self.session.id, None)
        if exchange is None or not of_ours:
            self.connection.reply(id, kind.unheard)
            if self.session is not None and of_ours and (notice := _missed(method, request)):
                self.session.missed(notice)
            return
        try:
            await exchange.asked(id, request, kind.unheard)
        except Exception as error:  # the turn's to raise: nobody else's agent must fall over it
            exchange.broke(error)

    @property
    def _current(self) -> Exchange | None:
        """The exchange that is spoken of: what comes behind the answer belongs to none."""
        exchange = self.exchange
        return None if exchange is None or exchange.call.ended.is_set() else exchange

    async def _update(self, said: SessionUpdate, exchange: Exchange | None) -> None:
        session = self.session
        if session is None or said.session_id != session.id:
            return
        if exchange is None:
            session.hear(said.update)
            return
        session.knobs.hear(said.update)
        try:
            await exchange.heard(said.update)
        except Exception as error:  # as above
            exchange.broke(error)


def _missed(method: str, request: Request) -> Notice | None:
    """What the next turn is to know of a question that none has heard.

    Where something was to be done, the agent was told that it was not.
    """
    match request:
        case Elicitation(message=question):
            pass
        case PermissionRequest(tool_call=tool):
            question = tool.title or tool.tool_call_id
        case _:
            return None
    text = f"Nobody could answer what the agent asked between two turns: {question[:MISSED]}"
    return Notice(text, "not_delivered", {"method": method})
