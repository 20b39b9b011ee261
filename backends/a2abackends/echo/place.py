"""Where a turn stands when it asks its caller, so that it can go on there after a restart.

A place is the way to a step: its index among the steps of the turn; then, where that step is a
permission whose answer was followed, 1 for allowed or 0 for denied, and the index in that branch;
and so on. The steps themselves are not kept: the message and the script give them again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import msgspec

from a2abackends.echo.steps import AskCredential, AskPermission, AskQuestion, Reply, Step
from a2acore.backend import AgentFailed, Turn
from a2acore.model import Metadata

Place = tuple[int, ...]
Placed = tuple[Place, Step | Reply]


class SoFar(msgspec.Struct):
    """What a turn has come to by now, beside what it has said."""

    answer: str = ""
    """What the caller said last, when asked."""
    written: int = 0
    """Characters said so far, thought or answered."""
    calls: int = 0
    artifacts: int = 0
    spent: bool = False
    """Whether a step said what the turn has used."""


class Kept(msgspec.Struct, frozen=True):
    """What is kept of a turn that asks: its task, its number in its context, and its place."""

    task: str
    turn: int
    at: Place
    so_far: SoFar


def keep(turn: Turn, number: int, at: Place, so_far: SoFar) -> None:
    """Keep where the turn stands. To be called right before it asks."""
    kept: Metadata = msgspec.to_builtins(Kept(turn.task_id, number, at, so_far))
    turn.keep_session(kept)


def kept(turn: Turn) -> Kept:
    """Where the turn stood. A later turn of its context may have kept its own place since.

    Raises:
        AgentFailed: nothing of this turn was kept.
    """
    try:
        kept = msgspec.convert(turn.session, Kept)
    except msgspec.ValidationError as exc:
        raise lost() from exc
    if kept.task != turn.task_id:
        raise lost()
    return kept


def placed(steps: Iterable[Step | Reply], above: Place = ()) -> Iterator[Placed]:
    """Steps with their places; `above` is the way to where they stand."""
    return (((*above, index), step) for index, step in enumerate(steps))


def onward(
    steps: Iterable[Step | Reply], at: Place, above: Place = ()
) -> tuple[Iterator[Placed], ...]:
    """What is to be played from a place on, that step included: innermost first.

    Raises:
        AgentFailed: nothing is asked there: the script is another one by now.
    """
    left = islice(placed(steps, above), at[0], None)
    step = next(left, (at, None))[1]
    match step, at[1:]:
        case AskPermission() | AskQuestion() | AskCredential(), ():
            here = iter([((*above, at[0]), step)])
            return here, left
        case AskPermission(), (allowed, *inward) if inward:
            branch = step.on_allow if allowed else step.on_deny
            return *onward(branch, tuple(inward), (*above, at[0], allowed)), left
    raise lost()


def lost() -> AgentFailed:
    """The failure of a turn that cannot go on."""
    return AgentFailed(
        "The server was restarted, and where this turn stood is not known",
        stop_reason="interrupted",
    )
