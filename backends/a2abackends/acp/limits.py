"""How long things may take, and how many agents may wait for more to do."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import trio
from attrs import define, field, frozen

MESSAGE = 1024
"""Bytes that a message counts beside its own, since that is what it takes to keep it."""


@frozen
class Limits:
    """All in seconds, but for `warm` and `volume`."""

    start: float = 60.0
    """For each of an agent's answers on the way to a prompt, from its start on."""
    download: float = 600.0
    """For the first of them, where it may have to be fetched: the packages have up to 460 MB."""
    minute: float = 60.0
    """How long one name lasts, where sessions are named by the minute; see `Oddities`."""
    silence: float = 600.0
    """Between two messages of an agent in the middle of a prompt."""
    turn: float = 3600.0
    """A whole turn, without the time that the caller takes to answer."""
    idle: float = 900.0
    """That an agent with nothing to do is kept."""
    warm: int = 16
    """Agents with nothing to do that are kept; one takes 150 to 700 MB."""
    volume: int = 512 * 1024 * 1024
    """Bytes that an agent may say in one turn, for it is kept in memory; see `MESSAGE`."""
    leaving: float = 0.7
    """For an agent to end a cancelled prompt before the turn ends without it: a turn has to end
    within a second of its cancellation."""
    settling: float = 5.0
    """For it to end that prompt at all, before it is killed."""


USUAL = Limits()


@define(eq=False)
class Patience:
    """Two deadlines of one turn, that stand still while the caller is asked something."""

    _limits: Limits
    turn: trio.CancelScope = field(factory=trio.CancelScope)
    silence: trio.CancelScope = field(factory=trio.CancelScope)
    _left: float = 0.0
    _asking: int = 0

    def begin(self) -> None:
        self.turn.deadline = trio.current_time() + self._limits.turn
        self.heard()

    def heard(self) -> None:
        """The agent is there."""
        if not self._asking:
            self.silence.deadline = trio.current_time() + self._limits.silence

    @contextmanager
    def paused(self) -> Iterator[None]:
        """While the caller is asked; several may be asked at once."""
        if not self._asking:
            self._left = self.turn.deadline - trio.current_time()
            self.turn.deadline = self.silence.deadline = math.inf
        self._asking += 1
        try:
            yield
        finally:
            self._asking -= 1
            if not self._asking:
                self.turn.deadline = trio.current_time() + self._left
                self.heard()
