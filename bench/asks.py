"""What servers are asked in the end: requests without end, and tasks with followers.

On a plain address, so that it can be asked of a server in this process too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle

from bench.answers import Answer
from bench.audience import Audience
from bench.load import Address, asked, connected
from bench.speech import ALLOW, PAUSE, Ask, Form, Wrong, words

FEW = 5
"""Words of a prompt where its length does not matter."""
POOL = 64
"""Finished tasks that get asks for, one after the other."""
FAN = 200
"""Chunks that each follower hears."""


def sends(form: Form, size: int) -> Callable[[], Ask]:
    """Blocking sends of so many words."""
    expected = words(size)
    spell, read = form.message("send", " ".join(expected)), form.finished(expected)
    return lambda: Ask(spell(), read)


def streams(form: Form, size: int) -> Callable[[], Ask]:
    """Streams of so many words."""
    expected = words(size)
    spell, read = form.message("stream", " ".join(expected)), form.told(expected)
    return lambda: Ask(spell(), read)


def gets(address: Address, form: Form) -> Callable[[], Ask]:
    """Gets of some finished tasks, which are made first.

    Raises:
        Wrong: they cannot be made.
    """
    make = sends(form, FEW)
    ids = [form.task(asked(address, make()))["id"] for _ in range(POOL)]
    asks = cycle([Ask(form.get(id), form.finished(words(FEW), id)) for id in ids])
    return lambda: next(asks)


@contextmanager
def followed(address: Address, form: Form, followers: int) -> Iterator[Callable[[], None]]:
    """A task that waits, with followers; the call lets it go on with many chunks, for all of them.

    Raises:
        Wrong: one of them has not heard every chunk, in order.
    """
    expected = words(FAN)
    task_id = waiting(address, form, " ".join(expected))
    answer = form.message("send", ALLOW, task_id)()
    with Audience(address, form.subscribe(task_id), followers) as audience:
        audience.listen(has_an_event)
        with connected(address) as sock:

            def go_on() -> None:
                sock.sendall(answer)
                audience.listen(lambda stream: stream.whole)

            yield go_on
        read = form.told(expected)
        for body in audience.bodies:
            read(body)


def waiting(address: Address, form: Form, text: str) -> str:
    """The id of a task that waits for its caller, and when allowed says `text`.

    Raises:
        Wrong: it does not wait.
    """
    found: list[str] = []

    def read(body: bytes) -> None:
        task = form.task(body)
        state = str(task["status"].get("state"))
        if "input" not in state.lower():
            raise Wrong(f"the task is {state}, it does not wait")
        found.append(task["id"])

    asked(address, Ask(form.message("send", f"{PAUSE} {text}".strip())(), read))
    return found[0]


def has_an_event(stream: Answer) -> bool:
    return b"data:" in stream.body
