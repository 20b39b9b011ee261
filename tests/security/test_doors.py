"""Into an operation without a credential. Nobody in here has one, but where it says so."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from tests.raw_http import Client
from tests.security.house import (
    ECHO,
    OLD_REST,
    OLD_RPC,
    PASSWORD,
    PATIENT,
    REST,
    RPC,
    TOKENS,
    House,
    anything,
    guarded,
)

CARD = "/.well-known/agent-card.json"
SEND = json.dumps({"message": REST.message("owned", messageId="m")}).encode()
RIGHT = f"Authorization: Bearer {TOKENS['alice']}"
JSON = ("Content-Type: application/json", "A2A-Version: 1.0")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with guarded(tmp_path_factory.mktemp("doors"), *ECHO, *PATIENT) as house:
        yield house


def spelled(
    verb: str, target: str, *headers: str, body: bytes = b"", version: str = "1.1"
) -> bytes:
    """A request, byte by byte; its length is told unless the headers tell of it."""
    about = "\n".join(headers).lower()
    framed = "content-length" in about or "transfer-encoding" in about
    length = () if framed else (f"Content-Length: {len(body)}",)
    head = (f"{verb} {target} HTTP/{version}", "Host: localhost", *headers, *length)
    return "\r\n".join((*head, "", "")).encode("latin-1") + body


def send(target: str = "/message:send", *headers: str) -> bytes:
    """What starts a task, if it gets through."""
    return spelled("POST", target, *JSON, *headers, body=SEND)


def statuses(said: bytes) -> list[int]:
    """The statuses of all answers in what was said."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", said)]


async def refused(house: House, *requests: bytes, status: int = 401) -> None:
    """Each of them is turned away, and nothing has happened."""
    with house.untouched():
        for request in requests:
            said = await house.told(request)
            assert statuses(said) == [status], (request, said)
            assert b"task" not in said.lower()


# Paths


async def test_a_tenant_that_is_called_like_the_cards_folder(house: House) -> None:
    """A peer let everything below `/.well-known/` through, and had operations there (F1)."""
    await refused(
        house,
        send("/.well-known/message:send"),
        send("/.well-known/message:stream"),
        send("/.well-known/v1/message:send"),
        spelled("GET", "/.well-known/tasks", *JSON),
        spelled("GET", f"/.well-known/tasks/{anything()}", *JSON),
        spelled("GET", "/.well-known/extendedAgentCard", *JSON),
    )


async def test_something_below_a_public_page(house: House) -> None:
    await refused(
        house,
        send(f"{CARD}/message:send"),
        send("/health/message:send"),
        send("/health/v1/message:send"),
        send("/.well-known/jwks.json/message:send"),
        send(f"{CARD}/"),
    )


@pytest.mark.parametrize(
    "tail", [";", ";x=1", "%00", "%20", "%2f", "%3f", "%23", "//", "/.", "%0a"]
)
async def test_a_public_page_with_something_behind_it(house: House, tail: str) -> None:
    await refused(house, send(f"{CARD}{tail}"), send(f"/health{tail}"))


async def test_ways_up_from_a_public_folder(house: House) -> None:
    await refused(
        house,
        send("/.well-known/../message:send"),
        send("/.well-known/%2e%2e/message:send"),
        send("/.well-known/..%2fmessage:send"),
        send("/.well-known/..;/message:send"),
        send("/health/..%5cmessage:send"),
        send("/x/../health"),
        send("/./health"),
    )


async def test_a_public_page_in_other_letters(house: House) -> None:
    await refused(
        house,
        send("/HEALTH"),
        send("/.Well-Known/Agent-Card.json"),
        send("/%2fhealth"),
        send("//health"),
        send("/%252e%252e/health"),
        send("/%ef%bc%8fhealth"),
    )


async def test_an_operation_with_its_path_escaped(house: House) -> None:
    await refused(
        house,
        send("/message%3asend"),
        send("/%6dessage:send"),
        send("//message:send"),
        send("/message:send/"),
        send("/v1/message:send"),
        send("/acme/message:send"),
        send("/acme/v1/message:send"),
        send("/?/health"),
        send("/message:send?" + CARD),
        send("/message:send#/health"),
    )


async def test_the_whole_url_as_the_target(house: House) -> None:
    """RFC 9112, 3.2.2: a proxy is asked so, and some servers look at another part of it."""
    with house.untouched():
        for target in (
            "http://localhost/message:send",
            "http://localhost/health/../message:send",
            "http://localhost/health?/message:send",
            "http://alice@localhost/message:send",
            f"http://localhost{CARD}/message:send",
            "/health http://localhost/message:send",
        ):
            said = await house.told(send(target, "Connection: close"))
            assert statuses(said)[0] in (400, 401, 405, 421), (target, said)


# Verbs


@pytest.mark.parametrize("path", [CARD, "/health", "/.well-known/agent.json"])
async def test_a_public_page_with_another_verb(house: House, path: str) -> None:
    with house.untouched():
        for verb in ("POST", "PUT", "PATCH", "DELETE"):
            said = await house.told(spelled(verb, path, *JSON, "Connection: close", body=SEND))
            assert statuses(said) == [405]


async def test_a_verb_that_is_named_elsewhere(house: House) -> None:
    """Frameworks take the verb, and proxies the path, from headers like these."""
    with house.untouched():
        for header in (
            "X-HTTP-Method-Override: POST",
            "X-Method-Override: DELETE",
            "X-Original-URL: /message:send",
            "X-Rewrite-URL: /tasks",
            "X-Forwarded-Prefix: /tasks",
            "X-Original-Method: POST",
        ):
            said = await house.told(spelled("GET", "/health", header, *JSON, "Connection: close"))
            assert statuses(said) == [200]
            assert said.endswith(b'{"status":"ok"}')


async def test_verbs_that_nobody_expects(house: House) -> None:
    verbs = ("GET", "HEAD", "OPTIONS", "PUT", "TRACE", "PROPFIND", "CONNECT", "PRI")
    await refused(house, *(spelled(verb, "/tasks", *JSON) for verb in verbs))
    await refused(
        house, *(spelled(verb, "/", *JSON, body=SEND) for verb in verbs if verb != "HEAD")
    )
    odd = ("post", "Post")  # not what they look like
    await refused(house, *(spelled(verb, "/", *JSON, body=SEND) for verb in odd), status=400)


async def test_asking_for_the_head_of_an_answer_only(house: House) -> None:
    task = await house.edge("alice").tell(RPC, "permission")
    with house.untouched():
        heads = [
            await house.told(spelled("HEAD", f"/tasks/{id}", *JSON)) for id in (task["id"], "none")
        ]
        assert heads[0] == heads[1]
        assert statuses(heads[0]) == [401]


# Headers


async def test_two_credentials_of_which_one_is_right(house: House) -> None:
    wrong = "Authorization: Bearer x"
    await refused(
        house,
        send("/message:send", RIGHT, wrong),
        send("/message:send", wrong, RIGHT),
        send("/message:send", RIGHT, RIGHT),
        send("/message:send", "Authorization:", RIGHT),
    )


async def test_a_credential_where_it_does_not_belong(house: House) -> None:
    token = TOKENS["alice"]
    await refused(
        house,
        send("/message:send", f"X-Authorization: Bearer {token}"),
        send("/message:send", f"Proxy-Authorization: Bearer {token}"),
        send("/message:send", f"Cookie: Authorization=Bearer {token}; token={token}"),
        send("/message:send", f"X-API-Key: {token}"),
        send(f"/message:send?access_token={token}"),
        send(f"/message:send?token={token}&Authorization=Bearer%20{token}"),
    )


async def test_a_word_that_a_proxy_would_say(house: House) -> None:
    await refused(
        house,
        send("/message:send", "X-Forwarded-For: 127.0.0.1", "X-Real-IP: ::1"),
        send(
            "/message:send", "X-Forwarded-User: alice", "X-Remote-User: alice", "Remote-User: ops"
        ),
        send("/message:send", "X-Client-Cert: CN=alice", "X-SSL-Client-Verify: SUCCESS"),
        send("/message:send", "Forwarded: for=127.0.0.1;proto=https"),
        send("/message:send", "X-A2ACODE-Caller: ops", "a2acode.caller: ops"),
    )


async def test_a_header_that_is_folded_or_bent(house: House) -> None:
    token = TOKENS["alice"]
    with house.untouched():
        for header in (
            f"Authorization : Bearer {token}",
            f"X: y\r\n Authorization: Bearer {token}",
            f"Authorization\x00: Bearer {token}",
            f"\x0bAuthorization: Bearer {token}",
            f"X: y\rAuthorization: Bearer {token}",
        ):
            said = await house.told(send("/message:send", header))
            assert statuses(said) in ([400], [401]), (header, said)


async def test_an_older_http(house: House) -> None:
    with house.untouched():
        for version in ("1.0", "0.9", "2.0", "1.2", "9"):
            request = spelled("POST", "/message:send", *JSON, body=SEND, version=version)
            assert statuses(await house.told(request))[0] in (400, 401, 505)
        assert statuses(await house.told(b"GET /tasks\r\n\r\n")) in ([], [400])


async def test_a_credential_in_a_trailer(house: House) -> None:
    """RFC 9110, 6.5.1: authentication is none of the fields that a trailer may bear."""
    chunks = b"%x\r\n%b\r\n0\r\n%b\r\n\r\n" % (len(SEND), SEND, RIGHT.encode())
    chunked = (*JSON, "Transfer-Encoding: chunked", "Trailer: Authorization")
    await refused(house, spelled("POST", "/message:send", *chunked, body=chunks))


# One connection, several requests


async def test_a_request_behind_a_public_page(house: House) -> None:
    with house.untouched():
        said = await house.told(spelled("GET", "/health") + send())
        assert statuses(said) == [200, 401]


async def test_a_request_behind_somebody_elses(house: House) -> None:
    """As a proxy sends them that uses one connection for all of its callers."""
    with house.untouched():
        first = spelled("GET", "/tasks", *JSON, RIGHT)
        said = await house.told(first + send())
        assert statuses(said) == [200, 401]
        async with house.socket() as client:
            assert (await client.ask(first)).status == 200
            assert (await client.ask(send())).status == 401


async def test_a_request_in_the_body_of_a_public_page(house: House) -> None:
    """A body that nobody reads must not be read as what comes next."""
    with house.untouched():
        inner = send("/message:send", RIGHT)
        async with house.socket() as client:
            answer = await client.ask(spelled("GET", "/health", body=inner))
            assert answer.status == 200
            second = await client.ask(spelled("GET", "/health"))
            assert second.body == b'{"status":"ok"}'


SMUGGLED = b"0\r\n\r\n" + send("/message:send", RIGHT)
"""What a proxy that believes the length takes for a body, and we must not take for a request."""

TWO_ENDS = [
    (f"Content-Length: {len(SMUGGLED)}", "Transfer-Encoding: chunked"),
    ("Transfer-Encoding: chunked", f"Content-Length: {len(SMUGGLED)}"),
    (f"Content-Length: {len(SMUGGLED)}", "Content-Length: 5"),
    ("Content-Length: 5", f"Content-Length: {len(SMUGGLED)}"),
    (f"Content-Length: 5, {len(SMUGGLED)}",),
    ("Content-Length: +5",),
    ("Content-Length: 0x5",),
    ("Content-Length: -1",),
    ("Content-Length: 5 5",),
    ("Transfer-Encoding: identity", "Transfer-Encoding: chunked"),
    ("Transfer-Encoding: xchunked",),
    ("Transfer-Encoding: chunked, identity",),
    ("Transfer-Encoding: chunked, chunked",),
    ("Transfer-Encoding: \x0bchunked",),
    ("Transfer-Encoding : chunked",),
    (f"Content-Length: {len(SMUGGLED)}", "Transfer_Encoding: chunked"),
]


@pytest.mark.parametrize("framing", TWO_ENDS, ids=lambda framing: " + ".join(framing))
async def test_a_request_smuggled_in_a_body_with_two_ends(
    house: House, framing: tuple[str, ...]
) -> None:
    with house.untouched():
        said = await house.told(spelled("POST", "/", *JSON, *framing, body=SMUGGLED))
        assert statuses(said) in ([400], [401], [501]), said


async def test_a_chunk_that_ends_where_it_should_not(house: House) -> None:
    chunked = (*JSON, "Transfer-Encoding: chunked", RIGHT.replace("alice", "nobody"))
    with house.untouched():
        for body in (
            b"2;x=\r\n" + SMUGGLED,
            b"-1\r\n" + SMUGGLED,
            b"0x0\r\n\r\n" + SMUGGLED,
            b"00000000000000000000\r\n\r\n" + SMUGGLED,
            b"ffffffffffffffffff\r\n" + SMUGGLED,
        ):
            said = await house.told(spelled("POST", "/", *chunked, body=body))
            assert statuses(said) in ([400], [401]), (body, said)


async def test_a_chunked_body_of_the_http_that_has_none(house: House) -> None:
    framing = (*JSON, "Transfer-Encoding: chunked")
    with house.untouched():
        said = await house.told(spelled("POST", "/", *framing, body=SMUGGLED, version="1.0"))
        assert statuses(said) in ([400], [401])


# Other protocols on the same port


async def test_going_over_to_a_websocket(house: House) -> None:
    upgrade = (
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    )
    with house.untouched():
        for path in ("/", "/message:stream", "/health", CARD):
            async with house.socket() as client:
                answer = await client.ask(spelled("GET", path, *upgrade) + b"\x81\x85trailing")
                assert answer.status in (200, 400, 401, 501)
                assert b"upgrade" not in answer.headers


async def test_going_over_to_http_2(house: House) -> None:
    upgrade = (
        "Connection: Upgrade, HTTP2-Settings",
        "Upgrade: h2c",
        "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
    )
    with house.untouched():
        for path in ("/message:send", "/health"):
            async with house.socket() as client:
                answer = await client.ask(spelled("GET", path, *upgrade))
                assert answer.status in (200, 400, 401, 501)
        preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"
        assert statuses(await house.told(preface)) in ([], [400], [505])


# What a refusal gives away


async def test_telling_what_there_is_by_how_it_is_refused(house: House) -> None:
    task = await house.edge("alice").tell(RPC, "permission")
    found: dict[str, set[bytes]] = {}
    with house.untouched():
        for id in (str(task["id"]), anything()):
            for way in (RPC, REST, OLD_RPC, OLD_REST):
                for operation in ("get", "cancel", "subscribe", "list_push"):
                    params = {"taskId" if operation == "list_push" else "id": id}
                    answer = await house.edge().ask(*way.spell(operation, params))
                    assert answer.status == 401
                    found.setdefault(f"{way} {operation}", set()).add(answer.body)
    assert all(len(bodies) == 1 for bodies in found.values())


async def test_reading_the_refusal_for_words_about_who_is_known(house: House) -> None:
    said = b""
    with house.untouched():
        for shown in ("", "Bearer x", "Basic eDp5", "Bearer " + "x" * 200, f"Basic {PASSWORD}"):
            said += await house.told(send("/message:send", f"Authorization: {shown}"))
    for name in ("alice", "bob", "carol", "callers.toml", str(house.folder), "Traceback", "sha256"):
        assert name.encode() not in said


async def test_leaving_a_refused_body_for_the_next_one_to_read(house: House) -> None:
    """A refusal comes before the body, and the connection ends with it."""
    with house.untouched():
        head = spelled("POST", "/message:send", *JSON, "Content-Length: 100000")
        async with house.socket() as client:
            await client.send(head + send("/message:send", RIGHT))
            answer = await client.answer("POST")
            assert answer.status == 401
            assert answer.headers[b"connection"] == b"close"
            assert await _silence(client)


async def _silence(client: Client) -> bool:
    return not await client.rest()
