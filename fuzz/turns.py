"""Whatever agents and callers do, at whatever moment: every task ends once, and all see the same.

A play: some turns, each with the steps of its agent, and some callers' moves. It is played against
the real service on a clock that jumps, and afterwards

* every task is in the store, in a terminal state;
* whoever followed it, and from whenever on, knows it as it is in the store: the same status, the
  same artifacts; one terminal state was told, and nothing after it;
* all that the agent said is in the response, in order;
* each message that was taken is in the history, once, and no more questions were answered than
  messages were taken;
* nobody waits any more.
"""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any

import trio
import trio.testing
from attrs import define, field, frozen
from hypothesis import strategies as st
from msgspec import structs

from a2acore.backend import (
    AgentFailed,
    AgentRefused,
    Asking,
    Credential,
    FileChange,
    Option,
    Permission,
    Plan,
    PlanEntry,
    Question,
    Saying,
    Text,
    Thought,
    ToolCall,
    Turn,
    Usage,
)
from a2acore.errors import A2AError
from a2acore.lifecycle import TERMINAL
from a2acore.model import CancelTaskRequest, Message, Task, TaskStatusUpdateEvent
from a2acore.questions import OVER
from a2acore.service import ANONYMOUS, Service, Stream
from a2acore.store import MemoryStore
from a2acore.work import Written
from fuzz.running import holds
from tests.stage import get, open_stage, replay, request, response, saying, subscribe, told

SOON = 10.0
"""Seconds in which every agent that is not asked anything is done."""


@frozen
class Say:
    what: Saying


@frozen
class Ask:
    """Ask, `times` at once; give up after some seconds."""

    what: Asking
    times: int = 1
    patience: float = 1e9


@frozen
class Sleep:
    seconds: float


seconds = st.sampled_from([0.0, 0.2, 0.5, 1.0])
tools = st.builds(
    ToolCall,
    id=st.sampled_from("12"),
    title=st.sampled_from(["ls", "rm"]),
    status=st.sampled_from(["pending", "in_progress", "completed", "failed"]),
)
changes = st.builds(
    FileChange,
    path=st.sampled_from(["a", "./a", "b"]),
    before=st.none() | st.just("1\n"),
    after=st.none() | st.sampled_from(["2\n", "3"]),
)
said = (
    st.builds(Text, st.sampled_from(["", "a", "bc\n", "d"]))
    | st.builds(Thought, st.just("hm"))
    | tools
    | changes
    | st.just(Plan((PlanEntry("do"),)))
    | st.builds(Usage, input_tokens=st.integers(0, 9))
)
asked = (
    st.just(Question("Which?"))
    | st.just(Credential("Sign in."))
    | st.builds(Permission, tools, st.just((Option("once", "Once", "allow_once"),)))
)
# Now and then something takes a while, so that the callers come in between.
steps = st.one_of(
    st.builds(Say, said),
    st.builds(Say, said),
    st.builds(Ask, asked, st.integers(1, 3), st.sampled_from([1e9, 1e9, 0.5])),
    st.builds(Sleep, seconds),
)


@frozen
class Part:
    """What the agent does in one turn."""

    steps: tuple[Say | Ask | Sleep, ...]
    end: str
    """How its run ends: `return`, `fail`, `refuse`, `bug`, `group`, or `hang` until cancelled."""
    linger: float
    """Seconds that it takes to stop, saying something in the end."""
    aside: tuple[Say | Ask | Sleep, ...] = ()
    """What it does at the same time."""


parts = st.builds(
    Part,
    st.lists(steps, max_size=6).map(tuple),
    st.sampled_from(["return", "return", "fail", "refuse", "bug", "group", "hang"]),
    seconds,
    st.just(()) | st.lists(steps, max_size=3).map(tuple),
)


@frozen
class Start:
    part: Part
    context: str
    wait: bool


@frozen
class Move:
    """Something that a caller does about the nth task (counted round)."""

    what: str
    """`stream`, `get`, `cancel`, `answer`, `bound`, `foreign`, `odd`, `again`."""
    task: int


MOVES = ["stream", "get", "cancel", "answer", "bound", "answer", "bound", "foreign", "odd", "again"]
moves = st.one_of(
    st.builds(Start, parts, st.sampled_from(["", "c", "c"]), st.booleans()),
    st.builds(Move, st.sampled_from(MOVES), st.integers(0, 3)),
    st.builds(Move, st.sampled_from(MOVES), st.integers(0, 3)),
    st.builds(Sleep, seconds),
)


@frozen
class Play:
    moves: tuple[Start | Move | Sleep, ...]
    drain: float | None
    buffered: bool


plays = st.builds(Play, st.lists(moves, max_size=20).map(tuple), st.none() | seconds, st.booleans())


@define(eq=False)
class Stage:
    """The play as it is played, and what everybody saw of it."""

    play: Play
    cast: dict[str, Part] = field(factory=dict)
    """Who plays which part, by the text of the message that starts the turn."""
    responses: dict[str, list[str]] = field(factory=dict)
    answered: Counter[str] = field(factory=Counter)
    """By task: how many questions got their answer."""
    taken: dict[str, list[Message]] = field(factory=dict)
    """By task, in the order of their start: the messages that were taken for it."""
    stories: list[tuple[Stream, list[Written]]] = field(factory=list)

    # The agents

    async def perform(self, turn: Turn) -> str | None:
        part = self.cast[turn.text]
        self.responses[turn.task_id] = []
        self.taken.setdefault(turn.task_id, [turn.message])
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._do, turn, part.aside)
                await self._do(turn, part.steps)
            match part.end:
                case "fail":
                    raise AgentFailed("It broke.")
                case "refuse":
                    raise AgentRefused("No.")
                case "bug":
                    raise ValueError("a bug")
                case "group":
                    raise ExceptionGroup("", [ValueError("a bug"), AgentFailed("It broke.")])
                case "hang":
                    await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(part.linger)
            self._say(turn, Text("bye"))
        return "end_turn"

    async def _do(self, turn: Turn, steps: tuple[Say | Ask | Sleep, ...]) -> None:
        for step in steps:
            match step:
                case Say(what):
                    self._say(turn, what)
                case Sleep(seconds):
                    await trio.sleep(seconds)
                case Ask(what, times, patience):
                    async with trio.open_nursery() as nursery:
                        for _ in range(times):
                            nursery.start_soon(self._ask, turn, what, patience)

    def _say(self, turn: Turn, what: Saying) -> None:
        turn.say(what)
        if isinstance(what, Text):
            self.responses[turn.task_id].append(what.text)

    async def _ask(self, turn: Turn, what: Asking, patience: float) -> None:
        with trio.move_on_after(patience):
            if await turn.ask(what) is not OVER:
                self.answered[turn.task_id] += 1

    # The callers

    async def start(self, service: Service, move: Start) -> None:
        message = saying(f"part {len(self.cast)}", context_id=move.context)
        self.cast[message.parts[0].text or ""] = move.part
        if move.wait:
            task = await service.send(ANONYMOUS, request(message))
            assert isinstance(task, Task)
            self.taken.setdefault(task.id, [message])
        else:
            stream = await service.stream(ANONYMOUS, request(message))
            assert isinstance(stream, Stream)
            self.taken[stream.task.id] = [message]
            await self.listen(stream)

    async def move(self, service: Service, move: Move) -> None:
        if not self.taken:
            return  # nobody knows of a task yet
        # Of those that live, while there are any: they have more to lose.
        tasks = [task for task in self.taken if task in service.supervisor.runs] or list(self.taken)
        task_id = tasks[move.task % len(tasks)]
        match move.what:
            case "stream":
                await self.listen(await subscribe(service, task_id))
            case "get":
                await get(service, task_id)
            case "cancel":
                task = await service.cancel(ANONYMOUS, CancelTaskRequest(task_id))
                assert task.status.state in TERMINAL
            case "again":
                # It was heard before, so it is never an answer.
                message = structs.replace(self.taken[task_id][-1], task_id=task_id)
                await service.send(ANONYMOUS, request(message))
            case what:
                await self.answer(service, task_id, what)

    async def answer(self, service: Service, task_id: str, what: str) -> None:
        pending = service.supervisor.pending(task_id)
        ours: dict[str, Any] | None = None
        if what == "bound" and pending is not None:
            ours = {"requestId": pending.request_id, "option": "once"}
        elif what == "foreign":
            ours = {"requestId": "another"}
        elif what == "odd":
            ours = {"option": "no such option"}
        message = saying("yes", task_id=task_id, ours=ours)
        # Not waited for: whether it was taken has to be known at once.
        await service.send(ANONYMOUS, request(message, wait=False))
        self.taken[task_id].append(message)

    async def listen(self, stream: Stream) -> None:
        events: list[Written] = []
        self.stories.append((stream, events))
        events += await told(stream)

    async def attempt(self, service: Service, move: Start | Move) -> None:
        """A move of a caller who can live with a refusal."""
        try:
            if isinstance(move, Start):
                await self.start(service, move)
            else:
                await self.move(service, move)
        except* A2AError:
            pass

    # The play, and what has to be true of it

    async def run(self) -> None:
        store = MemoryStore()
        with trio.fail_after(1000):
            async with trio.open_nursery() as callers:
                stage = open_stage(self.perform, buffered=self.play.buffered, store=store)
                async with stage as service:
                    for move in self.play.moves:
                        if isinstance(move, Sleep):
                            await trio.sleep(move.seconds)
                        else:
                            callers.start_soon(self.attempt, service, move)
                            await trio.lowlevel.checkpoint()
                    if self.play.drain is not None:
                        await service.supervisor.drain(self.play.drain)
                    else:
                        await trio.sleep(SOON)
                    assert self.play.drain is None or not service.supervisor.runs
        for task_id in self.taken:
            await self.check(store, task_id)

    async def check(self, store: MemoryStore, task_id: str) -> None:
        entry = await store.find(task_id)
        assert entry is not None
        assert entry.state in TERMINAL
        task = entry.task()
        stories = [(s, events) for s, events in self.stories if s.task.id == task_id]
        longest = max((events for _, events in stories), key=len, default=[])
        for stream, events in stories:
            known = replay(stream.task, events)
            assert (known.status, known.artifacts) == (task.status, task.artifacts)
            assert events == longest[len(longest) - len(events) :]
            states = [e.status.state for e in events if isinstance(e, TaskStatusUpdateEvent)]
            assert states[-1] is task.status.state
            assert not TERMINAL & set(states[:-1])
            assert isinstance(events[-1], TaskStatusUpdateEvent)
        assert response(task) == "".join(self.responses.get(task_id, []))
        history = [message.message_id for message in task.history]
        assert len(set(history)) == len(history)
        taken = [message.message_id for message in self.taken[task_id]]
        assert [message for message in history if message in taken] == taken
        assert self.answered[task_id] <= len(taken) - 1


def check(play: Play) -> None:
    logging.getLogger("a2acore").setLevel(logging.CRITICAL)  # the bugs in here are meant
    trio.run(Stage(play).run, clock=trio.testing.MockClock(autojump_threshold=0))


FOUND = (
    # Cancelled while it asks, it says its last words before what it had said meanwhile.
    Play(
        (
            Start(
                Part((Ask(Question("Which?")),), "return", 0.5, (Sleep(0.2), Say(Text("a")))),
                "",
                False,
            ),
            Sleep(0.5),
            Move("cancel", 0),
        ),
        None,
        False,
    ),
    # Started in one moment, turns of a context take theirs in the order in which they came.
    Play(tuple(Start(Part((), "return", 0.2), "c", False) for _ in range(4)), None, False),
)

TURNS = holds("every task ends once and all who follow it see the same", plays, check, FOUND)
