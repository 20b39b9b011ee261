"""One client's connection, spoken by ourselves: a socket, the loop of its requests, and its end.

There is one task for all of it: it reads a request, calls the app, and reads the next one. Nothing
is started, locked or waited for on the way of a request but what the client or the app makes us
wait for. The app may start tasks, and receive in one while it sends in another.

What is not decided here: `heads` and `reading` know what a request is, `writing` what an answer is,
and `exchange` what an app may do with both.
"""

from __future__ import annotations

import logging
import socket
from contextlib import suppress
from math import inf
from typing import TypeAlias

import trio

from a2acore.asgi import LEAVING, WHOLE, ClientGone, Scope
from a2acore.front.exchange import Exchange
from a2acore.front.heads import Request
from a2acore.front.reading import Reader
from a2acore.front.site import AHEAD, READ, Site, linger
from a2acore.front.writing import refused
from a2acore.refusal import Refusal
from a2acore.tls import PEER, Peer

Address: TypeAlias = tuple[str, int] | None

logger = logging.getLogger("a2acore.serve")


class NativeConnection:
    """Serves one client on `stream`, until either side ends it."""

    def __init__(
        self,
        site: Site,
        stream: trio.abc.Stream,
        sock: trio.socket.SocketType,
        peer: Peer | None = None,
    ) -> None:
        self.gone = False
        self.busy = False
        self._site = site
        self._stream = stream
        self._socket = sock
        self._peer = peer
        self._direct: socket.socket | None = None
        self._ends: tuple[Address, Address] = None, None
        """The client's and ours."""
        self._reader = Reader()
        self._ended = False
        self._idle = True
        self._watched = False
        """Whether the lookout looks at this connection: from the first time that it matters."""
        self._left = False
        """Whether it has seen the client leave. There may be requests to answer all the same."""
        self._minded = False
        """Whether the app is to be cancelled then."""
        self._life = trio.CancelScope()

    async def serve(self) -> None:
        """Returns when the socket is closed and the app has finished with its requests."""
        if self._socket.family in (socket.AF_INET, socket.AF_INET6):
            try:
                self._ends = self._socket.getpeername()[:2], self._socket.getsockname()[:2]
            except OSError:
                return  # gone before we looked
        if isinstance(self._stream, trio.SocketStream):
            self._direct = socket.socket(fileno=self._socket.fileno())
            self._direct.setblocking(False)
        try:
            with self._life:
                await self._talk()
                await self._see_off()
        except ClientGone:
            pass
        finally:
            if self._direct is not None:
                if self._watched and self._site.lookout is not None:
                    self._site.lookout.forget(self._direct.fileno())
                self._direct.detach()  # the stream closes it
                self._direct = None
        with trio.move_on_after(self._site.patience.linger):  # TLS says goodbye first
            await self._stream.aclose()

    def close_if_idle(self) -> bool:
        """End the connection, unless a request is being answered; whether it is ended."""
        if self._idle:
            self._life.cancel()
        return self._idle

    async def _talk(self) -> None:
        patience = self._site.patience
        self._life.deadline = trio.current_time() + patience.head
        try:
            while (request := await self._request()) is not None:
                if not await self._answer(request) or self._site.leaving:
                    return
                self._life.deadline = trio.current_time() + patience.keep_alive
        except Refusal as refusal:
            await self.write(refused(refusal, head_only=self._reader.head_only))

    async def _see_off(self) -> None:
        """Let the last answer arrive. Meanwhile the client's place may be another's."""
        self._idle = True
        self._life.deadline = inf
        if not (self.gone or self._ended) and self._reader.unread:
            await linger(self._stream, self._site.patience.linger)

    async def _request(self) -> Request | None:
        """The next request; nothing when there is none."""
        reader = self._reader
        self._idle = True
        if reader.ahead:
            await trio.lowlevel.checkpoint()  # requests may come by the hundred: let others run
        while (request := reader.head()) is None:
            if reader.ahead:  # half a head
                head = trio.current_time() + self._site.patience.head
                self._life.deadline = min(self._life.deadline, head)
            if not await self.read():
                return None
        self._idle = False
        self._life.deadline = inf
        return request

    def _scope(self, request: Request) -> Scope:
        scope = request.scope()
        scope["scheme"] = "https" if self._site.secure else "http"
        scope["client"], scope["server"] = self._ends
        scope["state"] = self._site.state.copy()
        scope[WHOLE] = self._reader.whole
        if self._peer is not None:
            scope[PEER] = self._peer
        if self._direct is not None and self._site.lookout is not None:
            scope[LEAVING] = self._mind
        return scope

    async def _answer(self, request: Request) -> bool:
        """Let the app answer; whether there can be another request."""
        exchange = Exchange(request, self._reader, self, self._site)
        try:
            # The scope is the app's to forget: a stream may be told for days.
            await self._site.app(self._scope(request), exchange.receive, exchange.send)
        except* ClientGone:
            pass
        except* Exception as failed:
            logger.error("%s %s failed", request.method, request.path, exc_info=failed)
        finally:
            self._minded = False
        return await exchange.finish()

    def _mind(self) -> None:
        """Cancel the app when the client leaves, or has left: from here to its end."""
        self._minded = True
        if self._left:
            self._give_up()
        elif not self._watched and self._site.lookout is not None:
            self._watched = True
            self._site.lookout.watch(self._socket.fileno(), self._see_it_leave)

    def _see_it_leave(self) -> None:
        self._left = True
        if self._minded:
            self._give_up()

    def _give_up(self) -> None:
        self.gone = True
        self._life.cancel()

    # What an exchange wants of its connection

    async def read(self) -> bool:
        """Give the reader what the client sends next; false when there is nothing more."""
        if self._ended:
            await trio.lowlevel.checkpoint()
            return False
        try:
            data = await self._receive()
        except (trio.BrokenResourceError, OSError):
            self.gone = self._ended = True
            return False
        if not data:
            self._ended = True
            return False
        self._reader.feed(data)
        return True

    async def _receive(self) -> bytes | bytearray:
        direct = self._direct
        if direct is None:
            return await self._stream.receive_some(READ)
        while True:
            # To look first would be in vain, as a rule: who asks waits for our answer.
            await trio.lowlevel.wait_readable(direct)
            with suppress(BlockingIOError):
                return direct.recv(READ)

    async def watch(self) -> None:
        """Return when the client has nothing more to say; take it for leaving."""
        while self._reader.ahead < AHEAD:
            if not await self.read():
                return
        await trio.sleep_forever()

    async def write(self, data: bytes) -> None:
        """Write all of it.

        Raises:
            ClientGone: that cannot be done.
        """
        if self.gone:
            raise ClientGone("The client left")
        if self.busy:
            raise trio.BusyResourceError("Something else is being written")
        sent = 0
        if self._direct is not None:  # nearly always it takes all, and that costs no turn of trio's
            try:
                sent = self._direct.send(data)
            except BlockingIOError:
                pass
            except OSError as exc:
                self._hang_up()
                raise ClientGone("The client left") from exc
        if sent < len(data):
            await self._wait_to_write(memoryview(data)[sent:])

    async def _wait_to_write(self, rest: memoryview) -> None:
        patience = self._site.patience.write
        self.busy = True
        try:
            for start in range(0, len(rest), READ):
                with trio.fail_after(patience):
                    await self._stream.send_all(rest[start : start + READ])
            self.busy = False
        except (trio.BrokenResourceError, trio.ClosedResourceError) as exc:
            raise ClientGone("The client left") from exc
        except trio.TooSlowError as exc:
            raise ClientGone(f"The client read nothing for {patience:g} s") from exc
        finally:
            if self.busy:  # half a message is out, and nothing may follow it
                self._hang_up()

    def _hang_up(self) -> None:
        """Also wakes who is reading, so that the app hears of it."""
        self.gone = True
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
