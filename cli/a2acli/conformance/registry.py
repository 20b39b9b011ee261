"""The checks that there are, and what each of them proves."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from attrs import frozen

from a2acli.conformance.musts import line_of


@frozen
class Check:
    """One promise, and the function that asks for it.

    The function returns when the promise was kept. It raises `Failed` when not, and `NotApplicable`
    when nothing can be said.
    """

    ids: tuple[str, ...]
    """What it proves; on an interface, those of the interface's line."""
    ask: Callable[[Any], Awaitable[None]]
    binding: str | None
    last: bool
    """Whether it looks at all that came before."""
    across: bool
    """Whether it is asked of all interfaces of a line at once, and takes a list of them."""

    @property
    def name(self) -> str:
        return self.ask.__name__

    def proves(self, line: str) -> tuple[str, ...]:
        return tuple(id for id in self.ids if line_of(id) == line)


CHECKS: list[Check] = []


def check(
    *ids: str, binding: str | None = None, last: bool = False, across: bool = False
) -> Callable[[Callable[[Any], Awaitable[None]]], Callable[[Any], Awaitable[None]]]:
    """Register a function as what proves the `ids`, on one binding or on each."""

    def register(ask: Callable[[Any], Awaitable[None]]) -> Callable[[Any], Awaitable[None]]:
        CHECKS.append(Check(ids, ask, binding, last, across))
        return ask

    return register
