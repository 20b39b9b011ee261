"""The store in a file: whose it is, what becomes of it, and what survives the end of a process."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio
from attrs import define
from msgspec import structs
from trio.testing import MockClock, wait_all_tasks_blocked

from a2acore.model import Task, TaskArtifactUpdateEvent, TaskState
from a2acore.push.port import Behind, DeadLetter, Place
from a2acore.store import Item, Query, Sent
from a2acore.store.opening import BadStore, Keep
from a2acore.store.sqlite import care, open_sqlite
from a2acore.store.sqlite.schema import STEPS, VERSION, migrate
from a2acore.store.sqlite.store import SqliteStore
from a2acore.store.sqlite.writer import LAZY, PACK
from tests.storing import (
    EARLY,
    begin,
    beginning,
    end,
    ended,
    found,
    piece,
    said,
    status,
    webhook,
    write,
)

FIRST = Path(__file__).parent / "data" / "store_v1.sql"
DAY = 24 * 60 * 60.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "tasks.sqlite"


# What is there when it is opened again


async def test_a_task_goes_on_where_it_was_left(path: Path) -> None:
    async with open_sqlite(path) as store:
        record = begin(store, "a")
        write(store, record, status("a", TaskState.WORKING), piece("a", "x"), piece("a", "y"))
        write(store, record, said("more"), status("a", TaskState.INPUT_REQUIRED, "well?"))
        await ended(store, "over")
    async with open_sqlite(path) as store:
        (left,) = await store.left()
        again = left.beginning.record
        assert left.beginning == beginning(again)
        assert left.events == 4
        assert again.task() == record.task()
        assert await store.find("a") is again
        write(store, again, said("well!"), status("a", TaskState.WORKING))
        end(store, again)
        await store.settle()
        assert len(await store.events("a", 0) or ()) == 6
    async with open_sqlite(path) as store:
        assert await store.left() == []
        assert await found(store, "a") == again.task()


async def test_an_event_keeps_its_number_whoever_asks_and_when(path: Path) -> None:
    events = [
        status("a", TaskState.WORKING),
        piece("a", "one"),
        piece("a", "two"),
        piece("a", "thought", "thinking"),
        piece("a", "three \N{SNOWMAN}"),
    ]
    async with open_sqlite(path) as store:
        record = begin(store, "a")
        for event in events:
            write(store, record, said("between"), event)
        await store.settle()
        for after in range(7):
            assert await store.events("a", after) == events[after:]
    async with open_sqlite(path) as store:
        for after in range(7):
            assert await store.events("a", after) == events[after:]
        assert await store.events("b", 0) is None


async def test_the_events_of_a_running_task_are_told_only_as_far_as_it_was_told(path: Path) -> None:
    async with open_sqlite(path) as store:
        record = begin(store, "a")
        assert await store.events("a", 0) is None
        looks = 0

        async def look() -> None:
            nonlocal looks
            before = told
            events = await store.events("a", 0)
            assert events is None or before <= len(events) <= told
            looks += 1

        told = 0

        def one_more() -> None:
            nonlocal told
            told += 1

        async with trio.open_nursery() as nursery:
            for _ in range(50):
                write(store, record, piece("a", "x"), told=one_more)
                nursery.start_soon(look)
                await store.settle()
        assert looks == told == 50


async def test_what_was_told_but_not_packed_when_the_process_ended_is_packed(path: Path) -> None:
    async with open_sqlite(path) as store:
        record = await ended(store, "a")
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("DELETE FROM bodies")
        db.execute("UPDATE tasks SET ended = NULL, state = NULL, timestamp = NULL")
    async with open_sqlite(path) as store:
        assert await store.left() == []
        assert await found(store, "a") == record.task()
        assert (await store.page(Query(10))).total == 1


async def test_a_webhook_goes_on_where_it_was(path: Path) -> None:
    async with open_sqlite(path) as store:
        running = begin(store, "running")
        write(store, running, *[piece("running", "x") for _ in range(5)])
        for task_id, heard in (("running", 5), ("ended", 3), ("quiet", 2)):
            if task_id != "running":
                await ended(store, task_id)
            store.keep_webhook(webhook(task_id), Place())
            store.move_webhook(task_id, "w", Place(heard, heard + 1))
        store.move_webhook("ended", "never there", Place(9))
        store.move_webhook("quiet", "w", Place(3))
        store.move_webhook("ended", "w", Place(1, 2, 3))
    async with open_sqlite(path) as store:
        assert await store.behind() == [
            Behind(webhook("running"), Place(5, 6), "owner", 5),
            Behind(webhook("ended"), Place(1, 2, 3), "owner", 3),
        ]


async def begin_and_break(path: Path) -> None:
    async with open_sqlite(path) as store:
        begin(store, "raised")
        raise ZeroDivisionError


async def test_what_was_given_is_kept_when_the_block_is_left_in_whatever_way(path: Path) -> None:
    async with open_sqlite(path) as store:
        begin(store, "returned")
    with pytest.raises(ZeroDivisionError):
        await begin_and_break(path)
    with trio.CancelScope() as scope:
        async with open_sqlite(path) as store:
            begin(store, "cancelled")
            scope.cancel()
            await trio.sleep_forever()
    async with open_sqlite(path) as store:
        ids = [left.beginning.record.id for left in await store.left()]
        assert ids == ["returned", "raised", "cancelled"]


async def test_no_thread_outlives_the_block(path: Path) -> None:
    before = set(threading.enumerate())
    async with open_sqlite(path) as store:
        await ended(store, "a")
        ours = set(threading.enumerate()) - before
    assert any(thread.name == "a2acode store" for thread in ours)
    assert not [thread for thread in threading.enumerate() if thread.name == "a2acode store"]


async def test_what_cannot_be_written_is_refused_and_changes_nothing(path: Path) -> None:
    async with open_sqlite(path) as store:
        record = begin(store, "a")
        with pytest.raises(ValueError, match="surrogates"):
            write(store, record, piece("a", "fine"), said("\ud800"))
        with pytest.raises(ValueError, match="surrogates"):
            write(store, record, piece("a", "fine"), piece("a", "\ud800"))
        with pytest.raises(ValueError, match="surrogates"):
            begin(store, "b", context_id="\ud800")
        write(store, record, piece("a", "good"))
        await store.settle()
        assert await store.events("a", 0) == [piece("a", "good")]
        assert await store.find("b") is None


BESIDE: dict[str, Any] = {
    "append": False,
    "last_chunk": True,
    "metadata": {"k": 1},
    "description": "d",
    "extensions": ("urn:x",),
    "raw": b"r",
    "url": "https://example.com/",
    "data": [None],
    "filename": "f",
    "media_type": "text/x-diff",
}
"""What an event with a text may say beside it; by the names of the fields, all of them."""


def saying_more(text: str) -> list[Item]:
    """Events with a text, each of which says one thing beside it."""
    event = piece("a", text)
    assert isinstance(event, TaskArtifactUpdateEvent)
    artifact = event.artifact
    (part,) = artifact.parts

    def more(said: msgspec.Struct, *usual: str) -> Iterator[Any]:
        for name in said.__struct_fields__:
            if name not in usual:
                yield structs.replace(said, **{name: BESIDE[name]})

    artifacts = [structs.replace(artifact, parts=(each,)) for each in more(part, "text")]
    artifacts += more(artifact, "artifact_id", "parts", "name")
    artifacts += [structs.replace(artifact, parts=()), structs.replace(artifact, parts=(part,) * 2)]
    events = [structs.replace(event, artifact=each) for each in artifacts]
    return [*events, *more(event, "task_id", "context_id", "artifact")]


async def test_whatever_an_event_says_beside_its_text_is_kept(path: Path) -> None:
    given = [each for more in saying_more("x") for each in (piece("a", "before"), more)]
    async with open_sqlite(path) as store:
        record = begin(store, "a")
        for event in given:
            write(store, record, event)
        write(store, record, *given)
        await store.settle()
        assert await store.events("a", 0) == [*given, *given]


async def test_what_is_given_in_a_row_is_told_to_each_task_for_itself(path: Path) -> None:
    heard: list[Sequence[Item]] = []
    async with open_sqlite(path) as store:
        first, second = begin(store, "a"), begin(store, "b")
        for record, text in ((first, "1"), (first, "2"), (second, "3"), (first, "4")):
            store.append(record, [piece(record.id, text)], heard.append)
        await store.settle()
        assert heard == [[piece("a", "1"), piece("a", "2")], [piece("b", "3")], [piece("a", "4")]]
        assert await store.events("a", 0) == [piece("a", text) for text in "124"]
        assert await store.events("b", 0) == [piece("b", "3")]


async def test_tasks_that_have_ended_are_packed_many_at_a_time_or_before_long(
    path: Path, mock_clock: MockClock
) -> None:
    async with open_sqlite(path) as store:
        for number in range(PACK):
            await ended(store, str(number))
        assert store.newest == 0
        await ended(store, "more")
        assert store.newest == PACK
        mock_clock.jump(LAZY)
        await wait_all_tasks_blocked()  # the writer is at it
        await store.settle()
        assert store.newest == PACK + 1


async def test_a_listener_that_breaks_breaks_nothing_else(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise ZeroDivisionError

    async with open_sqlite(path) as store:
        record = begin(store, "a", told=broken)
        write(store, record, status("a", TaskState.WORKING))
        await store.settle()
        assert record.state is TaskState.WORKING
    assert "ZeroDivisionError" in caplog.text


# Whose it is


def mode(path: Path) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


async def test_nobody_else_may_read_it(path: Path) -> None:
    async with open_sqlite(path) as store:
        await ended(store, "a")
        files = sorted(os.listdir(path.parent))
        assert [name.removeprefix(path.name) for name in files] == ["", "-shm", "-wal", ".lock"]
        assert mode(path.parent) == 0o700
        assert {mode(path.parent / name) for name in files} == {0o600}


async def test_a_file_that_others_may_read_is_closed_to_them(path: Path) -> None:
    async with open_sqlite(path):
        pass
    os.chmod(path, 0o644)
    async with open_sqlite(path):
        assert mode(path) == 0o600


async def test_one_file_is_one_server_s(path: Path) -> None:
    async with open_sqlite(path) as store:
        await ended(store, "a")
        with pytest.raises(BadStore, match=f"is used by process {os.getpid()}; stop that one"):
            async with open_sqlite(path):
                pass
        await ended(store, "b")
    async with open_sqlite(path) as store:
        assert (await store.page(Query(10))).total == 2


def spoiled(path: Path, content: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)


def content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def pipe(path: Path) -> None:
    path.parent.mkdir()
    os.mkfifo(path)


def foreign(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE theirs (a)")


def newer(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        migrate(db, [*STEPS, ("CREATE TABLE things_to_come (a)",)])


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda path: spoiled(path, b"not a database at all" * 100), "no SQLite database"),
        (lambda path: path.mkdir(parents=True), "is no file; name another one"),
        (lambda path: spoiled(path.parent, b""), "state: is no folder; name a file elsewhere"),
        (pipe, "is no file; name another one"),
        (foreign, "is the database of another program; name another file"),
        (newer, f"is of version {VERSION + 1}, and this program knows no more than {VERSION}; use"),
    ],
)
async def test_what_is_no_store_of_ours_is_refused_and_left_as_it_is(
    path: Path, spoil: Callable[[Path], object], why: str
) -> None:
    spoil(path)
    before = content(path)
    with pytest.raises(BadStore, match=why):
        async with open_sqlite(path):
            pass
    assert content(path) == before


async def test_an_empty_file_becomes_a_store(path: Path) -> None:
    spoiled(path, b"")
    async with open_sqlite(path) as store:
        await ended(store, "a")


async def test_a_damaged_store_is_refused_and_left_as_it_is(path: Path) -> None:
    async with open_sqlite(path) as store:
        begin(store, "a")
    whole, page = content(path), 4096
    assert whole is not None
    refused = 0
    for spot in range(page, len(whole), page):
        spoiled(path, whole[:spot] + b"\x99" * page + whole[spot + page :])
        before = content(path)
        try:
            async with open_sqlite(path) as store:
                assert [left.beginning.record.id for left in await store.left()] == ["a"]
        except BadStore as error:
            refused += "damaged" in str(error)
            assert content(path) == before
    assert refused > 3


async def test_a_damaged_log_is_told_as_such(path: Path) -> None:
    async with open_sqlite(path) as store:
        write(store, begin(store, "a"), piece("a", "x"))
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE log SET body = '[{' WHERE last > 0")
    with pytest.raises(BadStore, match="the log of task number 1 is damaged"):
        async with open_sqlite(path):
            pass


# Versions


async def test_a_store_of_the_first_version_is_read_whole(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as db:
        db.executescript(FIRST.read_text())
    async with open_sqlite(path) as store:
        (left,) = await store.left()
        assert left.beginning == beginning(left.beginning.record)
        assert left.events == 3
        assert left.beginning.record.task().artifacts[0].parts[0].text == "one two"
        over = await found(store, "over")
        assert over.status.state is TaskState.COMPLETED
        assert over.artifacts[0].parts[0].text == "I am over"
        assert await store.events("over", 2) == [status("over", TaskState.COMPLETED)]
        assert await store.webhooks("running") == [webhook("running")]
        assert [each.place for each in await store.behind()] == [Place(1, 2, 2)]
        assert [letter.why for letter in await store.dead_letters(wanted=True)] == ["refused"]
        assert await store.sent("owner", "key") == Sent(b"digest", "over")
        assert await store.session("conversation") == {"id": 7}


def tables(db: sqlite3.Connection) -> set[str]:
    return {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def test_a_database_of_an_older_version_gets_what_it_lacks_and_keeps_what_it_has() -> None:
    steps = [("CREATE TABLE a (x)",), ("CREATE TABLE b (x)", "INSERT INTO b SELECT x FROM a")]
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        migrate(db, steps[:1])
        db.execute("INSERT INTO a VALUES (7)")
        migrate(db, steps)
        migrate(db, steps)
        assert tables(db) == {"a", "b"}
        assert db.execute("SELECT x FROM b").fetchall() == [(7,)]


def test_a_step_that_fails_leaves_the_database_in_the_version_that_it_had() -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        migrate(db, [("CREATE TABLE a (x)",)])
        with pytest.raises(sqlite3.OperationalError):
            migrate(db, [("",), ("CREATE TABLE b (x)", "CREATE TABLE a (x)")])
        assert tables(db) == {"a"}
        migrate(db, [("",), ("CREATE TABLE c (x)",)])
        assert tables(db) == {"a", "c"}


# What is forgotten


@define
class Time:
    """A time of day that goes as it is told."""

    now: float = 1.8e9

    def __call__(self) -> float:
        return self.now


async def swept(store: SqliteStore, gone: str) -> None:
    """Wait until what is to be forgotten is, as far as that task."""
    with trio.fail_after(10):
        while await store.find(gone) is not None:
            await trio.lowlevel.checkpoint()


async def conversations(path: Path, number: int) -> None:
    """Wait until so many are left; to ask for one of them would be to use it."""
    with trio.fail_after(10):
        while (await trio.to_thread.run_sync(care.info, path)).conversations != number:
            await trio.lowlevel.checkpoint()


async def ids(store: SqliteStore) -> list[str]:
    return sorted(entry.id for entry in (await store.page(Query(100))).entries)


async def test_beyond_so_many_ended_tasks_the_first_to_end_are_forgotten(path: Path) -> None:
    async with open_sqlite(path) as store:
        begin(store, "running")
        for number in range(9):
            # Whatever their timestamps say.
            await ended(store, f"t{number}", at=f"20{99 - number}")
            store.keep_webhook(webhook(f"t{number}"), Place())
            store.keep_sent("owner", f"k{number}", Sent(b"", f"t{number}"))
    async with open_sqlite(path, keep=Keep(tasks=3)) as store:
        await swept(store, "t5")
        assert await ids(store) == ["running", "t6", "t7", "t8"]
        assert await store.events("t5", 0) is None
        assert await store.webhooks("t5") == []
        assert len(await store.webhooks("t6")) == 1
        with trio.fail_after(10):
            while await store.sent("owner", "k5") is not None:
                await trio.lowlevel.checkpoint()
        assert await store.sent("owner", "k6") == Sent(b"", "t6")


async def test_after_so_many_days_a_task_is_forgotten_and_so_is_a_session(path: Path) -> None:
    time = Time()
    for day in range(1, 7):
        async with open_sqlite(path, clock=time) as store:
            await ended(store, f"day{day}")
            store.keep_session(f"day{day}", {})
        time.now += DAY
    async with open_sqlite(path, clock=time, keep=Keep(days=3)) as store:
        await swept(store, "day3")
        assert await ids(store) == ["day4", "day5", "day6"]
        await conversations(path, 3)
        assert await store.session("day3") is None
        assert await store.session("day4") == {}


async def test_a_session_that_is_used_stays(path: Path) -> None:
    time = Time()
    async with open_sqlite(path, clock=time) as store:
        store.keep_session("used", {"a": 1})
        store.keep_session("unused", {"b": 1})
    for _ in range(4):
        time.now += DAY + 1
        async with open_sqlite(path, clock=time) as store:
            assert await store.session("used") == {"a": 1}
    async with open_sqlite(path, clock=time, keep=Keep(days=2)) as store:
        await conversations(path, 1)
        assert await store.session("used") == {"a": 1}


@pytest.mark.parametrize("jumps", [(1000,), (-1000,), (1000, -1000), (-1000, 1000), (1, -1, 1)])
async def test_a_time_of_day_that_jumps_makes_nothing_old(path: Path, jumps: Sequence[int]) -> None:
    time = Time()
    for number, jump in enumerate((0, *jumps)):
        time.now += jump * DAY
        async with open_sqlite(path, clock=time, keep=Keep(days=3, tasks=1 + len(jumps))) as store:
            begin(store, f"running{number}")
            await ended(store, f"t{number}")
    async with open_sqlite(path, clock=time, keep=Keep(days=3, tasks=len(jumps))) as store:
        await swept(store, "t0")
        assert [id for id in await ids(store) if id.startswith("t")] == [
            f"t{number}" for number in range(1, 1 + len(jumps))
        ]


async def test_the_events_of_the_tasks_that_ended_last_are_kept_and_of_those_behind(
    path: Path,
) -> None:
    async with open_sqlite(path) as store:
        for name in ("heard", "behind", "dead", "a", "b"):
            await ended(store, name)
            if name in ("heard", "behind", "dead"):
                store.keep_webhook(webhook(name), Place(2 if name == "behind" else 3))
        store.bury(DeadLetter("dead", "w", 2, 2, "refused", EARLY))
    async with open_sqlite(path, keep=Keep(events=1)) as store:
        with trio.fail_after(10):
            while await store.events("a", 0) is not None:
                await trio.lowlevel.checkpoint()
        kept = [
            name for name in ("heard", "behind", "dead", "a", "b") if await store.events(name, 0)
        ]
        assert kept == ["behind", "dead", "b"]
        assert len(await ids(store)) == 5


# Beside a server


async def test_who_cares_for_a_store_sees_it_beside_the_server(path: Path) -> None:
    async with open_sqlite(path) as store:
        for name in ("a", "b"):
            await ended(store, name)
        running = begin(store, "running")
        write(store, running, piece("running", "x"))
        store.keep_webhook(webhook("running"), Place())
        store.keep_session("conversation", {})
        await store.settle()
        info = await trio.to_thread.run_sync(care.info, path)
        assert info.version == VERSION
        assert (info.webhooks, info.conversations, info.dead_letters) == (1, 1, 0)
        assert info.unfinished + sum(info.ended.values()) == 3
        assert info.events == 7
        assert info.size > 4096
        exported = list(care.export(path))
        assert [msgspec.json.decode(line, type=Task) for line in exported] == [
            await found(store, name) for name in ("a", "b", "running")
        ]
        assert list(care.export(path, "b")) == [exported[1]]
        await ended(store, "c")


async def test_an_export_goes_through_all_of_many_tasks(path: Path) -> None:
    async with open_sqlite(path) as store:
        for number in range(250):
            end(store, begin(store, str(number)))
    ids = [msgspec.json.decode(line, type=Task).id for line in care.export(path)]
    assert ids == [str(number) for number in range(250)]


async def test_a_vacuum_gives_back_what_is_not_needed_and_a_server_goes_on(path: Path) -> None:
    async with open_sqlite(path) as store:
        for number in range(20):
            record = begin(store, str(number))
            write(store, record, piece(str(number), "x" * 50_000))
            end(store, record)
        begin(store, "running")
    async with open_sqlite(path, keep=Keep(tasks=1)) as store:
        await swept(store, "18")
        before, after = await trio.to_thread.run_sync(care.vacuum, path)
        assert after < before / 2
        await ended(store, "after")
        assert await ids(store) == ["19", "after", "running"]
        assert care.info(path).free < 100_000


@pytest.mark.parametrize("look", [care.info, care.vacuum, lambda path: list(care.export(path))])
def test_where_there_is_no_store_nothing_is_seen_and_none_is_made(
    look: Callable[[Path], object], path: Path
) -> None:
    with pytest.raises(BadStore, match="cannot be opened"):
        look(path)
    assert not path.parent.exists()
    foreign(path)
    with pytest.raises(BadStore, match="of another program"):
        look(path)
