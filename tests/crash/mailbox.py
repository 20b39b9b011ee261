"""Where webhooks lead: takes most of what is posted, some of it late or at the second time."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import trio
from attrs import define, field

from tests.crash import ledger
from tests.crash.ledger import LATER, REFUSED, TAKEN, Ledger
from tests.receiver import Letter, Reply

ID = "x-a2a-notification-id"
HANGS = 20.0
"""Seconds: longer than the server waits for an answer."""


@define(eq=False)
class Mailbox:
    """Answers for all webhooks; the last part of the path is the name of one."""

    ledger: Ledger
    rng: random.Random
    passes: Callable[[str], None]
    """Is told that something is under way."""
    healthy: trio.Event = field(factory=trio.Event)
    """From now on, everything is taken at once."""

    async def answer(self, letter: Letter) -> Reply:
        """Answer what is posted. What is not answered is not taken."""
        self.passes("posted")
        manner = 1.0 if self.healthy.is_set() else self.rng.random()
        posted = ledger.Letter(letter.headers.get(ID, ""), json.loads(letter.body))
        self.ledger.post(letter.target.rpartition("/")[2], posted)
        if manner < 0.02:
            with trio.move_on_after(HANGS):
                await self.healthy.wait()
        elif manner < 0.2:
            await trio.sleep(self.rng.uniform(0, 0.2))
        posted.status = LATER if manner < 0.08 else REFUSED if manner < 0.085 else TAKEN
        return Reply(posted.status)
