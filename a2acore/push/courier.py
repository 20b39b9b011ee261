"""The courier: the operations on webhooks, and a walk behind the task for each of them.

A walk holds nobody up: a webhook that is slow hears later, and more at a time. Whatever a webhook
does, there is little that waits for it, and the end of a task is soon told to all the others.

A webhook hears what happens after it was registered, or everything when the message that began the
task brought it along. Nothing happens to a task that has ended: its webhooks are kept, and silent.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio
from attrs import define
from msgspec import structs

from a2acore.errors import InvalidParams, TaskNotFound, Violation
from a2acore.ids import new_hex
from a2acore.limits import LIMITS, Limits
from a2acore.model import TaskPushNotificationConfig
from a2acore.push.guard import Forbidden, Guard
from a2acore.push.patience import Patience
from a2acore.push.port import EVERYTHING, Place, Webhook
from a2acore.push.rounds import Join, Rounds
from a2acore.push.stamp import Stamp
from a2acore.push.walk import Heard, Walk
from a2acore.store.port import Store
from a2acore.wire import v03

if TYPE_CHECKING:
    import httpcore

LONGEST = 4096
"""Characters of each thing that a webhook's configuration says."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"([!-~]([ -~]*[!-~])?)?")
"""A token and a value of a header (RFC 9110, section 5.6.2 and 5.5, without what is not ASCII)."""


@define(eq=False)
class Courier:
    """Keeps webhooks, and has them told what their tasks do.

    Whose task it is has been seen to before; and who promises something waits for `Store.settle`.
    """

    _store: Store
    _guard: Guard
    _rounds: Rounds
    _limits: Limits

    async def resume(self, join: Join) -> None:
        """See which webhooks have something to hear yet: they are told from `announce` on."""
        await self._rounds.resume(join)

    def announce(self, stamp: Stamp | None) -> None:
        """Post what was left, and sign what is posted from now on, if there is a stamp.

        A server has one when it knows its own address.
        """
        self._rounds.announce(stamp)

    async def check(self, config: TaskPushNotificationConfig, line: str, owner: str) -> None:
        """See that a webhook can be posted to, and that there is room for it: at its task, if it
        has one yet, and among the webhooks of the task's owner.

        Raises:
            InvalidParams: it cannot, or its task has as many as it may have.
            TooBusy: the owner has, or this server.
        """
        wrong = list(self._wrongs(config))
        others = {other.id for other in await self.list(config.task_id)} - {_id(config, line)}
        most = self._limits.webhooks_per_task
        if most and len(others) >= most:
            wrong.append(Violation("id", f"is one too many: a task has at most {most} webhooks"))
        if wrong:
            said = "; ".join(f"{violation.field} {violation.description}" for violation in wrong)
            raise InvalidParams(f"Invalid parameters: {said}", violations=wrong)
        self._rounds.check(owner, (config.task_id, _id(config, line)))

    def keep(
        self,
        config: TaskPushNotificationConfig,
        line: str,
        heard: Heard | None,
        *,
        plain: bool = False,
    ) -> TaskPushNotificationConfig:
        """Keep a webhook that was checked, and let it hear of its task, if that still runs.

        It takes the place of the one of the same id. Without an id it gets one. A `plain` one is
        told without our extension.
        """
        config = structs.replace(config, id=_id(config, line) or new_hex())
        webhook = Webhook(config, line, plain)
        place = Place(EVERYTHING if heard is None else heard.follower.number)
        self._rounds.stop((config.task_id, config.id))
        self._store.keep_webhook(webhook, place)
        if heard is not None:
            self._rounds.begin(Walk(webhook, heard.record.owner, place, self._store, heard))
        return config

    async def find(self, task_id: str, id: str) -> TaskPushNotificationConfig:
        """A webhook of a task. Without an id: the task's default, or else the oldest.

        Raises:
            TaskNotFound: there is none.
        """
        configs = await self.list(task_id)
        for config in configs:
            if config.id == (id or task_id):
                return config
        if id or not configs:
            raise TaskNotFound(f"Task {task_id} has no such webhook")
        return configs[0]

    async def list(self, task_id: str) -> Sequence[TaskPushNotificationConfig]:
        """The webhooks of a task, the oldest first."""
        return [webhook.config for webhook in await self._store.webhooks(task_id)]

    def drop(self, task_id: str, id: str) -> None:
        """Forget a webhook: it hears no more. It need not be there."""
        self._rounds.stop((task_id, id))
        self._store.drop_webhook(task_id, id)

    def _wrongs(self, config: TaskPushNotificationConfig) -> Iterator[Violation]:
        try:
            self._guard.check(config.url)
        except Forbidden as error:
            yield Violation("url", str(error))
        texts = {"id": config.id, "url": config.url, "token": config.token}
        if (how := config.authentication) is not None:
            texts["authentication.credentials"] = how.credentials
            if not _TOKEN.fullmatch(how.scheme):
                yield Violation("authentication", "must name a scheme of HTTP, such as Bearer")
        for name, text in texts.items():
            if len(text) > LONGEST:
                yield Violation(name, f"must not be longer than {LONGEST} characters")
            if name in ("token", "authentication.credentials") and not _VALUE.fullmatch(text):
                yield Violation(name, "must be something that a header can say: visible ASCII")


def _id(config: TaskPushNotificationConfig, line: str) -> str:
    """The id of a webhook. On line 0.3, which can ask for one without naming it, it is the task's
    unless it is said."""
    return config.id or (config.task_id if line == v03.VERSION else "")


@asynccontextmanager
async def open_courier(
    store: Store,
    *,
    guard: Guard | None = None,
    network: httpcore.AsyncNetworkBackend | None = None,
    patience: Patience = Patience(),
    limits: Limits = LIMITS,
) -> AsyncIterator[Courier]:
    """Post to webhooks inside the block.

    Leaving it, when their tasks have ended, gives them `LAST_CHANCE` seconds to hear so; failing or
    being cancelled gives them none. What they have not heard then is for the next server to tell,
    if the store outlives this one.
    """
    failure: Exception | None = None
    guard = guard or Guard()
    async with trio.open_nursery() as nursery:
        rounds = Rounds(store, guard, network, patience, nursery, limits)
        try:
            yield Courier(store, guard, rounds, limits)
        except Exception as error:
            failure = error
        else:
            await rounds.close()
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure  # out here, where the nursery does not wrap it
