"""The nursery that all runs live in: start, answer, cancel, drain.

One run is one child named `task <id>`. A context does one turn at a time; the others wait in its
line, which is bounded, and are told how many come first.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import trio
from attrs import define, field
from msgspec import structs

from a2acore.audit import Audit, Line, NoAudit
from a2acore.backend import Backend, Choices
from a2acore.clock import now
from a2acore.compat import Switch, forms
from a2acore.decisions import Decisions
from a2acore.errors import ServerStopping, TooBusy
from a2acore.lifecycle import Record
from a2acore.limits import LIMITS, Limits, Tally
from a2acore.model import Message, Metadata, Task, TaskState, TaskStatus
from a2acore.pause import Pause
from a2acore.policy import Policy
from a2acore.run import Run
from a2acore.store import Store
from a2acore.work import Scribe

LAST_WORDS = 5.0
"""Seconds that a backend gets to let go of a cancelled turn. It is to need no more than one."""

log = logging.getLogger(__name__)


@define(eq=False)
class Context:
    """A conversation: one turn at a time, in the order in which they came."""

    line: list[Run] = field(factory=list)
    """The turn that works, and behind it those that wait."""

    def join(self, run: Run) -> None:
        self.line.append(run)
        self.line[0].first.set()

    def leave(self, run: Run) -> None:
        self.line.remove(run)
        if self.line:
            self.line[0].first.set()


@define(eq=False)
class Supervisor:
    """All runs, and the contexts that they queue in."""

    backend: Backend
    store: Store
    workspace: Path
    buffered: bool
    _nursery: trio.Nursery
    compat: Sequence[Switch] = ()
    """The forms of other servers in which tasks are told too."""
    policy: Policy = field(factory=Policy)
    audit: Audit = field(factory=NoAudit)
    runs: dict[str, Run] = field(factory=dict)
    limits: Limits = LIMITS
    _contexts: dict[str, Context] = field(factory=dict)
    _tasks: Tally = field(init=False)
    _busy: Tally = field(init=False)
    _stopping: bool = False

    def __attrs_post_init__(self) -> None:
        limits = self.limits
        self._tasks = Tally("tasks that have not ended", limits.tasks, limits.tasks_per_caller)
        self._busy = Tally("contexts at work", limits.contexts, limits.contexts_per_caller)

    def start(
        self,
        owner: str,
        message: Message,
        metadata: Metadata,
        choices: Choices = Choices(),
        references: Sequence[Task] = (),
    ) -> Run:
        """Make a task of a message, and set it going.

        Raises:
            ServerStopping: no new tasks are taken.
            TooBusy: a limit is reached: the caller's, this server's, or that of the context's line.
            Unaudited: the audit log cannot be written.
        """
        if self._stopping:
            raise ServerStopping
        task_id = str(uuid4())
        context_id = message.context_id or str(uuid4())
        key = conversation(owner, context_id)
        context = self._contexts.get(key) or Context()
        ahead = len(context.line)
        most = self.limits.waiting
        if most and ahead > most:
            raise TooBusy(f"{most} turns are waiting in context {context_id}; try again later")
        self._tasks.check(owner)
        if not ahead:
            self._busy.check(owner)
        message = _belonging(message, task_id, context_id)
        record = Record(task_id, context_id, owner, TaskStatus(TaskState.SUBMITTED, None, now()))
        record.hear(message)
        scribe = Scribe(task_id, context_id, self.workspace, self.buffered)
        run = Run(
            record,
            message,
            metadata,
            self.workspace,
            scribe,
            key,
            choices,
            references,
            Decisions(record, self.workspace, self.policy, self.audit),
            self.store,
            forms(self.compat, task_id, context_id, self.backend.info.name),
        )
        self.audit.write(Line(what="started", who=owner, task=task_id, context=context_id))
        self._tasks.add(owner)
        if not ahead:
            self._busy.add(owner)
        self._contexts[key] = context
        self.runs[task_id] = run
        context.join(run)  # here, because trio may start the children in any order
        self.store.save(record, _nobody_yet)
        if ahead:
            run.wait_in_line(ahead)
        self._nursery.start_soon(self._live, run, context, name=f"task {task_id}")
        return run

    def pending(self, task_id: str) -> Pause | None:
        """What a task asks of its caller now, if it asks anything."""
        run = self.runs.get(task_id)
        return None if run is None else run.questions.pause

    async def cancel(self, *runs: Run, why: str) -> None:
        """Stop runs, and wait until they have: their tasks are CANCELED then.

        A backend that does not let go within `LAST_WORDS` is no longer waited for. Its task is
        CANCELED nevertheless, and its context has to wait.
        """
        for run in runs:
            if not run.scope.cancel_called:
                run.cancel(why)
                # Not in here: who waits may leave, and the task is to end nevertheless.
                self._nursery.start_soon(self._insist, run, name=f"end of task {run.task_id}")
        for run in runs:
            await run.ended.wait()

    async def _insist(self, run: Run) -> None:
        with trio.move_on_after(LAST_WORDS, shield=True):
            await run.ended.wait()
        if not run.ended.is_set():
            log.error("task %s: the backend does not let go", run.record.id)
            run.close()

    async def drain(self, grace: float) -> None:
        """Take no new tasks, give the running ones `grace` seconds to end, and cancel the rest.

        One that is paused does not run: nobody is going to answer it, so it is not waited for.
        """
        self._stopping = True
        why = "The server stopped."
        runs = list(self.runs.values())
        await self.cancel(*(run for run in runs if run.questions.pause is not None), why=why)
        with trio.move_on_after(grace):
            for run in runs:
                await run.ended.wait()
        await self.cancel(*(run for run in runs if not run.ended.is_set()), why=why)

    async def _live(self, run: Run, context: Context) -> None:
        try:
            with run.scope:
                await run.first.wait()
                await run.work(self.backend)
        finally:
            del self.runs[run.record.id]
            self._tasks.drop(run.record.owner)
            context.leave(run)
            if not context.line:
                self._busy.drop(run.record.owner)
                del self._contexts[run.conversation]
            run.close()


def conversation(owner: str, context_id: str) -> str:
    """The key of one caller's context. Nobody who does not know both can make it."""
    return hashlib.sha256(f"{len(owner)}:{owner}{context_id}".encode()).hexdigest()[:32]


def _nobody_yet() -> None:
    """A new task has no followers to tell."""


def _belonging(message: Message, task_id: str, context_id: str) -> Message:
    return structs.replace(message, task_id=task_id, context_id=context_id)


@asynccontextmanager
async def open_supervisor(
    backend: Backend,
    store: Store,
    workspace: Path,
    *,
    buffered: bool = False,
    compat: Sequence[Switch] = (),
    policy: Policy | None = None,
    audit: Audit | None = None,
    limits: Limits = LIMITS,
) -> AsyncIterator[Supervisor]:
    """Supervise runs inside the block; leaving it cancels those that are left."""
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        supervisor = Supervisor(
            backend,
            store,
            workspace,
            buffered,
            nursery,
            compat,
            policy or Policy(),
            audit or NoAudit(),
            limits=limits,
        )
        try:
            yield supervisor
        except Exception as error:
            failure = error
        finally:
            with trio.CancelScope(shield=True):
                await supervisor.drain(0)
    if failure is not None:
        raise failure  # out here, where the nursery does not wrap it
