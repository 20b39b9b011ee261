"""By a page in a browser on this machine: the server lets in everybody who reaches it, as `serve`
does without any word about it, and listens on the loopback interface alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.edge import Answer
from tests.security.house import ECHO, OLD_RPC, PATIENT, REST, RPC, House, begin, command
from tests.security.house import house as house_of

JSON = "application/json"
EVIL = "https://evil.example"
SIMPLE = OLD_RPC.spell("send", {"message": OLD_RPC.message("owned", messageId="m")}).body
"""What needs no header that a page may not send: line 0.3 is spoken without one."""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("pages")
    audit = ("--audit", str(folder / "audit.jsonl"))
    with house_of(folder, *ECHO, *PATIENT, *audit) as house:
        yield house


async def turned_away(
    house: House,
    headers: dict[str, str],
    *statuses: int,
    body: bytes = SIMPLE,
    verb: str = "POST",
    target: str = "/",
) -> Answer:
    """A page asks, and neither is anything done nor may the page read the answer."""
    with house.untouched():
        answer = await house.edge().ask(verb, target, headers, body)
    assert answer.status in statuses, answer
    assert not [name for name in answer.headers if name.startswith("access-control-")]
    assert b"echo:" not in answer.body
    return answer


async def test_without_a_page_it_is_answered(house: House) -> None:
    """Or the tests below could not fail."""
    answer = await house.edge().ask("POST", "/", {"Content-Type": JSON}, SIMPLE)
    assert answer.status == 200
    assert b"echo: owned" in answer.body


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "text/plain; charset=utf-8",
        "text/plain; application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/json",
        "application/jsonp",
        "application/json-seq",
        "application/json, text/plain",
        "text/plain, application/json",
        "",
    ],
)
async def test_a_form_or_a_beacon_whose_body_is_json(house: House, kind: str) -> None:
    """A page may post these anywhere without asking; and a peer read any of them as JSON (F4)."""
    await turned_away(house, {"Content-Type": kind}, 415)
    await turned_away(house, {"Content-Type": kind, "Origin": EVIL}, 403)


async def test_a_form_with_a_field_whose_name_is_json(house: House) -> None:
    body = SIMPLE[:-1] + b', "x=": "y"}'
    await turned_away(house, {"Content-Type": "text/plain"}, 415, body=body)
    rest = REST.spell("send", {"message": REST.message("owned", messageId="m")})
    for headers in ({"Content-Type": "text/plain", "A2A-Version": "1.0"}, {"A2A-Version": "1.0"}):
        await turned_away(house, headers, 415, body=rest.body, target=rest.target)
    await turned_away(
        house, {"Content-Type": "text/plain"}, 400, 415, body=SIMPLE, target="/v1/message:send"
    )


async def test_a_script_that_sends_json_from_another_origin(house: House) -> None:
    port = urlsplit(house.url).port
    for origin in (
        EVIL,
        "null",
        "file://",
        "http://localhost",
        f"http://localhost:{port}0",
        f"http://localhost:{port}.evil.example",
        f"http://evil.example:{port}",
        f"http://localhost:{port}@evil.example",
        f"ftp://localhost:{port}",
        f"http://localhost:{port} {EVIL}",
        "chrome-extension://abcdef",
    ):
        headers = {"Content-Type": JSON, "Origin": origin, "Host": f"localhost:{port}"}
        await turned_away(house, headers, 403)


async def test_two_origins_of_which_one_is_ours(house: House) -> None:
    port = urlsplit(house.url).port
    ours = f"http://localhost:{port}"
    head = f"POST / HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Type: {JSON}\r\n"
    for first, second in ((ours, EVIL), (EVIL, ours), (ours, ours)):
        lines = f"Origin: {first}\r\nOrigin: {second}\r\nContent-Length: {len(SIMPLE)}\r\n\r\n"
        with house.untouched():
            assert b" 403 " in (await house.told((head + lines).encode() + SIMPLE))[:20]


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:9100",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "127.0.0.1.nip.io",
        "2130706433",
        "0x7f000001",
        "[::1].evil.example",
        "localhost@evil.example",
        "localhost:80@evil.example",
        "evil.example#localhost",
        "xn--lcalhost-3ve",
    ],
)
async def test_a_name_that_was_made_to_point_at_us(house: House, host: str) -> None:
    """DNS rebinding: the page is of the very origin that it asks, and sends no other one."""
    for headers in ({"Host": host}, {"Host": host, "Origin": f"http://{host}"}):
        await turned_away(house, {"Content-Type": JSON, **headers}, 421, 400, 403)
        await turned_away(house, headers, 421, 400, 403, verb="GET", target="/tasks", body=b"")


async def test_two_hosts_or_none(house: House) -> None:
    rest = f"Content-Type: {JSON}\r\nContent-Length: {len(SIMPLE)}\r\n\r\n".encode() + SIMPLE
    with house.untouched():
        for hosts in (
            b"",
            b"Host: localhost\r\nHost: evil.example\r\n",
            b"Host: evil.example\r\nHost: localhost\r\n",
            b"Host: localhost, evil.example\r\n",
            b"Host: evil.example\r\nX-Forwarded-Host: localhost\r\n",
        ):
            said = await house.told(b"POST / HTTP/1.1\r\n" + hosts + rest)
            assert said[9:12] in (b"400", b"421"), hosts


async def test_another_host_in_the_target(house: House) -> None:
    rest = f"Content-Type: {JSON}\r\nContent-Length: {len(SIMPLE)}\r\nConnection: close\r\n\r\n"
    with house.untouched():
        said = await house.told(
            f"POST http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n{rest}".encode() + SIMPLE
        )
        assert said[9:10] == b"4"


async def test_a_preflight(house: House) -> None:
    asked = {
        "Origin": EVIL,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type, a2a-version, authorization",
        "Access-Control-Request-Private-Network": "true",
    }
    for target in ("/", "/message:send", "/tasks", "/.well-known/agent-card.json", "/health"):
        await turned_away(house, asked, 403, verb="OPTIONS", target=target, body=b"")


async def test_reading_tasks_as_a_script_or_a_picture(house: House) -> None:
    """A tag in a page sends no origin; but what comes is no script, and is not said to be one."""
    await begin(house.edge(), "my secret work")
    headers = {"A2A-Version": "1.0", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    for query in ("", "?callback=steal", "?jsonp=steal&A2A-Version=1.0"):
        with house.untouched():
            answer = await house.edge().ask("GET", f"/tasks{query}", headers)
        assert answer.media_type in ("application/json", "application/a2a+json")
        assert not answer.body.startswith((b"steal", b"["))
        assert not [name for name in answer.headers if name.startswith("access-control-")]


async def test_changing_something_with_a_get(house: House) -> None:
    """All that a picture's address can do."""
    task = await begin(house.edge(), "permission")
    with house.untouched():
        for target in (
            f"/tasks/{task['id']}:cancel",
            f"/v1/tasks/{task['id']}:cancel",
            "/message:send?message=%7B%7D",
            "/?jsonrpc=2.0&method=message/send&id=1&params=e30=",
            f"/tasks/{task['id']}/pushNotificationConfigs?url={EVIL}",
        ):
            answer = await house.edge().ask("GET", target, {"A2A-Version": "1.0"})
            assert answer.status in (200, 400, 404, 405), target
            assert b"canceled" not in answer.body.lower()


async def test_a_card_that_says_what_the_host_said(house: House) -> None:
    """A peer put whatever `Host` and `X-Forwarded-Proto` said into the card's URLs (W18)."""
    with house.untouched():
        answer = await house.edge().ask(
            "GET",
            "/.well-known/agent-card.json",
            {
                "Host": "10.0.0.1:1",
                "X-Forwarded-Host": "evil.example",
                "X-Forwarded-Proto": "javascript",
                "Forwarded": "host=evil.example;proto=javascript",
            },
        )
    urls = {each["url"] for each in answer.json["supportedInterfaces"]}
    assert urls == {house.url}
    assert not {b"evil", b"javascript", b"10.0.0.1"} & set(answer.body.split(b'"'))


async def test_a_cookie_or_a_login_that_a_browser_would_remember(house: House) -> None:
    for way in (RPC, REST, OLD_RPC):
        answer = await house.edge().do(way, "get", id="none")
        assert "set-cookie" not in answer.headers


def test_listening_to_others_without_asking_who_they_are(house: House) -> None:
    """`serve` does not do that, unless it is told twice."""
    for address in ("0.0.0.0", "::", "192.0.2.1"):
        done = command("serve", *ECHO, "--host", address, "--port", "0")
        assert done.exit_code == 2
        assert "--auth-token-file" in done.output
    assert json.loads('"' + (urlsplit(house.url).hostname or "") + '"') == "127.0.0.1"
