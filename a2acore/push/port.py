"""The port behind which webhooks are kept."""

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


class Webhooks(Protocol):
    """Keeps the webhooks of every task for as long as the task is kept."""

    async def keep_webhook(self, webhook: Webhook) -> None:
        """Keep a webhook. It takes the place of the one of the same task and id, if there is one.

        One of a task that is not kept is not kept either.
        """
        ...

    async def webhooks(self, task_id: str) -> Sequence[Webhook]:
        """The webhooks of a task, in the order in which their ids were first registered."""
        ...

    async def drop_webhook(self, task_id: str, id: str) -> None:
        """Forget a webhook. It need not be there."""
        ...
