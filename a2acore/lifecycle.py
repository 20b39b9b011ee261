"""The life of a task: one table of states, and the record that events are applied to.

Nothing in here waits, and nothing reads a clock. An event that the table does not allow raises
`IllegalTransition`, and changes nothing.

Rule 1: a state in TERMINAL is left by nothing; a task has exactly one of them in its life.
Rule 2: what is said is kept. A status message moves into the history when the next status, or the
    next message of the caller, takes its place.
Rule 3: a status message that speaks of a thing again (`about`) takes the place of the last one that
    did, so a tool call stands in the history once, in its latest form.
"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import define, field
from msgspec import structs

from a2acore.model import (
    Artifact,
    Message,
    Part,
    Task,
    TaskArtifactUpdateEvent,
    TaskState,
    TaskStatus,
    TaskStatusUpdateEvent,
)

ENDS = frozenset(
    {TaskState.COMPLETED, TaskState.FAILED, TaskState.CANCELED, TaskState.REJECTED},
)
PAUSES = frozenset({TaskState.INPUT_REQUIRED, TaskState.AUTH_REQUIRED})

# A2A 1.0.1 section 4.1.3, 0.3.0 section 6.3. A state that follows itself is the same state with
# another message.
NEXT: dict[TaskState, frozenset[TaskState]] = {
    TaskState.SUBMITTED: ENDS | PAUSES | {TaskState.SUBMITTED, TaskState.WORKING},
    TaskState.WORKING: ENDS | PAUSES | {TaskState.WORKING},
    TaskState.INPUT_REQUIRED: ENDS | {TaskState.WORKING, TaskState.INPUT_REQUIRED},
    TaskState.AUTH_REQUIRED: ENDS | {TaskState.WORKING, TaskState.AUTH_REQUIRED},
    TaskState.COMPLETED: frozenset(),
    TaskState.FAILED: frozenset(),
    TaskState.CANCELED: frozenset(),
    TaskState.REJECTED: frozenset(),
}
TERMINAL = frozenset(state for state, following in NEXT.items() if not following)

EXTENSION = "urn:a2acode:work:v1"
"""The extension under which everything of ours stands that A2A has no place for."""


class IllegalTransition(Exception):
    """An event that cannot happen in this state: a bug of ours, never a caller's mistake."""


def follow(state: TaskState, event: TaskStatusUpdateEvent | TaskArtifactUpdateEvent) -> TaskState:
    """The state that an event leads to.

    Raises:
        IllegalTransition: it cannot happen.
    """
    if state in TERMINAL:
        raise IllegalTransition(f"the task is {state.name}, and stays so")
    if isinstance(event, TaskArtifactUpdateEvent):
        return state
    if event.status.state not in NEXT[state]:
        raise IllegalTransition(f"{state.name} -> {event.status.state.name}")
    return event.status.state


def about(message: Message) -> tuple[str, str] | None:
    """The thing that a status message reports on, if it is one that is reported on again."""
    said = (message.metadata or {}).get(EXTENSION)
    if isinstance(said, dict) and "kind" in said and "id" in said:
        return (str(said["kind"]), str(said["id"]))
    return None


@define(eq=False)
class Growing:
    """An artifact that is being written: text that follows on text is one part, joined when read.

    Each chunk costs the same, however long the text has become.
    """

    last: Artifact
    done: list[Part]
    chunks: list[str]
    """Pieces of a text part that is not in `done` yet; `open` says how that part looks."""
    open: Part | None
    whole: bool = False
    """Its last chunk has been told."""

    @classmethod
    def of(cls, artifact: Artifact) -> Growing:
        self = cls(artifact, [], [], None)
        self.add(artifact.parts)
        return self

    def add(self, parts: Iterable[Part]) -> None:
        for part in parts:
            if part.text is None:
                self._close()
                self.done.append(part)
                continue
            before = self.open
            if (
                before is None
                or part.metadata != before.metadata
                or part.media_type != before.media_type
                or part.filename != before.filename
            ):
                self._close()
                self.open = part
            self.chunks.append(part.text)

    def _close(self) -> None:
        if self.open is not None:
            self.done.append(_with_text(self.open, "".join(self.chunks)))
            self.open = None
            self.chunks.clear()

    def artifact(self) -> Artifact:
        parts = tuple(self.done)
        if self.open is not None:
            text = "".join(self.chunks)
            self.chunks[:] = [text]
            parts = (*parts, _with_text(self.open, text))
        return structs.replace(self.last, parts=parts)


def _with_text(part: Part, text: str) -> Part:
    return structs.replace(part, text=text)


@define(eq=False)
class Record:
    """One task as it stands: what events have made of it."""

    id: str
    context_id: str
    owner: str
    status: TaskStatus
    history: list[Message] = field(factory=list)
    artifacts: dict[str, Growing] = field(factory=dict)
    _places: dict[tuple[str, str], int] = field(factory=dict)

    @property
    def state(self) -> TaskState:
        return self.status.state

    @property
    def timestamp(self) -> str:
        return self.status.timestamp

    def hear(self, message: Message) -> None:
        """Put a message of the caller's into the history, after what it answers."""
        self._keep_status_message()
        self.history.append(message)

    def apply(self, event: TaskStatusUpdateEvent | TaskArtifactUpdateEvent) -> None:
        """Make an event part of the task."""
        follow(self.status.state, event)
        if isinstance(event, TaskStatusUpdateEvent):
            self._keep_status_message()
            self.status = event.status
            return
        artifact = event.artifact
        growing = self.artifacts.get(artifact.artifact_id)
        if growing is None or not event.append:
            growing = self.artifacts[artifact.artifact_id] = Growing.of(artifact)
        else:
            growing.add(artifact.parts)
        growing.whole = event.last_chunk

    def take(self, item: Message | TaskStatusUpdateEvent | TaskArtifactUpdateEvent) -> None:
        """Make a line of the task's log part of the task: what its caller said, or an event."""
        if isinstance(item, Message):
            self.hear(item)
        else:
            self.apply(item)

    def task(self, history_length: int | None = None) -> Task:
        """The task as A2A shows it, with the last `history_length` messages (`None`: all)."""
        history = self.history
        if history_length is not None:
            history = history[-history_length:] if history_length else []
        return Task(
            id=self.id,
            status=self.status,
            context_id=self.context_id,
            artifacts=tuple([growing.artifact() for growing in self.artifacts.values()]),
            history=tuple(history),
        )

    def _keep_status_message(self) -> None:
        message = self.status.message
        if message is None:
            return
        self.status = TaskStatus(self.status.state, None, self.status.timestamp)
        key = about(message)
        if key is None:
            self.history.append(message)
        elif key in self._places:
            self.history[self._places[key]] = message
        else:
            self._places[key] = len(self.history)
            self.history.append(message)
