"""How documents are written: a look at all that the server said."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from a2acli.conformance.peer import Peer
from a2acli.conformance.registry import check
from a2acli.conformance.shapes import Problem
from a2acli.conformance.stories import enough
from a2acli.conformance.verdict import Failed, NotApplicable, expect

CAMEL = re.compile(r"[a-z][A-Za-z0-9]*")


def problems(peer: Peer) -> Iterator[tuple[str, Problem]]:
    """All that is wrong with the documents that came, and which of them it is."""
    looked = False
    for seen in peer.seen:
        # Line 0.3 has no name for what lists webhooks.
        judge = peer.judge(seen.document)
        if seen.type in judge.table and seen.type != "AgentCard":
            looked = True
            for problem in judge.problems(seen.type, seen.document):
                yield seen.where, problem
    if not looked:
        raise NotApplicable("nothing came that could be looked at")


async def none(peer: Peer, is_one: Callable[[Problem], object]) -> None:
    """Fail with the first problem of a sort."""
    await enough(peer)
    for where, problem in problems(peer):
        if is_one(problem):
            raise Failed(f"in {where}, {problem}")


def _last(problem: Problem) -> str:
    return re.sub(r"\[\d+\]$", "", problem.path).rpartition(".")[2]


@check("V10-MUST-002", last=True)
async def documents_are_those_of_the_data_model(peer: Peer) -> None:
    await none(
        peer, lambda problem: problem.kind in ("type", "unknown") and _last(problem) != "kind"
    )


@check("V10-MUST-088", last=True)
async def members_are_in_camel_case(peer: Peer) -> None:
    await none(peer, lambda each: each.kind == "unknown" and not CAMEL.fullmatch(_last(each)))


@check("V10-SHOULD-003", last=True)
async def nothing_has_a_kind(peer: Peer) -> None:
    await none(peer, lambda problem: problem.kind == "unknown" and _last(problem) == "kind")


@check("V10-MUST-089", last=True)
async def enums_are_names(peer: Peer) -> None:
    await none(peer, lambda problem: problem.kind == "word")


@check("V10-MUST-090", "V10-MUST-091", "V10-MUST-092", last=True)
async def times_are_utc(peer: Peer) -> None:
    await none(peer, lambda problem: problem.kind == "time")


@check("V10-SHOULD-046", last=True)
async def times_have_milliseconds(peer: Peer) -> None:
    await enough(peer)
    found = list(_times(peer))
    if not found:
        raise NotApplicable("no time was told")
    for time in found:
        expect(re.search(r"\.\d{3,}", time), f"a time without milliseconds: {time!r}")


def _times(peer: Peer) -> Iterator[str]:
    def walk(said: Any) -> Iterator[str]:
        if isinstance(said, dict):
            for member, value in said.items():
                if member == "timestamp" and isinstance(value, str):
                    yield value
                elif member not in ("metadata", "data"):
                    yield from walk(value)
        elif isinstance(said, list):
            for each in said:
                yield from walk(each)

    for seen in peer.seen:
        yield from walk(seen.document)


@check("V10-MUST-093", "V03-MUST-044", last=True)
async def what_is_required_is_there(peer: Peer) -> None:
    await none(peer, lambda problem: problem.kind == "missing" and _last(problem) != "final")


@check("V10-MUST-094", "V03-MUST-044", last=True)
async def what_must_not_be_empty_is_not(peer: Peer) -> None:
    await none(peer, lambda problem: problem.kind == "empty")


@check("V03-MUST-044", last=True)
async def members_have_their_types(peer: Peer) -> None:
    await none(peer, lambda problem: problem.kind in ("type", "time", "word"))


@check("V10-MUST-095", "V03-MUST-046", last=True)
async def exactly_one_where_there_is_a_choice(peer: Peer) -> None:
    await none(peer, lambda problem: problem.kind == "choice")


@check("V03-MUST-045", last=True)
async def parts_are_of_one_kind(peer: Peer) -> None:
    await none(
        peer, lambda each: each.kind in ("word", "choice", "missing") and ".parts[" in each.path
    )


@check("V03-MUST-047", last=True)
async def kinds_have_their_values(peer: Peer) -> None:
    if peer.way.proto:
        raise NotApplicable("documents of the proto form have no kind")
    await none(
        peer, lambda problem: problem.kind in ("word", "missing") and _last(problem) == "kind"
    )


@check("V03-MUST-042", last=True)
async def final_is_always_said(peer: Peer) -> None:
    await none(peer, lambda problem: problem.kind == "missing" and _last(problem) == "final")
