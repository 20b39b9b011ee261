"""Between the model and the schema's types (`shapes`): the JSON form with `kind`.

What comes in is checked for what a shape alone cannot say; the paths of violations are those of the
request. The same functions read answers, where nothing has to be filled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import UNSET, Struct

from a2acore import model
from a2acore.wire import reading
from a2acore.wire.v03 import parts, shapes
from a2acore.wire.v03.checks import check_kind, wrong
from a2acore.wire.v03.moments import moment

STATES = {
    model.TaskState.UNSPECIFIED: shapes.TaskState.UNKNOWN,
    model.TaskState.SUBMITTED: shapes.TaskState.SUBMITTED,
    model.TaskState.WORKING: shapes.TaskState.WORKING,
    model.TaskState.COMPLETED: shapes.TaskState.COMPLETED,
    model.TaskState.FAILED: shapes.TaskState.FAILED,
    model.TaskState.CANCELED: shapes.TaskState.CANCELED,
    model.TaskState.INPUT_REQUIRED: shapes.TaskState.INPUT_REQUIRED,
    model.TaskState.REJECTED: shapes.TaskState.REJECTED,
    model.TaskState.AUTH_REQUIRED: shapes.TaskState.AUTH_REQUIRED,
}
STATES_BACK = {spoken: state for state, spoken in STATES.items()}

# Writing


def write_part(part: model.Part) -> shapes.Part:
    if part.text is not None:
        return shapes.Part(kind="text", text=part.text, metadata=parts.keep(part))
    if part.data is not UNSET:
        return shapes.Part(kind="data", data=parts.data(part), metadata=parts.keep(part))
    file = shapes.File(raw=part.raw, uri=part.url, mime_type=part.media_type, name=part.filename)
    return shapes.Part(kind="file", file=file, metadata=part.metadata)


def write_message(message: model.Message) -> shapes.Message:
    return shapes.Message(
        kind="message",
        # What says nothing of its role came from an agent: a request would not have got in.
        role=shapes.Role.USER if message.role is model.Role.USER else shapes.Role.AGENT,
        parts=tuple(map(write_part, message.parts)),
        message_id=message.message_id,
        task_id=message.task_id,
        context_id=message.context_id,
        reference_task_ids=message.reference_task_ids,
        extensions=message.extensions,
        metadata=message.metadata,
    )


def write_artifact(artifact: model.Artifact) -> shapes.Artifact:
    return shapes.Artifact(
        artifact_id=artifact.artifact_id,
        parts=tuple(map(write_part, artifact.parts)),
        name=artifact.name,
        description=artifact.description,
        extensions=artifact.extensions,
        metadata=artifact.metadata,
    )


def write_status(status: model.TaskStatus) -> shapes.TaskStatus:
    return shapes.TaskStatus(
        state=STATES[status.state],
        message=None if status.message is None else write_message(status.message),
        since=status.timestamp,
    )


def write_event(event: model.Event, *, final: bool = False) -> Struct:
    match event:
        case model.Task():
            return shapes.Task(
                kind="task",
                id=event.id,
                context_id=event.context_id,
                status=write_status(event.status),
                history=tuple(map(write_message, event.history)),
                artifacts=tuple(map(write_artifact, event.artifacts)),
                metadata=event.metadata,
            )
        case model.Message():
            return write_message(event)
        case model.TaskStatusUpdateEvent():
            return shapes.TaskStatusUpdateEvent(
                kind="status-update",
                task_id=event.task_id,
                context_id=event.context_id,
                status=write_status(event.status),
                final=final,
                metadata=event.metadata,
            )
        case model.TaskArtifactUpdateEvent():
            return shapes.TaskArtifactUpdateEvent(
                kind="artifact-update",
                task_id=event.task_id,
                context_id=event.context_id,
                artifact=write_artifact(event.artifact),
                append=event.append,
                last_chunk=event.last_chunk,
                metadata=event.metadata,
            )


def write_webhook(config: model.TaskPushNotificationConfig) -> shapes.PushNotificationConfig:
    info = config.authentication
    return shapes.PushNotificationConfig(
        url=config.url,
        id=config.id,
        token=config.token,
        authentication=None
        if info is None
        else shapes.PushNotificationAuthenticationInfo(
            schemes=(info.scheme,), credentials=info.credentials
        ),
    )


def write_push(config: model.TaskPushNotificationConfig) -> shapes.TaskPushNotificationConfig:
    return shapes.TaskPushNotificationConfig(
        task_id=config.task_id, push_notification_config=write_webhook(config)
    )


def write_send(request: model.SendMessageRequest) -> shapes.MessageSendParams:
    said = request.configuration or model.SendMessageConfiguration()
    push = said.task_push_notification_config
    return shapes.MessageSendParams(
        message=write_message(request.message),
        configuration=shapes.MessageSendConfiguration(
            accepted_output_modes=said.accepted_output_modes,
            history_length=said.history_length,
            push_notification_config=None if push is None else write_webhook(push),
            # Said in any case: what it means to leave it out, 0.3 does not say.
            blocking=not said.return_immediately,
        ),
        metadata=request.metadata,
    )


# Reading


def read_part(part: shapes.Part, path: str) -> model.Part:
    said = [
        kind
        for kind, content in (("text", part.text), ("file", part.file), ("data", part.data))
        if content is not None
    ]
    if len(said) != 1:
        raise wrong(path, "must hold exactly one of text, file, data")
    check_kind(part.kind, said[0], path)
    if part.text is not None:
        return parts.text_part(part.text, part.metadata)
    if part.data is not None:
        return parts.data_part(part.data, part.metadata)
    assert part.file is not None
    file = part.file
    if (file.raw is None) == (file.uri is None):
        raise wrong(f"{path}.file", "must hold either bytes or uri")
    return model.Part(
        raw=file.raw,
        url=file.uri,
        metadata=part.metadata,
        filename=file.name,
        media_type=file.mime_type,
    )


def read_parts(content: tuple[shapes.Part, ...], path: str) -> tuple[model.Part, ...]:
    return tuple(read_part(part, f"{path}[{n}]") for n, part in enumerate(content))


def read_message(message: shapes.Message, path: str = "") -> model.Message:
    check_kind(message.kind, "message", path)
    return model.Message(
        message_id=message.message_id,
        role=model.Role.USER if message.role is shapes.Role.USER else model.Role.AGENT,
        parts=read_parts(message.parts, f"{path}.parts"),
        context_id=message.context_id,
        task_id=message.task_id,
        metadata=message.metadata,
        extensions=message.extensions,
        reference_task_ids=message.reference_task_ids,
    )


def read_artifact(artifact: shapes.Artifact, path: str) -> model.Artifact:
    return model.Artifact(
        artifact_id=artifact.artifact_id,
        parts=read_parts(artifact.parts, f"{path}.parts"),
        name=artifact.name,
        description=artifact.description,
        metadata=artifact.metadata,
        extensions=artifact.extensions,
    )


def read_status(status: shapes.TaskStatus, path: str) -> model.TaskStatus:
    return model.TaskStatus(
        state=STATES_BACK[status.state],
        message=None if status.message is None else read_message(status.message, f"{path}.message"),
        timestamp=moment(status.since),
    )


def read_task(task: shapes.Task) -> model.Task:
    check_kind(task.kind, "task")
    return model.Task(
        id=task.id,
        status=read_status(task.status, "status"),
        context_id=task.context_id,
        artifacts=tuple(read_artifact(a, f"artifacts[{n}]") for n, a in enumerate(task.artifacts)),
        history=tuple(read_message(m, f"history[{n}]") for n, m in enumerate(task.history)),
        metadata=task.metadata,
    )


def read_status_update(event: shapes.TaskStatusUpdateEvent) -> model.TaskStatusUpdateEvent:
    check_kind(event.kind, "status-update")
    return model.TaskStatusUpdateEvent(
        task_id=event.task_id,
        context_id=event.context_id,
        status=read_status(event.status, "status"),
        metadata=event.metadata,
    )


def read_artifact_update(event: shapes.TaskArtifactUpdateEvent) -> model.TaskArtifactUpdateEvent:
    check_kind(event.kind, "artifact-update")
    return model.TaskArtifactUpdateEvent(
        task_id=event.task_id,
        context_id=event.context_id,
        artifact=read_artifact(event.artifact, "artifact"),
        append=event.append,
        last_chunk=event.last_chunk,
        metadata=event.metadata,
    )


READERS: Mapping[str, tuple[type[shapes.Shape], Callable[[Any], model.Event]]] = {
    "task": (shapes.Task, read_task),
    "message": (shapes.Message, read_message),
    "statusUpdate": (shapes.TaskStatusUpdateEvent, read_status_update),
    "artifactUpdate": (shapes.TaskArtifactUpdateEvent, read_artifact_update),
}


def read_event(name: str, value: Any) -> model.Event:
    """An event from plain values; `name` is the member that HTTP+JSON wraps it in."""
    shape, read = READERS[name]
    return read(reading.convert(value, shape, strict=False))


def read_webhook(
    config: shapes.PushNotificationConfig, task_id: str = ""
) -> model.TaskPushNotificationConfig:
    info = config.authentication
    return model.TaskPushNotificationConfig(
        url=config.url,
        id=config.id,
        task_id=task_id,
        token=config.token,
        # Any scheme can be performed here, so the first is; the model has no room for the others.
        authentication=model.AuthenticationInfo(info.schemes[0], info.credentials)
        if info is not None and info.schemes
        else None,
    )


def read_push(config: shapes.TaskPushNotificationConfig) -> model.TaskPushNotificationConfig:
    return read_webhook(config.push_notification_config, config.task_id)


def read_send(params: shapes.MessageSendParams) -> model.SendMessageRequest:
    said = params.configuration
    return model.SendMessageRequest(
        message=read_message(params.message, "message"),
        configuration=None if said is None else read_configuration(said),
        metadata=params.metadata,
    )


def read_configuration(said: shapes.MessageSendConfiguration) -> model.SendMessageConfiguration:
    push = said.push_notification_config
    return model.SendMessageConfiguration(
        accepted_output_modes=said.accepted_output_modes,
        task_push_notification_config=None if push is None else read_webhook(push),
        history_length=said.history_length,
        # 0.3 does not say what leaving `blocking` out means; its SDK waits.
        return_immediately=said.blocking is False,
    )
