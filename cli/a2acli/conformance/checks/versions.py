"""Which line a request speaks."""

from __future__ import annotations

from a2acli.conformance import view
from a2acli.conformance.answer import Answer
from a2acli.conformance.peer import Peer
from a2acli.conformance.registry import check
from a2acli.conformance.stories import hello, sending
from a2acli.conformance.verdict import expect, shown

HEADER = "A2A-Version"


async def _say(peer: Peer, version: str | None) -> Answer:
    return await peer.ask("send", sending(peer, peer.texts.hello), headers={HEADER: version})


@check("V10-MUST-051", "V10-MUST-056")
async def a_request_of_this_line_is_answered_in_it(peer: Peer) -> None:
    await hello(peer)
    said = (await _say(peer, "1.0")).result
    _, inside = view.answer(peer.way, said)
    expect("kind" not in inside, f"an answer in the form of 0.3: {shown(said)}")


@check("V10-MUST-052", "V10-MUST-056")
async def an_unknown_version_is_refused(peer: Peer) -> None:
    await hello(peer)
    for version in ("9.9", "0.9"):
        answer = await _say(peer, version)
        expect(answer.refused, f"version {version} is answered with {shown(answer.document)}")
        refusal = answer.refusal
        expect(refusal.is_a("VersionNotSupported"), f"version {version} gets {refusal}")


@check("V10-MUST-053")
async def no_version_means_0_3(peer: Peer) -> None:
    await hello(peer)
    for version in (None, ""):
        answer = await _say(peer, version)
        told = "an empty version" if version == "" else "no version"
        expect(answer.refused, f"{told} is answered as 1.0: {shown(answer.document)}")


@check("V10-MUST-054")
async def patch_numbers_do_not_matter(peer: Peer) -> None:
    await hello(peer)
    for version in ("1.0.0", "1.0.7"):
        answer = await _say(peer, version)
        expect(not answer.refused, f"version {version} is refused")


@check("V10-SHOULD-023")
async def the_card_tells_no_patch_numbers(peer: Peer) -> None:
    told = [str(each.get("protocolVersion")) for each in peer.card["supportedInterfaces"]]
    expect(all(each.count(".") == 1 for each in told), f"versions in the card: {', '.join(told)}")
