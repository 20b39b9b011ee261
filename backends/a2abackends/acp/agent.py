"""One agent, and the one session that it has with us: the calls that make it up.

It is kept between the turns of a context; how long is in `life`, and what it says in
`listening`.
"""

from __future__ import annotations

import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import trio
from attrs import define, field

from a2abackends.acp import requests
from a2abackends.acp.changes import Changes
from a2abackends.acp.choices import Knob
from a2abackends.acp.connection import CallFailed
from a2abackends.acp.content import Prompt
from a2abackends.acp.exchange import Exchange
from a2abackends.acp.introduction import Introduction, Way
from a2abackends.acp.kept import Kept
from a2abackends.acp.life import Life
from a2abackends.acp.limits import Limits
from a2abackends.acp.listening import Listener
from a2abackends.acp.servers import secrets_in, spell_servers
from a2abackends.acp.state import Session
from a2abackends.acp.updates import Translator
from a2abackends.acp.wire import (
    AUTH_REQUIRED,
    NOT_FOUND,
    PROTOCOL_VERSION,
    ConfigOptionsResult,
    InitializeResult,
    NewSessionResult,
    SessionState,
)
from a2abackends.launch import Launch
from a2abackends.process import open_background, open_child
from a2abackends.sandbox import Cage
from a2abackends.tree import fresh_mark
from a2acore.backend import AgentFailed, McpServer, Turn

# Some answer null where they have nothing to tell.
_session_state: type[SessionState | None] = SessionState | None  # type: ignore[assignment]
_config_options: type[ConfigOptionsResult | None] = ConfigOptionsResult | None  # type: ignore[assignment]


class SessionLost(Exception):
    """The agent no longer knows the session; it has done nothing with the prompt."""


@define(eq=False)
class Agent:
    """One agent at work for one context, to be started with `keep_agent`."""

    cwd: Path
    cage: Cage
    life: Life
    _listener: Listener
    _launch: Launch
    _servers: tuple[McpServer, ...]
    _limits: Limits
    introduction: Introduction = field(factory=Introduction)

    @property
    def name(self) -> str:
        """What it calls itself, or else what its program is called."""
        return self.introduction.who.name or Path(self._launch.command[0]).name

    @property
    def session(self) -> Session:
        """Its session, once there is one."""
        assert self._listener.session is not None
        return self._listener.session

    async def initialize(self) -> None:
        """Get to know each other.

        Raises:
            AgentFailed: it does not answer, or speaks another version.
        """
        params = {
            "protocolVersion": PROTOCOL_VERSION,
            "clientCapabilities": requests.capabilities(self._launch.offers),
            "clientInfo": {"name": "a2acode", "title": "a2acode", "version": version("a2acore")},
        }
        within = self._limits.download if self._launch.downloads else self._limits.start
        told = await self.life.answer("initialize", params, InitializeResult, within)
        if told.protocol_version != PROTOCOL_VERSION:
            raise AgentFailed(
                f"The agent speaks version {told.protocol_version} of the Agent Client Protocol, "
                f"and only version {PROTOCOL_VERSION} is spoken here",
                stop_reason="error",
            )
        self.introduction = Introduction(told)

    async def open_session(self) -> None:
        """Begin a new session.

        Raises:
            CallFailed: it answered with an error; `AUTH_REQUIRED` if it has to be let in first.
            AgentFailed: it does not answer, or it cannot reach a server of tools.
        """
        opened = await self.life.answer("session/new", self._place(), NewSessionResult)
        session = Session(Kept(self.name, opened.session_id, str(self.cwd), time.time()))
        session.begin(opened)
        self._listener.session = session

    async def reopen_session(self, kept: Kept, way: Way) -> None:
        """Go on with a session of before. What it tells of the past is heard by nobody.

        Raises:
            CallFailed: it answered with an error; `AUTH_REQUIRED` if it has to be let in first.
            AgentFailed: it does not answer, or does not come to an end; it is dismissed then.
        """
        self._listener.session = session = Session(kept)
        session.standing.accounted, session.standing.resumed = kept.cost, True
        try:
            params = {"sessionId": kept.session, **self._place()}
            told = await self.life.answer(way, params, _session_state)
            if way == "session/load":
                await self._hear_it_out()
        except AgentFailed:
            self._listener.session = None
            raise
        session.begin(told or SessionState())

    async def set_knob(self, name: str, knob: Knob, value: str) -> None:
        """Set something that can be chosen.

        Raises:
            CallFailed: it answered with an error.
            AgentFailed: it does not answer.
        """
        params = {"sessionId": self.session.id, **knob.params, knob.key: value}
        told = await self.life.answer(knob.method, params, _config_options)
        self.session.turned(name, value, None if told is None else told.config_options)

    async def prompt(self, turn: Turn, prompt: Prompt) -> str:
        """Have it work on one turn; see `Exchange.run`.

        Raises:
            SessionLost: it must be asked of another agent.
        """
        session, oddities = self.session, self.introduction.oddities
        before = session.kept.task
        session.keep(turn, begun=True, task=turn.task_id)
        translator = Translator(session.standing, oddities)
        self._listener.exchange = exchange = Exchange(
            turn,
            self._listener.connection,
            session.id,
            translator,
            Changes(self.cwd),
            self._limits,
            self._launch.env,
            self.cage,
        )
        self.life.take_up()
        try:
            return await exchange.run(prompt)
        except CallFailed as error:
            if error.code == NOT_FOUND and not translator.begun:
                self.life.dismiss()
                raise SessionLost from error
            if error.code in AUTH_REQUIRED:
                session.keep(turn, task=before)  # it has taken no prompt from somebody unknown
            raise
        finally:
            self._listener.exchange = None
            session.keep(turn, cost=session.standing.accounted)
            commands = any(tool.view.kind == "execute" for tool in translator.tools.values())
            if commands and exchange.broken_off and oddities.commands_outlive_turns:
                await self.life.end_with_commands()
            self.life.put_down(exchange.call)

    def say_goodbye(self) -> None:
        """Tell it, when it has been let go, that the session is over."""
        session = self._listener.session
        if session is not None and self.introduction.closes:
            self.life.say_at_last("session/close", {"sessionId": session.id})

    async def _hear_it_out(self) -> None:
        """Wait until it has nothing more to say of the past."""
        with trio.move_on_after(self._limits.start) as patience:
            await self._listener.wait_for_silence()
        if patience.cancelled_caught:
            self.life.dismiss()
            raise AgentFailed(
                f"The agent's past did not come to an end in {self._limits.start:g} s"
            )

    def _place(self) -> dict[str, Any]:
        """Where a session works, and with what."""
        servers = spell_servers(self._servers, self.introduction.reaches)
        return {"cwd": str(self.cwd), "mcpServers": servers}


async def keep_agent(
    launch: Launch,
    servers: tuple[McpServer, ...],
    cwd: Path,
    cage: Cage,
    limits: Limits,
    *,
    task_status: trio.TaskStatus[Agent] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Start an agent and keep it for as long as it lives; to be started with `nursery.start`.

    Raises:
        AgentFailed: it cannot be started. Once it is, how it ends is told by the calls to it.
    """
    mark = fresh_mark()
    env, secrets = {**launch.env, **mark}, secrets_in(servers)
    async with (
        open_child(cage.wrap(launch.command), cwd=cwd, env=env, secrets=secrets) as child,
        open_background() as nursery,
    ):
        listener = Listener(child, launch.offers)
        life = Life(child, listener.connection, mark, limits, nursery)
        agent = Agent(cwd, cage, life, listener, launch, servers, limits)
        task_status.started(agent)
        try:
            await life.live()
        finally:
            agent.say_goodbye()
