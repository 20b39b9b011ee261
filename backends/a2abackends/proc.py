"""The processes of this machine, as /proc shows them; where there is no such thing, nobody.

A process has a number, which another one gets when it has gone. Together with the moment at which
it was started, that number means one process for good. All of this blocks: a look at everybody
takes some milliseconds, and is for a thread.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from attrs import frozen

KERNEL = 0x200000
"""The flag of a thread of the kernel's (PF_KTHREAD), which never has an environment."""
PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")


@frozen
class Process:
    """One process, at the moment when it was looked at."""

    pid: int
    name: str
    """Of its program, or what it calls itself: at most 15 bytes."""
    parent: int
    group: int
    flags: int
    started: int
    """When, in ticks since the machine was; `TICKS` are a second."""

    @property
    def user(self) -> int | None:
        """Whose it really is, by number; `None` if it has ended."""
        try:
            status = Path(PROC, str(self.pid), "status").read_bytes()
        except OSError:
            return None
        return int(status.partition(b"\nUid:")[2].split()[0])

    @property
    def is_alive(self) -> bool:
        """Whether it still lives."""
        now = look_at(self.pid)
        return now is not None and now.started == self.started

    def environment(self) -> list[bytes]:
        """What it was born with, as `NAME=value`; nothing, while it becomes another program.

        Raises:
            OSError: it has ended, or is not ours to look at.
        """
        told = Path(PROC, str(self.pid), "environ").read_bytes()
        return told.split(b"\0") if told else []


def look_at(pid: int) -> Process | None:
    """The process of a number, if it lives: one that only waits to be reaped does not."""
    try:
        told = Path(PROC, str(pid), "stat").read_bytes()
    except OSError:
        return None
    # What stands before the last parenthesis is a name of the process's own choice.
    head, _, tail = told.rpartition(b")")
    stat = tail.split()
    if stat[0] in (b"Z", b"X"):
        return None
    name = head.partition(b"(")[2].decode(errors="replace")
    parent, group, flags, started = (int(stat[at]) for at in (1, 2, 6, 19))
    return Process(pid, name, parent, group, flags, started)


def everybody() -> Iterator[Process]:
    """All that live, one after the other: who is born meanwhile may be overlooked."""
    for entry in os.scandir(PROC) if PROC.is_dir() else ():
        if entry.name.isdecimal() and (process := look_at(int(entry.name))) is not None:
            yield process


def descendants(ancestors: Iterable[int], there: Mapping[int, Process]) -> set[int]:
    """Whoever of those that are there comes of one of these, by their numbers."""
    children: dict[int, list[int]] = {}
    for process in there.values():
        children.setdefault(process.parent, []).append(process.pid)
    found: set[int] = set()
    line = list(ancestors)
    while line:
        new = [child for child in children.get(line.pop(), ()) if child not in found]
        found.update(new)
        line += new
    return found


def ancestors(pid: int, there: Mapping[int, Process]) -> Iterator[int]:
    """A process, and whom it comes of."""
    while pid in there:
        yield pid
        pid = there[pid].parent


def uptime() -> float:
    """Seconds since the machine was started; 0 if that is not told."""
    try:
        return float(Path(PROC, "uptime").read_text().split()[0])
    except OSError:
        return 0.0
