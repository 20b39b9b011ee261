"""One order of events, and any number of followers."""

from __future__ import annotations

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from a2acore.journal import FellBehind, Follower, Journal
from a2acore.model import TaskState, TaskStatus, TaskStatusUpdateEvent


def event(number: int, state: TaskState = TaskState.WORKING) -> TaskStatusUpdateEvent:
    return TaskStatusUpdateEvent("t", str(number), TaskStatus(state))


async def hear(follower: Follower) -> list[int]:
    heard: list[int] = []
    while more := await follower.more():
        heard += [int(told.context_id) for told in more]
    return heard


STEPS = st.lists(st.sampled_from(["append", "join", "read"]) | st.integers(0, 5), max_size=60)


@given(STEPS)
async def test_a_follower_hears_all_from_where_it_joined_once_and_in_order(
    steps: list[str | int],
) -> None:
    """Steps: append an event, a new follower, or a number: that follower reads what there is."""
    journal = Journal()
    joined: list[int] = []
    followers: list[Follower] = []
    heard: list[list[int]] = []
    appended = 0
    for step in steps:
        if step == "append":
            journal.append(event(appended))
            appended += 1
        elif step == "join":
            followers.append(journal.follow())
            joined.append(appended)
            heard.append([])
        elif (
            isinstance(step, int)
            and step < len(followers)
            and joined[step] + len(heard[step]) < appended
        ):
            heard[step] += [int(e.context_id) for e in await followers[step].more()]
    journal.close()
    for follower, known in zip(followers, heard, strict=True):
        known += await hear(follower)
    assert heard == [list(range(start, appended)) for start in joined]


@given(window=st.integers(1, 5), pauses=st.lists(st.integers(0, 12), max_size=12))
async def test_a_slow_follower_is_cut_off_and_never_skips(window: int, pauses: list[int]) -> None:
    """`pauses`: how many events are appended before the follower reads again."""
    journal = Journal(window)
    follower = journal.follow()
    appended = heard = 0
    for pause in pauses:
        for _ in range(pause):
            journal.append(event(appended))
            appended += 1
        behind = appended - heard
        if not behind:
            continue
        try:
            more = await follower.more()
        except FellBehind:
            assert behind > window
            return
        assert [int(e.context_id) for e in more] == list(range(heard, appended))
        heard = appended


async def test_a_follower_that_fell_behind_may_join_again() -> None:
    journal = Journal(window=2)
    slow = journal.follow()
    for number in range(9):
        journal.append(event(number))
    with pytest.raises(FellBehind):
        await slow.more()
    again = journal.follow()
    journal.append(event(9))
    journal.close()
    assert await hear(again) == [9]


async def test_a_follower_that_fell_behind_is_told_so_even_when_all_is_over() -> None:
    journal = Journal(window=1)
    slow = journal.follow()
    for number in range(4):
        journal.append(event(number))
    journal.close()
    with pytest.raises(FellBehind):
        await slow.more()


async def test_many_waiting_followers_hear_the_same() -> None:
    journal = Journal()
    stories: list[list[int]] = []

    async def listen() -> None:
        stories.append(await hear(journal.follow()))

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(listen)
        for number in range(3):
            await wait_all_tasks_blocked()
            journal.append(event(number))
        journal.close()
    assert stories == [[0, 1, 2]] * 20


async def test_who_joins_a_closed_journal_hears_that_it_is_over() -> None:
    journal = Journal()
    journal.append(event(0))
    journal.close()
    assert await journal.follow().more() == ()


async def test_a_follower_may_leave_in_the_middle_without_a_trace() -> None:
    journal = Journal()
    follower = journal.follow()
    with trio.move_on_after(0):
        await follower.more()
    journal.append(event(0))
    assert len(await follower.more()) == 1


RESTS = [state for state in TaskState if state.name not in ("SUBMITTED", "WORKING", "UNSPECIFIED")]


@pytest.mark.parametrize("state", RESTS)
async def test_a_task_rests_when_it_pauses_or_ends(state: TaskState) -> None:
    journal = Journal()
    journal.append(event(0, state))  # the pause before: it is not waited for
    rested = trio.Event()

    async def wait() -> None:
        await journal.wait_rest()
        rested.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await wait_all_tasks_blocked()
        journal.append(event(1, TaskState.SUBMITTED))
        journal.append(event(2, TaskState.WORKING))
        await wait_all_tasks_blocked()
        assert not rested.is_set()
        journal.append(event(3, state))
        with trio.fail_after(5):
            await rested.wait()
