"""The nursery that all runs live in: start, recover, cancel, drain.

One run is one child named `task <id>`. A context does one turn at a time; the others wait in its
line, which is bounded, and are told how many come first.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import trio
from attrs import define, field
from msgspec import structs

from a2acore.audit import Audit, Line, NoAudit
from a2acore.backend import Backend, Choices
from a2acore.clock import now
from a2acore.compat import Switch, forms
from a2acore.decisions import Decisions
from a2acore.errors import ServerStopping, StoreTrouble, TooBusy
from a2acore.ids import new_id
from a2acore.journal import Journal
from a2acore.ledger import nothing
from a2acore.lifecycle import PAUSES, Record
from a2acore.limits import LIMITS, Limits, Tally
from a2acore.model import Message, Metadata, Task, TaskState, TaskStatus
from a2acore.pause import Pause
from a2acore.policy import Policy
from a2acore.run import Run, resuming
from a2acore.store import Beginning, Left, Store
from a2acore.work import Scribe

SILENCE = 15.0
"""Seconds after which who follows a task hears at least that nothing happens: proxies give up on a
stream after 30 to 60."""
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
        task_id = new_id()
        context_id = message.context_id or new_id()
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
        ids = tuple([task.id for task in references])
        beginning = Beginning(record, str(self.workspace), metadata, choices, ids)
        self.audit.write(Line(what="started", who=owner, task=task_id, context=context_id))
        self.store.begin(beginning, nothing)
        run = self._run(beginning, references)
        self._contexts[key] = context
        self._set_going(run, context)
        if ahead:
            with suppress(StoreTrouble):  # it is no more than told
                run.wait_in_line(ahead)
        return run

    async def recover(self) -> None:
        """Bring every task that another server left to an honest state.

        One that had not begun is begun; one that waits for an answer is asked again, if its agent
        can be; any other has failed, as nobody knows what its agent did last.
        """
        for left in await self.store.left():
            await self._take_up(left)
        with suppress(StoreTrouble):  # then it is known later
            await self.store.settle()

    async def _take_up(self, left: Left) -> None:
        record = left.beginning.record
        found = [await self.store.find(id) for id in left.beginning.references]
        references = [entry.task() for entry in found if entry is not None]
        run = self._run(left.beginning, references, Journal(first=left.events))
        run.scribe.take_up(record)
        for form in run.compat:
            form.take_up(record, left.events)
        if left.beginning.workspace != str(self.workspace):
            run.interrupt("the server was started again, in another workspace.")
        elif record.state in PAUSES and resuming(self.backend) is None:
            run.interrupt("the server was started again, and this agent cannot ask once more.")
        elif record.state not in PAUSES and record.state is not TaskState.SUBMITTED:
            run.interrupt("the server was started again while the agent was at work.")
        else:
            run.left = record.state in PAUSES
            self._set_going(run, self._contexts.setdefault(run.conversation, Context()))

    def _run(
        self, beginning: Beginning, references: Sequence[Task], journal: Journal | None = None
    ) -> Run:
        """A run of a task that is in the store."""
        record = beginning.record
        task_id, context_id = record.id, record.context_id
        return Run(
            record,
            record.history[0],
            beginning.metadata,
            self.workspace,
            Scribe(task_id, context_id, self.workspace, self.buffered),
            conversation(record.owner, context_id),
            beginning.choices,
            references,
            Decisions(record, self.workspace, self.policy, self.audit),
            self.store,
            self._forget,
            forms(self.compat, task_id, context_id, self.backend.info.name),
            journal or Journal(),
        )

    def _set_going(self, run: Run, context: Context) -> None:
        owner = run.record.owner
        self._tasks.add(owner)
        if not context.line:
            self._busy.add(owner)
        self.runs[run.task_id] = run
        context.join(run)  # here, because trio may start the children in any order
        self._nursery.start_soon(self._live, run, context, name=f"task {run.task_id}")

    def pending(self, task_id: str) -> Pause | None:
        """What a task asks of its caller now, and the caller can know, if it asks anything."""
        run = self.runs.get(task_id)
        if run is None or run.questions.pause is not run.questions.published:
            return None
        return run.questions.pause

    def stop(self, run: Run, why: str) -> None:
        """Have a run stopped.

        A backend that does not let go within `LAST_WORDS` is no longer waited for. Its task is
        CANCELED nevertheless, and its context has to wait.
        """
        if not run.scope.cancel_called:
            run.cancel(why)
            # Not in here: who waits may leave, and the task is to end nevertheless.
            self._nursery.start_soon(self._insist, run, name=f"end of task {run.task_id}")

    async def _insist(self, run: Run) -> None:
        with trio.move_on_after(LAST_WORDS, shield=True):
            await run.over.wait()
        if not run.over.is_set():
            log.error("task %s: the backend does not let go", run.record.id)
            run.close()

    async def drain(self, grace: float) -> None:
        """Take no new tasks, give the running ones `grace` seconds to end, and cancel the rest.

        Those that do not run are not waited for. Where the store outlives us they are left as they
        are, for the next server to go on with; otherwise nobody is ever going to answer them.
        """
        self._stopping = True
        self._put_away()
        why = "The server stopped."
        runs = list(self.runs.values())
        for run in runs:
            if run.questions.pause is not None:
                self.stop(run, why)
        with trio.move_on_after(grace):
            for run in runs:
                await run.ended.wait()
        self._put_away()
        for run in runs:
            if not run.ended.is_set():
                self.stop(run, why)
        with trio.move_on_after(2 * LAST_WORDS):  # longer only where nothing can be kept
            for run in runs:
                await run.ended.wait()
        for run in runs:
            run.journal.close()

    def _put_away(self) -> None:
        """Leave what waits to the next server, where there can be one that goes on with it."""
        if not self.store.durable:
            return
        for run in self.runs.values():
            asked = run.questions.pause is not None and resuming(self.backend) is not None
            if (asked or not run.first.is_set()) and not run.scope.cancel_called:
                run.put_away()
                self._nursery.start_soon(self._insist, run, name=f"end of run {run.task_id}")

    async def stir(self) -> None:
        """Wake those who follow, again and again: one task for all of them."""
        while True:
            await trio.sleep(SILENCE)
            for run in self.runs.values():
                run.journal.stir()

    async def _live(self, run: Run, context: Context) -> None:
        try:
            with run.scope:
                await trio.lowlevel.checkpoint_if_cancelled()
                if not run.first.is_set():  # to wait for what is there would cost a turn of trio's
                    await run.first.wait()
                await run.work(self.backend)
        finally:
            context.leave(run)
            if not context.line:
                self._busy.drop(run.record.owner)
                del self._contexts[run.conversation]
            run.close()

    def _forget(self, record: Record) -> None:
        """The end of a run has been told. One that is left to the next server is not forgotten."""
        if self.runs.pop(record.id, None) is not None:
            self._tasks.drop(record.owner)


def conversation(owner: str, context_id: str) -> str:
    """The key of one caller's context. Nobody who does not know both can make it."""
    return hashlib.sha256(f"{len(owner)}:{owner}{context_id}".encode()).hexdigest()[:32]


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
        stirring = trio.CancelScope()

        async def stir() -> None:
            with stirring:
                await supervisor.stir()

        nursery.start_soon(stir, name="stir")
        try:
            yield supervisor
        except Exception as error:
            failure = error
        finally:
            with trio.CancelScope(shield=True):
                await supervisor.drain(0)
            stirring.cancel()
    if failure is not None:
        raise failure  # out here, where the nursery does not wrap it
