"""The port behind which webhooks are kept, and how far each of them has come.

What is written is given, not awaited: `Store.settle` waits until it is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from attrs import field, frozen

from a2acore.model import TaskPushNotificationConfig


@frozen
class Webhook:
    """A webhook as it was registered."""

    config: TaskPushNotificationConfig = field(repr=False)  # it holds secrets, the URL included
    line: str
    """The line of the protocol that registered it, and in which it is told."""
    plain: bool = False
    """It is told without our extension, as whoever registered it was."""


EVERYTHING = 2**63 - 1
"""As the event that a webhook has heard last: it is told nothing more, whatever happens."""


@frozen
class Place:
    """How far a webhook has come. Events of a task are numbered, and the first one is number 1."""

    heard: int = 0
    """The last event that it was told, or that it was given up to tell."""
    posting: int = 0
    """The last event in the letter that was under way; after `heard`, if there was one."""
    whole: int = 0
    """Up to this event it is told the whole task, and no events: there is a hole before them, or
    it was shown the whole task when they were in it already."""


@frozen
class Behind:
    """A webhook that has something to hear yet, or may have, and how far it has come."""

    webhook: Webhook
    place: Place
    owner: str
    """The owner of its task."""
    events: int
    """How many events there have been in its task, kept or not any more."""


@frozen
class DeadLetter:
    """A letter that was given up: a run of the events of a task that a webhook was not told."""

    task_id: str
    webhook_id: str
    first: int
    last: int
    why: str
    """What became of the last attempt; without secrets."""
    timestamp: str
    """When it was given up."""
    wanted: bool = False
    """Somebody wants it to be tried again."""


class Webhooks(Protocol):
    """Keeps the webhooks of every task for as long as the task is kept."""

    def keep_webhook(self, webhook: Webhook, place: Place) -> None:
        """Keep a webhook. It takes the place of the one of the same task and id, if there is one.

        One of a task that is not kept is not kept either.
        """
        ...

    async def webhooks(self, task_id: str) -> Sequence[Webhook]:
        """The webhooks of a task, in the order in which their ids were first registered."""
        ...

    def drop_webhook(self, task_id: str, id: str) -> None:
        """Forget a webhook, and its dead letters. It need not be there."""
        ...

    def move_webhook(self, task_id: str, id: str, place: Place) -> None:
        """Keep how far a webhook has come. It need not be there any more."""
        ...

    async def behind(self) -> Sequence[Behind]:
        """The webhooks of tasks that have not ended, and of those that have ended the ones that
        stand before the last event."""
        ...

    def bury(self, letter: DeadLetter) -> None:
        """Keep a letter that was given up, in place of one with the same first event."""
        ...

    def unbury(self, letter: DeadLetter) -> None:
        """Forget a letter that was given up. It need not be there."""
        ...

    async def dead_letters(self, *, wanted: bool = False) -> Sequence[DeadLetter]:
        """The letters that were given up, the oldest first: all, or those wanted again."""
        ...
