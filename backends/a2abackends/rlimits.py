"""What the system lets each process of an agent have: time, memory, files.

They are set between the start of a process and that of its program, by a step that the program then
takes the place of. So they hold from its first moment, and for all that it starts.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Mapping, Sequence

from a2acore.backend import BadSettings

MIB = 1024 * 1024

KNOWN = {
    "cpu": (resource.RLIMIT_CPU, 1),
    "file-size": (resource.RLIMIT_FSIZE, MIB),
    "memory": (resource.RLIMIT_AS, MIB),
    "open-files": (resource.RLIMIT_NOFILE, 1),
    "processes": (resource.RLIMIT_NPROC, 1),
}
"""By name: the limit, and in what it is counted (seconds, MiB, MiB, files, this user's)."""

WARNED = 2
"""Seconds of computing between the signal that the time is over and the end."""

STEP = """
import json, os, resource, sys
for number, *limits in json.loads(sys.argv[1]):
    resource.setrlimit(number, limits)
os.execvp(sys.argv[2], sys.argv[2:])
"""


def check(limits: Mapping[str, int]) -> None:
    """Refuse limits that cannot be set.

    Raises:
        BadSettings: there is no such limit, or it is more than we have ourselves.
    """
    for name, most in limits.items():
        if name not in KNOWN:
            raise BadSettings(f"No limit is called {name!r}; there are {', '.join(KNOWN)}")
        number, unit = KNOWN[name]
        ours = resource.getrlimit(number)[1]
        if most < 1 or (ours != resource.RLIM_INFINITY and _hard(name, most) > ours):
            least = "it has to be at least 1"
            over = f"this process itself may have {ours // unit}"
            raise BadSettings(f"The limit {name} cannot be {most}: {least if most < 1 else over}")


def limited(command: Sequence[str], limits: Mapping[str, int]) -> tuple[str, ...]:
    """The command that runs another one within limits."""
    if not limits:
        return tuple(command)
    said = []
    for name, most in limits.items():
        number, unit = KNOWN[name]
        said.append((number, most * unit, _hard(name, most)))
    return (sys.executable, "-I", "-S", "-c", STEP, json.dumps(said), *command)


def _hard(name: str, most: int) -> int:
    # Whoever has no time left is told so (SIGXCPU) before it is killed.
    return most * KNOWN[name][1] + (WARNED if name == "cpu" else 0)
