"""How an agent is started: its command, its environment, and where it keeps its things."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from attrs import evolve, frozen

from a2abackends.environment import pass_on
from a2abackends.presets import DEFAULT, PRESETS, Preset
from a2acore.backend import BadSettings, Settings

USUAL_PLACES = {
    "XDG_DATA_HOME": ".local/share",
    "XDG_CONFIG_HOME": ".config",
    "XDG_CACHE_HOME": ".cache",
    "XDG_STATE_HOME": ".local/state",
    "CLAUDE_CONFIG_DIR": ".claude",
    "CODEX_HOME": ".codex",
}
"""Where in the home folder a place is that a variable may name."""


@frozen
class Launch:
    """How an agent is started."""

    command: tuple[str, ...]
    env: Mapping[str, str]
    title: str = ""
    """What to call it, where that is known before it is asked."""
    downloads: str = ""
    """The package that is fetched first, if it was not fetched before: that may take minutes."""
    offers: frozenset[str] = frozenset()
    """What it may do through us."""
    state: tuple[str, ...] = ()
    """Where it keeps what it remembers; a path that ends with / is a folder's."""
    config: tuple[str, ...] = ()
    """What in there says how it works, and what it runs."""


def find_launch(settings: Settings) -> Launch:
    """How the agent that the settings ask for is started.

    A preset is started by its binary when that is on the PATH, and through npx otherwise; without
    any word about it, it is `DEFAULT`.

    Raises:
        BadSettings: there is no such preset or command, or no such workspace.
    """
    if not settings.workspace.is_dir():
        raise BadSettings(f"The workspace {settings.workspace} is no directory; make it first")
    if settings.command:
        if settings.agent:
            raise BadSettings(
                f"Both the agent {settings.agent!r} and a command were given; leave out one"
            )
        preset = _named(settings.command)
        launch = _own_command(settings.command, _environment(settings, preset))
    else:
        preset = PRESETS.get(settings.agent or DEFAULT)
        if preset is None:
            raise BadSettings(
                f"No agent is called {settings.agent!r}; there are {', '.join(PRESETS)}, and any "
                "other that speaks ACP can be given as a command"
            )
        launch = _preset(preset, {**preset.env, **_environment(settings, preset)})
    launch = evolve(launch, offers=settings.offers)
    if preset is None:
        return launch
    return evolve(
        launch,
        # It is told what it may do through us before it has said what it calls itself.
        offers=launch.offers - ({"files"} if preset.oddities.better_without_files else set()),
        state=_places(preset.state, launch.env),
        config=_places(preset.config, launch.env),
    )


def _environment(settings: Settings, preset: Preset | None) -> dict[str, str]:
    """All of the agent's environment. One that is given is given whole."""
    if settings.environment is not None:
        return dict(settings.environment)
    return pass_on(os.environ, preset.variables if preset else (), settings.variables)


def _places(templates: Iterable[str], env: Mapping[str, str]) -> tuple[str, ...]:
    told = {name: value for name, value in env.items() if value}
    if "HOME" not in told:
        return ()
    usual = {name: f"{told['HOME']}/{place}" for name, place in USUAL_PLACES.items()}
    return tuple(template.format_map({**usual, **told}) for template in templates)


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
        # In the folder of a project npx takes that project's packages and registry before all
        # others; and what lies in a workspace is not to say which program the agent is.
        elsewhere = f"--prefix={Path(npx).parent.parent}"
        command = (npx, "-y", elsewhere, package, *preset.args)
        return Launch(command, env, preset.title, downloads=package)
    raise BadSettings(
        f"{preset.title} is not installed: neither {preset.binary} nor npx is on the PATH; install "
        f"Node.js, then: npm install -g {package}"
    )


def _named(command: tuple[str, ...]) -> Preset | None:
    """The agent that a command of the user's own starts, if it is one that we know."""
    programs = {Path(word).name for word in command}
    for preset in PRESETS.values():
        if preset.binary in programs or any(word.startswith(preset.package) for word in command):
            return preset
    return None


def _find(program: str, env: Mapping[str, str]) -> str | None:
    """The full path of a program: the agent's working directory will be another than ours."""
    found = shutil.which(program, path=env.get("PATH"))
    return None if found is None else str(Path(found).absolute())
