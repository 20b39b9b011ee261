"""Delivery that survives: what a webhook is told is kept, and told to its end by whichever server;
what was given up can be told again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence

import pytest
import trio
import trio.testing
from attrs import define, evolve, field, frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from a2acore.backend import Notice, Question, Saying, Text, Turn
from a2acore.errors import TooBusy
from a2acore.limits import Limits
from a2acore.model import (
    DeleteTaskPushNotificationConfigRequest,
    Task,
    TaskArtifactUpdateEvent,
    TaskState,
    TaskStatus,
    TaskStatusUpdateEvent,
)
from a2acore.push import Patience
from a2acore.push.rounds import LANES, LOOK
from a2acore.service import ANONYMOUS, Caller
from a2acore.store import MemoryStore
from a2acore.wire import v10
from tests.receiver import Letter, Receiver, Reply, never, statuses
from tests.register import Register
from tests.scene import (
    ADDRESS,
    ended,
    kinds,
    listed,
    open_scene,
    quick,
    set_push,
    tell,
    told,
    webhook,
)
from tests.shelf import events_of
from tests.stage import Actor, get, joined, replay, saying, send

OLD = Caller(line="0.3")
IMPATIENT = Patience(attempts=2)
SLOW = Patience(attempts=3, pause=200)
each_line = pytest.mark.parametrize("caller", [OLD, ANONYMOUS], ids=["0.3", "1.0"])
Clock = trio.testing.MockClock


def id_of(letter: Letter) -> str:
    return letter.headers["x-a2a-notification-id"]


def span(letter: Letter) -> tuple[int, int]:
    """The numbers of the first and the last event that a letter tells."""
    first, _, last = id_of(letter).rpartition(":")[2].partition("-")
    return int(first), int(last)


def numbers(letters: Iterable[Letter]) -> list[int]:
    """The numbers of all events that letters tell, repeated letters taken once."""
    spans = dict.fromkeys(span(letter) for letter in letters)
    return [number for first, last in spans for number in range(first, last + 1)]


@define(eq=False)
class Resumable(Actor):
    """An actor who can go on where its server ended."""

    async def resume(self, turn: Turn) -> str | None:
        return await self.play(turn)


async def hang(turn: Turn) -> str | None:
    turn.say(Text("so far"))
    await trio.sleep_forever()
    return None


async def ask(turn: Turn) -> str | None:
    await turn.ask(Question("And?"))
    return None


def killing(
    register: Register, at: int, copies: list[Register]
) -> Callable[[Letter], Awaitable[Reply]]:
    """Takes letters until one comes in the middle of which the server is killed."""
    count = 0

    async def answer(letter: Letter) -> Reply:
        nonlocal count
        count += 1
        if count == at:
            copies.append(register.as_killed())
        if count >= at:
            await trio.sleep_forever()
        return Reply()

    return answer


# After a crash


@each_line
@pytest.mark.parametrize("play", [quick, hang])
async def test_the_letter_that_was_under_way_is_posted_again_under_its_id_and_then_the_next(
    caller: Caller, play: Callable[[Turn], Awaitable[str | None]], autojump_clock: Clock
) -> None:
    register, copies = Register(), list[Register]()
    async with open_scene(play, store=register) as scene:
        before = scene.hook(killing(register, 1 if caller is OLD else 2, copies))
        await tell(scene, webhook(), caller=caller, wait=False)
        await trio.testing.wait_all_tasks_blocked()
    under_way = before.letters[len(before.letters) - 1]
    async with open_scene(play, store=copies[0], hooks={ADDRESS: Receiver()}) as scene:
        after = scene.network.hosts[ADDRESS]
        letters = await after.until(lambda letters: letters and told(letters[-1]) in OVER)
    assert id_of(letters[0]) == id_of(under_way)
    if caller is not OLD:
        assert letters[0].body == under_way.body
    everything = [*before.letters, *letters]
    assert numbers(everything) == list(range(1, span(letters[-1])[1] + 1))
    async with open_scene(play, store=copies[0]) as scene:
        assert await copies[0].behind() == []


OVER = ("completed", "failed", "canceled")


async def test_who_was_told_everything_of_a_task_that_goes_on_is_told_what_comes_next(
    autojump_clock: Clock,
) -> None:
    register = Register()
    async with open_scene(Resumable(ask), store=register) as scene:
        before = scene.hook(statuses())
        task = await tell(scene, webhook())
        await trio.testing.wait_all_tasks_blocked()
        assert told(before.letters[-1]) == "input-required"
        left = register.as_killed()
    async with open_scene(Resumable(ask), store=left) as scene:
        after = scene.hook(statuses())
        await trio.testing.wait_all_tasks_blocked()
        await send(scene.service, saying("yes", task_id=task.id))
        letters = await after.until(ended)
    assert numbers([*before.letters, *letters]) == list(range(1, span(letters[-1])[1] + 1))


async def test_the_end_of_a_task_that_comes_while_a_server_looks_who_is_behind_is_told(
    autojump_clock: Clock,
) -> None:
    register, copies = Register(), list[Register]()
    async with open_scene(Resumable(ask), store=register) as scene:
        before = scene.hook(statuses())
        await tell(scene, webhook(), caller=OLD)
        await trio.testing.wait_all_tasks_blocked()
        left = register.as_killed()
    left.hesitant = True
    async with open_scene(Resumable(quick), store=left) as scene:
        after = scene.hook(killing(left, 2, copies))
        await after.until(ended)
        await trio.testing.wait_all_tasks_blocked()
    assert copies == []
    [log] = left.logs.values()
    assert span(after.letters[0]) == (span(before.letters[-1])[1] + 1, len(events_of(log)))


async def test_a_stop_leaves_to_the_next_server_what_could_not_be_told(
    autojump_clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    register = Register()
    async with open_scene(quick, store=register) as scene:
        before = scene.hook(statuses(*[503] * 99))
        await tell(scene, webhook())
        await before.count(2)
    assert await register.dead_letters() == []
    assert not caplog.records
    async with open_scene(quick, store=register.as_killed()) as scene:
        letters = await scene.hook(statuses()).until(ended)
    assert id_of(letters[0]) == id_of(before.letters[0])
    assert kinds(letters) == ["working", "done", "completed"]


async def test_the_webhook_of_an_ended_task_stays_silent_after_a_restart(
    autojump_clock: Clock,
) -> None:
    register = Register()
    async with open_scene(quick, store=register) as scene:
        task = await send(scene.service)
        await set_push(scene, task.id, id="c")
    async with open_scene(quick, store=register.as_killed()) as scene:
        hook = scene.hook(statuses())
        await trio.sleep(600)
        assert await listed(scene, task.id) == ["c"]
    assert hook.letters == []


async def test_whoever_is_late_hears_the_whole_task_when_its_events_are_gone(
    autojump_clock: Clock,
) -> None:
    register = Register()
    async with open_scene(quick, store=register) as scene:
        before = scene.hook(never)
        await tell(scene, webhook())
        await before.count(1)
    left = register.as_killed()
    left.forgetful = True
    async with open_scene(quick, store=left) as scene:
        hook = scene.hook(statuses())
        await trio.sleep(600)
    assert [list(letter.json) for letter in hook.letters] == [["task"], ["task"]]
    assert id_of(hook.letters[0]) == id_of(before.letters[0])
    assert numbers(hook.letters) == [1, 2, 3, 4]


async def test_after_a_restart_so_many_letters_are_posted_at_a_time_and_no_more(
    autojump_clock: Clock,
) -> None:
    register = Register()
    async with open_scene(quick, store=register) as scene:
        for _ in range(LANES + 8):
            await tell(scene, webhook())
    async with open_scene(quick, store=register.as_killed(), hooks={ADDRESS: Receiver(never)}) as s:
        hook = s.network.hosts[ADDRESS]
        await trio.testing.wait_all_tasks_blocked()
        assert len(hook.letters) == LANES


async def test_a_webhook_that_the_server_would_no_longer_take_is_not_posted_to(
    autojump_clock: Clock,
) -> None:
    register = Register()
    async with open_scene(quick, store=register) as scene:
        await tell(scene, webhook())
    for key, hook in register.hooks.items():
        inside = evolve(hook, config=webhook("http://10.0.0.1/", id=key[1], task_id=key[0]))
        register.hooks[key] = inside
    async with open_scene(quick, store=register.as_killed()) as scene:
        inner = scene.hook(statuses(), at="10.0.0.1")
        await trio.sleep(600)
        [dead] = await scene.service.store.dead_letters()
    assert inner.letters == []
    assert "not public" in dead.why


# Kept before it is posted


async def test_a_letter_waits_until_it_is_kept_that_it_is_under_way(
    autojump_clock: Clock,
) -> None:
    register = Register()
    async with open_scene(hang, store=register) as scene:
        hook = scene.hook(statuses())
        task = await send(scene.service, wait=False)
        await trio.testing.wait_all_tasks_blocked()
        await set_push(scene, task.id, id="c")
        register.trouble = "the disk is full"
        run = scene.service.supervisor.runs[task.id]
        run.journal.append(run.scribe.status(TaskState.WORKING, "2026-01-01T00:00:00.000Z"))
        await trio.sleep(60)
        assert hook.letters == []
        register.trouble = ""
        register.keep_all()
        await trio.sleep(60)
        assert kinds(hook.letters) == ["working"]


# What is given up


async def test_while_a_webhook_is_dead_it_has_one_dead_letter_which_grows(
    autojump_clock: Clock,
) -> None:
    async def play(turn: Turn) -> str | None:
        for n in range(5):
            turn.say(Notice(f"look {n}", "note"))
            await trio.sleep(1000)
        return None

    store = MemoryStore()
    async with open_scene(play, store=store, patience=IMPATIENT) as scene:
        task = await tell(scene, webhook(id="c"), wait=False)
        await trio.sleep(100)
        [first] = await store.dead_letters()
        await trio.sleep(6000)
        [last] = await store.dead_letters()
    assert (first.task_id, first.webhook_id, first.first, first.last) == (task.id, "c", 1, 2)
    assert (last.first, last.last) == (1, 7)
    assert "nobody is there" in last.why
    assert last.timestamp > ""
    assert not last.wanted


async def test_refused_letters_are_dead_too_and_those_between_which_none_is_taken_are_one(
    autojump_clock: Clock,
) -> None:
    store = MemoryStore()
    async with open_scene(quick, store=store) as scene:
        hook = scene.hook(statuses(400, 410))
        await tell(scene, webhook())
        letters = await hook.until(ended)
        await trio.testing.wait_all_tasks_blocked()
        [dead] = await store.dead_letters()
    assert kinds(letters) == ["working", "done", "completed"]
    assert (dead.first, dead.last, dead.why) == (1, 3, "it answered 410")


async def test_a_letter_that_is_taken_parts_the_dead_ones(autojump_clock: Clock) -> None:
    store = MemoryStore()
    async with open_scene(quick, store=store) as scene:
        await tell(scene, webhook())
        hook = scene.hook(statuses(400, 200, 400))
        await hook.count(3)
        await trio.testing.wait_all_tasks_blocked()
        dead = await store.dead_letters()
    assert [(letter.first, letter.last) for letter in dead] == [(1, 1), (4, 4)]


async def test_a_whole_task_that_was_under_way_is_followed_by_no_event_that_was_in_it(
    autojump_clock: Clock,
) -> None:
    """It failed meanwhile, and shows that."""
    register, copies = Register(), list[Register]()
    async with open_scene(hang, store=register, patience=IMPATIENT) as scene:
        task = await tell(scene, webhook(), wait=False)
        await trio.sleep(1)
        before = scene.hook(killing(register, 1, copies))
        [dead] = await register.dead_letters()
        run = scene.service.supervisor.runs[task.id]
        run.say(Notice("look", "note"))
        await before.count(1)
    async with open_scene(hang, store=copies[0]) as scene:
        after = scene.hook(statuses())
        await trio.sleep(60)
    assert span(before.letters[0])[0] == dead.last + 1
    assert id_of(after.letters[0]) == id_of(before.letters[0])
    assert [(list(letter.json), told(letter)) for letter in after.letters] == [
        (["task"], "failed"),
        (["task"], "failed"),
    ]


async def test_behind_a_hole_comes_the_whole_task_also_after_a_restart(
    autojump_clock: Clock,
) -> None:
    async def play(turn: Turn) -> str | None:
        turn.say(Text("one "))
        await turn.ask(Question("And?"))
        turn.say(Text("two"))
        return None

    register = Register()
    async with open_scene(Resumable(play), store=register, patience=IMPATIENT) as scene:
        await tell(scene, webhook())
        await trio.sleep(600)
        left = register.as_killed()
    async with open_scene(Resumable(play), store=left) as scene:
        hook = scene.hook(statuses())
        [dead] = await left.dead_letters()
        [first, *_] = await hook.count(1)
    assert list(first.json) == ["task"]
    assert span(first)[0] == dead.last + 1


async def test_a_hole_stays_one_when_the_letter_is_forgotten_that_was_lost_in_it(
    autojump_clock: Clock,
) -> None:
    register = Register()
    async with open_scene(Resumable(ask), store=register, patience=IMPATIENT) as scene:
        await tell(scene, webhook())
        await trio.sleep(600)
        left = register.as_killed()
    assert left.graves
    left.graves.clear()
    async with open_scene(Resumable(ask), store=left) as scene:
        [first, *_] = await scene.hook(statuses()).count(1)
    assert list(first.json) == ["task"]


async def test_what_a_whole_task_showed_is_told_by_no_event_after_a_second_crash_either(
    autojump_clock: Clock,
) -> None:
    """It was a whole task that was under way both times, and showed more than its number says."""

    async def play(turn: Turn) -> str | None:
        await trio.sleep_forever()
        return None

    register, copies = Register(), list[Register]()
    async with open_scene(play, store=register, patience=IMPATIENT) as scene:
        task = await tell(scene, webhook(), wait=False)
        await trio.sleep(1)
        before = scene.hook(killing(register, 1, copies))
        scene.service.supervisor.runs[task.id].say(Notice("look", "note"))
        await before.count(1)
    async with open_scene(play, store=copies[0]) as scene:
        between = scene.hook(killing(copies[0], 2, copies))
        await between.count(2)
        await trio.testing.wait_all_tasks_blocked()
    async with open_scene(play, store=copies[1]) as scene:
        after = scene.hook(statuses())
        await trio.sleep(60)
    assert id_of(after.letters[0]) == id_of(between.letters[1])
    assert [list(letter.json) for letter in after.letters] == [["task"]]


async def test_a_webhook_that_is_deleted_takes_its_dead_letters_along(
    autojump_clock: Clock,
) -> None:
    store = MemoryStore()
    async with open_scene(quick, store=store, patience=IMPATIENT) as scene:
        task = await tell(scene, webhook(id="c"))
        await trio.sleep(600)
        assert len(await store.dead_letters()) == 1
        request = DeleteTaskPushNotificationConfigRequest(task.id, "c")
        await scene.service.delete_push(ANONYMOUS, request)
        assert await store.dead_letters() == []


async def test_dead_webhooks_of_ended_tasks_leave_their_room_to_tasks_that_run(
    autojump_clock: Clock,
) -> None:
    """Without that, who has a dead webhook could for a while start no tasks with one."""
    store, who = MemoryStore(), Caller("somebody")
    limits = Limits(webhooks_per_caller=2)
    async with open_scene(quick, store=store, limits=limits) as scene:
        tasks = []
        for _ in range(4):
            tasks.append(await tell(scene, webhook(), caller=who))
            await trio.testing.wait_all_tasks_blocked()
        dead = await store.dead_letters()
    assert [letter.task_id for letter in dead] == [task.id for task in tasks[:2]]
    assert {(letter.first, letter.last) for letter in dead} == {(1, 4)}
    assert {letter.why for letter in dead} == {"it was late, and others needed the room"}


async def test_a_webhook_that_is_only_slow_is_not_given_up_for_another(
    autojump_clock: Clock,
) -> None:
    store, who = MemoryStore(), Caller("somebody")
    async with open_scene(quick, store=store, limits=Limits(webhooks_per_caller=1)) as scene:
        hook = scene.hook(never)
        await tell(scene, webhook(), caller=who)
        await hook.count(1)
        with pytest.raises(TooBusy):
            await tell(scene, webhook(), caller=who)
        assert await store.dead_letters() == []


# Again


async def test_a_dead_letter_that_is_wanted_is_posted_again_as_it_was(
    autojump_clock: Clock,
) -> None:
    register = Register()
    async with open_scene(quick, store=register) as scene:
        hook = scene.hook(statuses(200, 400))
        await tell(scene, webhook())
        await hook.until(ended)
        [dead] = await register.dead_letters()
        await trio.sleep(60)
        assert len(hook.letters) == 3
        register.want_all()
        letters = await hook.count(4)
        await trio.sleep(60)
        assert await register.dead_letters() == []
        assert len(letters) == 4
    assert (dead.first, dead.last) == span(letters[1])
    assert (id_of(letters[3]), letters[3].body) == (id_of(letters[1]), letters[1].body)


async def test_a_dead_letter_that_is_wanted_is_tried_once_and_stays_if_that_fails(
    autojump_clock: Clock,
) -> None:
    register = Register()
    async with open_scene(quick, store=register) as scene:
        hook = scene.hook(statuses(400, 200, 200, 503))
        await tell(scene, webhook())
        await hook.until(ended)
        register.want_all()
        await trio.sleep(600)
        [dead] = await register.dead_letters()
        assert len(hook.letters) == 4
    assert (dead.why, dead.wanted) == ("it answered 503", False)


async def test_a_letter_that_is_wanted_goes_before_the_one_that_is_waiting_for_its_next_try(
    autojump_clock: Clock,
) -> None:
    """Whoever wants it knows that the webhook is well again."""

    async def play(turn: Turn) -> str | None:
        await trio.sleep(1000)
        return None

    register = Register()
    async with open_scene(play, store=register, patience=SLOW) as scene:
        await tell(scene, webhook(), wait=False)
        await trio.sleep(1040)
        [dead] = await register.dead_letters()
        hook, began = scene.hook(statuses()), trio.current_time()
        register.want_all()
        letters = await hook.count(2)
        assert trio.current_time() - began <= LOOK
        await trio.testing.wait_all_tasks_blocked()
        assert await register.dead_letters() == []
    assert [span(letter) for letter in letters] == [(1, 1), (2, 2)]
    assert [list(letter.json) for letter in letters] == [["task"], ["task"]]
    assert (dead.first, dead.last) == (1, 1)


async def test_who_was_shown_the_whole_task_again_is_told_nothing_of_it_twice(
    autojump_clock: Clock,
) -> None:
    """The letter that was waiting is the whole task as well, or its piece would be there twice."""
    register, go_on = Register(), trio.Event()

    async def play(turn: Turn) -> str | None:
        turn.say(Notice("look", "note"))
        await go_on.wait()
        turn.say(Text("piece"))
        await trio.sleep_forever()
        return None

    async with open_scene(play, store=register, patience=SLOW) as scene:
        hook = scene.hook(statuses(400, 400, 503))
        await tell(scene, webhook(), wait=False)
        await hook.count(2)
        go_on.set()
        await hook.count(3)
        register.want_all()
        letters = await hook.count(5)
    assert [span(letter) for letter in letters[2:5]] == [(3, 3), (1, 2), (3, 3)]
    forms = ["artifactUpdate", "task", "task"]
    assert [[*letter.json] for letter in letters[2:5]] == [[form] for form in forms]


async def test_who_was_shown_the_whole_task_again_is_told_nothing_of_it_twice_by_the_next_server(
    autojump_clock: Clock,
) -> None:
    register, copies, go_on = Register(), list[Register](), trio.Event()

    async def play(turn: Turn) -> str | None:
        turn.say(Notice("look", "note"))
        await go_on.wait()
        turn.say(Text("piece"))
        await trio.sleep_forever()
        return None

    async def answer(letter: Letter) -> Reply:
        if len(hook.letters) == 5:
            copies.append(register.as_killed())
        return Reply(dict(enumerate([400, 400, 503], 1)).get(len(hook.letters), 200))

    async with open_scene(play, store=register, patience=SLOW) as scene:
        hook = scene.hook(answer)
        await tell(scene, webhook(), wait=False)
        await hook.count(2)
        go_on.set()
        await hook.count(3)
        register.want_all()
        await hook.count(5)
        await trio.testing.wait_all_tasks_blocked()
    assert list(hook.letters[3].json) == ["task"]
    async with open_scene(play, store=copies[0]) as scene:
        letters = await scene.hook(statuses()).count(2)
    assert "artifactUpdate" not in [form for letter in letters for form in letter.json]


async def test_a_whole_task_that_was_given_up_is_the_whole_task_again_when_it_is_wanted(
    autojump_clock: Clock,
) -> None:
    """Its one event was in the whole task that the webhook took last."""
    register, go_on = Register(), trio.Event()

    async def play(turn: Turn) -> str | None:
        turn.say(Notice("look", "note"))
        await go_on.wait()
        turn.say(Text("piece"))
        await trio.sleep_forever()
        return None

    async with open_scene(play, store=register, patience=SLOW) as scene:
        hook = scene.hook(statuses(400, 400, 503, 200, 503, 503, 503))
        await tell(scene, webhook(), wait=False)
        await hook.count(2)
        go_on.set()
        await hook.count(3)
        register.want_all()
        await hook.count(7)
        await trio.testing.wait_all_tasks_blocked()
        register.want_all()
        letters = await hook.count(8)
    assert [span(letter) for letter in letters[3:8]] == [(1, 2), *[(3, 3)] * 4]
    assert [list(letter.json) for letter in letters[3:8]] == [["task"]] * 5


async def test_letters_to_two_webhooks_of_a_task_can_be_told_apart(autojump_clock: Clock) -> None:
    """Both may lead to one receiver, who takes each letter once."""
    async with open_scene(ask) as scene:
        hook = scene.hook(statuses())
        task = await tell(scene, webhook(id="one"))
        await set_push(scene, task.id, id="two")
        await send(scene.service, saying("yes", task_id=task.id))
        await trio.sleep(60)
    assert len({id_of(letter) for letter in hook.letters}) == len(hook.letters)


async def test_a_letter_is_wanted_while_no_server_runs_and_the_next_one_posts_it(
    autojump_clock: Clock,
) -> None:
    register = Register()
    async with open_scene(quick, store=register, patience=IMPATIENT) as scene:
        await tell(scene, webhook(), caller=OLD)
        await trio.sleep(600)
    left = register.as_killed()
    left.want_all()
    async with open_scene(quick, store=left) as scene:
        hook = scene.hook(statuses())
        await trio.sleep(600)
        assert await left.dead_letters() == []
    [letter] = hook.letters
    assert letter.json["artifacts"][0]["parts"] == [{"kind": "text", "text": "done"}]
    assert span(letter) == (1, 4)


async def test_without_its_events_a_dead_letter_is_the_whole_task(autojump_clock: Clock) -> None:
    store = MemoryStore()
    async with open_scene(quick, store=store) as scene:
        hook = scene.hook(statuses(200, 400))
        task = await tell(scene, webhook())
        await hook.until(ended)
        [dead] = await store.dead_letters()
        store.bury(evolve(dead, wanted=True))
        letters = await hook.count(4)
    assert id_of(letters[3]) == id_of(letters[1])
    assert letters[3].json["task"]["id"] == task.id


# All of it


@frozen
class Life:
    """How a webhook answers one server, and after how many letters that is killed."""

    answers: tuple[str, ...]
    letters: int


@define(eq=False)
class Reader:
    """A receiver that knows what docs/webhooks.md says: a letter counts once, and old ones not."""

    task: Task | None = None
    last: int = 0
    seen: set[str] = field(factory=set)

    def take(self, letter: Letter) -> None:
        first, last = span(letter)
        if id_of(letter) in self.seen or last <= self.last:
            return
        event = READ(letter.body)
        if isinstance(event, Task):
            self.task = event
        else:
            assert first == self.last + 1, "an event behind a hole"
            assert isinstance(event, TaskStatusUpdateEvent | TaskArtifactUpdateEvent)
            self.task = replay(self.task or Task(event.task_id, NOT_YET), [event])
        self.seen.add(id_of(letter))
        self.last = last


NOT_YET = TaskStatus(TaskState.SUBMITTED)
READ = v10.client("HTTP+JSON").event


@define(eq=False)
class Server:
    """One of the servers, and how the webhook answers it."""

    life: Life
    register: Register
    reader: Reader
    killed: trio.Event = field(factory=trio.Event)
    left: Register | None = None
    """What the next server finds."""
    _letters: int = 0

    async def answer(self, letter: Letter) -> Reply:
        if self.killed.is_set():
            await trio.sleep_forever()
        how = self.life.answers[self._letters] if self._letters < len(self.life.answers) else "take"
        self._letters += 1
        if how == "want":
            self.register.want_all()
        elif how != "fail":
            self.reader.take(letter)
        if self._letters == self.life.letters:
            self.left = self.register.as_killed()
            self.killed.set()
        return Reply(200 if how == "take" else 503)


sayings = st.one_of(
    st.builds(Text, st.sampled_from(["a", "b", "c"])),
    st.just(Notice("look", "note")),
    st.sampled_from([0.5, 20.0]),
)
answers = st.lists(st.sampled_from(["take", "take", "late", "fail", "want"]), max_size=8)
lives = st.lists(st.builds(Life, answers.map(tuple), st.integers(1, 8)), max_size=3)


@settings(max_examples=60, deadline=None)
@given(st.lists(sayings, max_size=10), lives)
def test_whatever_happens_on_the_way_a_webhook_ends_up_with_the_task(
    said: list[Saying | float], lives: list[Life]
) -> None:
    """Answers that get lost, attempts that fail, servers that are killed while a letter is under
    way; and what was given up is wanted, now and then and in the end."""
    trio.run(live, said, lives, clock=Clock(autojump_threshold=0))


async def live(said: Sequence[Saying | float], lives: Sequence[Life]) -> None:
    async def play(turn: Turn) -> str | None:
        for each in said:
            if isinstance(each, float):
                await trio.sleep(each)
            else:
                turn.say(each)
        return None

    register, reader = Register(), Reader()
    for life in (*lives, Life((), 0)):
        server = Server(life, register, reader)
        hooks = {ADDRESS: Receiver(server.answer)}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(register.keep_in_batches)
            async with open_scene(play, store=register, patience=IMPATIENT, hooks=hooks) as scene:
                if not register.begun:
                    await tell(scene, webhook(), wait=False)
                with trio.move_on_after(1000):  # or all is told before so many letters
                    await server.killed.wait()
            nursery.cancel_scope.cancel()
        register = server.left or register.as_killed()
    [id] = register.begun
    register.want_all()
    async with open_scene(play, store=register, hooks={ADDRESS: Receiver(server.answer)}) as scene:
        await trio.sleep(1000)
        assert await register.dead_letters() == []
        end = await get(scene.service, id)
    assert reader.task is not None
    assert reader.task.status == end.status
    assert [joined(each) for each in reader.task.artifacts] == [joined(a) for a in end.artifacts]
