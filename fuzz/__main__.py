"""Look for a case in which a property does not hold: all of them, round robin, for some minutes."""

from __future__ import annotations

import argparse
import random
import sys
import time
import traceback

from fuzz.lines import LINES
from fuzz.lives import LIVES
from fuzz.stories import STORIES
from fuzz.turns import TURNS

PROPERTIES = (LIVES, TURNS, STORIES, *LINES)

CASES = 50
"""Of a property at a time: enough for hypothesis to get going, few enough to be fair."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="how long to look (default 1)")
    parser.add_argument("--seed", type=int, help="start here, to see the same cases again")
    options = parser.parse_args()
    seed = random.randrange(2**32) if options.seed is None else options.seed
    print(f"--seed {seed}", flush=True)
    tried = dict.fromkeys(PROPERTIES, 0)
    end = time.monotonic() + options.minutes * 60
    turn = 0
    while turn < len(PROPERTIES) or time.monotonic() < end:
        each = PROPERTIES[turn % len(PROPERTIES)]
        try:
            tried[each] += each.run(seed + turn, CASES)
        except Exception:
            print(f"FOUND: not always: {each.name}\n", flush=True)
            traceback.print_exc(file=sys.stdout)
            print(f"\nAgain: python -m fuzz --seed {seed} --minutes {options.minutes}")
            return 1
        turn += 1
    for each, cases in tried.items():
        print(f"{cases:>8} cases: {each.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
