"""The agent card as a document: for callers of line 1.0, of line 0.3, and for those of both.

Both lines look for the card at one address, and a caller seldom says which it speaks. The members
of the two forms do not clash, so one document can be both; only a reader that refuses what it does
not know needs a pure one. An agent without an interface of line 0.3 has but the card of 1.0.
"""

from __future__ import annotations

from typing import Any

import msgspec

from a2acore.model import AgentCard
from a2acore.wire.v03 import cards
from a2acore.wire.v03.cardreader import read as read


def pure10(card: AgentCard) -> bytes:
    """The card as line 1.0 has it. It lists the interfaces of line 0.3 as well."""
    return msgspec.json.encode(card)


def pure03(card: AgentCard) -> bytes:
    """The card as line 0.3 has it."""
    return msgspec.json.encode(cards.write(card)) if cards.spoken(card) else pure10(card)


def merged(card: AgentCard) -> bytes:
    """The card as both lines have it. Its signatures cover what is of line 1.0."""
    if not cards.spoken(card):
        return pure10(card)
    new, old = msgspec.to_builtins(card), msgspec.to_builtins(cards.write(card))
    return msgspec.json.encode(_merged(new, old))


def _merged(new: Any, old: Any) -> Any:
    """What is said in either; where both say something else, the new counts."""
    if isinstance(new, dict) and isinstance(old, dict):
        both = {key: _merged(new[key], old[key]) for key in new.keys() & old.keys()}
        return new | old | both
    # The skills are the only objects in lists that both have; there are as many in each.
    if isinstance(new, tuple) and isinstance(old, tuple):
        return [_merged(*each) for each in zip(new, old, strict=True)]
    return new
