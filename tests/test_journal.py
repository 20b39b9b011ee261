"""One order of events, and any number of followers."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from a2acore.journal import AT_ONCE, PIECE, FellBehind, Follower, Journal
from a2acore.model import TaskState, TaskStatus, TaskStatusUpdateEvent
from a2acore.work import Written


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


# Told in pieces


FORMS = ("one", "two")
RUNS = st.tuples(st.just("append"), st.sampled_from([1, 3, AT_ONCE + 1]), st.integers(0, 2))
JOINS = st.tuples(st.just("join"), st.integers(0, 400), st.sampled_from(FORMS))
READS = st.tuples(st.just("read"), st.integers(0, 5), st.none())
MUCH = (1, PIECE // 3, PIECE + 1)
"""Bytes that an event has in some form."""


def written(form: str, number: int, size: int) -> bytes:
    return f"{form} {number}".encode().ljust(MUCH[size])


@given(
    window=st.sampled_from([2, 10_000]), script=st.lists(RUNS | JOINS | READS | READS, max_size=40)
)
async def test_what_is_told_in_pieces_is_all_of_it_once_and_in_order_whoever_shares_it(
    window: int, script: list[tuple[str, int, object]]
) -> None:
    """Steps: append some events of a size; join in a form, so many events before the last one, with
    as many from elsewhere as the journal has forgotten; have a follower told what one piece holds.
    """
    journal = Journal(window)
    sizes: list[int] = []
    followers: list[tuple[Follower, str, int]] = []
    events: list[TaskStatusUpdateEvent] = []
    for what, many, how in script:
        if what == "append":
            for _ in range(many):
                events.append(event(len(sizes)))
                sizes.append(int(str(how)))
                journal.append(events[-1])
        elif what == "join":
            at = max(0, len(sizes) - many)
            here = at
            while (follower := journal.follow_behind(at, events[at:here])) is None:
                here += 1
            followers.append((follower, str(how), here))
        elif (
            many < len(followers)
            and followers[many][0].number < len(sizes)
            and not await told(*followers[many], sizes, window)
        ):
            del followers[many]
    journal.close()
    for follower, form, here in followers:
        while follower.number < len(sizes) and await told(follower, form, here, sizes, window):
            pass
        if follower.number == len(sizes):
            assert await follower.some() == ()


async def told(follower: Follower, form: str, here: int, sizes: list[int], window: int) -> bool:
    """Have it told one piece, which must be what comes next; whether it may go on.

    Up to number `here` it brought along what it hears, so that it cannot fall behind.
    """
    at = follower.number
    try:
        news = await follower.some()
    except FellBehind:
        assert at >= here
        assert len(sizes) - at > window
        return False
    assert news

    def write(event: Written) -> bytes:
        return written(form, int(event.context_id), sizes[int(event.context_id)])

    texts = follower.texts(form, news, write)
    assert 0 < len(texts) <= AT_ONCE
    assert sum(map(len, texts[:-1])) < PIECE
    assert list(texts) == [written(form, n, sizes[n]) for n in range(at, at + len(texts))]
    assert follower.number == at + len(texts)
    return True


async def test_who_keeps_up_with_another_has_nothing_written_anew() -> None:
    journal = Journal()
    followers = [journal.follow() for _ in range(3)]
    made: list[str] = []

    def write(event: Written) -> bytes:
        made.append(event.context_id)
        return event.context_id.encode()

    for number in range(0, 6, 2):
        journal.append(event(number))
        journal.append(event(number + 1))
        for follower in followers:
            news = await follower.some()
            assert news is not None
            assert len(follower.texts("form", news, write)) == 2
    assert made == ["0", "1", "2", "3", "4", "5"]


async def test_who_brings_less_along_than_others_heard_is_told_that_much_and_then_the_rest() -> (
    None
):
    journal = Journal()
    for number in range(2):
        journal.append(event(number))
    first, second = journal.follow_from_start(), journal.follow_behind(0, [event(0)])
    assert second is not None
    heard: list[Sequence[bytes]] = []
    for follower in (first, second, second):
        news = await follower.some()
        assert news is not None
        heard.append(follower.texts("form", news, lambda event: event.context_id.encode()))
    assert heard == [[b"0", b"1"], [b"0"], [b"1"]]


async def test_who_is_stirred_hears_silence_and_then_goes_on_where_it_was() -> None:
    journal = Journal()
    heard: list[int | None] = []
    patient: list[int] = []

    async def listen(follower: Follower) -> None:
        while (news := await follower.some()) != ():
            heard.extend([None] if news is None else [int(each.context_id) for each in news])

    async def wait(follower: Follower) -> None:
        patient.extend(await hear(follower))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(listen, journal.follow())
        nursery.start_soon(wait, journal.follow())
        for number in range(2):
            await wait_all_tasks_blocked()
            journal.stir()
            await wait_all_tasks_blocked()
            journal.append(event(number))
            journal.stir()  # they have been woken already, and have something to hear
        await wait_all_tasks_blocked()
        journal.close()
        journal.stir()
    assert heard == [None, 0, None, 1]
    assert patient == [0, 1]


# Falling behind


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
