"""The edge towards callers: one ASGI app for the operations, and pages beside it."""

from a2acore.http.app import App
from a2acore.http.extensions import Extensions, Served
from a2acore.http.pages import CARD, CARDS, PUBLIC, Pages

__all__ = ["CARD", "CARDS", "PUBLIC", "App", "Extensions", "Pages", "Served"]
