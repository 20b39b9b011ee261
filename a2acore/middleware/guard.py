"""The outermost wrapper: what no app should have to think about before it reads a body.

Around any ASGI app on trio. It refuses requests whose end is ambiguous, cuts bodies that are too
long or too slow while they come, and turns an app's failure into an answer. It stores nothing:
the app reads the body itself, through a `receive` that counts, so whoever sits inside (the bearer
check, say) can turn a caller away before the body is read. Answers pass untouched.
"""

from __future__ import annotations

import logging
import re

import trio

from a2acore.asgi import ASGIApp, ClientGone, Message, Receive, Scope, Send
from a2acore.refusal import BodyTooLarge, BodyTooSlow, Refusal

MAX_BODY = 32 * 1024 * 1024
"""Bytes: a message with a few images in base64 fits; what we hold per request stays small."""

BODY_TIME = 60.0
"""Seconds from the head of a request to the end of its body: MAX_BODY at 4.5 Mbit/s."""

# A number that fits 64 bits: longer ones are nobody's length.
CONTENT_LENGTH = re.compile(rb"[0-9]{1,19}")

logger = logging.getLogger(__name__)


class Guard:
    """Wrap `app`. Bodies over `max_body` bytes get 413, over `body_time` seconds 408."""

    def __init__(
        self, app: ASGIApp, *, max_body: int = MAX_BODY, body_time: float = BODY_TIME
    ) -> None:
        self._app = app
        self._max_body = max_body
        self._body_time = body_time

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, if it is one; anything else passes through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        intake = Intake(receive, self._max_body, self._body_time)
        started = False

        async def watched_send(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        refusal: Refusal | None = None
        # Groups, because an app with a nursery of its own (quart-trio) raises groups.
        try:
            check_length(scope, self._max_body)
            await self._app(scope, intake, watched_send)
        except* ClientGone:
            pass
        except* Refusal as refused:
            if started:
                raise  # half an answer is out: only the server can end it
            refusal = first(refused)
        except* Exception as failed:
            if started:
                raise
            logger.error("%s %s failed", scope["method"], scope["path"], exc_info=failed)
            refusal = refusal or Refusal(500, "Internal error")
        if refusal is not None:
            await refusal.answer(send, close=not intake.whole)


class Intake:
    """A `receive` that counts the body and looks at the clock until the body is whole.

    Raises:
        BodyTooLarge, BodyTooSlow: the app lets them through, and `Guard` answers.
    """

    def __init__(self, receive: Receive, max_body: int, body_time: float) -> None:
        self.whole = False
        self._receive = receive
        self._max_body = max_body
        self._body_time = body_time
        self._deadline = trio.current_time() + body_time
        self._size = 0

    async def __call__(self) -> Message:
        if self.whole:
            return await self._receive()
        try:
            with trio.fail_at(self._deadline):
                message = await self._receive()
        except trio.TooSlowError as exc:
            raise BodyTooSlow(self._body_time) from exc
        self._size += len(message.get("body", b""))
        if self._size > self._max_body:
            raise BodyTooLarge(self._max_body)
        self.whole = not message.get("more_body", False)
        return message


async def read_body(receive: Receive, limit: int = MAX_BODY) -> bytes:
    """The whole body of a request.

    `limit`, in bytes, is for a route that takes less than the guard around it lets through.

    Raises:
        BodyTooLarge: there is more than `limit`.
        BodyTooSlow: from the guard's `receive`.
        ClientGone: the client left in the middle.
    """
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone("The client left before its body was whole")
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > limit:
            raise BodyTooLarge(limit)
        if not message.get("more_body", False):
            return b"".join(chunks)


def check_length(scope: Scope, max_body: int) -> None:
    """Refuse a head that leaves open where the body ends, or declares too long a body.

    Two readers that differ about the end of a request, say a proxy and we, let a caller smuggle
    a second one past the first reader. h11 accepts the first two of these.

    Raises:
        Refusal: 400.
        BodyTooLarge: the declared length is over `max_body`.
    """
    lengths = [value for name, value in scope["headers"] if name == b"content-length"]
    chunked = any(name == b"transfer-encoding" for name, _ in scope["headers"])
    # "A server MAY reject a request that contains both Content-Length and Transfer-Encoding or
    # process such a request in accordance with the Transfer-Encoding alone." (RFC 9112, 6.1)
    if chunked and lengths:
        raise Refusal(400, "Content-Length and Transfer-Encoding exclude each other")
    # "A server or client that receives an HTTP/1.0 message containing a Transfer-Encoding header
    # field MUST treat the message as if the framing is faulty" (RFC 9112, 6.1)
    if chunked and scope["http_version"] == "1.0":
        raise Refusal(400, "HTTP/1.0 has no Transfer-Encoding")
    if len(lengths) > 1:
        raise Refusal(400, "Content-Length is given twice")
    if lengths and not CONTENT_LENGTH.fullmatch(lengths[0]):
        raise Refusal(400, "Content-Length is not a number")
    if lengths and int(lengths[0]) > max_body:
        raise BodyTooLarge(max_body)


def first(group: BaseExceptionGroup[Refusal]) -> Refusal:
    """Any one of them: a request is refused once."""
    error = group.exceptions[0]
    return first(error) if isinstance(error, BaseExceptionGroup) else error
