"""The stream contract of codex-a2a and opencode-a2a: `metadata.shared`.

A chunk of an artifact says in the artifact's metadata which block it belongs to, a status says in
its event's metadata where it stands, what is asked, and what the turn has used. A tool call is a
status of ours and an artifact of theirs, so each is told as both.

Source: codex-a2a 1.4.0, opencode-a2a 1.4.0, "stream-hints:v1", "interactive-interrupt:v1".
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import define
from msgspec import structs

from a2acore.compat import said
from a2acore.lifecycle import PAUSES, Record
from a2acore.model import (
    AgentExtension,
    Artifact,
    Message,
    Metadata,
    Part,
    TaskArtifactUpdateEvent,
    TaskState,
    TaskStatusUpdateEvent,
)
from a2acore.wire import shared as wire
from a2acore.work import ENDED, Written

BLOCKS: Mapping[str, str] = {
    "response": "text",
    "thinking": "reasoning",
    # A reader takes what has no block for a piece of the answer. These are work; their readers
    # pass over what is no tool call of theirs.
    "plan": "tool_call",
    "diff": "tool_call",
}
"""Their block for each of our kinds of artifacts."""

STATUSES: Mapping[str, str] = {"in_progress": "running"}
"""Their word for a status of a tool, where it is not ours."""

SOURCES: Mapping[str, str] = {
    "execute": "commandExecution",
    "edit": "fileChange",
    "delete": "fileChange",
    "move": "fileChange",
}
"""Codex's kind of a tool, by ours."""

SEMANTICS: Mapping[str, str] = {
    "commandExecution": "command_execution",
    "fileChange": "file_change",
}
"""What is permitted, by Codex's kind of the tool."""


@define(eq=False)
class Shared:
    """One task in their form."""

    task_id: str
    context_id: str
    agent: str
    _sequence: int = 0
    _asked: Metadata | None = None
    """What is asked, until it is resolved."""

    def translate(self, event: Written, now: str) -> list[Written]:
        if isinstance(event, TaskArtifactUpdateEvent):
            return [self._chunk(event)]
        data = said.of_message(event.status.message)
        told = structs.replace(
            event, metadata={**(event.metadata or {}), "shared": self._of_status(event, data)}
        )
        return [told, self._tool(data)] if data.get("kind") == "tool" else [told]

    def take_up(self, record: Record, events: int) -> None:
        self._sequence = events  # there is no event with more than one number
        if record.state in PAUSES:
            self._asked = interrupt(record.status.message)

    def _chunk(self, event: TaskArtifactUpdateEvent) -> Written:
        artifact = event.artifact
        # A chunk that is appended says no more than its artifact's id, which is its kind.
        kind = said.of_artifact(artifact).get("kind", artifact.artifact_id)
        block = BLOCKS.get(kind)
        if block is None and all(part.text is not None for part in artifact.parts):
            block = "text"  # an artifact of the backend's own
        if block is None:
            return event
        return structs.replace(event, artifact=self._in_block(artifact, block, "delta_event"))

    def _tool(self, tool: Metadata) -> Written:
        state = _state(tool)
        artifact = Artifact(f"tool:{tool['id']}", (Part(data=state),), state["tool"])
        return TaskArtifactUpdateEvent(
            self.task_id,
            self.context_id,
            self._in_block(artifact, "tool_call", "tool_part_update"),
            last_chunk=tool["status"] in ENDED,
        )

    def _in_block(self, artifact: Artifact, block: str, source: str) -> Artifact:
        stream = {"block_type": block, "role": "agent", **self._place(source)}
        metadata = {**(artifact.metadata or {}), "shared": {"stream": stream}}
        return structs.replace(artifact, metadata=metadata)

    def _of_status(self, event: TaskStatusUpdateEvent, data: Metadata) -> Metadata:
        interrupt = self._interrupt(event.status.state, event.status.message)
        shared: Metadata = {
            "stream": self._place("interrupt" if interrupt else "status"),
            # Theirs is the agent's; ours is what a caller goes on with.
            "session": {"id": self.context_id},
        }
        if interrupt:
            shared["interrupt"] = interrupt
        if data.get("kind") == "end" and "usage" in data:
            shared["usage"] = _usage(data["usage"])
        return shared

    def _interrupt(self, state: TaskState, message: Message | None) -> Metadata | None:
        """What is asked, or that what was asked is resolved."""
        if state in PAUSES:
            self._asked = interrupt(message)
            return self._asked and {**self._asked, "phase": "asked"}
        asked, self._asked = self._asked, None
        if asked is None:
            return None
        # Work that goes on says so without a word. Whatever else follows a question ends the task.
        resolution = "replied" if state is TaskState.WORKING and message is None else "rejected"
        return {**asked, "phase": "resolved", "resolution": resolution, "details": {}}

    def _place(self, source: str) -> Metadata:
        self._sequence += 1
        return {
            "source": source,
            "message_id": f"{self.task_id}:assistant",
            "event_id": f"{self.task_id}:{self._sequence}",
            "sequence": self._sequence,
        }


def interrupt(message: Message | None) -> Metadata | None:
    """The request id, the type and the details of what a message of ours asks, if they know it."""
    data = said.of_message(message)
    match data:
        case {"kind": "permission"}:
            kind, details = "permission", _permission(data)
        case {"kind": "question", "schema": schema}:
            kind, details = "elicitation", {"mode": "form", "requested_schema": schema}
        case {"kind": "question", "question": question}:
            options = [{"label": each, "description": ""} for each in data.get("choices", ())]
            kind, details = "question", {"questions": [{"question": question, "options": options}]}
        case _:
            return None
    # All that is to be decided on. Theirs often says less, or nothing.
    details["display_message"] = said.words(message)
    return {"request_id": data["requestId"], "type": kind, "details": details}


def _permission(data: Metadata) -> Metadata:
    tool = data["tool"]
    source = SOURCES.get(tool["toolKind"], "")
    if source == "commandExecution":
        patterns = [said.command(tool)]
    else:
        places = [*tool.get("locations", ()), *data.get("changes", ())]
        patterns = list(dict.fromkeys(place["path"] for place in places))
    return {
        "permission": SEMANTICS.get(source, tool["name"] or tool["toolKind"]),
        "patterns": patterns,
        "always": [each["name"] for each in data["options"] if each["kind"] == "allow_always"],
    }


def _state(tool: Metadata) -> Metadata:
    """A tool call as the data of one of their blocks."""
    kind, status = tool["toolKind"], tool["status"]
    state: Metadata = {
        "kind": "state",
        "call_id": tool["id"],
        "tool": tool["name"] or kind,
        "status": STATUSES.get(status, status),
    }
    if kind in SOURCES:
        state["source_method"] = SOURCES[kind]
    if tool["title"]:
        state["title"] = tool["title"]
    if "input" in tool:
        state["input"] = tool["input"]
    output = tool.get("output", "")
    if kind == "execute":
        told = {"text": output, "exit_code": tool.get("exitCode")}
        if result := {name: each for name, each in told.items() if each not in ("", None)}:
            state["output"] = result
    elif output:
        state["error" if status == "failed" else "output"] = output
    return state


def _usage(usage: Metadata) -> Metadata:
    counts = {
        "input_tokens": usage.get("inputTokens"),
        "output_tokens": usage.get("outputTokens"),
        "total_tokens": usage.get("totalTokens"),
        "reasoning_tokens": usage.get("thoughtTokens"),
        "cost": usage.get("cost"),
    }
    told: Metadata = {name: count for name, count in counts.items() if count is not None}
    if "cachedTokens" in usage:
        told["cache_tokens"] = {"read_tokens": usage["cachedTokens"]}
    return {**told, "raw": usage}  # which has the currency


# What the card says: as much as their callers look for.

_STREAM: Metadata = {
    "artifact_metadata_field": "metadata.shared.stream",
    "status_metadata_field": "metadata.shared.stream",
    "interrupt_metadata_field": "metadata.shared.interrupt",
    "session_metadata_field": "metadata.shared.session",
    "usage_metadata_field": "metadata.shared.usage",
    "block_types": ["text", "reasoning", "tool_call"],
}
_ERRORS: Metadata = {"business_codes": {each.reason: each.code for each in wire.ERRORS}}
_REPLIES: Metadata = {
    "request_id_field": "metadata.shared.interrupt.request_id",
    "supported_interrupt_events": ["permission.asked", "question.asked", "elicitation.asked"],
    "permission_reply_values": ["once", "always", "reject"],
    "methods": wire.REPLIES,
    "errors": _ERRORS,
}


EXTENSIONS = tuple(
    AgentExtension(f"urn:{peer}:extension:{name}:v1", description, params=params)
    for peer in wire.LISTS
    for name, description, params in (
        ("stream-hints", "Blocks, interrupts and usage in metadata.shared", _STREAM),
        ("interactive-interrupt", "Methods that answer interrupts", _REPLIES),
        (
            "interrupt-recovery",
            "Methods that list the interrupts that wait for the caller",
            {"methods": wire.LISTS[peer], "errors": _ERRORS},
        ),
    )
)
LISTENING = frozenset(each.uri for each in EXTENSIONS)
"""Who names one of these answers with a method, and hears the rest of the work where it heard the
question: its stream stays open."""
