"""What a server gives to a store, for the tests of stores."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import frozen

from a2acore.backend import Choices
from a2acore.lifecycle import Record
from a2acore.model import (
    Artifact,
    Message,
    Part,
    Role,
    Task,
    TaskArtifactUpdateEvent,
    TaskPushNotificationConfig,
    TaskState,
    TaskStatus,
    TaskStatusUpdateEvent,
)
from a2acore.push.port import Webhook
from a2acore.store import Beginning, Item, Store

EARLY = "2026-01-01T00:00:00.000Z"
LATER = "2026-01-01T00:00:01.000Z"


def nothing() -> None:
    """Nobody is told."""


def said(text: str) -> Message:
    return Message(f"m-{text}", Role.USER, (Part(text=text),))


def status(task_id: str, state: TaskState, text: str = "", at: str = LATER) -> Item:
    message = Message(f"s-{text}", Role.AGENT, (Part(text=text),)) if text else None
    return TaskStatusUpdateEvent(task_id, "c", TaskStatus(state, message, at))


def piece(task_id: str, text: str, name: str = "response") -> Item:
    artifact = Artifact(name, (Part(text=text),), name)
    return TaskArtifactUpdateEvent(task_id, "c", artifact, append=True)


def beginning(record: Record) -> Beginning:
    return Beginning(record, "/workspace", {"k": [1, None]}, Choices(model="m"), ("other",))


def begin(
    store: Store,
    task_id: str,
    *,
    owner: str = "owner",
    context_id: str = "c",
    at: str = EARLY,
    told: Callable[[], None] = nothing,
) -> Record:
    """Give a new task."""
    record = Record(task_id, context_id, owner, TaskStatus(TaskState.SUBMITTED, None, at))
    record.hear(said("hello"))
    store.begin(beginning(record), told)
    return record


@frozen
class Taking:
    """Takes lines into a record. Equal for one record, as a server's is: a store may tell at once
    what it was given in a row."""

    record: Record
    told: Callable[[], None]

    def __call__(self, items: Sequence[Item]) -> None:
        for item in items:
            self.record.take(item)
        self.told()


def write(store: Store, record: Record, *items: Item, told: Callable[[], None] = nothing) -> None:
    """Give some lines; they are taken into the record when that is told."""
    store.append(record, items, Taking(record, told))


def end(
    store: Store, record: Record, state: TaskState = TaskState.COMPLETED, at: str = LATER
) -> None:
    """Give the end."""
    write(store, record, status(record.id, state, at=at))


async def ended(store: Store, task_id: str, *, at: str = LATER) -> Record:
    """Give a whole task, and wait until it is kept."""
    record = begin(store, task_id)
    write(store, record, status(task_id, TaskState.WORKING), piece(task_id, f"I am {task_id}"))
    end(store, record, at=at)
    await store.settle()
    return record


async def found(store: Store, task_id: str) -> Task:
    """A task that is there."""
    entry = await store.find(task_id)
    assert entry is not None
    return entry.task()


def webhook(task_id: str, id: str = "w", url: str = "https://example.com/") -> Webhook:
    return Webhook(TaskPushNotificationConfig(url, id=id, task_id=task_id, token="t"), "1.0")
