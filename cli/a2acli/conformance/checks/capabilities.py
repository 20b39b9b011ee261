"""Capabilities: what the card declares is there, and what it does not is refused as such."""

from __future__ import annotations

from a2acli.conformance.checks.errors import must_refuse
from a2acli.conformance.peer import Peer
from a2acli.conformance.registry import check
from a2acli.conformance.stories import NOBODY, finished, sending, wants_streams
from a2acli.conformance.verdict import NotApplicable, expect, shown


@check("V10-MUST-073", "V10-MUST-072", "V03-MUST-056")
async def without_the_capability_there_is_no_push(peer: Peer) -> None:
    if peer.capabilities.get("pushNotifications") is True:
        raise NotApplicable("the card says that there are push notifications")
    task = await finished(peer)
    config = peer.way.config("https://example.com/webhook")
    for operation, params in (
        ("set_push", {"task": task["id"], **config}),
        ("get_push", {"task": task["id"], "config": "any"}),
        ("list_push", {"task": task["id"]}),
        ("delete_push", {"task": task["id"], "config": "any"}),
    ):
        await must_refuse(peer, operation, params, "PushNotificationNotSupported")


@check("V10-MUST-074", "V10-MUST-072", "V03-MUST-041")
async def without_the_capability_there_are_no_streams(peer: Peer) -> None:
    if peer.capabilities.get("streaming") is True:
        raise NotApplicable("the card says that there are streams")
    said = sending(peer, peer.texts.hello)
    await must_refuse(peer, "stream", said, "UnsupportedOperation")
    await must_refuse(peer, "subscribe", {"task": NOBODY}, "UnsupportedOperation", "TaskNotFound")


@check("V03-MUST-041")
async def with_the_capability_there_are_streams(peer: Peer) -> None:
    wants_streams(peer)
    async with peer.listening("stream", sending(peer, peer.texts.hello)) as tape:
        await tape.wait_event()


@check("V10-MUST-075", "V10-MUST-072", "V03-MUST-060")
async def without_the_capability_there_is_no_extended_card(peer: Peer) -> None:
    if peer.extended_card:
        raise NotApplicable("the card says that there is an extended card")
    if peer.way.old:  # which does not say how
        answer = await peer.ask("card")
        expect(answer.refused, f"an extended card that is not declared: {shown(answer.document)}")
        return
    await must_refuse(peer, "card", {}, "UnsupportedOperation")
