"""The pages that are no operation: the card, and whether we are alive. On Quart."""

from __future__ import annotations

from typing import cast

from quart import Response, request
from quart_trio import QuartTrio
from werkzeug.exceptions import HTTPException

from a2acore import negotiation
from a2acore.asgi import ASGIApp
from a2acore.cards import Cards
from a2acore.negotiation import Form
from a2acore.refusal import Refusal

CARD = "/.well-known/agent-card.json"
OLD_CARD = "/.well-known/agent.json"
"""Where callers before 0.3 look."""
HEALTH = "/health"

PUBLIC = frozenset({CARD, OLD_CARD, HEALTH})
"""What anybody may see."""
PAGES = PUBLIC


def pages(cards: Cards, card_default: Form) -> ASGIApp:
    """The pages of a server as an ASGI app."""
    app = QuartTrio(__name__)

    @app.get(CARD)
    @app.get(OLD_CARD)
    async def card() -> Response:
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
            return Response(b"", 304, headers)
        return Response(document.body, 200, headers, content_type="application/json")

    @app.get(HEALTH)
    async def health() -> Response:
        return Response(b'{"status":"ok"}', content_type="application/json")

    @app.errorhandler(HTTPException)
    async def refuse(error: HTTPException) -> Response:
        allow = ", ".join(sorted(getattr(error, "valid_methods", None) or ()))
        refusal = Refusal(error.code or 500, f"{error.name}; possible here: {allow}")
        return Response(
            refusal.body(), refusal.status, {"Allow": allow}, content_type="application/json"
        )

    return cast(ASGIApp, app)
