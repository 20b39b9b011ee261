"""Push notifications: their configurations, and what really arrives at a webhook of ours."""

from __future__ import annotations

from typing import Any

import trio
from attrs import define, field

from a2acli.conformance import view
from a2acli.conformance.answer import Answer, Seen
from a2acli.conformance.checks.errors import must_refuse
from a2acli.conformance.peer import Peer
from a2acli.conformance.registry import check
from a2acli.conformance.stories import (
    busy,
    finished,
    hello,
    proven,
    sending,
    story,
    task_after,
    wait_settled,
    wants_push,
)
from a2acli.conformance.verdict import Failed, NotApplicable, expect, shown
from a2acli.conformance.webhook import Delivery, Webhook

TOKEN = "a-word-of-the-receiver"
BEARER = "a-credential-for-the-webhook"
METADATA_SERVICE = "http://169.254.169.254/latest/meta-data/"
"""What servers in clouds must never be talked into asking."""
LATE = 0.5
"""Seconds: news that come later were not under way already when the webhook was deleted."""
RETRY = 10.0
"""Seconds within which a failed delivery is tried again."""


@define(eq=False)
class Pushed:
    """A task with two webhooks, of which the second was deleted before the task ended."""

    task: dict[str, Any]
    kept: Webhook
    deleted: Webhook
    answers: dict[str, Answer] = field(factory=dict)
    """To each call, by what it did."""
    deleted_at: float = 0.0


def config_of(peer: Peer, said: Any) -> dict[str, Any]:
    """The webhook in an answer: line 0.3 has it inside."""
    expect(isinstance(said, dict), f"no configuration: {shown(said)}")
    inside = said.get("pushNotificationConfig") if peer.way.old else said
    expect(isinstance(inside, dict), f"no configuration: {shown(said)}")
    found: dict[str, Any] = inside
    return found


def state_of(peer: Peer, delivery: Delivery) -> str:
    """The state that a notification tells; empty when none."""
    said = delivery.document
    if peer.way.old and view.state(said):
        return view.state(said)
    # The form of 1.0, which the specification of 0.3 does not forbid.
    kind, inside = view.event(peer.way, said)
    return view.state(inside) if kind in ("task", "statusUpdate") else ""


def ends(peer: Peer, deliveries: list[Delivery]) -> bool:
    return any(
        state_of(peer, each) in view.TERMINAL for each in deliveries if each.document is not None
    )


async def wait_delivered(peer: Peer, hook: Webhook) -> None:
    """Wait until the end of the task was told."""
    if await hook.wait(lambda deliveries: ends(peer, deliveries), peer.patience):
        return
    last = shown(hook.deliveries[-1].body) if hook.deliveries else "nothing"
    raise Failed(f"no notification of the end came within {peer.patience:g} s; last: {last}")


@story
async def accepted(peer: Peer) -> dict[str, Any]:
    """A webhook on this machine, set for a task that has ended: what that is answered with."""
    wants_push(peer)
    task = await finished(peer)
    config = peer.way.config(peer.receiver.hook().url, id="first")
    answer = await peer.ask("set_push", {"task": task["id"], **config})
    if answer.refused and answer.refusal.is_a("InvalidParams"):
        raise NotApplicable(f"refuses a webhook on this machine: {shown(answer.refusal.message)}")
    return config_of(peer, answer.result)


@story
async def pushed(peer: Peer) -> Pushed:
    """A task that works while webhooks are set and deleted, to its end."""
    await accepted(peer)
    task = await busy(peer)
    id = task["id"]
    told = Pushed(task, peer.receiver.hook(), peer.receiver.hook())
    first = peer.way.config(told.kept.url, id="kept", token=TOKEN, bearer=BEARER)
    second = peer.way.config(told.deleted.url, id="deleted")
    for what, operation, params in (
        ("set", "set_push", first),
        ("set another", "set_push", second),
        ("get", "get_push", {"config": "kept"}),
        ("list", "list_push", {}),
        ("delete", "delete_push", {"config": "deleted"}),
        ("get deleted", "get_push", {"config": "deleted"}),
        ("delete again", "delete_push", {"config": "deleted"}),
        ("list the rest", "list_push", {}),
    ):
        told.answers[what] = await peer.ask(operation, {"task": id, **params})
        if what == "delete":
            told.deleted_at = trio.current_time()
    await wait_settled(peer, task)
    await wait_delivered(peer, told.kept)
    if not peer.way.old:
        peer.seen += [
            Seen("a push notification", "StreamResponse", each.document)
            for each in told.kept.deliveries
        ]
    return told


def configs_in(peer: Peer, answer: Answer) -> list[dict[str, Any]]:
    said = answer.result
    if isinstance(said, dict):
        said = said.get("configs", [])
    expect(isinstance(said, list), f"no list of configurations: {shown(said)}")
    return [config_of(peer, each) for each in said]


@check("V10-MUST-035", "V03-MUST-056")
async def a_webhook_can_be_set(peer: Peer) -> None:
    config = await proven(accepted(peer))
    expect(config.get("url"), f"a configuration without its URL: {shown(config)}")


@check("V10-MUST-035", "V10-MUST-043", "V03-MUST-056")
async def news_arrive(peer: Peer) -> None:
    told = await proven(pushed(peer))
    for each in told.kept.deliveries:
        expect(each.verb == "POST", f"a notification comes by {each.verb}")


@check("V10-MUST-043")
async def a_webhook_can_be_set_with_the_message(peer: Peer) -> None:
    await accepted(peer)
    hook = peer.receiver.hook()
    config = peer.way.config(hook.url)
    task = await task_after(peer, sending(peer, peer.texts.hello, push=config))
    await wait_settled(peer, task)
    await wait_delivered(peer, hook)


@check("V10-MUST-036", "V10-MUST-037")
async def a_webhook_can_be_had_again(peer: Peer) -> None:
    told = await pushed(peer)
    config = config_of(peer, told.answers["get"].result)
    expect(config.get("url") == told.kept.url, f"another URL than was set: {shown(config)}")


@check("V10-MUST-038")
async def a_webhook_that_is_not_there_is_not_found(peer: Peer) -> None:
    task = await finished(peer)
    await accepted(peer)
    params = {"task": task["id"], "config": "of-nobody"}
    await must_refuse(peer, "get_push", params, "TaskNotFound")
    refusal = (await pushed(peer)).answers["get deleted"].refusal
    expect(refusal.is_a("TaskNotFound"), f"a deleted webhook gets {refusal}")


@check("V10-MUST-039", "V03-MUST-057")
async def all_webhooks_are_listed(peer: Peer) -> None:
    told = await pushed(peer)
    answer = told.answers["list"]
    found = {each.get("url") for each in configs_in(peer, answer)}
    missing = {told.kept.url, told.deleted.url} - found
    expect(not missing, f"{len(missing)} of 2 webhooks are not listed: {shown(answer.body)}")
    if peer.way.old and peer.way.rpc:
        expect(isinstance(answer.result, list), f"the list is no array: {shown(answer.result)}")


@check("V10-MUST-040")
async def a_deleted_webhook_hears_no_more(peer: Peer) -> None:
    told = await pushed(peer)
    answer = told.answers["delete"]
    expect(not answer.refused, f"a delete is answered with {shown(answer.body)}")
    late = [each for each in told.deleted.deliveries if each.at > told.deleted_at + LATE]
    expect(not late, f"{len(late)} notifications came after the webhook was deleted")
    left = {each.get("url") for each in configs_in(peer, told.answers["list the rest"])}
    expect(told.deleted.url not in left, "a deleted webhook is still listed")


@check("V10-MUST-041")
async def a_webhook_can_be_deleted_twice(peer: Peer) -> None:
    answer = (await pushed(peer)).answers["delete again"]
    if answer.refused:
        raise Failed(f"the second delete gets {answer.refusal}")


@check("V03-MUST-058")
async def a_delete_is_answered_with_null(peer: Peer) -> None:
    answer = (await pushed(peer)).answers["delete"]
    if peer.way.rpc:
        document = answer.document
        right = "result" in document and document["result"] is None
        expect(right, f"a delete is answered with {shown(document)}")
    else:
        expect(not answer.refused, f"a delete is answered with {shown(answer.body)}")


# What arrives


@check("V10-MUST-042", "V10-MUST-048", "V03-MUST-078")
async def notifications_carry_the_credentials(peer: Peer) -> None:
    for each in (await pushed(peer)).kept.deliveries:
        said = each.headers.get("authorization")
        expect(said == f"Bearer {BEARER}", f"Authorization of a notification is {said!r}")


@check("V03-SHOULD-023")
async def notifications_carry_the_token(peer: Peer) -> None:
    for each in (await pushed(peer)).kept.deliveries:
        said = each.headers.get("x-a2a-notification-token")
        expect(said == TOKEN, f"X-A2A-Notification-Token of a notification is {said!r}")


@check("V10-MUST-044")
async def a_notification_is_one_event(peer: Peer) -> None:
    for each in (await pushed(peer)).kept.deliveries:
        view.event(peer.way, each.document)


@check("V03-SHOULD-024")
async def a_notification_tells_the_task_and_its_state(peer: Peer) -> None:
    told = await pushed(peer)
    for each in told.kept.deliveries:
        right = told.task["id"].encode() in each.body
        expect(right, f"a notification without the id of its task: {shown(each.body)}")
    state = state_of(peer, told.kept.deliveries[-1])
    expect(state in view.TERMINAL, f"the last notification tells {state!r}")


@check("V10-SHOULD-011")
async def what_was_not_taken_is_sent_again(peer: Peer) -> None:
    await pushed(peer)
    hook = peer.receiver.hook(503)
    config = peer.way.config(hook.url)
    await task_after(peer, sending(peer, peer.texts.hello, push=config))

    def again(deliveries: list[Delivery]) -> bool:
        return any(each.body == deliveries[0].body for each in deliveries[1:])

    expect(await hook.wait(again, RETRY), f"HTTP 503, and no second try within {RETRY:g} s")


# Where it may go


@check("V10-SHOULD-012", "V10-SHOULD-021", "V03-SHOULD-025")
async def a_webhook_in_the_inner_network_is_refused(peer: Peer) -> None:
    wants_push(peer)
    task = await finished(peer)
    config = peer.way.config(METADATA_SERVICE)
    answer = await peer.ask("set_push", {"task": task["id"], **config})
    expect(answer.refused, f"a webhook at {METADATA_SERVICE} is accepted")


@check("V03-SHOULD-026")
async def the_owner_of_a_webhook_is_asked(peer: Peer) -> None:
    told = await pushed(peer)
    first = told.kept.deliveries[0]
    expect(first.document is None, "the first request to a webhook is a notification")


@check("V10-MUST-155")
async def files_are_not_fetched_for_strangers(peer: Peer) -> None:
    await hello(peer)
    hook = peer.receiver.hook()
    said = sending(peer, peer.texts.hello)
    said["message"]["parts"].append(peer.way.file_part(hook.url, "text/plain"))
    answer = await peer.ask("send", said)
    if not answer.refused:
        kind, inside = view.answer(peer.way, answer.result)
        if kind == "task":
            await wait_settled(peer, inside)
    expect(not hook.deliveries, "a file at an address on this machine is fetched")
