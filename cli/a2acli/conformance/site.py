"""The card of a server, as plain JSON in the form of one line, and the interfaces in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import httpx
from attrs import frozen

from a2acli.conformance.spelling import JSONRPC, REST, Way
from a2acore.client.errors import NoWay, translated
from a2acore.client.reach import CARD_PATH, CONNECT, credentials

LINES = ("1.0", "0.3")
BINDINGS = (JSONRPC, REST)


@frozen
class Site:
    """A card, and how it was served."""

    url: str
    headers: Mapping[str, str]
    card: Mapping[str, Any]

    def interfaces(self, line: str) -> list[tuple[str, str, str]]:
        """The interfaces of a line, in the card's order: binding, URL and tenant of each."""
        found = []
        for each in _dicts(self.card.get("supportedInterfaces")):
            version = str(each.get("protocolVersion", ""))
            if ".".join(version.split(".")[:2]) == line:
                found.append((each.get("protocolBinding"), each.get("url"), each.get("tenant")))
        if line == "0.3" and str(self.card.get("protocolVersion", "")).startswith("0.3"):
            main = {"url": self.card.get("url"), "transport": self.card.get("preferredTransport")}
            for each in (main, *_dicts(self.card.get("additionalInterfaces"))):
                found.append((each.get("transport") or JSONRPC, each.get("url"), ""))
        told = [(str(binding), str(url), str(tenant or "")) for binding, url, tenant in found]
        return list(dict.fromkeys(told))

    def ways(self, line: str) -> list[Way]:
        """The same, where they are spoken here."""
        return [
            Way(line, binding, url, tenant)
            for binding, url, tenant in self.interfaces(line)
            if binding in BINDINGS
        ]


def _dicts(said: Any) -> list[Mapping[str, Any]]:
    return [each for each in said if isinstance(each, dict)] if isinstance(said, list) else []


async def visit(http: httpx.AsyncClient, url: str, token: str, line: str) -> Site:
    """Fetch the card of the server at `url`, asking for the form of a line.

    Raises:
        ClientError: it cannot be had.
    """
    address = url.removesuffix(CARD_PATH).rstrip("/") + CARD_PATH
    headers = {"A2A-Version": line, **credentials(token)}
    with translated(url):
        response = await http.get(address, headers=headers, timeout=CONNECT)
    try:
        card = json.loads(response.content)
    except ValueError:
        card = None
    if response.status_code != httpx.codes.OK or not isinstance(card, dict):
        raise NoWay(f"{address} answers HTTP {response.status_code}, and no agent card")
    return Site(address, response.headers, card)
