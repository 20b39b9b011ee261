"""Messages: what answers them, when, and with what in it."""

from __future__ import annotations

from contextlib import suppress

from a2acli.conformance import view
from a2acli.conformance.peer import Peer
from a2acli.conformance.registry import check
from a2acli.conformance.stories import (
    asked,
    conversation,
    finished,
    get,
    hello,
    proven,
    sending,
    slow_waited,
    stopped,
    task_after,
)
from a2acli.conformance.verdict import NotApplicable, expect, shown

PLAIN = "text/plain"


@check("V10-MUST-003", "V03-MUST-053")
async def a_message_is_answered_with_a_task_or_a_message(peer: Peer) -> None:
    await proven(hello(peer))


@check("V10-MUST-007")
async def a_send_waits_until_the_task_rests(peer: Peer) -> None:
    await stopped(peer)  # where a send that does not wait is seen to differ
    task = await proven(slow_waited(peer))
    state = view.state(task)
    expect(state in view.TERMINAL | view.INTERRUPTED, f"answered while the task is {state!r}")


@check("V10-MUST-008")
async def what_was_waited_for_is_all_there(peer: Peer) -> None:
    kind, task = await hello(peer)
    if kind != "task":
        raise NotApplicable("the agent answers with messages, not with tasks")
    later = await get(peer, task["id"])
    expect(task.get("status") == later.get("status"), _differ("status", task, later))
    mine, theirs = view.artifacts(task), view.artifacts(later)
    expect(mine == theirs, _differ("artifacts", task, later))


def _differ(member: str, task: object, later: object) -> str:
    def of(said: object) -> str:
        return shown(said.get(member) if isinstance(said, dict) else None)

    return f"{member} of the answer and of the task: {of(task)} and {of(later)}"


@check("V10-MUST-009")
async def a_send_that_need_not_wait_does_not(peer: Peer) -> None:
    task = (await proven(stopped(peer))).started
    expect(task.get("id"), f"a task without an id: {shown(task)}")


@check("V10-SHOULD-005")
async def output_keeps_to_the_accepted_modes(peer: Peer) -> None:
    task = await task_after(peer, sending(peer, peer.texts.hello, modes=[PLAIN]))
    for artifact in view.artifacts(task):
        for part in view.parts(artifact):
            fits = "text" in part and part.get("mediaType", PLAIN).startswith(PLAIN)
            expect(fits, f"{PLAIN} was accepted, and this came: {shown(part)}")


@check("V10-SHOULD-045", "V03-SHOULD-006")
async def results_are_artifacts(peer: Peer) -> None:
    task = await finished(peer)
    if view.state(task) != "completed":
        raise NotApplicable(f"the task is {view.state(task)}")
    expect(view.artifacts(task), f"a completed task without artifacts: {shown(task)}")


# Ids and contexts


@check("V10-MUST-080", "V03-MUST-051")
async def every_task_gets_an_id_of_its_own(peer: Peer) -> None:
    _, tasks = await conversation(peer)
    ids = [task.get("id") for task in tasks]
    expect(len(set(ids)) == len(ids), f"tasks of one id: {shown(ids)}")


@check("V10-MUST-081", "V03-MUST-051")
async def the_answer_tells_the_id(peer: Peer) -> None:
    task = await finished(peer)
    said = task.get("id")
    expect(isinstance(said, str) and said, f"a task without an id: {shown(task)}")


@check("V10-MUST-078", "V03-MUST-051")
async def the_answer_tells_the_context(peer: Peer) -> None:
    _, inside = await hello(peer)
    said = inside.get("contextId")
    expect(isinstance(said, str) and said, f"no contextId in the answer: {shown(inside)}")


@check("V10-MUST-079")
async def the_context_of_a_caller_is_kept_or_refused(peer: Peer) -> None:
    await hello(peer)
    context = "a-context-of-the-caller"
    answer = await peer.ask("send", sending(peer, peer.texts.hello, context=context))
    if answer.refused:
        return
    _, inside = view.answer(peer.way, answer.result)
    told = inside.get("contextId")
    expect(told == context, f"the context {context!r} was replaced by {told!r}")


@check("V10-MUST-083")
async def the_context_follows_from_the_task(peer: Peer) -> None:
    told = await asked(peer)
    before, after = told.paused.get("contextId"), told.answered.get("contextId")
    expect(before == after, f"a task of context {before!r} goes on in {after!r}")
    same = told.answered.get("id") == told.paused.get("id")
    expect(same, "a message to a task is answered with another task")


@check("V10-MUST-084")
async def another_context_than_the_task_has_is_refused(peer: Peer) -> None:
    told = await proven(asked(peer))
    answer = told.mismatch
    expect(answer.refused, f"a wrong contextId is answered with {shown(answer.document)}")


@check("V10-SHOULD-040")
async def tasks_of_one_context_stay_together(peer: Peer) -> None:
    context, tasks = await conversation(peer)
    told = {str(task.get("contextId")) for task in tasks}
    expect(told == {context}, f"tasks of the context {context!r} are in {', '.join(sorted(told))}")


@check("V10-MUST-085")
async def messages_of_the_server_tell_their_context(peer: Peer) -> None:
    kind, inside = await hello(peer)
    said = [inside] if kind == "message" else []
    for task in [inside] if kind == "task" else []:
        said += _of_agent(task)
    if kind == "task":
        with suppress(NotApplicable):
            said += _of_agent((await asked(peer)).paused)
    if not said:
        raise NotApplicable("the server wrote no message")
    for message in said:
        expect(message.get("contextId"), f"a message without a contextId: {shown(message)}")


def _of_agent(task: dict[str, object]) -> list[dict[str, object]]:
    status = task.get("status")
    current = status.get("message") if isinstance(status, dict) else None
    found = [*view.history(task), *([current] if isinstance(current, dict) else [])]
    return [message for message in found if message.get("role") == "ROLE_AGENT"]


# Text


@check("V10-MUST-106")
async def text_is_utf_8(peer: Peer) -> None:
    await hello(peer)
    text = f"{peer.texts.hello} Grüße, \U0001f44b 你好"
    answer = await peer.ask("send", sending(peer, text))
    answer.body.decode()
    _, inside = view.answer(peer.way, answer.result)
    for message in view.history(inside):
        if message.get("role") == "ROLE_USER":
            told = view.text(message)
            expect(told == text, f"{text!r} is kept as {told!r}")
