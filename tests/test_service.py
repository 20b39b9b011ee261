"""A2A's operations, as any line and binding finds them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from trio.testing import wait_all_tasks_blocked

from a2acore.backend import AgentInfo, Choices, Question, Text, Turn
from a2acore.errors import (
    A2AError,
    ContentTypeNotSupported,
    ExtendedAgentCardOff,
    InvalidParams,
    PushNotificationNotSupported,
    TaskNotCancelable,
    TaskNotFound,
    UnsupportedOperation,
)
from a2acore.ledger import nothing
from a2acore.lifecycle import Record
from a2acore.listing import LARGEST_PAGE, PAGE
from a2acore.model import (
    Artifact,
    CancelTaskRequest,
    GetTaskRequest,
    ListTasksRequest,
    Message,
    Part,
    Role,
    SendMessageConfiguration,
    SendMessageRequest,
    SubscribeToTaskRequest,
    Task,
    TaskArtifactUpdateEvent,
    TaskPushNotificationConfig,
    TaskState,
    TaskStatus,
    TaskStatusUpdateEvent,
)
from a2acore.service import ANONYMOUS, Caller, Service
from a2acore.store import Beginning, Item, MemoryStore, Sent
from a2acore.supervisor import open_supervisor
from tests.stage import (
    WORKSPACE,
    Actor,
    begin,
    data,
    get,
    open_stage,
    replay,
    request,
    response,
    saying,
    send,
    states,
    subscribe,
    told,
    words,
)

STRANGER = Caller("stranger")


async def play(turn: Turn) -> str | None:
    """Does what the message says: `wait`, `ask`, or an answer."""
    match turn.text:
        case "wait":
            await trio.sleep_forever()
        case "ask":
            answer = await turn.ask(Question("Which?"))
            turn.say(Text(f"{answer.words} it is"))
        case text:
            turn.say(Text(text.upper()))
    return None


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with open_stage(play) as service:
        yield service


# Sending


async def test_a_blocking_send_answers_with_the_task_as_it_ended(service: Service) -> None:
    task = await send(service, "hello")
    assert (task.status.state, response(task)) == (TaskState.COMPLETED, "HELLO")
    assert task == await get(service, task.id)


async def test_a_send_that_does_not_wait_answers_with_the_task_as_it_began(
    service: Service,
) -> None:
    task = await send(service, "hello", wait=False)
    assert task.status.state is TaskState.SUBMITTED
    assert [words(message) for message in task.history] == ["hello"]


async def test_a_send_without_configuration_waits(service: Service) -> None:
    task = await service.send(ANONYMOUS, SendMessageRequest(saying("hello")))
    assert isinstance(task, Task)
    assert task.status.state is TaskState.COMPLETED


async def test_a_blocking_send_also_returns_at_a_pause(service: Service) -> None:
    task = await send(service, "ask")
    assert (task.status.state, words(task.status.message)) == (TaskState.INPUT_REQUIRED, "Which?")


@pytest.mark.parametrize("wait", [True, False])
async def test_an_answer_that_does_not_settle_the_question_is_not_waited_for(
    service: Service, wait: bool
) -> None:
    task = await send(service, "ask")
    other = saying("this", task_id=task.id, ours={"requestId": "other"})
    with trio.fail_after(5):
        task = await send(service, other, wait=wait)
    assert task.status.state is TaskState.INPUT_REQUIRED


async def test_the_caller_chooses_how_much_history_comes_back(service: Service) -> None:
    task = await service.send(ANONYMOUS, request(saying("ask"), history=0))
    assert isinstance(task, Task)
    assert task.history == ()
    answer = saying("this", task_id=task.id)
    task = await service.send(ANONYMOUS, request(answer, history=1))
    assert isinstance(task, Task)
    assert [words(message) for message in task.history] == ["this"]
    stream = await service.stream(ANONYMOUS, request(saying("hi"), history=0))
    assert not isinstance(stream, Message)
    assert stream.task.history == ()
    whole = await get(service, task.id)
    assert [words(message) for message in whole.history] == ["ask", "Which?", "this"]


async def test_a_task_gets_a_context_of_its_own_or_the_one_that_is_named(
    service: Service,
) -> None:
    first, second = await send(service), await send(service)
    assert first.context_id
    assert first.context_id != second.context_id
    named = await send(service, saying(context_id="mine"))
    assert named.context_id == "mine"
    (message,) = named.history
    assert (message.context_id, message.task_id) == ("mine", named.id)


async def test_a_message_to_a_task_finds_its_context(service: Service) -> None:
    task = await send(service, saying("ask", context_id="mine"))
    task = await send(service, saying("this", task_id=task.id))
    assert {message.context_id for message in task.history} == {"mine"}
    assert {message.task_id for message in task.history} == {task.id}


async def test_a_message_to_a_task_may_not_name_another_context(service: Service) -> None:
    task = await send(service, saying("ask", context_id="mine"))
    with pytest.raises(InvalidParams) as caught:
        await send(service, saying("this", task_id=task.id, context_id="other"))
    assert caught.value.violations[0].field == "message.contextId"
    assert await get(service, task.id) == task


async def test_a_message_to_an_unknown_task_is_refused(service: Service) -> None:
    with pytest.raises(TaskNotFound) as caught:
        await send(service, saying(task_id="no-such-task"))
    assert caught.value.metadata == {"taskId": "no-such-task"}


async def test_a_message_to_an_ended_task_is_refused(service: Service) -> None:
    task = await send(service)
    with pytest.raises(UnsupportedOperation, match="COMPLETED"):
        await send(service, saying(task_id=task.id))
    assert await get(service, task.id) == task


async def test_a_message_to_a_working_task_is_refused_and_says_what_to_do(
    service: Service,
) -> None:
    """V10-SHOULD-027."""
    task, _ = await begin(service, "wait")
    with pytest.raises(UnsupportedOperation, match="leave out taskId to queue"):
        await send(service, saying(task_id=task.id))
    assert await get(service, task.id) == task


@pytest.mark.parametrize("role", [Role.AGENT, Role.UNSPECIFIED])
async def test_only_a_user_may_speak_to_the_agent(service: Service, role: Role) -> None:
    with pytest.raises(InvalidParams) as caught:
        await send(service, structs.replace(saying(), role=role))
    assert caught.value.violations[0].field == "message.role"


async def test_a_negative_history_length_is_refused(service: Service) -> None:
    with pytest.raises(InvalidParams) as caught:
        await service.send(ANONYMOUS, request(saying(), history=-1))
    assert caught.value.violations[0].field == "configuration.historyLength"
    with pytest.raises(InvalidParams):
        await service.get(ANONYMOUS, GetTaskRequest("t", history_length=-1))
    with pytest.raises(InvalidParams):
        await service.list(ANONYMOUS, ListTasksRequest(history_length=-1))


async def test_a_refused_message_makes_no_task(service: Service) -> None:
    push = SendMessageConfiguration(
        task_push_notification_config=TaskPushNotificationConfig("https://example.org")
    )
    for refused in (
        request(saying(), history=-1),
        request(structs.replace(saying(), role=Role.AGENT)),
        request(structs.replace(saying(), parts=(Part(raw=b"x", media_type="image/png"),))),
        request(saying(task_id="unknown")),
        SendMessageRequest(saying(), configuration=push),
    ):
        with pytest.raises(A2AError):
            await service.send(ANONYMOUS, refused)
        with pytest.raises(A2AError):
            await service.stream(ANONYMOUS, refused)
    assert (await service.list(ANONYMOUS, ListTasksRequest())).total_size == 0


# Media types

TAKEN: list[tuple[tuple[str, ...], Part, bool]] = [
    (("text/plain",), Part(text="a"), True),
    (("text/plain",), Part(text="a", media_type="Text/Plain; charset=utf-8"), True),
    (("text/plain",), Part(text="a", media_type="text/html"), False),
    (("text/*",), Part(text="a", media_type="text/html"), True),
    (("text/*",), Part(raw=b"a", media_type="image/png"), False),
    (("*/*",), Part(raw=b"a"), True),
    (("text/plain",), Part(raw=b"a"), False),
    (("text/plain",), Part(url="https://example.org"), False),
    (("application/octet-stream",), Part(raw=b"a"), True),
    (("text/plain",), Part(data={}), False),
    (("application/json",), Part(data=None), True),
    (("image/png",), Part(url="https://example.org/x.png", media_type="image/png"), True),
]


@pytest.mark.parametrize(("takes", "part", "taken"), TAKEN)
async def test_a_part_is_taken_when_the_agent_takes_its_media_type(
    takes: tuple[str, ...], part: Part, taken: bool
) -> None:
    store = MemoryStore()
    actor = Actor(play, AgentInfo("Actor", "Plays.", input_modes=takes))
    async with open_supervisor(actor, store, WORKSPACE) as supervisor:
        service = Service(supervisor, store)
        message = structs.replace(saying(), parts=(part,))
        if taken:
            assert (await send(service, message)).status.state is TaskState.COMPLETED
        else:
            with pytest.raises(ContentTypeNotSupported, match=takes[0]):
                await send(service, message)


# A mere message


class Greeter(Actor):
    """Answers a greeting without making a task of it."""

    def reply(self, message: Message, conversation: str) -> tuple[Part, ...] | None:
        return (Part(text="hello"),) if message.parts[0].text == "hi" else None


async def test_a_backend_may_answer_with_a_mere_message() -> None:
    store = MemoryStore()
    async with open_supervisor(Greeter(play), store, WORKSPACE) as supervisor:
        service = Service(supervisor, store)
        for answer in (
            await service.send(ANONYMOUS, request(saying("hi", context_id="c"))),
            await service.stream(ANONYMOUS, request(saying("hi", context_id="c"))),
        ):
            assert isinstance(answer, Message)
            assert (answer.role, answer.context_id, answer.task_id) == (Role.AGENT, "c", "")
            assert answer.parts == (Part(text="hello"),)
        first = await service.send(ANONYMOUS, request(saying("hi")))
        assert isinstance(first, Message)
        assert first.context_id
        assert (await service.list(ANONYMOUS, ListTasksRequest())).total_size == 0
        task = await send(service, "ask")
        task = await send(service, saying("hi", task_id=task.id))
        assert response(task) == "hi it is"


# Streams


async def test_a_stream_tells_the_whole_story_of_its_task(service: Service) -> None:
    stream = await service.stream(ANONYMOUS, request(saying("hello")))
    assert not isinstance(stream, Message)
    assert stream.task.status.state is TaskState.SUBMITTED
    events = await told(stream)
    assert states(events) == ["WORKING", "COMPLETED"]
    final = await get(service, stream.task.id)
    assert replay(stream.task, events) == structs.replace(final, history=stream.task.history)


async def test_two_who_follow_hear_the_same_and_leaving_disturbs_nobody(
    service: Service,
) -> None:
    task, first = await begin(service, "ask")
    second = await subscribe(service, task.id)
    third = await subscribe(service, task.id)
    with trio.move_on_after(0):
        await third.follower.more()
    await send(service, saying("this", task_id=task.id))
    assert second.task == task
    end = replay(first.task, await told(first))
    again = replay(second.task, await told(second))
    assert (again.status, again.artifacts) == (end.status, end.artifacts)


async def test_a_stream_with_an_answer_begins_after_the_answer(service: Service) -> None:
    task = await send(service, "ask")
    stream = await service.stream(ANONYMOUS, request(saying("this", task_id=task.id)))
    assert not isinstance(stream, Message)
    assert stream.task.status.state is TaskState.WORKING
    assert words(stream.task.history[-1]) == "this"
    assert states(await told(stream)) == ["COMPLETED"]


async def test_an_ended_task_cannot_be_subscribed_to(service: Service) -> None:
    task = await send(service)
    with pytest.raises(UnsupportedOperation, match="COMPLETED"):
        await subscribe(service, task.id)


# Cancelling


async def test_an_ended_task_cannot_be_cancelled(service: Service) -> None:
    done = await send(service)
    with pytest.raises(TaskNotCancelable, match="COMPLETED"):
        await service.cancel(ANONYMOUS, CancelTaskRequest(done.id))
    task, _ = await begin(service, "wait")
    await service.cancel(ANONYMOUS, CancelTaskRequest(task.id))
    with pytest.raises(TaskNotCancelable, match="CANCELED"):
        await service.cancel(ANONYMOUS, CancelTaskRequest(task.id))
    assert await get(service, done.id) == done


async def test_a_cancel_answers_with_the_task_as_it_ended(service: Service) -> None:
    task, _ = await begin(service, "wait")
    ended = await service.cancel(ANONYMOUS, CancelTaskRequest(task.id))
    assert ended.status.state is TaskState.CANCELED
    assert ended == await get(service, task.id)
    assert data(ended.status.message)["stopReason"] == "cancelled"


async def test_a_blocking_send_returns_when_its_task_is_cancelled(service: Service) -> None:
    answers: list[Task] = []

    async def wait() -> None:
        answers.append(await send(service, "wait"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await wait_all_tasks_blocked()
        (task_id,) = service.supervisor.runs
        await service.cancel(ANONYMOUS, CancelTaskRequest(task_id))
    assert [task.status.state for task in answers] == [TaskState.CANCELED]


async def test_a_task_outlives_the_caller_that_started_it(service: Service) -> None:
    with trio.CancelScope() as caller:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send, service, "ask")
            await wait_all_tasks_blocked()
            (task_id,) = service.supervisor.runs
            caller.cancel()
    task = await send(service, saying("this", task_id=task_id))
    assert response(task) == "this it is"


# Whose task it is


async def test_a_strangers_task_does_not_exist(service: Service) -> None:
    """V10-MUST-005, V10-MUST-018, V10-MUST-023, V10-MUST-024, V10-MUST-033, V10-MUST-062,
    V10-MUST-064, V10-MUST-144, V10-MUST-146 to V10-MUST-148, V10-SHOULD-032."""
    task = await send(service, "ask")
    done = await send(service)
    for task_id in (task.id, done.id, "never-was"):
        refused: list[str] = []
        for attempt in (
            lambda: service.get(STRANGER, GetTaskRequest(task_id)),  # noqa: B023
            lambda: service.cancel(STRANGER, CancelTaskRequest(task_id)),  # noqa: B023
            lambda: service.subscribe(STRANGER, SubscribeToTaskRequest(task_id)),  # noqa: B023
            lambda: service.send(STRANGER, request(saying(task_id=task_id))),  # noqa: B023
            lambda: service.stream(STRANGER, request(saying(task_id=task_id))),  # noqa: B023
        ):
            with pytest.raises(TaskNotFound) as caught:
                await attempt()
            refused.append(caught.value.message)
        assert set(refused) == {f"Task not found: {task_id}"}
    assert (await service.list(STRANGER, ListTasksRequest())).tasks == ()
    assert await get(service, task.id) == task


# Listing


def put(
    store: MemoryStore,
    name: str,
    *,
    time: str = "2026-01-01T00:00:00.000Z",
    state: TaskState = TaskState.WORKING,
    context: str = "c",
    owner: str = ANONYMOUS.name,
) -> None:
    """A task that another process of ours could have left."""
    record = Record(name, context, owner, TaskStatus(TaskState.SUBMITTED, None, time))
    for number in range(3):
        record.hear(Message(f"{name}{number}", Role.USER, (Part(text=str(number)),)))
    store.begin(Beginning(record, "/workspace", {}, Choices()), nothing)
    artifact = Artifact("a", (Part(text="out"),))
    events = (
        TaskArtifactUpdateEvent(name, context, artifact),
        TaskStatusUpdateEvent(name, context, TaskStatus(state, None, time)),
    )

    def told(items: Sequence[Item]) -> None:
        for item in items:
            record.take(item)

    store.append(record, events, told)


def at(second: int) -> str:
    return f"2026-01-01T00:00:{second:02}.000Z"


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
async def lister(store: MemoryStore) -> AsyncIterator[Service]:
    async with open_stage(play, store=store) as service:
        yield service


async def listed(service: Service, **fields: object) -> list[str]:
    answer = await service.list(ANONYMOUS, ListTasksRequest(**fields))  # type: ignore[arg-type]
    return [task.id for task in answer.tasks]


async def test_tasks_are_listed_newest_status_first(lister: Service, store: MemoryStore) -> None:
    for name, second in (("a", 2), ("b", 3), ("c", 1)):
        put(store, name, time=at(second))
    assert await listed(lister) == ["b", "a", "c"]


@given(
    tasks=st.lists(
        st.tuples(st.integers(0, 4), st.sampled_from(["WORKING", "FAILED"])), max_size=12
    ),
    size=st.integers(1, 5),
    later=st.lists(st.integers(5, 9), max_size=3),
)
async def test_pages_are_a_partition_in_order_even_when_tasks_come_in_between(
    tasks: list[tuple[int, str]], size: int, later: list[int]
) -> None:
    store = MemoryStore()
    for number, (second, state) in enumerate(tasks):
        put(store, f"t{number}", time=at(second), state=TaskState[state])
    async with open_stage(play, store=store) as service:
        whole = await service.list(ANONYMOUS, ListTasksRequest(page_size=100))
        assert (whole.total_size, whole.next_page_token) == (len(tasks), "")
        seen: list[Task] = []
        token = ""
        while True:
            page = await service.list(ANONYMOUS, ListTasksRequest(page_size=size, page_token=token))
            assert page.page_size == size
            assert len(page.tasks) == size or not page.next_page_token
            seen += page.tasks
            token = page.next_page_token
            if not token:
                break
            if later:
                second = later.pop()
                put(store, f"later{second}{len(later)}", time=at(second))
    assert seen == list(whole.tasks)
    times = [task.status.timestamp for task in seen]
    assert times == sorted(times, reverse=True)


FILTERS: list[tuple[dict[str, object], list[str]]] = [
    ({}, ["d", "c", "b", "a"]),
    ({"context_id": "c2"}, ["c"]),
    ({"context_id": "none"}, []),
    ({"status": TaskState.COMPLETED}, ["d", "b"]),
    ({"status": TaskState.INPUT_REQUIRED}, ["c"]),
    ({"status": TaskState.UNSPECIFIED}, ["d", "c", "b", "a"]),
    ({"status_timestamp_after": at(2)}, ["d", "c", "b"]),
    ({"status_timestamp_after": "2026-01-01T00:00:02.001Z"}, ["d", "c"]),
    ({"status": TaskState.COMPLETED, "status_timestamp_after": at(3)}, ["d"]),
]


@pytest.mark.parametrize(("fields", "names"), FILTERS)
async def test_a_list_holds_what_its_filters_let_through(
    lister: Service, store: MemoryStore, fields: dict[str, object], names: list[str]
) -> None:
    put(store, "a", time=at(1))
    put(store, "b", time=at(2), state=TaskState.COMPLETED)
    put(store, "c", time=at(3), state=TaskState.INPUT_REQUIRED, context="c2")
    put(store, "d", time=at(4), state=TaskState.COMPLETED)
    put(store, "strange", time=at(5), owner=STRANGER.name)
    assert await listed(lister, **fields) == names


@pytest.mark.parametrize("state", [TaskState.WORKING, TaskState.COMPLETED])
async def test_a_listed_task_has_its_history_and_its_artifacts_only_on_request(
    lister: Service, store: MemoryStore, state: TaskState
) -> None:
    put(store, "a", state=state)

    async def first(**fields: object) -> Task:
        request = ListTasksRequest(**fields)  # type: ignore[arg-type]
        return (await lister.list(ANONYMOUS, request)).tasks[0]

    assert (await first()).artifacts == ()
    assert (await first(include_artifacts=True)).artifacts[0].parts == (Part(text="out"),)
    assert len((await first(history_length=2)).history) == 2
    assert (await first(history_length=0)).history == ()


async def test_a_page_holds_fifty_tasks_and_at_most_a_hundred(
    lister: Service, store: MemoryStore
) -> None:
    for number in range(LARGEST_PAGE + 1):
        put(store, f"t{number}")
    assert (PAGE, LARGEST_PAGE) == (50, 100)
    assert len(await listed(lister)) == PAGE
    assert len(await listed(lister, page_size=LARGEST_PAGE)) == LARGEST_PAGE
    for size in (0, -1, LARGEST_PAGE + 1):
        with pytest.raises(InvalidParams) as caught:
            await listed(lister, page_size=size)
        assert caught.value.violations[0].field == "pageSize"


@pytest.mark.parametrize(
    "token",
    ["x", "!!!!", "bm90IGpzb24=", "W10=", "WyJhIl0=", "WzEsMl0=", "é", "\ud800", "a" * 5, "="],
    ids=ascii,
)
async def test_a_page_token_that_was_never_given_is_refused(lister: Service, token: str) -> None:
    with pytest.raises(InvalidParams) as caught:
        await listed(lister, page_token=token)
    assert caught.value.violations[0].field == "pageToken"


@given(st.text(min_size=1))
async def test_no_invented_page_token_breaks_the_server(token: str) -> None:
    async with open_stage(play) as service:
        with pytest.raises(InvalidParams):
            await listed(service, page_token=token)


# What is not here yet


async def test_what_is_not_offered_is_refused_as_such(service: Service) -> None:
    configuration = SendMessageConfiguration(
        task_push_notification_config=TaskPushNotificationConfig("https://example.org")
    )
    with pytest.raises(PushNotificationNotSupported):
        await service.send(ANONYMOUS, SendMessageRequest(saying(), configuration=configuration))
    with pytest.raises(ExtendedAgentCardOff):
        await service.extended_card(ANONYMOUS, None)


class Waiting(MemoryStore):
    """A store that lets others go first before it says what was sent."""

    async def sent(self, owner: str, key: str) -> Sent | None:
        sent = await super().sent(owner, key)
        await trio.lowlevel.checkpoint()
        return sent


async def test_what_is_sent_twice_at_once_with_one_key_is_done_once() -> None:
    tasks: set[str] = set()
    message = saying("wait")

    async def once_more(service: Service, key: str) -> None:
        task = await service.send(ANONYMOUS, request(message, wait=False), key=key)
        assert isinstance(task, Task)
        tasks.add(task.id)

    async with open_stage(play, store=Waiting()) as service:
        for keys in (["k", "k", "k"], ["a", "b"]):
            tasks.clear()
            async with trio.open_nursery() as nursery:
                for key in keys:
                    nursery.start_soon(once_more, service, key)
            assert len(tasks) == len(set(keys))
