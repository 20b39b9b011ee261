"""A service with webhooks on a network in memory, where an hour takes no time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import trio
from attrs import define

from a2acore.backend import Text, Turn
from a2acore.limits import LIMITS, Limits
from a2acore.model import (
    ListTaskPushNotificationConfigsRequest,
    SendMessageConfiguration,
    SendMessageRequest,
    Task,
    TaskPushNotificationConfig,
)
from a2acore.push import Courier, Guard, Patience, open_courier
from a2acore.push.walk import Heard
from a2acore.service import ANONYMOUS, Caller, Service
from a2acore.store import MemoryStore, Store
from a2acore.supervisor import Supervisor, open_supervisor
from tests.edge import state
from tests.receiver import Letter, Network, Receiver, Reply
from tests.stage import WORKSPACE, Actor, Play, saying

PLACE = "http://hooks.example/h?key=s3cret-in-the-url"
ADDRESS = "8.8.8.8"
PATIENT = Patience()
HANG = 100_000.0
"""Seconds of a clock that jumps, after which a scene hangs."""


@define(eq=False)
class Scene:
    """A service in front of an actor, with webhooks on a network in memory."""

    service: Service
    courier: Courier
    network: Network
    looked_up: list[str]
    addresses: list[list[str]]
    """What every name leads to, one lookup after the other; the last one stays."""

    def hook(self, answer: Callable[[Letter], Awaitable[Reply]], at: str = ADDRESS) -> Receiver:
        """Put a webhook behind an address."""
        self.network.hosts[at] = Receiver(answer)
        return self.network.hosts[at]


@asynccontextmanager
async def open_scene(
    play: Play | Actor,
    *,
    patience: Patience = PATIENT,
    store: Store | None = None,
    limits: Limits = LIMITS,
    hooks: dict[str, Receiver] | None = None,
) -> AsyncIterator[Scene]:
    """A server that goes on with what is in the store; `hooks` are there from the beginning."""
    store = store or MemoryStore()
    looked_up: list[str] = []
    addresses = [[ADDRESS]]

    async def look_up(host: str, port: int) -> Sequence[str]:
        looked_up.append(host)
        if host[0].isdigit():
            return [host]
        return addresses.pop(0) if len(addresses) > 1 else addresses[0]

    actor = play if isinstance(play, Actor) else Actor(play)
    with trio.fail_after(HANG):
        async with trio.open_nursery() as nursery:
            network = Network(nursery, {} if hooks is None else hooks)
            guard = Guard(look_up=look_up)
            async with (
                open_courier(
                    store, guard=guard, network=network, patience=patience, limits=limits
                ) as courier,
                open_supervisor(actor, store, WORKSPACE) as supervisor,
            ):
                await supervisor.recover()
                await courier.resume(partial(_heard, supervisor))
                courier.announce(None)
                service = Service(supervisor, store, courier)
                yield Scene(service, courier, network, looked_up, addresses)
            nursery.cancel_scope.cancel()


def _heard(supervisor: Supervisor, task_id: str) -> Heard | None:
    run = supervisor.runs.get(task_id)
    return None if run is None else Heard(run.journal.follow(), run.record)


def webhook(url: str = PLACE, **said: Any) -> TaskPushNotificationConfig:
    return TaskPushNotificationConfig(url, **said)


async def tell(
    scene: Scene,
    config: TaskPushNotificationConfig,
    *,
    caller: Caller = ANONYMOUS,
    wait: bool = True,
) -> Task:
    """Send a message that brings a webhook along."""
    configuration = SendMessageConfiguration(
        task_push_notification_config=config, return_immediately=not wait
    )
    task = await scene.service.send(
        caller, SendMessageRequest(saying(), configuration=configuration)
    )
    assert isinstance(task, Task)
    return task


async def set_push(scene: Scene, task: str, url: str = PLACE, **said: Any) -> str:
    config = webhook(url, task_id=task, **said)
    return (await scene.service.set_push(ANONYMOUS, config)).id


async def listed(scene: Scene, task: str) -> list[str]:
    request = ListTaskPushNotificationConfigsRequest(task)
    return [config.id for config in (await scene.service.list_push(ANONYMOUS, request)).configs]


def told(letter: Letter) -> str:
    """The state that a letter tells of, if it does."""
    said = letter.json
    said = said.get("statusUpdate") or said.get("task") or said
    return state(said) if "status" in said else ""


def ended(letters: Sequence[Letter]) -> bool:
    """Whether the last of the letters tells the end of a task that went well."""
    return bool(letters) and told(letters[-1]) == "completed"


def kinds(letters: Sequence[Letter]) -> list[str]:
    """What the letters tell: a state, or a text."""
    return [told(letter) or text_of(letter) for letter in letters]


def text_of(letter: Letter) -> str:
    parts = letter.json["artifactUpdate"]["artifact"]["parts"]
    return "".join(part["text"] for part in parts)


async def quick(turn: Turn) -> str | None:
    turn.say(Text("done"))
    return None
