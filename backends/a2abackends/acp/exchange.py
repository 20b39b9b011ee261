"""One prompt and the work on it: from session/prompt to its end, whoever ends it.

The reader of the connection calls `alive`, `heard`, `asked` and `withdrawn`; all else happens in
the task of the turn. The agent ends the prompt, or we do: when it takes too long, or when the turn
is cancelled. Then the agent is told so and given a moment; if it does not listen, the turn ends
nevertheless, and `call` is left on its way for the session to see to.
"""

from __future__ import annotations

import trio
from attrs import define, evolve, field

from a2abackends.acp.changes import Changes
from a2abackends.acp.connection import Call, Connection
from a2abackends.acp.content import Prompt
from a2abackends.acp.limits import Limits, Patience
from a2abackends.acp.permissions import CANCELLED, outcome_of, permission_of
from a2abackends.acp.tools import ENDED, Tool
from a2abackends.acp.updates import Translator
from a2abackends.acp.wire import (
    AnyUpdate,
    PermissionRequest,
    PromptResult,
    ToolCallStart,
    ToolCallUpdate,
)
from a2acore.backend import AgentFailed, AgentRefused, Permission, Turn
from a2acore.jsonrpc import RpcId

LOOKING = 0.2
"""Seconds to look, at the end, at the files of tools that did not come to theirs."""


@define(eq=False)
class Exchange:
    """One prompt on its way."""

    _turn: Turn
    _connection: Connection
    _session_id: str
    _translator: Translator
    _changes: Changes
    _limits: Limits
    call: Call = field(factory=Call)
    _patience: Patience = field(init=False)
    _nursery: trio.Nursery = field(init=False)
    _asking: dict[RpcId, trio.CancelScope] = field(factory=dict)
    _denied: set[str] = field(factory=set)
    _over: bool = False
    _broken: Exception | None = None

    def __attrs_post_init__(self) -> None:
        self._patience = Patience(self._limits)

    async def run(self, prompt: Prompt) -> str:
        """Prompt the agent, pass on what it does, and return its stop reason.

        Raises:
            CallFailed: the agent answered with an error.
            AgentFailed: it is gone, it took too long, or it broke off.
            AgentRefused: it will not do it.
        """
        result: PromptResult | None = None
        try:
            await self._converse(prompt)
            if self._broken is not None:
                raise self._broken
            self._check_limits()
            result = await self.call.result(PromptResult)
            return self._stop_reason(result)
        finally:
            with trio.move_on_after(LOOKING, shield=True):
                await self._look_back()
            if (usage := self._translator.usage(result)) is not None:
                self._turn.say(usage)

    # What the reader calls

    def alive(self) -> None:
        """The agent has sent something, whatever it is."""
        self._patience.heard()

    async def heard(self, update: AnyUpdate) -> None:
        """Pass an update on."""
        for saying in self._translator.read(update):
            self._turn.say(saying)
        if isinstance(update, ToolCallStart | ToolCallUpdate):
            tool = self._translator.tools[update.tool_call_id]
            await self._changes.look(tool.paths)
            if tool.view.status in ENDED:
                await self._tell_changes(tool)

    async def asked(self, id: RpcId, request: PermissionRequest) -> None:
        """Ask the caller for a permission, and answer the agent when there is an answer."""
        tool = self._translator.tool(request.tool_call)
        await self._changes.look(tool.paths, early=True)
        if self._over:
            self._connection.answer(id, CANCELLED)
            return
        changes = self._changes.proposed(tool.diffs)
        permission = permission_of(tool, request.options, changes, str(self._turn.workspace))
        self._turn.say(tool.view)
        self._asking[id] = scope = trio.CancelScope()
        self._nursery.start_soon(self._ask, id, permission, scope)

    def withdrawn(self, id: RpcId) -> None:
        """The agent no longer wants to know."""
        if (scope := self._asking.get(id)) is not None:
            scope.cancel()

    def broke(self, error: Exception) -> None:
        """Something went wrong on our side while the agent was listened to: the turn raises it."""
        self._broken = error
        self._patience.turn.cancel()

    # In the task of the turn

    async def _converse(self, prompt: Prompt) -> None:
        async with trio.open_nursery() as self._nursery:
            params = {"sessionId": self._session_id, "prompt": prompt}
            self.call = self._connection.call("session/prompt", params)
            self._patience.begin()
            try:
                with self._patience.turn, self._patience.silence:
                    await self.call.ended.wait()
            finally:
                self._over = True
                if not self.call.ended.is_set():
                    await self._leave()
            self._nursery.cancel_scope.cancel()

    async def _leave(self) -> None:
        for id in list(self._asking):
            self.withdrawn(id)
        self._connection.notify("session/cancel", {"sessionId": self._session_id})
        with trio.move_on_after(self._limits.leaving, shield=True):
            await self.call.ended.wait()

    async def _ask(self, id: RpcId, permission: Permission, scope: trio.CancelScope) -> None:
        outcome = CANCELLED
        try:
            with scope, self._patience.paused():
                answer = await self._turn.ask(permission)
                outcome = outcome_of(permission.options, answer)
                if not answer.allowed:
                    self._denied.add(permission.tool.id)
        finally:
            self._asking.pop(id, None)
            self._connection.answer(id, outcome)

    def _check_limits(self) -> None:
        for scope, what, limit in (
            (self._patience.silence, "said nothing for", self._limits.silence),
            (self._patience.turn, "was not done after", self._limits.turn),
        ):
            if scope.cancelled_caught:
                raise AgentFailed(
                    f"The agent {what} {limit:g} s and was stopped", stop_reason="limit"
                )

    def _stop_reason(self, result: PromptResult) -> str:
        match result.stop_reason:
            case "end_turn":
                if (error := self._translator.disguised_error(result)) is not None:
                    raise AgentFailed(error, stop_reason="error")
            case "refusal":
                raise AgentRefused("The agent refuses to do this")
            case "max_tokens":
                raise AgentFailed(
                    "The agent's model reached its token limit before it was done",
                    stop_reason="max_tokens",
                )
            case "max_turn_requests":
                raise AgentFailed(
                    "The agent reached the number of model calls that a turn may make",
                    stop_reason="max_turn_requests",
                )
            case "cancelled" if not self._denied:
                raise AgentFailed("The agent broke off by itself", stop_reason="cancelled")
        return result.stop_reason

    async def _look_back(self) -> None:
        """See to the tools that never came to an end."""
        for tool in self._translator.tools.values():
            if tool.view.status not in ENDED:
                await self._tell_changes(tool)
                if tool.view.id in self._denied:  # gemini never speaks of such a tool again
                    self._turn.say(evolve(tool.view, status="failed"))

    async def _tell_changes(self, tool: Tool) -> None:
        done = tool.view.status == "completed"
        for change in await self._changes.settle(tool.paths, tool.diffs, done=done):
            self._turn.say(change)
