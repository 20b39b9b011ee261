"""Refusals: the right error for each situation, and what every error has to tell."""

from __future__ import annotations

import base64
from contextlib import suppress
from typing import Any
from uuid import uuid4

from a2acli.conformance import view
from a2acli.conformance.faults import ALL, DOMAIN, KINDS, Refusal
from a2acli.conformance.peer import Peer
from a2acli.conformance.registry import check
from a2acli.conformance.spelling import JSONRPC, REST
from a2acli.conformance.stories import (
    NOBODY,
    enough,
    finished,
    hello,
    sending,
    stopped,
    wants_streams,
)
from a2acli.conformance.verdict import Failed, NotApplicable, expect, shown

OWN_CODES = range(-32099, -31999)
"""What JSON-RPC leaves to servers."""
UNKNOWN_TYPE = "application/x-of-nobody"


async def refusal_of(peer: Peer, operation: str, params: Any) -> Refusal:
    return (await peer.ask(operation, params)).refusal


async def must_refuse(peer: Peer, operation: str, params: Any, *names: str) -> None:
    """Ask for what is to be refused with one of these errors."""
    answer = await peer.ask(operation, params)
    try:
        refusal = answer.refusal
    except Failed as failed:
        raise Failed(f"{operation} is not refused: {failed}") from failed
    expect(refusal.is_a(*names), f"{operation} gets {refusal}, not {' or '.join(names)}")


# Tasks that there are not


@check("V10-MUST-005", "V03-MUST-052", "V10-MUST-064")
async def a_message_to_an_unknown_task_finds_none(peer: Peer) -> None:
    params = sending(peer, peer.texts.hello, task=str(uuid4()))
    await must_refuse(peer, "send", params, "TaskNotFound")


@check("V10-MUST-023", "V03-MUST-052", "V10-MUST-064")
async def an_unknown_task_is_not_found(peer: Peer) -> None:
    await must_refuse(peer, "get", {"task": NOBODY}, "TaskNotFound")


@check("V10-MUST-033", "V03-MUST-052", "V10-MUST-064")
async def an_unknown_task_is_not_cancelled(peer: Peer) -> None:
    await must_refuse(peer, "cancel", {"task": NOBODY}, "TaskNotFound")


@check("V10-MUST-018", "V03-MUST-052", "V10-MUST-064")
async def an_unknown_task_is_not_subscribed_to(peer: Peer) -> None:
    wants_streams(peer)
    await must_refuse(peer, "subscribe", {"task": NOBODY}, "TaskNotFound")


# Tasks that have ended


@check("V10-MUST-004")
async def a_message_to_an_ended_task_is_unsupported(peer: Peer) -> None:
    task = await finished(peer)
    params = sending(peer, peer.texts.hello, task=task["id"])
    await must_refuse(peer, "send", params, "UnsupportedOperation")


@check("V03-MUST-049")
async def an_ended_task_takes_no_message(peer: Peer) -> None:
    task = await finished(peer)
    answer = await peer.ask("send", sending(peer, peer.texts.hello, task=task["id"]))
    expect(answer.refused, f"a message to an ended task is answered with {shown(answer.document)}")


@check("V10-MUST-017")
async def an_ended_task_is_not_subscribed_to(peer: Peer) -> None:
    wants_streams(peer)
    task = await finished(peer)
    await must_refuse(peer, "subscribe", {"task": task["id"]}, "UnsupportedOperation")


@check("V10-MUST-032", "V03-MUST-050")
async def an_ended_task_cannot_be_cancelled(peer: Peer) -> None:
    task = await finished(peer)
    await must_refuse(peer, "cancel", {"task": task["id"]}, "TaskNotCancelable")


@check("V10-MUST-032", "V03-MUST-050")
async def a_cancelled_task_cannot_be_cancelled_again(peer: Peer) -> None:
    again = (await stopped(peer)).again
    if again is None:
        raise NotApplicable("the task did not end when it was cancelled")
    refusal = again.refusal
    expect(refusal.is_a("TaskNotCancelable"), f"the second cancel gets {refusal}")


# What cannot be taken


@check("V10-MUST-006")
async def an_unsupported_media_type_is_refused_as_such(peer: Peer) -> None:
    answer = await peer.ask("send", await _with_strange_file(peer))
    if not answer.refused:
        raise NotApplicable(f"takes {UNKNOWN_TYPE}, which its card does not list")
    refusal = answer.refusal
    expect(refusal.is_a("ContentTypeNotSupported"), f"{UNKNOWN_TYPE} gets {refusal}")


@check("V10-SHOULD-085")
async def unexpected_media_types_are_refused(peer: Peer) -> None:
    answer = await peer.ask("send", await _with_strange_file(peer))
    expect(answer.refused, f"takes a file of {UNKNOWN_TYPE}, which its card does not list")


async def _with_strange_file(peer: Peer) -> Any:
    """A message with a file of a type that the card does not list."""
    await hello(peer)
    listed = {str(mode) for mode in peer.card.get("defaultInputModes") or ()}
    for skill in peer.card.get("skills") or ():
        listed |= set(skill.get("inputModes") or ())
    if listed & {"*/*", "application/*"}:
        raise NotApplicable(f"the card says that it takes {', '.join(sorted(listed))}")
    said = sending(peer, peer.texts.hello)
    raw = base64.b64encode(b"?").decode()
    said["message"]["parts"].append({"raw": raw, "mediaType": UNKNOWN_TYPE})
    return said


# How errors are written: a look at all that came so far


async def refusals(peer: Peer) -> list[Refusal]:
    """All refusals that came so far."""
    await enough(peer)
    if not peer.refusals:
        raise NotApplicable("nothing was refused")
    return peer.refusals


@check("V10-MUST-059")
async def what_is_asked_wrongly_is_refused(peer: Peer) -> None:
    answer = await peer.ask("send", {})
    expect(answer.refused, f"an empty request is answered with {shown(answer.document)}")
    refusal = answer.refusal
    expect(refusal.is_a("InvalidParams"), f"an empty request gets {refusal}")


@check("V10-MUST-065", binding=REST, last=True)
async def every_error_has_a_code_and_a_message(peer: Peer) -> None:
    for refusal in await refusals(peer):
        told = shown(refusal.document)
        expect(isinstance(refusal.code, int), f"no code: {told}")
        expect(isinstance(refusal.message, str) and refusal.message, f"no message: {told}")
        status = refusal.document["error"].get("status")
        expect(isinstance(status, str), f"no status: {told}")
        same = refusal.code == refusal.status
        expect(same, f"HTTP {refusal.status} with code {refusal.code}: {told}")


@check("V10-MUST-066", last=True)
async def every_detail_says_its_type(peer: Peer) -> None:
    found = False
    for refusal in await refusals(peer):
        if refusal.details is None:
            continue
        told = f"{refusal}: {shown(refusal.details)}"
        expect(isinstance(refusal.details, list), f"the details are no array: {told}")
        for each in refusal.details:
            found = True
            typed = isinstance(each, dict) and isinstance(each.get("@type"), str)
            expect(typed, f"a detail without `@type`: {told}")
    if not found:
        raise NotApplicable("no error has details")


@check("V10-SHOULD-035", last=True)
async def details_are_those_of_google_rpc(peer: Peer) -> None:
    for refusal in await refusals(peer):
        if refusal.name not in KINDS:
            continue
        types = [str(each.get("@type")) for each in refusal.details or () if isinstance(each, dict)]
        found = any(".google.rpc." in f".{each}" or "google.rpc." in each for each in types)
        expect(found, f"{refusal} has no detail of google.rpc")


@check("V10-MUST-068", last=True)
async def errors_have_the_numbers_of_the_table(peer: Peer) -> None:
    for refusal in await refusals(peer):
        if refusal.rpc:
            known = refusal.name or refusal.code in OWN_CODES
            expect(known, f"a code that no table has: {refusal}")
        elif refusal.name in KINDS:
            fits = refusal.status in ALL[refusal.name].statuses
            expect(fits, f"{refusal.name} with HTTP {refusal.status}")
    await must_refuse(peer, "get", {"task": NOBODY}, "TaskNotFound")


@check("V10-MUST-069", binding=JSONRPC)
async def errors_of_a2a_stay_in_their_range(peer: Peer) -> None:
    answer = await peer.ask("get", {"task": NOBODY})
    code = answer.refusal.code
    expect(isinstance(code, int), f"a code that is no integer: {code!r}")
    expect(-32099 <= code <= -32001, f"an unknown task gets {code}")


@check("V10-MUST-070", binding=REST)
async def errors_of_a2a_carry_their_reason(peer: Peer) -> None:
    wrong = [("get", {"task": NOBODY})]
    with suppress(NotApplicable):
        wrong.append(("cancel", {"task": (await finished(peer))["id"]}))
    for operation, params in wrong:
        refusal = await refusal_of(peer, operation, params)
        told = f"{operation} gets {shown(refusal.document)}"
        expect(refusal.info, f"no ErrorInfo: {told}")
        expect(refusal.info.get("domain") == DOMAIN, f"the domain is not {DOMAIN}: {told}")
        expect(refusal.name, f"a reason of no error of A2A: {told}")
        said = refusal.info.get("metadata", {})
        strings = isinstance(said, dict) and all(isinstance(each, str) for each in said.values())
        expect(strings, f"metadata of ErrorInfo that are not all strings: {told}")


@check("V03-SHOULD-031")
async def the_codes_of_a2a_are_used(peer: Peer) -> None:
    wrong = [("get", {"task": NOBODY}, "TaskNotFound")]
    with suppress(NotApplicable):
        wrong.append(("cancel", {"task": (await finished(peer))["id"]}, "TaskNotCancelable"))
    for operation, params, name in wrong:
        refusal = await refusal_of(peer, operation, params)
        told = refusal.name == name if refusal.rpc else refusal.is_a(name)
        expect(told, f"{operation} gets {refusal}, not {ALL[name].code}")


# What helps


@check("V10-SHOULD-030")
async def a_validation_error_names_the_member(peer: Peer) -> None:
    said = sending(peer, peer.texts.hello)
    del said["message"]["parts"]
    refusal = await refusal_of(peer, "send", said)
    expect("parts" in shown_whole(refusal), f"missing parts get {shown(refusal.document)}")


@check("V10-SHOULD-031")
async def a_validation_error_tells_what_is_valid(peer: Peer) -> None:
    refusal = await refusal_of(peer, "list", {"pageSize": 101})
    expect("100" in shown_whole(refusal), f"a page of 101 tasks gets {shown(refusal.document)}")


def shown_whole(refusal: Refusal) -> str:
    return f"{refusal.message} {refusal.details}"


# Nothing of what callers say is anything but data


@check("V10-MUST-154")
async def what_callers_say_comes_back_as_data(peer: Peer) -> None:
    evil = "<script>alert(1)</script>\r\nX-Evil: 1"
    answer = await peer.ask("get", {"task": evil})
    told = b"<script>" in answer.body and "html" in answer.media_type
    expect(not told, "an id with HTML in it is answered as a page with that in it")
    expect("x-evil" not in answer.headers, "an id with a line break writes a header")
    said = await peer.ask("send", sending(peer, f"{peer.texts.hello} {evil}"))
    expect(isinstance(said.document, dict), f"no JSON: {shown(said.body)}")
    expect("x-evil" not in said.headers, "a text with a line break writes a header")
    kind, task = view.answer(peer.way, said.result)
    if kind == "task" and view.state(task) not in view.TERMINAL:
        peer.opened.append(str(task.get("id")))
