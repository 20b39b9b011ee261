"""The load: some callers, each with one request under way, who ask again as soon as they are
answered.

A closed loop, so a slow answer delays the next question: the times are those of polite callers at
that number, not of a crowd that comes whether or not it is served. One thread, one epoll, plain
sockets: its own use of CPU is measured too, and a result says how much of a core it was. Every
answer is kept, and judged when the time is over: no server waits for that.
"""

from __future__ import annotations

import gc
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from attrs import define, evolve, field, frozen

from bench.answers import Answer, Malformed
from bench.figures import percentile
from bench.machine import Meter
from bench.speech import Ask, Wrong

Address = tuple[str, int]

HANGS = 120.0
"""Seconds without a byte after which a server is given up."""
TOO_MANY = 50
"""Wrong answers, when there are no more right ones than that, after which it is given up."""
EACH = 8
"""Answers for each caller, of several, that are measured at least. They come in bunches when a
server works on all requests a little at a time, and one bunch more must not count for much."""
MUCH = 2**18
"""Bytes read at once: a frame of a stream is small, and many are ready together."""


class Hopeless(Exception):
    """A server that gives no answers, or hardly a right one."""


@frozen
class Load:
    """What came of it."""

    count: int
    """Right answers within the time that was measured."""
    seconds: float
    p50: float
    """Seconds until an answer was whole."""
    p99: float
    first: float
    """Median of the seconds until the first event of a stream, or the first byte of a body."""
    server_cpu: float
    """Seconds of CPU that the server used."""
    own_cpu: float
    """Seconds of CPU that asking and reading used."""
    size: float
    """Bytes of a body, on average."""
    errors: int = 0
    """Answers that were not right, over the whole time."""
    wrong: str = ""
    """What was wrong with the first of them."""


def connected(address: Address) -> socket.socket:
    made = socket.create_connection(address, timeout=HANGS)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def asked(address: Address, ask: Ask) -> bytes:
    """Ask once, on a connection of its own, and give the body.

    Raises:
        Wrong: it is not the right answer, or none.
    """
    try:
        with connected(address) as sock:
            return exchanged(sock, ask)
    except OSError as exc:
        raise Wrong(f"no connection: {exc}") from exc


def exchanged(sock: socket.socket, ask: Ask) -> bytes:
    """The same, on a connection that there is.

    Raises:
        Wrong: it is not the right answer, or none.
    """
    answer = Answer()
    try:
        sock.sendall(ask.request)
        while not answer.whole:
            answer.feed(sock.recv(MUCH))
    except (OSError, Malformed) as exc:
        raise Wrong(f"no answer: {exc}") from exc
    _judge(answer, ask)
    return answer.body


def _judge(answer: Answer, ask: Ask) -> None:
    assert answer.head is not None
    if answer.head.status != 200:
        raise Wrong(f"HTTP {answer.head.status}: {answer.body[:200]!r}")
    ask.read(answer.body)


@define(eq=False)
class _Turn:
    """A question, and what has come of its answer."""

    ask: Ask
    answer: Answer = field(factory=Answer)
    since: float = field(factory=time.perf_counter)
    first: float = 0.0
    heard: float = 0.0


@define(eq=False)
class _Caller:
    sock: socket.socket
    turn: _Turn = field(init=False)

    def begin(self, ask: Ask) -> None:
        self.turn = _Turn(ask)
        with suppress(OSError):  # where nothing can be sent, there is no answer: `hear` tells
            self.sock.sendall(ask.request)

    def hear(self) -> bool:
        """Take what there is; whether the answer is whole.

        Raises:
            OSError, Malformed: it will never be.
        """
        turn = self.turn
        turn.answer.feed(self.sock.recv(MUCH))
        if not turn.first and turn.answer.body:
            turn.first = time.perf_counter()
        if turn.answer.whole:
            turn.heard = time.perf_counter()
        return turn.answer.whole


def drive(
    address: Address,
    pid: int,
    asks: Callable[[], Ask],
    *,
    callers: int,
    seconds: float = 0.0,
    count: int = 0,
    warm_up: float = 0.0,
) -> Load:
    """Keep `callers` requests under way, for `seconds`, or until `count` were answered.

    What is measured begins and ends with an answer (without a `warm_up`, it begins with the first
    request), so that a stream which takes longer than `seconds` is measured whole. What is under
    way then is heard to its end: the next to be measured has the machine for itself.

    Raises:
        Hopeless: there is no measuring this server.
    """
    crowd = _Crowd(address, asks)
    least = count or (EACH * callers if callers > 1 else 1)
    tally = _Tally(pid, seconds, least, warm_up)
    was_collecting = gc.isenabled()
    gc.disable()  # ours would fall into the times of answers
    try:
        with crowd.poll:
            for _ in range(callers):
                crowd.join()
            return crowd.work(tally)
    finally:
        if was_collecting:
            gc.enable()
        crowd.leave()


@define(eq=False)
class _Tally:
    """What is counted, from the end of the warm-up to its own."""

    pid: int
    seconds: float
    least: int
    warm_up: float
    began: float = field(factory=time.perf_counter)
    meter: Meter | None = None
    heard: list[_Turn] = field(factory=list)
    """What is not judged yet."""
    warm: int = 0
    """How many of them made the server warm, and do not count."""
    times: list[float] = field(factory=list)
    firsts: list[float] = field(factory=list)
    size: int = 0

    def __attrs_post_init__(self) -> None:
        if not self.warm_up:
            self.meter = Meter(self.pid)

    def hear(self, turn: _Turn) -> None:
        """Keep an answer that has just become whole."""
        self.heard.append(turn)
        if self.meter is None and turn.heard - self.began >= self.warm_up:
            self.meter = Meter(self.pid)
            self.warm = len(self.heard)

    def enough(self) -> bool:
        """Whether there are as many as it takes, if they are right."""
        if self.meter is None or len(self.times) + len(self.heard) - self.warm < self.least:
            return False
        return self.heard[-1].heard - self.began - self.warm_up >= self.seconds

    def judge(self) -> Iterator[Wrong]:
        """Count those that are right; what is wrong with the others."""
        heard, self.heard = self.heard, []
        warm, self.warm = self.warm, 0
        for number, turn in enumerate(heard):
            try:
                _judge(turn.answer, turn.ask)
            except Wrong as wrong:
                yield wrong
                continue
            if number >= warm:
                self.times.append(turn.heard - turn.since)
                self.firsts.append(turn.first - turn.since)
                self.size += len(turn.answer.body)

    def load(self, wall: float, server: float, own: float) -> Load:
        return Load(
            count=len(self.times),
            seconds=wall,
            p50=percentile(self.times, 0.5),
            p99=percentile(self.times, 0.99),
            first=percentile(self.firsts, 0.5),
            server_cpu=server,
            own_cpu=own,
            size=self.size / len(self.times),
        )


@define(eq=False)
class _Crowd:
    address: Address
    asks: Callable[[], Ask]
    poll: select.epoll = field(factory=select.epoll)
    callers: dict[int, _Caller] = field(factory=dict)
    errors: int = 0
    wrong: str = ""

    def join(self) -> None:
        try:
            caller = _Caller(connected(self.address))
        except OSError as exc:
            raise Hopeless(f"no connection: {exc}") from exc
        self.callers[caller.sock.fileno()] = caller
        self.poll.register(caller.sock.fileno(), select.EPOLLIN)
        caller.begin(self.asks())

    def part(self, caller: _Caller) -> None:
        del self.callers[caller.sock.fileno()]
        caller.sock.close()  # which takes it off the poll

    def leave(self) -> None:
        for caller in list(self.callers.values()):
            self.part(caller)

    def work(self, tally: _Tally) -> Load:
        load: Load | None = None
        while self.callers:
            ready = self.poll.poll(HANGS)
            if not ready:
                raise Hopeless(f"not a byte for {HANGS:.0f} s")
            for fd, _ in ready:
                caller = self.callers[fd]
                usable = False
                try:
                    if not caller.hear():
                        continue
                    usable = not caller.turn.answer.closing
                except (OSError, Malformed) as exc:
                    self._note(exc, len(tally.times))
                else:
                    if load is None:
                        tally.hear(caller.turn)
                        load = self._ended(tally)
                if load is None and usable:
                    caller.begin(self.asks())
                    continue
                self.part(caller)
                if load is None:
                    self.join()
        if load is None:
            raise Hopeless("nobody was asked")
        return evolve(load, errors=self.errors, wrong=self.wrong)

    def _ended(self, tally: _Tally) -> Load | None:
        """What came of it, once there are enough right answers."""
        if not tally.enough():
            return None
        assert tally.meter is not None
        measured = tally.meter.read()
        for wrong in tally.judge():
            self._note(wrong, len(tally.times))
        return tally.load(*measured) if len(tally.times) >= tally.least else None

    def _note(self, exc: Exception, right: int) -> None:
        self.errors += 1
        self.wrong = self.wrong or str(exc)
        if self.errors >= TOO_MANY and self.errors > right:
            raise Hopeless(f"{self.errors} wrong answers, such as: {self.wrong}") from exc
