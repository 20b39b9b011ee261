"""HTTP around the operations: verbs, media types, sizes, paths, and the pages (card and health)."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest

from a2acore.asgi import Message, Scope
from a2acore.backend import Settings, find_backends
from a2acore.server import open_app
from tests.edge import BINDINGS_10, JSON, WAYS, Answer, Edge, Way, echoing, state, task_of

each_way = pytest.mark.parametrize("way", WAYS, ids=str)
each_rest = pytest.mark.parametrize("way", [way for way in WAYS if not way.rpc], ids=str)
NEW = {"A2A-Version": "1.0"}
CARD = "/.well-known/agent-card.json"
OLD_CARD = "/.well-known/agent.json"


def check_json(answer: Answer, status: int) -> Any:
    """It is JSON, and nothing that a person or a debugger would read."""
    assert answer.status == status
    assert answer.media_type == "application/json"
    assert b"Traceback" not in answer.body
    return answer.json


# Verbs

PATHS = [
    # path, version, the verbs that it takes
    ("/", None, {"POST"}),
    ("/?A2A-Version=1.0", None, {"POST"}),
    ("/message:send", "1.0", {"POST"}),
    ("/message:stream", "1.0", {"POST"}),
    ("/tasks", "1.0", {"GET", "HEAD"}),
    ("/tasks/nobody", "1.0", {"GET", "HEAD"}),
    ("/tasks/nobody:cancel", "1.0", {"POST"}),
    ("/tasks/nobody:subscribe", "1.0", {"GET", "HEAD", "POST"}),
    ("/tasks/nobody/pushNotificationConfigs", "1.0", {"GET", "HEAD", "POST"}),
    ("/tasks/nobody/pushNotificationConfigs/c", "1.0", {"GET", "HEAD", "DELETE"}),
    ("/extendedAgentCard", "1.0", {"GET", "HEAD"}),
    ("/acme/message:send", "1.0", {"POST"}),
    ("/v1/message:send", None, {"POST"}),
    ("/v1/message:stream", None, {"POST"}),
    ("/v1/tasks/nobody", None, {"GET", "HEAD"}),
    ("/v1/tasks/nobody:cancel", None, {"POST"}),
    ("/v1/tasks/nobody:subscribe", None, {"GET", "HEAD", "POST"}),
    ("/v1/card", None, {"GET", "HEAD"}),
    (CARD, None, {"GET", "HEAD"}),
    (OLD_CARD, None, {"GET", "HEAD"}),
    ("/health", None, {"GET", "HEAD"}),
    ("/extensions/work-v1.schema.json", None, {"GET", "HEAD"}),
]


@pytest.mark.parametrize(("path", "version", "verbs"), PATHS, ids=lambda value: str(value))
async def test_a_verb_that_a_path_does_not_take_is_refused_with_those_that_it_takes(
    path: str, version: str | None, verbs: set[str], tmp_path: Path
) -> None:
    """ "The origin server MUST generate an Allow header field in a 405 response" (RFC 9110,
    15.5.6)."""
    headers = {"A2A-Version": version} if version else {}
    others = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "PURGE"} - verbs
    async with echoing(tmp_path) as edge:
        for verb in others:
            answer = await edge.ask(verb, path, headers)
            assert answer.status == 405, verb
            assert set(answer.headers["allow"].split(", ")) == verbs | {"OPTIONS"}
            assert answer.media_type == "application/json"
            if verb != "HEAD":
                assert "error" in answer.json
        options = await edge.ask("OPTIONS", path, headers)
    assert options.status in (200, 204)
    assert options.body == b""
    assert set(options.headers["allow"].split(", ")) == verbs | {"OPTIONS"}
    # RFC 9110, 8.6: no Content-Length with 204.
    assert ("content-length" in options.headers) == (options.status == 200)
    # No other origin is let in.
    assert not any(name.startswith("access-control-") for name in options.headers)


async def test_a_head_is_a_get_without_the_body(tmp_path: Path) -> None:
    """Also of a stream, which would otherwise be a wait for nothing."""
    [way, *_] = WAYS
    async with echoing(tmp_path) as edge:
        task = await edge.tell(way, "question")
        for path in (f"/tasks/{task['id']}", "/tasks", "/tasks/nobody", CARD, "/health"):
            get, head = await edge.ask("GET", path, NEW), await edge.ask("HEAD", path, NEW)
            assert head.status == get.status
            assert head.body == b""
            for name in ("content-type", "content-length", "etag"):
                assert head.headers.get(name) == get.headers.get(name)
        stream = await edge.ask("HEAD", f"/tasks/{task['id']}:subscribe", NEW)
    assert (stream.status, stream.media_type, stream.body) == (200, "text/event-stream", b"")


# Media types


@pytest.mark.parametrize(
    "said",
    [
        "text/plain",
        "text/plain;charset=UTF-8",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "json",
        None,
    ],
)
@each_way
async def test_a_body_that_is_not_said_to_be_json_is_refused(
    way: Way, said: str | None, tmp_path: Path
) -> None:
    """A page of another origin may send the first four without asking; it cannot send JSON so."""
    async with echoing(tmp_path) as edge:
        verb, target, headers, body = way.spell("send", {"message": way.message("hi")})
        del headers["Content-Type"]
        if said is not None:
            headers["Content-Type"] = said
        answer = await edge.ask(verb, target, headers, body)
        check_json(answer, 415)
        assert b"application/json" in answer.body
        [new, *_] = WAYS
        assert new.unwrap((await edge.do(new, "list")).json)["totalSize"] == 0


@pytest.mark.parametrize(
    "said", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/a2a+json"]
)
@each_way
async def test_json_may_be_said_in_several_ways(way: Way, said: str, tmp_path: Path) -> None:
    async with echoing(tmp_path) as edge:
        verb, target, headers, body = way.spell("send", {"message": way.message("hi")})
        answer = await edge.ask(verb, target, {**headers, "Content-Type": said}, body)
    assert state(task_of(way, answer)) == "completed"


async def test_a_caller_that_asks_for_the_media_type_of_the_new_line_gets_it(
    tmp_path: Path,
) -> None:
    """V10-SHOULD-050."""
    _, way = BINDINGS_10
    async with echoing(tmp_path) as edge:
        verb, target, headers, body = way.spell("send", {"message": way.message("hi")})
        accepting = {**headers, "Accept": "application/a2a+json"}
        answer = await edge.ask(verb, target, accepting, body)
        refusal = await edge.ask("GET", "/tasks/nobody", {**NEW, "Accept": "application/a2a+json"})
    assert answer.media_type == refusal.media_type == "application/a2a+json"
    assert (answer.status, refusal.status) == (200, 404)


@each_rest
async def test_a_post_that_says_all_in_its_path_needs_no_body(way: Way, tmp_path: Path) -> None:
    async with echoing(tmp_path) as edge:
        for headers in ({}, JSON):
            task = await edge.tell(way, "question")
            verb, target, said, _ = way.spell("cancel", {"id": task["id"]})
            said.pop("Content-Type")
            answer = await edge.ask(verb, target, said | headers)
            assert state(answer.json) == "canceled"


# Sizes


@each_way
async def test_a_body_that_is_too_large_is_refused_before_it_comes(
    way: Way, tmp_path: Path
) -> None:
    """V10-SHOULD-084, V10-SHOULD-094."""
    async with echoing(tmp_path) as edge:
        verb, target, headers, _ = way.spell("send", {})
        headers["Content-Length"] = str(10**9)
        async with edge.exchange(verb, target, headers, None) as exchange:
            error = check_json(await exchange.answer(), 413)["error"]
    assert (error["code"], error["status"]) == (413, "RESOURCE_EXHAUSTED")


# Paths


@each_rest
async def test_an_id_in_a_path_is_one_segment_whatever_is_in_it(way: Way, tmp_path: Path) -> None:
    prefix, headers = ("/v1", {}) if way.old else ("", NEW)
    async with echoing(tmp_path) as edge:
        task = (await edge.tell(way, "hi"))["id"]
        encoded = "".join(f"%{ord(char):02x}" for char in task)
        assert (await edge.ask("GET", f"{prefix}/tasks/{encoded}", headers)).json["id"] == task
        for id in ("a/b", "a:cancel", "a?b", "a b", "ä", "..", "%2e"):
            verb, target, said, body = way.spell("cancel", {"id": id})
            answer = await edge.ask(verb, target, said, body)
            assert answer.status == 404
            error = answer.json if way.old else answer.json["error"]
            assert error["message"] == f"Task not found: {id}"


async def test_our_tenant_may_stand_before_the_paths_of_the_new_line_and_no_other(
    tmp_path: Path,
) -> None:
    """V10-MUST-129: the card's interfaces name it, and callers copy it."""
    _, way = BINDINGS_10
    async with echoing(tmp_path, tenant="acme") as edge:
        verb, target, headers, body = way.spell("send", {"message": way.message("hi")})
        task = task_of(way, await edge.ask(verb, f"/acme{target}", headers, body))
        got = await edge.ask("GET", f"/acme/tasks/{task['id']}", headers)
        clash = json.dumps({**json.loads(body), "tenant": "other"}).encode()
        refused = await edge.ask(verb, f"/acme{target}", headers, clash)
        strange = await edge.ask(verb, f"/other{target}", headers, body)
        card = (await edge.ask("GET", "/.well-known/agent-card.json", headers)).json
    assert (state(task), got.json["id"]) == ("completed", task["id"])
    assert (refused.status, b"tenant" in refused.body) == (400, True)
    assert (strange.status, b"tenant" in strange.body) == (400, True)
    tenants = {each["protocolVersion"]: each.get("tenant") for each in card["supportedInterfaces"]}
    assert tenants == {"1.0": "acme", "0.3": None}


# Health


async def test_who_asks_for_our_health_is_told(tmp_path: Path) -> None:
    async with echoing(tmp_path) as edge:
        assert check_json(await edge.ask("GET", "/health"), 200) == {"status": "ok"}


# What is no request


async def speak(scope: Scope, heard: list[Message], tmp_path: Path) -> list[Message]:
    """What our app says, below any server, to one that says this."""
    said: list[Message] = []

    async def receive() -> Message:
        return heard.pop(0)

    async def send(message: Message) -> None:
        said.append(message)

    async with (
        find_backends()["echo"].open(Settings(tmp_path)) as backend,
        open_app(backend, "http://agent.example") as app,
    ):
        await app(scope, receive, send)
    return said


async def test_a_server_that_starts_its_app_is_told_that_it_has(tmp_path: Path) -> None:
    heard: list[Message] = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    said = await speak({"type": "lifespan"}, heard, tmp_path)
    assert [each["type"] for each in said] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]


async def test_a_websocket_is_turned_away(tmp_path: Path) -> None:
    said = await speak(
        {"type": "websocket", "path": "/"}, [{"type": "websocket.connect"}], tmp_path
    )
    assert said == [{"type": "websocket.close"}]


async def test_a_server_that_wants_something_else_is_not_left_waiting(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="carrier pigeon"):
        await speak({"type": "carrier pigeon"}, [], tmp_path)


# The card

MEMBERS_03 = {"url", "preferredTransport", "protocolVersion", "additionalInterfaces"}
MEMBERS_10 = {"supportedInterfaces"}


def form(card: dict[str, Any]) -> str:
    """Which of the three forms a card has."""
    has_03, has_10 = card.keys() >= MEMBERS_03, card.keys() >= MEMBERS_10
    assert has_03 or not MEMBERS_03 & card.keys()
    return {(True, True): "merged", (False, True): "1.0", (True, False): "0.3"}[has_03, has_10]


async def card(edge: Edge, version: str = "", path: str = CARD) -> dict[str, Any]:
    answer = await edge.ask("GET", path, {"A2A-Version": version} if version else {})
    said: dict[str, Any] = check_json(answer, 200)
    return said


@pytest.mark.parametrize("path", [CARD, OLD_CARD])
@pytest.mark.parametrize("default", ["merged", "1.0", "0.3"])
async def test_the_card_comes_in_the_form_that_the_caller_speaks(
    default: str, path: str, tmp_path: Path
) -> None:
    """V10-MUST-123, V10-MUST-130, V03-MUST-061, V03-SHOULD-011."""
    async with echoing(tmp_path, card_default=default) as edge:
        assert form(await card(edge, path=path)) == default
        assert form(await card(edge, "7.5", path)) == default
        for version in ("1.0", "0.3"):
            assert form(await card(edge, version, path)) == version
            assert form(await card(edge, f"{version}.1", path)) == version
            assert form(await card(edge, path=f"{path}?A2A-Version={version}")) == version


async def test_the_card_tells_where_we_are_and_what_is_spoken_there(tmp_path: Path) -> None:
    """V10-MUST-100, V10-MUST-125, V03-MUST-007, V03-MUST-064, V03-MUST-066."""
    async with echoing(tmp_path) as edge:
        said = await card(edge)
        assert [
            (each["url"], each["protocolBinding"], each["protocolVersion"])
            for each in said["supportedInterfaces"]
        ] == [
            (edge.url, binding, line)
            for line in ("1.0", "0.3")
            for binding in ("JSONRPC", "HTTP+JSON")
        ]
        assert (said["url"], said["preferredTransport"]) == (edge.url, "JSONRPC")
        assert said["protocolVersion"] == "0.3.0"
        assert {(each["url"], each["transport"]) for each in said["additionalInterfaces"]} == {
            (edge.url, "JSONRPC"),
            (edge.url, "HTTP+JSON"),
        }
        assert said["name"] == "Echo"
        assert said["skills"][0]["id"] == "echo"
        capabilities = said["capabilities"]
        assert capabilities["streaming"] is True
        assert capabilities["pushNotifications"] is True
        assert not capabilities.get("extendedAgentCard", False)
        assert capabilities["extensions"][0]["uri"] == "urn:a2acode:work:v1"
        assert "securitySchemes" not in said
        # V03-MUST-041: what it promises is there. Ask at the very address that it tells.
        [way, *_] = WAYS
        elsewhere = Edge(said["supportedInterfaces"][0]["url"])
        assert state(await elsewhere.tell(way, "hi")) == "completed"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", r"http://127\.0\.0\.1:\d+"),
        ("localhost", r"http://localhost:\d+"),
        ("::1", r"http://\[::1\]:\d+"),
    ],
)
async def test_the_address_is_the_one_that_is_bound(host: str, url: str, tmp_path: Path) -> None:
    """Without a slash at the end, whatever a request says of it."""
    lies = {
        "Host": "localhost:1",
        "X-Forwarded-Host": "evil.example",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Prefix": "/evil",
        "Forwarded": "host=evil.example;proto=https",
    }
    async with echoing(tmp_path, host=host) as edge:
        assert re.fullmatch(url, edge.url)
        answer = await edge.ask("GET", CARD, lies)
    assert b"evil" not in answer.body
    said = answer.json
    assert {each["url"] for each in said["supportedInterfaces"]} == {said["url"]} == {edge.url}


@pytest.mark.parametrize("public", ["https://agent.example", "https://agent.example/a/"])
async def test_or_the_one_that_is_told(public: str, tmp_path: Path) -> None:
    async with echoing(tmp_path, public_url=public) as edge:
        said = await card(edge)
    assert {each["url"] for each in said["supportedInterfaces"]} == {public.rstrip("/")}
    assert said["url"] == public.rstrip("/")


async def test_a_card_may_be_kept_and_asked_for_again(tmp_path: Path) -> None:
    """V10-SHOULD-069, V10-SHOULD-070, V10-SHOULD-071; RFC 9110, 13.2.2."""
    async with echoing(tmp_path) as edge:
        first = await edge.ask("GET", CARD)
        etag, since = first.headers["etag"], first.headers["last-modified"]
        assert re.fullmatch(r'"[0-9a-f]+"', etag)
        assert re.fullmatch(r"public, max-age=\d+", first.headers["cache-control"])
        assert first.headers["vary"] == "A2A-Version"
        moment = parsedate_to_datetime(since)
        earlier = format_datetime(moment - timedelta(seconds=1), usegmt=True)
        later = format_datetime(moment + timedelta(hours=1), usegmt=True)
        for headers, status in [
            ({"If-None-Match": etag}, 304),
            ({"If-None-Match": f"W/{etag}"}, 304),
            ({"If-None-Match": f'"other", {etag}'}, 304),
            ({"If-None-Match": "*"}, 304),
            ({"If-None-Match": '"other"'}, 200),
            ({"If-None-Match": etag[1:-1]}, 200),
            ({"If-Modified-Since": since}, 304),
            ({"If-Modified-Since": later}, 304),
            ({"If-Modified-Since": earlier}, 200),
            ({"If-Modified-Since": "yesterday"}, 200),
            ({"If-None-Match": '"other"', "If-Modified-Since": later}, 200),
        ]:
            answer = await edge.ask("GET", CARD, headers)
            assert answer.status == status, headers
            for name in ("etag", "last-modified", "cache-control", "vary"):
                assert answer.headers[name] == first.headers[name]
            assert answer.body == (b"" if status == 304 else first.body)
            if status == 304:
                assert not {"content-type", "content-length"} & answer.headers.keys()
            assert (await edge.ask("HEAD", CARD, headers)).status == status


async def test_each_form_has_a_tag_of_its_own(tmp_path: Path) -> None:
    async with echoing(tmp_path) as edge:
        tags = [
            (await edge.ask("GET", CARD, headers)).headers["etag"]
            for headers in ({}, {"A2A-Version": "1.0"}, {"A2A-Version": "0.3"})
        ]
        assert len(set(tags)) == 3
        held = {"A2A-Version": "1.0", "If-None-Match": tags[2]}
        assert (await edge.ask("GET", CARD, held)).status == 200
