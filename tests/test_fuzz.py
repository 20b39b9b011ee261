"""The runner of the fuzz finds what there is to find, and counts what it tried."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import strategies as st

from fuzz.running import holds

ROOT = Path(__file__).parent.parent


def below_a_hundred(number: int) -> None:
    assert number < 100


def test_a_property_that_holds_says_how_often_it_was_tried() -> None:
    assert holds("small", st.integers(0, 99), below_a_hundred).run(1, 20) == 20


def test_a_property_that_does_not_hold_is_refuted_with_the_smallest_case() -> None:
    with pytest.raises(AssertionError) as caught:
        holds("small", st.integers(0, 1000), below_a_hundred).run(1, 200)
    assert any("value=100" in note for note in caught.value.__notes__)


def test_every_property_is_tried_at_least_once_and_told_with_its_number_of_cases() -> None:
    command = (sys.executable, "-m", "fuzz", "--minutes", "0", "--seed", "1")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    head, *lines = done.stdout.splitlines()
    assert head == "--seed 1"
    assert lines
    assert all(int(line.split(" cases: ")[0]) > 0 for line in lines)
