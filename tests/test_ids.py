"""Ids that are drawn many at a time are as good as those that are drawn one by one."""

from __future__ import annotations

import subprocess
import sys
from uuid import RFC_4122, UUID

from a2acore.ids import AT_ONCE, new_hex, new_id

FORKING = """
import os
from a2acore.ids import new_id
print(new_id(), flush=True)
if child := os.fork():
    os.waitpid(child, 0)
print(*[new_id() for _ in range(3)], flush=True)
"""


def test_an_id_is_a_random_uuid_and_no_two_are_equal() -> None:
    ids = [UUID(new()) for _ in range(2 * AT_ONCE) for new in (new_id, new_hex)]
    assert {(each.version, each.variant) for each in ids} == {(4, RFC_4122)}
    assert len(set(ids)) == len(ids)


def test_a_process_that_was_forked_draws_ids_of_its_own() -> None:
    told = subprocess.run([sys.executable, "-c", FORKING], check=True, capture_output=True)
    ids = told.stdout.split()
    assert (len(ids), len(set(ids))) == (7, 7)
