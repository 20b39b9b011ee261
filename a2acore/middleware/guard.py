"""The outermost wrapper: what no app should have to think about before it reads a body.

Around any ASGI app on trio. It refuses requests whose end is ambiguous, cuts bodies that are too
long or too slow while they come, and turns an app's failure into an answer. It stores nothing:
the app reads the body itself, through a `receive` that counts, so whoever sits inside (the bearer
check, say) can turn a caller away before the body is read. Answers pass untouched.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable
from math import inf

import trio
from attrs import define, field

from a2acore.asgi import WHOLE, ASGIApp, ClientGone, Message, Receive, Scope, Send
from a2acore.limits import LIMITS
from a2acore.refusal import BodyTooLarge, BodyTooSlow, Refusal

MAX_BODY = LIMITS.body
BODY_TIME = float(LIMITS.body_time)
MAX_HEADERS = 128
"""Headers of a request; how many bytes they may have is the server's to say."""

# A number that fits 64 bits: longer ones are nobody's length.
CONTENT_LENGTH = re.compile(rb"[0-9]{1,19}")

logger = logging.getLogger(__name__)


class Guard:
    """Wrap `app`. Bodies over `max_body` bytes get 413, over `body_time` seconds 408; heads of more
    than `MAX_HEADERS` headers 431.
    """

    def __init__(
        self, app: ASGIApp, *, max_body: float = MAX_BODY, body_time: float = BODY_TIME
    ) -> None:
        self._app = app
        self._max_body = max_body
        self._body_time = body_time

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, if it is one; anything else passes through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # What has come already needs no clock; nor does what may take for ever.
        body_time = inf if scope.get(WHOLE) else self._body_time
        passage = Passage(receive, send, self._max_body, body_time)
        refusal: Refusal | None = None
        method, path = scope["method"], scope["path"]
        # Groups, because an app with a nursery of its own (quart-trio) raises groups.
        try:
            if len(scope["headers"]) > MAX_HEADERS:
                raise Refusal(431, f"There are too many headers: {MAX_HEADERS} are allowed")
            check_length(scope, self._max_body)
            answer = self._app(scope, passage.receive, passage.send)
            del scope, receive  # not to be held for as long as a stream is told
            await answer
        except* ClientGone:
            pass
        except* Refusal as refused:
            if passage.started:
                raise  # half an answer is out: only the server can end it
            refusal = first(refused)
        except* Exception as failed:
            if passage.started:
                raise
            logger.error("%s %s failed", method, path, exc_info=failed)
            refusal = refusal or Refusal(500, "Internal error")
        if refusal is not None:
            await refusal.answer(send, close=not passage.whole)


@define(eq=False)
class Passage:
    """One request's `receive`, which counts the body and looks at the clock until it is whole, and
    its `send`.

    Raises:
        BodyTooLarge, BodyTooSlow: from `receive`: the app lets them through, and `Guard` answers.
    """

    _receive: Receive
    _send: Send
    _max_body: float
    _body_time: float
    whole: bool = False
    """Whether all of the body was received."""
    started: bool = False
    """Whether anything was answered."""
    _deadline: float = field(init=False, default=inf)
    _size: int = field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        if self._body_time != inf:
            self._deadline = trio.current_time() + self._body_time

    async def receive(self) -> Message:
        """The next piece of the body, or what comes after it."""
        if self.whole:
            return await self._receive()
        if self._deadline == inf:
            message = await self._receive()
        else:
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

    def send(self, message: Message) -> Awaitable[None]:
        """A piece of the answer."""
        self.started = True
        return self._send(message)


async def read_body(receive: Receive, limit: float = inf) -> bytes:
    """The whole body of a request.

    `limit`, in bytes, is for a route that takes less than the guard around it lets through, and for
    one that has no guard around it.

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


def check_length(scope: Scope, max_body: float) -> None:
    """Refuse a head that leaves open where the body ends, or declares too long a body.

    Two readers that differ about the end of a request, say a proxy and we, let a caller smuggle
    a second one past the first reader. h11 accepts the first two of these.

    Raises:
        Refusal: 400.
        BodyTooLarge: the declared length is over `max_body`.
    """
    lengths: list[bytes] = []
    chunked = False
    for name, value in scope["headers"]:
        if name == b"content-length":
            lengths.append(value)
        elif name == b"transfer-encoding":
            chunked = True
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
