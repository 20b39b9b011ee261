"""A store in one SQLite file: what it has kept survives the end of the process, however that comes.

What runs is in memory as well: the records that the store was given, which change when their tasks
are told, so that what they show is kept. A task that has ended is packed, and written once more as
what its log amounts to; in no hurry, as the log has all of it until then. Then it leaves memory,
but for those that ended last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from attrs import define, field

from a2acore.errors import StoreTrouble
from a2acore.lifecycle import TERMINAL, Record
from a2acore.model import TaskArtifactUpdateEvent, TaskStatusUpdateEvent
from a2acore.store.entries import merged
from a2acore.store.port import Beginning, Entry, Item, Left, Page, Query, Told
from a2acore.store.sqlite import reading
from a2acore.store.sqlite.batch import OVERHEAD, Batch, Ending
from a2acore.store.sqlite.belongings import Belongings
from a2acore.store.sqlite.lines import Lines
from a2acore.store.sqlite.recent import Recent
from a2acore.store.sqlite.sweep import Forgotten
from a2acore.work import Written


@define(eq=False)
class Live:
    """A task in memory: it has not ended, or has not been packed since."""

    record: Record
    number: int
    events: int = 0
    """How many of them were given."""
    told: int = 0
    """How many of them were told."""
    begun: bool = False
    """Whether its beginning was told."""


@define(eq=False)
class Telling:
    """Lines of a task that were given in a row, and are told in one go."""

    live: Live
    told: Told
    _lines: Lines
    _ended: Callable[[Live], None]
    _items: list[Item] = field(factory=list)
    _last: int = 0
    """The number of the last event among them."""

    def add(self, items: Sequence[Item]) -> int:
        """Add some more. Tells how much they say.

        Raises:
            ValueError: there is something in them that is no JSON; then nothing is added.
        """
        size = self._lines.write(items)
        self._items += items
        self.live.events = self._last = self._lines.last
        return size

    def __call__(self) -> None:
        self.live.told = self._last
        self.told(self._items)
        if self.live.record.state in TERMINAL:
            self._ended(self.live)


@define(eq=False)
class SqliteStore(Belongings):
    """A store in a file; to be opened with `open_sqlite`."""

    newest: int
    """The place of the last ended task that has left memory, in the order in which tasks ended."""
    _number: int
    """The number of the task that began last."""
    durable: bool = field(default=True, init=False)
    _recent: Recent = field(factory=Recent, init=False)
    _place: int = field(init=False)
    """The place of the task that ended last."""
    _live: dict[str, Live] = field(factory=dict, init=False)
    _left: list[Left] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        self._place = self.newest

    def check(self) -> None:
        self.writer.check()

    async def settle(self) -> None:
        await self.writer.settle()

    # Tasks

    def begin(self, beginning: Beginning, told: Callable[[], None]) -> None:
        record = beginning.record
        batch = self.writer.batch
        batch.begin(self._number + 1, beginning)
        self._number += 1
        live = self._live[record.id] = Live(record, self._number)
        batch.told.append(partial(self._begun, live, told))
        self.writer.at_once()

    def append(self, record: Record, items: Sequence[Item], told: Told) -> None:
        if self.writer.full and not any(map(_ends, items)):
            raise StoreTrouble
        batch = self.writer.batch
        telling = batch.told[-1] if batch.told else None
        if isinstance(telling, Telling) and telling.live.record is record and telling.told == told:
            size = telling.add(items)
        else:
            live = self._live[record.id]
            telling = Telling(live, told, batch.lines(live.number, live.events), self._end)
            size = telling.add(items)
            batch.told.append(telling)
        batch.size += size + OVERHEAD * len(items)
        last = items[-1] if items else None
        if isinstance(last, TaskArtifactUpdateEvent) and last.append:
            self.writer.soon()
        else:
            self.writer.at_once()

    async def find(self, task_id: str) -> Entry | None:
        live = self._live.get(task_id)
        if live is not None:
            return live.record if live.begun else None
        return self._recent.find(task_id) or await self.read(reading.find, task_id)

    async def page(self, query: Query) -> Page:
        # What has left memory by now is in the database; what has not is looked for in here alone.
        live = [live.record for live in self._live.values() if live.begun]
        ended, total = await self.read(reading.page, query, self.newest)
        return merged(query, live, ended, total)

    async def events(self, task_id: str, after: int) -> Sequence[Written] | None:
        live = self._live.get(task_id)
        if live is not None and not live.begun:
            return None
        return await self.read(reading.events, task_id, after, live.told if live else None)

    async def left(self) -> Sequence[Left]:
        left, self._left = self._left, []
        return left

    def take_over(self, number: int, left: Left) -> None:
        """Go on with a task that has not ended."""
        record = left.beginning.record
        self._live[record.id] = Live(record, number, left.events, left.events, begun=True)
        self._left.append(left)

    def _begun(self, live: Live, told: Callable[[], None]) -> None:
        live.begun = True
        told()

    def _end(self, live: Live) -> None:
        self._place += 1
        ending = Ending(live.number, self._place, self.clock.look(), live.events, live.record)
        self.writer.batch.endings.append(ending)
        self.writer.some_time()

    def kept(self, batch: Batch) -> None:
        """Let go of what need not be in memory when a batch is kept."""
        for ending, ended in zip(batch.endings, batch.packed, strict=True):
            del self._live[ended.id]
            self._recent.add(ended)
            self.newest = ending.place

    def forget(self, forgotten: Forgotten) -> None:
        """Let go of what is no longer in the file."""
        for task_id in forgotten.tasks:
            self._recent.drop(task_id)
        for conversation in forgotten.conversations:
            if conversation not in self._sessions:  # it is given anew
                self._conversations.discard(conversation)


def _ends(item: Item) -> bool:
    return isinstance(item, TaskStatusUpdateEvent) and item.status.state in TERMINAL
