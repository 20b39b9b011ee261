"""The way to an agent: its card, the interfaces in it that we speak, and what opens the door."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
from attrs import frozen

from a2acore.client.errors import ClientError, NoWay, Unauthorized, bare, translated
from a2acore.model import AgentCard
from a2acore.wire import card as wire_card
from a2acore.wire import v03, v10
from a2acore.wire.dialect import ClientDialect

CARD_PATH = "/.well-known/agent-card.json"
NEWEST = "1.0"
BINDINGS = ("JSONRPC", "HTTP+JSON")
LINES: dict[str, Callable[[str], ClientDialect]] = {"1.0": v10.client, "0.3": v03.client}

CONNECT = 10.0
"""Seconds to reach a host. Longer than three lost SYNs take, shorter than a person's patience."""
PATIENCE = httpx.Timeout(None, connect=CONNECT)


@frozen
class Way:
    """One interface of a card, and how to speak there."""

    url: str
    tenant: str
    dialect: ClientDialect


async def fetch_card(
    url: str, *, token: str = "", line: str = NEWEST, http: httpx.AsyncClient | None = None
) -> bytes:
    """The card of the agent at `url` as it is served, in the form of `line`.

    Raises:
        ClientError: it cannot be had.
    """
    async with open_http(http) as client:
        return await fetch(client, url, token, line)


async def find(
    http: httpx.AsyncClient, url: str, token: str, line: str | None, binding: str | None
) -> tuple[AgentCard, list[Way]]:
    """The card of the agent at `url`, and the ways that lead there.

    Raises:
        ClientError: there are none.
        InvalidAgentResponse: what is served as the card is none.
    """
    card = wire_card.read(await fetch(http, url, token, NEWEST))
    ways = choose(card, line=line, binding=binding)
    if not ways:
        raise NoWay(_no_way(url, card, line, binding))
    if token and _is_https(url):
        ways = [way for way in ways if _is_https(way.url)]
        if not ways:
            raise NoWay(f"the card of {bare(url)} leads away from https; no token goes there")
    return card, ways


def choose(card: AgentCard, *, line: str | None = None, binding: str | None = None) -> list[Way]:
    """The interfaces of a card that we speak and that fit the pins.

    They stay in the card's order: the agent prefers the earlier ones (A2A 1.0.1 section 8.3.2).
    """
    ways = []
    for interface in card.supported_interfaces:
        # An entry without a version can only be one of line 1.0: those of 0.3 inherit the card's.
        spoken = ".".join((interface.protocol_version or NEWEST).split(".")[:2])
        if spoken not in LINES or interface.protocol_binding not in BINDINGS:
            continue
        if line not in (None, spoken) or binding not in (None, interface.protocol_binding):
            continue
        dialect = LINES[spoken](interface.protocol_binding)
        # The bases of HTTP+JSON end without a slash; the path of a route begins with one.
        base = interface.url.rstrip("/") if dialect.binding == "HTTP+JSON" else interface.url
        ways.append(Way(base, interface.tenant, dialect))
    return ways


async def fetch(http: httpx.AsyncClient, url: str, token: str, line: str) -> bytes:
    """The card, through an HTTP client that is open."""
    # Checked here, because what h11 says of a bad header quotes the header.
    if not all("!" <= char <= "~" for char in token):
        raise ClientError("a token may hold visible ASCII characters only; check where it is from")
    address = url.removesuffix(CARD_PATH).rstrip("/") + CARD_PATH
    with translated(url):
        response = await http.get(
            address, headers={"A2A-Version": line, **credentials(token)}, timeout=PATIENCE
        )
    check(response, url, token)
    if response.has_redirect_location:
        raise NoWay(f"{bare(url)} redirects to {response.headers['location']}; use that address")
    if response.status_code != httpx.codes.OK:
        raise NoWay(
            f"{bare(address)} answered {response.status_code}, not with an agent card; "
            "check the address"
        )
    return response.content


def credentials(token: str) -> dict[str, str]:
    """The headers that show a token, if there is one."""
    return {"Authorization": f"Bearer {token}"} if token else {}


def check(response: httpx.Response, url: str, token: str) -> None:
    """See that we are let in: no error of A2A's says that we are not.

    Raises:
        Unauthorized: we are not.
    """
    if response.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        what = "does not accept this token" if token else "wants a token"
        raise Unauthorized(f"the agent at {bare(url)} {what} ({response.status_code})")


def _is_https(url: str) -> bool:
    return url.lower().startswith("https:")


def _no_way(url: str, card: AgentCard, line: str | None, binding: str | None) -> str:
    wanted = " ".join(pin for pin in (line, binding) if pin)
    offered = ", ".join(
        f"{interface.protocol_binding} {interface.protocol_version} at {interface.url}"
        for interface in card.supported_interfaces
    )
    return (
        f"the agent at {bare(url)} offers {offered or 'nothing'}; "
        f"none of it is {wanted or 'JSONRPC or HTTP+JSON of line 1.0 or 0.3'}"
    )


@asynccontextmanager
async def open_http(http: httpx.AsyncClient | None) -> AsyncIterator[httpx.AsyncClient]:
    """The HTTP client that was given, or one of our own."""
    if http is not None:
        yield http
        return
    # A proxy for the world is no proxy for this machine.
    here: dict[str, httpx.AsyncBaseTransport | None] = {
        "all://127.0.0.1": None,
        "all://localhost": None,
        "all://[::1]": None,
    }
    async with httpx.AsyncClient(mounts=here) as own:
        yield own
