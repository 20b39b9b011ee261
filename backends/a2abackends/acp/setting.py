"""Setting an agent up for a turn: what was chosen for it, and back again for the next.

What was set before a choice is kept with the session, as long as the choice holds: also an agent
that has gone meanwhile goes back to it.
"""

from __future__ import annotations

from a2abackends.acp.agent import Agent
from a2abackends.acp.choices import ORDER, Unsupported
from a2abackends.acp.connection import CallFailed
from a2abackends.acp.wire import AUTH_REQUIRED
from a2acore.backend import Choices, Notice, Turn


async def set_up(agent: Agent, turn: Turn, usual: Choices) -> None:
    """Have an agent work as a turn chooses, or else as usual, or else as it did before.

    Raises:
        Unsupported: it has no such thing; nothing was prompted.
        CallFailed: it has to be let in first.
        AgentFailed: it does not answer.
    """
    session = agent.session
    session.catch_up(turn)
    wishes = session.knobs.wishes(turn.choices, usual, agent.introduction.oddities.sandboxes)
    for name in ORDER:
        if name in wishes:
            await _choose(agent, turn, name, wishes[name])
        elif name in session.kept.before:
            await _go_back(agent, turn, name)


async def _choose(agent: Agent, turn: Turn, name: str, value: str) -> None:
    session = agent.session
    knob = session.knobs.knob(name, value)
    if value == knob.current or session.made_of.get(name) == (value, knob.current):
        return
    before = session.kept.before
    if name not in before:
        session.keep(turn, before={**before, name: knob.current})
    try:
        await agent.set_knob(name, knob, value)
    except CallFailed as error:
        if error.code in AUTH_REQUIRED:
            raise
        raise Unsupported(f"The agent does not take the {name} {value!r}: {error}") from error
    now = session.knobs.current(name)
    session.made_of[name] = (value, now)
    if now != value:
        text = f"Of the {name} {value!r} that was chosen, the agent made {now!r}"
        turn.say(Notice(text, "choice", {"choice": name, "asked": value, "set": now}))


async def _go_back(agent: Agent, turn: Turn, name: str) -> None:
    session = agent.session
    before = dict(session.kept.before)
    value, knob = before.pop(name), session.knobs.find(name)
    if knob is not None and knob.current != value:
        try:
            await agent.set_knob(name, knob, value)
        except CallFailed as error:
            if error.code in AUTH_REQUIRED:
                raise
            text = f"The {name} stays {knob.current!r} and cannot go back to {value!r}: {error}"
            turn.say(Notice(text, "choice", {"choice": name, "asked": value, "set": knob.current}))
    session.made_of.pop(name, None)
    session.keep(turn, before=before)
