"""However a caller hears of a task, it hears the same story.

A task is played: what an agent says, a question, and more. Its caller's stream is cut at any byte,
and resumed behind the last event that arrived whole; another subscribes at the question; one polls;
a webhook is told. In the end

* the cut stream, put together, has every event once: no gap, no repeat, and each as the uncut
  stream of a second caller had it;
* what a stream told, replayed, is the task that polling shows;
* the webhook was told the same events, in the same order, and then its last letter is the end.
"""

from __future__ import annotations

from collections.abc import Sequence

import trio
import trio.testing
from attrs import define, field, frozen
from hypothesis import strategies as st

from a2acore import sse
from a2acore.asgi import Message as AsgiMessage
from a2acore.backend import Question, Saying, Text, Turn
from a2acore.http.streams import tell
from a2acore.lifecycle import TERMINAL
from a2acore.model import (
    Event,
    Message,
    SendMessageConfiguration,
    SendMessageRequest,
    SubscribeToTaskRequest,
    Task,
    TaskPushNotificationConfig,
    TaskState,
)
from a2acore.push import Guard, open_courier
from a2acore.service import ANONYMOUS, Service, Stream
from a2acore.store import MemoryStore
from a2acore.supervisor import open_supervisor
from a2acore.wire import v10
from fuzz.running import holds
from fuzz.turns import said
from tests.receiver import Network, Receiver
from tests.stage import WORKSPACE, Actor, get, joined, replay, saying, send

QUESTION = TERMINAL | {TaskState.INPUT_REQUIRED}
DIALECT = v10.Rest()
READ = v10.client("HTTP+JSON").event


async def _look_up(host: str, port: int) -> Sequence[str]:
    return [host]


# Not in a thread, as names are looked up for real: the clock would not wait for it.
GUARD = Guard(allow_private=True, look_up=_look_up)


@frozen
class Tale:
    before: tuple[Saying, ...]
    after: tuple[Saying, ...]
    cut: float
    """Where the caller's first stream breaks off, as a share of its bytes."""


tales = st.builds(
    Tale,
    st.lists(said, max_size=8).map(tuple),
    st.lists(said, max_size=8).map(tuple),
    st.floats(0, 1),
)


@define(eq=False)
class Ear:
    """What one caller gets of a stream, as bytes."""

    got: bytes = b""

    async def hear(self, stream: Stream | Message, ends: frozenset[TaskState]) -> None:
        async def take(message: AsgiMessage) -> None:
            self.got += message["body"]

        await tell(stream, DIALECT, ends, take)

    def frames(self) -> list[sse.SSEvent]:
        return sse.Decoder().feed(self.got)


@define(eq=False)
class Told:
    """Everything that was heard of a tale."""

    first: Ear = field(factory=Ear)
    rest: Ear = field(factory=Ear)
    whole: Ear = field(factory=Ear)
    late: Ear = field(factory=Ear)
    hook: Receiver = field(factory=Receiver)


async def play(tale: Tale) -> None:
    """Tell a tale, and compare what was heard of it."""

    async def act(turn: Turn) -> str | None:
        for each in tale.before:
            turn.say(each)
        await turn.ask(Question("And then?"))
        for each in tale.after:
            turn.say(each)
        return "end_turn"

    told = Told()
    store = MemoryStore()
    with trio.fail_after(1000):
        async with trio.open_nursery() as nursery:
            network = Network(nursery, {"192.0.2.1": told.hook})
            async with (
                open_courier(store, guard=GUARD, network=network) as courier,
                open_supervisor(Actor(act), store, WORKSPACE) as supervisor,
            ):
                service = Service(supervisor, store, courier)
                start, task = await listen(service, told, tale.cut, nursery)
            nursery.cancel_scope.cancel()
    compare(told, start, task)


async def listen(
    service: Service, told: Told, cut: float, nursery: trio.Nursery
) -> tuple[Task, Task]:
    """Be all the callers; returns the task as it began, and as it ended."""
    webhook = TaskPushNotificationConfig("http://192.0.2.1/")
    configuration = SendMessageConfiguration(task_push_notification_config=webhook)
    begun = await service.stream(ANONYMOUS, SendMessageRequest(saying(), "", configuration))
    assert isinstance(begun, Stream)
    ask = SubscribeToTaskRequest(begun.task.id)
    nursery.start_soon(told.whole.hear, await service.subscribe(ANONYMOUS, ask), TERMINAL)
    await told.first.hear(begun, QUESTION)
    nursery.start_soon(told.late.hear, await service.subscribe(ANONYMOUS, ask), TERMINAL)
    told.first.got = told.first.got[: round(len(told.first.got) * cut)]
    heard = told.first.frames()
    after = int(heard[-1].id) if heard else None
    resumed = await service.subscribe(ANONYMOUS, ask, after=after)
    assert resumed.resumed is bool(heard)
    nursery.start_soon(told.rest.hear, resumed, TERMINAL)
    await send(service, saying("And then.", task_id=begun.task.id))
    await trio.testing.wait_all_tasks_blocked()
    return begun.task, await get(service, begun.task.id)


def compare(told: Told, start: Task, end: Task) -> None:
    """See that they all tell the same."""
    whole = told.whole.frames()
    assert [int(frame.id) for frame in whole] == list(range(len(whole)))
    pieces = told.first.frames() + told.rest.frames()
    if told.first.frames():
        # The task as it began is in both, as it was when each of them began.
        assert [frame.id for frame in pieces] == [frame.id for frame in whole]
        assert [frame.data for frame in pieces[1:]] == [frame.data for frame in whole[1:]]
    for heard in (whole, pieces, told.late.frames()):
        snapshot, *events = [READ(frame.data) for frame in heard]
        assert isinstance(snapshot, Task)
        check(snapshot, events, end)
    check(start, [READ(letter.body) for letter in told.hook.letters], end)


def check(snapshot: Task, events: list[Event], end: Task) -> None:
    """See that a story, replayed, is the task."""
    known = replay(snapshot, [event for event in events if not isinstance(event, Task | Message)])
    assert known.status == end.status
    assert [joined(each) for each in known.artifacts] == [joined(each) for each in end.artifacts]


def _play(tale: Tale) -> None:
    trio.run(play, tale, clock=trio.testing.MockClock(autojump_threshold=0))


FOUND = (
    Tale((), (), 0.0),  # nothing but the question, and a webhook that has to hear the end in time
    Tale((Text("a"), Text("b")), (Text("c"),), 1.0),
)

STORIES = holds("stream, resumed stream, subscription, poll and webhook agree", tales, _play, FOUND)
