"""The agent card: that it is there and valid, and that what it says of interfaces is so."""

from __future__ import annotations

from urllib.parse import urlsplit

from attrs import evolve

from a2acli.conformance.peer import DENIED, Peer
from a2acli.conformance.registry import check
from a2acli.conformance.shapes import Judge
from a2acli.conformance.site import BINDINGS
from a2acli.conformance.spelling import JSONRPC, REST, Way
from a2acli.conformance.stories import NOBODY
from a2acli.conformance.verdict import Failed, NotApplicable, expect, shown

CORE = (*BINDINGS, "GRPC")


@check("V03-MUST-061", "V10-MUST-123", "V10-MUST-130", "V03-SHOULD-011", across=True)
async def there_is_a_valid_card(peers: list[Peer]) -> None:
    peer = peers[0]
    _check_card(peer, peer.card)
    media_type = peer.site.headers.get("content-type", "")
    expect("json" in media_type, f"the card has Content-Type {media_type!r}")


def _check_card(peer: Peer, card: object) -> None:
    # A card may serve several lines, so there may be members that this one does not know.
    judge = Judge(peer.judge(card).table, open=True, zone=True)
    for problem in judge.problems("AgentCard", card):
        raise Failed(f"in the card, {problem}")


@check("V10-MUST-124", across=True)
async def interfaces_are_in_the_card(peers: list[Peer]) -> None:
    for each in peers[0].card.get("supportedInterfaces") or ():
        for member in ("url", "protocolBinding", "protocolVersion"):
            expect(each.get(member), f"an interface without {member}: {shown(each)}")


@check("V03-MUST-001", across=True)
async def everything_runs_over_http(peers: list[Peer]) -> None:
    for binding, url, _ in peers[0].site.interfaces(peers[0].way.line):
        fits = binding not in BINDINGS or urlsplit(url).scheme in ("http", "https")
        expect(fits, f"{binding} at {url!r}")


@check("V03-MUST-002", "V03-MUST-068", "V03-SHOULD-001", across=True)
async def a_core_transport_is_offered(peers: list[Peer]) -> None:
    found = [binding for binding, _, _ in peers[0].site.interfaces(peers[0].way.line)]
    expect(set(found) & set(CORE), f"transports: {', '.join(found) or 'none'}")


@check("V03-SHOULD-013", across=True)
async def transports_have_core_names(peers: list[Peer]) -> None:
    found = [binding for binding, _, _ in peers[0].site.interfaces(peers[0].way.line)]
    expect(set(found) <= set(CORE), f"transports: {', '.join(found)}")


@check("V03-MUST-064", across=True)
async def the_preferred_transport_is_named(peers: list[Peer]) -> None:
    card = peers[0].card
    _wants_old_members(peers[0])
    said = card.get("preferredTransport")
    expect(isinstance(said, str) and said, f"preferredTransport is {said!r}")


@check("V03-MUST-063", "V03-MUST-065", across=True)
async def the_main_url_speaks_the_preferred_transport(peers: list[Peer]) -> None:
    _wants_old_members(peers[0])
    card = peers[0].card
    binding = str(card.get("preferredTransport") or JSONRPC)
    if binding not in BINDINGS:
        raise NotApplicable(f"{binding} is not spoken here")
    await _answers(peers[0], Way("0.3", binding, str(card.get("url"))))


def _wants_old_members(peer: Peer) -> None:
    if "url" not in peer.card:
        raise NotApplicable("the card is one of line 1.0")


@check(
    "V03-MUST-007",
    "V03-MUST-066",
    "V03-MUST-067",
    "V10-MUST-100",
    "V10-MUST-124",
    "V10-MUST-125",
    across=True,
)
async def every_declared_interface_is_there(peers: list[Peer]) -> None:
    line = peers[0].way.line
    for way in peers[0].site.ways(line):
        await _answers(peers[0], way)


@check("V03-MUST-007", "V10-MUST-100", "V10-SHOULD-066", across=True)
async def every_binding_that_is_there_is_declared(peers: list[Peer]) -> None:
    line = peers[0].way.line
    declared = peers[0].site.interfaces(line)
    for way in peers[0].site.ways(line):
        other = JSONRPC if way.binding == REST else REST
        if other not in {binding for binding, _, _ in declared}:
            undeclared = evolve(way, binding=other)
            found = await _finds_no_task(peers[0], undeclared)
            expect(not found, f"{other} is served at {way.url}, and not declared")


async def _answers(peer: Peer, way: Way) -> None:
    """See that an interface is one: it knows that there is no such task."""
    there = await _finds_no_task(peer, way) or (
        # The proto form of 0.3 has no error that says which it is.
        way.old and not way.rpc and await _status(peer, way) == 404
    )
    expect(there, f"nothing speaks {way} at {way.url}")


async def _finds_no_task(peer: Peer, way: Way) -> bool:
    answer = await evolve(peer, way=way).ask("get", {"task": NOBODY})
    try:
        return answer.refusal.name == "TaskNotFound"
    except Failed:
        return False


async def _status(peer: Peer, way: Way) -> int:
    return (await evolve(peer, way=way).ask("get", {"task": NOBODY})).status


@check("V03-SHOULD-014", across=True)
async def interfaces_share_a_url_only_where_that_works(peers: list[Peer]) -> None:
    await every_declared_interface_is_there(peers)


@check("V03-SHOULD-015", across=True)
async def the_list_of_interfaces_has_the_main_one(peers: list[Peer]) -> None:
    _wants_old_members(peers[0])
    card = peers[0].card
    main = (card.get("url"), card.get("preferredTransport"))
    listed = [
        (each.get("url"), each.get("transport")) for each in card.get("additionalInterfaces") or ()
    ]
    expect(main in listed, f"{main[1]} at {main[0]} is not in additionalInterfaces")


# Caching


@check("V10-SHOULD-069", "V10-SHOULD-070", across=True)
async def the_card_may_be_cached(peers: list[Peer]) -> None:
    said = peers[0].site.headers.get("cache-control", "")
    expect("max-age" in said, f"Cache-Control of the card is {said!r}")


@check("V10-SHOULD-069", "V10-SHOULD-071", across=True)
async def the_card_has_an_etag(peers: list[Peer]) -> None:
    peer = peers[0]
    etag = peer.site.headers.get("etag")
    expect(etag, "the card has no ETag")
    headers = {"If-None-Match": str(etag), "A2A-Version": "1.0"}
    again = await peer.fetch(peer.site.url, headers)
    expect(again.status == 304, f"the same card is sent again: HTTP {again.status}")


# The extended card


@check("V10-MUST-142", "V03-SHOULD-009")
async def the_extended_card_wants_a_caller(peer: Peer) -> None:
    _wants_extended_card(peer)
    answer = await peer.ask("card", token="")
    if peer.way.old:
        challenged = answer.status == 401 and "www-authenticate" in answer.headers
        expect(challenged, f"without credentials: HTTP {answer.status}")
    denied = answer.status in DENIED or answer.refused
    expect(denied, "the extended card is given to anybody")


@check("V03-MUST-060", "V10-MUST-076")
async def the_extended_card_is_there_or_said_not_to_be(peer: Peer) -> None:
    _wants_extended_card(peer)
    answer = await peer.ask("card")
    if answer.refused:
        refusal = answer.refusal
        expect(refusal.is_a("ExtendedCardNotConfigured"), f"the extended card gets {refusal}")
        return
    _check_card(peer, answer.result)


@check("V10-SHOULD-079", "V10-SHOULD-082")
async def the_extended_card_says_how_long_it_keeps(peer: Peer) -> None:
    _wants_extended_card(peer)
    answer = await peer.ask("card")
    if answer.refused:
        raise NotApplicable("the extended card cannot be had")
    told = "cache-control" in answer.headers or "etag" in answer.headers
    expect(told, "the extended card has neither Cache-Control nor ETag")


def _wants_extended_card(peer: Peer) -> None:
    if not peer.extended_card:
        raise NotApplicable("the card says that there is no extended card")
