"""Whatever is asked wrongly is refused in the form of its line and binding, and in no other.

The numbers are those of A2A 1.0.1 section 5.4 and of A2A 0.3.0 section 8, written down once more.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from a2acore.backend import AgentInfo, Text, Turn
from a2acore.model import Message, Part
from a2acore.server import serve
from tests.edge import (
    BINDINGS_10,
    JSON,
    PATIENCE,
    WAYS,
    Answer,
    Edge,
    Spelled,
    Way,
    echoing,
    serving,
    state,
)
from tests.stage import Actor

each_way = pytest.mark.parametrize("way", WAYS, ids=str)
each_rpc = pytest.mark.parametrize("way", [way for way in WAYS if way.rpc], ids=str)
each_rest = pytest.mark.parametrize("way", [way for way in WAYS if not way.rpc], ids=str)


class Wrong(NamedTuple):
    """An error: how each line tells it."""

    code: int
    reason: str
    status: int
    grpc: str
    name: str
    status_03: int
    code_03: int | None = None


PARSE = Wrong(-32700, "PARSE_ERROR", 400, "INVALID_ARGUMENT", "JSONParseError", 400)
REQUEST = Wrong(-32600, "INVALID_REQUEST", 400, "INVALID_ARGUMENT", "InvalidRequestError", 400)
METHOD = Wrong(-32601, "METHOD_NOT_FOUND", 404, "NOT_FOUND", "MethodNotFoundError", 404)
PARAMS = Wrong(-32602, "INVALID_PARAMS", 400, "INVALID_ARGUMENT", "InvalidParamsError", 400)
INTERNAL = Wrong(-32603, "INTERNAL_ERROR", 500, "INTERNAL", "InternalError", 500)
STOPPING = Wrong(-32603, "UNAVAILABLE", 503, "UNAVAILABLE", "InternalError", 503)
BUSY = Wrong(-32603, "RESOURCE_EXHAUSTED", 429, "RESOURCE_EXHAUSTED", "InternalError", 429)
NOT_FOUND = Wrong(-32001, "TASK_NOT_FOUND", 404, "NOT_FOUND", "TaskNotFoundError", 404)
NOT_CANCELABLE = Wrong(
    -32002, "TASK_NOT_CANCELABLE", 400, "FAILED_PRECONDITION", "TaskNotCancelableError", 409
)
NO_PUSH = Wrong(
    -32003,
    "PUSH_NOTIFICATION_NOT_SUPPORTED",
    400,
    "FAILED_PRECONDITION",
    "PushNotificationNotSupportedError",
    501,
)
UNSUPPORTED = Wrong(
    -32004, "UNSUPPORTED_OPERATION", 400, "FAILED_PRECONDITION", "UnsupportedOperationError", 400
)
CONTENT_TYPE = Wrong(
    -32005,
    "CONTENT_TYPE_NOT_SUPPORTED",
    400,
    "INVALID_ARGUMENT",
    "ContentTypeNotSupportedError",
    415,
)
NO_CARD = Wrong(
    -32004,
    "UNSUPPORTED_OPERATION",
    400,
    "FAILED_PRECONDITION",
    "ExtendedAgentCardNotConfiguredError",
    404,
    -32007,
)
VERSION = Wrong(
    -32009, "VERSION_NOT_SUPPORTED", 400, "FAILED_PRECONDITION", "VersionNotSupportedError", 400
)


def check(way: Way, answer: Answer, wrong: Wrong, id: Any = 1) -> dict[str, Any]:
    """Hold an answer against the form of its way; its error, for what else there is to see."""
    assert answer.media_type == "application/json"
    assert int(answer.headers["content-length"]) == len(answer.body)
    assert b"Traceback" not in answer.body
    said: dict[str, Any] = answer.json
    code = wrong.code if not way.old or wrong.code_03 is None else wrong.code_03
    if way.rpc:
        assert answer.status == 200
        error: dict[str, Any] = said.pop("error")
        assert said == {"jsonrpc": "2.0", "id": id}
        assert error.keys() <= {"code", "message", "data"}
        assert error["code"] == code
        details: Any = error.get("data")
    elif way.old:
        assert answer.status == wrong.status_03
        error = said
        assert error.keys() <= {"type", "error", "code", "message", "data"}
        assert (error["type"], error["code"]) == (wrong.name, code)
        # Only this one has another name on this line.
        theirs = wrong.name.replace("ExtendedAgentCard", "AuthenticatedExtendedCard")
        assert error["error"] == theirs
        details = error.get("data")
    else:
        assert answer.status == wrong.status
        [error] = said.values()
        assert said.keys() == {"error"}
        assert error.keys() == {"code", "status", "message", "details"}
        assert (error["code"], error["status"]) == (wrong.status, wrong.grpc)
        details = error["details"]
    if way.old:
        assert details is None or isinstance(details, dict)
    else:
        assert details[0]["@type"] == "type.googleapis.com/google.rpc.ErrorInfo"
        assert (details[0]["reason"], details[0]["domain"]) == (wrong.reason, "a2a-protocol.org")
    assert isinstance(error["message"], str)
    assert error["message"]
    assert "\n" not in error["message"]
    return error


def violations(way: Way, error: dict[str, Any]) -> list[str]:
    """The paths of what was wrong."""
    if way.old:
        return [each["field"] for each in error["data"]["violations"]]
    details = error["data" if way.rpc else "details"]
    return [each["field"] for each in details[1]["fieldViolations"]]


# What no task can be asked


class Scene(NamedTuple):
    """A server with a task that has ended."""

    edge: Edge
    way: Way
    ended: str

    async def do(self, operation: str, **params: Any) -> Answer:
        return await self.edge.do(self.way, operation, **params)

    async def say(self, configuration: Any = None, **members: Any) -> Answer:
        message = self.way.message("hi", **members)
        return await self.do("send", message=message, configuration=configuration or {})

    async def push(self, operation: str) -> Answer:
        """Do something about webhooks, as the way spells it."""
        task, url = self.ended, "https://caller.example/hook"
        if not (self.way.old and self.way.rpc):
            said: dict[str, Any] = {"taskId": task}
            if operation in ("get_push", "delete_push"):
                said["id"] = "c"
            if operation == "set_push":
                hook = {"pushNotificationConfig": {"url": url}}
                said |= {"config": hook} if self.way.old else {"url": url}
            return await self.do(operation, **said)
        if operation == "set_push":
            return await self.do(operation, taskId=task, pushNotificationConfig={"url": url})
        named = {} if operation == "list_push" else {"pushNotificationConfigId": "c"}
        return await self.do(operation, id=task, **named)


Ask = Callable[[Scene], Awaitable[Answer]]


async def send_with_a_webhook(scene: Scene) -> Answer:
    name = "pushNotificationConfig" if scene.way.old else "taskPushNotificationConfig"
    return await scene.say({name: {"url": "https://caller.example/hook"}})


async def stream_to(scene: Scene, task: str) -> Answer:
    return await scene.do("stream", message=scene.way.message("hi", taskId=task))


CASES: dict[str, tuple[Wrong, Ask]] = {
    # V10-MUST-005, V10-MUST-018, V10-MUST-023, V10-MUST-033, V03-MUST-052
    "get an unknown task": (NOT_FOUND, lambda s: s.do("get", id="nobody")),
    "cancel an unknown task": (NOT_FOUND, lambda s: s.do("cancel", id="nobody")),
    "subscribe to an unknown task": (NOT_FOUND, lambda s: s.do("subscribe", id="nobody")),
    "send to an unknown task": (NOT_FOUND, lambda s: s.say(taskId="nobody")),
    "stream to an unknown task": (NOT_FOUND, lambda s: stream_to(s, "nobody")),
    # V10-MUST-032, V03-MUST-050
    "cancel an ended task": (NOT_CANCELABLE, lambda s: s.do("cancel", id=s.ended)),
    # V10-MUST-004, V10-MUST-017, V03-MUST-049
    "send to an ended task": (UNSUPPORTED, lambda s: s.say(taskId=s.ended)),
    "stream to an ended task": (UNSUPPORTED, lambda s: stream_to(s, s.ended)),
    "subscribe to an ended task": (UNSUPPORTED, lambda s: s.do("subscribe", id=s.ended)),
    # V10-MUST-084
    "send to a task in another context": (
        PARAMS,
        lambda s: s.say(taskId=s.ended, contextId="another"),
    ),
    # V03-MUST-060
    "get the extended card": (NO_CARD, lambda s: s.do("card")),
}


@pytest.mark.parametrize("case", CASES)
@each_way
async def test_it_is_refused(way: Way, case: str, tmp_path: Path) -> None:
    """V03-MUST-005, V10-MUST-059, V10-MUST-098: with the same meaning on every binding."""
    wrong, ask = CASES[case]
    async with echoing(tmp_path) as edge:
        ended = (await edge.tell(way, "hi"))["id"]
        before = (await edge.do(way, "get", id=ended)).json
        check(way, await ask(Scene(edge, way, ended)), wrong)
        assert (await edge.do(way, "get", id=ended)).json == before


WEBHOOKS: dict[str, Ask] = {
    "set one": lambda s: s.push("set_push"),
    "get one": lambda s: s.push("get_push"),
    "list them": lambda s: s.push("list_push"),
    "delete one": lambda s: s.push("delete_push"),
    "send with one": send_with_a_webhook,
}


@pytest.mark.parametrize("case", WEBHOOKS)
@each_way
async def test_webhooks_are_refused_by_a_server_that_declares_none(
    way: Way, case: str, tmp_path: Path
) -> None:
    """V03-MUST-056, V10-MUST-059, V10-MUST-072, V10-MUST-073."""
    async with echoing(tmp_path, push=False) as edge:
        card = (await edge.ask("GET", "/.well-known/agent-card.json")).json
        assert not card["capabilities"].get("pushNotifications", False)
        ended = (await edge.tell(way, "hi"))["id"]
        check(way, await WEBHOOKS[case](Scene(edge, way, ended)), NO_PUSH)


@each_way
async def test_a_refused_stream_is_no_stream(way: Way, tmp_path: Path) -> None:
    """An error before the first event is an ordinary answer."""
    async with echoing(tmp_path) as edge:
        answer = await edge.do(way, "subscribe", id="nobody")
    check(way, answer, NOT_FOUND)


@each_way
async def test_a_part_that_the_agent_cannot_take_is_refused(way: Way) -> None:
    """V10-MUST-006, V10-SHOULD-085."""

    async def play(turn: Turn) -> str | None:
        return None

    agent = Actor(play, AgentInfo("Reader", "Reads.", input_modes=("text/plain",)))
    async with serving(agent) as edge:
        part = {"data": {"a": 1}} | ({"kind": "data"} if way.old else {})
        answer = await edge.do(way, "send", message=way.message("", parts=[part]))
    error = check(way, answer, CONTENT_TYPE)
    assert "application/json" in error["message"]
    assert "text/plain" in error["message"]


class Breaking(Actor):
    def reply(self, message: Message, conversation: str) -> tuple[Part, ...] | None:
        raise RuntimeError("secret\nthings")


@each_way
async def test_what_breaks_here_is_logged_whole_and_answered_briefly(
    way: Way, caplog: pytest.LogCaptureFixture
) -> None:
    """V10-SHOULD-034."""

    async def play(turn: Turn) -> str | None:
        return None

    async with serving(Breaking(play)) as edge:
        answer = await edge.do(way, "send", message=way.message("hi"))
        again = await edge.do(way, "get", id="nobody")
    error = check(way, answer, INTERNAL)
    assert error["message"] == "Internal error"
    assert b"secret" not in answer.body
    [record] = caplog.records
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], RuntimeError)
    check(way, again, NOT_FOUND)


@each_way
async def test_who_waits_in_too_long_a_line_is_told_to_come_again(way: Way, tmp_path: Path) -> None:
    """V10-SHOULD-033: what passes is told from what stays, by a status and by a time to wait."""
    async with echoing(tmp_path) as edge:
        at_once = way.at_once()
        for _ in range(33):  # one that works, and the line behind it
            await edge.tell(way, "slow:60", contextId="c", configuration=at_once)
        message = way.message("hi", contextId="c")
        answer = await edge.do(way, "send", message=message, configuration=at_once)
    check(way, answer, BUSY)
    assert int(answer.headers["retry-after"]) > 0


@each_way
async def test_a_server_that_stops_takes_no_new_task_and_still_answers(way: Way) -> None:
    stop, end = trio.Event(), trio.Event()

    async def play(turn: Turn) -> str | None:
        await end.wait()
        turn.say(Text("done"))
        return None

    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as nursery:
            bound = await nursery.start(
                partial(serve, Actor(play), port=0, shutdown=stop.wait, grace=PATIENCE)
            )
            edge = Edge(bound.url)
            async with edge.telling(way, "go") as stream:
                task = (await stream.hear(way)).inside
                stop.set()
                await wait_all_tasks_blocked()
                answer = await edge.do(way, "send", message=way.message("hi"))
                still = way.unwrap((await edge.do(way, "get", id=task["id"])).json)
                end.set()
                last = (await stream.hear_out(way))[-1]
    check(way, answer, STOPPING)
    assert int(answer.headers["retry-after"]) > 0
    assert (state(still), last.state) == ("working", "completed")


# What is no request


@each_rpc
async def test_an_unknown_method_is_refused(way: Way, tmp_path: Path) -> None:
    """V03-MUST-084. `tasks/list` is on no line."""
    headers = JSON if way.old else JSON | {"A2A-Version": "1.0"}
    async with echoing(tmp_path) as edge:
        for method in ("tasks/list", "sendmessage", "", "message/send/", "x" * 500):
            body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method}).encode()
            answer = await edge.ask("POST", "/", headers, body)
            error = check(Way("1.0", "JSONRPC"), answer, METHOD)  # no line is known of it
            assert len(error["message"]) < 200


@pytest.mark.parametrize(
    ("target", "version"),
    [
        ("/nothing", None),
        ("/nothing", "1.0"),
        ("/tasks/", "1.0"),
        ("/tasks/a/b", "1.0"),
        ("/message:send/", "1.0"),
        ("//message:send", "1.0"),
        ("/message%3Asend", "1.0"),
        ("/a/b/message:send", "1.0"),
        ("/v1", None),
        ("/v1/nothing", None),
        ("/.well-known/agent-card.json/", None),
        ("/health/", None),
        ("/%ff", None),
        ("/tasks/%ff", "1.0"),
        ("//", None),
    ],
)
@pytest.mark.parametrize("verb", ["GET", "POST"])
async def test_an_unknown_path_is_refused(
    verb: str, target: str, version: str | None, tmp_path: Path
) -> None:
    """Nor is anybody sent elsewhere: never a redirect, never a page for people."""
    way = Way("0.3" if target.startswith("/v1/") else "1.0", "HTTP+JSON")
    headers = {"A2A-Version": version} if version else {}
    async with echoing(tmp_path) as edge:
        answer = await edge.ask(verb, target, headers)
    if way.old:
        assert answer.status == 404
        assert answer.media_type == "application/json"
    else:
        check(way, answer, METHOD)


async def test_the_old_line_has_no_list(tmp_path: Path) -> None:
    """It is in a table of 0.3 for HTTP+JSON and defined nowhere: a capability that is off."""
    way = Way("0.3", "HTTP+JSON")
    async with echoing(tmp_path) as edge:
        answer = await edge.do(way, "list")
    check(way, answer, UNSUPPORTED._replace(status_03=501))


BROKEN = [b"", b"{", b"nonsense", b'{"a": 1', b"\xff\xfe", b'"\xc3"', b"[" * 100_000]


@pytest.mark.parametrize("body", BROKEN, ids=lambda body: repr(body[:10]))
@each_rpc
async def test_a_body_that_is_not_json_is_refused(way: Way, body: bytes, tmp_path: Path) -> None:
    """V03-MUST-021: under a null id, since none could be read."""
    async with echoing(tmp_path) as edge:
        headers = way.spell("get", {}).headers
        answer = await edge.ask("POST", "/", headers, body)
    check(Way("1.0", "JSONRPC"), answer, PARSE, id=None)


@pytest.mark.parametrize("body", BROKEN[1:], ids=lambda body: repr(body[:10]))
@each_rest
async def test_nor_is_it_taken_on_the_other_binding(way: Way, body: bytes, tmp_path: Path) -> None:
    async with echoing(tmp_path) as edge:
        verb, target, headers, _ = way.spell("send", {})
        answer = await edge.ask(verb, target, headers, body)
    check(way, answer, PARSE)


@pytest.mark.parametrize(
    ("said", "id"),
    [
        ([], None),
        ([{"jsonrpc": "2.0", "id": 1, "method": "GetTask"}], None),
        ("GetTask", None),
        (7, None),
        (None, None),
        ({}, None),
        ({"id": 5, "method": "GetTask"}, 5),
        ({"jsonrpc": "1.0", "id": "x", "method": "GetTask"}, "x"),
        ({"jsonrpc": 2.0, "id": 5, "method": "GetTask"}, 5),
        ({"jsonrpc": "2.0", "id": 5}, 5),
        ({"jsonrpc": "2.0", "id": 5, "method": 7}, 5),
        ({"jsonrpc": "2.0", "id": {}, "method": "GetTask"}, None),
        ({"jsonrpc": "2.0", "id": True, "method": "GetTask"}, None),
    ],
    ids=json.dumps,
)
async def test_json_that_is_no_request_is_refused(said: Any, id: Any, tmp_path: Path) -> None:
    """V03-MUST-017, V03-MUST-021: a batch, too, is one refusal."""
    way = Way("1.0", "JSONRPC")
    async with echoing(tmp_path) as edge:
        for headers in (JSON, JSON | {"A2A-Version": "1.0"}):
            answer = await edge.ask("POST", "/", headers, json.dumps(said).encode())
            check(way, answer, REQUEST, id)


@pytest.mark.parametrize("params", [[], "x", 7, True], ids=repr)
@each_way
async def test_params_that_are_no_object_are_refused(way: Way, params: Any, tmp_path: Path) -> None:
    async with echoing(tmp_path) as edge:
        if way.rpc:
            verb, target, headers, body = way.spell("send", {})
            body = json.dumps({**json.loads(body), "params": params}).encode()
        else:
            verb, target, headers, _ = way.spell("send", {})
            body = json.dumps(params).encode()
        check(way, await edge.ask(verb, target, headers, body), PARAMS)


def parts(*parts: Any) -> dict[str, Any]:
    return {"parts": list(parts)}


# What is wrong in a message or a configuration of line 1.0 and of line 0.3, and where that is.
WRONG_10: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    (parts(), {}, "message.parts"),
    ({"parts": "x"}, {}, "message.parts"),
    (parts({}), {}, "message.parts[0]"),
    (parts({"text": "a"}, {"text": "a", "url": "b"}), {}, "message.parts[1]"),
    (parts({"text": 5}), {}, "message.parts[0].text"),
    (parts({"raw": "?"}), {}, "message.parts[0].raw"),
    ({"role": "ROLE_AGENT"}, {}, "message.role"),
    ({"role": "ROLE_UNSPECIFIED"}, {}, "message.role"),
    ({"role": "user"}, {}, "message.role"),
    ({"messageId": ""}, {}, "message.messageId"),
    ({"messageId": None}, {}, "message.messageId"),
    ({"taskId": 5}, {}, "message.taskId"),
    ({"metadata": "x"}, {}, "message.metadata"),
    ({}, {"historyLength": "many"}, "configuration.historyLength"),
    ({}, {"historyLength": -1}, "configuration.historyLength"),
    ({}, {"returnImmediately": "yes"}, "configuration.returnImmediately"),
]
WRONG_03: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    (parts(), {}, "message.parts"),
    (parts({"kind": "text"}), {}, "message.parts[0]"),
    (parts({"kind": "text", "text": "a"}, {"kind": "file", "text": "a"}), {}, "message.parts[1]"),
    (parts({"kind": "text", "text": 5}), {}, "message.parts[0].text"),
    (
        parts({"kind": "file", "file": {"bytes": "YQ==", "uri": "https://a.example"}}),
        {},
        "message.parts[0].file",
    ),
    ({"role": "agent"}, {}, "message.role"),
    ({"role": "ROLE_USER"}, {}, "message.role"),
    ({"messageId": ""}, {}, "message.messageId"),
    ({"kind": "task"}, {}, "message"),
    ({}, {"historyLength": -1}, "configuration.historyLength"),
    ({}, {"blocking": "yes"}, "configuration.blocking"),
]


@pytest.mark.parametrize(
    ("way", "message", "configuration", "where"),
    [
        pytest.param(way, *wrong, id=f"{way} {json.dumps(wrong[:2])}")
        for way in WAYS
        for wrong in (WRONG_03 if way.old else WRONG_10)
    ],
)
async def test_params_that_do_not_fit_are_refused_with_the_place(
    way: Way,
    message: dict[str, Any],
    configuration: dict[str, Any],
    where: str,
    tmp_path: Path,
) -> None:
    """V10-MUST-063, V10-MUST-094, V10-MUST-095, V10-MUST-153, V03-MUST-045, V03-MUST-046,
    V03-MUST-076."""
    async with echoing(tmp_path) as edge:
        said = way.message("hi", **message)
        answer = await edge.do(way, "send", message=said, configuration=configuration)
    places = violations(way, check(way, answer, PARAMS))
    assert any(place == where or place.startswith(f"{where}.") for place in places), places


@each_way
async def test_a_send_needs_a_message(way: Way, tmp_path: Path) -> None:
    """V10-MUST-093, V03-MUST-044."""
    async with echoing(tmp_path) as edge:
        answer = await edge.do(way, "send", configuration={})
    assert violations(way, check(way, answer, PARAMS)) == ["message"]


# Versions


@pytest.mark.parametrize("version", ["0.2", "1.1", "2.0", "1", "latest", "1.0, 1.0"])
@each_way
async def test_a_line_that_is_not_spoken_is_refused(way: Way, version: str, tmp_path: Path) -> None:
    """V10-MUST-052: and both lines are named; by header or by query."""
    async with echoing(tmp_path) as edge:
        verb, target, headers, body = way.spell("get", {"id": "nobody"})
        by_header = await edge.ask(verb, target, {**headers, "A2A-Version": version}, body)
        headers.pop("A2A-Version", None)
        query = f"?A2A-Version={version.replace(' ', '%20')}"
        by_query = await edge.ask(verb, target + query, headers, body)
    for answer in (by_header, by_query):
        error = check(Way("1.0", way.binding), answer, VERSION)  # the form of no line in particular
        info = error["data" if way.rpc else "details"][0]["metadata"]
        assert info == {"requestedVersion": version, "supportedVersions": "1.0,0.3"}


def undeclared(way: Way, operation: str, params: dict[str, Any]) -> Spelled:
    """A request of line 1.0 without its version."""
    verb, target, headers, body = way.spell(operation, params)
    return Spelled(verb, target, {k: v for k, v in headers.items() if k != "A2A-Version"}, body)


@pytest.mark.parametrize("way", BINDINGS_10, ids=str)
async def test_without_a_version_the_new_line_is_refused_unless_told_to_be_lenient(
    way: Way, tmp_path: Path
) -> None:
    """V10-MUST-053."""
    request = undeclared(way, "send", {"message": way.message("hi")})
    async with echoing(tmp_path) as edge:
        error = check(way, await edge.ask(*request), VERSION)
        assert "A2A-Version: 1.0" in error["message"]
    async with echoing(tmp_path, lenient_version=True) as edge:
        answer = await edge.ask(*request)
    assert state(way.unwrap(answer.json)["task"]) == "completed"


@pytest.mark.parametrize("version", ["1.0", "1.0.1", " 1.0 "])
@pytest.mark.parametrize("way", BINDINGS_10, ids=str)
async def test_a_version_may_stand_in_the_query_and_have_a_patch_number(
    way: Way, version: str, tmp_path: Path
) -> None:
    """V10-MUST-054."""
    request = undeclared(way, "send", {"message": way.message("hi")})
    query = f"?A2A-Version={version.replace(' ', '+')}"
    async with echoing(tmp_path) as edge:
        answer = await edge.ask(*request._replace(target=request.target + query))
    assert state(way.unwrap(answer.json)["task"]) == "completed"


@each_way
async def test_each_line_keeps_to_its_own_words(way: Way, tmp_path: Path) -> None:
    """V10-MUST-051: a method or a path of one line under the version of the other."""
    other = "1.0" if way.old else "0.3"
    async with echoing(tmp_path) as edge:
        verb, target, headers, body = way.spell("get", {"id": "nobody"})
        answer = await edge.ask(verb, target, {**headers, "A2A-Version": other}, body)
    wrong = METHOD if way.old and way.rpc else VERSION
    check(Way("1.0", way.binding), answer, wrong)
