"""Whether an ACP agent would work, as `a2acode doctor` is told."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
import trio

from a2abackends.acp import Limits
from a2abackends.acp.examination import examine
from a2abackends.presets import PRESETS, Preset
from a2acore.backend import Choices, Finding, McpServer, Settings
from tests.test_acp import AGENT

PATIENCE = 20  # seconds that a test may take before it is called hung


async def examined(workspace: Path, *flags: str, **more: Any) -> list[Finding]:
    """What is found of the fake agent."""
    settings = Settings(
        workspace,
        command=(sys.executable, AGENT, *flags),
        environment={"PATH": os.environ["PATH"]},
        **more,
    )
    with trio.fail_after(PATIENCE):
        return await examine(settings, Limits(start=2))


@pytest.fixture
def install(tmp_path: Path) -> Any:
    """Puts a program on a PATH of its own that is the fake agent, or fails."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def install(name: str, run: str = f'exec "{sys.executable}" "{AGENT}"') -> str:
        program = folder / name
        program.write_text(f"#!/bin/sh\n{run}\n")
        program.chmod(0o755)
        return str(folder)

    return install


def log_in(preset: Preset, env: dict[str, str]) -> Path:
    login = Path(preset.logins[-1].format_map(env))
    login.parent.mkdir(parents=True)
    login.touch()
    return login


def ill(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if not finding.well]


async def test_an_agent_that_works_is_said_to(tmp_path: Path) -> None:
    findings = await examined(tmp_path)
    assert ill(findings) == []
    [installed, answers, opens] = [finding.what for finding in findings]
    assert installed == f"the agent is installed as {sys.executable}"
    assert answers.startswith("Fake Agent 1.2 answers within ")
    assert answers.endswith("in version 1 of the protocol")
    assert opens == f"it opens a session in {tmp_path}"


@pytest.mark.parametrize(
    ("flags", "what", "advice"),
    [
        (["--deaf-start"], "did not answer initialize in 2 s", "run it by hand"),
        (["--version", "99"], "speaks version 99", "run it by hand"),
        (["--no-such-flag"], "exited with code 2", "--no-such-flag"),
        (["--locked", "/nowhere"], "has to be let in", "Membership card"),
    ],
)
async def test_what_does_not_work_is_one_line_with_what_to_do(
    tmp_path: Path, flags: list[str], what: str, advice: str
) -> None:
    [finding] = ill(await examined(tmp_path, *flags))
    assert what in finding.what
    assert advice in finding.advice
    assert "\n" not in finding.what + finding.advice


@pytest.mark.parametrize(
    ("more", "what", "advice"),
    [
        ({"choices": Choices(effort="high")}, "no effort to choose", "there is"),
        (
            {"mcp_servers": (McpServer("web", url="https://example.org", transport="sse"),)},
            "cannot reach the MCP server 'web' over sse",
            "",
        ),
    ],
)
async def test_settings_that_the_agent_cannot_keep_are_found(
    tmp_path: Path, more: dict[str, Any], what: str, advice: str
) -> None:
    [finding] = ill(await examined(tmp_path, **more))
    assert what in finding.what
    assert advice in finding.advice


@pytest.mark.parametrize("name", PRESETS)
async def test_credentials_are_found_by_the_names_of_variables_and_never_told(
    tmp_path: Path, install: Any, name: str
) -> None:
    preset = PRESETS[name]
    for key in preset.keys:
        env = {"PATH": install(preset.binary), key: "s3cr3t"}
        findings = await examine(Settings(tmp_path, agent=name, environment=env))
        assert ill(findings) == []
        assert f"{preset.title} is let in by {key}" in [finding.what for finding in findings]
        assert "s3cr3t" not in str(findings)


@pytest.mark.parametrize("name", PRESETS)
async def test_a_login_is_found_where_the_agent_keeps_it(
    tmp_path: Path, install: Any, name: str
) -> None:
    preset = PRESETS[name]
    env = {"PATH": install(preset.binary), "HOME": str(tmp_path)}
    settings = Settings(tmp_path, agent=name, environment=env)
    [finding] = ill(await examine(settings))
    assert finding.what == f"no credentials of {preset.title} are to be seen here"
    assert preset.login in finding.advice
    login = log_in(preset, env)
    findings = await examine(settings)
    assert ill(findings) == []
    assert f"{preset.title} has a login in {login}" in [finding.what for finding in findings]


async def test_an_agent_that_is_not_installed_is_fetched_in_the_version_that_is_told(
    tmp_path: Path, install: Any
) -> None:
    env = {"PATH": install("npx"), "OPENAI_API_KEY": "s3cr3t"}
    findings = await examine(Settings(tmp_path, agent="codex", environment=env))
    preset = PRESETS["codex"]
    package = f"{preset.package}@{preset.version}"
    assert findings[0] == Finding(True, f"Codex is not installed; npx fetches {package} for it")


async def test_where_there_is_neither_the_agent_nor_npx_it_is_told_how_to_get_it(
    tmp_path: Path,
) -> None:
    settings = Settings(tmp_path, agent="codex", environment={"PATH": str(tmp_path)})
    [finding] = await examine(settings)
    assert not finding.well
    assert "npm install -g @agentclientprotocol/codex-acp@" in finding.advice


async def test_no_process_is_left_behind(tmp_path: Path, install: Any) -> None:
    number = tmp_path / "number"
    path = install("claude-agent-acp", f'echo $$ > "{number}"; exec "{sys.executable}" "{AGENT}"')
    env = {"PATH": path, "ANTHROPIC_API_KEY": "s3cr3t"}
    await examine(Settings(tmp_path, agent="claude", environment=env))
    with pytest.raises(ProcessLookupError):
        os.kill(int(number.read_text()), 0)
