"""What a webhook is told, in the form of the line that registered it.

A letter tells a run of the events of a task, from one number to another, and is called by these: it
has the same id whenever it is posted, by whichever server. The letters of one webhook follow each
other without a gap.

Line 1.0 is told events, in the wrapper that streams have. Pieces of one artifact that follow each
other while a webhook is busy are told as one: it then catches up, however fast the agent writes.

Line 0.3 is told the task as it stands, whole (its section on push notifications has no other form);
so there is one letter for all news since the last one.

Pure. Letters are written when they are taken, so that no body is held that is not posted yet.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence

import msgspec
from attrs import field, frozen
from msgspec import structs

from a2acore.lifecycle import Growing
from a2acore.model import Event, Task, TaskArtifactUpdateEvent
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


@frozen
class Letter:
    """What is posted at once."""

    id: str
    first: int
    last: int
    """The numbers of the events that it tells."""
    body: bytes = field(repr=False)


def letters(webhook: Webhook, news: Sequence[Written], first: int) -> Iterator[Letter] | None:
    """The letters that tell these events, of which the first has that number; nothing where the
    whole task tells them better."""
    if webhook.line == v03.VERSION:
        return None
    runs = list(runs_of(news))
    return _each(webhook, runs, first) if len(runs) <= BACKLOG else None


def letter(webhook: Webhook, news: Sequence[Written], first: int) -> Letter | None:
    """The one letter that tells these events, if one can."""
    runs = list(runs_of(news))
    if webhook.line == v03.VERSION or len(runs) != 1:
        return None
    return next(_each(webhook, runs, first))


def whole(webhook: Webhook, task: Task, first: int, last: int) -> Letter:
    """The letter that tells the task as it stands, instead of some events."""
    return _letter(webhook, task, first, last)


def _each(webhook: Webhook, runs: Iterable[Sequence[Written]], first: int) -> Iterator[Letter]:
    for run in runs:
        last = first + len(run) - 1
        yield _letter(webhook, joined(run), first, last)
        first = last + 1


def _letter(webhook: Webhook, event: Event, first: int, last: int) -> Letter:
    return Letter(letter_id(webhook, first, last), first, last, _written(webhook, event))


def letter_id(webhook: Webhook, first: int, last: int) -> str:
    """What a letter is called, and no other one: not that of another webhook either, whatever this
    is called, and if both lead to one receiver."""
    config = webhook.config
    whose = hashlib.sha256(config.id.encode()).hexdigest()[:8]
    return f"{config.task_id}:{whose}:{first}-{last}"


def _written(webhook: Webhook, event: Event) -> bytes:
    event = plain(event) if webhook.plain else event
    old = webhook.line == v03.VERSION
    return msgspec.json.encode(write_event(event) if old else v10.wrapped(event))


def runs_of(events: Iterable[Written]) -> Iterator[Sequence[Written]]:
    """The events, those together that one letter can tell."""
    run: list[Written] = []
    for event in events:
        if run and not _goes_on(run[0], event):
            yield run
            run = []
        run.append(event)
    if run:
        yield run


def _goes_on(first: Written, event: Written) -> bool:
    """Whether an event adds parts to the artifact of the first one, and says nothing else."""
    return (
        isinstance(first, TaskArtifactUpdateEvent)
        and isinstance(event, TaskArtifactUpdateEvent)
        and event.append
        and event.metadata == first.metadata
        and all(
            getattr(event.artifact, name) in ("", (), None, getattr(first.artifact, name))
            for name in ("artifact_id", "name", "description", "metadata", "extensions")
        )
    )


def joined(run: Sequence[Written]) -> Written:
    """A run of events as one."""
    first, *rest = run
    if not rest or not isinstance(first, TaskArtifactUpdateEvent):
        return first
    growing, last_chunk = Growing.of(first.artifact), first.last_chunk
    for event in rest:
        assert isinstance(event, TaskArtifactUpdateEvent)
        growing.add(event.artifact.parts)
        last_chunk = last_chunk or event.last_chunk
    return structs.replace(first, artifact=growing.artifact(), last_chunk=last_chunk)
