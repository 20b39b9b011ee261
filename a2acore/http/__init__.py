"""The edge towards callers: one ASGI app for the operations, and pages beside it."""

from a2acore.http.app import App
from a2acore.http.extensions import Extensions, Served
from a2acore.http.pages import CARDS, PUBLIC, pages

__all__ = ["CARDS", "PUBLIC", "App", "Extensions", "Served", "pages"]
