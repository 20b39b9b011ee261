"""The coding agents we know by name: how to start them, and what is odd about them.

The versions are pinned here and nowhere else. What is odd was measured with exactly these; each
oddity is looked up by what the agent calls itself when it is asked, so it is also known of an
agent that was started by a command of the user's own.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from attrs import field, frozen

from a2acore.backend import BadSettings, Settings


@frozen
class Oddities:
    """Where an agent does not do what the Agent Client Protocol says, or what one would expect."""

    tokens_of_last_call: bool = False
    """It counts the tokens of the last call to its model, not of the turn."""
    errors_as_answer: bool = False
    """It tells an error of its model as a last message (without an id), ends the turn well, and
    counts no tokens."""


@frozen
class Preset:
    """An agent from npm."""

    name: str
    title: str
    package: str
    version: str
    binary: str
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(factory=dict)
    """Set for the agent unless the user has set it otherwise."""
    calls_itself: str = ""
    """`agentInfo.name` in its answer to `initialize`."""
    oddities: Oddities = Oddities()


PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            name="claude",
            title="Claude Code",
            package="@agentclientprotocol/claude-agent-acp",
            version="0.100.0",
            binary="claude-agent-acp",
            # Its own default of ten keeps a wrong key silent for more than a minute.
            env={"CLAUDE_CODE_MAX_RETRIES": "4"},
            calls_itself="@agentclientprotocol/claude-agent-acp",
        ),
        Preset(
            name="codex",
            title="Codex",
            package="@agentclientprotocol/codex-acp",
            version="2.6.0",
            binary="codex-acp",
            # A server has no screen to open a login page on.
            env={"NO_BROWSER": "1"},
            calls_itself="@agentclientprotocol/codex-acp",
            oddities=Oddities(errors_as_answer=True),
        ),
        Preset(
            name="gemini",
            title="Gemini CLI",
            package="@google/gemini-cli",
            version="0.61.0",
            binary="gemini",
            args=("--acp",),
            # Else it starts itself a second time, for a bigger heap, and there are two processes.
            env={"GEMINI_CLI_NO_RELAUNCH": "1"},
            calls_itself="gemini-cli",
        ),
        Preset(
            name="opencode",
            title="OpenCode",
            package="opencode-ai",
            version="1.18.33",
            binary="opencode",
            args=("acp",),
            env={"OPENCODE_DISABLE_AUTOUPDATE": "1"},
            calls_itself="OpenCode",
            oddities=Oddities(tokens_of_last_call=True),
        ),
    )
}

DEFAULT = "claude"


def oddities_of(agent: str) -> Oddities:
    """What is odd about an agent, by the name it gives itself."""
    known = {preset.calls_itself: preset.oddities for preset in PRESETS.values()}
    return known.get(agent, Oddities())


@frozen
class Launch:
    """How an agent is started."""

    command: tuple[str, ...]
    env: Mapping[str, str]
    title: str = ""
    """What to call it, where that is known before it is asked."""
    downloads: bool = False
    """It is fetched first, if it was not fetched before: starting it may take minutes."""


def find_launch(settings: Settings) -> Launch:
    """How the agent that the settings ask for is started.

    A preset is started by its binary when that is on the PATH, and through npx otherwise; without
    any word about it, it is `DEFAULT`.

    Raises:
        BadSettings: there is no such preset or command, or no such workspace.
    """
    env = dict(os.environ if settings.environment is None else settings.environment)
    if not settings.workspace.is_dir():
        raise BadSettings(f"The workspace {settings.workspace} is no directory; make it first")
    if settings.command:
        if settings.agent:
            raise BadSettings(
                f"Both the agent {settings.agent!r} and a command were given; leave out one"
            )
        return _own_command(settings.command, env)
    preset = PRESETS.get(settings.agent or DEFAULT)
    if preset is None:
        raise BadSettings(
            f"No agent is called {settings.agent!r}; there are {', '.join(PRESETS)}, and any other "
            "that speaks ACP can be given as a command"
        )
    return _preset(preset, {**preset.env, **env})


def _own_command(command: tuple[str, ...], env: Mapping[str, str]) -> Launch:
    program = _find(command[0], env)
    if program is None:
        why = "is not executable" if Path(command[0]).is_file() else "was not found"
        raise BadSettings(f"The agent's command {command[0]} {why}; give its full path")
    return Launch((program, *command[1:]), env)


def _preset(preset: Preset, env: Mapping[str, str]) -> Launch:
    if (binary := _find(preset.binary, env)) is not None:
        return Launch((binary, *preset.args), env, preset.title)
    package = f"{preset.package}@{preset.version}"
    if (npx := _find("npx", env)) is not None:
        return Launch((npx, "-y", package, *preset.args), env, preset.title, downloads=True)
    raise BadSettings(
        f"{preset.title} is not installed: neither {preset.binary} nor npx is on the PATH; install "
        f"Node.js, then: npm install -g {package}"
    )


def _find(program: str, env: Mapping[str, str]) -> str | None:
    """The full path of a program: the agent's working directory will be another than ours."""
    found = shutil.which(program, path=env.get("PATH"))
    return None if found is None else str(Path(found).absolute())
