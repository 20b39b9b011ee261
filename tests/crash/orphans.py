"""The processes that a server of an earlier life has left behind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.crash.site import TRACE


def left_of(mark: str, life: int) -> Sequence[str]:
    """Those that live on from a life before this one; what each of them is called.

    They bear `mark` and the number of a life in their environment.
    """
    found = []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            environment = (process / "environ").read_bytes().split(b"\0")
            name = (process / "comm").read_text().strip()
            gone = (process / "stat").read_text().rpartition(")")[2].split()[0] in "ZX"
        except OSError:
            continue  # it has ended meanwhile, or is not ours
        for said in environment:
            if said.startswith(f"{TRACE}={mark}:".encode()) and not gone:
                of = int(said.rpartition(b":")[2])
                found += [f"{name} ({process.name}) of life {of}"] if of < life else []
    return found
