"""The agent card as a document, written for either line or both, and read from any."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from a2acore import model
from a2acore.errors import InvalidAgentResponse
from a2acore.model import (
    AgentCapabilities,
    AgentCard,
    AgentExtension,
    AgentInterface,
    AgentSkill,
    OAuth2SecurityScheme,
    OAuthFlows,
    SecurityRequirement,
    SecurityScheme,
    StringList,
)
from a2acore.wire import card as wire

URL = "https://a.example/a2a"
NEW = AgentInterface(URL, "JSONRPC", "1.0")
OLD = AgentInterface(URL, "JSONRPC", "0.3")
REST = AgentInterface(f"{URL}/", "HTTP+JSON", "0.3")
BEARER = SecurityScheme(http_auth_security_scheme=model.HTTPAuthSecurityScheme("Bearer"))
DEVICE = SecurityScheme(
    oauth2_security_scheme=OAuth2SecurityScheme(
        OAuthFlows(device_code=model.DeviceCodeOAuthFlow("https://d", "https://t", {}))
    )
)

CARD = AgentCard(
    "Adder",
    "adds",
    (NEW, OLD, REST),
    "1.2",
    AgentCapabilities(
        streaming=True,
        push_notifications=False,
        extensions=(AgentExtension("urn:x", required=True),),
        extended_agent_card=True,
    ),
    ("text/plain",),
    ("text/plain",),
    (
        AgentSkill("add", "Add", "adds numbers", ("math",), examples=("1+1",)),
        AgentSkill(
            "sub",
            "Subtract",
            "takes away",
            (),
            security_requirements=(SecurityRequirement({"b": StringList(("s",))}),),
        ),
    ),
    model.AgentProvider("https://p.example", "P"),
    "https://d.example",
    {"b": BEARER},
    (SecurityRequirement({"b": StringList()}),),
    (model.AgentCardSignature("cHJv", "c2ln"),),
    "https://i.example",
)

IN_10 = {
    "name": "Adder",
    "description": "adds",
    "supportedInterfaces": [
        {"url": URL, "protocolBinding": "JSONRPC", "protocolVersion": "1.0"},
        {"url": URL, "protocolBinding": "JSONRPC", "protocolVersion": "0.3"},
        {"url": f"{URL}/", "protocolBinding": "HTTP+JSON", "protocolVersion": "0.3"},
    ],
    "version": "1.2",
    "capabilities": {
        "streaming": True,
        "pushNotifications": False,
        "extensions": [{"uri": "urn:x", "required": True}],
        "extendedAgentCard": True,
    },
    "defaultInputModes": ["text/plain"],
    "defaultOutputModes": ["text/plain"],
    "skills": [
        {
            "id": "add",
            "name": "Add",
            "description": "adds numbers",
            "tags": ["math"],
            "examples": ["1+1"],
        },
        {
            "id": "sub",
            "name": "Subtract",
            "description": "takes away",
            "tags": [],
            "securityRequirements": [{"schemes": {"b": {"list": ["s"]}}}],
        },
    ],
    "provider": {"url": "https://p.example", "organization": "P"},
    "documentationUrl": "https://d.example",
    "securitySchemes": {"b": {"httpAuthSecurityScheme": {"scheme": "Bearer"}}},
    "securityRequirements": [{"schemes": {"b": {}}}],
    "signatures": [{"protected": "cHJv", "signature": "c2ln"}],
    "iconUrl": "https://i.example",
}

IN_03 = {
    "protocolVersion": "0.3.0",
    "name": "Adder",
    "description": "adds",
    "url": URL,
    "preferredTransport": "JSONRPC",
    "additionalInterfaces": [
        {"url": URL, "transport": "JSONRPC"},
        {"url": f"{URL}/", "transport": "HTTP+JSON"},
    ],
    "iconUrl": "https://i.example",
    "provider": {"url": "https://p.example", "organization": "P"},
    "version": "1.2",
    "documentationUrl": "https://d.example",
    "capabilities": {
        "streaming": True,
        "pushNotifications": False,
        "extensions": [{"uri": "urn:x", "required": True}],
    },
    "securitySchemes": {"b": {"type": "http", "scheme": "Bearer"}},
    "security": [{"b": []}],
    "defaultInputModes": ["text/plain"],
    "defaultOutputModes": ["text/plain"],
    "skills": [
        {
            "id": "add",
            "name": "Add",
            "description": "adds numbers",
            "tags": ["math"],
            "examples": ["1+1"],
        },
        {
            "id": "sub",
            "name": "Subtract",
            "description": "takes away",
            "tags": [],
            "security": [{"b": ["s"]}],
        },
    ],
    "supportsAuthenticatedExtendedCard": True,
}

MERGED = {
    **IN_03,
    **IN_10,
    "securitySchemes": {
        "b": {"httpAuthSecurityScheme": {"scheme": "Bearer"}, "type": "http", "scheme": "Bearer"}
    },
    "skills": [
        IN_10["skills"][0],  # type: ignore[index]
        {**IN_03["skills"][1], **IN_10["skills"][1]},  # type: ignore[index]
    ],
}

SMALL = {"name": "A", "url": "https://a.example"}


def decoded(document: bytes) -> Any:
    return msgspec.json.decode(document)


def read(said: Any) -> AgentCard:
    return wire.read(msgspec.json.encode(said))


def with_schemes(schemes: dict[str, SecurityScheme], *wanted: str) -> AgentCard:
    requirements = tuple(SecurityRequirement({name: StringList()}) for name in wanted)
    return msgspec.structs.replace(
        CARD, security_schemes=schemes, security_requirements=requirements, skills=()
    )


# Writing


def test_the_card_of_1_0_has_nothing_of_0_3_but_its_interfaces() -> None:
    assert decoded(wire.pure10(CARD)) == IN_10


def test_the_card_of_0_3_has_nothing_of_1_0() -> None:
    # V03-MUST-007, V03-MUST-063, V03-MUST-064, V03-MUST-065, V03-SHOULD-015; not even the
    # signatures, which are over the other form
    assert decoded(wire.pure03(CARD)) == IN_03


def test_the_merged_card_is_both() -> None:
    assert decoded(wire.merged(CARD)) == MERGED


def test_the_same_card_gives_the_same_bytes() -> None:
    for write in (wire.pure10, wire.pure03, wire.merged):
        assert write(CARD) == write(wire.read(wire.pure10(CARD)))


def test_a_card_without_an_interface_of_0_3_is_that_of_1_0_in_every_form() -> None:
    card = msgspec.structs.replace(CARD, supported_interfaces=(NEW,))
    assert wire.pure03(card) == wire.merged(card) == wire.pure10(card)


def test_an_interface_with_a_tenant_or_of_1_0_is_none_of_0_3() -> None:
    tenants = msgspec.structs.replace(OLD, tenant="t")
    card = msgspec.structs.replace(CARD, supported_interfaces=(NEW, tenants, REST))
    said = decoded(wire.pure03(card))
    assert (said["url"], said["preferredTransport"]) == (REST.url, "HTTP+JSON")
    assert said["additionalInterfaces"] == [{"url": REST.url, "transport": "HTTP+JSON"}]


def test_a_binding_of_somebodys_own_is_a_transport() -> None:
    own = AgentInterface("https://x", "https://bindings.example/x", "0.3.0")
    card = msgspec.structs.replace(CARD, supported_interfaces=(own,))
    assert decoded(wire.pure03(card))["preferredTransport"] == own.protocol_binding


@pytest.mark.parametrize("said", [True, False, None])
def test_a_capability_that_is_off_is_not_one_that_is_unsaid(said: bool | None) -> None:
    card = msgspec.structs.replace(CARD, capabilities=AgentCapabilities(streaming=said))
    for write in (wire.pure10, wire.pure03, wire.merged):
        assert decoded(write(card))["capabilities"].get("streaming") is said


SCHEMES = [
    (
        SecurityScheme(api_key_security_scheme=model.APIKeySecurityScheme("header", "X-Key")),
        {"type": "apiKey", "in": "header", "name": "X-Key"},
    ),
    (
        SecurityScheme(
            http_auth_security_scheme=model.HTTPAuthSecurityScheme("Bearer", "d", "JWT")
        ),
        {"type": "http", "scheme": "Bearer", "bearerFormat": "JWT", "description": "d"},
    ),
    (
        SecurityScheme(
            open_id_connect_security_scheme=model.OpenIdConnectSecurityScheme("https://o")
        ),
        {"type": "openIdConnect", "openIdConnectUrl": "https://o"},
    ),
    (SecurityScheme(mtls_security_scheme=model.MutualTlsSecurityScheme()), {"type": "mutualTLS"}),
    *(
        (
            SecurityScheme(
                oauth2_security_scheme=OAuth2SecurityScheme(flows, "d", "https://metadata")
            ),
            {
                "type": "oauth2",
                "flows": said,
                "oauth2MetadataUrl": "https://metadata",
                "description": "d",
            },
        )
        for flows, said in [
            (
                OAuthFlows(
                    authorization_code=model.AuthorizationCodeOAuthFlow(
                        "https://a", "https://t", {}
                    )
                ),
                {
                    "authorizationCode": {
                        "authorizationUrl": "https://a",
                        "tokenUrl": "https://t",
                        "scopes": {},
                    }
                },
            ),
            (
                OAuthFlows(
                    client_credentials=model.ClientCredentialsOAuthFlow("https://t", {"s": "S"})
                ),
                {"clientCredentials": {"tokenUrl": "https://t", "scopes": {"s": "S"}}},
            ),
            (
                OAuthFlows(implicit=model.ImplicitOAuthFlow("https://a", "https://r")),
                {
                    "implicit": {
                        "authorizationUrl": "https://a",
                        "scopes": {},
                        "refreshUrl": "https://r",
                    }
                },
            ),
            (
                OAuthFlows(password=model.PasswordOAuthFlow("https://t")),
                {"password": {"tokenUrl": "https://t", "scopes": {}}},
            ),
        ]
    ),
]


@pytest.mark.parametrize(("scheme", "said"), SCHEMES)
def test_a_security_scheme_is_flat_in_0_3_and_comes_back(
    scheme: SecurityScheme, said: dict[str, Any]
) -> None:
    card = with_schemes({"x": scheme}, "x")
    document = wire.pure03(card)
    assert decoded(document)["securitySchemes"] == {"x": said}
    assert wire.read(document).security_schemes == {"x": scheme}
    assert wire.read(wire.merged(card)).security_schemes == {"x": scheme}


def test_0_3_does_not_say_that_pkce_is_required() -> None:
    flow = model.AuthorizationCodeOAuthFlow("https://a", "https://t", {}, pkce_required=True)
    scheme = SecurityScheme(
        oauth2_security_scheme=OAuth2SecurityScheme(OAuthFlows(authorization_code=flow))
    )
    assert b"pkce" not in wire.pure03(with_schemes({"x": scheme}, "x"))


def test_a_device_flow_is_left_out_of_0_3_with_the_requirements_that_name_it() -> None:
    said = decoded(wire.pure03(with_schemes({"b": BEARER, "d": DEVICE}, "b", "d")))
    assert said["securitySchemes"].keys() == {"b"}
    assert said["security"] == [{"b": []}]


def test_a_device_flow_stays_as_no_flow_when_the_agent_would_look_open_without() -> None:
    said = decoded(wire.pure03(with_schemes({"d": DEVICE}, "d")))
    assert said["securitySchemes"] == {"d": {"type": "oauth2", "flows": {}}}
    assert said["security"] == [{"d": []}]


# Reading


@pytest.mark.parametrize("write", [wire.pure10, wire.merged])
def test_a_card_of_1_0_is_read_as_it_was(write: Any) -> None:
    assert wire.read(write(CARD)) == CARD


def test_a_card_of_0_3_is_read_as_what_1_0_would_say() -> None:
    # V03-MUST-070, V03-MUST-071, V03-MUST-087: the main pair counts once, slashes stay, and the
    # further interfaces speak the card's version
    expected = msgspec.structs.replace(
        CARD,
        supported_interfaces=tuple(
            msgspec.structs.replace(each, protocol_version="0.3.0") for each in (OLD, REST)
        ),
        signatures=(),
    )
    assert wire.read(wire.pure03(CARD)) == expected


def test_a_scheme_with_several_flows_becomes_several_of_which_any_will_do() -> None:
    code = {"authorizationUrl": "https://a", "tokenUrl": "https://t", "scopes": {}}
    credentials = {"tokenUrl": "https://t", "scopes": {"s": "S"}}
    card = read(
        {
            **SMALL,
            "securitySchemes": {
                "o": {
                    "type": "oauth2",
                    "flows": {"clientCredentials": credentials, "authorizationCode": code},
                },
                "k": {"type": "apiKey", "in": "query", "name": "k"},
            },
            "security": [{"o": ["s"], "k": []}],
        }
    )
    flows = {
        name: scheme.oauth2_security_scheme.flows
        for name, scheme in card.security_schemes.items()
        if scheme.oauth2_security_scheme
    }
    assert flows == {
        "o": OAuthFlows(
            authorization_code=model.AuthorizationCodeOAuthFlow("https://a", "https://t", {})
        ),
        "o-clientCredentials": OAuthFlows(
            client_credentials=model.ClientCredentialsOAuthFlow("https://t", {"s": "S"})
        ),
    }
    assert card.security_requirements == tuple(
        SecurityRequirement({name: StringList(("s",)), "k": StringList()})
        for name in ("o", "o-clientCredentials")
    )


READ = [
    (SMALL, [("https://a.example", "JSONRPC", "0.3.0")]),
    ({**SMALL, "supportedInterfaces": []}, [("https://a.example", "JSONRPC", "0.3.0")]),
    (
        {**SMALL, "protocolVersion": "0.2.9", "preferredTransport": "HTTP+JSON"},
        [("https://a.example", "HTTP+JSON", "0.2.9")],
    ),
    (
        {
            **SMALL,
            "additionalInterfaces": [
                {"url": "https://a.example", "transport": "JSONRPC"},
                {"url": "https://a.example/", "transport": "JSONRPC"},
                {"url": "https://a.example"},
                "surprise",
            ],
        },
        [
            ("https://a.example", "JSONRPC", "0.3.0"),
            ("https://a.example/", "JSONRPC", "0.3.0"),
        ],
    ),
    (
        {
            **SMALL,
            "supportedInterfaces": [{"url": "https://b.example", "protocolBinding": "JSONRPC"}],
        },
        [("https://b.example", "JSONRPC", "")],
    ),
]


@pytest.mark.parametrize(("said", "interfaces"), READ)
def test_the_interfaces_are_found_wherever_they_are_told(
    said: Any, interfaces: list[tuple[str, str, str]]
) -> None:
    found = [
        (each.url, each.protocol_binding, each.protocol_version)
        for each in read(said).supported_interfaces
    ]
    assert found == interfaces


def test_what_a_card_should_have_and_has_not_is_empty() -> None:
    card = read({**SMALL, "skills": None, "unknown": {"a": 1}})
    assert (card.description, card.skills, card.capabilities) == ("", (), AgentCapabilities())


@pytest.mark.parametrize("scheme", [{"type": "surprise"}, {}, None, "b"])
def test_a_scheme_of_no_known_type_does_not_spoil_the_card(scheme: Any) -> None:
    card = read({**SMALL, "securitySchemes": {"x": scheme}, "security": [{"x": []}]})
    assert card.security_schemes == {}
    assert card.security_requirements == (SecurityRequirement({"x": StringList()}),)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"<html>", "cannot be read: Invalid JSON payload"),
        (b"[]", "is no JSON object"),
        (b"{}", "has neither supportedInterfaces nor url"),
        (b'{"url":"u","skills":[{"id":5}]}', "`skills[0].id` expected a string, got a number"),
        (b'{"url":"u","skills":["s"]}', "`skills[0]` expected an object, got a string"),
        (b'{"url":["u"]}', "`supportedInterfaces[0].url` expected a string, got an array"),
    ],
)
def test_what_is_no_card_is_refused_in_one_line(document: bytes, reason: str) -> None:
    with pytest.raises(InvalidAgentResponse) as info:
        wire.read(document)
    assert reason in info.value.message
    assert "\n" not in info.value.message
