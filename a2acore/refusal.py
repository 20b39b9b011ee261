"""What the edge says before any protocol has been reached: too large, too slow, not HTTP.

    Refusal
    ├── BodyTooLarge    413
    ├── BodyTooSlow     408
    └── TooMany         429

No binding or version is known yet, so the body is the one form that an HTTP client of this
protocol reads anyway: `google.rpc.Status` as JSON, `{"error": {"code", "status", "message"}}`
(A2A 1.0.1 section 11.6).
"""

from __future__ import annotations

import msgspec

from a2acore.asgi import Send

# HTTP status -> name of the gRPC status
NAMES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    408: "DEADLINE_EXCEEDED",
    413: "RESOURCE_EXHAUSTED",
    429: "RESOURCE_EXHAUSTED",
    431: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    505: "UNIMPLEMENTED",
}


class Refusal(Exception):
    """A request that is answered with `status` and `message` without being looked into."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message

    def body(self) -> bytes:
        """The answer's body, JSON."""
        name = NAMES.get(self.status, "UNKNOWN")
        error = {"code": self.status, "status": name, "message": self.message}
        return msgspec.json.encode({"error": error})

    def headers(self, *, close: bool) -> list[tuple[bytes, bytes]]:
        """The answer's headers. `close` ends the connection after it."""
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(self.body())),
        ]
        return [*headers, (b"connection", b"close")] if close else headers

    async def answer(self, send: Send, *, close: bool) -> None:
        """Say so as an ASGI response."""
        headers = self.headers(close=close)
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body()})


class BodyTooLarge(Refusal):
    """The body is, or says it will be, longer than `limit` bytes."""

    def __init__(self, limit: float) -> None:
        super().__init__(413, f"The body is too large: {limit} bytes are allowed")


class BodyTooSlow(Refusal):
    """The body was not complete after `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(408, f"The body took too long: {seconds:g} seconds are allowed")


class TooMany(Refusal):
    """There have been too many of these; `seconds` from now there may be another."""

    def __init__(self, message: str, seconds: int) -> None:
        super().__init__(429, message)
        self.seconds = seconds

    def headers(self, *, close: bool) -> list[tuple[bytes, bytes]]:
        return [*super().headers(close=close), (b"retry-after", b"%d" % self.seconds)]
