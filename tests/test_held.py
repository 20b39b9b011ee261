"""What is said while a task is paused: told behind the answer, in short, and nothing is missing."""

from __future__ import annotations

import pytest
import trio
from hypothesis import example, given
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from a2acore.backend import (
    FileChange,
    Notice,
    Output,
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
from a2acore.held import ROOM, Held
from a2acore.lifecycle import Record
from a2acore.model import Artifact, Part, Task, TaskState, TaskStatus, TaskStatusUpdateEvent
from a2acore.work import Scribe, Written
from tests.stage import (
    WORKSPACE,
    artifacts_of,
    begin,
    data,
    get,
    open_stage,
    response,
    saying,
    send,
    told,
    words,
)

BEFORE, NOW = "2026-01-02T03:04:05.678Z", "2026-01-02T04:05:06.789Z"

SAYINGS = st.one_of(
    st.builds(Text, st.text("ab", max_size=2)),
    st.builds(Thought, st.text("cd", max_size=2)),
    st.builds(
        ToolCall,
        st.sampled_from("12"),
        status=st.sampled_from(["pending", "in_progress", "completed"]),
    ),
    st.builds(
        FileChange,
        st.sampled_from(["a", "b"]),
        st.just("x\n"),
        st.sampled_from(["x\n", "y\n", None]),
        moved_from=st.sampled_from(["", "", "b"]),
    ),
    st.builds(Plan, st.tuples(st.builds(PlanEntry, st.sampled_from("pq")))),
    st.builds(Notice, st.sampled_from("no")),
    st.builds(Usage, st.integers(0, 9)),
    st.builds(
        Output,
        st.builds(
            Artifact,
            st.sampled_from(["o", "response"]),
            st.sampled_from([(Part(text="t"),), (Part(data=1),), (Part(text="u", filename="f"),)]),
        ),
        st.booleans(),
        st.booleans(),
    ),
)


def written(sayings: list[Saying]) -> list[Written]:
    scribe = Scribe("t", "c", WORKSPACE)
    return [event for each in sayings for event in scribe.write(each, BEFORE)]


def hold(events: list[Written]) -> list[Written]:
    held = Held()
    for event in events:
        held.add(event)
    assert not held.left_out
    return held.take(NOW)


def whole(events: list[Written]) -> Task:
    """What a task is, of which these are the events."""
    record = Record("t", "c", "me", TaskStatus(TaskState.WORKING, None, BEFORE))
    for event in events:
        record.apply(event)
    end = TaskStatusUpdateEvent("t", "c", TaskStatus(TaskState.COMPLETED, None, BEFORE))
    record.apply(end)
    return record.task()


WHOLE, PIECE = Artifact("o", (Part(data=1),)), Artifact("o", (Part(data=2),))


@example([Output(WHOLE), Output(PIECE, append=True), Output(WHOLE)])
@given(st.lists(SAYINGS, max_size=20))
def test_the_task_is_the_same_as_if_nothing_had_been_held(sayings: list[Saying]) -> None:
    events = written(sayings)
    direct, held = whole(events), whole(hold(events))
    assert {a.artifact_id: a for a in held.artifacts} == {
        a.artifact_id: a for a in direct.artifacts
    }
    assert held.history == direct.history


@given(st.lists(SAYINGS, max_size=20))
def test_what_was_held_bears_the_time_at_which_it_is_told(sayings: list[Saying]) -> None:
    times = {
        event.status.timestamp
        for event in hold(written(sayings))
        if isinstance(event, TaskStatusUpdateEvent)
    }
    assert times <= {NOW}


def test_a_tool_that_reports_again_and_again_is_told_once_where_it_began() -> None:
    tools = [ToolCall("1", status="in_progress", output="x" * n) for n in range(1000)]
    events = hold(written([Text("Look:"), *tools, Text("Done."), ToolCall("1", status="failed")]))
    said, tool, more = events
    assert [event.artifact.parts[0].text for event in artifacts_of([said, more])] == [
        "Look:",
        "Done.",
    ]
    assert isinstance(tool, TaskStatusUpdateEvent)
    assert data(tool.status.message)["status"] == "failed"


def test_a_text_in_a_hundred_thousand_pieces_is_one() -> None:
    [event] = artifacts_of(hold(written([Text("word ")] * 100_000)))
    assert event.artifact.parts[0].text == "word " * 100_000


@pytest.mark.parametrize(
    "flood",
    [
        [Text("x" * 1_000_000)] * 10,
        [ToolCall(str(n), "x") for n in range(10_000)],
        [ToolCall("1", input="x" * n * 1_000_000) for n in range(10)],
        [Thought("a"), Text("b")] * 5_000,
    ],
)
def test_there_is_an_end_to_what_is_held_and_what_is_left_out_is_counted(
    flood: list[Saying],
) -> None:
    held = Held()
    for event in written(flood):
        held.add(event)
    assert held.left_out
    assert len(repr(held.take(NOW))) < 3 * ROOM


async def test_who_floods_a_pause_is_told_of_with_what_was_left_out() -> None:
    flooded = trio.Event()

    async def play(turn: Turn) -> str | None:
        turn.say(Text("before "))
        await turn.ask(Question("?"))
        turn.say(Text("behind"))
        return None

    async def flood(turn: Turn) -> str | None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(play, turn)
            await wait_all_tasks_blocked()
            for _ in range(10):
                turn.say(Text("x" * 1_000_000))
            flooded.set()
        return None

    async with open_stage(flood) as service:
        task, stream = await begin(service)
        await flooded.wait()
        assert response(await get(service, task.id)) == "before "
        await send(service, saying(task_id=task.id))
        await told(stream)
        task = await get(service, task.id)
    assert task.status.state is TaskState.COMPLETED
    assert response(task) == "before " + "x" * 8_000_000 + "behind"
    [notice] = [each for each in task.history if "no room" in words(each)]
    assert data(notice) == {"kind": "notice", "notice": "overlooked", "events": 2}
