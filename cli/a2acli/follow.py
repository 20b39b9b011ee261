"""Saying something to an agent, and following what comes of it to the end or to a pause."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio
from attrs import define

from a2acli.codes import DONE, FAILED, PAUSED
from a2acli.pause import Pause, Say, read_pause
from a2acli.view import Watching
from a2acore.client import Client
from a2acore.lifecycle import ENDS, PAUSES
from a2acore.model import (
    Event,
    GetTaskRequest,
    Message,
    SendMessageRequest,
    Task,
    TaskArtifactUpdateEvent,
    TaskState,
    TaskStatus,
    TaskStatusUpdateEvent,
)

POLL = 1.0
"""Seconds between looks at a task of an agent that does not stream to the end."""

Decide = Callable[[Pause], Awaitable[Say | None]]
"""Answers a pause, or leaves it."""


@define(eq=False)
class Following:
    """What is known of the task that is followed."""

    task_id: str = ""
    context_id: str = ""
    status: TaskStatus | None = None
    settled: bool = False
    """Nothing more comes by itself: it has ended, it waits, or it was a mere message."""

    def hear(self, event: Event) -> None:
        match event:
            case Message():
                self.settled = True
            case Task():
                self._hear(event.id, event.context_id, event.status)
            case TaskStatusUpdateEvent():
                self._hear(event.task_id, event.context_id, event.status)
            case TaskArtifactUpdateEvent():
                self.task_id, self.context_id = event.task_id, event.context_id

    def _hear(self, task_id: str, context_id: str, status: TaskStatus) -> None:
        self.task_id, self.context_id, self.status = task_id, context_id, status
        self.settled = status.state in ENDS | PAUSES

    @property
    def pause(self) -> Pause | None:
        if self.status is None or self.status.state not in PAUSES:
            return None
        return read_pause(self.task_id, self.context_id, self.status)


async def converse(
    client: Client, say: Say, following: Following, watching: Watching, decide: Decide
) -> int:
    """Say it, follow what comes of it, and answer what is asked as long as `decide` does.

    Returns the exit code.
    """
    while True:
        await _follow(client, say.request(), following, watching)
        pause = following.pause
        if pause is not None:
            watching.ask(pause)
            answer = await decide(pause)
            if answer is not None:
                watching.answered(answer)
                say = answer
                continue
            watching.leave(pause)
        watching.end()
        return exit_code(following.status)


async def _follow(
    client: Client, request: SendMessageRequest, following: Following, watching: Watching
) -> None:
    def hear(event: Event) -> None:
        following.hear(event)
        watching.show(event)

    following.settled = False
    if client.card.capabilities.streaming:
        async with client.stream(request) as events:
            async for event in events:
                hear(event)
                # A snapshot may still stand at the pause that this very message answers; and not
                # every agent ends its stream at a pause.
                if following.settled and isinstance(event, TaskStatusUpdateEvent):
                    return
    else:
        hear(await client.send(request))
    while not following.settled and following.task_id:
        await trio.sleep(POLL)
        hear(await client.get(GetTaskRequest(following.task_id, history_length=0)))


def exit_code(status: TaskStatus | None) -> int:
    """The exit code that tells how a task stands; a mere message is an answer."""
    if status is None or status.state not in ENDS | PAUSES:
        return DONE
    if status.state in PAUSES:
        return PAUSED
    return DONE if status.state is TaskState.COMPLETED else FAILED
