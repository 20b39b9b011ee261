"""Plays the checks on the interfaces of a server, one interface after the other."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from typing import Any, NamedTuple

import httpx
from attrs import evolve, frozen

from a2acli.conformance import checks  # noqa: F401 - they register themselves
from a2acli.conformance.groups import alone
from a2acli.conformance.musts import Must, musts
from a2acli.conformance.peer import Peer, Texts
from a2acli.conformance.registry import CHECKS, Check
from a2acli.conformance.site import LINES, Site, visit
from a2acli.conformance.spelling import Way
from a2acli.conformance.stories import hello
from a2acli.conformance.verdict import Failed, NotApplicable, Unseen
from a2acli.conformance.webhook import Receiver, open_receiver
from a2acore.client.errors import NoWay
from a2acore.client.reach import open_http

PASSED, FAILED, NOT_APPLICABLE, HIDDEN = "PASS", "FAIL", "N/A", "-"


@frozen
class Plan:
    """What is to be played."""

    url: str
    token: str
    line: str | None
    binding: str | None
    texts: Texts
    patience: float
    """Seconds after which an answer or the end of a stream does not come."""
    only: frozenset[str] = frozenset()
    """The ids that are asked for; empty means all."""

    def wanted(self, each: Check, line: str) -> list[str]:
        """What a check has to prove, on a line."""
        return [id for id in each.proves(line) if not self.only or id in self.only]


class Finding(NamedTuple):
    """What came of one check on one interface."""

    verdict: str
    where: str
    """The interface; the line, for checks that ask all of them."""
    check: str
    reason: str = ""


class Result(NamedTuple):
    """What is to be said of one statement."""

    must: Must
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> str:
        """One check that fails is enough; one that passes is, where others have nothing to say."""
        said = {finding.verdict for finding in self.findings}
        for verdict in (FAILED, PASSED):
            if verdict in said:
                return verdict
        return HIDDEN if self.must.hidden else NOT_APPLICABLE

    @property
    def reasons(self) -> list[str]:
        """Why, each once, with where it was so."""
        if self.verdict == PASSED:
            return []
        if self.verdict == HIDDEN:
            return [self.must.hidden]
        told: dict[str, list[str]] = {}
        for finding in self.findings:
            if finding.verdict == self.verdict:
                places = told.setdefault(finding.reason, [])
                if finding.where not in places:
                    places.append(finding.where)
        return [f"{', '.join(places)}: {reason}" for reason, places in told.items()]


@frozen
class Report:
    """What came of a run."""

    url: str
    name: str
    """What the agent calls itself."""
    ways: tuple[Way, ...]
    results: tuple[Result, ...]

    def failed(self, *, should: bool) -> list[Result]:
        """The statements of one sort that do not hold."""
        return [
            result
            for result in self.results
            if result.verdict == FAILED and result.must.should is should
        ]

    def count(self, verdict: str) -> int:
        return sum(result.verdict == verdict for result in self.results)


Progress = Callable[[str], None]
"""Is told what is being played."""


async def run(plan: Plan, progress: Progress) -> Report:
    """Play everything that was planned.

    Raises:
        ClientError: there is no server, no card, or no interface in it that was asked for.
    """
    findings: list[tuple[str, Finding]] = []
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(open_http(None))
        http.timeout = httpx.Timeout(None)  # each request has its patience
        # A server may end a connection at any time; no verdict is to depend on that.
        http.headers["Connection"] = "close"
        receiver = await stack.enter_async_context(open_receiver())
        peers: list[Peer] = []
        name = ""
        for line in LINES if plan.line is None else (plan.line,):
            site = await visit(http, plan.url, plan.token, line)
            name = str(site.card.get("name", ""))
            those = await _peers(http, receiver, plan, site, line)
            peers += those
            for peer in those:
                progress(str(peer.way))
                findings += await _play(plan, peer)
            if those:
                progress(f"{line}, all bindings")
                findings += await _play_across(plan, those)
            for peer in those:
                await peer.leave()
    if not peers:
        raise NoWay(f"the card of {plan.url} names no interface of {_asked(plan)}")
    return Report(
        plan.url, name, tuple(peer.way for peer in peers), _results(plan, peers, findings)
    )


def _asked(plan: Plan) -> str:
    binding = plan.binding or "JSONRPC or HTTP+JSON"
    return f"{binding} on line {plan.line or ' or '.join(LINES)}"


async def _peers(
    http: httpx.AsyncClient, receiver: Receiver, plan: Plan, site: Site, line: str
) -> list[Peer]:
    """The first interface of each binding; of HTTP+JSON on 0.3 in each form that is accepted."""
    ways: dict[str, Way] = {}
    for way in site.ways(line):
        if plan.binding in (None, way.binding):
            ways.setdefault(way.binding, way)

    def peer(way: Way) -> Peer:
        return Peer(http, way, site, receiver, plan.token, plan.texts, plan.patience)

    peers = []
    for way in ways.values():
        if way.rpc or not way.old:
            peers.append(peer(way))
            continue
        forms = [peer(way), peer(evolve(way, proto=True))]
        spoken = [each for each in forms if await _understood(each)]
        peers += spoken or forms[1:]  # those that fail, in the form that most others speak
    return peers


async def _understood(peer: Peer) -> bool:
    with suppress(NotApplicable):
        await hello(peer)
        return True
    return False


async def _play(plan: Plan, peer: Peer) -> list[tuple[str, Finding]]:
    findings = []
    for each in sorted(CHECKS, key=lambda each: each.last):
        proves = plan.wanted(each, peer.way.line)
        if proves and not each.across and each.binding in (None, peer.way.binding):
            finding = await _ask(each, peer, str(peer.way))
            findings += [(id, finding) for id in proves]
    return findings


async def _play_across(plan: Plan, peers: list[Peer]) -> list[tuple[str, Finding]]:
    line = peers[0].way.line
    findings = []
    for each in CHECKS:
        proves = plan.wanted(each, line)
        if each.across and proves:
            finding = await _ask(each, peers, line)
            findings += [(id, finding) for id in proves]
    return findings


async def _ask(each: Check, whom: Any, where: str) -> Finding:
    try:
        await each.ask(whom)
    except BaseExceptionGroup as group:
        return _finding(alone(group), where, each.name)
    except Exception as error:
        return _finding(error, where, each.name)
    return Finding(PASSED, where, each.name)


def _finding(error: BaseException, where: str, name: str) -> Finding:
    match error:
        case Unseen() | NotApplicable():
            return Finding(NOT_APPLICABLE, where, name, str(error))
        case Failed():
            return Finding(FAILED, where, name, str(error))
        case AttributeError() | KeyError() | TypeError() | IndexError() | ValueError():
            # An answer of a shape that a check had no eyes for: wrong all the same.
            told = f"an answer that cannot be looked at ({type(error).__name__}: {error})"
            return Finding(FAILED, where, name, told)
        case _:
            raise error


def _results(
    plan: Plan, peers: list[Peer], findings: list[tuple[str, Finding]]
) -> tuple[Result, ...]:
    lines = {peer.way.line for peer in peers}
    return tuple(
        Result(must, tuple(finding for id, finding in findings if id == must.id))
        for must in musts().values()
        if must.line in lines and (not plan.only or must.id in plan.only)
    )
