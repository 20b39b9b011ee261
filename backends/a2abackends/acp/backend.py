"""The backend for every agent that speaks the Agent Client Protocol over its stdin and stdout.

Each context has an agent of its own: a process that is started for its first turn, outlives it,
and is there for the next. Nothing is shared between contexts, so none can hold up another.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import attrs
import trio
from attrs import define, evolve, field

from a2abackends.acp.agent import Agent, SessionLost, keep_agent
from a2abackends.acp.choices import Unsupported
from a2abackends.acp.connection import CallFailed
from a2abackends.acp.content import Prompt
from a2abackends.acp.kept import Kept, kept_of
from a2abackends.acp.limits import USUAL, Limits
from a2abackends.acp.prompt import make_prompt
from a2abackends.acp.revival import GO_ON, interrupted, revive
from a2abackends.acp.setting import set_up
from a2abackends.acp.wire import AUTH_REQUIRED
from a2abackends.launch import Launch, find_launch
from a2abackends.orphans import end_orphans
from a2abackends.process import open_background
from a2abackends.sandbox import Cage, LooserSandbox, Sandbox, held_to
from a2acore.backend import (
    AgentFailed,
    AgentInfo,
    Backend,
    BadSettings,
    Choices,
    Credential,
    Notice,
    Settings,
    Turn,
)

INPUT_MODES = ("text/plain", "application/json", "*/*")

T = TypeVar("T")


@define(eq=False)
class Seat:
    """The place of one context."""

    taken: trio.Lock = field(factory=trio.Lock)
    agent: Agent | None = None

    @property
    def is_empty(self) -> bool:
        return not self.taken.locked() and (self.agent is None or self.agent.life.gone)


@define(eq=False)
class AcpBackend:
    """Runs turns with one kind of agent; to be had from `open_acp`."""

    info: AgentInfo
    _settings: Settings
    _launch: Launch
    _sandbox: Sandbox
    _limits: Limits
    _nursery: trio.Nursery
    _cleared: trio.Event = field(factory=trio.Event)
    """Set when nobody is left whom a dead server has left at the same sessions and files."""
    _seats: dict[str, Seat] = field(factory=dict)
    """By conversation, the one that was used last at the end."""

    async def clear(self) -> None:
        """End what a dead server has left: to be called once, beside the first turns."""
        try:
            await trio.to_thread.run_sync(end_orphans, abandon_on_cancel=True)
        finally:
            self._cleared.set()

    async def run(self, turn: Turn) -> str | None:
        async with self._seated(turn) as seat:
            return await self._work(seat, turn)

    async def resume(self, turn: Turn) -> str | None:
        kept = kept_of(turn.session)
        if kept is None:
            raise interrupted("no session of its agent was kept")
        if kept.task != turn.task_id:
            # It was the agent's door at which it waited: the agent has not heard of it yet.
            return await self.run(turn)
        async with self._seated(turn) as seat:
            return await self._go_on(seat, turn, kept)

    @asynccontextmanager
    async def _seated(self, turn: Turn) -> AsyncIterator[Seat]:
        """The seat of a context, for one turn at a time."""
        seat = self._seats.pop(turn.conversation, None) or Seat()
        self._seats[turn.conversation] = seat
        try:
            async with seat.taken:
                try:
                    yield seat
                finally:
                    if seat.agent is not None and not seat.agent.life.gone:
                        seat.agent.life.rest()
        finally:
            self._clear_up()

    async def _work(self, seat: Seat, turn: Turn) -> str:
        prompt: Prompt | None = None
        # An agent may have forgotten what it was just asked to go on with: then it begins anew.
        for fresh in (False, False, True):
            agent = await self._agent_for(seat, turn, fresh=fresh)
            await self._let_in(turn, agent, partial(set_up, agent, turn, self._settings.choices))
            if prompt is None:
                prompt = await make_prompt(turn, agent.introduction.takes)
            try:
                return await self._let_in(turn, agent, partial(agent.prompt, turn, prompt))
            except SessionLost:
                pass
        raise AgentFailed("The agent forgets its sessions as it makes them")

    async def _go_on(self, seat: Seat, turn: Turn, kept: Kept) -> str:
        """Have the agent go on with a turn in its own session, and in no other.

        Raises:
            AgentFailed: that cannot be had any more.
        """
        async with self._starting(turn, await self._cage(turn)) as agent:
            attempt = partial(revive, agent, kept, turn, self._limits.minute)
            if lost := await self._let_in(turn, agent, attempt):
                raise interrupted(lost)
            seat.agent = agent
        await self._let_in(turn, agent, partial(set_up, agent, turn, self._settings.choices))
        turn.say(Notice("The agent goes on from where the server was restarted", "resumed"))
        try:
            return await self._let_in(turn, agent, partial(agent.prompt, turn, GO_ON))
        except SessionLost as error:
            raise interrupted("the agent has forgotten it") from error

    async def _agent_for(self, seat: Seat, turn: Turn, *, fresh: bool) -> Agent:
        """The agent of a context: the one that is there, or a new one in its place."""
        agent, cage = seat.agent, await self._cage(turn)
        if agent is not None:
            await agent.life.settled.wait()
            fits = (agent.cwd, agent.cage.level) == (turn.workspace, cage.level)
            if fits and not agent.life.gone:
                agent.life.wake()
                return agent
            agent.life.dismiss()
        seat.agent = agent = await self._start(turn, cage, fresh=fresh)
        return agent

    async def _cage(self, turn: Turn) -> Cage:
        """The cage for the agent of a turn.

        Raises:
            Unsupported: the request wants it freer than it may be, or there is no such sandbox.
        """
        try:
            level = held_to(self._settings.choices.sandbox, turn.choices.sandbox)
            return await self._sandbox.cage(level, turn.workspace)
        except (BadSettings, LooserSandbox) as error:
            raise Unsupported(str(error)) from error

    async def _start(self, turn: Turn, cage: Cage, *, fresh: bool) -> Agent:
        """A new agent, with the session of this conversation, if that can be had."""
        kept, lost = kept_of(turn.session), "the agent has forgotten it"
        async with self._starting(turn, cage) as agent:
            if kept is not None and not fresh:
                attempt = partial(revive, agent, kept, turn, self._limits.minute)
                lost = await self._let_in(turn, agent, attempt)
                if not lost:
                    return agent
            if not agent.life.gone:
                await self._begin(turn, agent, kept, lost)
                return agent
        async with self._starting(turn, cage) as agent:
            await self._begin(turn, agent, kept, lost)
            return agent

    async def _begin(self, turn: Turn, agent: Agent, kept: Kept | None, lost: str) -> None:
        await self._let_in(turn, agent, agent.open_session)
        agent.session.keep(turn)
        if kept is not None and kept.begun:
            text = f"The agent has lost the conversation before this turn: {lost}"
            turn.say(Notice(text, "memory_lost"))

    @asynccontextmanager
    async def _starting(self, turn: Turn, cage: Cage) -> AsyncIterator[Agent]:
        """Start an agent that knows who we are; unless the block ends well, it is let go."""
        await self._cleared.wait()
        # A matter of milliseconds; cancelled in the middle of it, it would be waited for until the
        # half-born process has politely ended.
        with trio.CancelScope(shield=True):
            agent: Agent = await self._nursery.start(
                keep_agent,
                self._launch,
                self._settings.mcp_servers,
                turn.workspace,
                cage,
                self._limits,
            )
        ready = False
        try:
            await agent.initialize()
            yield agent
            ready = True
        finally:
            if not ready:
                agent.life.dismiss()
        who = agent.introduction.who
        name = self._launch.title or who.title or who.name or self.info.name
        self.info = evolve(self.info, name=name, version=who.version or "")

    async def _let_in(self, turn: Turn, agent: Agent, attempt: Callable[[], Awaitable[T]]) -> T:
        """Try something, again and again while the agent says that it has to be let in first."""
        while True:
            try:
                return await attempt()
            except CallFailed as error:
                if error.code not in AUTH_REQUIRED:
                    raise
                question = agent.introduction.door(error)
                answer = await turn.ask(Credential(question))
                if not answer.allowed:
                    raise

    def _clear_up(self) -> None:
        """A turn is over: of the agents that have time, those that had it longest may have to go,
        and the seats of those that have gone are taken away."""
        resting = [
            seat.agent
            for seat in self._seats.values()
            if seat.agent is not None and seat.agent.life.resting and not seat.agent.life.gone
        ]
        for agent in resting[: max(0, len(resting) - self._limits.warm)]:
            agent.life.dismiss()
        self._seats = {key: seat for key, seat in self._seats.items() if not seat.is_empty}


@asynccontextmanager
async def open_acp(settings: Settings, limits: Limits = USUAL) -> AsyncIterator[Backend]:
    """Open the backend; no agent is started before it is needed.

    Raises:
        BadSettings: there is no such agent, it is not installed, or it cannot be confined.
    """
    launch = find_launch(settings)
    sandbox = Sandbox(settings, launch)
    await sandbox.cage(held_to(settings.choices.sandbox), settings.workspace)
    name = launch.title or Path(launch.command[0]).name
    info = AgentInfo(
        name,
        f"{name}, a coding agent at work in a directory",
        input_modes=INPUT_MODES,
        # Which of them there are is known when an agent runs: what it has not, it refuses.
        choices=frozenset(attrs.fields_dict(Choices)),
    )
    async with open_background() as nursery:
        backend = AcpBackend(info, settings, launch, sandbox, limits, nursery)
        nursery.start_soon(backend.clear)
        yield backend
