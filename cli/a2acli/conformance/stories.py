"""The longer talks with a server, that many checks look at. Each is held once per interface.

A story that breaks off is one failure, not twenty: the check that proves the step says `proven`,
for all others it is `Unseen`.
"""

from __future__ import annotations

import functools
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from typing import Any, TypeVar

import trio
from attrs import define, frozen

from a2acli.conformance import view
from a2acli.conformance.answer import Answer
from a2acli.conformance.peer import Peer
from a2acli.conformance.tape import Tape
from a2acli.conformance.verdict import Failed, NotApplicable, Unseen, expect, shown

T = TypeVar("T")

YES = "yes"
"""What is answered when the agent asks."""

NOBODY = "00000000-0000-4000-8000-00000000dead"
"""The id of a task that there is not."""

SETTLE = 0.3
"""Seconds after which an agent that still works is one that takes its time."""
POLL = 0.1
"""Seconds between two looks at a task."""


def story(tell: Callable[[Peer], Awaitable[T]]) -> Callable[[Peer], Awaitable[T]]:
    """Hold this talk once, and remember what came of it."""

    @functools.wraps(tell)
    async def remembered(peer: Peer) -> T:
        name = tell.__name__
        if name not in peer.told:
            try:
                peer.told[name] = await tell(peer)
            except (Failed, NotApplicable) as ended:
                peer.told[name] = ended
        told = peer.told[name]
        if isinstance(told, Failed):
            raise Unseen(f"not seen, because: {told}") from told
        if isinstance(told, NotApplicable):
            raise type(told)(str(told)) from told.__cause__
        found: T = told
        return found

    return remembered


async def proven(telling: Awaitable[T]) -> T:
    """The story, of which this check is the proof: where it broke off, the check fails."""
    try:
        return await telling
    except Unseen as unseen:
        raise Failed(str(unseen.__cause__)) from unseen


# Steps


def sending(peer: Peer, text: str, *, task: str = "", context: str = "", **how: Any) -> Any:
    """The params that say something."""
    ids = {name: id for name, id in (("taskId", task), ("contextId", context)) if id}
    message = peer.way.message(text, **ids)
    return {"message": message, "configuration": peer.way.configuration(**how)}


async def task_after(peer: Peer, params: Any) -> dict[str, Any]:
    """The task that a send is answered with.

    Raises:
        NotApplicable: it is answered with a message.
    """
    kind, task = view.answer(peer.way, (await peer.ask("send", params)).result)
    if kind != "task":
        raise NotApplicable("the agent answers with messages, not with tasks")
    if view.state(task) not in view.TERMINAL:
        peer.opened.append(str(task.get("id")))
    return task


async def get(peer: Peer, id: str, **params: Any) -> dict[str, Any]:
    task = (await peer.ask("get", {"task": id, **params})).result
    expect(isinstance(task, dict), "a task was asked for, and there is none in the answer")
    found: dict[str, Any] = task
    return found


async def wait_settled(peer: Peer, task: dict[str, Any]) -> dict[str, Any]:
    """Look at a task until it has ended or waits for its caller."""
    with trio.move_on_after(peer.patience):
        while view.state(task) not in view.TERMINAL | view.INTERRUPTED:
            await trio.sleep(POLL)
            task = await get(peer, str(task.get("id")))
        return task
    raise Failed(f"the task is still {view.state(task)!r} after {peer.patience:g} s")


def wants_streams(peer: Peer) -> None:
    if peer.capabilities.get("streaming") is not True:
        raise NotApplicable("the card says that there are no streams")


def wants_push(peer: Peer) -> None:
    if peer.capabilities.get("pushNotifications") is not True:
        raise NotApplicable("the card says that there are no push notifications")


# Something simple


@story
async def hello(peer: Peer) -> tuple[str, dict[str, Any]]:
    """What answers a simple message: "task" or "message", and what is inside."""
    answer = await peer.ask("send", sending(peer, peer.texts.hello))
    return view.answer(peer.way, answer.result)


@story
async def finished(peer: Peer) -> dict[str, Any]:
    """A task that has ended."""
    kind, task = await hello(peer)
    if kind != "task":
        raise NotApplicable("the agent answers with messages, not with tasks")
    task = await wait_settled(peer, task)
    if view.state(task) not in view.TERMINAL:
        peer.opened.append(str(task.get("id")))
        raise NotApplicable(f"{peer.texts.hello!r} leads to {view.state(task)!r}, to no end")
    return task


@story
async def hello_stream(peer: Peer) -> Tape:
    """The same as a stream, to its end."""
    wants_streams(peer)
    async with peer.listening("stream", sending(peer, peer.texts.hello)) as tape:
        await tape.wait_end()
    return tape


@story
async def enough(peer: Peer) -> None:
    """A bit of everything, for checks that look at how things are written."""
    await peer.ask("get", {"task": NOBODY})
    for each in (finished, hello_stream, asked, listed):
        with suppress(NotApplicable):
            await each(peer)
    with suppress(NotApplicable):
        task = await finished(peer)
        await peer.ask("cancel", {"task": task["id"]})


# Something that takes a while


@frozen
class Slow:
    """A task that worked, and who heard of it."""

    first: Tape
    """The stream that started it."""
    joined: tuple[Tape, Tape]
    """Two subscriptions."""
    after: dict[str, Any]
    """The task, when all streams had ended."""


@story
async def slow(peer: Peer) -> Slow:
    """A task of a few seconds, heard by those who started it and by three who subscribe."""
    wants_streams(peer)
    await stopped(peer)  # where it is seen that it takes its time
    async with AsyncExitStack() as streams:
        stream = sending(peer, peer.texts.slow)
        first = await streams.enter_async_context(peer.listening("stream", stream))
        await first.wait_event()
        _, task = view.event(peer.way, first.events[0].said)
        id = str(task.get("id") or task.get("taskId"))
        early = first.closed_at is None and view.state(task) not in view.TERMINAL
        expect(early, f"nothing is told before the task is {view.state(task)!r}")
        joined = [
            await streams.enter_async_context(peer.listening("subscribe", {"task": id}))
            for _ in range(2)
        ]
        for tape in joined:
            await tape.wait_event()
        async with peer.listening("subscribe", {"task": id}) as leaving:
            await leaving.wait_event()
        for tape in (first, *joined):
            await tape.wait_end()
    return Slow(first, (joined[0], joined[1]), await get(peer, id))


@story
async def slow_waited(peer: Peer) -> dict[str, Any]:
    """The same, waited for."""
    return await task_after(peer, sending(peer, peer.texts.slow))


@define
class Stopped:
    """A task that was stopped."""

    started: dict[str, Any]
    """As it was told at once."""
    answer: Answer
    """To the cancel."""
    after: dict[str, Any] | None = None
    again: Answer | None = None
    """To a second cancel."""


@story
async def stopped(peer: Peer) -> Stopped:
    """The same, not waited for, and cancelled."""
    started = await busy(peer)
    id = str(started.get("id"))
    told = Stopped(started, await peer.ask("cancel", {"task": id}))
    told.after = await get(peer, id)
    if view.state(told.after) in view.TERMINAL:
        told.again = await peer.ask("cancel", {"task": id})
    return told


async def busy(peer: Peer) -> dict[str, Any]:
    """A task that keeps the agent busy, as it was told at once.

    Raises:
        NotApplicable: it does not, or does no more.
    """
    started = await task_after(peer, sending(peer, peer.texts.slow, wait=False))
    await trio.sleep(SETTLE)
    now = await get(peer, str(started.get("id")))
    if view.state(now) in view.TERMINAL | view.INTERRUPTED:
        raise NotApplicable(_not_slow(peer))
    return started


def _not_slow(peer: Peer) -> str:
    return f"{peer.texts.slow!r} does not keep the agent busy; see --slow-text"


# Something that has to be asked


@frozen
class Asked:
    """A task that waited for an answer, and got it."""

    paused: dict[str, Any]
    """The task, while it waited."""
    mismatch: Answer
    """To an answer with another context."""
    answered: dict[str, Any]
    """What the real answer was answered with."""
    after: dict[str, Any]
    """The task, when it was over."""


@story
async def asked(peer: Peer) -> Asked:
    """A task that waits for an answer."""
    paused = await _pause(peer, peer.texts.pause, "input-required", "--pause-text")
    id = str(paused.get("id"))
    wrong = sending(peer, YES, task=id, context="another-context")
    mismatch = await peer.ask("send", wrong)
    still = await get(peer, id)
    expect(view.state(still) == "input-required", "an answer with another context went through")
    answered = await task_after(peer, sending(peer, YES, task=id))
    return Asked(paused, mismatch, answered, await wait_settled(peer, await get(peer, id)))


@story
async def asked_stream(peer: Peer) -> tuple[Tape, Tape]:
    """The same, started by a stream, and a subscription that hears the question and the answer."""
    wants_streams(peer)
    await asked(peer)
    async with peer.listening("stream", sending(peer, peer.texts.pause)) as first:
        await first.wait_end()
    _, task = view.event(peer.way, first.events[0].said)
    id = str(task.get("id") or task.get("taskId"))
    peer.opened.append(id)
    async with peer.listening("subscribe", {"task": id}) as joined:
        await joined.wait_event()
        await peer.ask("send", sending(peer, YES, task=id))
        await joined.wait_end()
    return first, joined


@frozen
class NeedsCredential:
    """A task that waited for a credential."""

    waiting: dict[str, Any]
    answer: Answer
    """To a message that it was sent meanwhile."""
    first: Tape | None
    """The stream that started it, if there are streams."""
    open: bool
    """Whether that was open while the task waited."""


@story
async def needs_credential(peer: Peer) -> NeedsCredential:
    """A task that waits for a credential."""
    waiting = await _pause(peer, peer.texts.credential, "auth-required", "--auth-text")
    id = str(waiting.get("id"))
    first, still_open = None, False
    if peer.capabilities.get("streaming") is True:
        async with peer.listening("stream", sending(peer, peer.texts.credential)) as first:
            count = 0
            while "auth-required" not in view.states(peer.way, first):
                count = len(first.events) + 1
                await first.wait_event(count)
            _, task = view.event(peer.way, first.events[0].said)
            other = str(task.get("id") or task.get("taskId"))
            peer.opened.append(other)
            await get(peer, other)  # whoever closes the stream with the event has done it by now
            still_open = first.closed_at is None
    answer = await peer.ask("send", sending(peer, "I have logged in", task=id))
    return NeedsCredential(waiting, answer, first, still_open)


async def _pause(peer: Peer, text: str, state: str, flag: str) -> dict[str, Any]:
    task = await wait_settled(peer, await task_after(peer, sending(peer, text)))
    if view.state(task) != state:
        raise NotApplicable(f"{text!r} leads to {view.state(task)!r}, not {state!r}; see {flag}")
    return task


# Several in one context


@story
async def conversation(peer: Peer) -> tuple[str, list[dict[str, Any]]]:
    """Three tasks in one context that have ended, the oldest first, and the id of the context."""
    first = await task_after(peer, sending(peer, peer.texts.hello))
    context = str(first.get("contextId") or "")
    if not context:
        raise NotApplicable("tasks have no context")
    tasks = [await wait_settled(peer, first)]
    for _ in range(2):
        params = sending(peer, peer.texts.hello, context=context)
        tasks.append(await wait_settled(peer, await task_after(peer, params)))
    return context, tasks


@story
async def listed(peer: Peer) -> dict[str, Any]:
    """The list of that context, where there are lists."""
    if "list" not in peer.methods:
        raise NotApplicable("line 0.3 has no lists")
    context, _ = await conversation(peer)
    page: dict[str, Any] = (await peer.ask("list", {"contextId": context})).result
    expect(isinstance(page, dict), f"the list is no object: {shown(page)}")
    expect(isinstance(page.get("tasks"), list), f"the list has no tasks: {shown(page)}")
    return page
