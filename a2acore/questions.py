"""What a task asks of its caller: one thing at a time, each answered once.

A question is answered by the caller, by the clock, or by the end of the task; or it is withdrawn.
While it stands it is the last word: what the agent says meanwhile is told behind its answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from math import inf
from typing import Protocol

import trio
from attrs import define, field

from a2acore.backend import Answer, Asking, Notice, Permission
from a2acore.clock import now
from a2acore.decisions import Decisions, notice
from a2acore.errors import UnsupportedOperation
from a2acore.held import Held
from a2acore.ids import new_hex
from a2acore.ledger import nothing
from a2acore.lifecycle import Record
from a2acore.model import Message, Metadata, TaskState, TaskStatusUpdateEvent
from a2acore.pause import Pause
from a2acore.policy import Decision
from a2acore.store import Item
from a2acore.work import Scribe, Written


class Tell(Protocol):
    """Writes into a task's log, and calls `then` when that is told."""

    def __call__(self, items: Sequence[Item], then: Callable[[], None] = nothing) -> None: ...


OVER = Answer(False, None, "The task is over.")
"""The answer to whatever is asked in a turn that has ended, or is being cancelled."""


@define(eq=False)
class Questions:
    """The questions of one task."""

    record: Record
    scribe: Scribe
    decisions: Decisions
    _tell: Tell
    pause: Pause | None = None
    """What is asked at this moment."""
    published: Pause | None = None
    """The question that callers have been able to read."""
    over: bool = False
    """Nothing is asked any more: the task has ended, or is being cancelled."""
    timed_out: set[str] = field(factory=set)
    """The ids of the requests that nobody answered in time."""
    _answered: trio.Event = field(factory=trio.Event)
    _asking: trio.Lock = field(factory=trio.Lock)
    _held: Held = field(factory=Held)
    _heard: set[str] = field(init=False)
    """The ids of the caller's messages."""

    def __attrs_post_init__(self) -> None:
        self._heard = {said.message_id for said in self.record.history}

    @property
    def expires(self) -> float | None:
        """When what is asked is no longer answered, in seconds since 1970, if it ever is not."""
        if self.pause is None or self.pause.until == inf:
            return None
        return datetime.now(UTC).timestamp() + self.pause.until - trio.current_time()

    def tell(self, events: list[Written]) -> None:
        """Tell what the agent does: at once, or behind the answer that is awaited."""
        if self.pause is None:
            self._tell(events)
            return
        for event in events:
            self._held.add(event)

    async def ask(self, asking: Asking) -> Answer:
        """Have it decided: by the policy, or by the caller, one question after the other."""
        await trio.lowlevel.checkpoint()
        if self.over:
            return OVER
        if isinstance(asking, Permission):
            decision = self.decisions.of_policy(asking)
            if decision is not None:
                return self._decided(asking, decision)
        async with self._asking:
            if self.over:
                return OVER
            limit = self.decisions.policy.time_limit
            pause = Pause(new_hex(), asking, trio.current_time() + limit)
            publish = partial(setattr, self, "published", pause)
            self._tell([*self.scribe.flush(), self._question(pause)], publish)
            self.pause = pause
            self._answered = trio.Event()
            try:
                with trio.move_on_at(pause.until):
                    await self._answered.wait()
                if pause.answer is None:
                    self._time_out(pause)
                # Not before it is kept: an answer that is lost is asked for again.
                await self._answered.wait()
            finally:
                if self.pause is pause:  # it is withdrawn
                    text = "The agent no longer asks this."
                    self._go_on(None, self._unanswered(pause, text, "withdrawn"))
            assert pause.answer is not None
            return pause.answer

    def reply(self, message: Message, seen: Pause | None, who: str) -> None:
        """Take a message that a caller, `who`, sent to this task.

        It answers the pending question, or it is put into the history and the question is asked
        again. `seen` is the question that was pending when the message came in: one that is asked
        since then has not been read by who sent it. Not async: between finding a question pending
        and settling it nothing can happen.

        Raises:
            UnsupportedOperation: nothing was asked, or it is too late for an answer.
            InvalidParams: it picks an option that there is not, or brings data that does not fit.
            Unaudited: the answer cannot be written to the audit log; the question stays.
            StoreTrouble: nothing can be kept at this moment; the question stays.
        """
        pause = self._pending()
        again = message.message_id in self._heard
        if pause.settles(message, stale=again or pause is not seen):
            self.settle(pause.read(message), message, who)
            return
        why = "That answer names another request"
        if pause is not seen:
            why = "That message came before this was asked"
        if again:
            why = "That message was heard before"
        restated = self._question(pause, f"{why}; this is still to be answered:")
        self._tell([restated] if again else [message, restated])
        self._heard.add(message.message_id)

    def settle(self, answer: Answer, message: Message, who: str) -> None:
        """Answer what is asked; `message` is what the caller said. Not async, as `reply`.

        Raises:
            UnsupportedOperation: it is too late for an answer.
            Unaudited: the answer cannot be written to the audit log; the question stays.
            StoreTrouble: nothing can be kept at this moment; the question stays.
        """
        self.decisions.by_caller(self._pending(), answer, who)
        self._go_on(answer, said=message)
        self._heard.add(message.message_id)

    def held_back(self) -> list[Written]:
        """What is to be told behind the answer."""
        events, left_out = self._held.take(now()), self._held.left_out
        if left_out:
            text = f"There was no room for {left_out} of the events while the task was paused"
            said = Notice(text, "overlooked", {"events": left_out})
            events += self.scribe.write(said, now())
        return events

    def close(self) -> None:
        """The task has ended. A backend that waits for an answer nevertheless waits no longer."""
        self.over = True
        if self.pause is not None:
            self.pause.answer = OVER
            self.pause = None
            self._answered.set()

    def _pending(self) -> Pause:
        """What is asked at this moment: its time may be over before the alarm was heard.

        Raises:
            UnsupportedOperation: nothing is asked, or not any more.
        """
        task = f"Task {self.record.id}"
        if self.over:
            raise UnsupportedOperation(f"{task} has ended, or is being cancelled")
        if self.pause is not None and trio.current_time() >= self.pause.until:
            self._time_out(self.pause)
        if self.pause is None:
            raise UnsupportedOperation(
                f"{task} is {self.record.state.name} and has asked nothing that is not answered; "
                "leave out taskId to queue another task in its context, or cancel it first"
            )
        return self.pause

    def _decided(self, asking: Permission, decision: Decision) -> Answer:
        answer = self.decisions.by_policy(asking, decision)
        if (said := notice(asking, decision)) is not None:
            self.tell(self.scribe.write(said, now()))
        return answer

    def _time_out(self, pause: Pause) -> None:
        """Nobody answered in time: that is a no."""
        answer = self.decisions.by_clock(pause)
        self._go_on(answer, self._unanswered(pause, self.decisions.too_late(), "timeout"))
        self.timed_out.add(pause.request_id)

    def _go_on(
        self, answer: Answer | None, message: Message | None = None, said: Message | None = None
    ) -> None:
        """Nothing is asked any more: the caller `said` the answer, or `message` tells why not.

        What cannot be given to the store has not happened: then the question stays.
        """
        assert self.pause is not None
        items: list[Item] = [] if said is None else [said]
        if not self.over:
            items.append(self.scribe.status(TaskState.WORKING, now(), message))
        self._tell([*items, *self.held_back()], self._answered.set)
        self.pause.answer = answer
        self.pause, self._held = None, Held()

    def _question(self, pause: Pause, remark: str = "") -> TaskStatusUpdateEvent:
        waiting = self._asking.statistics().tasks_waiting
        message = pause.message(self.scribe, remark, waiting=waiting)
        return self.scribe.status(pause.state, now(), message)

    def _unanswered(self, pause: Pause, text: str, why: str) -> Message:
        """What callers are told who have not answered, and need not any more."""
        data: Metadata = {"kind": "notice", "notice": why, "requestId": pause.request_id}
        return self.scribe.message(text, data)
