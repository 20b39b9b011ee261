"""One task's life: what a backend says, turned into events, and how it ends.

A `Run` is the `Turn` that its backend sees. It and its questions alone write into its ledger, which
knows of neither. It lives in one child of the supervisor's nursery, in one cancel scope, and the
three ways that child can end are the ways the task can end. There is a fourth: it is put away, for
the next server to go on with.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

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
    Text,
    ToolStatus,
    Turn,
)
from a2acore.clock import now
from a2acore.compat import Compat
from a2acore.decisions import Decisions
from a2acore.errors import StoreTrouble
from a2acore.journal import Journal
from a2acore.ledger import Ledger
from a2acore.lifecycle import TERMINAL, Record
from a2acore.model import Message, Metadata, Task, TaskState
from a2acore.questions import Questions
from a2acore.store import Store
from a2acore.wire.text import DEPTH, nests_deeper
from a2acore.work import Scribe, visible

DEEPEST = DEPTH - 20
"""How deep what is said may nest: in a list of tasks it stands a dozen levels deeper."""

log = logging.getLogger(__name__)


@define(eq=False)
class Run:
    """A task on its way, and the `Turn` that its backend sees."""

    record: Record
    """The task as it has been told."""
    message: Message
    metadata: Metadata
    workspace: Path
    scribe: Scribe
    conversation: str
    choices: Choices
    references: Sequence[Task]
    _decisions: Decisions
    _store: Store
    _on_end: Callable[[Record], None]
    """Called when the end of the task has been told."""
    compat: Sequence[Compat] = ()
    """Further forms in which the work is told."""
    journal: Journal = field(factory=Journal)
    left: bool = False
    """Its agent was left by a server that ended, and is to go on."""
    session: Metadata | None = None
    scope: trio.CancelScope = field(factory=trio.CancelScope)
    first: trio.Event = field(factory=trio.Event)
    """Set when no turn of the context is ahead of this one."""
    over: trio.Event = field(factory=trio.Event)
    """Set when nothing more will be said."""
    questions: Questions = field(init=False)
    _ledger: Ledger = field(init=False)
    _why_cancelled: str = ""

    def __attrs_post_init__(self) -> None:
        record = self.record
        self._ledger = Ledger(record, self.journal, self._store, self.compat, self._on_end)
        self.questions = Questions(record, self.scribe, self._decisions, self._ledger.write)

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
        if self._ledger.state in TERMINAL:
            return
        if isinstance(saying, Text):  # by far the most
            saying.text.encode()  # so that what cannot be told raises here; see `_check`
            events = self.scribe.answer(saying.text)
        else:
            _check(saying)
            events = self.scribe.write(saying, now())
        self.questions.tell(events)

    async def ask(self, asking: Asking) -> Answer:
        _check(asking)
        return await self.questions.ask(asking)

    # The supervisor's side

    @property
    def ended(self) -> trio.Event:
        """Set when nothing more will be told."""
        return self._ledger.ended

    def cancel(self, why: str) -> None:
        """Stop the work. The task will be CANCELED, whatever the agent says about it."""
        if not self.scope.cancel_called:
            self._why_cancelled = why
            self.questions.over = True
            self.scope.cancel()

    def put_away(self) -> None:
        """Stop the work, and leave the task as it is, for the next server to go on with."""
        if not self.scope.cancel_called:
            self._ledger.put_away = True
            self.questions.over = True
            self.scope.cancel()

    def wait_in_line(self, ahead: int) -> None:
        """Tell the caller that the context is busy, and how many turns come first."""
        turns = "1 turn" if ahead == 1 else f"{ahead} turns"
        message = self.scribe.message(
            f"Waiting for {turns} in this context", {"kind": "queued", "ahead": ahead}
        )
        self._ledger.write([self.scribe.status(TaskState.SUBMITTED, now(), message)])

    async def work(self, backend: Backend) -> None:
        """Do the turn and end the task: to be called in `scope`. Never raises an `Exception`."""
        try:
            begun = trio.Event()
            working = self.scribe.status(TaskState.WORKING, now(), self._why_again())
            self._ledger.write([working], begun.set)
            # Not before that is kept: what is not known to have begun is begun again.
            if not begun.is_set():
                await begun.wait()
            self.session = await self._store.session(self.conversation)
            go_on = resuming(backend) if self.left else None
            stop_reason = await (go_on or backend.run)(self)
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

    def interrupt(self, why: str) -> None:
        """End a task that a server has left, and that nobody can go on with."""
        self._end(TaskState.FAILED, f"Interrupted: {why}", "interrupted", "failed")
        self.over.set()

    def close(self) -> None:
        """The end of everything: what has not ended by itself was cancelled, or is put away."""
        self.questions.close()
        if self._ledger.put_away:
            self._ledger.close()
        elif self._ledger.state not in TERMINAL:
            why = self._why_cancelled or "The server stopped."
            self._end(TaskState.CANCELED, why, "cancelled", "cancelled")
        self.over.set()

    def _why_again(self) -> Message | None:
        """What callers are told of a question that the server which asked it did not outlive."""
        if not self.left:
            return None
        data: Metadata = {"kind": "notice", "notice": "restarted"}
        text = "The server was started again; what was asked before is no longer asked."
        return self.scribe.message(text, data)

    def _fail(self, error: BaseException) -> None:
        """End the task as what went wrong says, however many nurseries have wrapped it."""
        leaves = _leaves(error)
        if not all(isinstance(leaf, Exception) for leaf in leaves):
            raise error
        bugs = [leaf for leaf in leaves if not isinstance(leaf, BackendError | StoreTrouble)]
        if bugs:
            log.error("task %s: the backend broke", self.record.id, exc_info=error)
        told = next((leaf for leaf in leaves if isinstance(leaf, BackendError)), None)
        if told is None:
            what = f"Internal error ({type(bugs[0]).__name__})" if bugs else str(leaves[0])
            self._end(TaskState.FAILED, what, "error", "failed")
        else:
            state = TaskState.REJECTED if isinstance(told, AgentRefused) else TaskState.FAILED
            self._end(state, _sayable(str(told)), _sayable(told.stop_reason), "failed")

    def _end(self, state: TaskState, text: str, stop_reason: str, fate: ToolStatus) -> None:
        if self.scope.cancel_called and state is not TaskState.CANCELED:
            return  # The caller's word wins over what the agent made of it; `close` says it.
        end = self.scribe.end(state, now(), text, stop_reason)
        events = [*self.questions.held_back(), *self.scribe.close(now(), fate), end]
        self._ledger.write(events)


def resuming(backend: Backend) -> Callable[[Turn], Awaitable[str | None]] | None:
    """How a backend goes on with a turn that was left, if it can. See `Resuming`."""
    go_on: Callable[[Turn], Awaitable[str | None]] | None = getattr(backend, "resume", None)
    return go_on


def _check(said: object) -> None:
    """Raise where the backend says it what nobody could be told, and not when the task is stored.

    A lone surrogate, say, an object that is no JSON, or one that nests without an end.
    """
    if nests_deeper(msgspec.json.encode(said), DEEPEST):
        raise ValueError("It nests too deep to be told")


def _sayable(text: str) -> str:
    """Last words, whatever is in them: line by line, and as an eye sees them."""
    lines = text.encode(errors="replace").decode().split("\n")
    return "\n".join(visible(line) for line in lines)


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]
