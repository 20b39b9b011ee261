"""The terms on which a store that is durable keeps tasks, and that it cannot be had."""

from __future__ import annotations

from attrs import frozen


class BadStore(Exception):
    """What no tasks can be kept in. One line: what is wrong, and what would be right."""


@frozen(kw_only=True)
class Keep:
    """What is kept of the tasks that have ended; 0 is no limit.

    Raises:
        ValueError: a number that is less.
    """

    days: int = 30
    """For how long they are, and what backends keep of a conversation, from its last use."""
    tasks: int = 10_000
    """How many of them, the newest; and of how many conversations."""
    events: int = 1000
    """Of how many, the newest, there are the events too, and not just what came of them. Those of
    a task stay in any case while a webhook has not been told all of them."""

    def __attrs_post_init__(self) -> None:
        if min(self.days, self.tasks, self.events) < 0:
            raise ValueError("cannot keep less than nothing")


KEEP = Keep()
