"""The store in a file and the one in memory cannot be told apart, except that one of them may be
closed and opened between any two steps."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from attrs import define, field
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from a2acore.lifecycle import ENDS, PAUSES, TERMINAL, IllegalTransition, Record
from a2acore.model import (
    Artifact,
    Message,
    Part,
    TaskArtifactUpdateEvent,
    TaskState,
)
from a2acore.push.port import DeadLetter, Place
from a2acore.store import Item, MemoryStore, Query, Sent
from a2acore.store.sqlite import SqliteStore, open_sqlite
from fuzz.strategies import objects, texts
from tests.storing import EARLY, begin, beginning, piece, said, status, webhook, write

OWNERS, CONTEXTS, HOOKS = ("ann", "bob"), ("x", "y"), ("v", "w")
MOMENTS = tuple(f"2026-01-0{day}T00:00:00.000Z" for day in range(1, 5))

numbers = st.integers(0, 5)
moments = st.sampled_from(MOMENTS)
hooks = st.sampled_from(HOOKS)
items = (
    st.tuples(st.just("said"), texts)
    | st.tuples(st.just("piece"), texts)
    | st.tuples(st.just("other piece"), texts)
    | st.tuples(st.just("artifact"), texts)
    | st.tuples(st.sampled_from([TaskState.WORKING, *sorted(PAUSES, key=str)]), texts, moments)
)
steps = (
    st.tuples(st.just("begin"), st.sampled_from(OWNERS), st.sampled_from(CONTEXTS), moments)
    | st.tuples(st.just("write"), numbers, st.lists(items, min_size=1, max_size=4))
    | st.tuples(st.just("write"), numbers, st.lists(items, min_size=1, max_size=4))
    | st.tuples(st.just("end"), numbers, st.sampled_from(sorted(ENDS, key=str)), moments)
    | st.tuples(st.just("hook"), numbers, hooks, st.integers(0, 5))
    | st.tuples(st.just("move"), numbers, hooks, st.integers(0, 5), st.integers(0, 5))
    | st.tuples(st.just("drop"), numbers, hooks)
    | st.tuples(st.just("bury"), numbers, hooks, st.integers(1, 3), st.booleans())
    | st.tuples(st.just("unbury"), numbers, hooks, st.integers(1, 3))
    | st.tuples(st.just("sent"), numbers, st.sampled_from(OWNERS), texts, texts)
    | st.tuples(st.just("session"), st.sampled_from(CONTEXTS), st.none() | objects)
    | st.sampled_from([("settle",), ("compare",), ("reopen",), ("reopen",)])
)


def item_of(id: str, kind: Any, text: str, at: str = EARLY) -> Item:
    if isinstance(kind, TaskState):
        return status(id, kind, text, at)
    if kind == "said":
        return said(text)
    if kind == "artifact":
        artifact = Artifact("response", (Part(text=text), Part(data={"k": text})), "response")
        return TaskArtifactUpdateEvent(id, "c", artifact, last_chunk=True)
    return piece(id, text, "response" if kind == "piece" else "thinking")


@define(eq=False)
class World:
    """Both stores, and what one of them does not know: events, and how far webhooks have come."""

    path: Path
    file: SqliteStore
    opened: AsyncExitStack
    memory: MemoryStore = field(factory=MemoryStore)
    records: dict[str, tuple[Record, Record]] = field(factory=dict)
    """By id, the one in memory and the one of the file."""
    events: dict[str, list[Item]] = field(factory=dict)
    places: dict[tuple[str, str], Place] = field(factory=dict)
    keys: set[tuple[str, str]] = field(factory=set)

    @property
    def unfinished(self) -> list[str]:
        return [id for id, (record, _) in self.records.items() if record.state not in TERMINAL]

    async def take(self, name: str, *how: Any) -> None:
        if name in ("begin", "session"):
            getattr(self, name)(*how)
        elif name in ("settle", "compare", "reopen"):
            await getattr(self, name)()
        elif ids := list(self.records):
            getattr(self, name)(ids[how[0] % len(ids)], *how[1:])

    def begin(self, owner: str, context: str, at: str) -> None:
        id = f"t{len(self.records)}"
        mine, other = (
            begin(store, id, owner=owner, context_id=context, at=at)
            for store in (self.memory, self.file)
        )
        self.records[id] = (mine, other)
        self.events[id] = []

    def write(self, id: str, kinds: list[Any]) -> None:
        for kind in kinds:
            self.add(id, item_of(id, *kind))

    def add(self, id: str, *items: Item) -> None:
        mine, other = self.records[id]
        if mine.state in TERMINAL:
            return
        items = tuple(
            item if isinstance(item, Message) else structs.replace(item, context_id=mine.context_id)
            for item in items
        )
        try:
            write(self.memory, mine, *items)
        except IllegalTransition:
            return
        write(self.file, other, *items)
        self.events[id] += [item for item in items if not isinstance(item, Message)]

    def end(self, id: str, state: TaskState, at: str) -> None:
        self.add(id, piece(id, "the last"), status(id, state, "done", at))

    def hook(self, id: str, hook: str, heard: int) -> None:
        for store in (self.memory, self.file):
            store.keep_webhook(webhook(id, hook), Place(heard))
        self.places[id, hook] = Place(heard)

    def move(self, id: str, hook: str, heard: int, posting: int) -> None:
        self.file.move_webhook(id, hook, Place(heard, posting))
        if (id, hook) in self.places:
            self.places[id, hook] = Place(heard, posting)

    def drop(self, id: str, hook: str) -> None:
        for store in (self.memory, self.file):
            store.drop_webhook(id, hook)
        self.places.pop((id, hook), None)

    def bury(self, id: str, hook: str, first: int, wanted: bool) -> None:
        if (id, hook) in self.places:
            for store in (self.memory, self.file):
                store.bury(DeadLetter(id, hook, first, first + 2, "why", EARLY, wanted))

    def unbury(self, id: str, hook: str, first: int) -> None:
        for store in (self.memory, self.file):
            store.unbury(DeadLetter(id, hook, first, first, "", ""))

    def sent(self, id: str, owner: str, key: str, digest: str) -> None:
        for store in (self.memory, self.file):
            store.keep_sent(owner, key, Sent(digest.encode(), id))
        self.keys.add((owner, key))

    def session(self, key: str, session: Any) -> None:
        for store in (self.memory, self.file):
            store.keep_session(key, session)

    async def settle(self) -> None:
        await self.file.settle()

    async def reopen(self) -> None:
        await self.opened.aclose()
        self.file = await self.opened.enter_async_context(open_sqlite(self.path))
        left = await self.file.left()
        assert [each.beginning.record.id for each in left] == self.unfinished
        for each in left:
            record = each.beginning.record
            mine, _ = self.records[record.id]
            assert each.beginning == beginning(record)
            assert each.events == len(self.events[record.id])
            assert record.task() == mine.task()
            self.records[record.id] = (mine, record)
        assert await self.file.left() == []

    async def compare(self) -> None:
        await self.file.settle()
        for id, events in self.events.items():
            one, other = await self.memory.find(id), await self.file.find(id)
            assert one is not None
            assert other is not None
            assert other.task() == one.task()
            assert other.task(1) == one.task(1)
            for after in (0, 1, len(events) - 1, len(events), len(events) + 1):
                assert await self.file.events(id, max(0, after)) == events[max(0, after) :]
            assert await self.file.webhooks(id) == await self.memory.webhooks(id)
        for query in QUERIES:
            await self.compare_pages(query)
        for key in self.keys:
            assert await self.file.sent(*key) == await self.memory.sent(*key)
        for context in CONTEXTS:
            assert await self.file.session(context) == await self.memory.session(context)
        for wanted in (False, True):
            letters = await self.memory.dead_letters(wanted=wanted)
            assert await self.file.dead_letters(wanted=wanted) == letters
        behind = {
            (each.webhook.config.task_id, each.webhook.config.id): (each.place, each.events)
            for each in await self.file.behind()
        }
        for (id, hook), place in self.places.items():
            if id in self.unfinished or place.heard < len(self.events[id]):
                assert behind.pop((id, hook)) == (place, len(self.events[id]))
        # One that has heard all may be told of until its task is packed.
        assert all(place.heard >= events for place, events in behind.values())

    async def compare_pages(self, query: Query) -> None:
        one, other = await self.memory.page(query), await self.file.page(query)
        assert [entry.task() for entry in other.entries] == [entry.task() for entry in one.entries]
        assert [entry.owner for entry in other.entries] == [entry.owner for entry in one.entries]
        assert (other.total, other.more) == (one.total, one.more)


QUERIES = [
    Query(size, owner, context, state, since, before)
    for size, owner, context, state, since, before in (
        (100, None, "", None, "", None),
        (1, None, "", None, "", None),
        (2, "ann", "", None, "", None),
        (2, "bob", "x", None, "", None),
        (3, None, "y", None, "", None),
        (100, None, "", TaskState.COMPLETED, "", None),
        (1, "ann", "x", TaskState.WORKING, "", None),
        (100, None, "", None, MOMENTS[2], None),
        (2, None, "", None, "", (MOMENTS[2], "t1")),
        (1, "ann", "", None, MOMENTS[1], (MOMENTS[3], "t2")),
    )
]


@given(st.lists(steps, max_size=30))
@settings(deadline=None, max_examples=60)
async def test_the_two_stores_cannot_be_told_apart(script: list[tuple[Any, ...]]) -> None:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "tasks.sqlite"
        async with AsyncExitStack() as opened:
            file = await opened.enter_async_context(open_sqlite(path))
            world = World(path, file, opened)
            for step in script:
                await world.take(*step)
            await world.compare()
            await world.reopen()
            await world.compare()
