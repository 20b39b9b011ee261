"""What the machine tells of processes and of itself. Linux only: it reads `/proc`."""

from __future__ import annotations

import os
import platform
import time
from pathlib import Path

from attrs import define, field

PROC = Path("/proc")
PAGE = os.sysconf("SC_PAGE_SIZE")


def family(pid: int) -> list[int]:
    """A process and all that descend from it. None that has ended."""
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        try:
            for thread in (PROC / str(one) / "task").iterdir():
                waiting += map(int, (thread / "children").read_text().split())
        except (FileNotFoundError, ProcessLookupError):
            continue
        found.append(one)
    return found


def cpu_time(pid: int) -> float:
    """Seconds of CPU that the family of a process has used, those who have ended not counted.

    It is read from the clock of each process, in nanoseconds; `/proc/PID/stat` counts in
    hundredths of a second, which is a whole request or more.
    """
    total = 0.0
    for one in family(pid):
        try:
            # What clock_getcpuclockid(3) makes of a pid: its complement, with the lowest three
            # bits saying which of its clocks.
            total += time.clock_gettime((~one << 3) | 2)
        except OSError:
            continue
    return total


def resident(pid: int) -> float:
    """MiB of memory that the family of a process holds (RSS; shared pages count for each)."""
    pages = 0
    for one in family(pid):
        try:
            pages += int((PROC / str(one) / "statm").read_text().split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    return pages * PAGE / 2**20


SETTLED = 0.1
"""MiB. What moves less within a `GLANCE` stands still."""
GLANCE = 0.3
"""Seconds between two looks."""
LOOKS = 10


def settled(pid: int) -> float:
    """MiB of memory once it has stopped moving, or after three seconds at most."""
    last = resident(pid)
    for _ in range(LOOKS):
        time.sleep(GLANCE)
        now = resident(pid)
        if abs(now - last) < SETTLED:
            return now
        last = now
    return last


@define(eq=False)
class Meter:
    """Who used the CPU since it was made: the server that is measured, and we who measure it."""

    pid: int
    _wall: float = field(factory=time.perf_counter)
    _own: float = field(factory=time.process_time)
    _server: float = 0.0

    def __attrs_post_init__(self) -> None:
        self._server = cpu_time(self.pid)

    def read(self) -> tuple[float, float, float]:
        """Seconds since then: of the wall clock, of the server's CPU, of our own."""
        wall = time.perf_counter() - self._wall
        return wall, cpu_time(self.pid) - self._server, time.process_time() - self._own


def described() -> dict[str, str]:
    """What the results were had on."""
    model = "unknown"
    for line in (PROC / "cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory = (PROC / "meminfo").read_text().split()[1]  # MemTotal, kB
    return {
        "at": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "cpus": str(len(os.sched_getaffinity(0))),
        "cpu": model,
        "memory": f"{int(memory) / 2**20:.0f} GiB",
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": f"{os.getloadavg()[0]:.2f}",
    }
