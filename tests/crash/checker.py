"""What callers were told of a task, compared with what a server says that was started again.

Rule 1: every task as it was shown is the task as it stood after one of its events; and not one
    before what had been told to somebody before it was asked for.
Rule 2: an event that was told under a number is the event of that number for ever, and a stream
    leaves out none and tells none twice.
Rule 3: a task ends once, and nothing comes after its end.
Rule 4: what a caller said is heard once, and what it asked for is done once.
Rule 5: no task is said to be at work when nobody works on it.

Pure. Each rule is a function that tells what is wrong; the table says of which kind that is.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from attrs import define, field, frozen

from tests.crash.ledger import Account, Closing, Fault
from tests.crash.past import ENDS, PAUSES, Past, Said, Sight, Status, asked, past, sight

ANSWER = re.compile(r"answer-[0-9a-f]+")
"""How callers answer questions: each answer is another one."""
FEW = 3
"""Faults of one rule that are told of one task; they come in crowds."""


@frozen
class Life:
    """One run of the server."""

    began: str
    """When, in the form in which statuses tell their time."""


@frozen
class Found:
    """What a server that was started again says of a task."""

    task: Said | None
    """GetTask; nothing if it is not known."""
    events: Sequence[Said] = ()
    """From the first on, at least as far as the task has come."""
    lines: int | None = None
    """How often its work was done, if that leaves a trace: one line each time."""


@define(eq=False)
class Case:
    """Both sides, and what can be read off them."""

    account: Account
    found: Found
    lives: Sequence[Life]
    """Of the server, the last one being that which was asked."""
    past: Past = field(init=False)
    now: Sight = field(init=False)

    def __attrs_post_init__(self) -> None:
        assert self.found.task is not None
        self.past = past(self.found.events)
        self.now = sight(self.found.task)


Rule = Callable[[Case], Iterator[str]]


def same_events(case: Case) -> Iterator[str]:
    events = case.past.events
    for heard in case.account.heard:
        if heard.number > len(events):
            yield f"event {heard.number} was told, and there are {len(events)}"
        elif events[heard.number - 1] != heard.event:
            now = events[heard.number - 1]
            yield f"event {heard.number} was {dict(heard.event)}, and is {dict(now)}"


def same_tasks(case: Case) -> Iterator[str]:
    for shown in case.account.shown:
        seen = shown.sight
        if shown.number is not None and not case.past.stood(seen, shown.number):
            yield f"{shown.by} told it as {brief(seen)}, and so it was not after {shown.number}"
        elif shown.number is None and not case.past.places(seen):
            yield f"{shown.by} told it as {brief(seen)}, and so it never was"
        elif seen.heard != case.now.heard[: len(seen.heard)]:
            yield f"{shown.by} told what callers said as {seen.heard}, now it is {case.now.heard}"
    if not case.past.places(case.now):
        yield f"it is {brief(case.now)}, and its events do not amount to that"


def never_back(case: Case) -> Iterator[str]:
    """Told in the order in which they were asked for, tasks only go on."""
    known = [(heard.told, heard.number) for heard in case.account.heard]
    seen = []
    for shown in case.account.shown:
        places = [shown.number] if shown.number is not None else case.past.places(shown.sight)
        if places:
            known.append((shown.told, places[0]))
            seen.append((shown, places[-1]))
    known.sort()
    latest = max((place for _, place in known), default=0)
    if max(case.past.places(case.now), default=-1) < latest:
        yield f"it is {brief(case.now)}, and {latest} events had been told"
    told, reached = 0, 0
    for shown, place in sorted(seen, key=lambda each: each[0].asked):
        while told < len(known) and known[told][0] < shown.asked:
            reached = max(reached, known[told][1])
            told += 1
        if place < reached:
            yield f"{shown.by} told it as it was after {place}, when {reached} had been told"


def gapless(case: Case) -> Iterator[str]:
    for heard in case.account.heard:
        if heard.number != heard.behind + 1:
            yield f"a stream told event {heard.number} right behind {heard.behind}"


def one_end(case: Case) -> Iterator[str]:
    ends: set[Status] = {shown.sight.status for shown in case.account.shown}
    ends |= {case.past.statuses[number] for number in case.past.ends}
    ends |= {case.now.status}
    ends = {status for status in ends if status[0] in ENDS}
    for heard in case.account.heard:
        if "statusUpdate" in heard.event:
            told = past([heard.event]).statuses[-1]
            ends |= {told} if told[0] in ENDS else set()
    if len(ends) > 1 or len(case.past.ends) > 1:
        yield f"it ended as {sorted(ends)}, after {case.past.ends}"
    if case.past.ends and case.past.ends[0] != len(case.past.events):
        yield f"it ended with {case.past.ends[0]}, and there are {len(case.past.events)} events"


def heard_once(case: Case) -> Iterator[str]:
    for id, times in Counter(case.now.heard).items():
        if times > 1:
            yield f"the message {id} was heard {times} times"


def counted_once(case: Case) -> Iterator[str]:
    for answer, times in Counter(ANSWER.findall(case.now.texts.get("response", ""))).items():
        if times > 1:
            yield f"{answer} was taken for the answer {times} times"


def asked_in_one_life(case: Case) -> Iterator[str]:
    """What another server asked is asked again under another id."""
    first: dict[str, Life] = {}
    for event in case.past.events:
        update = event.get("statusUpdate")
        request = asked(update) if update is not None else ""
        if update is not None and request:
            life = life_at(case.lives, update["status"]["timestamp"])
            if first.setdefault(request, life) is not life:
                yield f"the request {request} was asked by two servers"


def done_once(case: Case) -> Iterator[str]:
    lines = case.found.lines
    if lines is None:
        return
    if lines > 1:
        yield f"its work was done {lines} times"
    denied = "denied: " in case.now.texts.get("response", "")
    if case.now.state == "completed" and lines != (0 if denied else 1):
        yield f"it is completed, and its work was done {lines} times"


def honest(case: Case) -> Iterator[str]:
    state, since, _ = case.now.status
    if state == "working" and since < case.lives[-1].began:
        yield f"it is working since {since}, and the server only since {case.lives[-1].began}"
    if state in PAUSES and since < case.lives[-1].began:
        yield f"it asks since {since}, and nobody who would hear the answer does"


RULES: Sequence[tuple[str, Rule]] = (
    ("lost", same_events),
    ("lost", same_tasks),
    ("lost", never_back),
    ("doubled", gapless),
    ("two ends", one_end),
    ("doubled", heard_once),
    ("doubled", counted_once),
    ("doubled", asked_in_one_life),
    ("doubled", done_once),
    ("dishonest", honest),
)


def examine(account: Account, found: Found, lives: Sequence[Life]) -> list[Fault]:
    """What is wrong with a task. `account` is what was told before it was asked for."""
    if found.task is None:
        return [Fault("lost", account.id, "it was told of, and is not there")]
    case = Case(account, found, lives)
    return [
        Fault(kind, account.id, what)
        for kind, rule in RULES
        for what, _ in zip(rule(case), range(FEW), strict=False)
    ]


def begun_once(tasks: Iterable[Said]) -> list[Fault]:
    """What is wrong with all the tasks that there are: each message began one."""
    began = Counter(sight(task).heard[0] for task in tasks)
    return [
        Fault("doubled", f"message {id}", f"it began {times} tasks")
        for id, times in began.items()
        if times > 1
    ]


def in_turn(context: str, turns: Sequence[Closing]) -> list[Fault]:
    """What is wrong with the turns of a context, which were begun in that order: one at a time."""
    faults, free = [], ""
    for number, turn in enumerate(turns, 1):
        if turn.began and turn.began < free:
            what = f"turn {number} began at {turn.began}, and the one ahead of it ended at {free}"
            faults.append(Fault("doubled", context, what))
        free = max(free, turn.sight.status[1])
    return faults


def life_at(lives: Sequence[Life], moment: str) -> Life:
    """The life of the server in which something happened."""
    return next(life for life in reversed(lives) if life.began <= moment)


def brief(seen: Sight) -> Mapping[str, object]:
    """A task as it was seen, short enough for a line."""
    texts = {name: f"...{text[-40:]} ({len(text)})" for name, text in seen.texts.items()}
    return {"status": seen.status, "texts": texts}
