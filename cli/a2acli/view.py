"""What a person sees of a task: its answer on stdout, everything else on stderr.

So `a2acode call ... > answer.txt` holds the answer alone. Agents of ours tell what each event is,
under our extension; of others the texts are shown. Nothing that an agent says reaches the terminal
as anything but text.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, Protocol, TextIO

from attrs import define, field
from msgspec import UNSET
from rich.console import Console
from rich.text import Text

from a2acli.pause import Pause, Say
from a2acli.plain import one_line, plain
from a2acli.said import said, texts, words
from a2acli.target import Target
from a2acore.lifecycle import ENDS
from a2acore.model import (
    Artifact,
    Event,
    Message,
    Part,
    Task,
    TaskArtifactUpdateEvent,
    TaskState,
    TaskStatus,
    TaskStatusUpdateEvent,
)

DIFF_STYLES = {"+": "green", "-": "red", "@": "cyan"}
TOOL_ENDS = {"completed": ("✓", "green"), "failed": ("✗", "red"), "cancelled": ("✗", "yellow")}
STATES = {state: state.name.lower().replace("_", " ") for state in TaskState}


class Watching(Protocol):
    """Somebody who is shown what happens to a task."""

    def show(self, event: Event) -> None:
        """An event."""

    def ask(self, pause: Pause) -> None:
        """The task waits for the caller."""

    def answered(self, answer: Say) -> None:
        """The caller has answered."""

    def leave(self, pause: Pause) -> None:
        """Nobody answers; somebody may later."""

    def end(self) -> None:
        """There is no more to come."""


def make_console(file: TextIO) -> Console:
    """A console that prints what it is given: no markup, no colour of its own invention."""
    return Console(file=file, markup=False, highlight=False, emoji=False, soft_wrap=True)


@define(eq=False)
class View:
    """One task, as a person watches it."""

    _out: TextIO
    _err: TextIO
    _target: Target
    _console: Console = field(init=False)
    _since: float = field(factory=time.monotonic)
    _task_id: str = ""
    _kinds: dict[str, str] = field(factory=dict)
    """The kind of each artifact: only its first piece tells it."""
    _shown: dict[str, str] = field(factory=dict)
    """The text shown of each artifact."""
    _tools: dict[str, bool] = field(factory=dict)
    """Each tool that was shown, and whether it has ended."""
    _current: str = ""
    """Which artifact or message the answer was last added to."""
    _out_open: bool = False
    _err_open: bool = False
    """Whether the last line there has no end yet."""
    _answered: bool = False
    _last: TaskStatus | None = None

    def __attrs_post_init__(self) -> None:
        self._console = make_console(self._err)

    def show(self, event: Event) -> None:
        match event:
            case Message():
                self._answer(event.message_id, texts(event.parts))
                self._others(event.message_id, event.parts)
            case Task():
                self._introduce(event.id, event.context_id)
                for artifact in event.artifacts:
                    self._artifact(artifact, append=False)
                self._status(event.status)
            case TaskStatusUpdateEvent():
                self._introduce(event.task_id, event.context_id)
                self._status(event.status)
            case TaskArtifactUpdateEvent():
                self._introduce(event.task_id, event.context_id)
                self._artifact(event.artifact, append=event.append)

    def ask(self, pause: Pause) -> None:
        self.line(f"? {STATES[pause.state]}", "bold yellow")
        for row in plain(pause.text).split("\n"):
            # The server marks the lines of a block; a changed line of a diff keeps its colour.
            _, block, line = row.partition("  | ")
            self.line(f"  {row}", DIFF_STYLES.get(line[:1], "") if block else "")

    def leave(self, pause: Pause) -> None:
        self.line("  to answer, run one of:", "dim")
        for command in pause.commands(self._target):
            self.line(f"    {one_line(command)}")

    def answered(self, answer: Say) -> None:
        self.line(f"> {one_line(answer.words)}", "bold")

    def end(self) -> None:
        """Close the answer, and say how the task stands."""
        self._end_answer()
        if self._last is None:
            return
        state, message = self._last.state, self._last.message
        style = {TaskState.COMPLETED: "green"}.get(state, "red" if state in ENDS else "yellow")
        if state in ENDS and state is not TaskState.COMPLETED and message is not None:
            for row in plain(texts(message.parts)).strip().split("\n"):
                self.line(f"! {row}", style)
        usage = said(message).get("usage")
        facts = _usage(usage if isinstance(usage, dict) else {})
        seconds = f"{time.monotonic() - self._since:.1f} s"
        self.line(" · ".join([STATES[state], *facts, seconds]), style)

    def line(self, text: str, style: str = "") -> None:
        """One line of talk."""
        self._end_lines()
        self._console.print(Text(text, style))

    def _introduce(self, task_id: str, context_id: str) -> None:
        if task_id != self._task_id:
            self._task_id = task_id
            self.line(f"task {one_line(task_id)} in context {one_line(context_id)}", "dim")

    def _status(self, status: TaskStatus) -> None:
        before = self._last and self._last.message
        self._last = status
        message = status.message
        # A snapshot may say again what was just said.
        if message is None or message == before:
            return
        data = said(message)
        match words(data, "kind"):
            case "tool":
                self._tool(data)
            case "permission" | "question" | "credential" | "end":
                pass  # shown by `ask` and `end`
            case "":
                self._remark(status.state, texts(message.parts))
            case _:
                self.line(f"! {one_line(texts(message.parts))}", "yellow")

    def _remark(self, state: TaskState, text: str) -> None:
        """What an agent that does not know our extension says with a status."""
        if not text:
            return
        if state is TaskState.COMPLETED and not self._answered:
            self._answer("", text)
        elif state in (TaskState.SUBMITTED, TaskState.WORKING, TaskState.COMPLETED):
            self.line(f"· {one_line(text)}", "dim")

    def _tool(self, data: Mapping[str, Any]) -> None:
        key = words(data, "id")
        name = one_line(words(data, "title") or words(data, "name") or words(data, "toolKind"))
        mark, style = TOOL_ENDS.get(words(data, "status"), ("", ""))
        if self._tools.get(key) or (not mark and key in self._tools):
            return
        self._tools[key] = bool(mark)
        if not mark:
            self.line(f"· {name}", "cyan")
            return
        code = data.get("exitCode")
        line = f"{mark} {name}" + (f" (exit {code})" if isinstance(code, int) else "")
        if words(data, "status") == "failed":
            first = words(data, "output").strip().partition("\n")[0]
            line += f": {one_line(first)}" if first else ""
        self.line(line, style)

    def _artifact(self, artifact: Artifact, *, append: bool) -> None:
        key, text = artifact.artifact_id, texts(artifact.parts)
        kind = self._kinds.setdefault(key, words(said(artifact), "kind"))
        known, before = key in self._shown, self._shown.get(key, "")
        self._shown[key] = before + text if append else text
        # The whole again, as a snapshot gives it: only what has been added is news.
        news = text if append else text.removeprefix(before)
        match kind:
            case "thinking":
                self._think(news)
            case "diff":
                if self._shown[key] != before:
                    self._diff(text)
            case "plan":
                self._plan(before, text)
            case _:
                if news == text and before and not append:
                    self._end_answer()  # another text in place of the one shown
                self._answer(key, news)
                if append or not known:
                    self._others(key, artifact.parts)

    def _answer(self, key: str, text: str) -> None:
        """A further piece of what `key` names; another's begins on a line of its own."""
        if not text:
            return
        if key != self._current:
            self._end_answer()
        self._end_thought()
        self._current, self._answered = key, True
        self._out.write(plain(text))
        self._out.flush()
        self._out_open = not text.endswith("\n")

    def _others(self, key: str, parts: tuple[Part, ...]) -> None:
        """The parts of an answer that are no text."""
        for part in parts:
            name = one_line(part.filename or key)
            if part.data is not UNSET:
                self._end_answer()
                self._answer(key, json.dumps(part.data, ensure_ascii=False) + "\n")
            elif part.url is not None:
                self.line(f"[{name}] {one_line(part.url)}")
            elif part.raw is not None:
                kind = one_line(part.media_type)
                self.line(f"[{name}] {kind}, {len(part.raw)} bytes; --json has them")

    def _think(self, text: str) -> None:
        if not text:
            return
        if not self._err_open:
            self._end_lines()
            text = f"~ {text}"
        self._console.print(Text(plain(text), "dim italic"), end="")
        self._err_open = not text.endswith("\n")

    def _diff(self, text: str) -> None:
        for row in plain(text).rstrip("\n").split("\n"):
            self.line(row, DIFF_STYLES.get(row[:1], ""))

    def _plan(self, before: str, text: str) -> None:
        known = before.split("\n")
        for row in text.split("\n"):
            if row not in known:
                self.line(one_line(row), "blue")

    def _end_lines(self) -> None:
        """See that a line of talk begins on a line of its own.

        An answer is broken for it only where both go to the same screen: in a file it stays in
        one piece.
        """
        self._end_thought()
        if self._out.isatty() and self._err.isatty():
            self._end_answer()

    def _end_thought(self) -> None:
        if self._err_open:
            self._console.print()
            self._err_open = False

    def _end_answer(self) -> None:
        if self._out_open:
            self._out.write("\n")
            self._out.flush()
            self._out_open = False


def _usage(usage: Mapping[str, Any]) -> list[str]:
    """What the turn has used, for a person."""
    facts = []
    for name, unit in (("inputTokens", "tokens in"), ("outputTokens", "tokens out")):
        if isinstance(usage.get(name), int):
            facts.append(f"{usage[name]:,} {unit}")
    if isinstance(usage.get("cost"), int | float):
        facts.append(f"{usage['cost']:.4f} {one_line(words(usage, 'currency'))}".strip())
    if words(usage, "model"):
        facts.append(one_line(words(usage, "model")))
    return facts
