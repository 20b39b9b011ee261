"""One webhook's post: a letter is tried until it is taken, refused, or too old.

httpcore and not httpx, because this wants less than httpx does: no redirects, no proxies, no
cookies, no URL in a log, and a word in where a connection goes.
"""

from __future__ import annotations

import functools
import ssl
import time
from collections.abc import Iterable, Iterator
from contextlib import nullcontext

import httpcore
import trio
from attrs import define, field, frozen

from a2acore.push.guard import Forbidden, Guard, Place, read
from a2acore.push.letters import Letter, media_type
from a2acore.push.patience import Fate, Patience
from a2acore.push.port import Webhook
from a2acore.push.stamp import HEADER, Stamp

ID = "X-A2A-Notification-Id"
"""The header that says which letter it is: the same whenever it is posted."""
CONNECT = 5.0
"""Seconds for one address of a webhook; the next one then still has its chance in the attempt."""
ANSWER = 4096
"""Bytes of an answer that are read, though nobody looks at them."""
RETRIED = frozenset({408, 425, 429})
"""The answers of 4xx that ask for another try; the others mean that there is no use."""


@frozen
class Pinned(httpcore.AsyncNetworkBackend):
    """A network in which a name leads to the addresses that were checked, and nowhere else."""

    guard: Guard
    network: httpcore.AsyncNetworkBackend

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        failure: Exception = httpcore.ConnectError("no address")
        for address in await self.guard.addresses(host, port):
            try:
                return await self.network.connect_tcp(
                    address, port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure


@define(eq=False)
class Post:
    """Posts the letters of one webhook, one after the other, on one connection."""

    webhook: Webhook
    guard: Guard
    network: httpcore.AsyncNetworkBackend | None
    """How addresses are reached, if not by trio."""
    patience: Patience
    closing: trio.Event
    """Once it is set, every letter has one more attempt and no pauses."""
    stamp: Stamp | None = None
    """What letters are signed with, if they are."""
    lane: trio.CapacityLimiter | None = None
    """Where each attempt waits for its turn, if there may be too many at once."""
    well: bool = True
    """Whether the webhook was there at the last attempt."""
    _place: Place = field(init=False)
    _pool: httpcore.AsyncConnectionPool = field(init=False)

    @property
    def where(self) -> str:
        """Where letters are posted to, without what is secret in it."""
        return str(self._place)

    async def __aenter__(self) -> Post:
        self._place = read(self.webhook.config.url)
        self._pool = httpcore.AsyncConnectionPool(
            _trusted() if self._place.scheme == "https" else None,
            max_connections=1,
            network_backend=Pinned(self.guard, self.network or httpcore.TrioBackend()),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._pool.aclose()

    async def deliver(self, letter: Letter) -> tuple[Fate, str]:
        """Try a letter until it is taken or given up: what became of it, and why."""
        pauses = self.patience.pauses()
        while True:
            fate, why = await self.attempt(letter)
            self.well = fate is not Fate.LOST
            if self.well:
                return fate, why
            if self.closing.is_set():
                return Fate.LEFT, why
            if (pause := next(pauses, None)) is None:
                return fate, why
            with trio.move_on_after(pause):
                await self.closing.wait()

    async def attempt(self, letter: Letter) -> tuple[Fate, str]:
        """Try a letter once: what became of it, and why."""
        status = 0
        async with self.lane or nullcontext():
            try:
                with trio.move_on_after(self.patience.attempt):
                    async with self._pool.stream(
                        "POST",
                        self._url,
                        headers=[
                            *headers(self.webhook, self._place),
                            *self._marks(letter),
                            ("Content-Length", str(len(letter.body))),
                        ],
                        content=_Body(letter.body),
                        extensions={"timeout": {"connect": CONNECT}},
                    ) as response:
                        status = response.status
                        await _skim(response)
            except Forbidden as error:
                return Fate.REFUSED, str(error)
            except (
                httpcore.ProtocolError
            ):  # whose text quotes what was said, by us or by a stranger
                why = "it does not speak HTTP"
            except (OSError, httpcore.NetworkError, httpcore.TimeoutException) as error:
                why = _reason(error)
            else:
                why = f"no answer within {self.patience.attempt:g} seconds"
        # What happens after the head of an answer is of no interest.
        return (judge(status), f"it answered {status}") if status else (Fate.LOST, why)

    def _marks(self, letter: Letter) -> Iterator[tuple[str, str]]:
        """What a letter is known by, and who vouches for it."""
        yield ID, letter.id
        if self.stamp is not None:
            task_id, now = self.webhook.config.task_id, int(time.time())
            token = self.stamp.token(
                letter.body, id=letter.id, task_id=task_id, place=self._place, now=now
            )
            yield HEADER, token

    @property
    def _url(self) -> httpcore.URL:
        place = self._place
        return httpcore.URL(
            scheme=place.scheme, host=place.host, port=place.port, target=place.target
        )


def judge(status: int) -> Fate:
    """What an HTTP status says of a letter. A redirect is no way to take one."""
    if 200 <= status < 300:
        return Fate.TAKEN
    return Fate.LOST if status >= 500 or status in RETRIED else Fate.REFUSED


@define(eq=False)
class _Body:
    """A letter as httpcore reads it. Of bytes it makes a generator, which whoever is cancelled in
    the middle of it leaves behind for the garbage collector, with a warning."""

    _left: bytes

    def __aiter__(self) -> _Body:
        return self

    async def __anext__(self) -> bytes:
        left, self._left = self._left, b""
        if not left:
            raise StopAsyncIteration
        return left


def headers(webhook: Webhook, place: Place) -> list[tuple[str, str]]:
    """The headers of a letter."""
    config = webhook.config
    said = [
        ("Host", place.authority),
        ("User-Agent", "a2acore"),
        ("Content-Type", media_type(webhook.line)),
    ]
    if config.token:
        said.append(("X-A2A-Notification-Token", config.token))
    if (how := config.authentication) is not None:
        said.append(("Authorization", f"{how.scheme} {how.credentials}".rstrip()))
    return said


def _reason(error: BaseException) -> str:
    """What a failure of the network says at its root: httpcore (in `args`) and trio wrap it."""
    wrapped = [arg for arg in (error.__cause__, *error.args) if isinstance(arg, BaseException)]
    return _reason(wrapped[0]) if wrapped else f"{type(error).__name__} {error}".rstrip()


async def _skim(response: httpcore.Response) -> None:
    """Read the answer if it says that it is short, so that the connection can be used again."""
    said = {name.lower(): value for name, value in response.headers}
    if response.status == 204 or int(said.get(b"content-length", ANSWER + 1)) <= ANSWER:
        await response.aread()


@functools.cache
def _trusted() -> ssl.SSLContext:
    """The authorities that vouch for webhooks, which take long to read: those of our client."""
    import httpx  # for nothing but this

    return httpx.create_ssl_context()
