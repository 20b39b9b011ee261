"""Kill a server under load, start it again, and compare what it says with what it said."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from functools import partial
from pathlib import Path

import trio

from tests.crash.scenes import AGENTS
from tests.crash.servers import ECHO, agents
from tests.crash.storm import Storm, Verdict, blow

SHARE = 20
"""Of so many kills, one is of a server whose agents are processes."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=500, help="how many (default 500)")
    parser.add_argument("--seed", type=int, help="do the same again, as far as chance is ours")
    parser.add_argument("--folder", type=Path, help="an empty folder, to leave everything in")
    options = parser.parse_args()
    seed = random.randrange(2**32) if options.seed is None else options.seed
    print(f"--seed {seed}", flush=True)
    few = options.kills // SHARE
    with tempfile.TemporaryDirectory() as scratch:
        folder = (options.folder or Path(scratch)).resolve()
        echo = Storm(ECHO, options.kills - few, seed)
        real = Storm(agents(folder / "agents"), few, seed, AGENTS)
        verdicts = [let(echo, folder / "echo"), let(real, folder / "agents")]
    return 1 if any(verdict.faults for verdict in verdicts) else 0


def let(storm: Storm, folder: Path) -> Verdict:
    """Let a storm blow in a folder of its own, and say what came of it."""
    folder.mkdir()
    verdict = trio.run(blow, storm, folder, partial(print, flush=True))
    print(verdict, flush=True)
    return verdict


if __name__ == "__main__":
    sys.exit(main())
