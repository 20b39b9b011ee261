"""What an agent wants to be told: a form to fill in, or a page to be opened by the caller.

A form without fields is a yes-or-no: so a tool's server asks for consent, and it is shown as a
permission, with what is known of the tool. A page is never opened here.
"""

from __future__ import annotations

from typing import Any

import trio
from attrs import define, evolve, field

from a2abackends.acp.connection import Refused
from a2abackends.acp.gate import Gate
from a2abackends.acp.requests import Elicitation
from a2abackends.acp.wire import look
from a2acore.backend import Answer, Credential, Permission, Question, ToolCall
from a2acore.errors import InvalidParams


@define(eq=False)
class Elicitations:
    """The elicitations of one turn."""

    _gate: Gate
    _pages: dict[str, trio.CancelScope] = field(factory=dict)
    """Those that wait for something to be done on a page, by the agent's id."""
    _done: set[str] = field(factory=set)
    """Where it was done; that may be told before we have got to asking."""

    async def create(self, request: Elicitation, tool: ToolCall | None) -> dict[str, Any]:
        """elicitation/create; `tool` is the call that it belongs to.

        Raises:
            Refused: it is of a mode that nobody knows.
        """
        if request.mode == "form" and request.requested_schema is not None:
            if not request.requested_schema.get("properties"):
                return _reply(await self._gate.ask(_consent(request, tool)), {})
            question = Question(request.message, schema=request.requested_schema)
            answer = await self._gate.ask(question)
            return _reply(answer, answer.data)
        if request.mode == "url" and request.url is not None:
            return await self._page(request, request.url)
        raise Refused(InvalidParams.code, f"Invalid params: no elicitation by {request.mode!r}")

    def complete(self, elicitation_id: str) -> None:
        """elicitation/complete: it was done there, whatever the caller says of it here."""
        self._done.add(elicitation_id)
        if (scope := self._pages.get(elicitation_id)) is not None:
            scope.cancel()

    async def _page(self, request: Elicitation, url: str) -> dict[str, Any]:
        reply: dict[str, Any] = {"action": "accept"}
        key = request.elicitation_id or url
        if key in self._done:
            return reply
        self._pages[key] = scope = trio.CancelScope()
        try:
            with scope:
                reply = _reply(await self._gate.ask(Credential(request.message, url)))
        finally:
            self._pages.pop(key, None)
        return reply


def _consent(request: Elicitation, tool: ToolCall | None) -> Permission:
    asked = tool or ToolCall(request.tool_call_id or "elicitation", kind="other")
    params = look(request.meta, "tool_params")  # codex, of a tool of an MCP server
    if params is not None and asked.input is None:
        asked = evolve(asked, input=params)
    return Permission(asked, description=request.message)


def _reply(answer: Answer, content: Any = None) -> dict[str, Any]:
    if not answer.allowed:
        return {"action": "decline"}
    return {"action": "accept"} if content is None else {"action": "accept", "content": content}
