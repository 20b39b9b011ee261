"""What callers were told, in the order in which they were told it.

A ledger has a clock of its own: it ticks with whatever is asked and told. What was told at 7 has to
be known to who asks at 8.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count

from attrs import define, evolve, field, frozen

from tests.crash.past import Said, Sight, sight

TAKEN, LATER, REFUSED = 200, 500, 410
"""How a webhook answers: it takes a letter, wants it later, or does not want it at all."""


@frozen
class Fault:
    """Something that may not be."""

    kind: str
    """`lost`, `doubled`, `two ends`, `dishonest`, `webhook`, `orphan` or `answer`."""
    about: str
    """The id of a task, or of what else it is about."""
    what: str

    def __str__(self) -> str:
        return f"{self.kind.upper()} {self.about}: {self.what}"


@frozen
class Shown:
    """A whole task, as it was told."""

    sight: Sight
    by: str
    """The operation that told it."""
    asked: int
    told: int
    number: int | None = None
    """The event after which it stood, if it came with a number."""


@frozen
class Heard:
    """An event, as a stream told it."""

    number: int
    event: Said
    behind: int
    """The number of what the stream told before, or was asked to go on behind."""
    told: int


@define(eq=False)
class Letter:
    """What was posted to a webhook."""

    id: str
    body: Said
    status: int = 0
    """What was answered; nothing yet."""

    @property
    def taken(self) -> bool:
        return self.status == TAKEN


@define(eq=False)
class Hook:
    """A webhook, and what was posted to it, in order."""

    name: str
    old: bool
    """It was registered on line 0.3, and hears whole tasks."""
    whole: bool
    """It was registered with the message that began the task, and hears it from its first event."""
    told: int = 0
    """When its caller was told that it is kept; 0 is not yet."""
    letters: list[Letter] = field(factory=list)


@frozen
class Closing:
    """How a task ended, all of it compared."""

    sight: Sight
    began: str
    """When it was first said to be at work; nothing if it never was."""


@define(eq=False)
class Account:
    """All that was told of one task; little is left of it when it is closed."""

    id: str
    context: str
    shown: list[Shown] = field(factory=list)
    heard: list[Heard] = field(factory=list)
    hooks: list[Hook] = field(factory=list)
    closed: Closing | None = None

    def says_no_more_than(self, copy: Account) -> bool:
        """Whether nothing was told since it was copied."""
        return len(self.shown) == len(copy.shown) and len(self.heard) == len(copy.heard)

    def copy(self) -> Account:
        """As it is at this moment."""
        hooks = [evolve(hook, letters=[*hook.letters]) for hook in self.hooks]
        return Account(self.id, self.context, [*self.shown], [*self.heard], hooks)

    def close(self, closing: Closing) -> None:
        """All was compared, and nothing more will happen: how it ended is enough."""
        self.closed = closing
        self.shown.clear()
        self.heard.clear()
        self.hooks.clear()


@define(eq=False)
class Ledger:
    """What was told of every task, and what was wrong at first sight."""

    accounts: dict[str, Account] = field(factory=dict)
    hooks: dict[str, Hook] = field(factory=dict)
    faults: list[Fault] = field(factory=list)
    say: Callable[[str], None] = field(default=lambda line: None)
    """Is told of a fault as soon as it is found."""
    told: int = 0
    """How many things were told."""
    _ticks: count[int] = field(factory=lambda: count(1))

    def tick(self) -> int:
        return next(self._ticks)

    def fault(self, kind: str, about: str, what: str) -> None:
        self.add([Fault(kind, about, what)])

    def add(self, faults: Iterable[Fault]) -> None:
        """Something was found."""
        for fault in faults:
            self.faults.append(fault)
            self.say(str(fault))

    def show(self, task: Said, by: str, asked: int, number: int | None = None) -> None:
        """A whole task was told."""
        self.told += 1
        seen, account = sight(task), self.account(task)
        if account.closed is None:
            account.shown.append(Shown(seen, by, asked, self.tick(), number))
        elif account.closed.sight != seen:
            self.fault("lost", account.id, f"{by} told it as {seen}, when it had ended otherwise")

    def hear(self, task_id: str, number: int, event: Said, behind: int) -> None:
        """An event was told."""
        self.told += 1
        account = self.accounts[task_id]
        if account.closed is None:
            account.heard.append(Heard(number, event, behind, self.tick()))

    def post(self, name: str, letter: Letter) -> None:
        """Something was posted."""
        self.hooks[name].letters.append(letter)
        self.told += 1

    def account(self, task: Said) -> Account:
        """The account of a task; a new one, if it is the first time that it is told of."""
        id = task["id"]
        if id not in self.accounts:
            self.accounts[id] = Account(id, task["contextId"])
        return self.accounts[id]
