"""Every store keeps what it is given, and shows it in the same way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import given

from a2acore.lifecycle import Record
from a2acore.model import Task, TaskState, TaskStatus, TaskStatusUpdateEvent
from a2acore.push.port import DeadLetter, Place
from a2acore.store import MemoryStore, Query, Sent, Store
from a2acore.store.entries import Ended
from a2acore.store.sqlite import open_sqlite
from fuzz.strategies import tasks
from tests.storing import LATER, begin, end, ended, found, piece, said, status, webhook, write

EVERYTHING = Query(100)


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
    else:
        async with open_sqlite(tmp_path / "tasks.sqlite") as opened:
            yield opened


async def test_a_running_task_is_shown_as_far_as_it_was_told(store: Store) -> None:
    running = begin(store, "a")
    write(store, running, status("a", TaskState.WORKING), said("more"), piece("a", "x"))
    await store.settle()
    assert await store.find("a") is running
    assert running.state is TaskState.WORKING
    assert [message.parts[0].text for message in running.task().history] == ["hello", "more"]


async def test_an_ended_task_is_found_as_it_ended(store: Store) -> None:
    record = await ended(store, "a")
    entry = await store.find("a")
    assert entry is not None
    assert (entry.id, entry.context_id, entry.owner) == ("a", "c", "owner")
    assert (entry.state, entry.timestamp) == (TaskState.COMPLETED, LATER)
    assert entry.task() == record.task()


@given(tasks)
async def test_packing_an_ended_task_loses_nothing(task: Task) -> None:
    record = Record("a", "c", "owner", TaskStatus(TaskState.WORKING))
    for message in task.history:
        record.take(message)
    record.take(
        TaskStatusUpdateEvent("a", "c", TaskStatus(TaskState.COMPLETED, task.status.message))
    )
    assert Ended.of(record).task() == record.task()


async def test_the_history_of_an_ended_task_is_cut_like_that_of_a_running_one(
    store: Store,
) -> None:
    running, over = begin(store, "a"), begin(store, "b")
    for record in (running, over):
        write(store, record, said("1"), said("2"))
    write(store, over, status("b", TaskState.FAILED))
    await store.settle()
    one, other = await store.find("a"), await store.find("b")
    assert one is not None
    assert other is not None
    for length in (None, 0, 1, 2, 3, 4):
        assert one.task(length).history == other.task(length).history


async def test_who_is_told_hears_it_in_the_order_in_which_it_was_given(store: Store) -> None:
    heard: list[object] = []
    one = begin(store, "a", told=lambda: heard.append("a"))
    two = begin(store, "b", told=lambda: heard.append("b"))
    for number in range(5):
        for record in (one, two):
            write(
                store,
                record,
                piece(record.id, "x"),
                told=lambda id=record.id, number=number: heard.append((id, number)),  # type: ignore[misc]
            )
    await store.settle()
    assert heard == ["a", "b", *((id, number) for number in range(5) for id in "ab")]


async def test_a_task_that_never_began_is_not_found(store: Store) -> None:
    await ended(store, "a")
    assert await store.find("b") is None
    assert await store.find("") is None


async def test_nothing_was_left_where_nothing_was(store: Store) -> None:
    assert list(await store.left()) == []
    store.check()


async def test_a_list_is_newest_first_and_tasks_of_one_moment_by_their_ids(store: Store) -> None:
    for id, at in (("a", "2026-01-02"), ("c", "2026-01-01"), ("b", "2026-01-02")):
        await ended(store, id, at=at)
    running = begin(store, "d", at="2026-01-03")
    write(store, running, status("d", TaskState.WORKING, at="2026-01-01"))
    await store.settle()
    page = await store.page(EVERYTHING)
    assert [entry.id for entry in page.entries] == ["b", "a", "d", "c"]
    assert (page.total, page.more) == (4, False)


async def test_pages_follow_each_other_without_gap_or_double(store: Store) -> None:
    for number in range(7):
        await ended(store, f"t{number}", at=f"2026-01-0{number // 2 + 1}")
        begin(store, f"r{number}", at=f"2026-01-0{number // 2 + 1}")
    await store.settle()
    seen: list[str] = []
    query = Query(3)
    while True:
        page = await store.page(query)
        assert page.total == 14
        seen += [entry.id for entry in page.entries]
        if not page.more:
            break
        last = page.entries[-1]
        query = evolve(query, before=(last.timestamp, last.id))
    whole = await store.page(EVERYTHING)
    assert seen == [entry.id for entry in whole.entries]
    assert len(set(seen)) == 14


async def test_a_list_holds_what_was_asked_for(store: Store) -> None:
    for number in range(8):
        owner, context = ("ann", "bob")[number % 2], ("x", "y")[number // 2 % 2]
        record = begin(store, str(number), owner=owner, context_id=context)
        if number < 6:
            end(store, record, TaskState.FAILED if number < 3 else TaskState.COMPLETED)
    await store.settle()

    async def ids(query: Query) -> str:
        page = await store.page(query)
        assert page.total == len(page.entries)
        return "".join(sorted(entry.id for entry in page.entries))

    assert await ids(Query(100, owner="ann")) == "0246"
    assert await ids(Query(100, owner="eve")) == ""
    assert await ids(Query(100, context_id="y")) == "2367"
    assert await ids(Query(100, owner="bob", context_id="y")) == "37"
    assert await ids(Query(100, state=TaskState.FAILED)) == "012"
    assert await ids(Query(100, state=TaskState.SUBMITTED)) == "67"
    assert await ids(Query(100, since=LATER)) == "012345"
    assert await ids(Query(100, owner="ann", state=TaskState.COMPLETED, since=LATER)) == "4"


async def test_a_message_that_was_sent_is_known_by_its_key_and_its_sender(store: Store) -> None:
    begin(store, "a")
    store.keep_sent("ann", "k", Sent(b"\0digest", "a"))
    for _ in range(2):  # as it is given, and when it is kept
        assert await store.sent("ann", "k") == Sent(b"\0digest", "a")
        assert await store.sent("bob", "k") is None
        assert await store.sent("ann", "other") is None
        await store.settle()


async def test_what_a_backend_keeps_of_a_conversation_is_what_it_kept_last(store: Store) -> None:
    assert await store.session("k") is None
    for session in ({"a": [1, None, "x"]}, {}, None, {"b": 2.5}):
        store.keep_session("k", session)
        assert await store.session("k") == session
        await store.settle()
        assert await store.session("k") == session
    assert await store.session("other") is None


async def test_webhooks_are_listed_in_the_order_in_which_their_ids_came(store: Store) -> None:
    begin(store, "a")
    for id in ("z", "y", "x"):
        store.keep_webhook(webhook("a", id), Place())
    store.keep_webhook(webhook("a", "z", "https://example.com/new"), Place(3))
    store.drop_webhook("a", "y")
    store.drop_webhook("a", "never there")
    await store.settle()
    kept = await store.webhooks("a")
    assert kept == [webhook("a", "z", "https://example.com/new"), webhook("a", "x")]
    assert await store.webhooks("b") == []


async def test_a_webhook_is_kept_for_an_ended_task_and_not_for_one_that_is_not_there(
    store: Store,
) -> None:
    await ended(store, "a")
    store.keep_webhook(webhook("a"), Place())
    store.keep_webhook(webhook("b"), Place())
    await store.settle()
    assert await store.webhooks("a") == [webhook("a")]
    assert await store.webhooks("b") == []


async def test_a_letter_that_was_given_up_is_kept_until_its_webhook_goes(store: Store) -> None:
    def letter(id: str, first: int, last: int = 9, why: str = "refused") -> DeadLetter:
        return DeadLetter("a", id, first, last, why, LATER)

    begin(store, "a")
    for id in ("v", "w"):
        store.keep_webhook(webhook("a", id), Place())
        store.bury(letter(id, 1))
        store.bury(letter(id, 5))
    store.bury(letter("w", 1, 3, "in time for nobody"))
    store.bury(evolve(letter("w", 6), wanted=True))
    store.unbury(letter("w", 5))
    store.unbury(letter("w", 77))
    store.drop_webhook("a", "v")
    await store.settle()
    kept = [letter("w", 1, 3, "in time for nobody"), evolve(letter("w", 6), wanted=True)]
    assert await store.dead_letters() == kept
    assert await store.dead_letters(wanted=True) == kept[1:]


async def test_in_memory_the_oldest_ended_tasks_go_first_and_running_ones_stay() -> None:
    store = MemoryStore(keep=2)
    begin(store, "running")
    for name in "abcd":
        await ended(store, name)
    page = await store.page(EVERYTHING)
    assert {entry.id for entry in page.entries} == {"running", "c", "d"}
    assert await store.find("a") is None


async def test_what_was_found_in_memory_is_what_the_file_holds(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path / "tasks.sqlite") as store:
        records = [await ended(store, name) for name in "abc"]
    async with open_sqlite(tmp_path / "tasks.sqlite") as store:
        assert [await found(store, record.id) for record in records] == [
            record.task() for record in records
        ]
