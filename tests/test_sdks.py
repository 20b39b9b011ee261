"""The official A2A clients of both lines against our server, on both bindings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from a2abackends.echo import ECHO
from a2acore.backend import Settings
from a2acore.server import Options, serve
from tests.kit.clients.driver import WEBHOOK_CREDENTIALS, WEBHOOK_TOKEN
from tests.kit.sdks import Binding, Sdk
from tests.receiver import Letter, receiving

pytestmark = [
    pytest.mark.sdks,
    pytest.mark.parametrize("binding", ["JSONRPC", "HTTP+JSON"]),
]

PATIENCE = 90.0
"""Seconds for a whole test; a driver gives up by itself after 60."""


@asynccontextmanager
async def echoing(workspace: Path, **rest: Any) -> AsyncIterator[str]:
    """The URL of a server with echo behind it."""
    options = Options(workspace=workspace, **rest)
    with trio.fail_after(PATIENCE):
        async with ECHO.open(Settings(workspace)) as backend, trio.open_nursery() as nursery:
            bound = await nursery.start(partial(serve, backend, port=0, options=options))
            yield bound.url
            nursery.cancel_scope.cancel()


async def test_the_card_is_read(official_client: Sdk, binding: Binding, tmp_path: Path) -> None:
    async with echoing(tmp_path) as url:
        seen = await official_client.play("card", url, binding)
    assert seen.error is None
    assert seen.card is not None
    assert seen.card["name"] == "Echo"
    assert seen.card["streaming"] is True
    assert seen.card["skills"] == ["echo"]
    bindings = {each["binding"] for each in seen.card["interfaces"]}
    assert bindings == {"JSONRPC", "HTTP+JSON"}
    assert {each["url"] for each in seen.card["interfaces"]} == {url}


async def test_a_blocking_send_returns_the_finished_task(
    official_client: Sdk, binding: Binding, tmp_path: Path
) -> None:
    async with echoing(tmp_path) as url:
        seen = await official_client.play("send", url, binding, "hello world")
    assert seen.error is None
    [task] = seen.events
    assert task["kind"] == "task"
    assert task["state"] == "completed"
    assert {"name": "response", "text": "echo: hello world"} in task["artifacts"]


async def test_a_stream_begins_with_the_task_and_ends_with_its_end(
    official_client: Sdk, binding: Binding, tmp_path: Path
) -> None:
    async with echoing(tmp_path) as url:
        seen = await official_client.play("stream", url, binding, "hello world")
    assert seen.error is None
    assert seen.kinds[0] == "task"
    assert seen.states == ["submitted", "working", "completed"]
    assert seen.text() == "echo: hello world"
    if official_client.line == "0.3":
        finals = [event["final"] for event in seen.events if event["kind"] == "status"]
        assert finals == [False, True]


async def test_a_task_can_be_fetched_afterwards(
    official_client: Sdk, binding: Binding, tmp_path: Path
) -> None:
    async with echoing(tmp_path) as url:
        seen = await official_client.play("get", url, binding, "hello world")
    assert seen.error is None
    assert seen.task is not None
    assert seen.task["state"] == "completed"
    assert {"name": "response", "text": "echo: hello world"} in seen.task["artifacts"]


async def test_an_unknown_task_is_refused_as_such(
    official_client: Sdk, binding: Binding, tmp_path: Path
) -> None:
    async with echoing(tmp_path) as url:
        seen = await official_client.play("get_unknown", url, binding)
    assert seen.error is not None
    # The Python 0.3 client knows the HTTP status alone on HTTP+JSON, the others no number.
    assert seen.error["code"] in (-32001, 404) or "TaskNotFound" in seen.error["type"], seen.error


async def test_a_cancel_in_mid_stream_is_heard_on_the_stream(
    official_client: Sdk, binding: Binding, tmp_path: Path
) -> None:
    async with echoing(tmp_path) as url:
        seen = await official_client.play("cancel", url, binding, "slow:600")
    assert seen.error is None
    assert seen.task is not None
    assert seen.task["state"] == "canceled"
    assert seen.states[-1] == "canceled"


async def test_an_ended_task_cannot_be_cancelled(
    official_client: Sdk, binding: Binding, tmp_path: Path
) -> None:
    async with echoing(tmp_path) as url:
        seen = await official_client.play("cancel_finished", url, binding, "hello world")
    assert seen.error is not None
    refused = seen.error["code"] in (-32002, 409) or "NotCancelable" in seen.error["type"]
    assert refused, seen.error


async def test_who_hung_up_can_subscribe_and_hear_the_rest(
    official_client: Sdk, binding: Binding, tmp_path: Path
) -> None:
    async with echoing(tmp_path) as url:
        seen = await official_client.play("subscribe", url, binding, "slow:3")
    assert seen.error is None
    assert seen.joined[0]["kind"] == "task"
    assert seen.joined[0]["state"] == "working"
    assert seen.joined[-1]["state"] == "completed"


async def test_tasks_can_be_listed_by_their_context(
    official_client: Sdk, binding: Binding, tmp_path: Path
) -> None:
    async with echoing(tmp_path) as url:
        seen = await official_client.play("listed", url, binding, "hello world")
    if official_client.line == "0.3":
        assert seen.error is not None, "there is no such thing on 0.3"
        return
    assert seen.error is None
    [task] = seen.listed
    assert task["id"] == seen.events[0]["task"]
    assert task["state"] == "completed"
    assert task["artifacts"] == []


async def test_a_caller_with_a_token_gets_the_extended_card(
    official_client: Sdk, binding: Binding, tmp_path: Path
) -> None:
    async with echoing(tmp_path, token="open-sesame") as url:
        public = await official_client.play("card", url, binding)
        seen = await official_client.play("extended", url, binding, token="open-sesame")
    assert seen.error is None
    assert seen.card is not None
    assert public.card is not None
    assert seen.card["name"] == "Echo"
    assert seen.card["version"] == f"{public.card['version']}+extended"


async def test_a_token_is_wanted_and_taken(
    official_client: Sdk, binding: Binding, tmp_path: Path
) -> None:
    async with echoing(tmp_path, token="open-sesame") as url:
        refused = await official_client.play("send", url, binding, "hello world")
        seen = await official_client.play("send", url, binding, "hello world", "open-sesame")
    assert refused.error is not None
    assert refused.events == []
    assert seen.error is None
    assert seen.events[-1]["state"] == "completed"


def ends(letters: list[Letter], state: str) -> bool:
    """Whether the last letter tells of this state, in the form of either line."""
    if not letters:
        return False
    said = letters[-1].json
    said = said.get("statusUpdate", said)
    found: str = said.get("status", {}).get("state", "")
    return found.removeprefix("TASK_STATE_").lower() == state


def check_letters(letters: list[Letter], line: str) -> None:
    for letter in letters:
        assert letter.headers["x-a2a-notification-token"] == WEBHOOK_TOKEN
        assert letter.headers["authorization"] == f"Bearer {WEBHOOK_CREDENTIALS}"
        assert ("kind" in letter.json) == (line == "0.3")


async def test_webhooks_are_set_read_listed_and_deleted_and_one_hears_the_end(
    official_client: Sdk, binding: Binding, tmp_path: Path
) -> None:
    async with receiving() as receiver, echoing(tmp_path, webhook_allow_private=True) as url:
        seen = await official_client.play(
            "webhooks", url, binding, "question", webhook=receiver.url
        )
        assert seen.error is None
        assert seen.task is not None
        assert seen.task["state"] == "canceled"
        letters = await receiver.until(lambda letters: ends(letters, "canceled"))
    told = {"task": seen.task["id"], "url": receiver.url, "token": WEBHOOK_TOKEN}
    told |= {"scheme": "Bearer", "credentials": WEBHOOK_CREDENTIALS}
    one, two = ({**told, "id": id} for id in ("one", "two"))
    assert seen.webhooks["set"] == [one, two]
    assert seen.webhooks["got"] == one
    listing = official_client.name != "python-0.3"  # which can neither list nor delete
    assert seen.webhooks["listed"] == ([one, two] if listing else None)
    assert seen.webhooks["left"] == ([one] if listing else None)
    check_letters(letters, official_client.line)


async def test_a_webhook_that_comes_with_a_message_hears_the_task(
    official_client: Sdk, binding: Binding, tmp_path: Path
) -> None:
    async with receiving() as receiver, echoing(tmp_path, webhook_allow_private=True) as url:
        seen = await official_client.play(
            "notified", url, binding, "hello world", webhook=receiver.url
        )
        assert seen.error is None
        assert seen.events[-1]["state"] == "completed"
        letters = await receiver.until(lambda letters: ends(letters, "completed"))
    check_letters(letters, official_client.line)
