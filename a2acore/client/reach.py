"""The way to an agent: its card, the interfaces in it that we speak, and what opens the door."""

from __future__ import annotations

import base64
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import httpx
import trio
from attrs import field, frozen

from a2acore.client.errors import ClientError, NoWay, Unauthorized, bare, translated
from a2acore.loopback import is_loopback
from a2acore.model import AgentCard
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


@frozen
class Shown:
    """What a client shows to an agent so as to be let in, if anything."""

    token: str = field(default="", repr=False)
    """A bearer token; or, with a `user`, the password."""
    user: str = ""
    insecure: bool = False
    """Show it also where everybody on the way can read it."""

    def __bool__(self) -> bool:
        return bool(self.token)

    @property
    def headers(self) -> dict[str, str]:
        """The headers that show it."""
        if not self.user:
            return credentials(self.token)
        said = base64.b64encode(f"{self.user}:{self.token}".encode()).decode()
        return {"Authorization": f"Basic {said}"} if self.token else {}

    def may_go_to(self, url: str) -> bool:
        """Whether it may be shown at an address: with https, or here, nobody reads along."""
        return not self.token or self.insecure or _is_https(url) or _is_here(url)

    def check(self) -> None:
        """Raises: ClientError: no header can hold it."""
        if self.user:
            if ":" in self.user or not f"{self.user}{self.token}".isprintable():
                raise ClientError("a user and a password are of one line, and a user has no colon")
        # Checked here, because what h11 says of a bad header quotes the header.
        elif not all("!" <= char <= "~" for char in self.token):
            raise ClientError(
                "a token may hold visible ASCII characters only; check where it is from"
            )


async def fetch_card(
    url: str,
    *,
    token: str = "",
    user: str = "",
    insecure: bool = False,
    line: str = NEWEST,
    http: httpx.AsyncClient | None = None,
    tls: ssl.SSLContext | None = None,
) -> bytes:
    """The card of the agent at `url` as it is served, in the form of `line`.

    The rest is as for `open_client`.

    Raises:
        ClientError: it cannot be had.
    """
    async with open_http(http, tls) as client:
        return await fetch(client, url, Shown(token, user, insecure), line)


def find(
    card: AgentCard, url: str, shown: Shown, line: str | None, binding: str | None
) -> list[Way]:
    """The ways that lead to the agent at `url`, by its card.

    Raises:
        NoWay: there are none.
    """
    ways = choose(card, line=line, binding=binding)
    if not ways:
        raise NoWay(_no_way(url, card, line, binding))
    if shown:
        # What is safe where the card is from is to stay so, wherever the card leads.
        only_https = _is_https(url)
        ways = [
            way
            for way in ways
            if shown.may_go_to(way.url) and (_is_https(way.url) or not only_https)
        ]
        if not ways:
            raise NoWay(f"the card of {bare(url)} leads away from https; no token goes there")
    return ways


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


async def fetch(http: httpx.AsyncClient, url: str, shown: Shown, line: str = NEWEST) -> bytes:
    """The card, through an HTTP client that is open."""
    shown.check()
    if not shown.may_go_to(url):
        raise ClientError(
            f"no token goes to {bare(url)}, where everybody on the way can read it; use https, or "
            "say --insecure if that is what you want"
        )
    address = url.removesuffix(CARD_PATH).rstrip("/") + CARD_PATH
    with translated(url):
        response = await http.get(
            address,
            headers={"A2A-Version": line, **shown.headers},
            timeout=PATIENCE,
            follow_redirects=False,
        )
    check(response, url, shown)
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


def check(response: httpx.Response, url: str, shown: Shown) -> None:
    """See that we are let in. What we may not do there an error of A2A's may say.

    Raises:
        Unauthorized: we are not.
    """
    refused = response.status_code == httpx.codes.FORBIDDEN and b'"message"' not in response.content
    if refused or response.status_code == httpx.codes.UNAUTHORIZED:
        what = "does not accept this token" if shown else "wants a token"
        raise Unauthorized(f"the agent at {bare(url)} {what} ({response.status_code})")


def _is_https(url: str) -> bool:
    return url.lower().startswith("https:")


def _is_here(url: str) -> bool:
    try:
        return is_loopback(httpx.URL(url).host)
    except httpx.InvalidURL:
        return False


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
async def open_http(
    http: httpx.AsyncClient | None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    """The HTTP client that was given, or one of our own, which speaks TLS as `tls` says."""
    if http is not None:
        yield http
        return
    # A proxy for the world is no proxy for this machine.
    here: dict[str, httpx.AsyncBaseTransport | None] = {
        "all://127.0.0.1": None,
        "all://localhost": None,
        "all://[::1]": None,
    }
    async with httpx.AsyncClient(mounts=here, verify=tls or True) as own:
        yield own


async def unwind(chunks: AsyncIterator[bytes]) -> None:
    """Leave the nested generators of httpx in an orderly way.

    Closing the outermost leaves the inner ones to the garbage collector, and then trio warns of
    each. A read that is cancelled unwinds them all.
    """
    with trio.CancelScope() as scope, suppress(httpx.HTTPError):
        scope.cancel()
        async for _ in chunks:
            pass
