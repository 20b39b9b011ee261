"""The two JSON forms of line 0.3 on HTTP+JSON, told apart.

Section 3.2.3 wants bodies that are equivalent in structure to the types of the specification. That
has been read in two ways: as the types of the schema (`schema`), and as ProtoJSON of the proto
(`proto`), which is what the official SDKs speak. Either may come in; the answer is given in kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from a2acore import model

VERSION = "0.3"

JSON = "application/json"

NO_LIST = "Line 0.3 has no way to list tasks; line 1.0 has"

NAMES: Mapping[type, str] = {
    model.Task: "task",
    model.Message: "message",
    model.TaskStatusUpdateEvent: "statusUpdate",
    model.TaskArtifactUpdateEvent: "artifactUpdate",
}
"""The members that HTTP+JSON wraps events in."""


def wrapped(event: model.Event, written: Struct) -> dict[str, Struct]:
    """An event in its wrapper, as HTTP+JSON carries it."""
    return {NAMES[type(event)]: written}


def in_schema(said: Any) -> bool:
    """Whether a message or an event is in the schema's form: it has kinds, or lower-case words."""
    if not isinstance(said, dict) or "content" in said:
        return False
    status, artifact = said.get("status"), said.get("artifact")
    words = (said.get("role"), status.get("state") if isinstance(status, dict) else None)
    parts = (artifact if isinstance(artifact, dict) else said).get("parts")
    return (
        "kind" in said
        or any(isinstance(word, str) and word.islower() for word in words)
        or (isinstance(parts, list) and any("kind" in p for p in parts if isinstance(p, dict)))
    )
