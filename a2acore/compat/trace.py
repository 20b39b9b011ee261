"""The sideband of a2a-codex: what an agent does, as artifacts beside the answer.

Each event of theirs is an artifact of its own, with one part of data. Of their eight types the
eighth (how full the context window is) becomes no artifact there either.

Source: a2a-codex 1.6.1 with a2a-wrapper core 1.7.0, extension `urn:x-a2a:trace:v1`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from attrs import define, field

from a2acore.compat import said
from a2acore.ids import new_id
from a2acore.lifecycle import TERMINAL, Record
from a2acore.model import (
    AgentExtension,
    Artifact,
    Metadata,
    Part,
    TaskArtifactUpdateEvent,
    TaskState,
    TaskStatus,
)
from a2acore.work import ENDED, Written

URI = "urn:x-a2a:trace:v1"
EXTENSIONS = (AgentExtension(URI, "Tool calls, thinking, decisions and lifecycle, as artifacts"),)

COMMAND = 500
"""Characters of a command that they tell."""

CHANGES: Mapping[str, str] = {"added": "add", "deleted": "delete"}
"""Their word for what became of a file, where it is not `update`."""


@define(eq=False)
class Trace:
    """One task in their form."""

    task_id: str
    context_id: str
    agent: str
    _started: bool = False
    _thoughts: list[str] = field(factory=list)
    """Thinking that goes on; they tell it when it has ended."""
    _tools: dict[str, Literal["started", "ended"]] = field(factory=dict)

    def translate(self, event: Written, now: str) -> list[Written]:
        if isinstance(event, TaskArtifactUpdateEvent):
            artifact = event.artifact
            if artifact.artifact_id == "thinking":
                self._thoughts += [part.text or "" for part in artifact.parts]
                return [event]
            return [*self._thought(now), event, *self._decision(artifact, now)]
        told = self._thought(now)
        data = said.of_message(event.status.message)
        if data.get("kind") == "tool":
            told += self._tool(data, now)
        # What belongs to an end is told before it: nothing can follow it.
        return [*told, *self._lifecycle(event.status, data, now), event]

    def take_up(self, record: Record, events: int) -> None:
        self._started = record.state is not TaskState.SUBMITTED
        for growing in record.artifacts.values():
            match growing.last:
                case Artifact(name="trace.mcp.start", parts=(Part(data={"itemId": str(id)}),)):
                    self._tools[id] = "started"
                case Artifact(name="trace.mcp", parts=(Part(data={"itemId": str(id)}),)):
                    self._tools[id] = "ended"

    def _lifecycle(self, status: TaskStatus, data: Metadata, now: str) -> list[Written]:
        if status.state is TaskState.WORKING and not self._started:
            self._started = True
            return [self._event("trace.lifecycle", {}, now, state="started")]
        if status.state is TaskState.COMPLETED:
            usage = _usage(data["usage"]) if "usage" in data else None
            return [self._event("trace.lifecycle", {"usage": usage}, now, state="finished")]
        if status.state in TERMINAL:
            message = said.words(status.message)
            return [self._event("trace.lifecycle", {"message": message}, now, state="error")]
        return []

    def _thought(self, now: str) -> list[Written]:
        content = "".join(self._thoughts)
        self._thoughts.clear()
        return [self._event("trace.thinking", {"content": content}, now)] if content else []

    def _tool(self, tool: Metadata, now: str) -> list[Written]:
        """Its start, once there is more to tell than a name, and its end, if it is one."""
        id, over = tool["id"], tool["status"] in ENDED
        told = []
        if id not in self._tools and (over or "input" in tool or tool["status"] != "pending"):
            self._tools[id] = "started"
            told.append(self._event("trace.mcp.start", _start(tool), now))
        if over and self._tools[id] == "started":
            self._tools[id] = "ended"
            told.append(self._event("trace.mcp", _end(tool), now))
        return told

    def _decision(self, artifact: Artifact, now: str) -> list[Written]:
        match said.of_artifact(artifact):
            case {"kind": "diff", "path": path, "change": change}:
                changes = [{"path": path, "kind": CHANGES.get(change, "update")}]
                decision = {"kind": "file_change", "changes": changes}
            case {"kind": "plan"}:
                entries = next(part.data for part in artifact.parts if isinstance(part.data, dict))
                items = [
                    {"text": each["content"], "completed": each["status"] == "completed"}
                    for each in entries["entries"]
                ]
                decision = {"kind": "todo_list", "items": items}
            case _:
                return []
        return [self._event("trace.decision", decision, now)]

    def _event(self, name: str, data: Metadata, now: str, *, state: str = "") -> Written:
        whole: Metadata = {
            "agent_id": self.agent,
            "agent_name": self.agent,
            "trace_id": self.context_id,
            **({"state": state} if state else {}),
        }
        if name != "trace.thinking":
            whole["backend"] = self.agent
        part = Part(data={**whole, **data}, metadata={"mimeType": "application/json"})
        artifact = Artifact(
            f"{name}-{new_id()}",
            (part,),
            name,
            metadata={"traceType": name, "timestamp": now},
            extensions=(URI,),
        )
        return TaskArtifactUpdateEvent(self.task_id, self.context_id, artifact, last_chunk=True)


def _start(tool: Metadata) -> Metadata:
    if tool["toolKind"] == "execute":
        return {
            "toolKind": "shell",
            "command": said.command(tool)[:COMMAND],
            "itemId": tool["id"],
        }
    return _other(tool)


def _end(tool: Metadata) -> Metadata:
    status = tool["status"]
    output: Any = tool.get("output", "")
    if tool["toolKind"] == "execute":
        return {
            "toolKind": "shell",
            "itemId": tool["id"],
            "exitCode": tool.get("exitCode"),
            "output": output,
            "status": status,
        }
    # What came out of it is left out there, unless it went wrong.
    error = {"error": output} if status == "failed" and output else {}
    return {**_other(tool), "status": status, **error}


def _other(tool: Metadata) -> Metadata:
    name = tool["name"] or tool["title"]
    return {"toolKind": tool["toolKind"], "tool": name, "itemId": tool["id"]}


def _usage(usage: Metadata) -> Metadata:
    counts = {
        "input_tokens": usage.get("inputTokens"),
        "cached_input_tokens": usage.get("cachedTokens"),
        "output_tokens": usage.get("outputTokens"),
        "reasoning_output_tokens": usage.get("thoughtTokens"),
    }
    return {name: count for name, count in counts.items() if count is not None}
