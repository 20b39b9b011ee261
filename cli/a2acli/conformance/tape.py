"""A stream of a server's, as it was heard."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import trio
from attrs import define, field

from a2acli.conformance.spelling import Way
from a2acli.conformance.verdict import Failed, expect, shown
from a2acore import sse


class Event(NamedTuple):
    """One event."""

    document: Any
    """What its data says, envelope and all."""
    said: Any
    """What is inside the envelope."""
    at: float
    """When it came, in seconds of trio's clock."""
    id: str
    """The id that server-sent events have, if one was given."""


@define(eq=False)
class Tape:
    """What came of a stream so far."""

    way: Way
    patience: float
    status: int = field(default=0, init=False)
    headers: Mapping[str, str] = field(factory=dict, init=False)
    body: bytes = field(default=b"", init=False)
    """Of an answer that is no stream."""
    events: list[Event] = field(factory=list, init=False)
    closed_at: float | None = field(default=None, init=False)
    _decoder: sse.Decoder = field(factory=sse.Decoder, init=False)
    _news: trio.Event = field(factory=trio.Event, init=False)

    @property
    def is_stream(self) -> bool:
        return self.headers.get("content-type", "").lower().startswith(sse.MEDIA_TYPE)

    # Recording

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        self.status, self.headers = status, headers

    def feed(self, chunk: bytes) -> None:
        if not self.is_stream:
            self.body += chunk
            return
        for event in self._decoder.feed(chunk):
            try:
                document = json.loads(event.data)
            except ValueError:
                raise Failed(f"an event holds no JSON: {shown(event.data)}") from None
            said = document
            if self.way.rpc and isinstance(document, dict):
                said = document.get("result", document)
            self.events.append(Event(document, said, trio.current_time(), event.id))
        self._wake()

    def end(self) -> None:
        self.closed_at = trio.current_time()
        self._wake()

    def _wake(self) -> None:
        self._news.set()
        self._news = trio.Event()

    # Listening

    async def wait_event(self, count: int = 1) -> None:
        """Wait until there are so many events.

        Raises:
            Failed: they do not come.
        """
        with trio.move_on_after(self.patience) as patience:
            while len(self.events) < count and self.closed_at is None:
                await self._news.wait()
        if patience.cancelled_caught:
            raise Failed(f"no event came within {self.patience:g} s")
        expect(len(self.events) >= count, f"the stream ended after {len(self.events)} events")

    async def wait_end(self) -> None:
        """Wait until the server closes the stream.

        Raises:
            Failed: it does not.
        """
        with trio.move_on_after(self.patience) as patience:
            while self.closed_at is None:
                await self._news.wait()
        if patience.cancelled_caught:
            last = shown(self.events[-1].said) if self.events else "no event"
            raise Failed(f"the stream was not closed within {self.patience:g} s after {last}")
