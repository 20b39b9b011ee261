"""How much a server takes on: in all, of one caller, from one address.

Rule 1: what is over a limit is refused before anything is made of it, and nobody waits for room.
Rule 2: of callers without a credential nobody can tell one from another. For them there is only
    what holds for all.
Rule 3: what one address may do does not depend on who else is behind it (a proxy, a whole office):
    see `a2acore.middleware.floods`.

Told the time, in seconds of any clock that does not go back.
"""

from __future__ import annotations

import math
from collections import Counter

from attrs import define, field, fields, frozen

from a2acore.errors import TooBusy

UNNAMED = "anonymous"
"""The name of every caller without a credential."""

REMEMBERED = 10_000
"""Keys that buckets are kept for. Who is forgotten begins with a full one."""


@frozen(kw_only=True)
class Limits:
    """What a server takes on. 0 is no limit; times are in seconds, rates for each minute.

    Raises:
        ValueError: a number that is none of these.
    """

    tasks: int = 1000
    """Tasks that have not ended, also when they wait, for their turn or for an answer."""
    tasks_per_caller: int = 200
    contexts: int = 600
    """Contexts with such a task. Each one may be a process of the agent's."""
    contexts_per_caller: int = 50
    waiting: int = 32
    """Turns that wait in one context: more is a caller gone wild, not a conversation."""
    streams: int = 1000
    """Streams that are open."""
    streams_per_caller: int = 100
    requests: int = 0
    """Operations. What is dear about one, its task, its stream, is limited by itself; and what all
    may ask together depends on the machine."""
    requests_per_caller: int = 6000
    """As many may come at once: polling a hundred tasks every second is nobody's attack."""
    refusals_per_address: int = 60
    """Requests without a valid credential (401)."""
    webhooks: int = 2000
    """Webhooks of tasks that have not ended: each makes this server post for every event."""
    webhooks_per_caller: int = 200
    webhooks_per_task: int = 16
    connections: int = 800
    """What is open at once. A process commonly has 1024 descriptors, and agents want theirs."""
    connections_per_address: int = 600
    """Behind a proxy, everybody has its address; and without one, the others are to have room."""
    parts: int = 100
    """Parts of one message: each becomes something that the agent has to read, or a file."""
    body: int = 32 * 1024 * 1024
    """Bytes of a request. A message with a few images in base64 fits; what we hold stays small."""
    body_time: int = 60
    """From the head of a request to the end of its body: the largest one at 4.5 Mbit/s."""
    head_time: int = 5
    """From the first byte of a request (or the start of the connection) to the end of its head."""
    idle_time: int = 75
    """Between requests. Longer than the common proxies and clients keep an idle connection, so
    that they close it, not we, just as the next request is on its way."""
    write_time: int = 30
    """For the client to read 64 KiB, or what there is. Who does not is not there."""

    def __attrs_post_init__(self) -> None:
        for name in NAMES:
            value = getattr(self, name)
            if type(value) is not int or value < 0:
                raise ValueError(f"{name} must be a whole number, 0 for no limit")


NAMES = tuple(each.name for each in fields(Limits))
LIMITS = Limits()


def seconds(limit: int) -> float:
    """A limit in time, as a timeout takes it."""
    return limit or math.inf


@define(eq=False)
class Tally:
    """Counts what there is of one thing, and who has it."""

    things: str
    """What is counted, as a text names many of them."""
    most: int
    most_each: int
    count: int = 0
    _each: Counter[str] = field(factory=Counter)

    def has_room(self) -> bool:
        return not self.most or self.count < self.most

    def has_room_for(self, who: str) -> bool:
        return not self.most_each or who == UNNAMED or self._each[who] < self.most_each

    def check(self, who: str) -> None:
        """Raises: TooBusy: there is no room for one more."""
        if not self.has_room_for(who):
            raise TooBusy(f"You have {self.most_each} {self.things} already; try again later")
        if not self.has_room():
            raise TooBusy(f"There are {self.most} {self.things} already; try again later")

    def add(self, who: str) -> None:
        self.count += 1
        self._each[who] += 1

    def drop(self, who: str) -> None:
        self.count -= 1
        self._each[who] -= 1
        if not self._each[who]:
            del self._each[who]


@define(eq=False)
class Buckets:
    """A bucket of tokens for each key: it holds a minute's worth, and fills in a minute."""

    per_minute: int
    remembered: int = REMEMBERED
    _levels: dict[str, tuple[float, float]] = field(factory=dict)
    """What was in each that is not full, and when; the one that was used last stands last."""

    def wait(self, key: str, now: float) -> float:
        """Seconds until there is a token for a key."""
        if not self.per_minute:
            return 0.0
        return max(0.0, (1.0 - self._level(key, now)) * 60.0 / self.per_minute)

    def take(self, key: str, now: float) -> None:
        """Take a token, if there is one."""
        if not self.per_minute:
            return
        level = max(0.0, self._level(key, now) - 1.0)
        self._levels.pop(key, None)
        self._levels[key] = (level, now)
        if len(self._levels) > self.remembered:
            del self._levels[next(iter(self._levels))]

    def _level(self, key: str, now: float) -> float:
        level, then = self._levels.get(key, (float(self.per_minute), now))
        return min(float(self.per_minute), level + (now - then) * self.per_minute / 60.0)


@define(eq=False)
class Rates:
    """How often callers may ask for something."""

    limits: Limits
    _all: Buckets = field(init=False)
    _each: Buckets = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._all = Buckets(self.limits.requests)
        self._each = Buckets(self.limits.requests_per_caller)

    def refusal(self, who: str, now: float) -> TooBusy | None:
        """Count one request; why it is one too many, if it is. That one costs the caller nothing
        but the time until it may ask again."""
        wait = self._each.wait(who, now) if who != UNNAMED else 0.0
        if wait:
            most = self.limits.requests_per_caller
            return TooBusy.for_now(f"You may ask {most} times a minute", math.ceil(wait))
        wait = self._all.wait("", now)
        if wait:
            said = f"This server may be asked {self.limits.requests} times a minute"
            return TooBusy.for_now(said, math.ceil(wait))
        self._all.take("", now)
        if who != UNNAMED:
            self._each.take(who, now)
        return None
