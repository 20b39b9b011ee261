"""The store in memory keeps what it was given."""

from __future__ import annotations

from hypothesis import given

from a2acore.lifecycle import Record
from a2acore.model import Message, Part, Role, Task, TaskState, TaskStatus, TaskStatusUpdateEvent
from a2acore.store import MemoryStore
from fuzz.strategies import tasks


def nobody() -> None:
    """Nobody is told."""


def record(name: str, *, end: bool = False, history: int = 0) -> Record:
    made = Record(name, "c", "owner", TaskStatus(TaskState.SUBMITTED, None, "2026"))
    for number in range(history):
        made.hear(Message(str(number), Role.USER, (Part(text="hello"),)))
    if end:
        made.apply(TaskStatusUpdateEvent(name, "c", TaskStatus(TaskState.COMPLETED, None, "2027")))
    return made


async def found(store: MemoryStore, name: str) -> Task:
    entry = await store.find(name)
    assert entry is not None
    return entry.task()


async def test_a_running_task_is_seen_as_it_is_now() -> None:
    store = MemoryStore()
    running = record("a")
    store.save(running, nobody)
    running.hear(Message("m", Role.USER, (Part(text="more"),)))
    assert await found(store, "a") == running.task()


async def test_an_ended_task_is_found_as_it_ended() -> None:
    store = MemoryStore()
    running = record("a")
    store.save(running, nobody)
    running.apply(TaskStatusUpdateEvent("a", "c", TaskStatus(TaskState.FAILED, None, "2027")))
    store.save(running, nobody)
    entry = await store.find("a")
    assert entry is not None
    assert entry is not running
    assert (entry.id, entry.context_id, entry.owner) == ("a", "c", "owner")
    assert (entry.state, entry.timestamp) == (TaskState.FAILED, "2027")
    assert entry.task() == running.task()
    assert [entry.id for entry in await store.entries()] == ["a"]


@given(tasks)
async def test_packing_an_ended_task_loses_nothing(task: Task) -> None:
    ended = Record("a", "c", "owner", TaskStatus(TaskState.WORKING))
    for message in task.history:
        ended.hear(message)
    ended.apply(
        TaskStatusUpdateEvent("a", "c", TaskStatus(TaskState.COMPLETED, task.status.message))
    )
    store = MemoryStore()
    store.save(ended, nobody)
    assert await found(store, "a") == ended.task()


async def test_the_history_of_an_ended_task_is_cut_like_that_of_a_running_one() -> None:
    store = MemoryStore()
    store.save(record("a", history=3), nobody)
    store.save(record("b", history=3, end=True), nobody)
    running, ended = await store.find("a"), await store.find("b")
    assert running is not None
    assert ended is not None
    for length in (None, 0, 1, 2, 3, 4):
        assert running.task(length).history == ended.task(length).history


async def test_who_is_told_finds_what_they_are_told_of() -> None:
    store = MemoryStore()
    kept: list[TaskState] = []
    one = record("a")

    def tell() -> None:
        kept.append(one.state)

    store.save(one, tell)
    one.apply(TaskStatusUpdateEvent("a", "c", TaskStatus(TaskState.REJECTED)))
    store.save(one, tell)
    assert kept == [TaskState.SUBMITTED, TaskState.REJECTED]


async def test_the_oldest_ended_tasks_go_first_and_running_ones_stay() -> None:
    store = MemoryStore(keep=2)
    store.save(record("running"), nobody)
    for name in "abcd":
        store.save(record(name, end=True), nobody)
    assert {entry.id for entry in await store.entries()} == {"running", "c", "d"}
    assert await store.find("a") is None


async def test_a_task_that_was_never_saved_is_not_found() -> None:
    assert await MemoryStore().find("a") is None
