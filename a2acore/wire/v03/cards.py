"""The agent card of line 0.3, and how it is made from the model's.

Only what this line can say is in it: the interfaces of line 0.3, schemes without device codes. How
a card of this line is read is told in `cardreader`, which reads all of them.

Source: A2A 0.3.0 section 5.5, its type definitions, OpenAPI 3.0 for the security schemes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any

import msgspec
from msgspec import field

from a2acore import model
from a2acore.wire.v03.shapes import Shape

PROTOCOL_VERSION = "0.3.0"
"""The documents of this line carry a patch number, those of 1.0 do not."""


class AgentInterface(Shape, frozen=True, kw_only=True):
    """One address, and what is spoken there."""

    url: str
    transport: str


class AgentCapabilities(Shape, frozen=True, kw_only=True):
    """The optional abilities of an agent."""

    streaming: bool | None = None
    push_notifications: bool | None = None
    extensions: tuple[model.AgentExtension, ...] = ()


class APIKeySecurityScheme(Shape, frozen=True, kw_only=True, tag_field="type", tag="apiKey"):
    """A key in the `query`, a `header` or a `cookie`."""

    location: str = field(name="in")
    name: str
    description: str = ""


class HTTPAuthSecurityScheme(Shape, frozen=True, kw_only=True, tag_field="type", tag="http"):
    """An HTTP authentication scheme."""

    scheme: str
    bearer_format: str = ""
    description: str = ""


class AuthorizationCodeOAuthFlow(Shape, frozen=True, kw_only=True):
    """OAuth 2 authorization code."""

    authorization_url: str
    token_url: str
    scopes: Mapping[str, str]
    refresh_url: str = ""


class ClientCredentialsOAuthFlow(Shape, frozen=True, kw_only=True):
    """OAuth 2 client credentials."""

    token_url: str
    scopes: Mapping[str, str]
    refresh_url: str = ""


class ImplicitOAuthFlow(Shape, frozen=True, kw_only=True):
    """OAuth 2 implicit."""

    authorization_url: str
    scopes: Mapping[str, str]
    refresh_url: str = ""


class PasswordOAuthFlow(Shape, frozen=True, kw_only=True):
    """OAuth 2 password."""

    token_url: str
    scopes: Mapping[str, str]
    refresh_url: str = ""


class OAuthFlows(Shape, frozen=True, kw_only=True):
    """The flows that may be used."""

    authorization_code: AuthorizationCodeOAuthFlow | None = None
    client_credentials: ClientCredentialsOAuthFlow | None = None
    implicit: ImplicitOAuthFlow | None = None
    password: PasswordOAuthFlow | None = None


class OAuth2SecurityScheme(Shape, frozen=True, kw_only=True, tag_field="type", tag="oauth2"):
    """OAuth 2."""

    flows: OAuthFlows
    oauth2_metadata_url: str = field(default="", name="oauth2MetadataUrl")
    description: str = ""


class OpenIdConnectSecurityScheme(
    Shape, frozen=True, kw_only=True, tag_field="type", tag="openIdConnect"
):
    """OpenID Connect."""

    open_id_connect_url: str
    description: str = ""


class MutualTLSSecurityScheme(Shape, frozen=True, kw_only=True, tag_field="type", tag="mutualTLS"):
    """Mutual TLS."""

    description: str = ""


SecurityScheme = (
    APIKeySecurityScheme
    | HTTPAuthSecurityScheme
    | OAuth2SecurityScheme
    | OpenIdConnectSecurityScheme
    | MutualTLSSecurityScheme
)

Security = tuple[Mapping[str, Sequence[str]], ...]
"""Each mapping names the schemes that are needed together, with their scopes; any one will do."""


class AgentSkill(Shape, frozen=True, kw_only=True):
    """Something the agent can be asked for."""

    id: str
    name: str
    description: str
    tags: tuple[str, ...]
    examples: tuple[str, ...] = ()
    input_modes: tuple[str, ...] = ()
    output_modes: tuple[str, ...] = ()
    security: Security = ()


class AgentCard(Shape, frozen=True, kw_only=True):
    """Who an agent is, what it can do, where and how to reach it."""

    protocol_version: str = field(name="protocolVersion")
    name: str
    description: str
    url: str
    preferred_transport: str
    additional_interfaces: tuple[AgentInterface, ...] = ()
    icon_url: str | None = None
    provider: model.AgentProvider | None = None
    version: str
    documentation_url: str | None = None
    capabilities: AgentCapabilities
    security_schemes: Mapping[str, SecurityScheme] = {}
    security: Security = ()
    default_input_modes: tuple[str, ...]
    default_output_modes: tuple[str, ...]
    skills: tuple[AgentSkill, ...]
    supports_authenticated_extended_card: bool = False
    signatures: tuple[model.AgentCardSignature, ...] = ()


# Writing


def spoken(card: model.AgentCard) -> Sequence[model.AgentInterface]:
    """The interfaces of a card that a caller of this line can use.

    Those with a tenant are not among them: this line could not say it.
    """
    return [
        interface
        for interface in card.supported_interfaces
        if interface.protocol_version.split(".")[:2] == ["0", "3"] and not interface.tenant
    ]


def write(card: model.AgentCard) -> AgentCard:
    """The card of this line. Its signatures are left out: they were made over the other form.

    The first interface of this line becomes the main one; without any, its address is empty.
    """
    interfaces = [AgentInterface(url=i.url, transport=i.protocol_binding) for i in spoken(card)]
    main = interfaces[0] if interfaces else AgentInterface(url="", transport="JSONRPC")
    unsaid = _unsaid(card)
    return AgentCard(
        protocol_version=PROTOCOL_VERSION,
        name=card.name,
        description=card.description,
        url=main.url,
        preferred_transport=main.transport,
        # The main one is to be listed here as well (section 5.6.2).
        additional_interfaces=tuple(interfaces),
        icon_url=card.icon_url,
        provider=card.provider,
        version=card.version,
        documentation_url=card.documentation_url,
        capabilities=AgentCapabilities(
            streaming=card.capabilities.streaming,
            push_notifications=card.capabilities.push_notifications,
            extensions=card.capabilities.extensions,
        ),
        security_schemes={
            name: write_scheme(scheme)
            for name, scheme in card.security_schemes.items()
            if name not in unsaid
        },
        security=write_security(card.security_requirements, unsaid),
        default_input_modes=card.default_input_modes,
        default_output_modes=card.default_output_modes,
        skills=tuple(write_skill(skill, unsaid) for skill in card.skills),
        supports_authenticated_extended_card=bool(card.capabilities.extended_agent_card),
    )


def write_skill(skill: model.AgentSkill, unsaid: Set[str]) -> AgentSkill:
    return AgentSkill(
        id=skill.id,
        name=skill.name,
        description=skill.description,
        tags=skill.tags,
        examples=skill.examples,
        input_modes=skill.input_modes,
        output_modes=skill.output_modes,
        security=write_security(skill.security_requirements, unsaid),
    )


def write_security(requirements: Sequence[model.SecurityRequirement], unsaid: Set[str]) -> Security:
    return tuple(
        {name: scopes.list for name, scopes in requirement.schemes.items()}
        for requirement in requirements
        if unsaid.isdisjoint(requirement.schemes)
    )


def write_rest(card: model.AgentCard) -> dict[str, Any]:
    """The card of this line on HTTP+JSON, where some callers read it as the proto has it.

    The official Python client reads the schema's form, the JavaScript one the proto's. They part at
    the security schemes, and each ignores what the other looks for.
    """
    written: dict[str, Any] = msgspec.to_builtins(write(card))
    wrapped = msgspec.to_builtins(card.security_schemes)
    for name, scheme in written.get("securitySchemes", {}).items():
        scheme.update(wrapped.get(name, {}))
    return written


def _unsaid(card: model.AgentCard) -> Set[str]:
    """The schemes that are left out, because this line has no word for their OAuth flow.

    They stay, with no flow at all, when something would look unprotected without them.
    """
    unsaid = {
        name
        for name, scheme in card.security_schemes.items()
        if scheme.oauth2_security_scheme and scheme.oauth2_security_scheme.flows.device_code
    }
    protections = [card.security_requirements, *(s.security_requirements for s in card.skills)]
    bare = any(wanted and not write_security(wanted, unsaid) for wanted in protections)
    return set() if bare else unsaid


def write_scheme(scheme: model.SecurityScheme) -> SecurityScheme:
    if (key := scheme.api_key_security_scheme) is not None:
        return APIKeySecurityScheme(
            location=key.location, name=key.name, description=key.description
        )
    if (http := scheme.http_auth_security_scheme) is not None:
        return HTTPAuthSecurityScheme(
            scheme=http.scheme, bearer_format=http.bearer_format, description=http.description
        )
    if (oauth2 := scheme.oauth2_security_scheme) is not None:
        return OAuth2SecurityScheme(
            flows=write_flows(oauth2.flows),
            oauth2_metadata_url=oauth2.oauth2_metadata_url,
            description=oauth2.description,
        )
    if (openid := scheme.open_id_connect_security_scheme) is not None:
        return OpenIdConnectSecurityScheme(
            open_id_connect_url=openid.open_id_connect_url, description=openid.description
        )
    mtls = scheme.mtls_security_scheme or model.MutualTlsSecurityScheme()
    return MutualTLSSecurityScheme(description=mtls.description)


def write_flows(flows: model.OAuthFlows) -> OAuthFlows:
    # Both have the same members, but for those that this line cannot say.
    return msgspec.convert(flows, OAuthFlows, from_attributes=True)
