"""What a webhook is told, in the form of the line that registered it.

Line 1.0 is told events, in the wrapper that streams have. Pieces of one artifact that follow each
other while a webhook is busy are told as one: it then catches up, however fast the agent writes.

Line 0.3 is told the task as it stands, whole (its section on push notifications has no other form);
so there is one letter for all news since the last one.

Pure. Letters are written when they are taken, so that a task is not written before it is posted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec
from msgspec import structs

from a2acore.lifecycle import Growing, Record
from a2acore.model import Event, TaskArtifactUpdateEvent
from a2acore.plain import plain
from a2acore.push.port import Webhook
from a2acore.wire import v03, v10
from a2acore.wire.v03.schema import write_event
from a2acore.wire.v10.routes import A2A_JSON, JSON
from a2acore.work import Written

BACKLOG = 1000
"""Events of which so many at a time say less, and cost more, than the whole task."""


def media_type(line: str) -> str:
    """The media type of the letters of a line."""
    return JSON if line == v03.VERSION else A2A_JSON


def letters(webhook: Webhook, news: Sequence[Written], record: Record) -> Iterator[bytes]:
    """The letters that tell what has happened since the last one."""
    if webhook.line == v03.VERSION:
        yield whole(webhook, record)
        return
    events = list(joined(news))
    if len(events) > BACKLOG:
        yield whole(webhook, record)
        return
    for event in events:
        yield _written(webhook, event)


def whole(webhook: Webhook, record: Record) -> bytes:
    """The letter that tells the whole task."""
    return _written(webhook, record.task())


def _written(webhook: Webhook, event: Event) -> bytes:
    event = plain(event) if webhook.plain else event
    old = webhook.line == v03.VERSION
    return msgspec.json.encode(write_event(event) if old else v10.wrapped(event))


def joined(events: Iterable[Written]) -> Iterator[Written]:
    """The events, each run of pieces of one artifact made one piece."""
    run: list[TaskArtifactUpdateEvent] = []
    for event in events:
        if run and not _goes_on(run[0], event):
            yield _one(run)
            run = []
        if isinstance(event, TaskArtifactUpdateEvent):
            run.append(event)
        else:
            yield event
    if run:
        yield _one(run)


def _goes_on(first: TaskArtifactUpdateEvent, event: Written) -> bool:
    """Whether an event adds parts to the artifact of the first one, and says nothing else."""
    return (
        isinstance(event, TaskArtifactUpdateEvent)
        and event.append
        and event.metadata == first.metadata
        and all(
            getattr(event.artifact, name) in ("", (), None, getattr(first.artifact, name))
            for name in ("artifact_id", "name", "description", "metadata", "extensions")
        )
    )


def _one(run: Sequence[TaskArtifactUpdateEvent]) -> TaskArtifactUpdateEvent:
    first, *rest = run
    growing = Growing.of(first.artifact)
    for event in rest:
        growing.add(event.artifact.parts)
    return structs.replace(
        first, artifact=growing.artifact(), last_chunk=any(event.last_chunk for event in run)
    )
