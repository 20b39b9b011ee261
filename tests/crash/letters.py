"""What was posted to a webhook, compared with the log of its task.

Rule 1: a letter tells a run of events, and its id says which. Under one id the same is told; but
    the whole task may stand for some of its events, as it tells these too.
Rule 2: letters come in the order of the events, without a gap. One that was taken may be posted
    again, as its server may not have lived to hear so; but not any more when another one was posted
    behind it. What was refused may be posted again whenever somebody wants that.
Rule 3: in the end everything was taken, what was refused only when it was wanted again.

Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from attrs import frozen

from tests.crash.ledger import REFUSED, TAKEN, Account, Fault, Hook, Letter
from tests.crash.past import Past, Said, Sight, sight, words

NAMED = re.compile(r"([^:]+):.*?(\d+)-(\d+)")
"""The id of a letter: the task, something of the webhook's, the first and the last event."""


def examine_hooks(account: Account, past: Past, *, quiet: bool) -> list[Fault]:
    """What is wrong with the posts about a task. `quiet` is when no more are to be expected."""
    rules = (named, alike, in_order, true, *((whole,) if quiet else ()))
    return [
        Fault("webhook", account.id, f"{hook.name}: {what}")
        for hook in account.hooks
        for rule in rules
        for what in rule(Posted(account, hook, past))
    ]


def heard_all(account: Account, past: Past) -> bool:
    """Whether the webhooks of a task have heard all of it."""
    return not any(what for hook in account.hooks for what in whole(Posted(account, hook, past)))


def owed(hook: Hook) -> set[int]:
    """The events that a webhook was told in letters that it refused, and not again since."""
    return events_in(hook, REFUSED) - events_in(hook, TAKEN)


def events_in(hook: Hook, *answers: int) -> set[int]:
    """The events in the letters that were answered so."""
    told = (range(first, last + 1) for each, first, last in runs(hook) if each.status in answers)
    return {number for run in told for number in run}


def runs(hook: Hook) -> Iterator[tuple[Letter, int, int]]:
    """The letters, each with the numbers of its first and last event."""
    for letter in hook.letters:
        if found := NAMED.fullmatch(letter.id):
            yield letter, int(found[2]), int(found[3])


@frozen
class Posted:
    """One webhook's side, and the server's."""

    account: Account
    hook: Hook
    past: Past


def named(posted: Posted) -> Iterator[str]:
    for letter in posted.hook.letters:
        found = NAMED.fullmatch(letter.id)
        if found is None or found[1] != posted.account.id:
            yield f"a letter has the id {letter.id!r}"


def alike(posted: Posted) -> Iterator[str]:
    bodies: dict[str, Said] = {}
    for letter in filter(_tells_events, posted.hook.letters):
        if bodies.setdefault(letter.id, letter.body) != letter.body:
            yield f"{letter.id} told something else when it was posted again"


def in_order(posted: Posted) -> Iterator[str]:
    told, latest = 0, ""
    taken: set[int] = set()
    for letter, first, last in runs(posted.hook):
        events = set(range(first, last + 1))
        if last > told:
            if first != told + 1 and (told or posted.hook.whole):
                yield f"{letter.id} was posted right behind event {told}"
            told, latest = last, letter.id
        elif letter.id != latest and events & taken:
            yield f"{letter.id} was taken, and posted again behind {latest}"
        if letter.taken:
            taken |= events


def true(posted: Posted) -> Iterator[str]:
    events = posted.past.events
    for letter, first, last in runs(posted.hook):
        if _tells_events(letter):
            told = events[first - 1 : last]
            if last <= len(events) and words([letter.body]) != words(told):
                yield f"{letter.id} told {words([letter.body])}, and it was {words(told)}"
        elif max(posted.past.places(_sight(letter)), default=0) < last:
            yield f"{letter.id} told the task as it was not then"


def whole(posted: Posted) -> Iterator[str]:
    begins = 1 if posted.hook.whole else _latest_beginning(posted)
    missing = set(range(begins, len(posted.past.events) + 1))
    missing -= events_in(posted.hook, TAKEN, REFUSED)
    if missing:
        yield f"nobody took the events {sorted(missing)}"


def _latest_beginning(posted: Posted) -> int:
    """The first event that a webhook has to be told which was registered on the way: that behind
    what was the last, as far as can be known, when its caller knew that it is kept."""
    if not posted.hook.told:
        return len(posted.past.events) + 1
    for shown in posted.account.shown:
        places = posted.past.places(shown.sight)
        if shown.asked > posted.hook.told and places:
            return places[-1] + 1
    return len(posted.past.events) + 1


def _tells_events(letter: Letter) -> bool:
    return "statusUpdate" in letter.body or "artifactUpdate" in letter.body


def _sight(letter: Letter) -> Sight:
    return sight(letter.body.get("task", letter.body))
