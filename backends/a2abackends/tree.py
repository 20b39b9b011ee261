"""All processes that a command has started, also those that have left its group.

A shell's job stays in the group; a daemon leaves it and its parent, but keeps the environment that
it was born with. So each command bears a mark there. Who scrubs its environment and leaves its
parent and its group gets away: only a cage would hold it.

On a system without /proc it is the group alone.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from uuid import uuid4

from a2abackends.orphans import badge
from a2abackends.proc import KERNEL, TICKS, descendants, everybody, uptime

MARK = "A2ACODE_TERMINAL"
ROUNDS = 10
"""Times that we look again: what is being killed may go on starting processes."""
QUIET = 2
"""Times in a row that nobody is found, until there is nobody."""
NEWBORN = 1.0
"""Seconds in which a process is young: it may be about to become another program, and for that
moment has no environment that one could look at."""
AGAIN = 0.002
"""Seconds until we look again when there was nobody to kill."""


def fresh_mark() -> dict[str, str]:
    """A mark for the environment of a command that is to be found again, by us or when we have
    gone."""
    return {MARK: uuid4().hex, **badge()}


def kill_tree(leader: int, mark: Mapping[str, str], *, reaped: bool) -> None:
    """Kill a command that leads a group, and whatever has come of it.

    When it was `reaped`, another process may have got its number.
    """
    killed: set[int] = set()
    quiet = 0
    for _ in range(ROUNDS):
        # Looked for before anybody is killed: who loses its parent is nobody's child.
        found, unsure = _find(leader, f"{MARK}={mark[MARK]}".encode(), reaped=reaped)
        found -= killed
        if not reaped:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(leader, signal.SIGKILL)
        for pid in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        killed |= found
        # Once is not enough: somebody may have had a child and ended, all while we were looking.
        quiet = 0 if found or unsure else quiet + 1
        if quiet == QUIET:
            return
        if not found:
            time.sleep(AGAIN)


def _find(leader: int, mark: bytes, *, reaped: bool) -> tuple[set[int], bool]:
    """Who is of a process's group, descends from it, or bears a mark; and whether there is somebody
    of whom that cannot be said yet."""
    there = {process.pid: process for process in everybody()}
    marked: set[int] = set()
    unsure, now = False, uptime()
    for process in there.values():
        with suppress(OSError):  # it has just ended, or is not ours
            environment = process.environment()
            if mark in environment:
                marked.add(process.pid)
            elif not environment and not process.flags & KERNEL:
                unsure = unsure or now - process.started / TICKS < NEWBORN
    # A number is given to nobody else while a group goes by it.
    if reaped and leader in there:
        return marked | descendants(marked, there), unsure
    found = marked | {process.pid for process in there.values() if process.group == leader}
    return found | descendants(found | {leader}, there), unsure
