"""The edge towards callers: one ASGI app for the operations, and pages beside it."""

from a2acore.http.app import App
from a2acore.http.extensions import Extensions
from a2acore.http.pages import PUBLIC, pages

__all__ = ["PUBLIC", "App", "Extensions", "pages"]
