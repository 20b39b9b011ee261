"""The real coding agents that speak ACP, installed from npm and pointed at the fake model.

What differs between them is data here. The same prompts suit them all: paths in `READ` and
`EDIT` are absolute (`edit_prompt`), commands in `RUN` start in the session's folder. Use
`touch`, not `echo` or `ls`: what only reads is allowed by most of them without asking.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from a2abackends.presets import PRESETS
from tests.kit.cache import npm_package


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

    hears_denials: bool = True
    """Does the model learn of a rejection and end the turn itself?"""

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


QUIET = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "NO_UPDATE_NOTIFIER": "1",
    "OTEL_SDK_DISABLED": "true",
}


def edit_prompt(workspace: Path) -> str:
    """Change `note.txt` from OLD to NEW. Reading comes first: Claude Code insists on it."""
    return f"READ:{workspace}/note.txt\nEDIT:{workspace}/note.txt"


def claude(model_url: str, home: Path) -> dict[str, str]:
    return {
        "ANTHROPIC_API_KEY": "dummy",
        "ANTHROPIC_BASE_URL": model_url,
        "CLAUDE_CODE_MAX_RETRIES": "2",  # of 10, silent for over a minute
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
    return {
        "GEMINI_API_KEY": "dummy",
        "GEMINI_CLI_NO_RELAUNCH": "1",
        "GEMINI_MODEL": "gemini-2.5-flash",  # "auto" asks a model which model to ask, every turn
        "GOOGLE_GEMINI_BASE_URL": model_url,
    }


def opencode(model_url: str, home: Path) -> dict[str, str]:
    limit = {"context": 200_000, "output": 8192}
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
                "models": {"fake-model": {"limit": limit, "cost": {"input": 1, "output": 2}}},
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
        Agent("claude", ("claude-agent-acp",), claude),
        Agent(
            "codex",
            ("codex-acp",),
            codex,
            asks_to_escalate=True,
            denied_stop="cancelled",
            hears_denials=False,
        ),
        Agent("gemini", ("gemini", "--acp"), gemini),
        Agent("opencode", ("opencode", "acp"), opencode, hears_denials=False),
    )
}
