"""What the drivers of the Python SDKs share: the job, the scenarios, the answer.

A driver is a program of its own, run by the Python of the SDK's environment. It reads one job
as JSON from stdin (never from argv: a job may hold a token) and prints one JSON document, the
shape of which is told in `tests.kit.sdks.Seen`. An exception is part of the answer.
"""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any, Protocol

PATIENCE = 60  # seconds for a scenario; the slow turn takes ten

UNKNOWN = "00000000-0000-4000-8000-000000000000"  # a task that nobody has

WEBHOOK_TOKEN = "t0ken"
WEBHOOK_CREDENTIALS = "cr3dentials"

Document = dict[str, Any]
Events = AsyncGenerator[Document, None]


class Client(Protocol):
    """An SDK's client, its types translated into plain documents."""

    async def card(self) -> Document: ...
    async def extended_card(self) -> Document: ...
    def send(self, prompt: str) -> Events: ...
    def stream(self, prompt: str) -> Events: ...
    async def get(self, task_id: str) -> Document: ...
    async def cancel(self, task_id: str) -> Document: ...
    async def list_tasks(self, context_id: str) -> list[Document]: ...
    def subscribe(self, task_id: str) -> Events: ...
    async def set_webhook(self, task_id: str, id: str) -> Document: ...
    async def get_webhook(self, task_id: str, id: str) -> Document: ...
    async def list_webhooks(self, task_id: str) -> list[Document] | None:
        """None, where the SDK has no way to ask."""

    async def delete_webhook(self, task_id: str, id: str) -> None: ...


Connect = Callable[[Document], Awaitable[Client]]
Explain = Callable[[Exception], int | None]


async def read(events: Events, into: list[Document]) -> None:
    async for event in events:
        into.append(event)


async def read_until_output(events: Events, into: list[Document]) -> None:
    async for event in events:
        into.append(event)
        if event["kind"] == "artifact":
            return


async def card(client: Client, prompt: str, seen: Document) -> None:
    seen["card"] = await client.card()


async def extended(client: Client, prompt: str, seen: Document) -> None:
    seen["card"] = await client.extended_card()


async def listed(client: Client, prompt: str, seen: Document) -> None:
    """Two tasks, of which one is in the context that is asked for."""
    await send(client, prompt, seen)
    await send(client, prompt, seen)
    seen["listed"] = await client.list_tasks(seen["events"][0]["context"])


async def send(client: Client, prompt: str, seen: Document) -> None:
    await read(client.send(prompt), seen["events"])


async def stream(client: Client, prompt: str, seen: Document) -> None:
    await read(client.stream(prompt), seen["events"])


async def get(client: Client, prompt: str, seen: Document) -> None:
    await send(client, prompt, seen)
    seen["task"] = await client.get(seen["events"][0]["task"])


async def get_unknown(client: Client, prompt: str, seen: Document) -> None:
    seen["task"] = await client.get(UNKNOWN)


async def cancel(client: Client, prompt: str, seen: Document) -> None:
    """Cancel while listening: the stream is read to its end."""
    events = client.stream(prompt)
    await read_until_output(events, seen["events"])
    seen["task"] = await client.cancel(seen["events"][0]["task"])
    await read(events, seen["events"])


async def cancel_finished(client: Client, prompt: str, seen: Document) -> None:
    await send(client, prompt, seen)
    seen["task"] = await client.cancel(seen["events"][0]["task"])


async def subscribe(client: Client, prompt: str, seen: Document) -> None:
    """Hang up in mid-stream, join again, read to the end."""
    events = client.stream(prompt)
    await read_until_output(events, seen["events"])
    await events.aclose()
    task_id = seen["events"][0]["task"]
    await read(client.subscribe(task_id), seen["joined"])
    seen["task"] = await client.get(task_id)


async def webhooks(client: Client, prompt: str, seen: Document) -> None:
    """Set two on a task that waits, delete one, and end the task, which the other hears."""
    await send(client, prompt, seen)
    task_id = seen["events"][0]["task"]
    hooks = seen["webhooks"]
    hooks["set"] = [await client.set_webhook(task_id, id) for id in ("one", "two")]
    hooks["got"] = await client.get_webhook(task_id, "one")
    hooks["listed"] = await client.list_webhooks(task_id)
    await client.delete_webhook(task_id, "two")
    hooks["left"] = await client.list_webhooks(task_id)
    seen["task"] = await client.cancel(task_id)


async def notified(client: Client, prompt: str, seen: Document) -> None:
    """Send a message that brings the webhook along; the SDK's client is configured so."""
    await send(client, prompt, seen)


SCENARIOS = (
    card,
    extended,
    listed,
    send,
    stream,
    get,
    get_unknown,
    cancel,
    cancel_finished,
    subscribe,
    webhooks,
    notified,
)


async def play(job: Document, connect: Connect, explain: Explain) -> Document:
    scenarios = {scenario.__name__: scenario for scenario in SCENARIOS}
    seen: Document = {"card": None, "events": [], "joined": [], "task": None, "webhooks": {}}
    seen |= {"listed": [], "error": None}
    try:
        async with asyncio.timeout(PATIENCE):
            client = await connect(job)
            await scenarios[job["scenario"]](client, job["prompt"], seen)
    except Exception as exc:
        kind = type(exc).__name__
        seen["error"] = {"type": kind, "code": explain(exc), "message": str(exc)}
    return seen


def main(connect: Connect, explain: Explain) -> None:
    """Do the job on stdin with the SDK behind `connect`; `explain` finds an exception's code."""
    seen = asyncio.run(play(json.load(sys.stdin), connect, explain))
    json.dump(seen, sys.stdout)


def state_word(state: str) -> str:
    """A state as 0.3 writes it, whichever line it came by."""
    return state.removeprefix("TASK_STATE_").lower().replace("_", "-")
