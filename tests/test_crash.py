"""The crash harness: what is wrong is found, and a server that is killed again and again is not.

`python -m tests.crash` does more of it.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import evolve

from tests.crash.checker import Found, Life, begun_once, examine, in_turn
from tests.crash.ledger import (
    LATER,
    REFUSED,
    TAKEN,
    Account,
    Closing,
    Heard,
    Hook,
    Ledger,
    Letter,
    Shown,
)
from tests.crash.letters import examine_hooks, heard_all, owed
from tests.crash.orphans import left_of
from tests.crash.past import Said, past, sight
from tests.crash.scenes import AGENTS
from tests.crash.servers import ECHO, HASTY, agents
from tests.crash.site import TRACE
from tests.crash.storm import Storm, Verdict, blow

GUARD = 180.0
"""Seconds after which a storm is taken to hang, on a machine that is busy with much else."""
TASK, CONTEXT = "task-1", "context-1"
LIVES = (Life("2026-01-01T10:00"), Life("2026-01-01T11:01"))


def status(state: str, minute: str, id: str = "", request: str = "") -> Said:
    """A status, in the form of line 1.0."""
    said: dict[str, Any] = {"state": f"TASK_STATE_{state}", "timestamp": f"2026-01-01T{minute}"}
    if id:
        metadata = {"urn:a2acode:work:v1": {"requestId": request}}
        said["message"] = {"messageId": id, "metadata": metadata}
    return said


def update(state: str, minute: str, id: str = "", request: str = "") -> Said:
    named = {"taskId": TASK, "contextId": CONTEXT}
    return {"statusUpdate": {**named, "status": status(state, minute, id, request)}}


def text(words: str, *, append: bool = True) -> Said:
    artifact = {"artifactId": "response", "parts": [{"text": words}]}
    return {"artifactUpdate": {"taskId": TASK, "artifact": artifact, "append": append}}


EVENTS: Sequence[Said] = (
    update("WORKING", "10:01"),
    text("you said: ", append=False),
    update("INPUT_REQUIRED", "10:02", "m1", "r1"),
    update("INPUT_REQUIRED", "11:02", "m2", "r2"),  # the server was killed in between
    update("WORKING", "11:03"),
    text("answer-1f\n"),
    text("and that is all"),
    update("COMPLETED", "11:04", "m3"),
)


def task(number: int, *heard: str) -> Said:
    """The task as it stood after that event."""
    then = past(EVENTS[:number])
    states = [event["statusUpdate"]["status"] for event in then.events if "statusUpdate" in event]
    artifacts = [
        {"artifactId": name, "parts": [{"text": said}]} for name, said in then.texts[-1].items()
    ]
    return {
        "id": TASK,
        "contextId": CONTEXT,
        "status": states[-1] if states else status("SUBMITTED", "10:00"),
        "artifacts": artifacts,
        "history": [{"messageId": id, "role": "ROLE_USER"} for id in heard],
    }


END = Found(task(8, "u1", "u2"), EVENTS, lines=1)


def told() -> Account:
    """What callers were told of that task, all of it true."""
    ledger = Ledger()
    ledger.show(task(0, "u1"), "stream", ledger.tick(), 0)
    for number in (1, 2, 3):
        ledger.hear(TASK, number, EVENTS[number - 1], number - 1)
    ledger.show(task(3, "u1"), "get", ledger.tick())
    ledger.show(task(5, "u1", "u2"), "send", ledger.tick())
    for number in (4, 5, 6, 7, 8):
        ledger.hear(TASK, number, EVENTS[number - 1], number - 1)
    ledger.show(task(8, "u1", "u2"), "list", ledger.tick())
    account = ledger.accounts[TASK]
    account.hooks.append(Hook("hook", old=False, whole=True, letters=letters()))
    return account


def letter(first: int, last: int, status: int = TAKEN) -> Letter:
    """What a webhook is told of some events; if they are more than one, of a text."""
    body = EVENTS[first - 1]
    if last > first:
        body = text("".join(_words(event) for event in EVENTS[first - 1 : last]))
    return Letter(f"{TASK}:abc:{first}-{last}", body, status)


def _words(event: Said) -> str:
    said: str = event["artifactUpdate"]["artifact"]["parts"][0]["text"]
    return said


def letters() -> list[Letter]:
    """All that a webhook has to be told: once at least, joined where they may be."""
    first = [letter(number, number) for number in (1, 2, 3)]
    again = [letter(4, 4, LATER), letter(4, 4), letter(4, 4)]
    return [*first, *again, letter(5, 5), letter(6, 7), letter(8, 8)]


def kinds(account: Account, found: Found = END, lives: Sequence[Life] = LIVES) -> set[str]:
    return {fault.kind for fault in examine(account, found, lives)}


def found(events: Sequence[Said], number: int | None = None, **changes: Any) -> Found:
    """What a server says whose log has other events."""
    then = past(events)
    last = [event["statusUpdate"]["status"] for event in events if "statusUpdate" in event][-1]
    parts = then.texts[-1].get("response", "")
    artifacts = [{"artifactId": "response", "parts": [{"text": parts}]}] if parts else []
    said = {**task(8, "u1", "u2"), "status": last, "artifacts": artifacts, **changes}
    return Found(said, events, lines=1)


# The truth is not found to be wrong


def test_what_is_true_passes() -> None:
    account = told()
    assert examine(account, END, LIVES) == []
    assert examine_hooks(account, past(EVENTS), quiet=True) == []
    assert heard_all(account, past(EVENTS))


# Everything else is


def test_a_task_that_was_told_of_and_is_not_there_is_lost() -> None:
    assert kinds(told(), Found(None)) == {"lost"}


def test_an_event_that_was_told_and_is_not_there_is_lost() -> None:
    assert "lost" in kinds(told(), found(EVENTS[:7]))


def test_an_event_that_has_become_another_one_is_lost() -> None:
    assert "lost" in kinds(told(), found([*EVENTS[:6], text("and that was all"), EVENTS[7]]))


def test_a_task_that_has_gone_back_is_lost() -> None:
    account = told()
    account.shown.append(Shown(sight(task(3, "u1")), "get", asked=1000, told=1001))
    assert kinds(account) == {"lost"}


def test_a_task_as_it_never_was_is_lost() -> None:
    account = told()
    seen = evolve(sight(task(7, "u1", "u2")), texts={"response": "you said: something"})
    account.shown.append(Shown(seen, "get", asked=1000, told=1001))
    assert kinds(account) == {"lost"}


def test_a_message_that_was_heard_and_is_not_in_the_history_is_lost() -> None:
    assert kinds(told(), found(EVENTS, history=task(8, "u1")["history"])) == {"lost"}


def test_a_task_that_its_log_does_not_amount_to_is_lost() -> None:
    assert "lost" in kinds(told(), Found(task(7, "u1", "u2"), EVENTS, 1))


def test_an_event_that_a_stream_leaves_out_or_tells_twice_is_found() -> None:
    for number, behind in ((6, 4), (6, 6)):
        account = told()
        account.heard.append(Heard(number, EVENTS[number - 1], behind, told=1000))
        assert kinds(account) == {"doubled"}


def test_two_ends_in_the_log_are_found() -> None:
    ends = [*EVENTS, update("FAILED", "11:05", "m4")]
    assert "two ends" in kinds(told(), found(ends))


def test_an_end_that_was_told_and_became_another_one_is_found() -> None:
    account = told()
    failed = {**task(8, "u1", "u2"), "status": status("FAILED", "11:05", "m4")}
    account.shown.append(Shown(sight(failed), "get", asked=1000, told=1001))
    assert "two ends" in kinds(account)


def test_something_that_comes_after_the_end_is_found() -> None:
    assert "two ends" in kinds(told(), found([*EVENTS, text("!")]))


def test_a_message_that_is_heard_twice_is_found() -> None:
    assert kinds(told(), found(EVENTS, history=task(8, "u1", "u2", "u2")["history"])) == {"doubled"}


def test_an_answer_that_counts_twice_is_found() -> None:
    twice = [*EVENTS[:6], text("answer-1f"), EVENTS[7]]
    assert "doubled" in kinds(Account(TASK, CONTEXT), found(twice))


def test_a_request_that_the_next_server_asks_under_the_same_id_is_found() -> None:
    same = [*EVENTS[:3], update("INPUT_REQUIRED", "11:02", "m2", "r1"), *EVENTS[4:]]
    assert kinds(Account(TASK, CONTEXT), found(same)) == {"doubled"}


@pytest.mark.parametrize("lines", [0, 2])
def test_work_that_is_done_twice_or_not_at_all_is_found(lines: int) -> None:
    assert kinds(told(), evolve(END, lines=lines)) == {"doubled"}


@pytest.mark.parametrize("number", [1, 3])
def test_a_task_at_which_nobody_is_at_work_is_not_honest(number: int) -> None:
    left = Found(task(number, "u1"), EVENTS[:number])
    assert kinds(Account(TASK, CONTEXT), left) == {"dishonest"}
    assert kinds(Account(TASK, CONTEXT), left, LIVES[:1]) == set()


def test_two_tasks_of_one_message_are_found() -> None:
    tasks = [task(8, "u1"), {**task(3, "u1"), "id": "task-2"}]
    assert [fault.kind for fault in begun_once(tasks)] == ["doubled"]
    assert begun_once([task(8, "u1"), task(3, "u2")]) == []


def test_a_turn_that_does_not_wait_for_the_one_ahead_of_it_is_found() -> None:
    end = sight(task(8))
    turns = [Closing(end, "2026-01-01T10:01"), Closing(end, "2026-01-01T11:04")]
    assert in_turn(CONTEXT, turns) == []
    assert [fault.kind for fault in in_turn(CONTEXT, turns[::-1])] == ["doubled"]


# Webhooks

Change = Callable[[list[Letter]], list[Letter]]
WRONG: Mapping[str, Change] = {
    "one is missing in the middle": lambda all: [*all[:2], *all[3:]],
    "the first one is missing": lambda all: all[1:],
    "the last one is missing": lambda all: all[:-1],
    "the last one was not taken": lambda all: [*all[:-1], letter(8, 8, LATER)],
    "two have changed places": lambda all: [all[1], all[0], *all[2:]],
    "one comes again behind another": lambda all: [*all[:3], all[1], *all[3:]],
    "one has become another": lambda all: [evolve(all[0], body=EVENTS[1]), *all[1:]],
    "one is another the second time": lambda all: [*all, evolve(all[-1], body=EVENTS[0])],
    "one is of another task": lambda all: [evolve(all[0], id="task-2:abc:1-1"), *all[1:]],
    "one has no name": lambda all: [evolve(all[0], id=""), *all[1:]],
    "one has less than it says": lambda all: [*all[:7], evolve(all[7], body=EVENTS[5]), all[8]],
}


@pytest.mark.parametrize("what", WRONG)
def test_letters_are_not_right_when(what: str) -> None:
    account = told()
    account.hooks[0].letters = WRONG[what](letters())
    assert {fault.kind for fault in examine_hooks(account, past(EVENTS), quiet=True)} == {"webhook"}


def test_what_a_webhook_has_refused_is_owed_until_it_comes_again() -> None:
    account = told()
    [*others, last] = [each for each in letters() if "6-7" not in each.id]
    hook = account.hooks[0]
    hook.letters = [*others, letter(6, 7, REFUSED), last]
    assert examine_hooks(account, past(EVENTS), quiet=True) == []
    assert owed(hook) == {6, 7}
    hook.letters.append(letter(6, 7))
    assert examine_hooks(account, past(EVENTS), quiet=True) == []
    assert owed(hook) == set()


def test_a_webhook_hears_all_from_when_its_caller_knows_of_it() -> None:
    account = told()
    account.hooks = [Hook("late", old=False, whole=False, told=5, letters=letters()[6:])]
    account.shown = [Shown(sight(task(4, "u1")), "get", asked=6, told=7, number=4)]
    assert examine_hooks(account, past(EVENTS), quiet=True) == []
    account.hooks[0].letters = letters()[7:]
    assert examine_hooks(account, past(EVENTS), quiet=True) != []


def test_a_webhook_of_line_03_is_told_the_task_as_it_stands_or_it_is_found() -> None:
    for number, right in ((8, True), (6, False)):
        account = told()
        all_of_it = Letter(f"{TASK}:abc:1-8", task(number, "u1", "u2"), TAKEN)
        account.hooks = [Hook("old", old=True, whole=True, letters=[all_of_it])]
        assert (examine_hooks(account, past(EVENTS), quiet=True) == []) is right


# Storms


def test_a_process_of_an_earlier_life_is_an_orphan() -> None:
    for life, found in ((1, False), (2, True)):
        trace = {TRACE: "here:1"}
        with subprocess.Popen(["sleep", "60"], env={**os.environ, **trace}) as process:
            left = left_of("here", life)
            process.kill()
        assert (left == [f"sleep ({process.pid}) of life 1"]) is found
    assert left_of("here", 2) == []


async def storm(storm: Storm, folder: Path) -> Verdict:
    lines: list[str] = []
    with trio.fail_after(GUARD):
        verdict = await blow(storm, folder, lines.append)
    assert sum(line.startswith("kill ") for line in lines) == storm.kills
    return verdict


async def test_nothing_that_a_killed_server_told_is_untrue_afterwards(tmp_path: Path) -> None:
    verdict = await storm(Storm(ECHO, kills=8, seed=1, callers=6), tmp_path)
    assert verdict.faults == []
    assert verdict.compared


async def test_agents_of_a_killed_server_do_not_outlive_the_next(tmp_path: Path) -> None:
    command = agents(tmp_path / "memory")
    (tmp_path / "memory").mkdir()
    verdict = await storm(Storm(command, kills=2, seed=2, scenes=AGENTS, callers=4), tmp_path)
    assert verdict.faults == []


async def test_a_server_that_promises_too_early_is_caught(tmp_path: Path) -> None:
    verdict = await storm(Storm(HASTY, kills=2, seed=5, callers=6, quiet=3.0), tmp_path)
    assert "lost" in {fault.kind for fault in verdict.faults}
