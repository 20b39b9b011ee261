"""Run a property for some cases, and count them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import hypothesis
from attrs import frozen
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

T = TypeVar("T")


@frozen
class Property:
    """Something that always holds. `run(seed, cases)` looks for a case where it does not.

    `run` gives the number of cases that it tried, and raises with the smallest one that fails.
    """

    name: str
    run: Callable[[int, int], int]


def holds(
    name: str, cases: st.SearchStrategy[T], check: Callable[[T], None], found: Sequence[T] = ()
) -> Property:
    """The property that `check` raises for none of the cases.

    `found` are cases for which it once did: they are tried first, every time.
    """

    def run(seed: int, most: int) -> int:
        tried = 0

        def case(value: T) -> None:
            nonlocal tried
            tried += 1
            check(value)

        tests = hypothesis.given(cases)(case)
        for known in found:
            tests = hypothesis.example(known)(tests)
        hypothesis.seed(seed)(_settings(most)(tests))()
        return tried

    return Property(name, run)


def walks(name: str, machine: type[RuleBasedStateMachine]) -> Property:
    """The property that no walk of a state machine breaks its rules."""

    def run(seed: int, most: int) -> int:
        tried = 0

        class Seeded(machine):  # type: ignore[misc, valid-type]
            def __init__(self) -> None:
                nonlocal tried
                tried += 1
                super().__init__()

        run_state_machine_as_test(hypothesis.seed(seed)(Seeded), settings=_settings(most))
        return tried

    return Property(name, run)


def _settings(most: int) -> settings:
    return settings(
        max_examples=most,
        database=None,
        deadline=None,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
    )
