"""A thread of our own: it does one thing after the other, for one who waits for it.

`trio.to_thread` would do, but takes up to a tenth of a millisecond longer, which is half of what a
fast disk takes for a commit; and this one has ended when its block has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Thread
from typing import TypeVar

import trio
from attrs import define, field

T = TypeVar("T")


@define(eq=False)
class Hand:
    """The thread, as seen from trio's."""

    _token: trio.lowlevel.TrioToken = field(factory=trio.lowlevel.current_trio_token)
    _work: SimpleQueue[Callable[[], object] | None] = field(factory=SimpleQueue)

    async def do(self, work: Callable[[], T]) -> T:
        """Have something done, and wait until it is: whatever is cancelled meanwhile.

        It returns and raises what `work` does.
        """
        done = trio.Event()
        results: list[T] = []
        failures: list[BaseException] = []

        def job() -> None:
            try:
                results.append(work())
            except BaseException as error:  # it is raised again where it is waited for
                failures.append(error)
            self._token.run_sync_soon(done.set)

        self._work.put(job)
        with trio.CancelScope(shield=True):
            await done.wait()
        if failures:
            raise failures.pop()
        return results.pop()

    def run(self) -> None:
        """What the thread does."""
        while (job := self._work.get()) is not None:
            job()
            del job  # or it would hold what it did until there is something else to do

    def stop(self) -> None:
        """Let the thread end when it has nothing left to do."""
        self._work.put(None)


@contextmanager
def open_hand(name: str) -> Iterator[Hand]:
    """Have such a thread inside the block."""
    hand = Hand()
    thread = Thread(target=hand.run, name=name, daemon=True)
    thread.start()
    try:
        yield hand
    finally:
        hand.stop()
        thread.join()  # at once: whoever has something done waits for it
