"""The types of line 0.3 as its schema has them: what JSON-RPC carries, and one of the two JSON
forms of HTTP+JSON (the other is `prototypes`).

A member that was not said is empty here (`""`, `()`, `None`), and is left out when written. `kind`
is said by every writer that keeps to the schema, but not by all that there are: it is an ordinary
member, checked where it is read. For the same reason the schema's unions (the parts, the files) are
one struct each: there may be no `kind` to choose by.

Source: A2A 0.3.0, its type definitions; the card's are in `cards`.
"""

from __future__ import annotations

import enum
from typing import Any

from msgspec import Struct, field

from a2acore.model import Metadata


class Shape(Struct, frozen=True, rename="camel", omit_defaults=True):
    """What all of them share."""


class Role(enum.StrEnum):
    """Who speaks."""

    UNSPECIFIED = ""
    """Not said, which is no value of the schema."""
    USER = "user"
    AGENT = "agent"


class TaskState(enum.StrEnum):
    """Where a task stands."""

    UNKNOWN = "unknown"
    SUBMITTED = "submitted"
    WORKING = "working"
    INPUT_REQUIRED = "input-required"
    COMPLETED = "completed"
    CANCELED = "canceled"
    FAILED = "failed"
    REJECTED = "rejected"
    AUTH_REQUIRED = "auth-required"

    @classmethod
    def _missing_(cls, value: object) -> TaskState | None:
        # The guidance pages spell it so, and somebody will have followed them.
        return cls.CANCELED if value == "cancelled" else None


# Content


class File(Shape, frozen=True, kw_only=True):
    """FileWithBytes or FileWithUri: exactly one of the first two is set."""

    raw: bytes | None = field(default=None, name="bytes")
    uri: str | None = None
    mime_type: str = ""
    name: str = ""


class Part(Shape, frozen=True, kw_only=True):
    """TextPart, FilePart or DataPart: `kind` says which, or the one member that is set."""

    kind: str = ""
    text: str | None = None
    file: File | None = None
    data: dict[str, Any] | None = None
    metadata: Metadata | None = None


class Message(Shape, frozen=True, kw_only=True):
    """One turn of speech."""

    kind: str = ""
    role: Role
    parts: tuple[Part, ...]
    message_id: str
    task_id: str = ""
    context_id: str = ""
    reference_task_ids: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()
    metadata: Metadata | None = None


class Artifact(Shape, frozen=True, kw_only=True):
    """Something the agent produced."""

    artifact_id: str
    parts: tuple[Part, ...]
    name: str = ""
    description: str = ""
    extensions: tuple[str, ...] = ()
    metadata: Metadata | None = None


class TaskStatus(Shape, frozen=True, kw_only=True):
    """A state, since when (ISO 8601; without a zone it is UTC), and a word about it."""

    state: TaskState
    message: Message | None = None
    since: str = field(default="", name="timestamp")


class Task(Shape, frozen=True, kw_only=True):
    """A piece of work."""

    kind: str = ""
    id: str
    context_id: str
    status: TaskStatus
    history: tuple[Message, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    metadata: Metadata | None = None


# Events


class TaskStatusUpdateEvent(Shape, frozen=True, kw_only=True):
    """A task has a new status; `final` says that the stream ends here."""

    kind: str = ""
    task_id: str
    context_id: str
    status: TaskStatus
    final: bool
    metadata: Metadata | None = None


class TaskArtifactUpdateEvent(Shape, frozen=True, kw_only=True):
    """An artifact, or a further piece of one when `append` is set."""

    kind: str = ""
    task_id: str
    context_id: str
    artifact: Artifact
    append: bool = False
    last_chunk: bool = False
    metadata: Metadata | None = None


# Push notification


class PushNotificationAuthenticationInfo(Shape, frozen=True, kw_only=True):
    """How to authenticate to a webhook."""

    schemes: tuple[str, ...]
    credentials: str = ""


class PushNotificationConfig(Shape, frozen=True, kw_only=True):
    """A webhook."""

    url: str
    id: str = ""
    token: str = ""
    authentication: PushNotificationAuthenticationInfo | None = None


class TaskPushNotificationConfig(Shape, frozen=True, kw_only=True):
    """A webhook that hears of a task."""

    task_id: str
    push_notification_config: PushNotificationConfig


# Params


class MessageSendConfiguration(Shape, frozen=True, kw_only=True):
    """How the caller wants to be answered."""

    accepted_output_modes: tuple[str, ...] = ()
    history_length: int | None = None
    push_notification_config: PushNotificationConfig | None = None
    blocking: bool | None = None


class MessageSendParams(Shape, frozen=True, kw_only=True):
    """message/send and message/stream."""

    message: Message
    configuration: MessageSendConfiguration | None = None
    metadata: Metadata | None = None


class TaskIdParams(Shape, frozen=True, kw_only=True):
    """tasks/cancel and tasks/resubscribe."""

    id: str
    metadata: Metadata | None = None


class TaskQueryParams(Shape, frozen=True, kw_only=True):
    """tasks/get."""

    id: str
    history_length: int | None = None
    metadata: Metadata | None = None


class GetTaskPushNotificationConfigParams(Shape, frozen=True, kw_only=True):
    """tasks/pushNotificationConfig/get; `id` is the task's."""

    id: str
    push_notification_config_id: str = ""
    metadata: Metadata | None = None


class ListTaskPushNotificationConfigParams(Shape, frozen=True, kw_only=True):
    """tasks/pushNotificationConfig/list; `id` is the task's."""

    id: str
    metadata: Metadata | None = None


class DeleteTaskPushNotificationConfigParams(Shape, frozen=True, kw_only=True):
    """tasks/pushNotificationConfig/delete; `id` is the task's."""

    id: str
    push_notification_config_id: str
    metadata: Metadata | None = None
