"""What a program sees of a task: each event as one line of JSON, in the shape of line 1.0."""

from __future__ import annotations

from typing import TextIO

import msgspec
from attrs import frozen

from a2acli.pause import Pause, Say
from a2acli.plain import plain
from a2acore.model import Event
from a2acore.wire import v10


@frozen
class JsonLines:
    """Writes each event to `out`; the pause and the end are events already."""

    out: TextIO

    def show(self, event: Event) -> None:
        line = msgspec.json.encode(v10.wrapped(event)).decode()
        self.out.write(plain(line) + "\n")
        self.out.flush()

    def ask(self, pause: Pause) -> None:
        pass

    def leave(self, pause: Pause) -> None:
        pass

    def answered(self, answer: Say) -> None:
        pass

    def end(self) -> None:
        pass
