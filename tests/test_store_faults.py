"""A disk in trouble: whatever fails, and whenever, nothing that was told is lost, nothing is kept
twice, and the order stays."""

from __future__ import annotations

import logging
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import pytest
import trio
from attrs import define

from a2acore.errors import StoreTrouble
from a2acore.model import TaskState
from a2acore.push.port import DeadLetter, Place
from a2acore.store import Query, Sent
from a2acore.store.opening import BadStore
from a2acore.store.sqlite import SqliteStore, open_sqlite
from a2acore.store.sqlite.file import connect
from tests.storing import EARLY, begin, end, ended, found, piece, said, status, webhook, write

Fault = Callable[[sqlite3.Connection], None]


def broken(db: sqlite3.Connection) -> None:
    """A disk that does not work: nothing else can be had from a real one so easily."""
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorcode = sqlite3.SQLITE_IOERR_FSYNC
    error.sqlite_errorname = "SQLITE_IOERR_FSYNC"
    raise error


def full(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA max_page_count = 1")  # that is, no more than there are


def read_only(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA query_only = ON")


def mend(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA max_page_count = 1000000")
    db.execute("PRAGMA query_only = OFF")


@define(eq=False)
class Disk:
    """A disk that can be had trouble with, beneath the connection that writes."""

    fault: Fault | None = None
    """What goes wrong, once `good` more statements have been executed."""
    good: int = 0
    lasting: bool = False
    """Until it is mended; otherwise it is mended before the next transaction."""
    struck: bool = False

    def connect(self, path: Path) -> sqlite3.Connection:
        return cast(sqlite3.Connection, Connection(connect(path), self))

    def before(self, db: sqlite3.Connection, statement: str) -> None:
        if statement.startswith("BEGIN") and not self.lasting:
            if self.struck:
                self.fault = None
            mend(db)
        if self.fault is None or statement == "ROLLBACK":
            return
        if self.good == 0:
            self.struck = True
            self.fault(db)
        else:
            self.good -= 1


@define(eq=False)
class Connection:
    """A connection, as far as a store uses one to write."""

    db: sqlite3.Connection
    disk: Disk

    def execute(self, statement: str, values: Any = ()) -> Any:
        self.disk.before(self.db, statement)
        return self.db.execute(statement, values)

    def executemany(self, statement: str, values: Any) -> Any:
        self.disk.before(self.db, statement)
        return self.db.executemany(statement, values)

    def close(self) -> None:
        self.db.close()

    @property
    def in_transaction(self) -> bool:
        return self.db.in_transaction


async def settled(store: SqliteStore) -> None:
    """Wait until all is kept, through whatever trouble."""
    with trio.fail_after(20):
        while True:
            try:
                await store.settle()
            except StoreTrouble:
                await trio.lowlevel.checkpoint()
            else:
                return


async def load(store: SqliteStore) -> list[str]:
    """Some of everything. Returns what was told, in that order."""
    told: list[str] = []
    tell = told.append
    running = begin(store, "running", told=lambda: tell("begun"))
    over = begin(store, "over")
    store.keep_sent("owner", "key", Sent(b"digest", "over"))
    store.keep_webhook(webhook("over"), Place())
    await settled(store)
    for number in range(3):
        text = str(number) * 3000  # enough for new pages
        write(store, running, piece("running", text), told=lambda n=number: tell(f"piece {n}"))  # type: ignore[misc]
        await settled(store)
    store.keep_session("conversation", {"id": 7})
    write(store, over, status("over", TaskState.WORKING), said("more"))
    store.move_webhook("over", "w", Place(1, 2))
    store.bury(DeadLetter("over", "w", 1, 1, "refused", EARLY))
    await settled(store)
    write(store, over, status("over", TaskState.COMPLETED), told=lambda: tell("over"))
    write(store, running, status("running", TaskState.INPUT_REQUIRED), told=lambda: tell("asked"))
    await settled(store)
    return told


TOLD = ["begun", "piece 0", "piece 1", "piece 2", "over", "asked"]


async def everything(store: SqliteStore) -> list[object]:
    """All that there is in a store, in plain values."""
    running, over = await found(store, "running"), await found(store, "over")
    return [
        running,
        over,
        await store.events("running", 0),
        await store.events("over", 0),
        await store.webhooks("over"),
        await store.behind(),
        await store.dead_letters(),
        await store.sent("owner", "key"),
        await store.session("conversation"),
        [entry.id for entry in (await store.page(Query(10))).entries],
    ]


@pytest.mark.parametrize("fault", [broken, full, read_only])
async def test_each_statement_in_turn_may_fail_and_nothing_is_lost_or_doubled(
    fault: Fault, tmp_path: Path
) -> None:
    async with open_sqlite(tmp_path / "whole.sqlite") as store:
        await load(store)
        whole = await everything(store)
    number = struck = 0
    while struck == number:
        path = tmp_path / f"{number}.sqlite"
        disk = Disk()
        async with open_sqlite(path, connect=disk.connect) as store:
            disk.fault, disk.good = fault, number
            assert await load(store) == TOLD
            assert await everything(store) == whole
        async with open_sqlite(path) as store:
            assert await everything(store) == whole
        number += 1
        struck += disk.struck
    assert number > 30


TROUBLES: dict[Fault, str] = {
    broken: "the disk does not work",
    full: "the disk is full",
    read_only: "the database can only be read",
}


@pytest.mark.parametrize("fault", TROUBLES)
async def test_in_trouble_nothing_new_is_promised_and_what_is_kept_can_be_read(
    fault: Fault, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    disk = Disk(lasting=True)
    async with open_sqlite(tmp_path / "tasks.sqlite", connect=disk.connect) as store:
        await ended(store, "before")
        running = begin(store, "running")
        await store.settle()
        store.check()

        disk.fault = fault
        write(store, running, piece("running", "x" * 100_000))
        with pytest.raises(StoreTrouble, match=TROUBLES[fault]):
            await store.settle()
        with pytest.raises(StoreTrouble, match=TROUBLES[fault]):
            store.check()
        write(store, running, piece("running", "y"))
        assert running.task().artifacts == ()
        assert (await found(store, "before")).status.state is TaskState.COMPLETED
        assert await found(store, "running") == running.task()
        assert (await store.page(Query(10))).total == 2
        assert await store.events("running", 0) == []

        disk.fault, disk.lasting = None, False
        await settled(store)
        store.check()
        assert running.task().artifacts[0].parts[0].text == "x" * 100_000 + "y"
    heard = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [TROUBLES[fault] in record.message for record in heard] == [True, False]
    assert "kept again" in heard[1].message


async def test_when_there_is_no_room_for_more_there_is_room_for_the_end(tmp_path: Path) -> None:
    disk = Disk(lasting=True)
    async with open_sqlite(tmp_path / "tasks.sqlite", connect=disk.connect) as store:
        running = begin(store, "running")
        await store.settle()
        disk.fault = broken
        given = 0
        try:
            while given < 100:
                write(store, running, piece("running", "x" * 1024 * 1024))
                given += 1
        except StoreTrouble:
            assert 32 <= given < 40
        assert given < 100
        with pytest.raises(StoreTrouble):
            store.check()
        end(store, running, TaskState.FAILED)
        disk.fault, disk.lasting = None, False
        await settled(store)
        assert running.state is TaskState.FAILED
        assert len(running.task().artifacts[0].parts[0].text or "") == given * 1024 * 1024


async def test_what_another_process_holds_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "tasks.sqlite"

    def impatient(path: Path) -> sqlite3.Connection:
        db = connect(path)
        db.execute("PRAGMA busy_timeout = 10")
        return db

    async with open_sqlite(path, connect=impatient) as store:
        await ended(store, "before")
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            record = begin(store, "a")
            with pytest.raises(StoreTrouble, match="another process holds the database"):
                await store.settle()
            assert await store.find("a") is None
            assert await store.find("before") is not None
            other.execute("ROLLBACK")
        await settled(store)
        assert await store.find("a") is record


@pytest.mark.parametrize("what", ["tasks.sqlite", "tasks.sqlite-wal", "."])
async def test_what_is_moved_away_is_not_written_to(what: str, tmp_path: Path) -> None:
    path = tmp_path / "state" / "tasks.sqlite"
    async with open_sqlite(path) as store:
        await ended(store, "before")
        there, away = path.parent / what, tmp_path / "away"
        there.rename(away)
        record = begin(store, "a")
        with pytest.raises(StoreTrouble, match="deleted, moved or replaced"):
            await store.settle()
        assert await store.find("before") is not None
        away.rename(there)
        await settled(store)
        assert await store.find("a") is record
    async with open_sqlite(path) as store:
        assert [left.beginning.record.id for left in await store.left()] == ["a"]


async def test_the_end_of_a_server_does_not_wait_for_a_disk_that_stays_in_trouble(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, autojump_clock: trio.testing.MockClock
) -> None:
    disk = Disk(lasting=True)
    async with open_sqlite(tmp_path / "tasks.sqlite", connect=disk.connect) as store:
        begin(store, "kept")
        await store.settle()
        disk.fault = broken
        told: list[str] = []
        begin(store, "a", told=lambda: told.append("a"))
        begin(store, "b", told=lambda: told.append("b"))
    assert told == []
    assert "2 writes were not kept, and nobody was told of them" in caplog.text
    async with open_sqlite(tmp_path / "tasks.sqlite") as store:
        assert [left.beginning.record.id for left in await store.left()] == ["kept"]


FILLS_ITS_DISK = """
import resource, signal, sys
from pathlib import Path
import trio
from a2acore.errors import StoreTrouble
from a2acore.store.sqlite import open_sqlite
from tests.storing import begin, piece, write
from tests.test_store_faults import settled

async def main(path):
    async with open_sqlite(path) as store:
        record = begin(store, "a")
        await store.settle()
        _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, most))
        try:
            for given in range(1, 100):
                write(store, record, piece("a", str(given % 10) * 5000))
                await store.settle()
        except StoreTrouble as trouble:
            print(trouble)
        print(given, len(record.task().artifacts[0].parts[0].text) // 5000)
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        await settled(store)

trio.run(main, Path(sys.argv[1]))
"""


async def test_a_file_that_may_not_grow_is_gone_on_with_when_it_may(tmp_path: Path) -> None:
    path = tmp_path / "tasks.sqlite"
    process = await trio.run_process(
        [sys.executable, "-c", FILLS_ITS_DISK, str(path)], capture_stdout=True
    )
    trouble, numbers = process.stdout.decode().splitlines()
    given, told = map(int, numbers.split())
    assert "Nothing can be kept at this moment: the disk" in trouble
    assert 5 < told < given < 50
    async with open_sqlite(path) as store:
        (left,) = await store.left()
        text = left.beginning.record.task().artifacts[0].parts[0].text
        assert text == "".join(str(number % 10) * 5000 for number in range(1, given + 1))


# When it is opened


@contextmanager
def mere_user() -> Iterator[Path]:
    """A folder of somebody's for whom permissions count, and to be that one inside the block."""
    with TemporaryDirectory() as folder:
        if os.geteuid() != 0:
            yield Path(folder)
            return
        os.chown(folder, 65534, 65534)
        os.seteuid(65534)
        try:
            yield Path(folder)
        finally:
            os.seteuid(0)


@pytest.mark.parametrize("which", ["tasks.sqlite", "."])
async def test_what_may_not_be_written_is_refused_with_what_to_do(which: str) -> None:
    with mere_user() as folder:
        path = folder / "state" / "tasks.sqlite"
        async with open_sqlite(path) as store:
            await ended(store, "a")
        (path.parent / which).chmod(0o500)
        with pytest.raises(BadStore, match=r"name a file that can be|name another file"):
            async with open_sqlite(path):
                pass
        (path.parent / which).chmod(0o700)
        async with open_sqlite(path) as store:
            assert await store.find("a") is not None


async def test_a_disk_that_is_full_when_it_is_opened_is_told_as_such(tmp_path: Path) -> None:
    disk = Disk(full, lasting=True)
    with pytest.raises(BadStore, match=r"the disk is full .*; make room"):
        async with open_sqlite(tmp_path / "tasks.sqlite", connect=disk.connect):
            pass
    async with open_sqlite(tmp_path / "tasks.sqlite") as store:
        await ended(store, "a")
