"""A page of the store in memory is what a look at every task there is would have found, whatever
clocks did, whoever asks, and whatever was forgotten meanwhile."""

from __future__ import annotations

from attrs import define, evolve, field
from hypothesis import example, given
from hypothesis import strategies as st

from a2acore.lifecycle import ENDS, Record
from a2acore.model import TaskState
from a2acore.store import MemoryStore, Query
from tests.storing import begin, end, status, write

KEEP = 4
OWNERS, CONTEXTS = ("ann", "bob"), ("x", "y")
MOMENTS = tuple(f"2026-01-01T00:00:00.00{moment}Z" for moment in range(4))
"""Few, and drawn in any order: many tasks of one moment, and clocks that are set back."""

moments = st.sampled_from(MOMENTS)
ids = st.text("0123456789abcdef", min_size=1, max_size=4)
ends = st.sampled_from(sorted(ENDS, key=str))
beginnings = st.tuples(ids, st.sampled_from(OWNERS), st.sampled_from(CONTEXTS), moments)
steps = (
    st.tuples(st.just("begin"), beginnings)
    | st.tuples(st.just("work"), st.integers(0), moments)
    | st.tuples(st.just("end"), st.integers(0), ends, moments)
    | st.tuples(st.just("whole"), beginnings, ends, moments)
)
queries = st.builds(
    Query,
    st.integers(1, 5),
    st.none() | st.sampled_from(OWNERS),
    st.sampled_from(("", *CONTEXTS, "never there")),
    st.none() | st.sampled_from([TaskState.SUBMITTED, TaskState.WORKING, *ENDS]),
    st.sampled_from(("", *MOMENTS, "2027")),
    st.none() | st.tuples(moments, ids),
)


@define(eq=False)
class World:
    """A store, and all the tasks that should be in it."""

    store: MemoryStore = field(factory=lambda: MemoryStore(keep=KEEP))
    seen: set[str] = field(factory=set)
    running: list[Record] = field(factory=list)
    ended: list[Record] = field(factory=list)

    def begin(self, what: tuple[str, str, str, str]) -> None:
        id, owner, context, at = what
        if id not in self.seen:
            self.seen.add(id)
            record = begin(self.store, id, owner=owner, context_id=context, at=at)
            self.running.append(record)

    def work(self, number: int, at: str) -> None:
        if self.running:
            record = self.running[number % len(self.running)]
            write(self.store, record, status(record.id, TaskState.WORKING, at=at))

    def end(self, number: int, state: TaskState, at: str) -> None:
        if self.running:
            record = self.running.pop(number % len(self.running))
            end(self.store, record, state, at)
            self.ended = [*self.ended, record][-KEEP:]

    def whole(self, what: tuple[str, str, str, str], state: TaskState, at: str) -> None:
        self.begin(what)
        self.end(-1, state, at)

    async def compare(self, query: Query) -> bool:
        """See that a page is as it should be. Returns whether there are more behind it."""
        found = [
            each
            for each in (*self.running, *self.ended)
            if query.owner in (None, each.owner)
            and query.context_id in ("", each.context_id)
            and query.state in (None, each.state)
            and query.since <= each.timestamp
        ]
        rest = [
            (each.timestamp, each.id)
            for each in found
            if query.before is None or (each.timestamp, each.id) < query.before
        ]
        page = await self.store.page(query)
        shown = sorted(rest, reverse=True)[: query.size]
        assert [(entry.timestamp, entry.id) for entry in page.entries] == shown
        assert (page.total, page.more) == (len(found), len(rest) > query.size)
        return page.more

    async def page_through(self, query: Query) -> None:
        while await self.compare(query):
            last = (await self.store.page(query)).entries[-1]
            query = evolve(query, before=(last.timestamp, last.id))


def whole(id: str, moment: int, owner: str = "ann") -> tuple[object, ...]:
    return ("whole", (id, owner, "x", MOMENTS[0]), TaskState.COMPLETED, MOMENTS[moment])


@given(st.lists(steps, max_size=25), st.lists(queries, min_size=1, max_size=5))
@example([whole("a", 2), whole("b", 1), whole("c", 0)], [Query(1, "ann")])
@example([whole("b", 0), whole("a", 0), whole("c", 0)], [Query(2)])
@example([whole(id, 3 - number % 4) for number, id in enumerate("abcdefgh")], [Query(3, "ann")])
@example([whole("a", 0), *(whole(id, 1, "bob") for id in "bcdef")], [Query(2, "ann"), Query(2)])
async def test_pages_are_what_a_look_at_every_task_would_find(
    script: list[tuple[object, ...]], asked: list[Query]
) -> None:
    world = World()
    for name, *how in script:
        getattr(world, str(name))(*how)
        await world.compare(asked[0])
    for query in asked:
        await world.page_through(query)
