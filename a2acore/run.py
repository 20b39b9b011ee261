"""One task's life: what a backend says and asks, turned into events.

A `Run` is the `Turn` that its backend sees. It is the only writer of its record: apply, keep, then
tell. It lives in one child of the supervisor's nursery, in one cancel scope, and the three ways
that child can end are the ways the task can end.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import msgspec
import trio
from attrs import define, field

from a2acore.backend import (
    AgentRefused,
    Answer,
    Asking,
    Backend,
    BackendError,
    Choices,
    Saying,
    ToolStatus,
)
from a2acore.errors import UnsupportedOperation
from a2acore.journal import Journal
from a2acore.lifecycle import TERMINAL, Record
from a2acore.model import Message, Metadata, Task, TaskState
from a2acore.pause import Pause
from a2acore.store import Store
from a2acore.work import Scribe, Written

log = logging.getLogger(__name__)


def now() -> str:
    """The time as A2A writes it: RFC 3339, UTC, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@define(eq=False)
class Run:
    """A task on its way, and the `Turn` that its backend sees."""

    record: Record
    message: Message
    metadata: Metadata
    workspace: Path
    scribe: Scribe
    conversation: str
    choices: Choices
    references: Sequence[Task]
    _store: Store
    session: Metadata | None = None
    journal: Journal = field(factory=Journal)
    scope: trio.CancelScope = field(factory=trio.CancelScope)
    first: trio.Event = field(factory=trio.Event)
    """Set when no turn of the context is ahead of this one."""
    ended: trio.Event = field(factory=trio.Event)
    pause: Pause | None = None
    _answered: trio.Event = field(factory=trio.Event)
    _asking: trio.Lock = field(factory=trio.Lock)
    _held: list[Callable[[], None]] = field(factory=list)
    """What was said while the task is paused: the question stays the last word until its answer."""
    _why_cancelled: str = ""

    # The Turn

    @property
    def task_id(self) -> str:
        return self.record.id

    @property
    def context_id(self) -> str:
        return self.record.context_id

    @property
    def text(self) -> str:
        return "\n".join(part.text for part in self.message.parts if part.text is not None)

    def keep_session(self, session: Metadata | None) -> None:
        _check(session)
        self.session = session
        self._store.keep_session(self.conversation, session)

    def say(self, saying: Saying) -> None:
        if self.record.state in TERMINAL:
            return
        _check(saying)
        if self.pause is not None:
            self._held.append(lambda: self._say(saying))
        else:
            self._say(saying)

    async def ask(self, asking: Asking) -> Answer:
        async with self._asking:
            pause = Pause(uuid4().hex, asking)
            question = self.scribe.status(pause.state, now(), pause.message(self.scribe))
            _check(question)
            self._tell(self.scribe.flush())
            self.pause = pause
            self._answered = trio.Event()
            self._tell([question])
            try:
                await self._answered.wait()
            finally:
                if self.pause is pause:  # withdrawn: the agent no longer wants to know
                    self._resume()
            assert pause.answer is not None
            return pause.answer

    # The caller's side

    def reply(self, message: Message) -> None:
        """Take a message that the caller sent to this task.

        It answers the pending question, or it is put into the history and the question is asked
        again. Not async: between finding a question pending and settling it nothing can happen.

        Raises:
            UnsupportedOperation: nothing was asked.
            InvalidParams: it picks an option that there is not.
        """
        pause = self.pause
        if pause is None:
            raise UnsupportedOperation(
                f"Task {self.record.id} is {self.record.state.name} and has asked nothing; leave "
                "out taskId to queue another task in its context, or cancel it first"
            )
        again = any(message.message_id == heard.message_id for heard in self.record.history)
        if not pause.settles(message, heard=again):
            why = "That message was heard before" if again else "That answer names another request"
            if not again:
                self.record.hear(message)
            restated = pause.message(self.scribe, f"{why}; this is still to be answered:")
            self._tell([self.scribe.status(pause.state, now(), restated)])
            return
        pause.answer = pause.read(message)
        self.record.hear(message)
        self._resume()
        self._answered.set()

    def cancel(self, why: str) -> None:
        """Stop the work. The task will be CANCELED, whatever the agent says about it."""
        if not self.scope.cancel_called:
            self._why_cancelled = why
            self.scope.cancel()

    # The supervisor's side

    def wait_in_line(self, ahead: int) -> None:
        """Tell the caller that the context is busy, and how many turns come first."""
        turns = "1 turn" if ahead == 1 else f"{ahead} turns"
        message = self.scribe.message(
            f"Waiting for {turns} in this context", {"kind": "queued", "ahead": ahead}
        )
        self._tell([self.scribe.status(TaskState.SUBMITTED, now(), message)])

    async def work(self, backend: Backend) -> None:
        """Do the turn and end the task: to be called in `scope`. Never raises an `Exception`."""
        self._tell([self.scribe.status(TaskState.WORKING, now())])
        self.session = await self._store.session(self.conversation)
        try:
            stop_reason = await backend.run(self)
            _check(stop_reason)
        except BaseExceptionGroup as group:
            cancelled, rest = group.split(trio.Cancelled)
            if rest is not None:
                self._fail(rest)
            if cancelled is not None:
                raise cancelled from None
        except Exception as error:
            self._fail(error)
        else:
            self._end(TaskState.COMPLETED, "", stop_reason or "", "completed")

    def close(self) -> None:
        """The end of everything: what has not ended by itself was cancelled."""
        if self.record.state not in TERMINAL:
            why = self._why_cancelled or "The server stopped."
            self._end(TaskState.CANCELED, why, "cancelled", "cancelled")
        self.journal.close()
        self.ended.set()

    def _fail(self, error: BaseException) -> None:
        """End the task as what went wrong says, however many nurseries have wrapped it."""
        leaves = _leaves(error)
        if not all(isinstance(leaf, Exception) for leaf in leaves):
            raise error
        bugs = [leaf for leaf in leaves if not isinstance(leaf, BackendError)]
        if bugs:
            log.error("task %s: the backend broke", self.record.id, exc_info=error)
        told = next((leaf for leaf in leaves if isinstance(leaf, BackendError)), None)
        if told is None:
            text = f"Internal error ({type(bugs[0]).__name__})"
            self._end(TaskState.FAILED, text, "error", "failed")
        else:
            state = TaskState.REJECTED if isinstance(told, AgentRefused) else TaskState.FAILED
            self._end(state, _sayable(str(told)), _sayable(told.stop_reason), "failed")

    def _end(self, state: TaskState, text: str, stop_reason: str, fate: ToolStatus) -> None:
        if self.scope.cancel_called and state is not TaskState.CANCELED:
            return  # The caller's word wins over what the agent made of it; `close` says it.
        self._release()
        self._tell(self.scribe.close(now(), fate))
        self._tell([self.scribe.end(state, now(), text, stop_reason)])

    def _say(self, saying: Saying) -> None:
        self._tell(self.scribe.write(saying, now()))

    def _resume(self) -> None:
        self.pause = None
        if not self.scope.cancel_called:
            self._tell([self.scribe.status(TaskState.WORKING, now())])
        self._release()

    def _release(self) -> None:
        held, self._held = self._held, []
        for say in held:
            say()

    def _tell(self, events: list[Written]) -> None:
        for event in events:
            self.record.apply(event)
            self._store.save(self.record, lambda event=event: self.journal.append(event))  # type: ignore[misc]


def _check(said: object) -> None:
    """Raise where the backend says it what nobody could be told, and not when the task is stored.

    A lone surrogate, say, or an object that is no JSON.
    """
    msgspec.json.encode(said)


def _sayable(text: str) -> str:
    """Last words, whatever is in them."""
    return text.encode(errors="replace").decode()


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]
