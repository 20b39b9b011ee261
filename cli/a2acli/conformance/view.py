"""What a document means, whichever line and binding it was written for.

Only what checks have to compare: everything else is looked at as it stands.
"""

from __future__ import annotations

from typing import Any

from a2acli.conformance.spelling import Way
from a2acli.conformance.verdict import Failed, expect, shown

TERMINAL = frozenset({"completed", "failed", "canceled", "rejected"})
INTERRUPTED = frozenset({"input-required", "auth-required"})

KINDS = {
    "task": "task",
    "message": "message",
    "status-update": "statusUpdate",
    "artifact-update": "artifactUpdate",
}
"""What `kind` says on 0.3, and the member that wraps the same thing elsewhere."""


def event(way: Way, said: Any) -> tuple[str, dict[str, Any]]:
    """What an event of a stream is, as 1.0 names it, and what is inside.

    Raises:
        Failed: it is not exactly one of the four.
    """
    expect(isinstance(said, dict), f"no event: {shown(said)}")
    if way.old and way.rpc:
        kind = KINDS.get(str(said.get("kind")))
        if kind is None:
            raise Failed(f"an event of no known kind: {shown(said)}")
        return kind, said
    found = [name for name in KINDS.values() if name in said]
    expect(len(found) == 1, f"not exactly one of {', '.join(KINDS.values())}: {shown(said)}")
    inside = said[found[0]]
    expect(isinstance(inside, dict), f"an empty event: {shown(said)}")
    return found[0], inside


def events(way: Way, tape: Any) -> list[tuple[str, dict[str, Any]]]:
    """What all events of a tape are."""
    return [event(way, each.said) for each in tape.events]


def answer(way: Way, result: Any) -> tuple[str, dict[str, Any]]:
    """What answers a send: "task" or "message", and what is inside."""
    kind, inside = event(way, result)
    expect(kind in ("task", "message"), f"neither a task nor a message: {shown(result)}")
    return kind, inside


def in_proto_form(said: Any) -> bool:
    """Whether a document of HTTP+JSON on 0.3 is in the form of the proto file."""
    if not isinstance(said, dict):
        return False
    inside = next((said[name] for name in KINDS.values() if name in said), said)
    if "pushNotificationConfig" in said:
        return "name" in said
    return isinstance(inside, dict) and "kind" not in inside


def state(said: Any) -> str:
    """The state of a task, a status update or a status, as 0.3 spells it; empty without one."""
    status = said.get("status", said) if isinstance(said, dict) else None
    word = status.get("state") if isinstance(status, dict) else None
    if not isinstance(word, str):
        return ""
    if word.startswith("TASK_STATE_"):
        word = word.removeprefix("TASK_STATE_").lower().replace("_", "-")
    return "canceled" if word == "cancelled" else word


def states(way: Way, tape: Any) -> list[str]:
    """The states that a tape tells of."""
    found = events(way, tape)
    return [state(inside) for kind, inside in found if kind in ("task", "statusUpdate")]


def parts(holder: Any) -> list[dict[str, Any]]:
    """The parts of a message or an artifact."""
    said = holder.get("parts", holder.get("content")) if isinstance(holder, dict) else None
    return [part for part in said or () if isinstance(part, dict)]


def text(holder: Any) -> str:
    """The text of a message or an artifact."""
    return "".join(str(part["text"]) for part in parts(holder) if "text" in part)


def artifacts(task: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in task.get("artifacts") or () if isinstance(each, dict)]


def history(task: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in task.get("history") or () if isinstance(each, dict)]


def assembled(found: list[tuple[str, dict[str, Any]]]) -> dict[str, str]:
    """The text of each artifact, by id, put together from what a stream said of it."""
    texts: dict[str, str] = {}
    for kind, inside in found:
        if kind == "task":
            texts = {str(each.get("artifactId")): text(each) for each in artifacts(inside)}
        if kind == "artifactUpdate":
            artifact = inside.get("artifact") or {}
            id = str(artifact.get("artifactId"))
            before = texts.get(id, "") if inside.get("append") else ""
            texts[id] = before + text(artifact)
    return texts
