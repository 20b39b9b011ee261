"""The courier: the operations on webhooks, and a follower for each webhook of a running task.

A follower walks behind the task, in the task's journal. It holds nobody up: a webhook that is slow
hears later, and more at a time; one that cannot keep up, or was away for longer than `Patience`
lasts, goes on with the whole task. So whatever a webhook does, there is little that waits for it,
and the end of a task is soon told to all the others.

A webhook hears what happens after it was registered, or everything when the message that began the
task brought it along. Nothing happens to a task that has ended: its webhooks are kept, and silent.
"""

from __future__ import annotations

import logging
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from uuid import uuid4

import httpcore
import trio
from attrs import define, field, frozen
from msgspec import structs

from a2acore.errors import InvalidParams, TaskNotFound, Violation
from a2acore.journal import FellBehind, Follower
from a2acore.lifecycle import Record
from a2acore.limits import LIMITS, Limits, Tally
from a2acore.model import TaskPushNotificationConfig
from a2acore.push.guard import Forbidden, Guard
from a2acore.push.letters import letters, whole
from a2acore.push.port import Webhook, Webhooks
from a2acore.push.post import Fate, Patience, Post
from a2acore.push.stamp import Stamp
from a2acore.wire import v03

LONGEST = 4096
"""Characters of each thing that a webhook's configuration says."""
LAST_CHANCE = 5.0
"""Seconds that webhooks get to hear the end, when the server stops."""

log = logging.getLogger(__name__)


_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"([!-~]([ -~]*[!-~])?)?")
"""A token and a value of a header (RFC 9110, section 5.6.2 and 5.5, without what is not ASCII)."""


@frozen
class Heard:
    """A task that a webhook is to hear of, and from where on."""

    follower: Follower
    record: Record


@define(eq=False)
class Courier:
    """Keeps webhooks, and posts to them what their tasks do.

    Whose task it is has been seen to before.
    """

    _kept: Webhooks
    _guard: Guard
    _network: httpcore.AsyncNetworkBackend
    _patience: Patience
    _nursery: trio.Nursery
    limits: Limits = LIMITS
    stamp: Stamp | None = None
    """What letters are signed with. A server knows it when it knows its own address."""
    _walks: dict[tuple[str, str], trio.CancelScope] = field(factory=dict)
    """The followers on their way, by task and webhook."""
    _closing: trio.Event = field(factory=trio.Event)
    _arrivals: trio.lowlevel.ParkingLot = field(factory=trio.lowlevel.ParkingLot)
    _followed: Tally = field(init=False)

    def __attrs_post_init__(self) -> None:
        limits = self.limits
        most = limits.webhooks_per_caller
        self._followed = Tally("webhooks at tasks that run", limits.webhooks, most)

    async def check(self, config: TaskPushNotificationConfig, line: str, owner: str) -> None:
        """See that a webhook can be posted to, and that there is room for it: at its task, if it
        has one yet, and among the webhooks of the task's owner.

        Raises:
            InvalidParams: it cannot, or its task has as many as it may have.
            TooBusy: the owner has, or this server.
        """
        wrong = list(self._wrongs(config))
        others = {other.id for other in await self.list(config.task_id)} - {_id(config, line)}
        most = self.limits.webhooks_per_task
        if most and len(others) >= most:
            wrong.append(Violation("id", f"is one too many: a task has at most {most} webhooks"))
        if wrong:
            said = "; ".join(f"{violation.field} {violation.description}" for violation in wrong)
            raise InvalidParams(f"Invalid parameters: {said}", violations=wrong)
        if (config.task_id, _id(config, line)) not in self._walks:
            self._followed.check(owner)

    async def keep(
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
        config = structs.replace(config, id=_id(config, line) or uuid4().hex)
        webhook = Webhook(config, line, plain)
        await self._kept.keep_webhook(webhook)
        self._stop(config.task_id, config.id)
        if heard is not None:
            scope = trio.CancelScope()
            self._walks[config.task_id, config.id] = scope
            self._followed.add(heard.record.owner)
            self._nursery.start_soon(self._follow, webhook, heard, scope)
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
        return [webhook.config for webhook in await self._kept.webhooks(task_id)]

    async def drop(self, task_id: str, id: str) -> None:
        """Forget a webhook: it hears no more. It need not be there."""
        self._stop(task_id, id)
        await self._kept.drop_webhook(task_id, id)

    async def close(self) -> None:
        """Wait for the followers, whose tasks have all ended, but not for long."""
        self._closing.set()
        with trio.move_on_after(LAST_CHANCE):
            while self._walks:
                await self._arrivals.park()

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

    def _stop(self, task_id: str, id: str) -> None:
        scope = self._walks.pop((task_id, id), None)
        if scope is not None:
            scope.cancel()

    async def _follow(self, webhook: Webhook, heard: Heard, scope: trio.CancelScope) -> None:
        config = webhook.config
        post = Post(webhook, self._guard, self._network, self._patience, self._closing, self.stamp)
        try:
            with scope:
                async with post:
                    await _walk(post, heard)
        except Exception:  # a bug of ours, which must not become the end of the server
            log.exception("webhook %r of task %s broke", config.id, config.task_id)
        finally:
            self._followed.drop(heard.record.owner)
            if self._walks.get((config.task_id, config.id)) is scope:
                del self._walks[config.task_id, config.id]
            self._arrivals.unpark_all()


def _id(config: TaskPushNotificationConfig, line: str) -> str:
    """The id of a webhook. On line 0.3, which can ask for one without naming it, it is the task's
    unless it is said."""
    return config.id or (config.task_id if line == v03.VERSION else "")


async def _walk(post: Post, heard: Heard) -> None:
    """Tell a webhook everything, to the end of the task."""
    webhook = post.webhook

    def all_of_it() -> Iterator[bytes]:
        heard.follower.skip()
        yield whole(webhook, heard.record)

    behind = False
    while True:
        try:
            news = await heard.follower.more()
            if not news:
                return
        except FellBehind:
            behind = True
        told = all_of_it() if behind else letters(webhook, news, heard.record)
        behind = False
        while letter := next(told, None):
            if await post.deliver(letter) is not Fate.LOST:
                continue
            if next(told, None) is None:
                behind = True
            else:
                told = all_of_it()


@asynccontextmanager
async def open_courier(
    kept: Webhooks,
    *,
    guard: Guard | None = None,
    network: httpcore.AsyncNetworkBackend | None = None,
    patience: Patience = Patience(),
    limits: Limits = LIMITS,
) -> AsyncIterator[Courier]:
    """Post to webhooks inside the block.

    Leaving it, when their tasks have ended, gives them `LAST_CHANCE` seconds to hear so; failing or
    being cancelled gives them none.
    """
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        courier = Courier(
            kept,
            guard or Guard(),
            network or httpcore.TrioBackend(),
            patience,
            nursery,
            limits,
        )
        try:
            yield courier
        except Exception as error:
            failure = error
        else:
            await courier.close()
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure  # out here, where the nursery does not wrap it
