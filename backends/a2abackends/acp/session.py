"""One agent: a process, and the one session that it has with us.

It is kept between the turns of a context. What it says between turns only counts for what holds
for the whole session, and nobody is there to be asked for a permission.
"""

from __future__ import annotations

import math
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import trio
from attrs import define, field

from a2abackends.acp.changes import Changes
from a2abackends.acp.connection import Call, CallFailed, Connection
from a2abackends.acp.content import Prompt
from a2abackends.acp.exchange import Exchange
from a2abackends.acp.limits import Limits
from a2abackends.acp.permissions import CANCELLED
from a2abackends.acp.updates import Standing, Translator
from a2abackends.acp.wire import (
    METHOD_NOT_FOUND,
    NOT_FOUND,
    PROTOCOL_VERSION,
    AuthMethod,
    CancelRequest,
    CurrentMode,
    Implementation,
    InitializeResult,
    NewSessionResult,
    PermissionRequest,
    PromptCapabilities,
    SessionUpdate,
)
from a2abackends.presets import Launch, oddities_of
from a2abackends.process import Child, open_background, open_child
from a2acore.backend import AgentFailed, Notice, Turn
from a2acore.errors import InvalidParams
from a2acore.jsonrpc import RpcId

MEANWHILE = 10
"""Notices from between two turns that are kept for the next one."""

T = TypeVar("T")

_update = msgspec.json.Decoder(SessionUpdate)
_permission = msgspec.json.Decoder(PermissionRequest)
_withdrawal = msgspec.json.Decoder(CancelRequest)


class SessionLost(Exception):
    """The agent no longer knows the session; it has done nothing with the prompt."""


@define(eq=False)
class Agent:
    """One agent at work for one context, to be started with `keep_agent`."""

    cwd: Path
    _limits: Limits
    _starting: float
    """Seconds that it may take to answer while it starts."""
    _child: Child
    _nursery: trio.Nursery
    who: Implementation = field(factory=Implementation)
    takes: PromptCapabilities = field(factory=PromptCapabilities)
    gone: bool = False
    """It has ended or is ending; whoever wants to go on needs another one."""
    resting: bool = False
    settled: trio.Event = field(factory=trio.Event)
    """Set while no prompt is on its way: neither one of a turn nor one that a turn has left."""
    _scope: trio.CancelScope = field(factory=trio.CancelScope)
    _auth_methods: tuple[AuthMethod, ...] = ()
    _session_id: str = ""
    _standing: Standing = field(factory=Standing)
    _meanwhile: list[Notice] = field(factory=list)
    _exchange: Exchange | None = None
    _connection: Connection = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._connection = Connection(self._child, self)
        self.settled.set()

    # Its life

    async def listen(self) -> None:
        """Listen to it until it ends, is dismissed or has rested too long."""
        with self._scope:
            await self._connection.run()
        self.gone = True

    def wake(self) -> None:
        """It is needed."""
        self.resting, self._scope.deadline = False, math.inf

    def rest(self) -> None:
        """It has nothing to do until `wake`, and is dismissed if that takes long."""
        self.resting, self._scope.deadline = True, trio.current_time() + self._limits.idle

    def dismiss(self) -> None:
        """Let it end, politely, in its own time."""
        self.gone = True
        self._scope.cancel()

    # Its session

    async def initialize(self) -> None:
        """Get to know each other.

        Raises:
            AgentFailed: it does not answer, or speaks another version.
        """
        params = {
            "protocolVersion": PROTOCOL_VERSION,
            "clientCapabilities": {
                "fs": {"readTextFile": False, "writeTextFile": False},
                "terminal": False,
            },
            "clientInfo": {"name": "a2acode", "title": "a2acode", "version": version("a2acore")},
        }
        told = await self._answer("initialize", params, InitializeResult)
        if told.protocol_version != PROTOCOL_VERSION:
            raise AgentFailed(
                f"The agent speaks version {told.protocol_version} of the Agent Client Protocol, "
                f"and only version {PROTOCOL_VERSION} is spoken here",
                stop_reason="error",
            )
        self.who = told.agent_info or self.who
        if told.agent_capabilities is not None:
            self.takes = told.agent_capabilities.prompt_capabilities or self.takes
        self._auth_methods = tuple(told.auth_methods or ())

    async def open_session(self) -> None:
        """Begin the session.

        Raises:
            CallFailed: it answered with an error; `AUTH_REQUIRED` if it has to be let in first.
            AgentFailed: it does not answer.
        """
        params = {"cwd": str(self.cwd), "mcpServers": []}
        opened = await self._answer("session/new", params, NewSessionResult)
        self._session_id = opened.session_id
        self._standing.configure(opened.config_options or ())
        if opened.modes is not None and opened.modes.current_mode_id:
            self._standing.hear(CurrentMode(opened.modes.current_mode_id))

    async def prompt(self, turn: Turn, prompt: Prompt) -> str:
        """Have it work on one turn; see `Exchange.run`.

        Raises:
            SessionLost: it must be asked of another agent.
        """
        meanwhile, self._meanwhile = self._meanwhile, []
        for notice in meanwhile:
            turn.say(notice)
        translator = Translator(self._standing, oddities_of(self.who.name or ""))
        changes = Changes(self.cwd)
        self._exchange = exchange = Exchange(
            turn, self._connection, self._session_id, translator, changes, self._limits
        )
        self.settled = trio.Event()
        try:
            return await exchange.run(prompt)
        except CallFailed as error:
            if error.code == NOT_FOUND and not translator.begun:
                self.dismiss()
                raise SessionLost from error
            raise
        finally:
            self._exchange = None
            if exchange.call.ended.is_set():
                self.settled.set()
            else:
                self._nursery.start_soon(self._settle, exchange.call)

    def door(self, error: CallFailed) -> str:
        """What has to be done so that it can work, when it says that it must be let in."""
        lines = [f"{self.who.title or self.who.name or 'The agent'} has to be let in: {error}"]
        if self._auth_methods:
            lines.append("It knows these ways:")
        for method in self._auth_methods:
            words = filter(None, (method.name or method.id, method.description))
            lines.append(f"- {': '.join(words)}")
        lines.append("Do so where the agent runs, then answer here, and it tries again.")
        return "\n".join(lines)

    async def _settle(self, call: Call) -> None:
        """Wait for the end of a prompt that its turn has left, and make one if need be."""
        with trio.move_on_after(self._limits.settling):
            await call.ended.wait()
        if not call.ended.is_set():
            self.gone = True
            self._child.kill("did not stop when it was cancelled")
        self.settled.set()

    async def _answer(self, method: str, params: Any, shape: type[T]) -> T:
        with trio.move_on_after(self._starting):
            return await self._connection.call(method, params).result(shape)
        silence = f"The agent did not answer {method} in {self._starting:g} s"
        raise AgentFailed("\n".join([silence, *self._child.last_words()]))

    # What it says, heard by the reader of the connection

    @property
    def _current(self) -> Exchange | None:
        """The exchange that is spoken of: what comes behind the answer belongs to none."""
        exchange = self._exchange
        return None if exchange is None or exchange.call.ended.is_set() else exchange

    async def heard(self, method: str, params: msgspec.Raw) -> None:
        exchange = self._current
        if exchange is not None:
            exchange.alive()
        try:
            if method == "session/update":
                said = _update.decode(params)
                if said.session_id == self._session_id:
                    await self._update(said, exchange)
            elif method == "$/cancel_request" and exchange is not None:
                exchange.withdrawn(_withdrawal.decode(params).request_id)
        except msgspec.DecodeError:
            pass  # an update of a kind that is none of ours

    async def _update(self, said: SessionUpdate, exchange: Exchange | None) -> None:
        if exchange is None:
            heard = self._standing.hear(said.update)
            self._meanwhile = [*self._meanwhile, *heard][-MEANWHILE:]
            return
        try:
            await exchange.heard(said.update)
        except Exception as error:  # the turn's to raise: nobody else's agent must fall over it
            exchange.broke(error)

    async def asked(self, id: RpcId, method: str, params: msgspec.Raw) -> None:
        exchange = self._current
        if exchange is not None:
            exchange.alive()
        if method != "session/request_permission":
            self._connection.refuse(id, METHOD_NOT_FOUND, f"Method not found: {method}")
            return
        try:
            request = _permission.decode(params)
        except msgspec.DecodeError as error:
            self._connection.refuse(id, InvalidParams.code, f"Invalid params: {error}")
            return
        if exchange is None or request.session_id != self._session_id:
            self._connection.answer(id, CANCELLED)
            return
        try:
            await exchange.asked(id, request)
        except Exception as error:  # as above
            exchange.broke(error)


async def keep_agent(
    launch: Launch,
    cwd: Path,
    limits: Limits,
    *,
    task_status: trio.TaskStatus[Agent] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Start an agent and keep it for as long as it lives; to be started with `nursery.start`.

    Raises:
        AgentFailed: it cannot be started. Once it is, how it ends is told by the calls to it.
    """
    starting = limits.download if launch.downloads else limits.start
    async with (
        open_child(launch.command, cwd=cwd, env=launch.env) as child,
        open_background() as nursery,
    ):
        agent = Agent(cwd, limits, starting, child, nursery)
        task_status.started(agent)
        await agent.listen()
