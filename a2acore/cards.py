"""The agent card: what a server says of itself, in the three forms that callers read."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from importlib.metadata import version
from pathlib import Path

from attrs import field, frozen
from msgspec import structs

from a2acore.backend import AgentInfo
from a2acore.lifecycle import EXTENSION
from a2acore.model import (
    AgentCapabilities,
    AgentCard,
    AgentExtension,
    AgentInterface,
    HTTPAuthSecurityScheme,
    SecurityRequirement,
    SecurityScheme,
    StringList,
)
from a2acore.negotiation import Form
from a2acore.wire import card as wire

MAX_AGE = 300
"""Seconds that a card may be cached: a restart with another agent is seen soon enough."""


def describe(
    info: AgentInfo,
    url: str,
    *,
    bearer: bool,
    push: bool,
    require_extension: bool = False,
    tenant: str = "",
) -> AgentCard:
    """The card of an agent that is served at `url` on both lines and both bindings.

    Line 0.3 has no tenants, and its callers name none.
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
                ),
            ),
            # Whoever has a credential may know more.
            extended_agent_card=bearer,
        ),
        default_input_modes=info.input_modes,
        default_output_modes=info.output_modes,
        skills=info.skills,
        security_schemes={
            "bearer": SecurityScheme(http_auth_security_scheme=HTTPAuthSecurityScheme("Bearer"))
        }
        if bearer
        else {},
        security_requirements=(SecurityRequirement({"bearer": StringList()}),) if bearer else (),
    )


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


class Cards:
    """The three forms of one card, and whether a caller has the current one already."""

    def __init__(self, card: AgentCard) -> None:
        self.card = card
        self._documents: dict[Form, Document] = {
            "merged": Document(wire.merged(card)),
            "1.0": Document(wire.pure10(card)),
            "0.3": Document(wire.pure03(card)),
        }
        self._since = datetime.now(UTC).replace(microsecond=0)

    def document(self, form: Form) -> Document:
        return self._documents[form]

    def headers(self, document: Document) -> dict[str, str]:
        """The caching headers of a document (A2A 1.0.1 section 8.6)."""
        return {
            "ETag": document.etag,
            "Last-Modified": format_datetime(self._since, usegmt=True),
            "Cache-Control": f"public, max-age={MAX_AGE}",
            "Vary": "A2A-Version",
        }

    def unchanged(self, document: Document, none_match: str, modified_since: str) -> bool:
        """Whether a conditional request holds the document already (RFC 9110 section 13.2.2)."""
        if none_match:
            tags = [tag.strip().removeprefix("W/") for tag in none_match.split(",")]
            return "*" in tags or document.etag in tags
        if modified_since:
            try:
                return parsedate_to_datetime(modified_since) >= self._since
            except (ValueError, TypeError):  # not a date; or one without a zone
                return False
        return False
