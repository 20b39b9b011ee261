"""The bearer token: whatever reaches an operation needs it, and it is never told to anybody."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from a2acore.asgi import Message, Receive, Scope, Send
from a2acore.middleware.bearer import Bearer
from a2acore.middleware.roster import open_roster
from a2acore.server import Exposed, Options, check, serve
from tests.edge import METHODS, WAYS, Answer, Edge, Way, echoing, state
from tests.stage import Actor

TOKEN = "t0ken-nobody-knows"
CARD = "/.well-known/agent-card.json"
each_way = pytest.mark.parametrize("way", WAYS, ids=str)


def check_refusal(answer: Answer) -> None:
    """V03-SHOULD-009, V03-SHOULD-019, V03-SHOULD-020: 401 and how to do better, in JSON."""
    assert answer.status == 401
    assert answer.media_type == "application/json"
    assert answer.headers["www-authenticate"] in (
        'Bearer realm="a2acode"',
        'Bearer realm="a2acode", error="invalid_token"',
    )
    assert answer.headers["connection"] == "close"
    error = answer.json["error"]
    assert (error["code"], error["status"]) == (401, "UNAUTHENTICATED")
    assert TOKEN not in answer.body.decode()


def every_operation(way: Way) -> Iterator[tuple[str, dict[str, Any]]]:
    for operation in METHODS[way.line]:
        message = {"message": way.message("hi")} if operation in ("send", "stream") else {}
        push = {"taskId": "nobody", "id": "c"} if operation.endswith("push") else {}
        yield operation, {"id": "nobody", **push, **message}


WRONG = [
    {},
    {"Authorization": ""},
    {"Authorization": "Bearer"},
    {"Authorization": "Bearer wrong"},
    {"Authorization": f"Bearer {TOKEN}x"},
    {"Authorization": f"Bearer {TOKEN[:-1]}"},
    {"Authorization": f"Bearer {TOKEN} {TOKEN}"},
    {"Authorization": f"Bearer {TOKEN},"},
    {"Authorization": f"Basic {TOKEN}"},
    {"Authorization": TOKEN},
    {"Authorization": f"Bearer{TOKEN}"},
    {"Authorization": "Bearer \xff"},
    {"X-Authorization": f"Bearer {TOKEN}"},
    {"Cookie": f"Authorization=Bearer {TOKEN}"},
]


@each_way
async def test_every_operation_needs_the_token(way: Way, tmp_path: Path) -> None:
    """V10-MUST-060, V10-MUST-115, V10-MUST-145, V10-MUST-149, V03-MUST-006, V03-MUST-073,
    V03-MUST-077."""
    async with echoing(tmp_path, token=TOKEN) as edge:
        stranger = Edge(edge.url)
        for operation, params in every_operation(way):
            verb, target, headers, body = way.spell(operation, params)
            check_refusal(await stranger.ask(verb, target, headers, body))
            admitted = await edge.ask(verb, target, headers, body)
            assert admitted.status != 401, operation


@pytest.mark.parametrize("headers", WRONG, ids=lambda headers: str(list(headers.values())))
async def test_nothing_but_the_token_will_do(headers: dict[str, str], tmp_path: Path) -> None:
    async with echoing(tmp_path, token=TOKEN) as edge:
        for way in WAYS:
            verb, target, said, body = way.spell("send", {"message": way.message("hi")})
            check_refusal(await Edge(edge.url).ask(verb, target, said | headers, body))
        [new, *_] = WAYS
        assert new.unwrap((await edge.do(new, "list")).json)["totalSize"] == 0


@pytest.mark.parametrize("credentials", [f"bearer {TOKEN}", f"BEARER {TOKEN}", f"Bearer   {TOKEN}"])
async def test_the_scheme_is_read_in_any_case(credentials: str, tmp_path: Path) -> None:
    """RFC 9110, 11.1: "a case-insensitive token to identify the authentication scheme"."""
    [way, *_] = WAYS
    async with echoing(tmp_path, token=TOKEN) as edge:
        verb, target, headers, body = way.spell("send", {"message": way.message("hi")})
        headers["Authorization"] = credentials
        assert (await Edge(edge.url).ask(verb, target, headers, body)).status == 200


async def test_who_shows_two_credentials_shows_none() -> None:
    """Which of them counts could be read in two ways, here and in a proxy before us."""
    reached: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        reached.append(scope)

    said: list[Message] = []

    async def send(message: Message) -> None:
        said.append(message)

    async def receive() -> Message:
        raise AssertionError("nothing of the body has to be read")

    right, wrong = f"Bearer {TOKEN}".encode(), b"Bearer other"
    async with open_roster(TOKEN) as roster:
        bearer = Bearer(app, roster, ())
        for first, second in ((right, wrong), (wrong, right), (right, right)):
            headers = [(b"authorization", first), (b"authorization", second)]
            await bearer({"type": "http", "path": "/", "headers": headers}, receive, send)
            assert said[-2]["status"] == 401
        assert not reached
        await bearer(
            {"type": "http", "path": "/", "headers": [(b"authorization", right)]}, receive, send
        )
    [scope] = reached
    assert scope["a2acode.caller"].name == "bearer"


@pytest.mark.parametrize("path", [CARD, "/.well-known/agent.json", "/health"])
async def test_the_card_and_our_health_are_for_everybody(path: str, tmp_path: Path) -> None:
    async with echoing(tmp_path, token=TOKEN) as edge:
        stranger = Edge(edge.url)
        for verb in ("GET", "HEAD"):
            assert (await stranger.ask(verb, path)).status == 200
            assert (await stranger.ask(verb, f"{path}?A2A-Version=1.0")).status == 200
        assert (await stranger.ask("POST", path)).status == 405


NOT_PUBLIC = [
    "/.well-known/message:send",
    "/.well-known/message:stream",
    "/.well-known/tasks",
    "/.well-known/tasks/nobody",
    "/.well-known/extendedAgentCard",
    "/health/message:send",
    "/health/tasks",
    f"{CARD}/",
    f"{CARD}/message:send",
    f"{CARD};x",
    f"{CARD}%00",
    f"{CARD}%20",
    "/.WELL-KNOWN/agent-card.json",
    "/.well-known/Agent-Card.json",
    "/Health",
    "//health",
    "/health/",
    "/health/..",
    "/./health",
    "/x/../health",
    "/tasks/../health",
    "/health%2f",
    "/health%3f",
    "/health%2e",
    "/%2e%2e/health",
    "/message:send?/health",
    "/message%3asend",
    "/",
    "//",
    "/v1/card",
    "/nothing",
]


@pytest.mark.parametrize("target", NOT_PUBLIC)
async def test_what_looks_like_a_public_path_is_none(target: str, tmp_path: Path) -> None:
    """A peer let everything below `/.well-known/` through, and had operations there."""
    _, way = WAYS[:2]
    _, _, headers, body = way.spell("send", {"message": way.message("hi")})
    async with echoing(tmp_path, token=TOKEN) as edge:
        for verb in ("GET", "POST", "HEAD", "DELETE", "OPTIONS"):
            answer = await Edge(edge.url).ask(verb, target, headers, body)
            assert answer.status == 401
            assert answer.headers["www-authenticate"]
        assert way.unwrap((await edge.do(way, "list")).json)["totalSize"] == 0


@pytest.mark.parametrize(
    "target",
    ["/%68ealth", "/healt%68", "/%2ewell-known/agent-card.json", "/health?x=/message:send"],
)
async def test_a_public_path_in_other_letters_leads_to_the_page_and_nowhere_else(
    target: str, tmp_path: Path
) -> None:
    _, way = WAYS[:2]
    _, _, headers, body = way.spell("send", {"message": way.message("hi")})
    async with echoing(tmp_path, token=TOKEN) as edge:
        stranger = Edge(edge.url)
        assert (await stranger.ask("GET", target)).status == 200
        assert (await stranger.ask("POST", target, headers, body)).status == 405
        assert way.unwrap((await edge.do(way, "list")).json)["totalSize"] == 0


@each_way
async def test_who_is_turned_away_is_not_listened_to(way: Way, tmp_path: Path) -> None:
    """V10-MUST-149: the answer comes before the body, and ends the connection."""
    async with echoing(tmp_path, token=TOKEN) as edge:
        verb, target, headers, _ = way.spell("send", {})
        headers["Content-Length"] = "1000000"
        async with Edge(edge.url).exchange(verb, target, headers, None) as exchange:
            check_refusal(await exchange.answer())
            assert await exchange.closed()


@each_way
async def test_the_token_is_told_to_nobody(
    way: Way, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """V10-MUST-150, V10-MUST-151: not in an answer, a log, or what a program shows of its parts."""
    caplog.set_level(logging.DEBUG)
    said = b""
    async with echoing(tmp_path, token=TOKEN) as edge:
        for asker in (edge, Edge(edge.url), Edge(edge.url, "wrong")):
            said += (await asker.do(way, "send", message=way.message("crash tool"))).body
            said += (await asker.do(way, "get", id="nobody")).body
            said += (await asker.ask("GET", CARD)).body
    assert caplog.records  # of the crash
    assert TOKEN not in said.decode() + caplog.text
    assert TOKEN not in repr(Options(token=TOKEN))


async def test_the_card_says_that_a_token_is_needed(tmp_path: Path) -> None:
    """On both lines, and only when one is."""
    async with echoing(tmp_path, token=TOKEN) as edge:
        new = (await edge.ask("GET", CARD, {"A2A-Version": "1.0"})).json
        old = (await edge.ask("GET", CARD, {"A2A-Version": "0.3"})).json
        both = (await edge.ask("GET", CARD)).json
    scheme_10 = {"httpAuthSecurityScheme": {"scheme": "Bearer"}}
    scheme_03 = {"type": "http", "scheme": "Bearer"}
    assert new["securitySchemes"] == {"bearer": scheme_10}
    [requirement] = new["securityRequirements"]
    assert list(requirement["schemes"]) == ["bearer"]
    assert old["securitySchemes"] == {"bearer": scheme_03}
    assert old["security"] == [{"bearer": []}]
    assert both["securitySchemes"] == {"bearer": scheme_10 | scheme_03}
    assert both["security"] == old["security"]
    assert both["securityRequirements"] == new["securityRequirements"]


async def test_a_task_is_its_callers_own_and_every_way_is_the_same_caller(tmp_path: Path) -> None:
    async with echoing(tmp_path, token=TOKEN) as edge:
        task = await edge.tell(WAYS[0], "hi")
        for way in WAYS:
            same = way.unwrap((await edge.do(way, "get", id=task["id"])).json)
            assert state(same) == "completed"


# Who may be reached from other machines


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_this_machine_needs_no_token(host: str) -> None:
    check(host, Options(), insecure=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "2001:db8::1", "agent.example", ""])
async def test_without_a_token_nobody_is_let_in_from_elsewhere(host: str) -> None:
    async def never(turn: object) -> str | None:
        raise AssertionError

    with pytest.raises(Exposed, match="give a token"):
        await serve(Actor(never), host=host, port=0)
    check(host, Options(token=TOKEN), insecure=False)
    check(host, Options(), insecure=True)


async def test_unless_that_is_what_is_wanted() -> None:
    async def play(turn: object) -> str | None:
        return None

    async with trio.open_nursery() as nursery:
        for options, insecure in ((Options(), True), (Options(token=TOKEN), False)):
            start = partial(
                serve, Actor(play), host="0.0.0.0", port=0, options=options, insecure=insecure
            )
            bound = await nursery.start(start)
            edge = Edge(f"http://127.0.0.1:{bound.port}", options.token)
            assert state(await edge.tell(WAYS[0], "go")) == "completed"
        nursery.cancel_scope.cancel()
