"""At what is somebody else's. Alice's task waits for her answer; bob knows all of its ids."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.edge import METHODS, WAYS, Answer, Way, state
from tests.security.house import (
    ECHO,
    OLD_RPC,
    REST,
    RPC,
    House,
    anything,
    begin,
    guarded,
)

OURS = "urn:a2acode:work:v1"
HOOK = "https://hooks.example.com/alice"
SECRET = "hook-s3cret"
each_way = pytest.mark.parametrize("way", WAYS, ids=str)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with guarded(tmp_path_factory.mktemp("owners"), *ECHO, "--compat", "shared-stream") as house:
        yield house


@pytest.fixture
async def task(house: House) -> dict[str, Any]:
    """Alice's, in front of a question."""
    begun = await begin(house.edge("alice"), "permission")
    assert state(begun) == "input-required"
    return begun


def blank(answer: Answer, *ids: str) -> tuple[int, str, bytes]:
    """An answer without the id that it is about."""
    body = answer.body
    for id in ids:
        body = body.replace(id.encode(), b"ID")
    return answer.status, answer.headers.get("content-type", ""), body


async def unfindable(
    house: House, task: dict[str, Any], way: Way, operation: str, name: str = "id", **more: Any
) -> None:
    """For bob it is the same as a task that there is not, to the letter."""
    told = []
    with house.untouched():
        for id in (task["id"], anything()):
            answer = await house.edge("bob").do(way, operation, **{name: id}, **more)
            told.append(blank(answer, id))
    assert told[0] == told[1]
    assert b"permission" not in told[0][2].lower()
    kept = await house.edge("alice").do(RPC, "get", id=task["id"])
    assert state(RPC.unwrap(kept.json)) == "input-required"


def request_id(task: dict[str, Any]) -> str:
    id: str = task["status"]["message"]["metadata"][OURS]["requestId"]
    return id


@each_way
async def test_reading_it(house: House, task: dict[str, Any], way: Way) -> None:
    await unfindable(house, task, way, "get")


@each_way
async def test_cancelling_it(house: House, task: dict[str, Any], way: Way) -> None:
    await unfindable(house, task, way, "cancel")


@each_way
async def test_listening_to_it(house: House, task: dict[str, Any], way: Way) -> None:
    await unfindable(house, task, way, "subscribe")


@each_way
async def test_answering_for_its_owner(house: House, task: dict[str, Any], way: Way) -> None:
    told = []
    metadata = {OURS: {"requestId": request_id(task)}}
    with house.untouched():
        for id in (task["id"], anything()):
            message = way.message("allow", taskId=id, messageId="m", metadata=metadata)
            told.append(blank(await house.edge("bob").do(way, "send", message=message), id))
    assert told[0] == told[1]
    kept = RPC.unwrap((await house.edge("alice").do(RPC, "get", id=task["id"])).json)
    assert state(kept) == "input-required"


@pytest.mark.parametrize("way", [way for way in WAYS if way != OLD_RPC], ids=str)
async def test_finding_it_in_a_list(house: House, task: dict[str, Any], way: Way) -> None:
    for params in ({}, {"contextId": task["contextId"]}, {"pageSize": 100}):
        answer = await house.edge("bob").do(way, "list", **params)
        assert task["id"] not in answer.body.decode()
        assert task["contextId"] not in answer.body.decode()


async def test_going_on_from_a_place_in_somebody_elses_list(house: House) -> None:
    for text in ("one", "two", "three"):
        await begin(house.edge("alice"), text)
    page = RPC.unwrap((await house.edge("alice").do(RPC, "list", pageSize=1)).json)
    with house.untouched():
        stolen = page["nextPageToken"]
        moment, id = json.loads(base64.urlsafe_b64decode(stolen))
        made = [
            base64.urlsafe_b64encode(json.dumps(place).encode()).decode()
            for place in (("9", "z"), (moment, id), ("", ""), (moment, "' OR 1=1 --"))
        ]
        for token in (stolen, *made, "AAAA", "!", "e30="):
            answer = await house.edge("bob").do(RPC, "list", pageToken=token)
            assert b"one" not in answer.body
            assert answer.json.get("result", {"tasks": []})["tasks"] == []


async def test_going_on_in_somebody_elses_conversation(house: House) -> None:
    """A context is its caller's: whoever knows its id gets another one of the same name."""
    first = await begin(house.edge("alice"), "how many")
    message = RPC.message("how many", contextId=first["contextId"])
    bobs = RPC.unwrap((await house.edge("bob").do(RPC, "send", message=message)).json)["task"]
    assert "this is turn 1" in json.dumps(bobs)
    message = RPC.message("how many", contextId=first["contextId"])
    own = RPC.unwrap((await house.edge("alice").do(RPC, "send", message=message)).json)["task"]
    assert "this is turn 2" in json.dumps(own)
    listed = await house.edge("alice").do(RPC, "list", contextId=first["contextId"])
    assert bobs["id"] not in listed.body.decode()


async def test_speaking_of_it_in_a_message(house: House, task: dict[str, Any]) -> None:
    told = []
    with house.untouched():
        for id in (task["id"], anything()):
            message = RPC.message("what?", referenceTaskIds=[id], messageId="m")
            told.append(blank(await house.edge("bob").do(RPC, "send", message=message), id))
    assert told[0] == told[1]
    assert b"is no task that is known here" in told[0][2]


async def test_sending_again_what_somebody_else_sent(house: House) -> None:
    """An idempotency key is its caller's: the same key of another begins another task."""
    verb, target, headers, body = RPC.spell("send", {"message": RPC.message("mine", messageId="m")})
    headers["Idempotency-Key"] = "the-key"
    answers = [
        await house.edge(name).ask(verb, target, headers, body)
        for name in ("alice", "bob", "alice", "bob")
    ]
    ids = [RPC.unwrap(answer.json)["task"]["id"] for answer in answers]
    assert ids[0] == ids[2] != ids[1] == ids[3]


async def test_hearing_what_comes_after_a_number(house: House, task: dict[str, Any]) -> None:
    verb, target, headers, body = RPC.spell("subscribe", {"id": task["id"]})
    with house.untouched():
        for number in ("0", "1", "-1", "999999999999999"):
            shown = headers | {"Last-Event-ID": number}
            answer = await house.edge("bob").ask(verb, target, shown, body)
            assert answer.json["error"]["code"] == -32001


async def test_coming_as_another_tenant(house: House, task: dict[str, Any]) -> None:
    with house.untouched():
        for tenant in ("alice", "corp", "..", "*"):
            answer = await house.edge("bob").do(RPC, "get", id=task["id"], tenant=tenant)
            assert "error" in answer.json
            assert "permission" not in answer.body.decode().lower()


# Webhooks


@pytest.fixture
async def hooked(house: House, task: dict[str, Any]) -> dict[str, Any]:
    kept = await house.edge("alice").do(
        RPC,
        "set_push",
        taskId=task["id"],
        id="hook",
        url=HOOK,
        token=SECRET,
        authentication={"scheme": "Bearer", "credentials": SECRET},
    )
    assert kept.status == 200
    return task


@pytest.mark.parametrize("operation", ["get_push", "list_push", "delete_push"])
@each_way
async def test_seeing_or_deleting_its_webhook(
    house: House, hooked: dict[str, Any], way: Way, operation: str
) -> None:
    name = "id" if way == OLD_RPC else "taskId"
    config = "pushNotificationConfigId" if way == OLD_RPC else "id"
    more = {} if operation == "list_push" else {config: "hook"}
    await unfindable(house, hooked, way, operation, name, **more)
    kept = await house.edge("alice").do(RPC, "get_push", taskId=hooked["id"], id="hook")
    assert RPC.unwrap(kept.json)["token"] == SECRET


async def test_hanging_a_webhook_of_ones_own_at_it(house: House, task: dict[str, Any]) -> None:
    await unfindable(house, task, RPC, "set_push", "taskId", url="https://hooks.example.com/bob")
    hook = {"taskId": task["id"], "url": "https://hooks.example.com/bob"}
    with house.untouched():
        answer = await house.edge("bob").do(
            RPC,
            "send",
            message=RPC.message("hi"),
            configuration={"taskPushNotificationConfig": hook},
        )
        assert answer.json["error"]["code"] == -32602
    kept = await house.edge("alice").do(RPC, "list_push", taskId=task["id"])
    assert b"bob" not in kept.body


async def test_reading_a_webhooks_secrets_as_the_operator(
    house: House, hooked: dict[str, Any]
) -> None:
    """Who has `admin` sees everybody's tasks, and nobody's secrets."""
    with house.untouched():
        for operation in ("get_push", "list_push"):
            answer = await house.edge("ops").do(RPC, operation, taskId=hooked["id"], id="hook")
            assert answer.json["error"]["code"] == -32001
        seen = await house.edge("ops").do(RPC, "get", id=hooked["id"])
        assert SECRET not in seen.body.decode()
        assert HOOK not in seen.body.decode()


async def test_answering_as_the_operator(house: House, task: dict[str, Any]) -> None:
    """To see and to stop is not to consent."""
    with house.untouched():
        message = RPC.message("allow", taskId=task["id"])
        answer = await house.edge("ops").do(RPC, "send", message=message)
        assert answer.json["error"]["code"] == -32001


# The methods of other servers


async def interrupt(house: House, name: str, method: str, **params: Any) -> dict[str, Any]:
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    headers = {"Content-Type": "application/json"}
    answer = await house.edge(name).ask("POST", "/", headers, json.dumps(body).encode())
    said: dict[str, Any] = answer.json
    return said


async def test_answering_it_by_a_method_of_another_server(
    house: House, task: dict[str, Any]
) -> None:
    with house.untouched():
        listed = await interrupt(house, "bob", "codex.interrupts.list")
        assert listed["result"]["items"] == []
        told = []
        for id in (request_id(task), anything().replace("-", "")):
            for method, more in (
                ("a2a.interrupt.permission.reply", {"reply": "once"}),
                ("a2a.interrupt.question.reject", {}),
                ("a2a.interrupt.elicitation.reply", {"action": "accept", "content": {}}),
            ):
                said = await interrupt(house, "bob", method, request_id=id, **more)
                told.append(json.dumps(said["error"]).replace(id, "ID"))
        assert told[:3] == told[3:]
    assert "NOT_FOUND" in told[0]


async def test_answering_it_without_the_scope(house: House) -> None:
    task = await begin(house.edge("runner"), "permission")
    with house.untouched():
        message = RPC.message("allow", taskId=task["id"])
        answer = await house.edge("runner").do(RPC, "send", message=message)
        assert answer.json["error"]["code"] == -32043
        said = await interrupt(
            house,
            "runner",
            "a2a.interrupt.permission.reply",
            request_id=request_id(task),
            reply="once",
        )
        assert said["error"]["code"] == -32043


# Scopes


@each_way
async def test_doing_more_than_ones_scope(house: House, task: dict[str, Any], way: Way) -> None:
    """And it is not told whether there would have been anything to do it to."""
    hook = {"pushNotificationConfig": {"url": HOOK}} if way.old else {"url": HOOK}
    with house.untouched():
        for operation in ("send", "stream", "cancel", "set_push", "delete_push"):
            told = []
            for id in (task["id"], anything()):
                message = way.message("x", messageId="m")
                params = {"id": id, "taskId": id, **hook, "message": message}
                if operation.endswith("push") and not way.rpc:
                    params["id"] = "hook"
                elif operation == "delete_push":
                    params["pushNotificationConfigId"] = "hook"
                answer = await house.edge("reader").do(way, operation, **params)
                told.append(blank(answer, id))
            assert told[0] == told[1]
            assert b"scope" in told[0][2], operation


async def test_starting_a_task_with_a_message_to_one_that_there_is_not(house: House) -> None:
    """`approve` alone begins nothing, `run` alone answers nothing."""
    with house.untouched():
        message = RPC.message("allow", taskId=anything())
        answer = await house.edge("runner").do(RPC, "send", message=message)
        assert answer.json["error"]["code"] == -32043
        answer = await house.edge("reader").do(RPC, "send", message=RPC.message("hi"))
        assert answer.json["error"]["code"] == -32043


async def test_every_operation_of_both_lines_is_asked_above() -> None:
    """Or one more would be nobody's business."""
    asked = {"send", "stream", "get", "list", "cancel", "subscribe", "card"}
    asked |= {"set_push", "get_push", "list_push", "delete_push"}
    assert {name for names in METHODS.values() for name in names} == asked


async def test_guessing_the_ids_of_tasks_and_questions(house: House) -> None:
    """They are random, and long: a peer counted its questions from zero (C3)."""
    tasks = [await begin(house.edge("bob"), "permission") for _ in range(3)]
    ids = [task["id"] for task in tasks] + [request_id(task) for task in tasks]
    assert len(set(ids)) == 6
    assert all(len(id.replace("-", "")) == 32 for id in ids)
    assert not {id[:8] for id in ids[:3]} & {id[:8] for id in ids[3:]}


async def test_two_ids_in_one_request(house: House, task: dict[str, Any]) -> None:
    """Which of them is checked, and which is used?"""
    own = await begin(house.edge("bob"), "permission")
    call = RPC.spell("get", {"id": "ID"}).body.decode()
    verb, target, headers, _ = RPC.spell("get", {"id": "x"})
    with house.untouched():
        for first, second in ((own["id"], task["id"]), (task["id"], own["id"])):
            body = call.replace('"id": "ID"', f'"id": "{first}", "id": "{second}"').encode()
            answer = await house.edge("bob").ask(verb, target, headers, body)
            assert task["contextId"] not in answer.body.decode()
        target = f"/tasks/{own['id']}?id={task['id']}"
        answer = await house.edge("bob").ask("GET", target, REST.spell("get", {"id": "x"}).headers)
        assert task["contextId"] not in answer.body.decode()


async def test_a_path_that_leads_from_ones_own_task_to_it(
    house: House, task: dict[str, Any]
) -> None:
    own = await begin(house.edge("bob"), "hi")
    headers = {"A2A-Version": "1.0"}
    with house.untouched():
        for tail in (
            f"/../{task['id']}",
            f"%2f..%2f{task['id']}",
            f"/..%2f{task['id']}",
            f";/{task['id']}",
        ):
            answer = await house.edge("bob").ask("GET", f"/tasks/{own['id']}{tail}", headers)
            assert answer.status in (400, 404), tail
            assert task["contextId"] not in answer.body.decode()
