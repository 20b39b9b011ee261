"""What A2A asks of servers and shows on the wire, where no other test has its place for it."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest

from a2acore.lifecycle import EXTENSION
from tests.edge import WAYS, Answer, Edge, Way, echoing, state, task_of

each_way = pytest.mark.parametrize("way", WAYS, ids=str)


async def answer(edge: Edge, way: Way, task: str, text: str, **members: Any) -> dict[str, Any]:
    return await edge.tell(way, text, taskId=task, **members)


async def standing(edge: Edge, way: Way, task: str) -> str:
    return state(way.unwrap((await edge.do(way, "get", id=task)).json))


# Credentials


@each_way
async def test_to_wait_for_a_credential_allows_nothing_and_neither_does_its_coming(
    way: Way, tmp_path: Path
) -> None:
    """V10-MUST-116, V10-MUST-120, V10-MUST-122, V03-SHOULD-008."""
    at_once = way.at_once()
    async with echoing(tmp_path) as edge:
        prompt = "credential permission edit a.txt"
        begun = await edge.tell(way, prompt, configuration=at_once)
        async with edge.listen(way, "subscribe", id=begun["id"]) as stream:
            said = await stream.hear(way)
            while said.state != "auth-required":
                said = await stream.hear(way)
        assert "Log in" in json.dumps(said.inside["status"]["message"])
        assert not (tmp_path / "a.txt").exists()
        paused = await answer(edge, way, begun["id"], "allow")
        assert state(paused) == "input-required", "the permission is asked for all the same"
        assert not (tmp_path / "a.txt").exists()
        done = await answer(edge, way, begun["id"], "allow")
        assert state(done) == "completed"
        assert (tmp_path / "a.txt").exists()
        again = await edge.tell(way, prompt, contextId=done["contextId"], configuration=at_once)
        async with edge.listen(way, "subscribe", id=again["id"]) as stream:
            said = await stream.hear(way)
            while said.state != "auth-required":
                said = await stream.hear(way)


# Our extension

ODD_DATA = [5, "x", [], {"option": "nobody's"}, {"option": ["allow"]}, {"option": {"a": 1}}]


@pytest.mark.parametrize("data", ODD_DATA, ids=repr)
@each_way
async def test_no_odd_data_under_the_name_of_our_extension_give_a_permission(
    way: Way, data: Any, tmp_path: Path
) -> None:
    """V03-MUST-082, V10-MUST-159: refused, or taken for no data at all."""
    async with echoing(tmp_path) as edge:
        paused = await edge.tell(way, "permission edit a.txt")
        message = way.message("no", taskId=paused["id"], metadata={EXTENSION: data})
        said = await edge.do(way, "send", message=message)
        if isinstance(data, dict):
            assert said.status == (200 if way.rpc else 400)
            assert "allow" in refusal(way, said), "the options are named"
            assert await standing(edge, way, paused["id"]) == "input-required"
        else:
            assert state(task_of(way, said)) == "completed"
    assert not (tmp_path / "a.txt").exists()


def refusal(way: Way, said: Answer) -> str:
    error = said.json if way.old and not way.rpc else said.json["error"]
    message: str = error["message"]
    return message


async def test_the_extension_is_named_by_a_uri_with_a_version(tmp_path: Path) -> None:
    """V10-SHOULD-098."""
    async with echoing(tmp_path) as edge:
        card = (await edge.ask("GET", "/.well-known/agent-card.json")).json
    [extension] = card["capabilities"]["extensions"]
    assert re.fullmatch(r"urn:[a-z0-9:]+:v[0-9]+", extension["uri"])


# What stays inside


@each_way
async def test_the_extended_card_tells_no_secret(
    way: Way, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """V10-SHOULD-081, V10-SHOULD-067, V03-SHOULD-012."""
    monkeypatch.setenv("SOME_API_KEY", "k3y-of-the-machine")
    async with echoing(tmp_path, token="s3same-open") as edge:
        card = await edge.do(way, "card")
        public = await edge.ask("GET", "/.well-known/agent-card.json")
    assert str(tmp_path) in card.body.decode()
    for told in (card.body, public.body):
        assert b"s3same-open" not in told
        assert b"k3y-of-the-machine" not in told


@each_way
async def test_what_callers_say_is_not_logged(
    way: Way, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """V10-SHOULD-097: not even in the finest log, and nor is it when a turn fails."""
    caplog.set_level(logging.DEBUG)
    async with echoing(tmp_path) as edge:
        await edge.tell(way, "my name is Ada Lovelace, tool")
        await edge.tell(way, "my name is Ada Lovelace, crash")
        await edge.do(way, "send", message=way.message("x", metadata="Ada Lovelace"))
    assert "the backend broke" in caplog.text
    assert "Lovelace" not in caplog.text
