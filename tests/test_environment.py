"""What an agent gets of the server's environment."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from a2abackends.environment import ALWAYS, pass_on
from a2abackends.launch import find_launch
from a2abackends.presets import PRESETS
from a2acore.backend import BadSettings, Settings

AROUND = {
    "PATH": "/bin",
    "HOME": "/home/me",
    "LC_TIME": "C",
    "https_proxy": "http://proxy:3128",
    "AWS_SECRET_ACCESS_KEY": "s3cret",
    "AWS_REGION": "eu-1",
    "DATABASE_URL": "postgres://me:s3cret@db",
    "SSH_AUTH_SOCK": "/run/user/1000/ssh",
    "DBUS_SESSION_BUS_ADDRESS": "unix:path=/run/user/1000/bus",
    "XDG_RUNTIME_DIR": "/run/user/1000",
    "A2ACODE_TOKEN": "s3cret",
}
HARMLESS = {"PATH", "HOME", "LC_TIME", "https_proxy"}


@pytest.mark.parametrize(
    ("known", "asked", "more"),
    [
        ((), (), set()),
        ((), ("DATABASE_URL",), {"DATABASE_URL"}),
        (("AWS_*",), (), {"AWS_SECRET_ACCESS_KEY", "AWS_REGION"}),
        ((), ("AWS_*",), {"AWS_SECRET_ACCESS_KEY", "AWS_REGION"}),
        (("AWS_*",), ("AWS_SECRET_ACCESS_KEY=",), {"AWS_REGION"}),
        (("AWS_*",), ("AWS_*=",), set()),
        ((), ("AWS_REGION", "AWS_REGION="), set()),
        ((), ("NO_SUCH_THING",), set()),
        ((), ("AWS",), set()),
        ((), ("*",), AROUND.keys() - HARMLESS - {"A2ACODE_TOKEN"}),
    ],
)
def test_what_is_neither_needed_nor_asked_for_is_not_passed_on(
    known: tuple[str, ...], asked: tuple[str, ...], more: set[str]
) -> None:
    passed = pass_on(AROUND, known, asked)
    assert passed.keys() == HARMLESS | more
    assert all(AROUND[name] == value for name, value in passed.items())


@pytest.mark.parametrize("name", ["A2ACODE_TOKEN", "A2ACODE_*", "A2ACODE_TOKEN="])
def test_the_servers_own_is_not_passed_on_whoever_asks(name: str) -> None:
    with pytest.raises(BadSettings, match="the server's own"):
        pass_on(AROUND, (), (name,))


@pytest.mark.parametrize("asked", ["KEY=s3cret", "=", "KEY=s3cret="])
def test_a_value_is_refused_and_not_repeated(asked: str) -> None:
    with pytest.raises(BadSettings, match="by its name alone") as caught:
        pass_on(AROUND, (), (asked,))
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("name", PRESETS)
def test_each_agent_gets_what_lets_it_in_and_not_what_is_anothers(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = {key for preset in PRESETS.values() for key in preset.keys}
    for key in (*keys, "A2ACODE_TOKEN", "DATABASE_URL"):
        monkeypatch.setenv(key, "s3cret")
    preset = PRESETS[name]
    program = tmp_path / preset.binary
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    for settings in (
        Settings(tmp_path, agent=name),
        Settings(tmp_path, command=(preset.binary, "--more")),
    ):
        env = find_launch(settings).env
        assert keys & env.keys() >= set(preset.keys)
        assert not {"A2ACODE_TOKEN", "DATABASE_URL"} & env.keys()
    assert keys & env.keys() < keys


def test_another_agent_gets_what_every_agent_gets_and_what_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ANTHROPIC_API_KEY", "MY_KEY"):
        monkeypatch.setenv(name, "s3cret")
    settings = Settings(tmp_path, command=("true",), variables=("MY_KEY",))
    env = find_launch(settings).env
    assert "MY_KEY" in env
    assert "ANTHROPIC_API_KEY" not in env
    allowed = {*ALWAYS, "MY_KEY"}
    assert {name for name in env if not name.startswith("LC_")} <= allowed


def test_an_environment_that_is_given_is_given_whole(tmp_path: Path) -> None:
    given = {"PATH": "/usr/bin:/bin", "ANYTHING": "goes"}
    settings = Settings(tmp_path, command=("true",), environment=given)
    assert find_launch(settings).env == given


def test_the_document_tells_all_that_is_passed_on() -> None:
    document = (Path(__file__).parent.parent / "docs/sandbox.md").read_text()
    told = document.split("## The environment")[1]
    lower = {name for name in ALWAYS if name.endswith("_proxy")}
    bullets = set(re.findall(r"`([\w*]+)`", told.split("| Agent |")[0]))
    assert set(ALWAYS) - lower <= bullets
    assert bullets <= set(ALWAYS)
    table = dict(re.findall(r"^\| (\w+) \| (`.*) \|$", told, re.MULTILINE))
    assert {name: set(re.findall(r"`([\w*]+)`", row)) for name, row in table.items()} == {
        name: set(preset.variables) for name, preset in PRESETS.items()
    }
