"""One prompt and the work on it: from session/prompt to its end, whoever ends it.

The reader of the connection calls `alive`, `heard`, `asked`, `withdrawn` and `completed`; all else
happens in the task of the turn. The agent ends the prompt, or we do: when it takes too long, or
when the turn is cancelled. Then the agent is told so and given a moment; if it does not listen, the
turn ends nevertheless, and `call` is left on its way for the session to see to.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

import trio
from attrs import define, evolve, field

from a2abackends.acp.changes import Changes
from a2abackends.acp.connection import Call, Connection
from a2abackends.acp.content import Prompt
from a2abackends.acp.elicitations import Elicitations
from a2abackends.acp.files import Files
from a2abackends.acp.gate import Gate
from a2abackends.acp.limits import MESSAGE, Limits, Patience
from a2abackends.acp.permissions import outcome_of, permission_of, unheard_words
from a2abackends.acp.requests import (
    CreateTerminal,
    Elicitation,
    KillTerminal,
    ReadFile,
    ReleaseTerminal,
    Request,
    TerminalOutput,
    WaitForExit,
    WriteFile,
)
from a2abackends.acp.terminals import Terminals
from a2abackends.acp.tools import ENDED, Tool
from a2abackends.acp.updates import Translator
from a2abackends.acp.wire import (
    AnyUpdate,
    PermissionRequest,
    PromptResult,
    ToolCallStart,
    ToolCallUpdate,
)
from a2abackends.sandbox import Cage
from a2acore.backend import AgentFailed, AgentRefused, Notice, Permission, Turn
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
    _environment: Mapping[str, str]
    """The agent's, of which a command that it has us run gets a little."""
    _cage: Cage
    """The agent's, and that of what is done for it."""
    call: Call = field(factory=Call)
    _patience: Patience = field(init=False)
    _nursery: trio.Nursery = field(init=False)
    _gate: Gate = field(init=False)
    _files: Files = field(init=False)
    _terminals: Terminals = field(init=False)
    _elicitations: Elicitations = field(init=False)
    broken_off: bool = False
    """It was not the agent that ended it."""
    _denied: set[str] = field(factory=set)
    _broken: Exception | None = None
    _volume: int = 0

    def __attrs_post_init__(self) -> None:
        self._patience = Patience(self._limits)
        self._gate = Gate(self._turn, self._connection, self._patience)
        self._files = Files(self._gate, self._cage)
        self._elicitations = Elicitations(self._gate)

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

    def alive(self, size: int) -> None:
        """The agent has sent something, whatever it is; `size` is in bytes."""
        self._patience.heard()
        self._volume += size + MESSAGE
        if self._volume > (most := self._limits.volume):
            words = f"The agent said more than {most / 2**20:g} MB in one turn and was stopped"
            self.broke(AgentFailed(words, stop_reason="limit"))

    async def heard(self, update: AnyUpdate) -> None:
        """Pass an update on."""
        if self._broken is not None:
            return
        for saying in self._translator.read(update):
            self._turn.say(saying)
        if isinstance(update, ToolCallStart | ToolCallUpdate):
            tool = self._translator.tools[update.tool_call_id]
            await self._changes.look(tool.paths)
            if tool.view.status in ENDED:
                await self._tell_changes(tool)

    async def asked(self, id: RpcId, request: Request, unheard: Any) -> None:
        """Take a request, and answer the agent when it is done; with `unheard` if it never is."""
        self._gate.admit(self._nursery, id, await self._work_of(request), unheard)

    def withdrawn(self, id: RpcId) -> None:
        """The agent no longer wants to know."""
        self._gate.withdraw(id)

    def completed(self, elicitation_id: str) -> None:
        """What the agent wanted to be done elsewhere is done."""
        self._elicitations.complete(elicitation_id)

    def broke(self, error: Exception) -> None:
        """Something went wrong on our side while the agent was listened to: the turn raises it."""
        self._broken = self._broken or error
        self._patience.turn.cancel()

    # In the task of the turn

    async def _converse(self, prompt: Prompt) -> None:
        async with trio.open_nursery() as self._nursery:
            self._terminals = Terminals(self._gate, self._nursery, self._environment, self._cage)
            params = {"sessionId": self._session_id, "prompt": prompt}
            self.call = self._connection.call("session/prompt", params)
            self._patience.begin()
            try:
                with self._patience.turn, self._patience.silence:
                    await self.call.ended.wait()
            finally:
                self._gate.close()
                if not self.call.ended.is_set():
                    await self._leave()
            self._nursery.cancel_scope.cancel()

    async def _leave(self) -> None:
        self.broken_off = True
        self._connection.notify("session/cancel", {"sessionId": self._session_id})
        with trio.move_on_after(self._limits.leaving, shield=True):
            await self.call.ended.wait()

    async def _work_of(self, request: Request) -> Callable[[], Awaitable[Any]]:
        """What a request has us do. What it says of a tool is taken in before anything that is
        said later."""
        match request:
            case PermissionRequest():
                return partial(self._permit, await self._permission(request))
            case Elicitation(tool_call_id=tool_call_id):
                tool = self._translator.tools.get(tool_call_id or "")
                view = None if tool is None else tool.view
                return partial(self._elicitations.create, request, view)
            case ReadFile():
                return partial(self._files.read, request)
            case WriteFile():
                return partial(self._files.write, request)
            case CreateTerminal():
                return partial(self._terminals.create, request)
            case TerminalOutput(terminal_id=terminal_id):
                return partial(self._terminals.output, terminal_id)
            case WaitForExit(terminal_id=terminal_id):
                return partial(self._terminals.wait_for_exit, terminal_id)
            case KillTerminal(terminal_id=terminal_id):
                return partial(self._terminals.kill, terminal_id)
            case ReleaseTerminal(terminal_id=terminal_id):
                return partial(self._terminals.release, terminal_id)

    async def _permission(self, request: PermissionRequest) -> Permission:
        tool = self._translator.tool(request.tool_call)
        await self._changes.look(tool.paths, early=True)
        changes = self._changes.proposed(tool.diffs)
        self._turn.say(tool.view)
        return permission_of(tool, request.options, changes, str(self._turn.workspace))

    async def _permit(self, permission: Permission) -> Any:
        answer = await self._gate.ask(permission)
        if not answer.allowed:
            self._denied.add(permission.tool.id)
            if (unheard := unheard_words(answer)) is not None:
                self._turn.say(unheard)
        return outcome_of(permission.options, answer)

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
        if count := self._changes.overlooked:
            text = f"Too many files for one turn: {count} were not looked at, and have no diffs"
            self._turn.say(Notice(text, "overlooked", {"files": count}))
        # An agent that was left may go on with new ones.
        for tool in list(self._translator.tools.values()):
            if tool.view.status not in ENDED:
                await self._tell_changes(tool)
                if tool.view.id in self._denied:  # gemini never speaks of such a tool again
                    self._turn.say(evolve(tool.view, status="failed"))

    async def _tell_changes(self, tool: Tool) -> None:
        done = tool.view.status == "completed"
        for change in await self._changes.settle(tool.paths, tool.diffs, done=done):
            self._turn.say(change)
