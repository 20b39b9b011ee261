"""The pages that are no operation: the card, our extension's schema, and whether we are alive.

On Quart.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

from quart import request
from quart_trio import QuartTrio
from quart_trio.wrappers import TrioResponse
from werkzeug.exceptions import HTTPException

from a2acore import negotiation
from a2acore.asgi import ASGIApp
from a2acore.cards import MAX_AGE, SCHEMA, Cards
from a2acore.negotiation import Form
from a2acore.refusal import Refusal

CARD = "/.well-known/agent-card.json"
OLD_CARD = "/.well-known/agent.json"
"""Where callers before 0.3 look."""
HEALTH = "/health"

CARDS = frozenset({CARD, OLD_CARD})
PUBLIC = CARDS | {SCHEMA, HEALTH}
"""What anybody may see."""
PAGES = PUBLIC


class Page(TrioResponse):
    """An answer of ours is JSON, also where quart makes it (OPTIONS)."""

    default_mimetype = "application/json"


def pages(cards: Cards, card_default: Form) -> ASGIApp:
    """The pages of a server as an ASGI app."""
    app = QuartTrio(__name__)
    app.response_class = Page

    @app.get(CARD)
    @app.get(OLD_CARD)
    async def card() -> Page:
        form = negotiation.card_form(
            negotiation.declared(request.headers, request.args), card_default
        )
        document = cards.document(form)
        headers = cards.headers(document)
        if cards.unchanged(
            document,
            request.headers.get("If-None-Match", ""),
            request.headers.get("If-Modified-Since", ""),
        ):
            unchanged = Page(b"", 304, headers)
            # Both would speak of the document that is not sent (RFC 9110, 8.6 and 15.4.5).
            del unchanged.headers["Content-Type"], unchanged.headers["Content-Length"]
            return unchanged
        return Page(document.body, 200, headers)

    schema = Path(__file__).with_name(Path(SCHEMA).name).read_bytes()

    @app.get(SCHEMA)
    async def extension() -> Page:
        headers = {"Cache-Control": f"public, max-age={MAX_AGE}"}
        return Page(schema, 200, headers, content_type="application/schema+json")

    @app.get(HEALTH)
    async def health() -> Page:
        return Page(b'{"status":"ok"}')

    @app.errorhandler(HTTPException)
    async def refuse(error: HTTPException) -> Page:
        allow = ", ".join(sorted(getattr(error, "valid_methods", None) or ()))
        refusal = Refusal(error.code or 500, f"{error.name}; possible here: {allow}")
        return Page(refusal.body(), refusal.status, {"Allow": allow})

    return cast(ASGIApp, app)
