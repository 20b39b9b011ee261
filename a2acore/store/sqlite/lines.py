"""A task's log as text: what a batch adds to one task's log is one row, a JSON list of lines.

A line is something that the caller said, or an event. Pieces of text that follow each other in one
artifact, and say nothing else, are one line: sixteen thousand of them take little more room than
what they say, and each keeps its number all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec
from attrs import define, field
from msgspec import UNSET, Struct

from a2acore.backend import Choices
from a2acore.lifecycle import Growing, Record
from a2acore.model import (
    Artifact,
    Message,
    Metadata,
    Part,
    Task,
    TaskArtifactUpdateEvent,
    TaskStatusUpdateEvent,
)
from a2acore.store.port import Beginning, Item, Left
from a2acore.work import Written


class Begun(Struct, frozen=True):
    """A beginning as it is kept: a row of its own, before all lines."""

    task: Task
    owner: str
    workspace: str
    metadata: Metadata
    choices: Choices
    references: tuple[str, ...]


class Line(Struct, frozen=True):
    """A line as it is kept: one of the first three, or pieces of text."""

    said: Message | None = None
    status: TaskStatusUpdateEvent | None = None
    artifact: TaskArtifactUpdateEvent | None = None
    to: tuple[str, str] = ("", "")
    """The id and the name of the artifact that the pieces belong to."""
    pieces: tuple[str, ...] = ()


_encode = msgspec.json.Encoder().encode
_read_begun = msgspec.json.Decoder(Begun).decode
_read_lines = msgspec.json.Decoder(list[Line]).decode

Row = tuple[int, int, int, bytes]
"""A row of the log: the number of the task, of the first event in here, and of the last, and the
lines. Where there is no event, the first is one more than the last. The beginning is at 0."""


def begin(number: int, beginning: Beginning) -> Row:
    """The row that a log begins with.

    Raises:
        ValueError: there is something in it that is no JSON.
    """
    record = beginning.record
    begun = Begun(
        record.task(),
        record.owner,
        beginning.workspace,
        beginning.metadata,
        beginning.choices,
        beginning.references,
    )
    return (number, 0, 0, _encode(begun))


@define(eq=False)
class Pieces:
    """Pieces of text that follow each other in one artifact."""

    to: bytes
    """Its id and its name, as JSON."""
    id: str
    name: str
    texts: list[str] = field(factory=list)

    def line(self) -> bytes:
        return b'{"to":%b,"pieces":%b}' % (self.to, _encode(self.texts))


@define(eq=False)
class Lines:
    """The lines that a batch adds to the log of one task."""

    task: int
    last: int
    """The number of the last event."""
    _first: int = field(init=False)
    _lines: list[bytes | Pieces] = field(factory=list)
    _open: Pieces | None = None
    """The last line, if it is one of pieces."""

    def __attrs_post_init__(self) -> None:
        self._first = self.last + 1

    def write(self, items: Sequence[Item]) -> int:
        """Add lines, all or none. Tells how much they say, in bytes or characters.

        Raises:
            ValueError: there is something in them that is no JSON.
        """
        if len(items) == 1 and (piece := _piece(items[0])) is not None:  # as nearly always
            return self._add_piece(*piece)
        lines = [_whole(item) for item in items]  # all of them, before any is added
        for item, line in zip(items, lines, strict=True):
            piece = _piece(item)
            if piece is not None:
                self._add_piece(*piece)
                continue
            self._lines.append(line)
            self._open = None
            self.last += not isinstance(item, Message)
        return sum(map(len, lines))

    def row(self) -> Row:
        lines = [line if isinstance(line, bytes) else line.line() for line in self._lines]
        return (self.task, self._first, self.last, b"[" + b",".join(lines) + b"]")

    def _add_piece(self, artifact: Artifact, text: str) -> int:
        if not text.isascii():
            text.encode()  # to raise now what would be raised when it is written
        id, name, pieces = artifact.artifact_id, artifact.name, self._open
        if pieces is None or pieces.id != id or pieces.name != name:
            pieces = self._open = Pieces(_encode((id, name)), id, name)
            self._lines.append(pieces)
        pieces.texts.append(text)
        self.last += 1
        return len(text)


def _piece(item: Item) -> tuple[Artifact, str] | None:
    """The text of an event that says nothing else, and the artifact that it belongs to.

    Field by field, as this is asked of each word that an agent says; a test holds that none is
    left out.
    """
    if (
        not isinstance(item, TaskArtifactUpdateEvent)
        or not item.append
        or item.last_chunk
        or item.metadata is not None
    ):
        return None
    artifact = item.artifact
    if (
        len(artifact.parts) != 1
        or artifact.description
        or artifact.metadata is not None
        or artifact.extensions
    ):
        return None
    part = artifact.parts[0]
    text = part.text
    if (
        text is None
        or part.raw is not None
        or part.url is not None
        or part.data is not UNSET
        or part.metadata is not None
        or part.filename
        or part.media_type
    ):
        return None
    return artifact, text


def _whole(item: Item) -> bytes:
    if isinstance(item, Message):
        kind = b"said"
    else:
        kind = b"status" if isinstance(item, TaskStatusUpdateEvent) else b"artifact"
    return b'{"%b":%b}' % (kind, _encode(item))


def _as_event(task_id: str, context_id: str, to: tuple[str, str], text: str) -> Written:
    id, name = to
    artifact = Artifact(id, (Part(text=text),), name)
    return TaskArtifactUpdateEvent(task_id, context_id, artifact, append=True)


# Reading


def items(task_id: str, context_id: str, body: bytes) -> Iterator[Item]:
    """The lines of a row that is not the beginning.

    Raises:
        msgspec.DecodeError: it is damaged.
    """
    for line in _read_lines(body):
        for item in (line.said, line.status, line.artifact):
            if item is not None:
                yield item
        for text in line.pieces:
            yield _as_event(task_id, context_id, line.to, text)


def rebuild(beginning: bytes, rows: Iterable[tuple[int, bytes]]) -> Left:
    """A task from its log: the first row, and of the others each one's last event and lines.

    Raises:
        msgspec.DecodeError: it is damaged.
    """
    begun = _read_begun(beginning)
    task = begun.task
    record = Record(task.id, task.context_id, begun.owner, task.status, list(task.history))
    record.artifacts |= {each.artifact_id: Growing.of(each) for each in task.artifacts}
    events = 0
    for last, body in rows:
        events = last
        for item in items(task.id, task.context_id, body):
            record.take(item)
    return Left(
        Beginning(record, begun.workspace, begun.metadata, begun.choices, begun.references), events
    )
