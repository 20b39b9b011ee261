"""A2A's operations, for any line and any binding.

Each one is given the caller. It looks first whether the caller may do such a thing at all, before
anything is looked up; then whether the task is the caller's own: another's task is a task that does
not exist.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

import msgspec
import trio
from attrs import define, evolve, field, frozen
from msgspec import structs

from a2acore import intake, listing
from a2acore.audit import Line, Unaudited
from a2acore.backend import Backend
from a2acore.compat import replies
from a2acore.credentials import USUAL, Scope
from a2acore.errors import (
    ExtendedAgentCardOff,
    Forbidden,
    InvalidParams,
    PushNotificationNotSupported,
    ServerStopping,
    StoreTrouble,
    TaskNotCancelable,
    TaskNotFound,
    UnsupportedOperation,
)
from a2acore.ids import new_hex, new_id
from a2acore.journal import RESTING, Follower, Journal
from a2acore.lifecycle import TERMINAL
from a2acore.limits import UNNAMED
from a2acore.model import (
    AgentCard,
    CancelTaskRequest,
    DeleteTaskPushNotificationConfigRequest,
    GetTaskPushNotificationConfigRequest,
    GetTaskRequest,
    ListTaskPushNotificationConfigsRequest,
    ListTaskPushNotificationConfigsResponse,
    ListTasksRequest,
    ListTasksResponse,
    Message,
    Part,
    Role,
    SendMessageConfiguration,
    SendMessageRequest,
    SubscribeToTaskRequest,
    Task,
    TaskPushNotificationConfig,
    TaskState,
)
from a2acore.pause import Pause
from a2acore.push.courier import Courier
from a2acore.push.walk import Heard
from a2acore.run import Run
from a2acore.store import Entry, Sent, Store
from a2acore.supervisor import Supervisor, conversation
from a2acore.wire import v10
from a2acore.wire.shared import InterruptExpired, InterruptNotFound, Reply


@frozen
class Caller:
    """Who asks: a name that owns what it starts."""

    name: str = UNNAMED
    line: str = v10.VERSION
    """The line of the protocol that is spoken, and in which a webhook will be told."""
    plain: bool = False
    """Nothing of our extension is to be told, to the caller or to a webhook of this request's."""
    scopes: frozenset[Scope] = USUAL
    """What the caller may do. `admin` may do everything, and sees and cancels everybody's tasks."""

    def need(self, scope: Scope) -> None:
        """Raises: Forbidden: the caller may do no such thing."""
        if scope not in self.scopes and "admin" not in self.scopes:
            raise Forbidden(
                f"This needs the scope {scope!r}, which your credential has not got",
                metadata={"missingScope": scope},
            )

    def sees(self, owner: str) -> bool:
        """Whether the caller sees the tasks of somebody."""
        return self.owns() in (None, owner)

    def owns(self) -> str | None:
        """Whose tasks the caller sees; `None` is everybody's."""
        return None if "admin" in self.scopes else self.name


ANONYMOUS = Caller()


@define(eq=False)
class Stream:
    """A task as it stood, and everything that happens to it from then on."""

    task: Task
    follower: Follower
    resumed: bool = False
    """The caller has heard everything up to where the follower stands, and needs no snapshot."""
    ended: bool = False
    """It has ended before, and nobody has counted its events."""


@frozen
class Begun:
    """The task that a message went to, and its run while it has one."""

    entry: Entry
    run: Run | None


NOTHING_SAID = SendMessageConfiguration()


@define(eq=False)
class Service:
    """What a server can be asked."""

    supervisor: Supervisor
    store: Store
    courier: Courier | None = None
    """Posts to webhooks; without one there are none, and the card says so."""

    extended: AgentCard | None = None
    """What callers with a credential may know beyond the public card, if there is anything."""
    dedupe_message_id: bool = False
    """Take a message for sent already when one with its id was, also without an idempotency key."""
    _sending: WeakValueDictionary[tuple[str, str], trio.Lock] = field(factory=WeakValueDictionary)
    """What is sent under a key at this moment, by caller and key."""

    async def send(
        self, caller: Caller, request: SendMessageRequest, *, key: str = ""
    ) -> Task | Message:
        """SendMessage: the task when it pauses or ends, or at once; or a mere message.

        Sent again with the same idempotency `key`, it returns the same task, and does nothing.
        """
        _may_send(caller, request)
        configuration = request.configuration or NOTHING_SAID
        begun = await self._begin(caller, request, key)
        if isinstance(begun, Message):
            return begun
        run = begun.run
        if run is not None and not configuration.return_immediately:
            # A question may be withdrawn as it is asked.
            while run.record.state not in RESTING and not run.journal.closed:
                await run.journal.wait_rest()
        return begun.entry.task(configuration.history_length)

    async def stream(
        self, caller: Caller, request: SendMessageRequest, *, key: str = ""
    ) -> Stream | Message:
        """SendStreamingMessage: the task, then its events; or a mere message.

        Sent again with the same idempotency `key`, it joins the same task, and does nothing else.
        """
        _may_send(caller, request)
        configuration = request.configuration or NOTHING_SAID
        begun = await self._begin(caller, request, key)
        if isinstance(begun, Message):
            return begun
        task = begun.entry.task(configuration.history_length)
        if begun.run is None:
            return Stream(task, Journal(closed=True).follow(), ended=True)
        return Stream(task, begun.run.journal.follow())

    async def get(self, caller: Caller, request: GetTaskRequest) -> Task:
        """GetTask."""
        caller.need("read")
        _check_history(request.history_length)
        return (await self._see(caller, request.id)).task(request.history_length)

    async def list(self, caller: Caller, request: ListTasksRequest) -> ListTasksResponse:
        """ListTasks: newest status first."""
        caller.need("read")
        _check_history(request.history_length)
        query = listing.query(request, caller.owns())
        return listing.response(await self.store.page(query), query, request)

    async def cancel(self, caller: Caller, request: CancelTaskRequest) -> Task:
        """CancelTask: the task once it has stopped."""
        caller.need("run")
        entry = await self._see(caller, request.id)
        run = self.supervisor.runs.get(request.id)
        if run is None or entry.state in TERMINAL:
            raise _over(entry)
        with suppress(Unaudited):  # to stop is always safe, and the log says why it is not there
            self._audit("cancelled", caller, request.id)
        self.supervisor.stop(run, "Cancelled by the caller.")
        await run.over.wait()
        await self.store.settle()
        if run.record.state not in TERMINAL:
            raise ServerStopping("The server is stopping, and leaves the task to the next one")
        if run.record.state is not TaskState.CANCELED:  # it had ended, and nobody had been told
            raise _over(run.record)
        return run.record.task()

    async def subscribe(
        self, caller: Caller, request: SubscribeToTaskRequest, *, after: int | None = None
    ) -> Stream:
        """SubscribeToTask: the task, then its events; or only those behind event number `after`."""
        caller.need("read")
        entry = await self._see(caller, request.id)
        if after is not None:
            follower = await self._follower(request.id, after)
            if follower is not None:
                return Stream(entry.task(), follower, resumed=True)
        run = self.supervisor.runs.get(request.id)
        if run is None or entry.state in TERMINAL:
            raise UnsupportedOperation(
                f"Task {request.id} is {entry.state.name}: nothing more will happen to it; get it"
            )
        return Stream(run.record.task(), run.journal.follow())

    async def _follower(self, task_id: str, after: int) -> Follower | None:
        """Who hears what comes behind an event, if all of that is known and there is something."""
        run = self.supervisor.runs.get(task_id)
        if run is not None and (follower := run.journal.follow_after(after)) is not None:
            return follower
        past = await self.store.events(task_id, after)
        if not past:
            return None
        # It may have ended by now, but what came behind `past` is in its journal all the same.
        journal = Journal(closed=True) if run is None else run.journal
        return journal.follow_behind(after, past)

    async def set_push(
        self, caller: Caller, request: TaskPushNotificationConfig
    ) -> TaskPushNotificationConfig:
        """CreateTaskPushNotificationConfig: the config as it is kept, with its id."""
        caller.need("run")
        courier = await self._courier_for(caller, request.task_id)
        await courier.check(request, caller.line, caller.name)
        self.store.check()
        self._audit("webhook set", caller, request.task_id, request.url)
        run = self.supervisor.runs.get(request.task_id)
        heard = None if run is None else Heard(run.journal.follow(), run.record)
        config = courier.keep(request, caller.line, heard, plain=caller.plain)
        await self.store.settle()
        return config

    async def get_push(
        self, caller: Caller, request: GetTaskPushNotificationConfigRequest
    ) -> TaskPushNotificationConfig:
        """GetTaskPushNotificationConfig: with its secrets, which are the caller's own."""
        caller.need("read")
        courier = await self._courier_for(caller, request.task_id)
        return await courier.find(request.task_id, request.id)

    async def list_push(
        self, caller: Caller, request: ListTaskPushNotificationConfigsRequest
    ) -> ListTaskPushNotificationConfigsResponse:
        """ListTaskPushNotificationConfigs: oldest first, all at once unless pages are asked for."""
        caller.need("read")
        courier = await self._courier_for(caller, request.task_id)
        configs = await courier.list(request.task_id)
        if request.page_size < 0:
            raise InvalidParams.at("pageSize", "must not be negative")
        if request.page_token:
            ids = [config.id for config in configs]
            if request.page_token not in ids:
                raise InvalidParams.at("pageToken", "is not a token that this server gave")
            configs = configs[ids.index(request.page_token) + 1 :]
        page = configs[: request.page_size or len(configs)]
        more = len(page) < len(configs)
        return ListTaskPushNotificationConfigsResponse(tuple(page), page[-1].id if more else "")

    async def delete_push(
        self, caller: Caller, request: DeleteTaskPushNotificationConfigRequest
    ) -> None:
        """DeleteTaskPushNotificationConfig: it hears no more. Deleting it again does nothing."""
        caller.need("run")
        courier = await self._courier_for(caller, request.task_id)
        with suppress(Unaudited):
            self._audit("webhook deleted", caller, request.task_id)
        self.store.check()
        courier.drop(request.task_id, request.id)
        await self.store.settle()

    async def extended_card(self, caller: Caller, request: object) -> AgentCard:
        """GetExtendedAgentCard: what the public card does not tell."""
        caller.need("read")
        if self.extended is None:
            raise ExtendedAgentCardOff
        return self.extended

    def asked(self, caller: Caller) -> Sequence[Run]:
        """Where the caller's own tasks wait for an answer."""
        caller.need("read")
        return self._paused(caller)

    async def answer(self, caller: Caller, reply: Reply) -> None:
        """Answer what is asked under a request id, in the form of another server.

        Raises:
            Forbidden: the caller may not answer.
            InterruptExpired: it was asked, and it is too late for an answer.
            InterruptNotFound: nothing is asked of the caller under that id.
            InterruptTypeMismatch: it is no answer to what is asked.
            InvalidParams: it picks what the agent does not offer, or brings data that does not fit.
            StoreTrouble: nothing can be kept at this moment.
        """
        caller.need("approve")
        self.store.check()
        self._settle(caller, reply)
        await self.store.settle()

    def _settle(self, caller: Caller, reply: Reply) -> None:
        # Not async: between finding a question pending and settling it nothing can happen.
        for run in self._paused(caller):
            pause = run.questions.pause
            if pause is not None and pause.request_id == reply.request_id:
                answer = replies.read(pause, reply)
                message = replies.message(reply, answer, run.task_id, run.context_id)
                with suppress(UnsupportedOperation):  # it was too late
                    run.questions.settle(answer, message, caller.name)
                    return
        if any(reply.request_id in run.questions.timed_out for run in self._own(caller)):
            raise InterruptExpired(reply.request_id)
        raise InterruptNotFound(reply.request_id)

    @property
    def backend(self) -> Backend:
        return self.supervisor.backend

    async def _begin(
        self, caller: Caller, request: SendMessageRequest, key: str
    ) -> Begun | Message:
        """Hand a message to its task, or make a task of it, once for each key."""
        self.store.check()
        message = request.message
        seen = self.supervisor.pending(message.task_id)
        self._check(message, request.configuration or NOTHING_SAID)
        if not key and self.dedupe_message_id:
            key = f"message {message.message_id}"
        if not key:
            return await self._take(caller, request, seen)
        sent = Sent(hashlib.sha256(msgspec.json.encode(request)).digest())
        # Of two that come at once, the second waits for what the first begins.
        async with self._sending.setdefault((caller.name, key), trio.Lock()):
            known = None
            if (before := await self.store.sent(caller.name, key)) is not None:
                await self.store.settle()  # nobody else may have waited for it
                known = await self.store.find(before.task_id)
            if before is None or known is None:
                return await self._take(caller, request, seen, sent, key)
            if before.digest != sent.digest:
                raise InvalidParams(f"Something else was sent before as {key!r}; take another key")
            return Begun(known, self.supervisor.runs.get(known.id))

    async def _take(
        self,
        caller: Caller,
        request: SendMessageRequest,
        seen: Pause | None,
        sent: Sent | None = None,
        key: str = "",
    ) -> Begun | Message:
        """Hand a message to its task, or make a task of it; the webhook it brings hears it all."""
        message = request.message
        entry = await self._find(caller, message.task_id) if message.task_id else None
        said, offered = (message.metadata, request.metadata), self.backend.info.choices
        choices = intake.choices(*said, offered, begun=entry is not None)
        references = {
            id: (await self._referenced(caller, id, number)).task()
            for number, id in enumerate(message.reference_task_ids)
        }
        webhook = await self._webhook(caller, message, request.configuration or NOTHING_SAID)
        if entry is None:
            if (parts := self._mere_reply(caller, message)) is not None:
                context_id = message.context_id or new_id()
                return Message(new_hex(), Role.AGENT, parts, context_id)
            run = self.supervisor.start(
                caller.name, message, request.metadata or {}, choices, tuple(references.values())
            )
            follower = run.journal.follow_from_start()
        else:
            run = self._open_to(message, entry)
            follower = run.journal.follow()
            run.questions.reply(
                structs.replace(message, context_id=entry.context_id), seen, caller.name
            )
        # Without a checkpoint between: all that the message brings about is kept together.
        if sent is not None:  # first of all, so that nothing is done twice whatever fails behind it
            self.store.keep_sent(caller.name, key, evolve(sent, task_id=run.record.id))
        if webhook is not None:
            webhook = structs.replace(webhook, task_id=run.record.id)
            heard = Heard(follower, run.record)
            self._audit("webhook set", caller, webhook.task_id, webhook.url)
            self._courier().keep(webhook, caller.line, heard, plain=caller.plain)
        try:
            await self.store.settle()
        except StoreTrouble:
            if entry is None:  # who was refused sends it again: it is not to be done twice
                self.supervisor.stop(run, "Nothing could be kept when it was sent.")
                if sent is not None:
                    self.store.keep_sent(caller.name, key, sent)
            raise
        return Begun(run.record, run)

    async def _referenced(self, caller: Caller, id: str, number: int) -> Entry:
        try:
            return await self._find(caller, id)
        except TaskNotFound as error:
            where = f"message.referenceTaskIds[{number}]"
            raise InvalidParams.at(where, "is no task that is known here") from error

    def _open_to(self, message: Message, entry: Entry) -> Run:
        """The run that a message speaks to."""
        if message.context_id and message.context_id != entry.context_id:
            raise InvalidParams.at("message.contextId", "is not the context of that task")
        run = self.supervisor.runs.get(entry.id)
        if run is None or entry.state in TERMINAL:
            raise UnsupportedOperation(
                f"Task {entry.id} is {entry.state.name} and takes no messages; leave out taskId to "
                "go on in its context"
            )
        return run

    async def _webhook(
        self, caller: Caller, message: Message, configuration: SendMessageConfiguration
    ) -> TaskPushNotificationConfig | None:
        """The webhook that comes with a message, checked."""
        webhook = configuration.task_push_notification_config
        if webhook is None:
            return None
        if webhook.task_id not in ("", message.task_id):
            raise InvalidParams.at(
                "taskId", "of a webhook that comes with a message is the message's"
            )
        webhook = structs.replace(webhook, task_id=message.task_id)
        await self._courier().check(webhook, caller.line, caller.name)
        return webhook

    def _courier(self) -> Courier:
        if self.courier is None:
            raise PushNotificationNotSupported
        return self.courier

    async def _courier_for(self, caller: Caller, task_id: str) -> Courier:
        """The courier, to a caller whose task it is."""
        courier = self._courier()
        await self._find(caller, task_id)
        return courier

    def _check(self, message: Message, configuration: SendMessageConfiguration) -> None:
        _check_history(configuration.history_length, "configuration.historyLength")
        if configuration.task_push_notification_config is not None:
            self._courier()
        intake.check(message, self.backend.info.input_modes, self.supervisor.limits.parts)

    def _mere_reply(self, caller: Caller, message: Message) -> tuple[Part, ...] | None:
        reply = getattr(self.backend, "reply", None)
        if reply is None:
            return None
        context_id = message.context_id
        key = conversation(caller.name, context_id) if context_id else ""
        parts: tuple[Part, ...] | None = reply(message, key)
        return parts

    def _audit(self, what: str, caller: Caller, task_id: str, url: str = "") -> None:
        host = urlsplit(url).hostname or ""
        self.supervisor.audit.write(Line(what=what, who=caller.name, task=task_id, host=host))

    def _own(self, caller: Caller) -> Sequence[Run]:
        return [run for run in self.supervisor.runs.values() if run.record.owner == caller.name]

    def _paused(self, caller: Caller) -> Sequence[Run]:
        return [run for run in self._own(caller) if run.questions.pause is not None]

    async def _find(self, caller: Caller, task_id: str) -> Entry:
        """A task that is the caller's own."""
        entry = await self.store.find(task_id)
        if entry is None or entry.owner != caller.name:
            raise _not_found(task_id)
        return entry

    async def _see(self, caller: Caller, task_id: str) -> Entry:
        """A task that the caller may see."""
        entry = await self.store.find(task_id)
        if entry is None or not caller.sees(entry.owner):
            raise _not_found(task_id)
        return entry


def _may_send(caller: Caller, request: SendMessageRequest) -> None:
    """A message to a task answers what it asks: there are no others. The rest begin tasks."""
    caller.need("approve" if request.message.task_id else "run")


def _not_found(task_id: str) -> TaskNotFound:
    return TaskNotFound(f"Task not found: {task_id}", metadata={"taskId": task_id})


def _over(entry: Entry) -> TaskNotCancelable:
    return TaskNotCancelable(f"Task {entry.id} is {entry.state.name} already")


def _check_history(length: int | None, field: str = "historyLength") -> None:
    if length is not None and length < 0:
        raise InvalidParams.at(field, "must not be negative")
