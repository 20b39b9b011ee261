"""A2A's operations, for any line and any binding.

Each one is given the caller, and looks first whether the task is the caller's own: another's task
is a task that does not exist.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from uuid import uuid4

import msgspec
from attrs import define, evolve, fields, frozen
from msgspec import structs

from a2acore import listing
from a2acore.backend import Backend, Choices
from a2acore.errors import (
    ContentTypeNotSupported,
    ExtendedAgentCardOff,
    InvalidParams,
    PushNotificationNotSupported,
    TaskNotCancelable,
    TaskNotFound,
    UnsupportedOperation,
)
from a2acore.journal import RESTING, Follower, Journal
from a2acore.lifecycle import EXTENSION, TERMINAL
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
)
from a2acore.push.courier import Courier, Heard
from a2acore.run import Run
from a2acore.store import Entry, Sent, Store
from a2acore.supervisor import Supervisor, conversation
from a2acore.wire import v10


@frozen
class Caller:
    """Who asks: a name that owns what it starts."""

    name: str = "anonymous"
    line: str = v10.VERSION
    """The line of the protocol that is spoken, and in which a webhook will be told."""


ANONYMOUS = Caller()


@define(eq=False)
class Stream:
    """A task as it stood, and everything that happens to it from then on."""

    task: Task
    follower: Follower
    resumed: bool = False
    """The caller has heard everything up to where the follower stands, and needs no snapshot."""


@frozen
class Begun:
    """The task that a message went to, and its run while it has one."""

    entry: Entry
    run: Run | None


CHOICES = frozenset(field.name for field in fields(Choices))
NOTHING_SAID = SendMessageConfiguration()
ENDED = Journal(closed=True)
"""What there is to hear of a task that has ended."""


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

    async def send(
        self, caller: Caller, request: SendMessageRequest, *, key: str = ""
    ) -> Task | Message:
        """SendMessage: the task when it pauses or ends, or at once; or a mere message.

        Sent again with the same idempotency `key`, it returns the same task, and does nothing.
        """
        configuration = request.configuration or NOTHING_SAID
        begun = await self._begin(caller, request, key)
        if isinstance(begun, Message):
            return begun
        run = begun.run
        if run is not None and not configuration.return_immediately:
            while run.record.state not in RESTING:  # a question may be withdrawn as it is asked
                await run.journal.wait_rest()
        return begun.entry.task(configuration.history_length)

    async def stream(
        self, caller: Caller, request: SendMessageRequest, *, key: str = ""
    ) -> Stream | Message:
        """SendStreamingMessage: the task, then its events; or a mere message.

        Sent again with the same idempotency `key`, it joins the same task, and does nothing else.
        """
        configuration = request.configuration or NOTHING_SAID
        begun = await self._begin(caller, request, key)
        if isinstance(begun, Message):
            return begun
        journal = begun.run.journal if begun.run is not None else ENDED
        return Stream(begun.entry.task(configuration.history_length), journal.follow())

    async def get(self, caller: Caller, request: GetTaskRequest) -> Task:
        """GetTask."""
        _check_history(request.history_length)
        return (await self._find(caller, request.id)).task(request.history_length)

    async def list(self, caller: Caller, request: ListTasksRequest) -> ListTasksResponse:
        """ListTasks: newest status first."""
        _check_history(request.history_length)
        entries = await self.store.entries()
        return listing.page((e for e in entries if e.owner == caller.name), request)

    async def cancel(self, caller: Caller, request: CancelTaskRequest) -> Task:
        """CancelTask: the task once it has stopped."""
        entry = await self._find(caller, request.id)
        run = self.supervisor.runs.get(request.id)
        if run is None or entry.state in TERMINAL:
            raise TaskNotCancelable(f"Task {request.id} is {entry.state.name} already")
        await self.supervisor.cancel(run, why="Cancelled by the caller.")
        return run.record.task()

    async def subscribe(
        self, caller: Caller, request: SubscribeToTaskRequest, *, after: int | None = None
    ) -> Stream:
        """SubscribeToTask: the task, then its events; or only those behind event number `after`."""
        entry = await self._find(caller, request.id)
        run = self.supervisor.runs.get(request.id)
        if run is None or entry.state in TERMINAL:
            raise UnsupportedOperation(
                f"Task {request.id} is {entry.state.name}: nothing more will happen to it; get it"
            )
        if after is not None and (follower := run.journal.follow_after(after)) is not None:
            return Stream(run.record.task(), follower, resumed=True)
        return Stream(run.record.task(), run.journal.follow())

    async def set_push(
        self, caller: Caller, request: TaskPushNotificationConfig
    ) -> TaskPushNotificationConfig:
        """CreateTaskPushNotificationConfig: the config as it is kept, with its id."""
        courier = await self._courier_for(caller, request.task_id)
        await courier.check(request, caller.line)
        run = self.supervisor.runs.get(request.task_id)
        heard = None if run is None else Heard(run.journal.follow(), run.record)
        return await courier.keep(request, caller.line, heard)

    async def get_push(
        self, caller: Caller, request: GetTaskPushNotificationConfigRequest
    ) -> TaskPushNotificationConfig:
        """GetTaskPushNotificationConfig: with its secrets, which are the caller's own."""
        courier = await self._courier_for(caller, request.task_id)
        return await courier.find(request.task_id, request.id)

    async def list_push(
        self, caller: Caller, request: ListTaskPushNotificationConfigsRequest
    ) -> ListTaskPushNotificationConfigsResponse:
        """ListTaskPushNotificationConfigs: oldest first, all at once unless pages are asked for."""
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
        courier = await self._courier_for(caller, request.task_id)
        await courier.drop(request.task_id, request.id)

    async def extended_card(self, caller: Caller, request: object) -> AgentCard:
        """GetExtendedAgentCard: what the public card does not tell."""
        if self.extended is None:
            raise ExtendedAgentCardOff
        return self.extended

    @property
    def backend(self) -> Backend:
        return self.supervisor.backend

    async def _begin(
        self, caller: Caller, request: SendMessageRequest, key: str
    ) -> Begun | Message:
        """Hand a message to its task, or make a task of it; the webhook it brings hears it all."""
        message = request.message
        configuration = request.configuration or NOTHING_SAID
        self._check(message, configuration)
        if not key and self.dedupe_message_id:
            key = f"message {message.message_id}"
        sent = Sent(hashlib.sha256(msgspec.json.encode(request)).digest()) if key else None
        if sent is not None and (before := await self.store.sent(caller.name, key)) is not None:
            if before.digest != sent.digest:
                raise InvalidParams(f"Something else was sent before as {key!r}; take another key")
            known = await self._find(caller, before.task_id)
            return Begun(known, self.supervisor.runs.get(known.id))
        entry = await self._find(caller, message.task_id) if message.task_id else None
        choices = self._choices(request, entry)
        references = [
            (await self._referenced(caller, id, number)).task()
            for number, id in enumerate(message.reference_task_ids)
        ]
        webhook = await self._webhook(caller, message, configuration)
        if entry is None:
            if (parts := self._mere_reply(caller, message)) is not None:
                context_id = message.context_id or str(uuid4())
                return Message(uuid4().hex, Role.AGENT, parts, context_id)
            run = self.supervisor.start(
                caller.name, message, request.metadata or {}, choices, references
            )
            follower = run.journal.follow_from_start()
        else:
            run = self._open_to(message, entry)
            follower = run.journal.follow()
            run.reply(structs.replace(message, context_id=entry.context_id))
        if webhook is not None:
            webhook = structs.replace(webhook, task_id=run.record.id)
            await self._courier().keep(webhook, caller.line, Heard(follower, run.record))
        if sent is not None:
            await self.store.keep_sent(caller.name, key, evolve(sent, task_id=run.record.id))
        return Begun(run.record, run)

    def _choices(self, request: SendMessageRequest, entry: Entry | None) -> Choices:
        """What a request chooses under our extension, in its own metadata or in its message's."""
        chosen: dict[str, str] = {}
        for place, metadata in (
            ("message.metadata", request.message.metadata),
            ("metadata", request.metadata),
        ):
            ours = (metadata or {}).get(EXTENSION)
            if not isinstance(ours, dict):
                continue
            for name in CHOICES.intersection(ours):
                where = f"{place}['{EXTENSION}'].{name}"
                if entry is not None:
                    raise InvalidParams.at(where, "is chosen for a new task, not in the middle")
                if name not in self.backend.info.choices:
                    raise InvalidParams.at(
                        where, "cannot be chosen here: the agent has no such thing"
                    )
                if not isinstance(ours[name], str):
                    raise InvalidParams.at(where, "must be a text")
                chosen[name] = ours[name]
        return Choices(**chosen)

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
        await self._courier().check(webhook, caller.line)
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
        if message.role is not Role.USER:
            raise InvalidParams.at("message.role", "must be the user's: agents answer, callers ask")
        takes = self.backend.info.input_modes
        for part in message.parts:
            if not _taken(media := _media_type(part), takes):
                raise ContentTypeNotSupported(
                    f"The agent does not take {media}; it takes {', '.join(takes)}"
                )

    def _mere_reply(self, caller: Caller, message: Message) -> tuple[Part, ...] | None:
        reply = getattr(self.backend, "reply", None)
        if reply is None:
            return None
        context_id = message.context_id
        key = conversation(caller.name, context_id) if context_id else ""
        parts: tuple[Part, ...] | None = reply(message, key)
        return parts

    async def _find(self, caller: Caller, task_id: str) -> Entry:
        entry = await self.store.find(task_id)
        if entry is None or entry.owner != caller.name:
            raise TaskNotFound(f"Task not found: {task_id}", metadata={"taskId": task_id})
        return entry


def _check_history(length: int | None, field: str = "historyLength") -> None:
    if length is not None and length < 0:
        raise InvalidParams.at(field, "must not be negative")


def _media_type(part: Part) -> str:
    if part.media_type:
        return part.media_type.partition(";")[0].strip().lower()
    if part.text is not None:
        return "text/plain"
    if part.data is not msgspec.UNSET:
        return "application/json"
    return "application/octet-stream"


def _taken(media_type: str, takes: Sequence[str]) -> bool:
    kind = media_type.partition("/")[0]
    return any(mode in (media_type, f"{kind}/*", "*/*") for mode in takes)
