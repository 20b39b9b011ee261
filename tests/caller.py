"""A caller for tests: says something over HTTP, answers what is asked, and remembers it all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from attrs import define, field
from msgspec import UNSET

from a2acore.client import Client
from a2acore.lifecycle import EXTENSION, PAUSES
from a2acore.model import (
    Event,
    Message,
    Part,
    Role,
    SendMessageConfiguration,
    SendMessageRequest,
    Task,
    TaskArtifactUpdateEvent,
    TaskPushNotificationConfig,
    TaskState,
    TaskStatus,
    TaskStatusUpdateEvent,
)


def message(
    text: str,
    *,
    task: str = "",
    context: str = "",
    metadata: Any = None,
    attached: tuple[Part, ...] = (),
) -> Message:
    """A message of the caller's."""
    return Message(uuid4().hex, Role.USER, (Part(text=text), *attached), context, task, metadata)


def request(text: str, *, wait: bool = True, webhook: str = "", **rest: Any) -> SendMessageRequest:
    """A request that says something; not to `wait` is to be answered at once."""
    hook = TaskPushNotificationConfig(url=webhook) if webhook else None
    configuration = SendMessageConfiguration(
        return_immediately=not wait, task_push_notification_config=hook
    )
    return SendMessageRequest(message(text, **rest), configuration=configuration)


def data_of(message: Message | None) -> dict[str, Any]:
    """What a message of ours says to a program."""
    parts = message.parts if message else ()
    return next((part.data for part in parts if isinstance(part.data, dict)), {})


@define(eq=False)
class Heard:
    """What a caller heard of one task, from its first message to its end or to a pause."""

    events: list[Event] = field(factory=list)

    @property
    def task_id(self) -> str:
        first = self.events[0]
        assert isinstance(first, Task)
        return first.id

    @property
    def context_id(self) -> str:
        first = self.events[0]
        assert isinstance(first, Task)
        return first.context_id

    @property
    def statuses(self) -> list[TaskStatus]:
        return [
            event.status for event in self.events if isinstance(event, Task | TaskStatusUpdateEvent)
        ]

    @property
    def states(self) -> list[TaskState]:
        """The states that were passed through, each once in a row."""
        states: list[TaskState] = []
        for status in self.statuses:
            if not states or states[-1] is not status.state:
                states.append(status.state)
        return states

    @property
    def end(self) -> TaskStatus:
        return self.statuses[-1]

    @property
    def end_data(self) -> dict[str, Any]:
        return data_of(self.end.message)

    def text(self, artifact: str = "response") -> str:
        """An artifact's text, put together from its chunks."""
        return "".join(
            part.text or ""
            for event in self.events
            if isinstance(event, TaskArtifactUpdateEvent) and event.artifact.artifact_id == artifact
            for part in event.artifact.parts
        )

    def said(self, kind: str) -> list[dict[str, Any]]:
        """What was said of one kind, as data, in order."""
        found = [data_of(status.message) for status in self.statuses]
        return [data for data in found if data.get("kind") == kind]

    def tools(self) -> dict[str, list[str]]:
        """The statuses that each tool went through, by its id."""
        tools: dict[str, list[str]] = {}
        for data in self.said("tool"):
            tools.setdefault(data["id"], []).append(data["status"])
        return tools

    def diffs(self) -> dict[str, str]:
        """The last diff of each file, by its path."""
        return {
            event.artifact.name: event.artifact.parts[0].text or ""
            for event in self.events
            if isinstance(event, TaskArtifactUpdateEvent)
            and (event.artifact.metadata or {}).get(EXTENSION, {}).get("kind") == "diff"
        }

    def notices(self) -> list[str]:
        """The kinds of what the caller was told beside the work."""
        return [notice["notice"] for notice in self.said("notice")]

    def texts(self) -> str:
        """Everything readable that was said in statuses."""
        return "\n".join(
            part.text or ""
            for status in self.statuses
            if status.message
            for part in status.message.parts
            if part.data is UNSET
        )


Decide = Callable[[dict[str, Any]], str]
"""Given what is asked, as data: the words to answer with."""


def allow(asked: dict[str, Any]) -> str:
    return "allow"


def deny(asked: dict[str, Any]) -> str:
    return "no, not that"


def answering(heard: Heard) -> dict[str, Any]:
    """What makes a request the answer to what was asked last."""
    named = {"requestId": data_of(heard.end.message)["requestId"]}
    return {"task": heard.task_id, "metadata": {EXTENSION: named}}


async def tell(client: Client, text: str, answer: Decide | None = None, **rest: Any) -> Heard:
    """Say something and hear it to the end; without `answer`, or to the first pause."""
    heard = Heard()
    say = request(text, **rest)
    while True:
        async with client.stream(say) as events:
            async for event in events:
                heard.events.append(event)
        if heard.end.state not in PAUSES or answer is None:
            return heard
        say = request(answer(data_of(heard.end.message)), **answering(heard))
