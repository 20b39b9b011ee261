"""How hard a letter is tried, and what may become of it.

Apart from what tries it: that loads an HTTP client, of no use to a server that posts nothing.
"""

from __future__ import annotations

import enum
import random
from collections.abc import Iterator

from attrs import frozen


@frozen
class Patience:
    """How hard a letter is tried. All times are in seconds."""

    attempt: float = 15.0
    """For one attempt, with everything: sections 4.3.3 and 13.2 of A2A 1.0.1 ask for 10 to 30."""
    attempts: int = 10
    pause: float = 1.0
    """After the first attempt; each further pause is twice as long. It is eight minutes in all, in
    which a receiver can be started anew, and no task is held up by them."""

    def pauses(self) -> Iterator[float]:
        """The pauses between the attempts. Chance shortens each of them, by up to a half, so that
        webhooks that failed together do not come back together.
        """
        for n in range(self.attempts - 1):
            yield self.pause * 2**n * random.uniform(0.5, 1.0)


class Fate(enum.Enum):
    """What became of a letter."""

    TAKEN = "taken"
    REFUSED = "refused"
    """The webhook, or we, will not have it; the next one may fare better."""
    LOST = "lost"
    """Nobody was there to take it, for as long as our patience lasts."""
    LEFT = "left"
    """The server stopped before that was decided."""
