"""A server without its edge: a service, a supervisor, and a backend that is one function."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import trio
import trio.testing
from attrs import define, field
from msgspec import structs

from a2acore.backend import AgentInfo, Turn
from a2acore.lifecycle import EXTENSION
from a2acore.model import (
    Artifact,
    GetTaskRequest,
    Message,
    Metadata,
    Part,
    Role,
    SendMessageConfiguration,
    SendMessageRequest,
    SubscribeToTaskRequest,
    Task,
    TaskArtifactUpdateEvent,
    TaskStatusUpdateEvent,
)
from a2acore.policy import Policy
from a2acore.service import ANONYMOUS, Caller, Service, Stream
from a2acore.store import MemoryStore, Store
from a2acore.supervisor import open_supervisor
from a2acore.work import Written

WORKSPACE = Path("/workspace")

HANG = 60.0
"""Seconds, of the clock that the test uses, after which a scene that hangs is broken off."""

Play = Callable[[Turn], Awaitable[str | None]]


@define(eq=False)
class Actor:
    """A backend whose turns are all played by one function."""

    play: Play
    info: AgentInfo = field(factory=lambda: AgentInfo(name="Actor", description="Plays a part."))

    async def run(self, turn: Turn) -> str | None:
        return await self.play(turn)


@asynccontextmanager
async def open_stage(
    play: Play,
    *,
    buffered: bool = False,
    store: Store | None = None,
    policy: Policy | None = None,
) -> AsyncIterator[Service]:
    """A service in front of an actor; leaving the block stops what still runs."""
    store = store or MemoryStore()
    with trio.fail_after(HANG):
        async with open_supervisor(
            Actor(play), store, WORKSPACE, buffered=buffered, policy=policy
        ) as supervisor:
            yield Service(supervisor, store)


def saying(
    text: str = "go",
    *,
    message_id: str = "",
    task_id: str = "",
    context_id: str = "",
    ours: Metadata | None = None,
) -> Message:
    """A caller's message; `ours` is what it says under our extension."""
    return Message(
        message_id or uuid4().hex,
        Role.USER,
        (Part(text=text),),
        context_id,
        task_id,
        None if ours is None else {EXTENSION: ours},
    )


def request(
    message: Message, *, wait: bool = True, history: int | None = None
) -> SendMessageRequest:
    """A request to send a message, and to wait for the task to rest."""
    configuration = SendMessageConfiguration(return_immediately=not wait, history_length=history)
    return SendMessageRequest(message, configuration=configuration)


async def send(service: Service, message: Message | str = "go", *, wait: bool = True) -> Task:
    """Send a message that makes, or belongs to, a task."""
    message = saying(message) if isinstance(message, str) else message
    task = await service.send(ANONYMOUS, request(message, wait=wait))
    assert isinstance(task, Task)
    return task


async def begin(service: Service, message: Message | str = "go") -> tuple[Task, Stream]:
    """Start a task, and let it go on until it waits for something. The stream is from its start."""
    message = saying(message) if isinstance(message, str) else message
    stream = await service.stream(ANONYMOUS, request(message))
    assert isinstance(stream, Stream)
    await trio.testing.wait_all_tasks_blocked()
    return await get(service, stream.task.id), stream


async def get(service: Service, task_id: str, caller: Caller = ANONYMOUS) -> Task:
    return await service.get(caller, GetTaskRequest(task_id))


async def subscribe(service: Service, task_id: str) -> Stream:
    return await service.subscribe(ANONYMOUS, SubscribeToTaskRequest(task_id))


async def told(stream: Stream) -> list[Written]:
    """All that a stream still tells, to the end of the task."""
    events: list[Written] = []
    while more := await stream.follower.more():
        events += more
    return events


def replay(task: Task, events: Iterable[Written]) -> Task:
    """The task as a caller knows it, who had it as `task` and then heard the events.

    Written without a look at `a2acore.lifecycle`: what a client makes of the specification. The
    history is not told in events, so it stays as it was.
    """
    artifacts = {artifact.artifact_id: artifact for artifact in task.artifacts}
    for event in events:
        if isinstance(event, TaskStatusUpdateEvent):
            task = structs.replace(task, status=event.status)
            continue
        heard = event.artifact
        known = artifacts.get(heard.artifact_id)
        if event.append and known is not None:
            heard = structs.replace(known, parts=(*known.parts, *heard.parts))
        artifacts[heard.artifact_id] = heard
    return structs.replace(task, artifacts=tuple(joined(a) for a in artifacts.values()))


def joined(artifact: Artifact) -> Artifact:
    """An artifact whose neighbouring texts of one kind are one part."""
    parts: list[Part] = []
    for part in artifact.parts:
        last = parts[-1] if parts else None
        if (
            last is not None
            and last.text is not None
            and part.text is not None
            and structs.replace(last, text="") == structs.replace(part, text="")
        ):
            parts[-1] = structs.replace(last, text=last.text + part.text)
        else:
            parts.append(part)
    return structs.replace(artifact, parts=tuple(parts))


def response(task: Task) -> str:
    """What the agent answered."""
    return "".join(
        part.text or ""
        for artifact in task.artifacts
        if artifact.artifact_id == "response"
        for part in artifact.parts
    )


def data(message: Message | None) -> Metadata:
    """What a message of ours says to a program."""
    assert message is not None
    found = next(part.data for part in message.parts if part.text is None)
    assert isinstance(found, dict)
    return found


def words(message: Message | None) -> str:
    """What a message of ours says to a person."""
    assert message is not None
    return "".join(part.text for part in message.parts if part.text is not None)


def states(events: Iterable[Written]) -> list[str]:
    """The names of the states that are told, one after the other, repetitions left out."""
    names: list[str] = []
    for event in events:
        if isinstance(event, TaskStatusUpdateEvent):
            name = event.status.state.name
            if not names or names[-1] != name:
                names.append(name)
    return names


def artifacts_of(events: Iterable[Written]) -> list[TaskArtifactUpdateEvent]:
    return [event for event in events if isinstance(event, TaskArtifactUpdateEvent)]
