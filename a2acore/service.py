"""A2A's operations, for any line and any binding.

Each one is given the caller, and looks first whether the task is the caller's own: another's task
is a task that does not exist.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from uuid import uuid4

import msgspec
from attrs import define, frozen
from msgspec import structs

from a2acore.backend import Backend
from a2acore.errors import (
    ContentTypeNotSupported,
    ExtendedAgentCardOff,
    InvalidParams,
    PushNotificationNotSupported,
    TaskNotCancelable,
    TaskNotFound,
    UnsupportedOperation,
    Violation,
)
from a2acore.journal import RESTING, Follower
from a2acore.lifecycle import TERMINAL
from a2acore.model import (
    AgentCard,
    CancelTaskRequest,
    GetTaskRequest,
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
from a2acore.run import Run
from a2acore.store import Entry, Store
from a2acore.supervisor import Supervisor

PAGE = 50
LARGEST_PAGE = 100


@frozen
class Caller:
    """Who asks: a name that owns what it starts."""

    name: str = "anonymous"


ANONYMOUS = Caller()


@define(eq=False)
class Stream:
    """A task as it stood, and everything that happens to it from then on."""

    task: Task
    follower: Follower


NOTHING_SAID = SendMessageConfiguration()


@define(eq=False)
class Service:
    """What a server can be asked."""

    supervisor: Supervisor
    store: Store

    async def send(self, caller: Caller, request: SendMessageRequest) -> Task | Message:
        """SendMessage: the task when it pauses or ends, or at once; or a mere message."""
        configuration = request.configuration or NOTHING_SAID
        begun = await self._begin(caller, request)
        if isinstance(begun, Message):
            return begun
        if not configuration.return_immediately and begun.record.state not in RESTING:
            await begun.journal.wait_rest()
        return begun.record.task(configuration.history_length)

    async def stream(self, caller: Caller, request: SendMessageRequest) -> Stream | Message:
        """SendStreamingMessage: the task, then its events; or a mere message."""
        configuration = request.configuration or NOTHING_SAID
        begun = await self._begin(caller, request)
        if isinstance(begun, Message):
            return begun
        return Stream(begun.record.task(configuration.history_length), begun.journal.follow())

    async def get(self, caller: Caller, request: GetTaskRequest) -> Task:
        """GetTask."""
        _check_history(request.history_length)
        return (await self._find(caller, request.id)).task(request.history_length)

    async def list(self, caller: Caller, request: ListTasksRequest) -> ListTasksResponse:
        """ListTasks: newest status first."""
        _check_history(request.history_length)
        size = PAGE if request.page_size is None else request.page_size
        if not 1 <= size <= LARGEST_PAGE:
            raise _invalid("pageSize", f"must be from 1 to {LARGEST_PAGE}")
        state = request.status if request.status is not TaskState.UNSPECIFIED else None
        found = [
            entry
            for entry in await self.store.entries()
            if entry.owner == caller.name
            and (not request.context_id or entry.context_id == request.context_id)
            and (state is None or entry.state is state)
            and entry.timestamp >= request.status_timestamp_after
        ]
        found.sort(key=_place, reverse=True)
        rest = found
        if request.page_token:
            after = _read_cursor(request.page_token)
            rest = [entry for entry in found if _place(entry) < after]
        page = rest[:size]
        more = len(rest) > size
        return ListTasksResponse(
            tasks=tuple(_listed(entry, request) for entry in page),
            next_page_token=_cursor(page[-1]) if more else "",
            page_size=size,
            total_size=len(found),
        )

    async def cancel(self, caller: Caller, request: CancelTaskRequest) -> Task:
        """CancelTask: the task once it has stopped."""
        entry = await self._find(caller, request.id)
        run = self.supervisor.runs.get(request.id)
        if run is None or entry.state in TERMINAL:
            raise TaskNotCancelable(f"Task {request.id} is {entry.state.name} already")
        run.cancel("Cancelled by the caller.")
        await run.ended.wait()
        return run.record.task()

    async def subscribe(self, caller: Caller, request: SubscribeToTaskRequest) -> Stream:
        """SubscribeToTask: the task, then its events."""
        entry = await self._find(caller, request.id)
        run = self.supervisor.runs.get(request.id)
        if run is None or entry.state in TERMINAL:
            raise UnsupportedOperation(
                f"Task {request.id} is {entry.state.name}: nothing more will happen to it; get it"
            )
        return Stream(run.record.task(), run.journal.follow())

    async def push(self, caller: Caller, request: object) -> TaskPushNotificationConfig:
        """Every operation on webhooks: there are none yet, and the card says so."""
        raise PushNotificationNotSupported

    async def extended_card(self, caller: Caller, request: object) -> AgentCard:
        """GetExtendedAgentCard: there is none yet, and the card says so."""
        raise ExtendedAgentCardOff

    @property
    def backend(self) -> Backend:
        return self.supervisor.backend

    async def _begin(self, caller: Caller, request: SendMessageRequest) -> Run | Message:
        """Hand a message to its task, or make a task of it."""
        message = request.message
        configuration = request.configuration or NOTHING_SAID
        self._check(message, configuration)
        if not message.task_id:
            if (parts := self._mere_reply(message)) is not None:
                context_id = message.context_id or str(uuid4())
                return Message(uuid4().hex, Role.AGENT, parts, context_id)
            return self.supervisor.start(caller.name, message, request.metadata or {})
        entry = await self._find(caller, message.task_id)
        if message.context_id and message.context_id != entry.context_id:
            raise _invalid("message.contextId", "is not the context of that task")
        run = self.supervisor.runs.get(message.task_id)
        if run is None or entry.state in TERMINAL:
            raise UnsupportedOperation(
                f"Task {entry.id} is {entry.state.name} and takes no messages; leave out taskId to "
                "go on in its context"
            )
        run.reply(structs.replace(message, context_id=entry.context_id))
        return run

    def _check(self, message: Message, configuration: SendMessageConfiguration) -> None:
        _check_history(configuration.history_length)
        if configuration.task_push_notification_config is not None:
            raise PushNotificationNotSupported
        if message.role is not Role.USER:
            raise _invalid("message.role", "must be the user's: agents answer, callers ask")
        takes = self.backend.info.input_modes
        for part in message.parts:
            if not _taken(media := _media_type(part), takes):
                raise ContentTypeNotSupported(
                    f"The agent does not take {media}; it takes {', '.join(takes)}"
                )

    def _mere_reply(self, message: Message) -> tuple[Part, ...] | None:
        reply = getattr(self.backend, "reply", None)
        return None if reply is None else reply(message)

    async def _find(self, caller: Caller, task_id: str) -> Entry:
        entry = await self.store.find(task_id)
        if entry is None or entry.owner != caller.name:
            raise TaskNotFound(f"Task not found: {task_id}", metadata={"taskId": task_id})
        return entry


def _invalid(field: str, description: str) -> InvalidParams:
    return InvalidParams(
        f"Invalid parameters: {field} {description}", violations=[Violation(field, description)]
    )


def _check_history(length: int | None) -> None:
    if length is not None and length < 0:
        raise _invalid("historyLength", "must not be negative")


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


def _place(entry: Entry) -> tuple[str, str]:
    return (entry.timestamp, entry.id)


def _cursor(entry: Entry) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(_place(entry))).decode()


def _read_cursor(token: str) -> tuple[str, str]:
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(token), type=tuple[str, str])
    except (binascii.Error, ValueError) as error:
        raise _invalid("pageToken", "is not a token that this server gave") from error


def _listed(entry: Entry, request: ListTasksRequest) -> Task:
    task = entry.task(request.history_length)
    return task if request.include_artifacts else structs.replace(task, artifacts=())
