"""The types of line 0.3 as its proto file has them, written as ProtoJSON: the JSON form that the
official SDKs speak on HTTP+JSON.

A member bears the proto's name, and is read under it as well as under the JSON name that the proto
gives it (`request` is `message`, `update` is `message`). `PushNotificationConfig` is that of
`shapes`. The members that the proto got after 0.3.0 (a part's `metadata`, a file's `name`) are
here; `referenceTaskIds` never had a place in it.

Source: A2A 0.3.0, its proto file; the official SDKs where that was changed later.
"""

from __future__ import annotations

import enum
from typing import Any

from msgspec import field

from a2acore.model import Metadata, Role
from a2acore.wire.v03.shapes import PushNotificationConfig, Shape


class TaskState(enum.Enum):
    """Where a task stands, in the order of the numbers."""

    UNSPECIFIED = "TASK_STATE_UNSPECIFIED"
    SUBMITTED = "TASK_STATE_SUBMITTED"
    WORKING = "TASK_STATE_WORKING"
    COMPLETED = "TASK_STATE_COMPLETED"
    FAILED = "TASK_STATE_FAILED"
    CANCELLED = "TASK_STATE_CANCELLED"
    INPUT_REQUIRED = "TASK_STATE_INPUT_REQUIRED"
    REJECTED = "TASK_STATE_REJECTED"
    AUTH_REQUIRED = "TASK_STATE_AUTH_REQUIRED"

    @classmethod
    def _missing_(cls, value: object) -> TaskState | None:
        # Line 1.0 dropped the second L.
        return cls.CANCELLED if value == "TASK_STATE_CANCELED" else None


# Content


class FilePart(Shape, frozen=True, kw_only=True):
    """A file: exactly one of the first two is set."""

    file_with_uri: str | None = None
    file_with_bytes: bytes | None = None
    mime_type: str = ""
    name: str = ""


class DataPart(Shape, frozen=True, kw_only=True):
    """A JSON object."""

    data: dict[str, Any]


class Part(Shape, frozen=True, kw_only=True):
    """One piece of content: exactly one of the first three is set."""

    text: str | None = None
    file: FilePart | None = None
    data: DataPart | None = None
    metadata: Metadata | None = None


class Message(Shape, frozen=True, kw_only=True):
    """One turn of speech."""

    message_id: str
    context_id: str = ""
    task_id: str = ""
    role: Role
    content: tuple[Part, ...]
    metadata: Metadata | None = None
    extensions: tuple[str, ...] = ()
    reference_task_ids: tuple[str, ...] = ()
    """Read where a peer says it; never written, because the SDKs refuse what the proto lacks."""


class Artifact(Shape, frozen=True, kw_only=True):
    """Something the agent produced."""

    artifact_id: str
    name: str = ""
    description: str = ""
    parts: tuple[Part, ...]
    metadata: Metadata | None = None
    extensions: tuple[str, ...] = ()


class TaskStatus(Shape, frozen=True, kw_only=True):
    """A state, since when, and a word about it."""

    state: TaskState
    update: Message | None = field(default=None, name="message")
    since: str = field(default="", name="timestamp")


class Task(Shape, frozen=True, kw_only=True):
    """A piece of work."""

    id: str
    context_id: str = ""
    status: TaskStatus
    artifacts: tuple[Artifact, ...] = ()
    history: tuple[Message, ...] = ()
    metadata: Metadata | None = None


# Events


class TaskStatusUpdateEvent(Shape, frozen=True, kw_only=True):
    """A task has a new status; `final` says that the stream ends here."""

    task_id: str
    context_id: str
    status: TaskStatus
    final: bool = False
    metadata: Metadata | None = None


class TaskArtifactUpdateEvent(Shape, frozen=True, kw_only=True):
    """An artifact, or a further piece of one when `append` is set."""

    task_id: str
    context_id: str
    artifact: Artifact
    append: bool = False
    last_chunk: bool = False
    metadata: Metadata | None = None


# Requests and answers


class SendMessageConfiguration(Shape, frozen=True, kw_only=True):
    """How the caller wants to be answered."""

    accepted_output_modes: tuple[str, ...] = ()
    push_notification: PushNotificationConfig | None = None
    history_length: int = 0
    blocking: bool = False


class SendMessageRequest(Shape, frozen=True, kw_only=True):
    """message:send and message:stream."""

    request: Message = field(name="message")
    configuration: SendMessageConfiguration | None = None
    metadata: Metadata | None = None


class TaskPushNotificationConfig(Shape, frozen=True, kw_only=True):
    """A webhook that hears of a task: `name` is `tasks/{task}/pushNotificationConfigs/{id}`.

    `task_id` is what the schema has in place of the name; that is all in which they differ here.
    """

    name: str = ""
    task_id: str = ""
    push_notification_config: PushNotificationConfig


class CreateTaskPushNotificationConfigRequest(Shape, frozen=True, kw_only=True):
    """What is posted to set a webhook."""

    parent: str = ""
    config_id: str = ""
    config: TaskPushNotificationConfig


class ListTaskPushNotificationConfigResponse(Shape, frozen=True, kw_only=True):
    """The webhooks of a task."""

    configs: tuple[TaskPushNotificationConfig, ...] = ()
    next_page_token: str = ""
