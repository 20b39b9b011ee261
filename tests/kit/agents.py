"""The real coding agents that speak ACP, installed from npm and pointed at the fake model.

What differs between them is data here. The same prompts suit them all: paths in `READ`, `EDIT`
and `WRITE` are absolute (`edit_prompt`), commands in `RUN` start in the session's folder. Use
`touch`, not `echo` or `ls`: what only reads is allowed by most of them without asking.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from a2abackends.presets import PRESETS
from tests.kit.cache import npm_package
from tests.kit.fakemodel import FakeModel

MINUTE = 10.0
"""Seconds that a minute takes by gemini's clock, which is made to run so fast: it must not go back
to a session in the minute in which it was made, and that is tried more than once. It takes some two
to start, so that most often it has to be waited for all the same."""

FAST_CLOCK = Path(__file__).with_name("fast_clock.cjs")


@dataclass(frozen=True)
class Agent:
    """One agent: how it is started, and what is its own about it."""

    name: str
    program: tuple[str, ...]
    """Its program as npm names it, with the arguments that make it speak ACP."""

    settings: Callable[[str, Path], dict[str, str]]
    """Given the model's URL and a home folder: write the configuration, return the environment."""

    asks_to_escalate: bool = False
    """A shell command asks for permission only when the model wants it outside the sandbox."""

    denied_stop: str = "end_turn"
    """ACP's stop reason of a turn in which the user rejected a tool call."""

    plans: bool = True
    """It tells of its todo list."""

    takes_sound: bool = False

    mcp_tool: str = "{server}_{tool}"
    """How its model calls a tool of an MCP server."""

    asks_for_mcp: bool = True
    """It asks before it uses a tool of an MCP server."""

    model: str = ""
    """One that it does not take by itself."""

    free_mode: str = ""
    """A mode in which it changes files without asking, if it has one."""

    effort: str = ""
    """One that it does not take by itself, if it has any."""

    bills: bool = False
    """It tells what a session has cost."""

    def command(self) -> list[str]:
        """The command line; installs the agent where that has not been done yet.

        Raises:
            Missing: there is no npm, or it cannot install.
        """
        pin = PRESETS[self.name]
        program, *arguments = self.program
        prefix = npm_package(pin.package, pin.version)
        return [str(prefix / "node_modules/.bin" / program), *arguments]

    def environment(self, model_url: str, home: Path) -> dict[str, str]:
        """All of the agent's environment; `home` is made its home and written to.

        Nothing of ours leaks in but the PATH, and nothing phones home.
        """
        home.mkdir(parents=True, exist_ok=True)
        base = {"HOME": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        return base | QUIET | self.settings(model_url, home)

    def prepare(self, model: FakeModel, folder: Path) -> "RealAgent":
        """All that it takes to start it on a fake model, within a folder.

        Raises:
            Missing: as above.
        """
        command = self.command()
        model.escalate = self.asks_to_escalate
        workspace = folder / "workspace"
        subprocess.run(["git", "init", "--quiet", workspace], check=True)
        return RealAgent(self, command, self.environment(model.url, folder / "home"), workspace)


@dataclass(frozen=True)
class RealAgent:
    """A real agent, ready to be started on the fake model."""

    agent: Agent
    command: list[str]
    env: dict[str, str]
    """All of its environment, not an addition to ours."""

    workspace: Path
    """An empty git repository."""


QUIET = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "NO_UPDATE_NOTIFIER": "1",
    "OTEL_SDK_DISABLED": "true",
}


def edit_prompt(file: Path) -> str:
    """Change a file from OLD to NEW. Reading comes first: Claude Code insists on it."""
    return f"READ:{file}\nEDIT:{file}"


def claude(model_url: str, home: Path) -> dict[str, str]:
    return {
        "ANTHROPIC_API_KEY": "dummy",
        "ANTHROPIC_BASE_URL": model_url,
        "CLAUDE_CODE_MAX_RETRIES": "2",  # of 10, silent for over a minute
        # Which model is given a todo list, and of which kind, changes from version to version.
        "CLAUDE_CODE_ENABLE_TODO_TOOLS": "1",
        "CLAUDE_CODE_ENABLE_TASKS": "0",
        "ENABLE_TOOL_SEARCH": "false",  # offers it only to a model that has searched for it
    }


def codex(model_url: str, home: Path) -> dict[str, str]:
    # The model's name decides which tools codex offers: this one gets a plain shell and
    # `apply_patch`, an unknown one no `apply_patch` and a warning in every turn.
    write(
        home / ".codex/config.toml",
        f"""
        model = "gpt-5.5"
        model_provider = "fake"
        check_for_update_on_startup = false
        [analytics]
        enabled = false
        [features]
        plugins = false
        [tools.update_plan]
        enabled = true
        [model_providers.fake]
        name = "fake"
        base_url = "{model_url}/v1"
        env_key = "FAKE_API_KEY"
        wire_api = "responses"
        request_max_retries = 1
        stream_max_retries = 1
        """,
    )
    # Read-only is the mode in which changing a file asks for permission.
    return {"FAKE_API_KEY": "dummy", "NO_BROWSER": "1", "INITIAL_AGENT_MODE": "read-only"}


def gemini(model_url: str, home: Path) -> dict[str, str]:
    settings = {
        "security": {
            "auth": {"selectedType": "gemini-api-key"},
            "folderTrust": {"enabled": False},
        },
        "general": {"enableAutoUpdate": False},
        "privacy": {"usageStatisticsEnabled": False},
    }
    write(home / ".gemini/settings.json", json.dumps(settings))
    # Into its home, because in a sandbox it may not see where this lies.
    clock = Path(shutil.copy(FAST_CLOCK, home))
    this_minute = int(time.time() // 60) * 60_000
    return {
        "FAST_CLOCK_FROM": str(this_minute),
        "FAST_CLOCK_BY": str(60 / MINUTE),
        "GEMINI_API_KEY": "dummy",
        "GEMINI_CLI_NO_RELAUNCH": "1",
        "GEMINI_MODEL": "gemini-2.5-flash",  # "auto" asks a model which model to ask, every turn
        "GOOGLE_GEMINI_BASE_URL": model_url,
        "NODE_OPTIONS": f"--require={clock}",
    }


def opencode(model_url: str, home: Path) -> dict[str, str]:
    model = {
        "limit": {"context": 200_000, "output": 8192},
        "cost": {"input": 1, "output": 2},
        "attachment": True,
        "modalities": {"input": ["text", "image"], "output": ["text"]},
    }
    settings = {
        "autoupdate": False,
        "share": "disabled",
        "model": "fake/fake-model",
        "small_model": "fake/fake-model",
        "enabled_providers": ["fake"],
        "provider": {
            "fake": {
                "npm": "@ai-sdk/openai-compatible",  # built in, nothing is fetched
                "options": {"baseURL": f"{model_url}/v1", "apiKey": "dummy"},
                "models": {"fake-model": {**model, "reasoning": True}, "other-model": model},
            }
        },
        "permission": {"bash": "ask", "edit": "ask", "webfetch": "ask"},
    }
    write(home / ".config/opencode/opencode.json", json.dumps(settings))
    return {
        "npm_config_offline": "true",  # else it installs its plugin library, 90 MB per home
        "OPENCODE_DISABLE_AUTOUPDATE": "1",
        "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",
        "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
    }


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


AGENTS: Mapping[str, Agent] = {
    agent.name: agent
    for agent in (
        Agent(
            "claude",
            ("claude-agent-acp",),
            claude,
            mcp_tool="mcp__{server}__{tool}",
            model="sonnet",
            free_mode="acceptEdits",
            effort="high",
            bills=True,
        ),
        Agent(
            "codex",
            ("codex-acp",),
            codex,
            asks_to_escalate=True,
            denied_stop="cancelled",
            mcp_tool="mcp__{server}::{tool}",
            model="gpt-6-sol",
            free_mode="agent-full-access",
            effort="high",
        ),
        Agent(
            "gemini",
            ("gemini", "--acp"),
            gemini,
            plans=False,  # it does have a list, of which it tells how long it is
            takes_sound=True,
            mcp_tool="mcp_{server}_{tool}",
            model="gemini-2.5-pro",
            free_mode="autoEdit",
        ),
        Agent(
            "opencode",
            ("opencode", "acp"),
            opencode,
            asks_for_mcp=False,
            model="fake/other-model",
            effort="high",
            bills=True,
        ),
    )
}
