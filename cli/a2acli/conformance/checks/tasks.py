"""Tasks: to get one, to stop one, and those that wait for a credential."""

from __future__ import annotations

from a2acli.conformance import view
from a2acli.conformance.peer import Peer
from a2acli.conformance.registry import check
from a2acli.conformance.stories import asked, finished, get, needs_credential, proven, stopped
from a2acli.conformance.verdict import NotApplicable, expect, shown


@check("V03-MUST-054")
async def a_task_can_be_had(peer: Peer) -> None:
    task = await finished(peer)
    same = await get(peer, task["id"])
    expect(same.get("id") == task["id"], f"asked for {task['id']!r}, got {shown(same)}")


@check("V03-MUST-055", "V03-MUST-050")
async def a_task_can_be_cancelled(peer: Peer) -> None:
    told = await proven(stopped(peer))
    if told.answer.refused:
        refusal = told.answer.refusal
        expect(refusal.is_a("TaskNotCancelable"), f"a running task gets {refusal}")
        return
    said = told.answer.result
    expect(view.state(said) == "canceled", f"cancel is answered with {shown(said)}")
    expect(view.state(told.after) == "canceled", f"a cancelled task is {view.state(told.after)!r}")


@check("V10-MUST-034")
async def history_is_never_longer_than_asked(peer: Peer) -> None:
    task = (await asked(peer)).after
    whole = view.history(await get(peer, task["id"]))
    for length in (1, 2):
        some = view.history(await get(peer, task["id"], historyLength=length))
        expect(len(some) <= length, f"historyLength {length} leads to {len(some)} messages")
        right = some == whole[-len(some) :] if some else True
        expect(right, f"historyLength {length} leads to others than the last messages")


@check("V10-SHOULD-007")
async def no_history_is_left_out(peer: Peer) -> None:
    task = await finished(peer)
    some = await get(peer, task["id"], historyLength=0)
    expect("history" not in some, f"historyLength 0 leads to {shown(some.get('history'))}")


@check("V10-MUST-116", "V10-MUST-117", "V03-SHOULD-007")
async def a_missing_credential_is_a_state(peer: Peer) -> None:
    task = (await needs_credential(peer)).waiting
    expect(view.state(task) == "auth-required", f"the task is {view.state(task)!r}")
    expect(task.get("id"), f"a task without an id: {shown(task)}")


@check("V10-MUST-118", "V03-SHOULD-008")
async def a_missing_credential_is_explained(peer: Peer) -> None:
    status = (await needs_credential(peer)).waiting.get("status", {})
    expect(view.parts(status.get("message")), f"auth-required without a word: {shown(status)}")


@check("V10-SHOULD-060")
async def messages_are_taken_while_a_credential_is_missing(peer: Peer) -> None:
    answer = (await needs_credential(peer)).answer
    if answer.refused:
        expect(False, f"a message gets {answer.refusal}")


@check("V03-MUST-049")
async def an_ended_task_stays_ended(peer: Peer) -> None:
    task = await finished(peer)
    if view.state(task) not in view.TERMINAL:
        raise NotApplicable("no task has ended")
    again = await get(peer, task["id"])
    same = view.state(again) == view.state(task)
    expect(same, f"a task that was {view.state(task)!r} is {view.state(again)!r}")
