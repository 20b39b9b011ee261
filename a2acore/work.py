"""What an agent does, as A2A events.

A `Scribe` writes one task's events: it knows which artifacts have been begun and which tools are
open. Text that a person reads stands first in each message, and what a program needs stands in a
data part below it, under our extension (`docs/extension.md`). Pure: it is told the time.
"""

from __future__ import annotations

import difflib
import os.path
import re
from pathlib import Path
from typing import Any
from uuid import uuid4

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
from a2acore.lifecycle import EXTENSION
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
    _held: list[str] = field(factory=list)
    _flowing: dict[str, Artifact] = field(factory=dict)
    """The artifacts of text that have been begun and not closed."""
    _tools: dict[str, ToolCall] = field(factory=dict)
    _files: dict[str, FileChange] = field(factory=dict)

    def write(self, saying: Saying, now: str) -> list[Written]:
        """The events that tell a saying; none when it adds nothing that a caller can see."""
        match saying:
            case Text(text):
                if self.buffered:
                    self._held.append(text)
                    return []
                return self._flow("response", text)
            case Thought(text):
                return self._flow("thinking", text)
            case ToolCall():
                return self._tool(saying, now)
            case FileChange():
                return self._file(saying)
            case Plan():
                return [self._plan(saying)]
            case Usage():
                self.usage = saying
                return []
            case Notice(text, kind, data):
                message = self.message(text, {**data, "kind": "notice", "notice": kind})
                return [self.status(TaskState.WORKING, now, message)]
            case Output(artifact, append, last):
                return [self._artifact(artifact, append=append, last=last)]

    def flush(self) -> list[Written]:
        """What was held back, before the task pauses or ends."""
        held, self._held = "".join(self._held), []
        return self._flow("response", held) if held else []

    def close(self, now: str, fate: ToolStatus) -> list[Written]:
        """The last events before the end: nothing stays open. `fate` is what became of open tools.

        An agent may never say how a tool ended (gemini, after a refusal).
        """
        events = self.flush()
        for tool in list(self._tools.values()):
            if tool.status not in ENDED:
                events += self._tool(evolve(tool, status=fate), now)
        for artifact in self._flowing.values():
            last = Artifact(artifact.artifact_id, (Part(text=""),), artifact.name)
            events.append(self._artifact(last, append=True, last=True))
        self._flowing.clear()
        return events

    def status(
        self, state: TaskState, now: str, message: Message | None = None
    ) -> TaskStatusUpdateEvent:
        """A status of this task."""
        return TaskStatusUpdateEvent(self.task_id, self.context_id, TaskStatus(state, message, now))

    def end(self, state: TaskState, now: str, text: str, stop_reason: str) -> TaskStatusUpdateEvent:
        """The terminal status: why, and what it has cost."""
        data: Metadata = {"kind": "end"}
        if stop_reason:
            data["stopReason"] = stop_reason
        if self.usage is not None:
            data["usage"] = camel(asdict(self.usage))
        return self.status(state, now, self.message(text, data))

    def message(self, text: str, data: Metadata) -> Message:
        """A message of the agent's: readable text, if any, and the same for a program.

        Its metadata tells the kind, and the id of what it speaks of, if it speaks of it again.
        """
        said = {key: data[key] for key in ("kind", "id", "requestId") if key in data}
        parts = (Part(data=data),)
        return Message(
            message_id=uuid4().hex,
            role=Role.AGENT,
            parts=(Part(text=text), *parts) if text else parts,
            context_id=self.context_id,
            task_id=self.task_id,
            metadata={EXTENSION: said},
            extensions=(EXTENSION,),
        )

    def diff(self, change: FileChange) -> str:
        """A file change as a unified diff, its path relative to the workspace."""
        return unified(self.relative(change.path), change)

    def relative(self, path: str) -> str:
        """A path as the caller knows it: below the workspace, or absolute when it is not there."""
        whole = os.path.normpath(Path(self.workspace, path))  # one file, one name
        try:
            return str(Path(whole).relative_to(self.workspace))
        except ValueError:
            return whole

    def _flow(self, name: str, text: str) -> list[Written]:
        if not text:
            return []
        begun = self._flowing.get(name)
        if begun is None:
            artifact = Artifact(
                name,
                (Part(text=text),),
                name,
                metadata={EXTENSION: {"kind": name}},
                extensions=(EXTENSION,),
            )
            self._flowing[name] = artifact
            return [self._artifact(artifact)]
        return [self._artifact(Artifact(name, (Part(text=text),), name), append=True)]

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

    def _file(self, change: FileChange) -> list[Written]:
        path = self.relative(change.path)
        first = self._files.get(path)
        if first is not None:
            change = evolve(change, before=first.before, binary=first.binary or change.binary)
        self._files[path] = change
        if change.before == change.after and not change.binary and first is None:
            return []
        artifact = Artifact(
            f"file:{path}",
            (Part(text=unified(path, change), media_type="text/x-diff", filename=path),),
            path,
            metadata={EXTENSION: {"kind": "diff", "path": path, "change": _what(change)}},
            extensions=(EXTENSION,),
        )
        return [self._artifact(artifact, last=True)]

    def _plan(self, plan: Plan) -> Written:
        marks = {"pending": " ", "in_progress": ">", "completed": "x"}
        lines = [f"- [{marks[entry.status]}] {entry.content}" for entry in plan.entries]
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


def tool_line(tool: ToolCall) -> str:
    """One line on a tool call, for a person."""
    name = visible(tool.title or tool.name or tool.kind)
    match tool.status:
        case "completed":
            return f"✓ {name}"
        case "failed" | "cancelled":
            first = visible(tool.output.strip().partition("\n")[0][:200])
            return f"✗ {name}" + (f": {first}" if first else "")
        case _:
            return f"· {name}"


def visible(text: str) -> str:
    """Text with everything that a terminal would act on, or an eye would miss, written out.

    A newline is `⏎`: what an agent calls a tool must not be able to pass for two lines.
    """
    return "".join(
        char
        if char.isprintable()
        else "⏎"
        if char == "\n"
        else char.encode("unicode_escape").decode()
        for char in text
    )


def excerpt(text: str) -> str:
    """The head and the tail of a long text, with a mark where it was cut."""
    if len(text) <= EXCERPT:
        return text
    half = EXCERPT // 2
    return f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[-half:]}"


def unified(path: str, change: FileChange) -> str:
    """A unified diff that `git apply` takes; a binary file is only named.

    Nothing when the file is again as it was.
    """
    if change.before == change.after and not change.binary:
        return ""
    a, b = _quoted(f"a/{path}"), _quoted(f"b/{path}")
    head = f"diff --git {a} {b}\n"
    tab = "\t" if " " in path else ""  # ends the name, for a `patch` that expects a date there
    old = "/dev/null" if change.before is None and not change.binary else f"{a}{tab}"
    new = "/dev/null" if change.after is None and not change.binary else f"{b}{tab}"
    if change.binary:
        return f"{head}Binary files {old} and {new} differ\n"
    if change.before is None:
        head += "new file mode 100644\n"
    elif change.after is None:
        head += "deleted file mode 100644\n"
    lines = difflib.unified_diff(
        _lines(change.before or ""), _lines(change.after or ""), old, new, lineterm="\n"
    )
    return head + "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
    )


def _quoted(name: str) -> str:
    """A name as git writes it in a diff: quoted, if it holds what a line of it could not."""
    escaped = re.sub(r'[\x00-\x1f\x7f"\\]', lambda found: f"\\{ord(found[0]):03o}", name)
    return name if escaped == name else f'"{escaped}"'


def _lines(text: str) -> list[str]:
    # Not `splitlines`: a diff knows one end of a line, the newline.
    lines = text.split("\n")
    tail = lines.pop()
    return [f"{line}\n" for line in lines] + ([tail] if tail else [])


def _what(change: FileChange) -> str:
    if change.binary:
        return "binary"
    if change.before is None:
        return "added"
    return "deleted" if change.after is None else "modified"


def camel(fields: dict[str, Any]) -> Metadata:
    """Set fields, by their names on the wire."""
    return {
        head + "".join(word.title() for word in rest): value
        for name, value in fields.items()
        if value not in (None, "")
        for head, *rest in [name.split("_")]
    }
