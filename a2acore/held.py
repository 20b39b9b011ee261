"""What is told of a task while it waits for an answer: kept back, so that the question stays the
last word, and kept short. Pure.

Nothing is missing that the task would hold in the end: pieces of a text are joined, and what is
said of a thing again takes the place of what was said of it before, as in the task's history. What
goes beyond `ROOM` is left out and counted.
"""

from __future__ import annotations

from collections.abc import Hashable
from io import StringIO

import msgspec
from attrs import define, field
from msgspec import structs

from a2acore.lifecycle import about
from a2acore.model import Artifact, Part, TaskArtifactUpdateEvent
from a2acore.work import Written

ROOM = 8 * 1024 * 1024
"""Bytes of JSON. All of it is told at once, and nothing else is done meanwhile."""
EVENT = 1024
"""Bytes that an event counts beside its own: what it takes to keep it, and to tell it."""


@define(eq=False)
class Held:
    """The events of one pause, in their order."""

    left_out: int = 0
    """How many found no room."""
    _events: list[Written] = field(factory=list)
    _places: dict[Hashable, int] = field(factory=dict)
    """Where each thing stands that may be told again, in whole."""
    _text: StringIO = field(factory=StringIO)
    """What follows the text of the last event."""
    _size: int = 0

    def add(self, event: Written) -> None:
        """Keep one more."""
        text = _text(event)
        if text is not None and self._goes_on(event):
            if self._has_room(len(text)):
                self._text.write(text)
            return
        size = EVENT + len(msgspec.json.encode(event))
        thing = _thing(event)
        if thing is None and isinstance(event, TaskArtifactUpdateEvent):
            self._places.pop(event.artifact.artifact_id, None)  # a piece: no more the whole
        if thing in self._places:
            place = self._places[thing]
            before = EVENT + len(msgspec.json.encode(self._events[place]))
            if self._has_room(size - before):
                self._events[place] = event
        elif self._has_room(size):
            self._join()
            if thing is not None:
                self._places[thing] = len(self._events)
            self._events.append(event)

    def take(self, now: str) -> list[Written]:
        """All of it, to be told now."""
        self._join()
        return [_told_at(event, now) for event in self._events]

    def _has_room(self, size: int) -> bool:
        if self._size + size > ROOM:
            self.left_out += 1
            return False
        self._size += size
        return True

    def _goes_on(self, event: Written) -> bool:
        """Whether an event appends to the one before it."""
        last = self._events[-1] if self._events else None
        return (
            isinstance(last, TaskArtifactUpdateEvent)
            and isinstance(event, TaskArtifactUpdateEvent)
            and event.append
            and _text(last) is not None
            and last.artifact.artifact_id == event.artifact.artifact_id
        )

    def _join(self) -> None:
        """Put the text that follows the last event into it."""
        more = self._text.getvalue()
        if not more:
            return
        self._text = StringIO()
        last = self._events[-1]
        assert isinstance(last, TaskArtifactUpdateEvent)
        part = Part(text=(_text(last) or "") + more)
        artifact = structs.replace(last.artifact, parts=(part,))
        self._events[-1] = structs.replace(last, artifact=artifact)


def _text(event: Written) -> str | None:
    """The text of an event that is a piece of one, and nothing beside."""
    match event:
        case TaskArtifactUpdateEvent(
            last_chunk=False,
            artifact=Artifact(
                parts=(Part(text=str(text), metadata=None, filename="", media_type=""),)
            ),
        ):
            return text
    return None


def _thing(event: Written) -> Hashable | None:
    """What an event tells in whole, if it may do so again."""
    if isinstance(event, TaskArtifactUpdateEvent):
        return event.artifact.artifact_id if event.last_chunk and not event.append else None
    return None if event.status.message is None else about(event.status.message)


def _told_at(event: Written, now: str) -> Written:
    if isinstance(event, TaskArtifactUpdateEvent):
        return event
    return structs.replace(event, status=structs.replace(event.status, timestamp=now))
