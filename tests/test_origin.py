"""Browsers: whom the server answers to, and whose pages may use it. On real sockets."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from a2acore.asgi import ASGIApp, Receive, Scope, Send
from a2acore.middleware.origin import Hosts, Origins
from tests.edge import echoing
from tests.raw_http import serving


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    assert scope["type"] == "http"
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"hi"})


def head(*lines: str, method: str = "GET", version: str = "1.1") -> bytes:
    return "\r\n".join([f"{method} / HTTP/{version}", *lines, "", ""]).encode("latin-1")


def called(*names: str) -> ASGIApp:
    return Hosts(hello, names)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:9100",
        "LOCALHOST.",
        "127.0.0.1:9100",
        "[::1]:9100",
        "[::1]",
        "10.0.0.7",
        "agent.example.com",
        "Agent.Example.COM:8443",
        "agent.example.com.",
    ],
)
async def test_an_address_and_our_own_names_are_answered(host: str) -> None:
    async with serving(called("agent.example.com")) as server, server.client() as client:
        assert (await client.ask(head(f"Host: {host}"))).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:9100",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "agent.example.com.evil.example",
        "evilagent.example.com",
        "[::1].evil.example",
        "2130706433",
        "0x7f.1",
        "user@evil.example",
        "localhost@evil.example",
        "[::1",
    ],
)
async def test_a_name_that_is_not_ours_is_misdirected(host: str) -> None:
    async with serving(called("agent.example.com")) as server, server.client() as client:
        answer = await client.ask(head(f"Host: {host}"))
        # h11 itself refuses what cannot be a Host at all
        assert answer.status in (400, 421)
        assert answer.error


async def test_a_star_answers_to_every_name() -> None:
    async with serving(called("*")) as server, server.client() as client:
        assert (await client.ask(head("Host: whatever.example"))).status == 200


async def test_a_request_of_http_1_0_needs_no_host() -> None:
    async with serving(called()) as server, server.client() as client:
        assert (await client.ask(head(version="1.0"))).status == 200


allowing = partial(Origins, hello)


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://evil.example:9100",
        "http://localhost:9101",  # another port is another origin
        "http://localhost",
        "null",
        "file://",
        "chrome-extension://abc",
        "http://localhost:9100.evil.example",
        "http://localhost:9100, http://localhost:9100",
    ],
)
async def test_a_page_of_another_origin_is_turned_away(origin: str) -> None:
    async with serving(allowing()) as server, server.client() as client:
        answer = await client.ask(head("Host: localhost:9100", f"Origin: {origin}"))
        assert answer.status == 403
        assert "--allow-origin" in answer.error["message"]


@pytest.mark.parametrize("origin", ["http://localhost:9100", "https://LOCALHOST:9100"])
async def test_a_page_of_our_own_is_answered(origin: str) -> None:
    async with serving(allowing()) as server, server.client() as client:
        answer = await client.ask(head("Host: localhost:9100", f"Origin: {origin}"))
        assert answer.status == 200


async def test_an_origin_that_is_allowed_gets_the_headers_that_its_browser_wants() -> None:
    page = "https://console.example"
    async with serving(allowing([f"{page}/"])) as server, server.client() as client:
        answer = await client.ask(head("Host: localhost", f"Origin: {page}"))
        assert (answer.status, answer.body) == (200, b"hi")
        assert answer.headers[b"access-control-allow-origin"] == page.encode()
        assert answer.headers[b"vary"] == b"Origin"


async def test_a_preflight_of_an_allowed_origin_is_answered_and_no_others_is() -> None:
    async with serving(allowing(["https://console.example"])) as server:
        for page, status in (("https://console.example", 204), ("https://evil.example", 403)):
            async with server.client() as client:
                preflight = head(
                    "Host: localhost",
                    f"Origin: {page}",
                    "Access-Control-Request-Method: POST",
                    "Access-Control-Request-Headers: a2a-version, content-type",
                    method="OPTIONS",
                )
                answer = await client.ask(preflight)
                assert answer.status == status
                granted = answer.headers.get(b"access-control-allow-headers", b"")
                assert (b"a2a-version" in granted) == (status == 204)


# The whole server


async def test_a_server_answers_to_its_names_and_to_its_own_pages_alone(tmp_path: Path) -> None:
    """A page of another origin, and one that was rebound, can neither read nor run anything."""
    options: dict[str, Any] = {
        "public_url": "https://agent.example",
        "allow_hosts": ("inside.example",),
        "allow_origins": ("https://console.example",),
    }
    async with echoing(tmp_path, **options) as edge:
        for headers, status in (
            ({}, 200),
            ({"Host": "agent.example"}, 200),
            ({"Host": "inside.example:80"}, 200),
            ({"Host": "evil.example"}, 421),
            ({"Origin": "https://console.example"}, 200),
            ({"Origin": "https://evil.example"}, 403),
            ({"Host": "evil.example", "Origin": "http://evil.example"}, 421),
        ):
            answer = await edge.ask("GET", "/.well-known/agent-card.json", headers)
            assert answer.status == status, headers
