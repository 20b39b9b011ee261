"""The backend for every agent that speaks the Agent Client Protocol over its stdin and stdout.

Each context has an agent of its own: a process that is started for its first turn, outlives it,
and is there for the next. Nothing is shared between contexts, so none can hold up another.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import trio
from attrs import define, evolve, field

from a2abackends.acp.connection import CallFailed
from a2abackends.acp.content import Prompt, prompt_of
from a2abackends.acp.limits import USUAL, Limits
from a2abackends.acp.session import Agent, SessionLost, keep_agent
from a2abackends.acp.wire import AUTH_REQUIRED
from a2abackends.presets import Launch, find_launch
from a2abackends.process import open_background
from a2acore.backend import (
    AgentFailed,
    AgentInfo,
    Backend,
    Credential,
    Notice,
    Settings,
    Turn,
)

SEATS = 10_000
"""Contexts that are remembered at all; of an older one it is not known that it had a past."""
INPUT_MODES = (
    "text/plain",
    "text/markdown",
    "application/json",
    "image/png",
    "image/jpeg",
    "image/gif",
    "image/webp",
)

T = TypeVar("T")


@define(eq=False)
class Seat:
    """The place of one context."""

    taken: trio.Lock = field(factory=trio.Lock)
    agent: Agent | None = None
    used: bool = False
    """There was a conversation here, which the agent has to know to go on with it."""


@define(eq=False)
class AcpBackend:
    """Runs turns with one kind of agent; to be had from `open_acp`."""

    info: AgentInfo
    _launch: Launch
    _limits: Limits
    _nursery: trio.Nursery
    _seats: dict[str, Seat] = field(factory=dict)
    """By conversation, the one that was used last at the end."""

    async def run(self, turn: Turn) -> str | None:
        seat = self._seats.pop(turn.conversation, None) or Seat()
        self._seats[turn.conversation] = seat
        async with seat.taken:
            try:
                return await self._work(seat, turn)
            finally:
                self._let_rest(seat)

    async def _work(self, seat: Seat, turn: Turn) -> str:
        agent = await self._agent_for(seat, turn)
        prompt = _prompt(agent, turn)
        try:
            return await self._prompt(seat, agent, turn, prompt)
        except SessionLost:
            agent = await self._agent_for(seat, turn)
        try:
            return await self._prompt(seat, agent, turn, prompt)
        except SessionLost as error:
            raise AgentFailed("The agent forgets its sessions as it makes them") from error

    async def _prompt(self, seat: Seat, agent: Agent, turn: Turn, prompt: Prompt) -> str:
        seat.used = True
        return await self._let_in(turn, agent, lambda: agent.prompt(turn, prompt))

    async def _agent_for(self, seat: Seat, turn: Turn) -> Agent:
        """The agent of a context: the one that is there, or a new one in its place."""
        agent = seat.agent
        if agent is not None:
            await agent.settled.wait()
            if not agent.gone and agent.cwd == turn.workspace:
                agent.wake()
                return agent
            agent.dismiss()
        seat.agent = agent = await self._start(turn)
        if seat.used:
            turn.say(Notice("The agent has lost the conversation before this turn", "memory_lost"))
        return agent

    async def _start(self, turn: Turn) -> Agent:
        # A matter of milliseconds; cancelled in the middle of it, it would be waited for until the
        # half-born process has politely ended.
        with trio.CancelScope(shield=True):
            agent: Agent = await self._nursery.start(
                keep_agent, self._launch, turn.workspace, self._limits
            )
        ready = False
        try:
            await agent.initialize()
            await self._let_in(turn, agent, agent.open_session)
            ready = True
        finally:
            if not ready:
                agent.dismiss()
        who = agent.who
        self.info = evolve(
            self.info,
            name=self._launch.title or who.title or who.name or self.info.name,
            version=who.version or "",
        )
        return agent

    async def _let_in(self, turn: Turn, agent: Agent, attempt: Callable[[], Awaitable[T]]) -> T:
        """Try something, again and again while the agent says that it has to be let in first."""
        while True:
            try:
                return await attempt()
            except CallFailed as error:
                if error.code not in AUTH_REQUIRED:
                    raise
                question = agent.door(error)
            await turn.ask(Credential(question))

    def _let_rest(self, seat: Seat) -> None:
        """A turn is over: its agent has time, and the one that had it longest may have to go."""
        if seat.agent is not None and not seat.agent.gone:
            seat.agent.rest()
        resting: list[Agent] = [
            other.agent
            for other in self._seats.values()
            if other.agent is not None and other.agent.resting and not other.agent.gone
        ]
        for agent in resting[: max(0, len(resting) - self._limits.warm)]:
            agent.dismiss()
        for key in list(self._seats)[: max(0, len(self._seats) - SEATS)]:
            last = self._seats[key].agent
            if last is None or last.gone:
                del self._seats[key]


def _prompt(agent: Agent, turn: Turn) -> Prompt:
    prompt, notices = prompt_of(turn.message, agent.takes)
    for notice in notices:
        turn.say(notice)
    if not prompt:
        raise AgentFailed("Nothing in the message can be given to the agent", stop_reason="error")
    return prompt


@asynccontextmanager
async def open_acp(settings: Settings, limits: Limits = USUAL) -> AsyncIterator[Backend]:
    """Open the backend; no agent is started before it is needed.

    Raises:
        BadSettings: there is no such agent, or it is not installed.
    """
    launch = find_launch(settings)
    name = launch.title or Path(launch.command[0]).name
    info = AgentInfo(
        name, f"{name}, a coding agent at work in a directory", input_modes=INPUT_MODES
    )
    async with open_background() as nursery:
        yield AcpBackend(info, launch, limits, nursery)
