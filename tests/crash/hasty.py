"""A server that promises too early: it tells what it keeps a moment later. It has to be caught.

python hasty.py --port 9100
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast

import trio
from attrs import define, evolve, field

from a2acore import Options, find_backends, serve
from a2acore.backend import Settings
from a2acore.lifecycle import Record
from a2acore.store import Beginning, Entry, Item, Store, Told
from a2acore.store.opening import open_store

LATE = 0.2
"""Seconds."""
Do = Callable[[], None]


@define(eq=False)
class Hasty:
    """A store that keeps things late, and never says so."""

    _store: Store
    _late: list[Do] = field(factory=list)
    _live: dict[str, Record] = field(factory=dict)
    """The tasks that it has told of, as it has told them."""
    _kept: dict[str, Record] = field(factory=dict)
    """The same, as they are kept."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def begin(self, beginning: Beginning, told: Do) -> None:
        record = beginning.record
        kept = Record(record.id, record.context_id, record.owner, record.status)
        kept.history[:] = record.history
        self._live[record.id], self._kept[record.id] = record, kept
        later = evolve(beginning, record=kept)
        self._late.append(lambda: self._store.begin(later, lambda: None))
        told()

    def append(self, record: Record, items: Sequence[Item], told: Told) -> None:
        if record.id not in self._kept:  # it was begun in another life
            self._store.append(record, items, told)
            return
        kept = self._kept[record.id]

        def keep() -> None:
            self._store.append(kept, items, take)

        def take(items: Sequence[Item]) -> None:
            for item in items:
                kept.take(item)

        self._late.append(keep)
        told(items)

    async def settle(self) -> None:
        await trio.lowlevel.checkpoint()

    async def find(self, task_id: str) -> Entry | None:
        return self._live.get(task_id) or await self._store.find(task_id)

    async def keep_all(self) -> None:
        while True:
            await trio.sleep(LATE)
            late, self._late = self._late, []
            for keep in late:
                keep()


async def main(workspace: Path, port: int) -> None:
    settings = Settings(workspace, script=Path(__file__).with_name("script.toml"))
    async with (
        open_store("sqlite:///store.sqlite") as store,
        find_backends()["echo"].open(settings) as backend,
        trio.open_nursery() as nursery,
    ):
        hasty = Hasty(store)
        nursery.start_soon(hasty.keep_all)
        options = Options(workspace, webhook_allow_private=True)
        start = partial(serve, backend, port=port, options=options, store=cast(Store, hasty))
        bound = await nursery.start(start)
        print(f"hasty is at {bound.url} (card: none)", file=sys.stderr, flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    trio.run(main, Path.cwd() / "workspace", parser.parse_args().port)
