"""One request costs no more work than it did: counted in calls, not in seconds.

A ceiling that is exceeded on purpose is set anew, in the same change, by

    python -m bench.count --write
"""

from __future__ import annotations

import json
from typing import Any

import pytest
import trio

from bench.count import CEILINGS, KINDS, PYTHON, WORKS, Counts, count, serving

WRITTEN: dict[str, Any] = json.loads(CEILINGS.read_text())
DEPENDS_ON_PYTHON = {"calls"}
"""A comprehension is a call on 3.11, and none since. The other kinds are the same everywhere."""


async def counted(name: str) -> Counts:
    async with serving() as address:
        return await trio.to_thread.run_sync(count, address, WORKS[name])


@pytest.mark.parametrize("name", WORKS)
async def test_a_request_costs_no_more_than_its_ceiling(name: str) -> None:
    counts, ceilings = await counted(name), WRITTEN["each"][name]
    over = {
        kind: f"{counts[kind]:.1f} > {ceilings[kind]}"
        for kind in KINDS
        if counts[kind] > ceilings[kind]
        and (WRITTEN["python"] == PYTHON or kind not in DEPENDS_ON_PYTHON)
    }
    assert not over, f"`python -m bench.count --write`, if {name} is worth that: {over}"


def test_every_ceiling_is_of_a_work_that_is_counted() -> None:
    assert WRITTEN["each"].keys() == WORKS.keys()


async def test_what_does_more_is_counted_higher() -> None:
    few, many = await counted("stream of 10"), await counted("stream of 200")
    assert many["calls"] > few["calls"] + 190
    assert few["writes"] >= 1
    assert few["tasks"] >= 1


async def test_who_asks_is_not_counted() -> None:
    """It writes as often as it is answered."""
    assert (await counted("card"))["writes"] == 1
