"""Extensions: to activate one, to ask for an unknown one, to leave out one that is required."""

from __future__ import annotations

from a2acli.conformance.answer import Answer
from a2acli.conformance.peer import Peer
from a2acli.conformance.registry import check
from a2acli.conformance.stories import hello, sending
from a2acli.conformance.verdict import NotApplicable, expect, shown

UNKNOWN = "https://extensions.example.com/of-nobody/v1"


async def _say(peer: Peer, extensions: str | None) -> Answer:
    headers = {peer.extension_header: extensions}
    return await peer.ask("send", sending(peer, peer.texts.hello), headers=headers)


def _activated(peer: Peer, answer: Answer) -> set[str]:
    said = answer.headers.get(peer.extension_header.lower(), "")
    return {each.strip() for each in said.split(",") if each.strip()}


def _some(peer: Peer) -> str:
    if not peer.extensions:
        raise NotApplicable("the card names no extension")
    return str(peer.extensions[0]["uri"])


def _with_required(peer: Peer, *extensions: str) -> str:
    required = [str(each["uri"]) for each in peer.extensions if each.get("required")]
    return ", ".join(dict.fromkeys([*required, *extensions]))


@check("V10-SHOULD-099", "V03-SHOULD-027")
async def an_unknown_extension_is_ignored(peer: Peer) -> None:
    await hello(peer)
    answer = await _say(peer, _with_required(peer, UNKNOWN))
    expect(not answer.refused, f"an unknown extension is refused: {shown(answer.document)}")
    expect(UNKNOWN not in _activated(peer, answer), "an unknown extension is said to be active")


@check("V10-SHOULD-100", "V03-SHOULD-028")
async def an_activated_extension_is_echoed(peer: Peer) -> None:
    await hello(peer)
    uri = _some(peer)
    answer = await _say(peer, _with_required(peer, uri))
    found = _activated(peer, answer)
    expect(uri in found, f"{uri} was asked for; active: {', '.join(found) or 'nothing'}")


@check("V10-SHOULD-024")
async def several_extensions_stand_in_one_header(peer: Peer) -> None:
    await hello(peer)
    uri = _some(peer)
    found = _activated(peer, await _say(peer, _with_required(peer, UNKNOWN, uri)))
    expect(uri in found, f"{uri} was asked for second; active: {', '.join(found) or 'nothing'}")


@check("V10-MUST-158", "V03-MUST-081")
async def another_version_of_an_extension_is_another_extension(peer: Peer) -> None:
    await hello(peer)
    uri = _some(peer)
    if peer.extensions[0].get("required"):
        raise NotApplicable("the extension is required, and so always active")
    found = _activated(peer, await _say(peer, _with_required(peer, f"{uri}/v99")))
    expect(uri not in found, f"{uri}/v99 was asked for, {uri} is active")


@check("V10-MUST-077", "V03-SHOULD-029")
async def a_required_extension_is_insisted_on(peer: Peer) -> None:
    await hello(peer)
    if not any(each.get("required") for each in peer.extensions):
        raise NotApplicable("the card requires no extension")
    answer = await _say(peer, None)
    expect(answer.refused, f"a missing extension is answered with {shown(answer.document)}")
    if not peer.way.old:
        refusal = answer.refusal
        expect(refusal.is_a("ExtensionSupportRequired"), f"a missing extension gets {refusal}")
