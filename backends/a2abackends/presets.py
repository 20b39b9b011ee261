"""The coding agents we know by name: how to start them, and what is odd about them.

The versions are pinned here and nowhere else. What is odd was measured with exactly these; each
oddity is looked up by what the agent calls itself when it is asked, so it is also known of an
agent that was started by a command of the user's own.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen


@frozen
class Oddities:
    """Where an agent does not do what the Agent Client Protocol says, or what one would expect."""

    tokens_of_last_call: bool = False
    """It counts the tokens of the last call to its model, not of the turn."""
    errors_as_answer: bool = False
    """It tells an error of its model as a last message (without an id), ends the turn well, and
    counts no tokens."""
    commands_outlive_turns: bool = False
    """A cancelled turn leaves the commands that it has started."""
    names_sessions_by_minute: bool = False
    """It keeps a session in a file that is named by the minute; loaded in the minute in which it
    was made, or loaded before, the session is overwritten, and lost for good."""
    sandboxes: Mapping[str, tuple[str, ...]] = field(factory=dict)
    """Its modes are levels of its sandbox: for each of ours the modes that are it, best first."""
    better_without_files: bool = False
    """When files are offered, gemini cannot make a new one, whatever it is answered; opencode has
    each change allowed twice, because it writes by itself all the same."""


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
    keys: tuple[str, ...] = ()
    """Variables of which each lets it in."""
    login: str = ""
    """The command that lets it in."""
    logins: tuple[str, ...] = ()
    """Where it keeps a login: paths with variables, of which the first that can be made counts."""
    variables: tuple[str, ...] = ()
    """What it gets of our environment, beside what each agent gets."""
    state: tuple[str, ...] = ()
    """Where it keeps what it remembers: paths with variables; one that ends with / is a folder."""
    config: tuple[str, ...] = ()
    """What in there says how it works, and what it runs."""


def _in(folder: str, names: str) -> tuple[str, ...]:
    return tuple(f"{folder}/{name}" for name in names.split())


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
            keys=(
                "ANTHROPIC_API_KEY",
                "ANTHROPIC_AUTH_TOKEN",
                "CLAUDE_CODE_OAUTH_TOKEN",
                "CLAUDE_CODE_USE_BEDROCK",
                "CLAUDE_CODE_USE_VERTEX",
            ),
            login="claude /login",
            logins=("{CLAUDE_CONFIG_DIR}/.credentials.json", "{HOME}/.claude/.credentials.json"),
            variables=(
                "ANTHROPIC_*",
                "CLAUDE_*",
                "BASH_DEFAULT_TIMEOUT_MS",
                "BASH_MAX_TIMEOUT_MS",
                "DISABLE_*",
                "IS_SANDBOX",
                "MAX_THINKING_TOKENS",
                "MCP_TIMEOUT",
                "MCP_TOOL_TIMEOUT",
            ),
            state=("{CLAUDE_CONFIG_DIR}/", "{HOME}/.claude.json"),
            config=_in(
                "{CLAUDE_CONFIG_DIR}",
                "settings.json settings.local.json CLAUDE.md agents commands hooks skills",
            ),
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
            oddities=Oddities(
                errors_as_answer=True,
                commands_outlive_turns=True,
                sandboxes={
                    "read-only": ("read-only",),
                    "workspace-write": ("workspace-write", "agent"),
                    "full": ("agent-full-access",),
                },
            ),
            keys=("OPENAI_API_KEY", "CODEX_API_KEY"),
            login="codex login",
            logins=("{CODEX_HOME}/auth.json", "{HOME}/.codex/auth.json"),
            variables=("OPENAI_*", "CODEX_*", "AZURE_OPENAI_*", "INITIAL_AGENT_MODE"),
            state=("{CODEX_HOME}/",),
            config=_in("{CODEX_HOME}", "config.toml hooks.json AGENTS.md prompts"),
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
            oddities=Oddities(better_without_files=True, names_sessions_by_minute=True),
            keys=("GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_APPLICATION_CREDENTIALS"),
            login="gemini",
            logins=("{HOME}/.gemini/oauth_creds.json",),
            variables=("GEMINI_*", "GOOGLE_*"),
            state=("{HOME}/.gemini/",),
            config=_in("{HOME}/.gemini", "settings.json GEMINI.md commands extensions"),
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
            oddities=Oddities(better_without_files=True, tokens_of_last_call=True),
            keys=("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY", "OPENROUTER_API_KEY"),
            login="opencode auth login",
            logins=(
                "{XDG_DATA_HOME}/opencode/auth.json",
                "{HOME}/.local/share/opencode/auth.json",
            ),
            variables=(
                "OPENCODE_*",
                "ANTHROPIC_API_KEY",
                "OPENAI_API_KEY",
                "GEMINI_API_KEY",
                "GOOGLE_GENERATIVE_AI_API_KEY",
                "OPENROUTER_API_KEY",
            ),
            state=(
                "{XDG_DATA_HOME}/opencode/",
                "{XDG_CONFIG_HOME}/opencode/",
                "{XDG_CACHE_HOME}/opencode/",
                "{XDG_STATE_HOME}/opencode/",
            ),
            config=_in(
                "{XDG_CONFIG_HOME}/opencode",
                "opencode.json opencode.jsonc config.json AGENTS.md agent command plugin",
            ),
        ),
    )
}

DEFAULT = "claude"


def oddities_of(agent: str) -> Oddities:
    """What is odd about an agent, by the name it gives itself."""
    known = {preset.calls_itself: preset.oddities for preset in PRESETS.values()}
    return known.get(agent, Oddities())
