"""Which forms there are: each by the word that switches it on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Literal

from a2acore.compat import shared, trace
from a2acore.compat.port import Compat
from a2acore.model import AgentExtension

Switch = Literal["shared-stream", "trace"]

_FORMS: Mapping[Switch, Callable[[str, str, str], Compat]] = {
    "shared-stream": shared.Shared,
    "trace": trace.Trace,
}
_EXTENSIONS: Mapping[Switch, tuple[AgentExtension, ...]] = {
    "shared-stream": shared.EXTENSIONS,
    "trace": trace.EXTENSIONS,
}


def forms(on: Collection[Switch], task_id: str, context_id: str, agent: str) -> tuple[Compat, ...]:
    """The forms in which a new task is told; `agent` is the name on the card."""
    return tuple(form(task_id, context_id, agent) for word, form in _FORMS.items() if word in on)


def declared(on: Collection[Switch]) -> tuple[AgentExtension, ...]:
    """What the card declares for them."""
    return tuple(each for word, all_ in _EXTENSIONS.items() if word in on for each in all_)
