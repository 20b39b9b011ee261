"""How an agent goes on with a session of before: after it was let go, has died, or we have.

The best way that it knows is tried first; one that fails is followed by the next. For a turn that
begins there is always another: a new session. For one that was under way there is none.
"""

from __future__ import annotations

import time

import trio

from a2abackends.acp.agent import Agent
from a2abackends.acp.connection import CallFailed
from a2abackends.acp.content import text_block
from a2abackends.acp.kept import Kept
from a2abackends.acp.wire import AUTH_REQUIRED
from a2acore.backend import AgentFailed, Notice, Turn

MARGIN = 0.2
"""Seconds into a new minute: the agent's clock is read a little earlier than ours."""

GO_ON = [
    text_block(
        "The program between you and the user was restarted while you waited for an answer to a "
        "request for permission or to a question. There was no answer, and what you had asked for "
        "was not done. Go on with what you were working on: do not repeat what is done already, "
        "and ask again for what needs an answer."
    )
]
"""What an agent is told to go on with a turn: our words alone, for the caller has said nothing."""


def interrupted(why: str) -> AgentFailed:
    """The failure of a turn that was under way and cannot go on."""
    return AgentFailed(
        f"The turn was interrupted by a restart of the server, and cannot go on: {why}",
        stop_reason="interrupted",
    )


async def revive(agent: Agent, kept: Kept, turn: Turn, minute: float) -> str:
    """Have an agent go on with a session, and return nothing; or else why it cannot.

    One that hangs or dies at it is `gone` then.

    Raises:
        CallFailed: it has to be let in first.
    """
    if kept.agent != agent.name:
        return f"it was held with another agent, {kept.agent}"
    if kept.cwd != str(agent.cwd):
        return f"it was held in another directory, {kept.cwd}"
    why = "the agent cannot go back to a session"
    for way in agent.introduction.ways:
        if way == "session/load" and agent.introduction.oddities.names_sessions_by_minute:
            await _wait_out_the_minute(kept, turn, minute)
        try:
            await agent.reopen_session(kept, way)
        except CallFailed as error:
            if error.code in AUTH_REQUIRED:
                raise
            why = f"{way} failed: {error}"
            continue
        except AgentFailed as error:
            agent.life.dismiss()
            return f"{way} failed: {error}"
        if way != agent.introduction.ways[0]:
            turn.say(Notice(f"The session was loaded from its history: {why}", "downgrade"))
        agent.session.touch(turn)
        return ""
    return why


async def _wait_out_the_minute(kept: Kept, turn: Turn, minute: float) -> None:
    now = time.time()
    if now // minute != kept.touched // minute:
        return
    left = minute - now % minute + MARGIN
    text = (
        f"The agent goes back to the conversation in {left:.0f} s: it would lose it by doing so in "
        "the minute in which it was begun or last gone back to"
    )
    turn.say(Notice(text, "waiting", {"seconds": round(left, 1)}))
    await trio.sleep(left)
