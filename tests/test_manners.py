"""What a request may say beside the protocol: where to go on, what was sent before, extensions."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import trio

from a2abackends.echo import ECHO
from a2acore import sse
from a2acore.backend import Settings
from a2acore.lifecycle import EXTENSION
from a2acore.server import Options, serve

NEW = {"A2A-Version": "1.0"}


@asynccontextmanager
async def asking(workspace: Path, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server with echo behind it."""
    with trio.fail_after(30):
        async with ECHO.open(Settings(workspace)) as backend, trio.open_nursery() as nursery:
            bound = await nursery.start(
                partial(serve, backend, port=0, options=Options(workspace, **options))
            )
            async with httpx.AsyncClient(base_url=bound.url, headers=NEW) as http:
                yield http
            nursery.cancel_scope.cancel()


def message(text: str, message_id: str = "m1", **rest: Any) -> dict[str, Any]:
    said = {"messageId": message_id, "role": "ROLE_USER", "parts": [{"text": text}], **rest}
    return {"message": said}


async def frames(response: httpx.Response) -> list[sse.SSEvent]:
    decoder = sse.Decoder()
    return [frame async for chunk in response.aiter_bytes() for frame in decoder.feed(chunk)]


def event(frame: sse.SSEvent) -> dict[str, Any]:
    read: dict[str, Any] = msgspec.json.decode(frame.data)
    return read


# Last-Event-ID


async def test_every_event_of_a_stream_bears_its_number(tmp_path: Path) -> None:
    async with (
        asking(tmp_path) as http,
        http.stream("POST", "/message:stream", json=message("hello world")) as response,
    ):
        heard = await frames(response)
    assert [frame.id for frame in heard] == [str(number) for number in range(len(heard))]


async def test_a_subscription_goes_on_behind_the_event_that_was_heard_last(tmp_path: Path) -> None:
    async with asking(tmp_path) as http:
        async with http.stream("POST", "/message:stream", json=message("tool sudo")) as response:
            first = await frames(response)
        task_id = event(first[0])["task"]["id"]
        cut = first[2].id
        url, headers = f"/tasks/{task_id}:subscribe", {"Last-Event-ID": cut}
        async with http.stream("GET", url, headers=headers) as response:
            answer = message("allow", "m2", taskId=task_id)
            assert (await http.post("/message:send", json=answer)).status_code == 200
            resumed = await frames(response)
    assert [frame.id for frame in resumed][: len(first) - 3] == [f.id for f in first[3:]]
    assert [frame.data for frame in resumed][: len(first) - 3] == [f.data for f in first[3:]]
    ids = [int(frame.id) for frame in resumed]
    assert ids == list(range(int(cut) + 1, ids[-1] + 1)), "no gap and no repeat"
    assert event(resumed[-1])["statusUpdate"]["status"]["state"] == "TASK_STATE_COMPLETED"


@pytest.mark.parametrize("nonsense", ["", "abc", "-1", "999999", "1.5"])
async def test_a_number_that_was_never_told_gets_the_whole_task(
    nonsense: str, tmp_path: Path
) -> None:
    async with asking(tmp_path) as http:
        paused = (await http.post("/message:send", json=message("sudo"))).json()["task"]
        headers = {"Last-Event-ID": nonsense}
        url = f"/tasks/{paused['id']}:subscribe"
        async with http.stream("GET", url, headers=headers) as response:
            assert (await http.post(f"/tasks/{paused['id']}:cancel")).status_code == 200
            [first, *_] = await frames(response)
    assert event(first)["task"]["id"] == paused["id"]


# Idempotency-Key


async def test_what_is_sent_twice_with_one_key_is_done_once(tmp_path: Path) -> None:
    async with asking(tmp_path) as http:
        headers = {"Idempotency-Key": "k1"}
        first = await http.post("/message:send", json=message("edit a.txt"), headers=headers)
        again = await http.post("/message:send", json=message("edit a.txt"), headers=headers)
        async with http.stream(
            "POST", "/message:stream", json=message("edit a.txt"), headers=headers
        ) as response:
            streamed = await frames(response)
        other = await http.post("/message:send", json=message("edit a.txt"))
    assert again.json() == first.json()
    assert [event(frame) for frame in streamed] == [first.json()]
    assert other.json()["task"]["id"] != first.json()["task"]["id"]
    assert (tmp_path / "a.txt").read_text().count("echo was here") == 2


async def test_a_repeated_answer_is_not_taken_twice(tmp_path: Path) -> None:
    async with asking(tmp_path) as http:
        paused = (await http.post("/message:send", json=message("sudo sudo"))).json()["task"]
        answer = message("allow", "m2", taskId=paused["id"])
        key = {"Idempotency-Key": "answer"}
        first = (await http.post("/message:send", json=answer, headers=key)).json()["task"]
        again = (await http.post("/message:send", json=answer, headers=key)).json()["task"]
    assert first["status"]["state"] == "TASK_STATE_INPUT_REQUIRED", "the second question"
    assert again["status"] == first["status"]


async def test_one_key_for_two_messages_is_refused(tmp_path: Path) -> None:
    async with asking(tmp_path) as http:
        headers = {"Idempotency-Key": "k1"}
        await http.post("/message:send", json=message("hello"), headers=headers)
        refused = await http.post("/message:send", json=message("bye"), headers=headers)
        listed = (await http.get("/tasks")).json()
    assert refused.status_code == 400
    assert refused.json()["error"]["details"][0]["reason"] == "INVALID_PARAMS"
    assert listed["totalSize"] == 1


@pytest.mark.parametrize("dedupe", [True, False])
async def test_a_message_id_counts_as_a_key_only_when_that_is_wanted(
    dedupe: bool, tmp_path: Path
) -> None:
    async with asking(tmp_path, dedupe_message_id=dedupe) as http:
        first = (await http.post("/message:send", json=message("hello"))).json()["task"]["id"]
        again = (await http.post("/message:send", json=message("hello"))).json()["task"]["id"]
    assert (first == again) is dedupe


# Extensions


@pytest.mark.parametrize("name", ["A2A-Extensions", "X-A2A-Extensions"])
async def test_an_extension_that_is_named_is_active_and_said_to_be(
    name: str, tmp_path: Path
) -> None:
    """V10-SHOULD-100, V10-SHOULD-099 and V10-MUST-158: what is not known is ignored."""
    headers = {name: f"urn:nobody:knows:v1, {EXTENSION},{EXTENSION}, {EXTENSION}0"}
    async with asking(tmp_path) as http:
        sent = await http.post("/message:send", json=message("hello"), headers=headers)
        async with http.stream(
            "POST", "/message:stream", json=message("hello"), headers=headers
        ) as streamed:
            await frames(streamed)
        plain = await http.post("/message:send", json=message("hello"))
    assert sent.headers["A2A-Extensions"] == EXTENSION
    assert streamed.headers["A2A-Extensions"] == EXTENSION
    assert "A2A-Extensions" not in plain.headers


async def test_the_old_line_is_answered_by_its_own_header(tmp_path: Path) -> None:
    """V03-SHOULD-028."""
    params = {"message": {"kind": "message", "messageId": "m", "role": "user"}}
    params["message"]["parts"] = [{"kind": "text", "text": "hello"}]  # type: ignore[assignment]
    call = {"jsonrpc": "2.0", "id": 1, "method": "message/send", "params": params}
    async with asking(tmp_path) as http:
        headers = {"A2A-Version": "0.3", "X-A2A-Extensions": EXTENSION}
        sent = await http.post("/", json=call, headers=headers)
    assert sent.json()["result"]["status"]["state"] == "completed"
    assert sent.headers["X-A2A-Extensions"] == EXTENSION


async def test_an_extension_that_is_required_has_to_be_named(tmp_path: Path) -> None:
    """V10-MUST-077, V03-SHOULD-029."""
    async with asking(tmp_path, require_extension=True) as http:
        card = (await http.get("/.well-known/agent-card.json")).json()
        refused = await http.post("/message:send", json=message("hello"))
        call = {"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": message("hello")}
        over_rpc = (await http.post("/", json=call)).json()
        named = {"A2A-Extensions": EXTENSION}
        sent = await http.post("/message:send", json=message("hello"), headers=named)
        listed = await http.get("/tasks")
    [extension] = card["capabilities"]["extensions"]
    assert extension["required"] is True
    assert refused.status_code == 400
    assert refused.json()["error"]["details"][0]["reason"] == "EXTENSION_SUPPORT_REQUIRED"
    assert over_rpc["error"]["code"] == -32008
    assert sent.status_code == 200
    assert listed.json()["totalSize"] == 1, "reading needs no extension"


# The extended card


async def test_the_extended_card_is_for_callers_with_a_credential(tmp_path: Path) -> None:
    """V10-MUST-142, V10-MUST-143, V10-SHOULD-079, V10-SHOULD-082, V03-MUST-060."""
    async with asking(tmp_path, token="sesame") as http:
        public = (await http.get("/.well-known/agent-card.json")).json()
        refused = await http.get("/extendedAgentCard")
        http.headers["Authorization"] = "Bearer sesame"
        extended = await http.get("/extendedAgentCard")
        call = {"jsonrpc": "2.0", "id": 1, "method": "GetExtendedAgentCard"}
        over_rpc = (await http.post("/", json=call)).json()["result"]
        old = {"jsonrpc": "2.0", "id": 1, "method": "agent/getAuthenticatedExtendedCard"}
        on_03 = (await http.post("/", json=old, headers={"A2A-Version": "0.3"})).json()["result"]
    assert public["capabilities"]["extendedAgentCard"] is True
    assert refused.status_code == 401
    assert str(tmp_path) in extended.json()["description"]
    assert str(tmp_path) not in public["description"]
    assert extended.json()["version"] != public["version"]
    assert "private" in extended.headers["Cache-Control"]
    assert over_rpc == extended.json()
    assert on_03["supportsAuthenticatedExtendedCard"] is True
    assert "supportedInterfaces" not in on_03


async def test_without_credentials_there_is_no_extended_card(tmp_path: Path) -> None:
    """V10-MUST-075."""
    async with asking(tmp_path) as http:
        refused = await http.get("/extendedAgentCard")
    assert refused.status_code == 400
    assert refused.json()["error"]["details"][0]["reason"] == "UNSUPPORTED_OPERATION"
