"""Streams: what begins them, what ends them, and that all who listen hear the same."""

from __future__ import annotations

from a2acli.conformance import view
from a2acli.conformance.peer import Peer
from a2acli.conformance.registry import check
from a2acli.conformance.stories import (
    asked_stream,
    hello,
    hello_stream,
    needs_credential,
    proven,
    slow,
)
from a2acli.conformance.tape import Tape
from a2acli.conformance.verdict import NotApplicable, expect, shown

AT_ONCE = 0.5
"""Seconds: news that come so long before the end were not kept until then."""


@check("V10-MUST-011", "V03-MUST-043")
async def a_message_is_a_stream_of_its_own(peer: Peer) -> None:
    found = view.events(peer.way, await hello_stream(peer))
    messages = [kind for kind, _ in found if kind == "message"]
    if not messages:
        raise NotApplicable("the agent answers with tasks, not with messages")
    expect(len(found) == 1, f"a message among {len(found)} events")


@check("V10-MUST-012", "V03-MUST-043")
async def a_stream_begins_with_the_task(peer: Peer) -> None:
    found = view.events(peer.way, await hello_stream(peer))
    kinds = [kind for kind, _ in found]
    expect(kinds, "the stream has no event")
    if kinds == ["message"]:
        raise NotApplicable("the agent answers with messages, not with tasks")
    expect(kinds[0] == "task", f"the first event is a {kinds[0]}")
    expect("message" not in kinds, "a message in the stream of a task")
    ids = {str(inside.get("id" if kind == "task" else "taskId")) for kind, inside in found}
    expect(len(ids) == 1, f"one stream tells of the tasks {', '.join(sorted(ids))}")


@check("V10-MUST-013")
async def a_stream_ends_with_the_task(peer: Peer) -> None:
    _ends_at(peer, await proven(hello_stream(peer)), view.TERMINAL | view.INTERRUPTED)


def _ends_at(peer: Peer, tape: Tape, states: frozenset[str]) -> None:
    found = view.states(peer.way, tape)
    if not found and view.events(peer.way, tape):
        raise NotApplicable("the agent answers with messages, not with tasks")
    expect(found, "the stream has no event")
    expect(found[-1] in states, f"the stream ends while the task is {found[-1]!r}")
    early = [state for state in found[:-1] if state in view.TERMINAL]
    expect(len(set(found[-1:] + early)) == 1 or not early, f"news after {early[:1]}")


@check("V03-MUST-043")
async def an_old_stream_ends_with_the_task(peer: Peer) -> None:
    _ends_at(peer, await proven(hello_stream(peer)), view.TERMINAL | view.INTERRUPTED)


@check("V03-MUST-042")
async def the_last_event_is_final_and_no_other(peer: Peer) -> None:
    tape = await proven(hello_stream(peer))
    found = view.events(peer.way, tape)
    updates = [inside for kind, inside in found if kind == "statusUpdate"]
    if not updates:
        raise NotApplicable("the stream has no status update")
    for inside in updates:
        # The JSON form of the proto file leaves out what is false.
        told = inside.get("final", False if peer.way.proto else None)
        expect(isinstance(told, bool), f"a status update without `final`: {shown(inside)}")
    finals = [inside.get("final") is True for inside in updates]
    expect(finals[-1], f"the last status update is not final: {shown(updates[-1])}")
    expect(not any(finals[:-1]), "news after the final status update")
    expect(found[-1][0] == "statusUpdate", f"a {found[-1][0]} after the final status update")


@check("V03-MUST-042")
async def a_question_is_final(peer: Peer) -> None:
    first, _ = await asked_stream(peer)
    updates = [inside for kind, inside in view.events(peer.way, first) if kind == "statusUpdate"]
    if updates:
        expect(updates[-1].get("final") is True, f"a question not final: {shown(updates[-1])}")


@check("V10-MUST-014")
async def news_come_while_the_agent_works(peer: Peer) -> None:
    tape = (await proven(slow(peer))).first
    assert tape.closed_at is not None
    ahead = tape.closed_at - tape.events[0].at
    expect(ahead > AT_ONCE, f"the first event comes {ahead:.1f} s before the end")
    expect(len(tape.events) > 1, "nothing came between the beginning and the end")


@check("V10-MUST-015")
async def a_subscription_begins_with_the_task(peer: Peer) -> None:
    for tape in (await proven(slow(peer))).joined:
        kind, inside = view.event(peer.way, tape.events[0].said)
        expect(kind == "task", f"the first event of a subscription is a {kind}: {shown(inside)}")


@check("V10-MUST-016")
async def a_subscription_ends_with_the_task(peer: Peer) -> None:
    for tape in (await proven(slow(peer))).joined:
        _ends_at(peer, tape, view.TERMINAL)


@check("V10-MUST-016")
async def a_subscription_outlives_a_question(peer: Peer) -> None:
    _, joined = await asked_stream(peer)
    found = view.states(peer.way, joined)
    expect(found[-1] in view.TERMINAL, f"a subscription ends while the task is {found[-1]!r}")


@check("V10-SHOULD-006")
async def a_stream_ends_with_a_question(peer: Peer) -> None:
    first, _ = await proven(asked_stream(peer))
    found = view.states(peer.way, first)
    expect(found[-1] == "input-required", f"the stream ends while the task is {found[-1]!r}")


@check("V10-MUST-019")
async def what_streams_tell_adds_up_to_the_task(peer: Peer) -> None:
    told = await slow(peer)
    whole = view.assembled([("task", told.after)])
    for tape in (told.first, *told.joined):
        heard = view.assembled(view.events(peer.way, tape))
        for id, text in whole.items():
            expect(heard.get(id) == text, f"artifact {id!r}: heard {heard.get(id)!r}, is {text!r}")
    times = [
        inside["status"]["timestamp"]
        for kind, inside in view.events(peer.way, told.first)
        if kind == "statusUpdate" and "timestamp" in inside.get("status", {})
    ]
    expect(times == sorted(times), f"news out of order: {shown(times)}")


@check("V10-MUST-020", "V10-MUST-021")
async def all_streams_tell_the_same(peer: Peer) -> None:
    told = await slow(peer)
    first = _updates(told.first)
    for tape in told.joined:
        heard = _updates(tape)
        tail = first[len(first) - len(heard) :] if heard else []
        expect(heard, "a subscription heard nothing but the task")
        expect(heard == tail, "the events of a subscription are not the last of the stream")


def _updates(tape: Tape) -> list[object]:
    return [event.said for event in tape.events if "task" not in event.said]


@check("V10-MUST-022")
async def hanging_up_disturbs_nobody(peer: Peer) -> None:
    told = await proven(slow(peer))
    state = view.state(told.after)
    expect(state == "completed", f"one of three listeners left, and the task is {state!r}")


@check("V10-SHOULD-059")
async def a_stream_waits_for_the_credential(peer: Peer) -> None:
    told = await needs_credential(peer)
    if told.first is None:
        raise NotApplicable("the card says that there are no streams")
    expect(told.open, "the stream is closed at auth-required")


@check("V10-MUST-010")
async def a_stream_is_opened(peer: Peer) -> None:
    await hello(peer)
    tape = await proven(hello_stream(peer))
    expect(tape.events, "the stream has no event")
