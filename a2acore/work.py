"""What an agent does, as A2A events.

A `Scribe` writes one task's events: it knows which artifacts have been begun and which tools are
open. Text that a person reads stands first in each message, and what a program needs stands in a
data part below it, under our extension (`docs/extension.md`). Pure: it is told the time.
"""

from __future__ import annotations

import os.path
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from attrs import asdict, define, evolve, field

from a2acore.backend import (
    FileChange,
    Location,
    Notice,
    Output,
    Plan,
    Saying,
    Text,
    Thought,
    ToolCall,
    ToolStatus,
    Usage,
)
from a2acore.diff import Files, Outcome, unified
from a2acore.ids import new_hex
from a2acore.lifecycle import EXTENSION, Record
from a2acore.model import (
    Artifact,
    Message,
    Metadata,
    Part,
    Role,
    TaskArtifactUpdateEvent,
    TaskState,
    TaskStatus,
    TaskStatusUpdateEvent,
)

ENDED = frozenset({"completed", "failed", "cancelled"})
LINE = 200
"""Characters of a title, or of what came out, in the one line on a tool."""
EXCERPT = 4000
"""Characters of a tool's output that are passed on: enough to see what happened, small enough to
be told again in each snapshot. A cut is marked."""

Written = TaskStatusUpdateEvent | TaskArtifactUpdateEvent


@define(eq=False)
class Scribe:
    """Turns what a backend says into the events of one task."""

    task_id: str
    context_id: str
    workspace: Path
    buffered: bool = False
    """Hold the answer back until the task pauses or ends, and send it whole."""
    usage: Usage | None = None
    _begun: str = ""
    """When work began."""
    _held: list[str] = field(factory=list)
    _flowing: dict[str, Artifact] = field(factory=dict)
    """The artifacts of text that have been begun and not closed."""
    _tools: dict[str, ToolCall] = field(factory=dict)
    _left: set[str] = field(factory=set)
    """The tools that another server left open, and of which nothing was said since."""
    _files: Files = field(factory=Files)

    def write(self, saying: Saying, now: str) -> list[Written]:
        """The events that tell a saying; none when it adds nothing that a caller can see."""
        match saying:
            case Text(text):
                return self.answer(text)
            case Thought(text):
                return self._flow("thinking", text)
            case ToolCall():
                self._left.discard(saying.id)
                return self._tool(saying, now)
            case FileChange():
                return [self._file(each) for each in self._files.take(self._placed(saying))]
            case Plan():
                return [self._plan(saying)]
            case Usage():
                self.usage = saying
                return []
            case Notice(text, kind, data):
                said = {**data, "kind": "notice", "notice": kind}
                message = self.message(visible(excerpt(text)), said)
                return [self.status(TaskState.WORKING, now, message)]
            case Output(artifact, append, last):
                return [self._artifact(artifact, append=append, last=last)]

    def answer(self, text: str) -> list[Written]:
        """The events that tell a further piece of the answer: what is written most."""
        if self.buffered:
            self._held.append(text)
            return []
        return self._flow("response", text)

    def flush(self) -> list[Written]:
        """What was held back, before the task pauses or ends."""
        held, self._held = "".join(self._held), []
        return self._flow("response", held) if held else []

    def close(self, now: str, fate: ToolStatus) -> list[Written]:
        """The last events before the end: nothing stays open. `fate` is what became of open tools.

        An agent may never say how a tool ended (gemini, after a refusal). One that it was left with
        by another server, and has not come back to, was not done: it has used another in its place.
        """
        events = self.flush()
        for tool in list(self._tools.values()):
            if tool.status not in ENDED:
                undone = fate == "completed" and tool.id in self._left
                events += self._tool(evolve(tool, status="cancelled" if undone else fate), now)
        for artifact in self._flowing.values():
            last = Artifact(artifact.artifact_id, (Part(text=""),), artifact.name)
            events.append(self._artifact(last, append=True, last=True))
        self._flowing.clear()
        return events

    def take_up(self, record: Record) -> None:
        """Go on where another server left a task: what it had open is open."""
        for message in (*record.history, record.status.message):
            ours = message is not None and message.role is Role.AGENT
            for part in message.parts if message is not None and ours else ():
                if isinstance(part.data, dict) and part.data.get("kind") == "tool":
                    tool = _tool_of(part.data)
                    self._tools[tool.id] = tool
        self._left.update(self._tools)
        for name in ("response", "thinking"):
            growing = record.artifacts.get(name)
            if growing is not None and not growing.whole:
                self._flowing[name] = growing.last

    def status(
        self, state: TaskState, now: str, message: Message | None = None
    ) -> TaskStatusUpdateEvent:
        """A status of this task."""
        if state is TaskState.WORKING and not self._begun:
            self._begun = now
        return TaskStatusUpdateEvent(self.task_id, self.context_id, TaskStatus(state, message, now))

    def end(self, state: TaskState, now: str, text: str, stop_reason: str) -> TaskStatusUpdateEvent:
        """The terminal status: why, and what it has cost."""
        data: Metadata = {"kind": "end"}
        if stop_reason:
            data["stopReason"] = stop_reason
        if self._begun:
            data["durationMs"] = _milliseconds(self._begun, now)
        if self.usage is not None:
            data["usage"] = camel(asdict(self.usage, recurse=False))
        return self.status(state, now, self.message(text, data))

    def message(self, text: str, data: Metadata) -> Message:
        """A message of the agent's: readable text, if any, and the same for a program.

        Its metadata tells the kind, and the id of what it speaks of, if it speaks of it again.
        """
        # The members of a notice are its backend's own, and speak of nothing that we know.
        names = ("kind",) if data["kind"] == "notice" else ("kind", "id", "requestId")
        said = {name: data[name] for name in names if name in data}
        parts = (Part(data=data),)
        return Message(
            message_id=new_hex(),
            role=Role.AGENT,
            parts=(Part(text=text), *parts) if text else parts,
            context_id=self.context_id,
            task_id=self.task_id,
            metadata={EXTENSION: said},
            extensions=(EXTENSION,),
        )

    def diff(self, change: FileChange) -> str:
        """A file change as a unified diff, its path relative to the workspace."""
        return unified(self._placed(change))

    def relative(self, path: str) -> str:
        """A path as the caller knows it: below the workspace, or absolute when it is not there."""
        whole = os.path.normpath(Path(self.workspace, path))  # one file, one name
        try:
            return str(Path(whole).relative_to(self.workspace))
        except ValueError:
            return whole

    def _placed(self, change: FileChange) -> FileChange:
        moved_from = self.relative(change.moved_from) if change.moved_from else ""
        return evolve(change, path=self.relative(change.path), moved_from=moved_from)

    def _flow(self, name: str, text: str) -> list[Written]:
        if not text:
            return []
        parts = (Part(text=text),)
        if name in self._flowing:
            artifact = Artifact(name, parts, name)
            return [TaskArtifactUpdateEvent(self.task_id, self.context_id, artifact, append=True)]
        metadata = {EXTENSION: {"kind": name}}
        artifact = Artifact(name, parts, name, metadata=metadata, extensions=(EXTENSION,))
        self._flowing[name] = artifact
        return [self._artifact(artifact)]

    def _tool(self, tool: ToolCall, now: str) -> list[Written]:
        if self._tools.get(tool.id) == tool:
            return []
        self._tools[tool.id] = tool
        message = self.message(tool_line(tool), {"kind": "tool", **self.tool_data(tool)})
        return [self.status(TaskState.WORKING, now, message)]

    def tool_data(self, tool: ToolCall) -> Metadata:
        """A tool call for a program."""
        data: Metadata = {
            "id": tool.id,
            "name": tool.name,
            "title": tool.title,
            "toolKind": tool.kind,
            "status": tool.status,
        }
        if tool.input is not None:
            data["input"] = tool.input
        if tool.locations:
            data["locations"] = [self._location(location) for location in tool.locations]
        if tool.output:
            data["output"] = excerpt(tool.output)
        if tool.exit_code is not None:
            data["exitCode"] = tool.exit_code
        return data

    def _location(self, location: Location) -> Metadata:
        place: Metadata = {"path": self.relative(location.path)}
        if location.line is not None:
            place["line"] = location.line
        return place

    def _file(self, outcome: Outcome) -> Written:
        path = outcome.path
        data = {"kind": "diff", "path": path, "change": outcome.fate}
        for name, other in (("movedFrom", outcome.moved_from), ("movedTo", outcome.moved_to)):
            if other:
                data[name] = other
        artifact = Artifact(
            f"file:{path}",
            (Part(text=outcome.diff, media_type="text/x-diff", filename=path),),
            path,
            metadata={EXTENSION: data},
            extensions=(EXTENSION,),
        )
        return self._artifact(artifact, last=True)

    def _plan(self, plan: Plan) -> Written:
        marks = {"pending": " ", "in_progress": ">", "completed": "x"}
        lines = [f"- [{marks[entry.status]}] {visible(entry.content)}" for entry in plan.entries]
        entries = [asdict(entry) for entry in plan.entries]
        artifact = Artifact(
            "plan",
            (
                Part(text="\n".join(lines), media_type="text/markdown"),
                Part(data={"kind": "plan", "entries": entries}),
            ),
            "plan",
            metadata={EXTENSION: {"kind": "plan"}},
            extensions=(EXTENSION,),
        )
        return self._artifact(artifact, last=True)

    def _artifact(
        self, artifact: Artifact, *, append: bool = False, last: bool = False
    ) -> TaskArtifactUpdateEvent:
        return TaskArtifactUpdateEvent(self.task_id, self.context_id, artifact, append, last)


def _tool_of(data: Metadata) -> ToolCall:
    """A tool call as `Scribe.tool_data` told it."""
    return ToolCall(
        data["id"],
        name=data["name"],
        title=data["title"],
        kind=data["toolKind"],
        status=data["status"],
        input=data.get("input"),
        locations=tuple(
            Location(place["path"], place.get("line")) for place in data.get("locations", ())
        ),
        output=data.get("output", ""),
        exit_code=data.get("exitCode"),
    )


def tool_line(tool: ToolCall) -> str:
    """One line on a tool call, for a person."""
    name = _brief(tool.title or tool.name or tool.kind)
    match tool.status:
        case "completed":
            return f"✓ {name}"
        case "failed" | "cancelled":
            first = _brief(tool.output.strip().partition("\n")[0])
            return f"✗ {name}" + (f": {first}" if first else "")
        case _:
            return f"· {name}"


class _Shown(dict[int, str]):
    """What is written for a character; worked out when it is met, and kept for the common ones."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        shown = char if char.isprintable() else char.encode("unicode_escape").decode()
        if code < 0x3000:
            self[code] = shown
        return shown


_SHOWN = _Shown({ord("\n"): "⏎"})


def _brief(text: str) -> str:
    return visible(text if len(text) <= LINE else f"{text[:LINE]}…")


def visible(text: str) -> str:
    """Text with everything that a terminal would act on, or an eye would miss, written out.

    A newline is `⏎`: what an agent calls a tool must not be able to pass for two lines.
    """
    return text if text.isprintable() else text.translate(_SHOWN)


def excerpt(text: str) -> str:
    """The head and the tail of a long text, with a mark where it was cut."""
    if len(text) <= EXCERPT:
        return text
    half = EXCERPT // 2
    return f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[-half:]}"


def _milliseconds(since: str, until: str) -> int:
    """From one moment to another, both as A2A writes them; a clock may have been put back."""
    passed = datetime.fromisoformat(until) - datetime.fromisoformat(since)
    return max(0, round(passed.total_seconds() * 1000))


def camel(fields: dict[str, Any]) -> Metadata:
    """Set fields, by their names on the wire."""
    return {_key(name): value for name, value in fields.items() if value not in (None, "")}


@cache
def _key(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.title() for word in rest)
