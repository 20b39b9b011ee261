"""Every operation on both lines and both bindings: who speaks correctly is answered correctly."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import trio

from a2acore.backend import Text, Turn
from tests.edge import BINDINGS_10, WAYS, Way, echoing, serving, state, task_of
from tests.stage import Actor

each_way = pytest.mark.parametrize("way", WAYS, ids=str)
OURS = "urn:a2acode:work:v1"
MADE_UP = {"taskId", "contextId", "messageId", "timestamp", "durationMs"}
"""Members whose values the server makes up; so is the `id` of a task."""


def scrubbed(said: Any) -> Any:
    """What was said, with the names of what is made up in place of the values."""
    if isinstance(said, dict):
        return {
            key: key if key in MADE_UP or key == "id" else scrubbed(value)
            for key, value in said.items()
        }
    return [scrubbed(each) for each in said] if isinstance(said, list | tuple) else said


def part(way: Way, *, proto: bool = False, **content: Any) -> dict[str, Any]:
    """A part, as the way spells it; `proto` is the other form of HTTP+JSON 0.3."""
    if way.old and proto:
        return {"data": {"data": content["data"]}} if "data" in content else content
    return {"kind": next(iter(content)), **content} if way.old else content


def spoken(way: Way, role: str, *parts: Mapping[str, Any], proto: bool = False) -> dict[str, Any]:
    """A message, as a task holds it."""
    schema = way.old and not proto
    return {
        "messageId": "messageId",
        "contextId": "contextId",
        "taskId": "taskId",
        "role": role if schema else f"ROLE_{role.upper()}",
        "content" if way.old and proto else "parts": list(parts),
        **({"kind": "message"} if schema else {}),
    }


def end(way: Way, *, proto: bool = False) -> dict[str, Any]:
    """The status of a completed echo of `hi`."""
    usage = {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3, "model": "echo"}
    data = part(way, data={"kind": "end", "durationMs": "durationMs", "usage": usage}, proto=proto)
    return {
        "state": "completed" if way.old and not proto else "TASK_STATE_COMPLETED",
        "message": {
            **spoken(way, "agent", data, proto=proto),
            "metadata": {OURS: {"kind": "end"}},
            "extensions": [OURS],
        },
        "timestamp": "timestamp",
    }


def ended(way: Way, *, proto: bool = False) -> dict[str, Any]:
    """The task that was the echo of `hi`."""
    hi = part(way, text="hi", proto=proto)
    return {
        "id": "id",
        "contextId": "contextId",
        "status": end(way, proto=proto),
        "artifacts": [
            {
                "artifactId": "response",
                "name": "response",
                "parts": [part(way, text="echo: hi", proto=proto)],
                "metadata": {OURS: {"kind": "response"}},
                "extensions": [OURS],
            }
        ],
        "history": [spoken(way, "user", hi, proto=proto)],
        **({"kind": "task"} if way.old and not proto else {}),
    }


@each_way
async def test_a_send_is_answered_with_the_task_as_it_ended(way: Way, tmp_path: Path) -> None:
    """V10-MUST-003, V10-MUST-007, V10-MUST-008, V10-MUST-078, V03-MUST-022, V03-MUST-053; the
    caller's own message is in the history."""
    async with echoing(tmp_path) as edge:
        answer = await edge.do(way, "send", message=way.message("hi"))
    assert (answer.status, answer.media_type) == (200, "application/json")
    assert scrubbed(task_of(way, answer)) == ended(way)


@each_way
async def test_a_task_can_be_got(way: Way, tmp_path: Path) -> None:
    """V03-MUST-054. On HTTP+JSON 0.3 nothing in a GET tells the form, so it has the proto's."""
    async with echoing(tmp_path) as edge:
        task = await edge.tell(way, "hi")
        answer = await edge.do(way, "get", id=task["id"])
        last = await edge.do(way, "get", id=task["id"], historyLength=1)
        none = await edge.do(way, "get", id=task["id"], historyLength=0)
    assert answer.status == 200
    assert scrubbed(way.unwrap(answer.json)) == ended(way, proto=way.old and not way.rpc)
    assert len(way.unwrap(last.json)["history"]) == 1
    # V10-SHOULD-007; in the proto of 0.3, zero is no limit.
    assert ("history" in way.unwrap(none.json)) == (way.old and not way.rpc)


@each_way
async def test_a_stream_goes_from_the_task_to_its_end(way: Way, tmp_path: Path) -> None:
    """V10-MUST-010, V10-MUST-012, V10-MUST-013, V03-MUST-039, V03-MUST-042, V03-MUST-043."""
    async with echoing(tmp_path) as edge, edge.telling(way, "hi") as stream:
        assert stream.status == 200
        assert stream.headers["cache-control"] == "no-store"
        said = await stream.hear_out(way)
    task: dict[str, Any] = {
        "id": "id",
        "contextId": "contextId",
        "status": {
            "state": "submitted" if way.old else "TASK_STATE_SUBMITTED",
            "timestamp": "timestamp",
        },
        "history": [spoken(way, "user", part(way, text="hi"))],
    }
    last: dict[str, Any] = {"taskId": "taskId", "contextId": "contextId", "status": end(way)}
    if way.old:
        task["kind"] = "task"
        last |= {"kind": "status-update", "final": True}
    assert scrubbed(said[0]) == ["task", task]
    assert scrubbed(said[-1]) == ["statusUpdate", last]
    pieces = [inside for name, inside in said if name == "artifactUpdate"]
    assert "".join(each["artifact"]["parts"][0]["text"] for each in pieces) == "echo: hi"
    assert [each.get("append", False) for each in pieces] == [False, True, True]
    assert [each.get("lastChunk", False) for each in pieces] == [False, False, True]
    finals = [inside.get("final") for name, inside in said if name == "statusUpdate"]
    assert finals == ([False, True] if way.old else [None, None])


@each_way
async def test_a_running_task_can_be_cancelled(way: Way, tmp_path: Path) -> None:
    """V03-MUST-050, V03-MUST-055, V10-MUST-016: and who listens hears it."""
    async with echoing(tmp_path) as edge, edge.telling(way, "slow:60") as stream:
        task = (await stream.hear(way)).inside
        answer = await edge.do(way, "cancel", id=task["id"])
        cancelled = way.unwrap(answer.json)
        last = (await stream.hear_out(way))[-1]
    word = {True: "canceled", False: "TASK_STATE_CANCELED"}[way.old]
    if way.old and not way.rpc:
        word = "TASK_STATE_CANCELLED"  # the proto of 0.3 has another L
    assert (answer.status, cancelled["status"]["state"]) == (200, word)
    assert (last.name, last.state) == ("statusUpdate", "canceled")
    assert last.inside.get("final") == (True if way.old else None)


@each_way
async def test_who_subscribes_has_the_task_and_then_what_happens(way: Way) -> None:
    """V10-MUST-015, V10-MUST-016."""
    said, go_on = trio.Event(), trio.Event()

    async def play(turn: Turn) -> str | None:
        turn.say(Text("one "))
        said.set()
        await go_on.wait()
        turn.say(Text("two"))
        return None

    async with serving(Actor(play)) as edge, edge.telling(way, "go") as first:
        task = (await first.hear(way)).inside
        await said.wait()
        async with edge.listen(way, "subscribe", id=task["id"]) as second:
            snapshot = await second.hear(way)
            go_on.set()
            rest = await second.hear_out(way)
    assert (snapshot.name, snapshot.inside["id"], snapshot.state) == ("task", task["id"], "working")
    assert [part["text"] for part in snapshot.inside["artifacts"][0]["parts"]] == ["one "]
    assert [each.name for each in rest] == ["artifactUpdate", "artifactUpdate", "statusUpdate"]
    assert rest[0].inside["artifact"]["parts"][0]["text"] == "two"
    assert rest[-1].state == "completed"


@pytest.mark.parametrize("way", BINDINGS_10, ids=str)
async def test_tasks_can_be_listed_on_the_new_line(way: Way, tmp_path: Path) -> None:
    """V10-MUST-025, V10-MUST-026, V10-MUST-027, V10-MUST-028, V10-MUST-029."""
    async with echoing(tmp_path) as edge:
        tasks = [await edge.tell(way, text) for text in ("hi", "ho", "hu")]
        first = way.unwrap((await edge.do(way, "list", pageSize=2)).json)
        token = first["nextPageToken"]
        rest = way.unwrap((await edge.do(way, "list", pageSize=2, pageToken=token)).json)
        context = tasks[1]["contextId"]
        one = way.unwrap((await edge.do(way, "list", contextId=context)).json)
        whole = (await edge.do(way, "list", includeArtifacts=True, pageSize=1)).json
    assert first.keys() == {"tasks", "nextPageToken", "pageSize", "totalSize"}
    assert (first["pageSize"], first["totalSize"], token != "") == (2, 3, True)
    listed = first["tasks"] + rest["tasks"]
    assert sorted(task["id"] for task in listed) == sorted(task["id"] for task in tasks)
    times = [task["status"]["timestamp"] for task in listed]
    assert times == sorted(times, reverse=True)
    assert not any("artifacts" in task for task in listed)
    assert rest["nextPageToken"] == ""
    assert [task["id"] for task in one["tasks"]] == [tasks[1]["id"]]
    assert way.unwrap(whole)["tasks"][0]["artifacts"]


@each_way
async def test_every_binding_returns_the_same_task(way: Way, tmp_path: Path) -> None:
    """V03-MUST-004, V10-MUST-097: what was made on one way is there on the others."""
    async with echoing(tmp_path) as edge:
        task = await edge.tell(way, "hi")
        for other in WAYS:
            same = other.unwrap((await edge.do(other, "get", id=task["id"])).json)
            assert (same["id"], same["contextId"]) == (task["id"], task["contextId"])
            assert state(same) == "completed"


@each_way
async def test_moments_are_in_utc_with_milliseconds(way: Way, tmp_path: Path) -> None:
    """V10-MUST-090, V10-MUST-091, V10-SHOULD-046."""
    async with echoing(tmp_path) as edge:
        task = await edge.tell(way, "hi")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", task["status"]["timestamp"])


@pytest.mark.parametrize("id", [1, 0, -7, 2.5, "", "one", None], ids=repr)
@pytest.mark.parametrize("way", [way for way in WAYS if way.rpc], ids=str)
async def test_the_id_of_a_request_comes_back_as_it_was(way: Way, id: Any, tmp_path: Path) -> None:
    """V03-MUST-019, V03-MUST-020, V03-MUST-040."""
    async with echoing(tmp_path) as edge:
        message = {"message": way.message("hi")}
        answer = (await edge.ask(*way.spell("send", message, id))).json
        refusal = (await edge.ask(*way.spell("get", {"id": "nobody"}, id))).json
        async with edge.exchange(*way.spell("stream", message, id)) as stream:
            events = []
            while event := await stream.event():
                events.append(event.data)
    for said in (answer, refusal, *events):
        assert said["jsonrpc"] == "2.0"
        assert (said["id"], type(said["id"])) == (id, type(id))
    assert refusal.keys() == {"jsonrpc", "id", "error"}


@pytest.mark.parametrize("way", [way for way in WAYS if way.rpc], ids=str)
async def test_a_request_without_an_id_is_answered_all_the_same(way: Way, tmp_path: Path) -> None:
    """Every method of A2A answers something."""
    async with echoing(tmp_path) as edge:
        verb, target, headers, body = way.spell("get", {"id": "nobody"})
        answer = await edge.ask(verb, target, headers, body.replace(b'"id": 1, ', b""))
    assert (answer.status, answer.json["id"], answer.json["error"]["code"]) == (200, None, -32001)


@each_way
async def test_who_does_not_want_to_wait_does_not(way: Way, tmp_path: Path) -> None:
    """V10-MUST-009; `blocking: false` on line 0.3."""
    async with echoing(tmp_path) as edge:
        task = await edge.tell(way, "slow:60", configuration=way.at_once())
        assert state(task) in ("submitted", "working")
        assert state(way.unwrap((await edge.do(way, "cancel", id=task["id"])).json)) == "canceled"


@each_way
async def test_a_sender_chooses_how_much_history_comes_back(way: Way, tmp_path: Path) -> None:
    """V10-MUST-034."""
    async with echoing(tmp_path) as edge:
        whole = await edge.tell(way, "tool")
        last = await edge.tell(way, "tool", configuration={"historyLength": 1})
        none = await edge.tell(way, "tool", configuration={"historyLength": 0})
    assert len(whole["history"]) == 2
    assert [said["role"] for said in last["history"]] == [whole["history"][-1]["role"]]
    assert "history" not in none


@each_way
async def test_a_message_that_names_only_its_task_finds_the_context(
    way: Way, tmp_path: Path
) -> None:
    """V10-MUST-083: and every event of the stream, and the history, name that context."""
    async with echoing(tmp_path) as edge:
        task = await edge.tell(way, "question")
        async with edge.telling(way, "blue", taskId=task["id"]) as stream:
            said = await stream.hear_out(way)
        history = way.unwrap((await edge.do(way, "get", id=task["id"])).json)["history"]
    assert {message["contextId"] for message in history} == {task["contextId"]}
    assert {inside["contextId"] for _, inside in said} == {task["contextId"]}
    assert {inside.get("taskId", inside.get("id")) for _, inside in said} == {task["id"]}
    assert said[-1].state == "completed"


@each_way
async def test_a_context_may_be_the_callers_own(way: Way, tmp_path: Path) -> None:
    """V10-MUST-079, V10-MUST-080."""
    async with echoing(tmp_path) as edge:
        first = await edge.tell(way, "how many", contextId="mine")
        second = await edge.tell(way, "how many", contextId="mine")
    assert first["contextId"] == second["contextId"] == "mine"
    assert first["id"] != second["id"]
    assert second["artifacts"][0]["parts"][0]["text"].startswith("this is turn 2")


@each_way
async def test_buffered_the_answer_comes_in_one_piece(way: Way, tmp_path: Path) -> None:
    async with echoing(tmp_path, buffered=True) as edge, edge.telling(way, "one two") as stream:
        said = await stream.hear_out(way)
    texts = [
        inside["artifact"]["parts"][0]["text"] for name, inside in said if name == "artifactUpdate"
    ]
    assert [text for text in texts if text] == ["echo: one two"]
    assert said[-1].state == "completed"


SCRIPT = '[[rules]]\nsteps = [{ do = "message", parts = [{ text = "just this" }] }]\n'


@each_way
async def test_an_agent_may_answer_with_a_mere_message(way: Way, tmp_path: Path) -> None:
    """V10-MUST-011, V10-MUST-085."""
    script = tmp_path / "script.toml"
    script.write_text(SCRIPT)
    async with echoing(tmp_path, script=script) as edge:
        message = way.message("hi", contextId="mine")
        said = way.unwrap((await edge.do(way, "send", message=message)).json)
        reply = said if way.old and way.rpc else said["message"]
        async with edge.listen(way, "stream", message=message) as stream:
            [(name, streamed)] = await stream.hear_out(way)
    expected = spoken(way, "agent", part(way, text="just this"))
    del expected["taskId"]
    assert name == "message"
    assert scrubbed(reply) == scrubbed(streamed) == expected
    assert reply["contextId"] == "mine"
