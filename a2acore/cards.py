"""The agent card: what a server says of itself, in the three forms that callers read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from importlib.metadata import version
from pathlib import Path

from attrs import field, frozen
from msgspec import structs

from a2acore.backend import AgentInfo
from a2acore.credentials import Certificate, Credentials, Password, Token
from a2acore.lifecycle import EXTENSION
from a2acore.model import (
    AgentCapabilities,
    AgentCard,
    AgentExtension,
    AgentInterface,
    HTTPAuthSecurityScheme,
    MutualTlsSecurityScheme,
    OpenIdConnectSecurityScheme,
    SecurityRequirement,
    SecurityScheme,
    StringList,
)
from a2acore.negotiation import Form
from a2acore.wire import card as wire

MAX_AGE = 300
"""Seconds that a card may be cached: a restart with another agent is seen soon enough."""
SCHEMA = "/extensions/work-v1.schema.json"
"""Where the JSON Schema of our extension is served."""


def describe(
    info: AgentInfo,
    url: str,
    *,
    schemes: Mapping[str, SecurityScheme] | None,
    push: bool,
    require_extension: bool = False,
    tenant: str = "",
    extensions: Sequence[AgentExtension] = (),
) -> AgentCard:
    """The card of an agent that is served at `url` on both lines and both bindings.

    Line 0.3 has no tenants, and its callers name none. `extensions` are those beside ours. Of
    `schemes` one is enough; None lets in everybody.
    """
    return AgentCard(
        name=info.name,
        description=info.description,
        supported_interfaces=tuple(
            AgentInterface(url, binding, version, tenant if version == "1.0" else "")
            for version in ("1.0", "0.3")
            for binding in ("JSONRPC", "HTTP+JSON")
        ),
        # An agent may not tell its version before it is started.
        version=info.version or f"a2acode {version('a2acore')}",
        capabilities=AgentCapabilities(
            streaming=True,
            push_notifications=push,
            extensions=(
                AgentExtension(
                    EXTENSION,
                    "Tool calls, permissions, questions, plans, diffs and usage as data",
                    require_extension,
                    {"version": "1", "schema": f"{url}{SCHEMA}"},
                ),
                *extensions,
            ),
            # Whoever has a credential may know more.
            extended_agent_card=schemes is not None,
        ),
        default_input_modes=info.input_modes,
        default_output_modes=info.output_modes,
        skills=info.skills,
        security_schemes=dict(schemes or {}),
        security_requirements=tuple(
            SecurityRequirement({name: StringList()}) for name in schemes or {}
        ),
    )


def ways_in(credentials: Credentials, *, certificates: bool) -> dict[str, SecurityScheme]:
    """The schemes by which callers come in. `certificates` says whether they are asked for one."""
    found = {}
    if credentials.has(Token):
        found["bearer"] = SecurityScheme(http_auth_security_scheme=HTTPAuthSecurityScheme("Bearer"))
    if credentials.has(Password):
        found["basic"] = SecurityScheme(http_auth_security_scheme=HTTPAuthSecurityScheme("Basic"))
    for issuer in credentials.issuers:
        if issuer.configuration:
            scheme = OpenIdConnectSecurityScheme(issuer.configuration)
            found[f"oidc-{issuer.name}"] = SecurityScheme(open_id_connect_security_scheme=scheme)
        else:
            jwt = HTTPAuthSecurityScheme("Bearer", bearer_format="JWT")
            found[f"jwt-{issuer.name}"] = SecurityScheme(http_auth_security_scheme=jwt)
    if certificates and credentials.has(Certificate):
        found["mtls"] = SecurityScheme(mtls_security_scheme=MutualTlsSecurityScheme())
    return found


def extend(card: AgentCard, workspace: Path) -> AgentCard:
    """The card for callers with a credential: it tells where the agent works."""
    return structs.replace(
        card,
        description=f"{card.description} It works in {workspace}.",
        version=f"{card.version}+extended",
    )


@frozen
class Document:
    """One form of the card as it is served."""

    body: bytes
    etag: str = field(init=False)

    @etag.default
    def _hash(self) -> str:
        return f'"{hashlib.sha256(self.body).hexdigest()[:32]}"'

    def unchanged(self, since: datetime | None, none_match: str, modified_since: str) -> bool:
        """Whether a conditional request holds the document already (RFC 9110 section 13.2.2).

        `since` is when it was made; the other two are what the request says in its headers.
        """
        if none_match:
            tags = [tag.strip().removeprefix("W/") for tag in none_match.split(",")]
            return "*" in tags or self.etag in tags
        if modified_since and since is not None:
            try:
                return parsedate_to_datetime(modified_since) >= since
            except (ValueError, TypeError):  # not a date; or one without a zone
                return False
        return False


class Cards:
    """The three forms of one card, and whether a caller has the current one already."""

    def __init__(self, card: AgentCard) -> None:
        self.documents: Mapping[Form, Document] = {
            "merged": Document(wire.merged(card)),
            "1.0": Document(wire.pure10(card)),
            "0.3": Document(wire.pure03(card)),
        }
        self._since = datetime.now(UTC).replace(microsecond=0)

    def headers(self, form: Form) -> tuple[tuple[bytes, bytes], ...]:
        """The caching headers of a form (A2A 1.0.1 section 8.6)."""
        return (
            (b"etag", self.documents[form].etag.encode()),
            (b"last-modified", format_datetime(self._since, usegmt=True).encode()),
            (b"cache-control", b"public, max-age=%d" % MAX_AGE),
            (b"vary", b"A2A-Version"),
        )

    def unchanged(self, form: Form, none_match: str, modified_since: str) -> bool:
        """Whether a conditional request holds a form already."""
        return self.documents[form].unchanged(self._since, none_match, modified_since)
