"""Reading a card, whichever line it was written for.

A card of line 0.3, or one for both lines, is first brought into the form of 1.0; where it says a
thing in both forms, that of 1.0 counts. What is wrong with a part that nobody needs is no reason to
refuse the whole: an agent is looked at from far away.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from a2acore.errors import InvalidAgentResponse, InvalidParams, ParseError
from a2acore.model import AgentCard
from a2acore.wire import reading
from a2acore.wire.v03.cards import PROTOCOL_VERSION

SCHEMES: Mapping[str, str] = {
    "apiKey": "apiKeySecurityScheme",
    "http": "httpAuthSecurityScheme",
    "oauth2": "oauth2SecurityScheme",
    "openIdConnect": "openIdConnectSecurityScheme",
    "mutualTLS": "mtlsSecurityScheme",
}
"""The member that line 1.0 wraps a scheme in, by its type."""

FLOWS = ("authorizationCode", "clientCredentials", "implicit", "password")

Names = Mapping[str, Sequence[str]]
"""What a scheme has become: several, where it had several OAuth flows."""


def read(text: bytes) -> AgentCard:
    """Read a card in the form of 1.0, of 0.3, or of both.

    Raises:
        InvalidAgentResponse: it is no card.
    """
    try:
        said = reading.builtins(text)
        if not isinstance(said, dict):
            raise InvalidAgentResponse("The agent card is no JSON object")
        return reading.convert(_as_10(said), AgentCard, strict=False)
    except (ParseError, InvalidParams) as exc:
        raise InvalidAgentResponse(
            f"The agent card cannot be read: {exc.message}", violations=exc.violations
        ) from exc


def _as_10(said: Mapping[str, Any]) -> dict[str, Any]:
    said = _camel(said)
    schemes, names = _schemes(_object(said.get("securitySchemes")))
    card = {**said, "securitySchemes": schemes, "capabilities": _capabilities(said)}
    if not (isinstance(said.get("supportedInterfaces"), list) and said["supportedInterfaces"]):
        card["supportedInterfaces"] = _interfaces(said)
    _bring_security(card, names)
    if isinstance(said.get("skills"), list):
        card["skills"] = [_camel(s) if isinstance(s, dict) else s for s in said["skills"]]
        for skill in card["skills"]:
            if isinstance(skill, dict):
                _bring_security(skill, names)
    return card


def _object(said: Any) -> Mapping[str, Any]:
    return said if isinstance(said, dict) else {}


def _camel(said: Mapping[str, Any]) -> dict[str, Any]:
    """The same by the names that are looked for in here: members may bear those of the proto.

    A member given under both stays so, to be refused where all members are read.
    """
    camel = {key: re.sub("_([a-z0-9])", lambda letter: letter[1].upper(), key) for key in said}
    return {key if camel[key] in said else camel[key]: value for key, value in said.items()}


def _capabilities(said: Mapping[str, Any]) -> dict[str, Any]:
    capabilities = _camel(_object(said.get("capabilities")))
    extended = said.get("supportsAuthenticatedExtendedCard")
    if extended is not None:
        capabilities.setdefault("extendedAgentCard", extended)
    return capabilities


def _interfaces(said: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The main address and the further ones; these speak the card's version as well."""
    if not said.get("url"):
        raise InvalidAgentResponse("The agent card has neither supportedInterfaces nor url")
    ways = [(said["url"], said.get("preferredTransport") or "JSONRPC")]
    further = said.get("additionalInterfaces")
    for each in further if isinstance(further, list) else []:
        way = (_object(each).get("url"), _object(each).get("transport"))
        if all(way) and way not in ways:
            ways.append(way)
    version = said.get("protocolVersion") or PROTOCOL_VERSION
    return [
        {"url": url, "protocolBinding": transport, "protocolVersion": version}
        for url, transport in ways
    ]


def _schemes(said: Mapping[str, Any]) -> tuple[dict[str, Any], Names]:
    """The schemes, wrapped, and the names that each now goes by; those of no known type are left
    out."""
    schemes: dict[str, Any] = {}
    names: dict[str, Sequence[str]] = {}
    for name, scheme in said.items():
        split = dict(_split(name, _object(scheme)))
        schemes |= split
        names[name] = list(split)
    return schemes, names


def _split(name: str, scheme: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    scheme = _camel(scheme)
    if any(member in scheme for member in SCHEMES.values()):
        yield name, scheme
        return
    member = SCHEMES.get(str(scheme.get("type")))
    if member is None:
        return
    flows = _object(scheme.get("flows"))
    given = [flow for flow in FLOWS if flows.get(flow) is not None]
    if len(given) < 2:
        yield name, {member: _flat(scheme)}
        return
    # In line 1.0 a scheme has one flow.
    for flow in given:
        own = name if flow == given[0] else f"{name}-{flow}"
        yield own, {member: {**scheme, "flows": {flow: flows[flow]}}}


def _flat(scheme: Mapping[str, Any]) -> dict[str, Any]:
    return {"location" if key == "in" else key: value for key, value in scheme.items()}


def _bring_security(said: dict[str, Any], names: Names) -> None:
    security = said.get("security")
    if "securityRequirements" not in said and isinstance(security, list):
        said["securityRequirements"] = [
            requirement for each in security for requirement in _requirements(_object(each), names)
        ]


def _requirements(said: Mapping[str, Any], names: Names) -> Iterator[dict[str, Any]]:
    """One requirement, or one for each way to meet it with the schemes that a scheme became."""
    for choice in itertools.product(*(names.get(name) or [name] for name in said)):
        scopes = zip(choice, said.values(), strict=True)
        yield {"schemes": {name: {"list": wanted} for name, wanted in scopes}}
