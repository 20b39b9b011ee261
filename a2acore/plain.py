"""What a task tells, without our extension: for callers that did not ask for it. Pure.

Texts stay, and so does whatever is not ours: the caller's own messages, and what a backend puts
under names of its own. What has nothing to cut away is returned as it is.
"""

from __future__ import annotations

from typing import Any, TypeVar, cast

from msgspec import UNSET, structs

from a2acore.lifecycle import EXTENSION
from a2acore.model import (
    Artifact,
    ListTasksResponse,
    Message,
    Part,
    Role,
    Task,
    TaskArtifactUpdateEvent,
    TaskStatus,
    TaskStatusUpdateEvent,
)

T = TypeVar("T")


def plain(value: T) -> T:
    """A result of an operation, or an event, without our extension.

    A message of a task's of which nothing is left is left out. A mere message is never ours.
    """
    return cast(T, _plain(value))


def _plain(value: Any) -> Any:
    match value:
        case TaskArtifactUpdateEvent(artifact=artifact):
            bare = _artifact(artifact)
            return value if bare is artifact else structs.replace(value, artifact=bare)
        case TaskStatusUpdateEvent(status=status):
            return structs.replace(value, status=_status(status))
        case Task():
            messages = map(_message, value.history)
            return structs.replace(
                value,
                status=_status(value.status),
                artifacts=tuple(map(_artifact, value.artifacts)),
                history=tuple(message for message in messages if message is not None),
            )
        case ListTasksResponse(tasks=tasks):
            return structs.replace(value, tasks=tuple(map(plain, tasks)))
    return value


def _status(status: TaskStatus) -> TaskStatus:
    if status.message is None:
        return status
    return structs.replace(status, message=_message(status.message))


def _message(message: Message) -> Message | None:
    if message.role is Role.USER or EXTENSION not in message.extensions:
        return message
    parts = _texts(message.parts)
    return structs.replace(message, parts=parts, **_rest(message)) if parts else None


def _artifact(artifact: Artifact) -> Artifact:
    if EXTENSION not in artifact.extensions:
        return artifact
    return structs.replace(artifact, parts=_texts(artifact.parts), **_rest(artifact))


def _texts(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    return tuple(part for part in parts if part.data is UNSET)


def _rest(said: Message | Artifact) -> dict[str, Any]:
    others = {key: value for key, value in (said.metadata or {}).items() if key != EXTENSION}
    return {
        "metadata": others or None,
        "extensions": tuple(uri for uri in said.extensions if uri != EXTENSION),
    }
