"""Whether an agent would work, for `a2acode doctor`: it is started, and never prompted."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import trio

from a2abackends.acp.agent import Agent, keep_agent
from a2abackends.acp.choices import Unsupported
from a2abackends.acp.connection import CallFailed
from a2abackends.acp.limits import Limits
from a2abackends.acp.wire import AUTH_REQUIRED, PROTOCOL_VERSION
from a2abackends.environment import pass_on
from a2abackends.launch import Launch, find_launch
from a2abackends.presets import DEFAULT, PRESETS, Preset
from a2abackends.process import open_background
from a2abackends.sandbox import Sandbox, held_to
from a2acore.backend import AgentFailed, BadSettings, Choices, Finding, Settings

PATIENT = Limits(start=30.0, download=120.0)
"""Somebody sits there and waits."""
LONGEST = 400
"""Characters of what an agent says that stand in a finding."""


async def examine(settings: Settings, limits: Limits = PATIENT) -> list[Finding]:
    """What there is of an agent, and whether it starts, answers and opens a session."""
    try:
        launch = find_launch(settings)
    except BadSettings as error:
        return [_not_well(error)]
    findings = [_installed(launch)]
    if settings.environment is None:
        findings.append(_environment(launch))
    level = held_to(settings.choices.sandbox)
    try:
        cage = await Sandbox(settings, launch).cage(level, settings.workspace)
    except BadSettings as error:
        return [*findings, _not_well(error)]
    if level != "full":
        findings.append(Finding(True, f"bubblewrap holds it to {level}"))
    if not settings.command:
        preset = PRESETS[settings.agent or DEFAULT]
        findings.append(_credentials(preset, launch.env))
    try:
        async with open_background() as nursery:
            agent: Agent = await nursery.start(
                keep_agent,
                launch,
                settings.mcp_servers,
                settings.workspace,
                cage,
                limits,
            )
            findings.append(await _answers(agent))
            findings += await _opens(agent, settings)
    except AgentFailed as error:
        advice = f"run it by hand, and see what it says: {' '.join(launch.command)}"
        findings.append(_not_well(error, advice))
    return findings


def _installed(launch: Launch) -> Finding:
    if launch.downloads:
        what = f"{launch.title} is not installed; npx fetches {launch.downloads} for it"
        return Finding(True, what)
    title = launch.title or "the agent"
    return Finding(True, f"{title} is installed as {launch.command[0]}")


def _credentials(preset: Preset, env: Mapping[str, str]) -> Finding:
    for name in preset.keys:
        if env.get(name):
            return Finding(True, f"{preset.title} is let in by {name}")
    places = []
    for place in preset.logins:
        try:
            places.append(Path(place.format_map(env)))
        except KeyError:
            continue  # made of a variable that is not set
    if places and places[0].is_file():
        return Finding(True, f"{preset.title} has a login in {places[0]}")
    return Finding(
        False,
        f"no credentials of {preset.title} are to be seen here",
        f"{preset.login}, or set one of {', '.join(preset.keys)}; or pay no heed, if its "
        "configuration brings others",
    )


def _environment(launch: Launch) -> Finding:
    """Which of our variables the agent gets, and which it does not: by their names."""
    given = ", ".join(sorted(launch.env.keys())) or "nothing"
    rest = pass_on(os.environ, (), "*").keys() - launch.env.keys()
    others = ", ".join(sorted(rest)) or "nothing"
    return Finding(
        True, f"of the environment it gets {given}; --agent-env would pass on more: {others}"
    )


async def _answers(agent: Agent) -> Finding:
    begun = trio.current_time()
    await agent.initialize()
    took = trio.current_time() - begun
    who = agent.introduction.who
    what = f"{who.title or agent.name} {who.version or ''}".strip()
    return Finding(
        True, f"{what} answers within {took:.1f} s, in version {PROTOCOL_VERSION} of the protocol"
    )


async def _opens(agent: Agent, settings: Settings) -> list[Finding]:
    try:
        await agent.open_session()
    except CallFailed as error:
        if error.code not in AUTH_REQUIRED:
            raise
        return [Finding(False, f"it has to be let in: {error}", _ways(agent))]
    findings = [Finding(True, f"it opens a session in {settings.workspace}")]
    knobs = agent.session.knobs
    try:
        wishes = knobs.wishes(Choices(), settings.choices, agent.introduction.oddities.sandboxes)
        for name, value in wishes.items():
            knobs.knob(name, value)
    except Unsupported as error:
        findings.append(_not_well(error))
    return findings


def _ways(agent: Agent) -> str:
    ways = ", ".join(agent.introduction.logins)
    return f"do so in one of its ways: {ways}" if ways else "do so as it is done with this agent"


def _not_well(error: Exception, advice: str = "") -> Finding:
    """What is wrong, in one line: our errors say behind it what would be right."""
    text = " ".join(str(error).split())[:LONGEST]
    what, _, rest = text.partition("; ")
    return Finding(False, text, advice) if advice else Finding(False, what, rest)
