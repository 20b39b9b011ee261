"""Between the model and the proto's types (`prototypes`): the JSON form without `kind`.

The names of the functions are those of `schema`, which has the other form.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import UNSET, Struct

from a2acore import model
from a2acore.wire import reading
from a2acore.wire.v03 import parts, prototypes, shapes
from a2acore.wire.v03.checks import wrong
from a2acore.wire.v03.moments import moment
from a2acore.wire.v03.schema import read_webhook, write_webhook

# The states bear the model's names, but for one more L.
STATES = {
    state: prototypes.TaskState(
        "TASK_STATE_CANCELLED" if state is model.TaskState.CANCELED else state.value
    )
    for state in model.TaskState
}
STATES_BACK = {spoken: state for state, spoken in STATES.items()}

# Writing


def write_part(part: model.Part) -> prototypes.Part:
    if part.text is not None:
        return prototypes.Part(text=part.text, metadata=parts.keep(part))
    if part.data is not UNSET:
        data = prototypes.DataPart(data=parts.data(part))
        return prototypes.Part(data=data, metadata=parts.keep(part))
    return prototypes.Part(
        file=prototypes.FilePart(
            file_with_uri=part.url,
            file_with_bytes=None if part.raw is None else base64.b64encode(part.raw),
            mime_type=part.media_type,
            name=part.filename,
        ),
        metadata=part.metadata,
    )


def write_message(message: model.Message) -> prototypes.Message:
    return prototypes.Message(
        message_id=message.message_id,
        context_id=message.context_id,
        task_id=message.task_id,
        # What says nothing of its role came from an agent: a request would not have got in.
        role=model.Role.USER if message.role is model.Role.USER else model.Role.AGENT,
        content=tuple(map(write_part, message.parts)),
        metadata=message.metadata,
        extensions=message.extensions,
    )


def write_artifact(artifact: model.Artifact) -> prototypes.Artifact:
    return prototypes.Artifact(
        artifact_id=artifact.artifact_id,
        name=artifact.name,
        description=artifact.description,
        parts=tuple(map(write_part, artifact.parts)),
        metadata=artifact.metadata,
        extensions=artifact.extensions,
    )


def write_status(status: model.TaskStatus) -> prototypes.TaskStatus:
    return prototypes.TaskStatus(
        state=STATES[status.state],
        update=None if status.message is None else write_message(status.message),
        since=status.timestamp,
    )


def write_event(event: model.Event, *, final: bool = False) -> Struct:
    match event:
        case model.Task():
            return prototypes.Task(
                id=event.id,
                context_id=event.context_id,
                status=write_status(event.status),
                artifacts=tuple(map(write_artifact, event.artifacts)),
                history=tuple(map(write_message, event.history)),
                metadata=event.metadata,
            )
        case model.Message():
            return write_message(event)
        case model.TaskStatusUpdateEvent():
            return prototypes.TaskStatusUpdateEvent(
                task_id=event.task_id,
                context_id=event.context_id,
                status=write_status(event.status),
                final=final,
                metadata=event.metadata,
            )
        case model.TaskArtifactUpdateEvent():
            return prototypes.TaskArtifactUpdateEvent(
                task_id=event.task_id,
                context_id=event.context_id,
                artifact=write_artifact(event.artifact),
                append=event.append,
                last_chunk=event.last_chunk,
                metadata=event.metadata,
            )


def write_push(config: model.TaskPushNotificationConfig) -> prototypes.TaskPushNotificationConfig:
    return prototypes.TaskPushNotificationConfig(
        name=f"tasks/{config.task_id}/pushNotificationConfigs/{config.id}",
        push_notification_config=write_webhook(config),
    )


def write_send(request: model.SendMessageRequest) -> prototypes.SendMessageRequest:
    said = request.configuration or model.SendMessageConfiguration()
    push = said.task_push_notification_config
    return prototypes.SendMessageRequest(
        request=write_message(request.message),
        configuration=prototypes.SendMessageConfiguration(
            accepted_output_modes=said.accepted_output_modes,
            push_notification=None if push is None else write_webhook(push),
            history_length=said.history_length or 0,
            blocking=not said.return_immediately,
        ),
        metadata=request.metadata,
    )


# Reading


def unwrapped(raw: bytes) -> bytes:
    """The bytes of a file whose bytes may be base64 once more.

    The SDKs put the base64 text of a file where the proto wants its bytes, all but one of them.
    What looks like base64 is taken for it: a file that is by itself four letters long and encoded
    once is read wrongly, and nothing in the document could tell.
    """
    if not raw or len(raw) % 4:
        return raw
    try:
        return base64.b64decode(raw, validate=True)
    except binascii.Error:
        return raw


def read_part(part: prototypes.Part, path: str) -> model.Part:
    if (part.text, part.file, part.data).count(None) != 2:
        raise wrong(path, "must hold exactly one of text, file, data")
    if part.text is not None:
        return parts.text_part(part.text, part.metadata)
    if part.data is not None:
        return parts.data_part(part.data.data, part.metadata)
    assert part.file is not None
    file = part.file
    if (file.file_with_bytes is None) == (file.file_with_uri is None):
        raise wrong(f"{path}.file", "must hold either fileWithBytes or fileWithUri")
    return model.Part(
        raw=None if file.file_with_bytes is None else unwrapped(file.file_with_bytes),
        url=file.file_with_uri,
        metadata=part.metadata,
        filename=file.name,
        media_type=file.mime_type,
    )


def read_parts(content: tuple[prototypes.Part, ...], path: str) -> tuple[model.Part, ...]:
    return tuple(read_part(part, f"{path}[{n}]") for n, part in enumerate(content))


def read_message(message: prototypes.Message, path: str = "") -> model.Message:
    return model.Message(
        message_id=message.message_id,
        role=model.Role.USER if message.role is model.Role.USER else model.Role.AGENT,
        parts=read_parts(message.content, f"{path}.content"),
        context_id=message.context_id,
        task_id=message.task_id,
        metadata=message.metadata,
        extensions=message.extensions,
        reference_task_ids=message.reference_task_ids,
    )


def read_artifact(artifact: prototypes.Artifact, path: str) -> model.Artifact:
    return model.Artifact(
        artifact_id=artifact.artifact_id,
        parts=read_parts(artifact.parts, f"{path}.parts"),
        name=artifact.name,
        description=artifact.description,
        metadata=artifact.metadata,
        extensions=artifact.extensions,
    )


def read_status(status: prototypes.TaskStatus, path: str) -> model.TaskStatus:
    update = status.update
    # The SDKs write an empty message where there is none.
    said = update is not None and (update.message_id or update.content)
    return model.TaskStatus(
        state=STATES_BACK[status.state],
        message=read_message(update, f"{path}.message") if update is not None and said else None,
        timestamp=moment(status.since),
    )


def read_task(task: prototypes.Task) -> model.Task:
    return model.Task(
        id=task.id,
        status=read_status(task.status, "status"),
        context_id=task.context_id,
        artifacts=tuple(read_artifact(a, f"artifacts[{n}]") for n, a in enumerate(task.artifacts)),
        history=tuple(read_message(m, f"history[{n}]") for n, m in enumerate(task.history)),
        metadata=task.metadata,
    )


def read_status_update(event: prototypes.TaskStatusUpdateEvent) -> model.TaskStatusUpdateEvent:
    return model.TaskStatusUpdateEvent(
        task_id=event.task_id,
        context_id=event.context_id,
        status=read_status(event.status, "status"),
        metadata=event.metadata,
    )


def read_artifact_update(
    event: prototypes.TaskArtifactUpdateEvent,
) -> model.TaskArtifactUpdateEvent:
    return model.TaskArtifactUpdateEvent(
        task_id=event.task_id,
        context_id=event.context_id,
        artifact=read_artifact(event.artifact, "artifact"),
        append=event.append,
        last_chunk=event.last_chunk,
        metadata=event.metadata,
    )


READERS: Mapping[str, tuple[type[shapes.Shape], Callable[[Any], model.Event]]] = {
    "task": (prototypes.Task, read_task),
    "message": (prototypes.Message, read_message),
    "statusUpdate": (prototypes.TaskStatusUpdateEvent, read_status_update),
    "artifactUpdate": (prototypes.TaskArtifactUpdateEvent, read_artifact_update),
}


def read_event(name: str, value: Any) -> model.Event:
    """An event from plain values; `name` is the member that HTTP+JSON wraps it in."""
    shape, read = READERS[name]
    return read(reading.convert(value, shape, strict=False))


def read_push(config: prototypes.TaskPushNotificationConfig) -> model.TaskPushNotificationConfig:
    named = config.name.removeprefix("tasks/").partition("/")[0]
    return read_webhook(config.push_notification_config, config.task_id or named)


def read_send(request: prototypes.SendMessageRequest) -> model.SendMessageRequest:
    said = request.configuration or prototypes.SendMessageConfiguration()
    push = said.push_notification
    return model.SendMessageRequest(
        message=read_message(request.request, "message"),
        configuration=model.SendMessageConfiguration(
            accepted_output_modes=said.accepted_output_modes,
            task_push_notification_config=None if push is None else read_webhook(push),
            # "0 = unlimited", says the proto; and what is left out is 0, or false.
            history_length=said.history_length or None,
            return_immediately=not said.blocking,
        ),
        metadata=request.metadata,
    )
