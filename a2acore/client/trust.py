"""Whom to believe: whose signature makes a card the agent's own.

A card says where requests go, and with them the token. What has changed it on its way, or whoever
serves it, can send both elsewhere; a signature by a key that was known before tells.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence

import httpx
import trio
from attrs import field, frozen

from a2acore.client.documents import NoDocument, TooLarge, fetch_document
from a2acore.client.errors import ClientError, NotSigned, Untrusted, bare, translated
from a2acore.client.reach import open_http
from a2acore.loopback import is_loopback
from a2acore.signing import BadKey, BadSignature, Key, NotCanonical, load_set
from a2acore.wire.signatures import Unsigned, Verified, check, headers

KEYS_SIZE = 64 * 1024
"""Bytes of a set of keys: a hundred of them."""
KEYS_TIME = 10.0
"""Seconds to fetch a set of keys: as long as to reach a host."""
PLACES = 4
"""Places that keys are fetched from for one card. Whoever wrote it named them."""

# Neither user nor query nor escapes: two readers of a URL must not see two hosts or two paths.
_PLACE = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>(?:/[A-Za-z0-9._~-]*)*)",
    re.IGNORECASE,
)
_PORTS = {"https": 443, "http": 80}


@frozen
class Trust:
    """Which keys may have signed a card: those given, and those at the places given."""

    keys: tuple[Key, ...] = ()
    jku_allow: tuple[str, ...] = field(default=())
    """Hosts (`keys.example`), or beginnings of URLs (`https://example/agents/`), from where keys
    are fetched when a signature says so. Only with https, except from this machine."""
    require_signed: bool = True
    """Refuse a card without signatures. One that is signed wrongly is always refused."""

    @jku_allow.validator
    def _check(self, _: object, places: tuple[str, ...]) -> None:
        for place in places:
            if _parts(_spelled_out(place)) is None:
                raise ValueError(f"{place!r} is neither a host nor the beginning of an https URL")


async def verify_card(
    document: bytes, trust: Trust, *, http: httpx.AsyncClient | None = None
) -> Verified:
    """See who signed a card, as it was served, and what of it.

    Raises:
        Untrusted: nobody did who is trusted.
        ClientError: the keys cannot be had.
    """
    try:
        return await _verified(document, trust, http)
    except Unsigned as exc:
        raise NotSigned("the card is not signed") from exc
    except (BadSignature, NotCanonical) as exc:
        raise Untrusted(f"the card is not to be trusted: {exc}") from exc


async def believed(document: bytes, trust: Trust | None, http: httpx.AsyncClient) -> bytes:
    """What of a card may be used. Raises like `verify_card`."""
    if trust is None:
        return document
    try:
        return (await verify_card(document, trust, http=http)).payload
    except NotSigned:
        if trust.require_signed:
            raise
        return document


async def _verified(document: bytes, trust: Trust, http: httpx.AsyncClient | None) -> Verified:
    try:
        return check(document, trust.keys)
    except Unsigned:
        raise
    except BadSignature:
        places = _places(document, trust.jku_allow)
        if not places:
            raise
    fetched: list[Key] = []
    async with open_http(http) as client:
        for place in places:
            fetched += await _fetch_keys(client, place)
    return check(document, (*trust.keys, *fetched))


def _places(document: bytes, allowed: Sequence[str]) -> Sequence[str]:
    """Where the signatures say that their keys are, as far as we go there."""
    named = dict.fromkeys(each.jku for each in headers(document))
    return [jku for jku in named if any(_within(jku, place) for place in allowed)][:PLACES]


def _within(jku: str, place: str) -> bool:
    asked, given = _parts(jku), _parts(_spelled_out(place))
    if asked is None or given is None or asked[:3] != given[:3]:
        return False
    path = given[3].rstrip("/")
    return asked[3] == path or asked[3].startswith(f"{path}/")


def _spelled_out(place: str) -> str:
    return place if "://" in place else f"https://{place}"


def _parts(url: str) -> tuple[str, str, int, str] | None:
    """The scheme, the host, the port and the path of a place that keys may be fetched from."""
    match = _PLACE.fullmatch(url)
    if match is None or {".", ".."} & {*match["path"].split("/")}:
        return None
    scheme, host = match["scheme"].lower(), match["host"].lower()
    # "Fetch keys over HTTPS" (A2A 1.0.1 section 8.4.3); what stays on this machine needs none.
    if scheme == "http" and not is_loopback(host.strip("[]")):
        return None
    return scheme, host, int(match["port"] or _PORTS[scheme]), match["path"]


async def _fetch_keys(http: httpx.AsyncClient, place: str) -> Sequence[Key]:
    with trio.move_on_after(KEYS_TIME):
        try:
            return load_set(await _fetch(http, place), now=time.time())
        except BadKey as exc:
            raise Untrusted(f"the keys at {bare(place)} cannot be used: {exc}") from exc
    raise ClientError(f"the keys at {bare(place)} take longer than {KEYS_TIME:g} s")


async def _fetch(http: httpx.AsyncClient, place: str) -> bytes:
    with translated(place):
        try:
            return await fetch_document(http, place, KEYS_SIZE)
        except TooLarge as exc:
            raise ClientError(f"{bare(place)} sends more than a set of keys") from exc
        except NoDocument as exc:
            raise ClientError(f"{bare(place)} {exc}, not with keys") from exc
