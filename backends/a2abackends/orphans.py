"""What a server leaves behind that was killed: its agents, and all that they have started.

A server that ends in its own way ends them too; one that is killed cannot. So whatever a server
starts bears its badge in the environment, which children inherit, also those that leave its group
or are in a cage. The next server that is started ends who bears the badge of one that is no more.

Rules that hold inside:

- A badge names one process for good: its number, when it was started, and where such numbers count.
  One that says anything else than what could be said here is left alone, with whoever bears it.
- Nobody is signalled by a number alone, which may have passed to somebody else meanwhile.
- Who was started by an orphan does not end its own family: the server in the agent's own terminal.

Linux only, from 5.3 on: elsewhere there are no badges, and nobody is found.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections import Counter
from collections.abc import Collection
from contextlib import suppress

from a2abackends.proc import PROC, Process, ancestors, descendants, everybody, look_at

SERVER = "A2ACODE_SERVER"
TERM_GRACE = 2.0
"""Seconds to end after SIGTERM."""
KILL_GRACE = 1.0
"""Seconds to be gone after SIGKILL: only who is stuck in the kernel takes longer."""
ROUNDS = ((signal.SIGTERM, TERM_GRACE), *[(signal.SIGKILL, KILL_GRACE)] * 3)
"""What is tried in turn: whoever is killed may have started somebody just before."""
GLANCE = 0.02
"""Seconds between two looks whether they have gone."""

log = logging.getLogger(__name__)


def badge() -> dict[str, str]:
    """This server's badge, for the environment of what it starts; empty where there are none."""
    here, me = _here(), look_at(os.getpid())
    return {SERVER: f"{me.pid}:{me.started}:{here}"} if here and me else {}


def end_orphans() -> None:
    """End what dead servers have left, and log it.

    Blocks, and so is for a thread: some milliseconds where there is nobody, and five seconds at the
    very most.
    """
    found: dict[tuple[int, int], Process] = {}
    for number, patience in ROUNDS:
        found |= {(process.pid, process.started): process for process in _orphans()}
        left = [process for process in found.values() if process.is_alive]
        if not left:
            break
        for process in left:
            _send(process, number)
        _wait(left, patience)
    stuck = [process for process in found.values() if process.is_alive]
    ended = [process for process in found.values() if process not in stuck]
    if ended:
        log.warning("Ended what a server had left that was killed: %s", _names(ended))
    if stuck:
        log.error("A server that was killed has left what cannot be ended: %s", _names(stuck))


def _orphans() -> list[Process]:
    here, ours = _here().encode(), os.environ.get(SERVER, "").encode()
    there = {process.pid: process for process in everybody()}
    orphans: set[int] = set()
    others = set(ancestors(os.getpid(), there))
    for process in there.values():
        with suppress(OSError):  # it has just ended, or is not ours to look at
            server = _badge_of(process)
            if server and server != ours and _is_of_dead(server, here):
                orphans.add(process.pid)
            elif server:
                others.add(process.pid)
    whole = (orphans | descendants(orphans, there)) - others
    return [there[pid] for pid in whole if there[pid].user == os.getuid()]


def _badge_of(process: Process) -> bytes:
    prefix = f"{SERVER}=".encode()
    for variable in process.environment():
        if variable.startswith(prefix):
            return variable.removeprefix(prefix)
    return b""


def _is_of_dead(server: bytes, here: bytes) -> bool:
    # Looked at now, and not as part of everybody: it may have been started since, with its agent.
    try:
        pid, started, place = server.split(b":", 2)
        known = look_at(int(pid))
        return place == here != b"" and (known is None or known.started != int(started))
    except ValueError:  # a badge that somebody made up
        return False


def _here() -> str:
    """Where numbers of processes count: this namespace of this machine, since it was started. Empty
    if that is not to be known, if /proc shows another one, or if nobody could be signalled."""
    if not hasattr(signal, "pidfd_send_signal"):  # a Python that was built on an older Linux
        return ""
    try:
        if os.readlink(PROC / "self") != str(os.getpid()):
            return ""
        boot = (PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{os.stat(PROC / 'self/ns/pid').st_ino}:{boot}"
    except OSError:
        return ""


def _send(process: Process, number: signal.Signals) -> None:
    with suppress(OSError):  # it has ended
        handle = os.pidfd_open(process.pid)
        try:
            # Whoever has the number now, it is nobody else whom the handle leads to.
            if process.is_alive:
                signal.pidfd_send_signal(handle, number)
        finally:
            os.close(handle)


def _wait(processes: Collection[Process], patience: float) -> None:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline and any(process.is_alive for process in processes):
        time.sleep(GLANCE)


def _names(processes: Collection[Process]) -> str:
    """What their programs are called: no arguments, which may hold secrets."""
    counted = Counter(process.name for process in processes)
    return ", ".join(f"{count} {name}" for name, count in sorted(counted.items()))
