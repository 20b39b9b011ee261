"""Tool calls, put together from what is said of them bit by bit. Pure.

Agents tell of a tool in pieces and in any order: claude announces "Terminal" and says later what
it runs, gemini says nothing before it asks for permission, codex sends the output as bits of a
terminal that is not there. Here each call is one view, whole at any time.
"""

from __future__ import annotations

from typing import Any, TypeVar, get_args

import msgspec
from attrs import define, evolve, field

from a2abackends.acp.changes import Diff
from a2abackends.acp.wire import MANY, PlanStep, ToolCallFields, ToolContent, ToolLocation, look
from a2acore.backend import Location, ToolCall, ToolKind, ToolStatus

LONGEST_OUTPUT = 64 * 1024
"""Characters of a tool's output that are kept: its end, where the result and the errors are."""
ENDED = frozenset({"completed", "failed", "cancelled"})
WRITING = frozenset({"edit", "delete", "move", "execute"})
"""The kinds of tools that may change the files that they name as their locations."""

_KINDS: dict[str | None, ToolKind] = {kind: kind for kind in get_args(ToolKind)}
_STATUSES: dict[str | None, ToolStatus] = {status: status for status in get_args(ToolStatus)}

T = TypeVar("T")


@define(eq=False)
class Tool:
    """One tool call: what the caller sees of it, and what else was shown."""

    view: ToolCall
    content: list[ToolContent] = field(factory=list)
    _streamed: str = ""
    _raw_output: Any = None

    @property
    def text(self) -> str:
        """The text among what it shows."""
        texts = (item.content.text for item in self.content if item.content is not None)
        return "\n".join(text for text in texts if text)

    @property
    def diffs(self) -> list[Diff]:
        """The changes of files among what it shows."""
        shown = [
            Diff(item.path, item.old_text, item.new_text or "")
            for item in self.content
            if item.type == "diff" and item.path
        ]
        return shown or self._new_file()

    @property
    def todos(self) -> list[PlanStep]:
        """The plan that the agent writes down with it, if it is a tool for that.

        opencode and newer versions of claude tell of their plan in no other way. A step that was
        given up is none any more.
        """
        told = look(self.view.input, "todos")
        steps = _read_list(told, PlanStep) if isinstance(told, list) else []
        return [step for step in steps if step.status != "cancelled"]

    def _new_file(self) -> list[Diff]:
        # opencode, when it need not ask, tells of a new file only after it is written, and then
        # without a diff.
        path, text = look(self.view.input, "filePath"), look(self.view.input, "content")
        is_new = look(self._raw_output, "metadata", "exists") is False
        if is_new and isinstance(path, str) and isinstance(text, str):
            return [Diff(path, None, text)]
        return []

    @property
    def paths(self) -> set[str]:
        """The files that it may change."""
        named = {diff.path for diff in self.diffs}
        if self.view.kind in WRITING:
            named |= {location.path for location in self.view.locations}
        return named

    def merge(self, said: ToolCallFields) -> None:
        """Take in what was said. What is not said, or said empty, stays as it was known."""
        if said.content is not None:
            self.content = _read_list(said.content, ToolContent)
        if said.raw_output is not None:
            self._raw_output = said.raw_output
        delta = look(said.meta, "terminal_output_delta", "data")
        if isinstance(delta, str):
            self._streamed = (self._streamed + delta)[-LONGEST_OUTPUT:]
        view = self.view
        places = _read_list((said.locations or [])[:MANY], ToolLocation)
        self.view = evolve(
            view,
            title=said.title or view.title,
            name=said.name or _text(look(said.meta, "claudeCode", "toolName")) or view.name,
            kind=_KINDS.get(said.kind, view.kind),
            status=_STATUSES.get(said.status, view.status),
            input=_merged(view.input, said.raw_input),
            locations=tuple(Location(p.path, p.line) for p in places) or view.locations,
            exit_code=self._exit_code(said, view.exit_code),
        )
        self.view = evolve(self.view, output=self._output())

    def _output(self) -> str:
        # What stands in `content` of a pending tool tells what it will do, not what came of it;
        # claude never takes it away, and gives the result in rawOutput.
        if self._streamed:
            return self._streamed
        raw = self._raw_output
        if isinstance(raw, str):
            return raw[-LONGEST_OUTPUT:]
        if self.view.status != "pending" and self.text:
            return self.text[-LONGEST_OUTPUT:]
        told = look(raw, "output") or look(raw, "error")
        return told[-LONGEST_OUTPUT:] if isinstance(told, str) else ""

    def _exit_code(self, said: ToolCallFields, known: int | None) -> int | None:
        for code in (
            look(said.meta, "terminal_exit", "exit_code"),
            look(said.raw_output, "exit_code"),
            look(said.raw_output, "metadata", "exit"),
        ):
            if type(code) is int:
                return code
        return known


def _text(said: Any) -> str:
    return said if isinstance(said, str) else ""


def _merged(known: Any, said: Any) -> Any:
    """The input, as far as it is known: opencode leaves out in one message what it said before."""
    if isinstance(known, dict) and isinstance(said, dict):
        return {**known, **said}
    return known if said is None or said == {} else said


def _read_list(items: list[Any], shape: type[T]) -> list[T]:
    read = []
    for item in items:
        try:
            read.append(msgspec.convert(item, shape))
        except msgspec.ValidationError:
            continue  # of a form that only this agent knows
    return read
