"""The life of an agent's process between its start and its end: how long it is kept, what is waited
for, and how it is let go."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Any, TypeVar

import trio
from attrs import define, field

from a2abackends.acp.connection import Call, Connection
from a2abackends.acp.limits import Limits
from a2abackends.process import Child
from a2abackends.tree import kill_tree
from a2acore import jsonrpc
from a2acore.backend import AgentFailed

LAST_LOOK = 0.2
"""Seconds to look for the processes that a cancelled turn has left: it has to end within one."""

T = TypeVar("T")


@define(eq=False)
class Life:
    """One agent's; it is over when `live` returns."""

    _child: Child
    _connection: Connection
    _mark: Mapping[str, str]
    """By which the processes that come of it are found."""
    _limits: Limits
    _nursery: trio.Nursery
    resting: bool = False
    settled: trio.Event = field(factory=trio.Event)
    """Set while no prompt is on its way: neither one of a turn nor one that a turn has left."""
    _ended: bool = False
    _scope: trio.CancelScope = field(factory=trio.CancelScope)

    def __attrs_post_init__(self) -> None:
        self.settled.set()

    @property
    def gone(self) -> bool:
        """It has ended or is ending; whoever wants to go on needs another one."""
        return self._ended or self._scope.cancel_called

    async def live(self) -> None:
        """Listen to it until it ends, is dismissed or has rested too long."""
        try:
            with self._scope:
                await self._connection.run()
        finally:
            self._ended = True

    def wake(self) -> None:
        """It is needed."""
        self.resting, self._scope.deadline = False, math.inf

    def rest(self) -> None:
        """It has nothing to do until `wake`, and is dismissed if that takes long."""
        self.resting, self._scope.deadline = True, trio.current_time() + self._limits.idle

    def dismiss(self) -> None:
        """Let it end, politely, in its own time."""
        self._scope.cancel()

    async def answer(
        self, method: str, params: Any, shape: type[T], within: float | None = None
    ) -> T:
        """Call it, and wait for its answer. If that is not waited for to its end, it is dismissed:
        who knows what it has done, and whoever comes next would hear what it says later.

        Raises:
            CallFailed: it answered with an error.
            AgentFailed: it does not answer, or is gone.
        """
        within = within or self._limits.start
        call = self._connection.call(method, params)
        try:
            with trio.move_on_after(within):
                return await call.result(shape)
        finally:
            if not call.ended.is_set():
                self.dismiss()
        silence = f"The agent did not answer {method} in {within:g} s"
        raise AgentFailed("\n".join([silence, *self._child.last_words()]), stop_reason="limit")

    def say_at_last(self, method: str, params: Any) -> None:
        """A call of which nobody hears the answer: behind it ends the agent's input."""
        self._child.send(jsonrpc.request("goodbye", method, params))

    def take_up(self) -> None:
        """A prompt is on its way, to be followed by `put_down`."""
        self.settled = trio.Event()

    def put_down(self, call: Call) -> None:
        """The turn of a prompt is over; it may have left its call on its way."""
        if call.ended.is_set():
            self.settled.set()
        else:
            self._nursery.start_soon(self._settle, call)

    async def end_with_commands(self) -> None:
        """End it at once, and all that it has started: the next turn has another one."""
        if self._child.exited.is_set():
            return
        self._ended = True
        with trio.move_on_after(LAST_LOOK, shield=True):
            await trio.to_thread.run_sync(
                partial(kill_tree, self._child.pid, self._mark, reaped=False),
                abandon_on_cancel=True,
            )
        self._child.kill("was ended, and its commands with it")

    async def _settle(self, call: Call) -> None:
        """Wait for the end of a prompt that its turn has left, and make one if need be."""
        try:
            with trio.move_on_after(self._limits.settling):
                await call.ended.wait()
            if not call.ended.is_set():
                self._ended = True
                self._child.kill("did not stop when it was cancelled")
        finally:
            self.settled.set()  # also when it ends just now: nobody is to wait for that for ever
