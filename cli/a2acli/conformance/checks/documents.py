"""The documents under `spec/`: those to be accepted are, those to be refused get their error."""

from __future__ import annotations

from collections.abc import Callable

from a2acli.conformance.faults import Refusal
from a2acli.conformance.fixtures import Fixture, fixtures, play
from a2acli.conformance.peer import Peer
from a2acli.conformance.registry import check
from a2acli.conformance.spelling import JSONRPC, REST
from a2acli.conformance.stories import hello, story
from a2acli.conformance.verdict import Failed, NotApplicable

Played = list[tuple[Fixture, Refusal | Failed | None]]

NO_JSON = ("ParseError", "InvalidRequest")
OF_BAD_REQUESTS = (*NO_JSON, "InvalidParams")


@story
async def played(peer: Peer) -> Played:
    """All documents that can be played on this interface, and how each was refused, if it was."""
    await hello(peer)
    found: Played = []
    for fixture in fixtures(peer.way.line):
        try:
            found.append((fixture, await play(peer, fixture)))
        except Failed as failed:
            found.append((fixture, failed))
        except NotApplicable:
            continue
    return found


async def _all(
    peer: Peer,
    belongs: Callable[[Fixture], object],
    wrong: Callable[[Fixture, Refusal | None], object],
) -> None:
    """Fail with how many of some documents went wrong, and how the first did."""
    some = [(fixture, told) for fixture, told in await played(peer) if belongs(fixture)]
    if not some:
        raise NotApplicable("no document fits this binding")
    bad = [
        f"{fixture}: {'accepted' if told is None else f'gets {told}'}"
        for fixture, told in some
        if isinstance(told, Failed) or wrong(fixture, told)
    ]
    if bad:
        raise Failed(f"{len(bad)} of {len(some)} documents; {bad[0]}")


def _misjudged(fixture: Fixture, told: Refusal | None) -> bool:
    """Whether a good document is refused for what it is.

    A good envelope says nothing of the params in it, nor a good request of the task it names.
    """
    wrong = NO_JSON if fixture.envelope else OF_BAD_REQUESTS
    return told is not None and told.is_a(*wrong)


def _let_through(fixture: Fixture, told: Refusal | None) -> bool:
    """Whether a bad document is accepted, or breaks the server."""
    return told is None or told.is_a("InternalError")


def _mistold(fixture: Fixture, told: Refusal | None) -> bool:
    """Whether a bad document gets another error than its own."""
    return told is not None and not told.is_a(*fixture.errors)


@check("V10-MUST-002", "V03-MUST-044")
async def good_documents_are_accepted(peer: Peer) -> None:
    def belongs(each: Fixture) -> bool:
        return not (each.error or each.envelope or each.futuristic)

    await _all(peer, belongs, _misjudged)


@check("V10-SHOULD-048")
async def unknown_members_are_ignored(peer: Peer) -> None:
    await _all(peer, lambda each: not each.error and each.futuristic, _misjudged)


@check("V10-MUST-063", "V10-MUST-153", "V03-MUST-076")
async def bad_documents_are_refused(peer: Peer) -> None:
    def belongs(each: Fixture) -> bool:
        return each.error == "InvalidParams" and (peer.way.old or not each.lacking)

    await _all(peer, belongs, _let_through)


@check("V10-SHOULD-047")
async def documents_that_lack_something_are_refused(peer: Peer) -> None:
    def belongs(each: Fixture) -> bool:
        return each.error == "InvalidParams" and each.lacking

    await _all(peer, belongs, _let_through)


@check("V10-MUST-059", "V03-MUST-084")
async def bad_documents_get_the_right_error(peer: Peer) -> None:
    await _all(peer, lambda each: each.error == "InvalidParams", _mistold)


@check("V10-MUST-101", "V03-MUST-084", "V03-MUST-012", binding=JSONRPC)
async def requests_are_read_as_json_rpc_has_them(peer: Peer) -> None:
    def wrong(fixture: Fixture, told: Refusal | None) -> bool:
        if not fixture.error:
            return _misjudged(fixture, told)
        return told is None or _mistold(fixture, told)

    await _all(peer, lambda each: each.error in NO_JSON or each.envelope, wrong)


@check("V10-MUST-059", "V03-MUST-027", binding=REST)
async def what_is_no_json_is_refused(peer: Peer) -> None:
    def wrong(fixture: Fixture, told: Refusal | None) -> bool:
        return told is None or _mistold(fixture, told)

    await _all(peer, lambda each: each.error in NO_JSON, wrong)
