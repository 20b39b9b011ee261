"""An app's lifespan, the ASGI way: `startup` before the first request, `shutdown` after the last.

Our own, because hypercorn's fails on an app that returns from it at once, and may wait a minute.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import trio

from a2acore.asgi import ASGIApp, Message

STARTUP = 60.0
"""Seconds for an app to open what it needs."""

SHUTDOWN = 5.0
"""Seconds for an app to close it again: all requests have ended by then."""

logger = logging.getLogger("a2acore.serve")


class StartupFailed(RuntimeError):
    """The app said that it cannot start, and why."""


@asynccontextmanager
async def open_lifespan(app: ASGIApp) -> AsyncGenerator[dict[str, Any]]:
    """Start the app, give the state that it shares with its requests, stop the app.

    An app that raises before it is started, or returns, has no lifespan: then there is none.

    Raises:
        StartupFailed: it said so, or said nothing for `STARTUP` seconds.
    """
    lifespan = Lifespan(app)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lifespan.run)
        lifespan.tell("lifespan.startup")
        with trio.move_on_after(STARTUP):
            await lifespan.started.wait()
        if lifespan.failure is None:
            yield lifespan.state
            lifespan.tell("lifespan.shutdown")
            with trio.move_on_after(SHUTDOWN):
                await lifespan.stopped.wait()
        nursery.cancel_scope.cancel()
    if lifespan.failure is not None:  # raised out here, the nursery does not wrap it
        raise StartupFailed(lifespan.failure)


class Lifespan:
    """The one long call of the app that spans all others."""

    def __init__(self, app: ASGIApp) -> None:
        self.state: dict[str, Any] = {}
        self.started = trio.Event()
        self.stopped = trio.Event()
        self.failure: str | None = f"The app was not started after {STARTUP:g} seconds"
        self._app = app
        # Room for both messages that there ever are: telling never waits.
        self._inbox, self._outbox = trio.open_memory_channel[Message](2)

    def tell(self, type: str) -> None:
        """Put a message where the app will find it."""
        self._inbox.send_nowait({"type": type})

    async def run(self) -> None:
        """Call the app; returns when it does."""
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self.state,
        }
        try:
            await self._app(scope, self._outbox.receive, self._hear)
        except* Exception as failed:
            if self.started.is_set():
                logger.error("The app's lifespan failed", exc_info=failed)
            else:
                logger.debug("The app has no lifespan", exc_info=failed)
        if not self.started.is_set():
            self.failure = None
        self.started.set()
        self.stopped.set()

    async def _hear(self, message: Message) -> None:
        match message["type"]:
            case "lifespan.startup.complete":
                self.failure = None
                self.started.set()
            case "lifespan.startup.failed":
                self.failure = message.get("message") or "The app cannot start"
                self.started.set()
            case "lifespan.shutdown.complete":
                self.stopped.set()
            case "lifespan.shutdown.failed":
                logger.error("The app did not stop cleanly: %s", message.get("message", ""))
                self.stopped.set()
            case other:
                raise RuntimeError(f"No message of a lifespan: {other}")
