"""Agents in a cage of bubblewrap's: what they can do to the machine around them, and what not.

Each cage is a real one, around a shell, a scripted agent or a real one. A write that must fail is
looked for outside of the cage: inside, it may have gone to a folder that is thrown away.
"""

from __future__ import annotations

import json
import os
import resource
import shlex
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import evolve, frozen

from a2abackends.acp import open_acp
from a2abackends.acp.examination import examine
from a2abackends.launch import Launch, find_launch
from a2abackends.process import open_child
from a2abackends.sandbox import LooserSandbox, Sandbox, held_to
from a2acore.backend import (
    SANDBOXES,
    AgentFailed,
    AgentRefused,
    Backend,
    BadSettings,
    Choices,
    Notice,
    Settings,
)
from a2acore.lifecycle import EXTENSION
from a2acore.model import Metadata, Part, TaskState
from tests.caller import allow, tell
from tests.kit.agents import edit_prompt
from tests.kit.cache import Missing
from tests.kit.fakemodel import FakeModel
from tests.kit.fixtures import RealAgent, unavailable
from tests.kit.workshop import serving
from tests.test_acp import AGENT, Heard
from tests.test_acp import allow as allowing
from tests.test_acp_choices import CODEX, LEVELS
from tests.test_cli import a2acode
from tests.test_cli import serving as serving_command
from tests.test_gate import AGENT as GATE_AGENT

CONFINED = ("read-only", "workspace-write")
PYTHON = os.path.realpath(sys.executable)
"""The one behind a virtual environment, which may lie where no agent in a cage looks."""
RESOLVER = Path("/etc/resolv.conf").resolve()
SHELL = ("/bin/sh",)
SOON = 20  # seconds that a test may take before it is called hung


@pytest.fixture
def bubblewrap() -> None:
    """Whoever asks for this is skipped where there are no cages."""
    command = ["bwrap", "--unshare-user", "--unshare-pid", "--ro-bind", "/", "/", "true"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        unavailable("bwrap", Missing("is not on the PATH; it is of the package bubblewrap"))
    if done.returncode:
        unavailable("bwrap", Missing(f"cannot make a sandbox: {done.stderr.strip()}"))


caged = pytest.mark.usefixtures("bubblewrap")


@frozen
class Place:
    """A workspace, a home folder, and what lies beside them."""

    root: Path
    works_in: str = "workspace"

    @property
    def workspace(self) -> Path:
        return self.root / self.works_in

    @property
    def home(self) -> Path:
        return self.root / "home"

    @property
    def outside(self) -> Path:
        return self.root / "outside"

    @property
    def env(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.home), "LANG": "C.UTF-8"}

    def agent(self, script: str = AGENT) -> tuple[str, ...]:
        """The command of an agent of ours."""
        return (PYTHON, str(self.home / Path(script).name))

    def settings(self, *command: str, **more: Any) -> Settings:
        command = command or ("sh",)
        return Settings(self.workspace, command=command, environment=self.env, **more)

    async def run(
        self, level: str, script: str, *, launch: Launch | None = None, **more: Any
    ) -> str:
        """What a shell in a cage puts out, its complaints included."""
        settings = self.settings(**more)
        sandbox = Sandbox(settings, launch or find_launch(settings))
        return await self.run_in(sandbox, level, script)

    async def run_in(self, sandbox: Sandbox, level: str, script: str) -> str:
        with trio.fail_after(SOON):
            cage = await sandbox.cage(level, self.workspace)
            command = cage.wrap(("sh", "-c", script))
            done = await trio.run_process(
                command,
                env={**self.env, "TMPDIR": str(self.root)},
                cwd=self.workspace,
                capture_stdout=True,
                stderr=subprocess.STDOUT,
                check=False,
            )
        return done.stdout.decode()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path)
    for folder in (place.workspace, place.home, place.outside):
        folder.mkdir()
    for script in (AGENT, GATE_AGENT):  # these tests may themselves lie where no agent looks
        shutil.copy(script, place.home)
    return place


def put(path: Path, text: str = "s3cret") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


# Which level


@pytest.mark.parametrize("server", ["", *SANDBOXES])
@pytest.mark.parametrize("request_", ["", *SANDBOXES])
def test_a_request_may_choose_what_is_tighter_and_nothing_looser(
    server: str, request_: str
) -> None:
    freedom = {"read-only": 0, "workspace-write": 1, "full": 2, "": 2}
    if request_ and freedom[request_] > freedom[server]:
        with pytest.raises(LooserSandbox, match="cannot be chosen here"):
            held_to(server, request_)
    else:
        level = held_to(server, request_)
        assert freedom[level] == min(freedom[server], freedom[request_])


# What can be written


@caged
@pytest.mark.parametrize("level", CONFINED)
async def test_the_workspace_can_be_written_where_the_level_says_so(
    place: Place, level: str
) -> None:
    put(place.workspace / "there", "old")
    said = await place.run(level, "touch new; mkdir folder; echo new >there; rm -f there; ls")
    assert (place.workspace / "new").exists() == (level == "workspace-write")
    assert (place.workspace / "folder").exists() == (level == "workspace-write")
    assert (place.workspace / "there").exists() == (level == "read-only")
    assert ("Read-only file system" in said) == (level == "read-only")


@caged
@pytest.mark.parametrize("level", CONFINED)
async def test_nothing_beside_the_workspace_can_be_written(place: Place, level: str) -> None:
    targets = [place.outside / "new", place.home / "new", place.home / ".bashrc", Path(AGENT)]
    targets += [Path("/etc/a2acode-test"), Path("/usr/a2acode-test"), Path("/a2acode-test")]
    targets += [Path.home() / "a2acode-test", Path("/dev/shm/a2acode-test")]
    targets += [Path(f"{folder}/a2acode-test") for folder in ("/tmp", "/var/tmp", "/run", "/home")]
    before = {path: path.read_bytes() if path.exists() else None for path in targets}
    await place.run(level, "; ".join(f"mkdir -p {path.parent}; : >>{path}" for path in targets))
    await place.run(level, f"echo x >>{AGENT}; ln -s {place.outside} link; touch link/new")
    assert before == {path: path.read_bytes() if path.exists() else None for path in targets}


@caged
@pytest.mark.parametrize("level", CONFINED)
async def test_what_is_written_to_a_temporary_folder_is_there_until_the_end(
    place: Place, level: str
) -> None:
    said = await place.run(level, "f=$(mktemp) && echo kept >$f && cat $f && ls /tmp")
    assert said.split()[0] == "kept"
    [name] = (each for each in said.split() if each.startswith("tmp."))
    assert name not in os.listdir("/tmp")


@caged
@pytest.mark.parametrize("level", CONFINED)
async def test_places_that_are_given_can_be_written(place: Place, level: str) -> None:
    await place.run(level, f"touch {place.outside}/new", writable=(place.outside,))
    assert (place.outside / "new").exists()


@caged
@pytest.mark.parametrize("level", CONFINED)
async def test_an_agent_keeps_its_memory_and_not_the_rules_for_it(place: Place, level: str) -> None:
    memory, rules = place.home / ".agent/memory", put(place.home / ".agent/settings.json", "{}")
    launch = Launch(SHELL, place.env, state=(f"{place.home}/.agent/",), config=(str(rules),))
    script = f"echo kept >{memory}; echo x >{rules}; rm {rules}; mv {rules} {memory}2; cat {rules}"
    said = await place.run(level, script, launch=launch)
    assert memory.read_text() == "kept\n"
    assert rules.read_text() == "{}"
    assert said.endswith("{}")


@caged
async def test_a_folder_for_its_memory_is_made_as_the_agent_would_make_it(place: Place) -> None:
    folder = place.home / "deep/.agent"
    launch = Launch(SHELL, place.env, state=(f"{folder}/",))
    await place.run("read-only", f"touch {folder}/new", launch=launch)
    assert (folder / "new").exists()
    assert folder.stat().st_mode & 0o777 == 0o700


# A repository in the workspace


def make_repository(folder: Path) -> None:
    subprocess.run(["git", "init", "--quiet", folder], check=True)
    for name, value in (("user.name", "me"), ("user.email", "me@example.org")):
        subprocess.run(["git", "-C", folder, "config", name, value], check=True)


@caged
async def test_a_repository_takes_commits_but_nothing_that_git_would_run(place: Place) -> None:
    make_repository(place.workspace)
    git = place.workspace / ".git"
    before = (git / "config").read_text()
    said = await place.run("workspace-write", "touch a && git add a && git commit -qm a && echo ok")
    assert said == "ok\n"
    attacks = (
        "echo x >.git/hooks/pre-commit",
        "git config core.pager evil",
        "echo x >>.git/config",
        "rm -rf .git/hooks",
        "mv .git/config .git/old",
        "mv .git elsewhere",
        "mv .git/hooks .git/old && mkdir .git/hooks",
    )
    for attack in attacks:
        said = await place.run("workspace-write", f"{attack} && echo done")
        assert "done" not in said, attack
    assert (git / "config").read_text() == before
    assert not (git / "hooks/pre-commit").exists()
    assert not (place.workspace / "elsewhere").exists()


@caged
@pytest.mark.parametrize("given", ["outside", "outside/.git"])
async def test_a_repository_that_is_given_to_write_to_is_guarded_too(
    place: Place, given: str
) -> None:
    make_repository(place.outside)
    before = (place.outside / ".git/config").read_text()
    script = f"cd {place.outside}/.git; touch new; touch hooks/new; echo x >>config; rm config"
    await place.run("read-only", script, writable=(place.root / given,))
    assert (place.outside / ".git/new").exists()
    assert not (place.outside / ".git/hooks/new").exists()
    assert (place.outside / ".git/config").read_text() == before


@caged
async def test_a_second_worktree_stays_one_of_its_repository(place: Place) -> None:
    link = put(place.workspace / ".git", f"gitdir: {place.outside}")
    await place.run("workspace-write", f"echo gitdir: /x >{link}; rm {link}; mv {link} gone")
    assert link.read_text() == f"gitdir: {place.outside}"


@caged
@pytest.mark.parametrize("planted", [".git", ".git/hooks", ".git/config"])
async def test_a_link_that_an_agent_has_planted_leads_nowhere_new(
    place: Place, planted: str
) -> None:
    target = place.outside if planted != ".git/config" else put(place.outside / "file")
    secret = put(place.home / ".ssh/id_rsa")
    link = place.workspace / planted
    link.parent.mkdir(exist_ok=True)
    for to in (target, secret if planted == ".git/config" else secret.parent):
        link.unlink(missing_ok=True)
        link.symlink_to(to)
        script = f"touch {link}/new; echo x >>{link}; cat {link}/* {link}"
        said = await place.run("workspace-write", script)
        assert "s3cret" not in said
    assert not (place.outside / "new").exists()
    assert secret.read_text() == "s3cret"


@caged
@pytest.mark.parametrize("tighter", CONFINED)
async def test_an_agent_cannot_swap_what_later_cages_are_made_of(
    place: Place, tighter: str
) -> None:
    """The worst case: the home folder is the workspace, and all lies where the agent may write."""
    place = Place(place.root, "home")
    state, secret = place.home / "deep/.agent", put(place.home / ".ssh/id_rsa")
    token, config = put(place.home / "far/off/token"), put(place.home / "deep/.agent/config", "{}")
    make_repository(place.home)
    launch = Launch(SHELL, place.env, state=(f"{state}/",), config=(str(config),))
    sandbox = Sandbox(place.settings(hidden=(token,)), launch)
    swaps = [
        f"mv {path} {place.home}/moved{number}; rm -rf {path}; ln -s {to} {path}"
        for number, path in enumerate((state, state.parent, config, token, token.parent, secret))
        for to in (place.outside, secret.parent)
    ]
    swaps += [f"mv {place.home}/.git {place.home}/git; ln -s {place.outside} {place.home}/.git"]
    swaps += [f"mv {place.home}/far {place.home}/near", f"mv {place.home}/deep {place.home}/d"]
    await place.run_in(sandbox, "workspace-write", "; ".join(swaps))
    touches = f"touch {state}/new {place.home}/.git/new; echo x >{config}"
    looks = f"cat {token} {secret} {place.home}/*/* {place.home}/*/*/* {place.home}/moved*"
    said = await place.run_in(sandbox, tighter, f"{touches}; {looks}")
    assert "s3cret" not in said
    assert os.listdir(place.outside) == []
    assert (state / "new").exists()
    assert config.read_text() == "{}"
    assert token.read_text() == secret.read_text() == "s3cret"


@caged
async def test_what_an_agent_has_made_is_never_a_place_that_a_cage_is_made_of(
    place: Place,
) -> None:
    """Not even while it is no link: it might become one between the look and the mount."""
    config = place.home / ".agent/config"
    launch = Launch(SHELL, place.env, state=(f"{config.parent}/",), config=(str(config),))
    sandbox = Sandbox(place.settings(), launch)
    await sandbox.cage("workspace-write", place.workspace)
    put(config)
    make_repository(place.workspace)
    cage = await sandbox.cage("workspace-write", place.workspace)
    for path in (config, place.workspace / ".git/hooks", place.workspace / ".git/config"):
        assert cage.access(path) == "write"


@caged
async def test_a_link_in_place_of_what_was_not_there_is_not_followed(place: Place) -> None:
    secret = put(place.home / ".ssh/id_rsa")
    settings = place.settings()
    sandbox = Sandbox(settings, find_launch(settings))
    for link in (".git", ".git/hooks", ".git/config"):
        await place.run_in(sandbox, "workspace-write", "rm -rf .git; mkdir .git")
        to = secret if link == ".git/config" else secret.parent
        await place.run_in(sandbox, "workspace-write", f"rm -rf {link}; ln -s {to} {link}")
        assert (place.workspace / link).is_symlink()
        said = await place.run_in(sandbox, "workspace-write", f"cat {link} {link}/*; ls {link}")
        assert "s3cret" not in said
        assert "id_rsa" not in said.replace(f"{to}", "").replace(f"{link}/", "").split()


# What can be seen


@caged
@pytest.mark.parametrize("level", CONFINED)
@pytest.mark.parametrize(
    "name", [".ssh/id_rsa", ".aws/credentials", ".netrc", ".config/gh/hosts.yml", ".bash_history"]
)
async def test_what_lets_somebody_in_elsewhere_is_not_seen(
    place: Place, level: str, name: str
) -> None:
    secret = put(place.home / name)
    said = await place.run(level, f"cat {secret}; cat {secret.parent}/*; echo x >{secret}")
    assert "s3cret" not in said
    assert secret.read_text() == "s3cret"


@caged
async def test_what_lets_somebody_in_is_not_seen_where_a_link_of_the_users_leads(
    place: Place,
) -> None:
    secret = put(place.home / "dotfiles/ssh/id_rsa")
    (place.home / ".ssh").symlink_to(secret.parent)
    said = await place.run("read-only", f"cat {secret} {place.home}/.ssh/id_rsa")
    assert "s3cret" not in said


@caged
async def test_what_is_given_to_write_is_seen_though_it_lets_somebody_in(place: Place) -> None:
    secret = put(place.home / ".aws/credentials")
    said = await place.run("read-only", f"cat {secret}", writable=(secret.parent,))
    assert said == "s3cret"


@caged
@pytest.mark.parametrize("level", CONFINED)
@pytest.mark.parametrize("beneath", ["outside", "workspace", "home"])
async def test_the_servers_own_files_are_not_seen_wherever_they_lie(
    place: Place, level: str, beneath: str
) -> None:
    folder = place.root / beneath
    token, older = put(folder / "token"), put(folder / "token.1")
    state = put(folder / "state/tasks").parent
    hidden = (token, state, folder / "not yet")
    script = f"cat {token} {older} {state}/*; ls {state}; echo x >{token}; rm {token}; mv {token} t"
    said = await place.run(level, script, hidden=hidden)
    assert "s3cret" not in said
    assert "tasks" not in said.replace(f"{state}/", "").splitlines()
    assert token.read_text() == "s3cret"


@caged
@pytest.mark.parametrize("level", CONFINED)
async def test_a_hidden_file_that_a_link_leads_to_is_not_seen(place: Place, level: str) -> None:
    target = put(place.home / "..data/token")
    link = place.home / "token"
    link.symlink_to(target)
    said = await place.run(level, f"cat {link} {target}", hidden=(link,))
    assert "s3cret" not in said


@caged
async def test_others_files_and_sockets_are_not_seen(place: Place) -> None:
    said = await place.run("workspace-write", "ls -A /run /tmp /var/tmp; ls /home")
    needed = (place.workspace, Path.home() / "here", RESOLVER)
    for folder in ("/run", "/tmp", "/var/tmp", "/home"):
        for name in os.listdir(folder):
            if not any(Path(folder, name) in path.parents for path in needed):
                assert name not in said.split(), folder


@caged
async def test_other_processes_are_not_seen(place: Place) -> None:
    me = os.getpid()
    said = await place.run(
        "workspace-write", f"kill -0 {me} && echo alive; cat /proc/{me}/environ; ls -d /proc/[0-9]*"
    )
    assert "alive" not in said
    assert len([line for line in said.splitlines() if line.startswith("/proc/")]) < 10


@caged
async def test_nobody_inside_can_take_the_walls_down(place: Place) -> None:
    script = """
        grep CapEff /proc/self/status
        mount -o remount,rw /; umount /tmp; echo x >/proc/sys/kernel/hostname
        unshare -Urm sh -c 'mount -o remount,rw / ; touch /a2acode-test'
        unshare -Urmpf sh -c 'mount -t proc proc /mnt; echo x >/mnt/sys/kernel/hostname'
        nsenter -t 1 -m touch /a2acode-test
    """
    name = os.uname().nodename
    said = await place.run("workspace-write", script)
    assert "CapEff:\t0000000000000000" in said
    assert "a2acode-test" not in os.listdir("/")
    assert os.uname().nodename == name


@caged
async def test_variables_do_not_point_where_nothing_is(place: Place) -> None:
    assert await place.run("read-only", "echo ${TMPDIR-unset}") == "unset\n"


@caged
async def test_an_agent_can_make_a_cage_of_its_own(place: Place) -> None:
    script = "bwrap --unshare-user --ro-bind / / --tmpfs /tmp -- echo within"
    assert await place.run("workspace-write", script) == "within\n"


# Its end


@caged
async def test_whoever_leaves_the_group_of_the_agent_ends_with_it_all_the_same(
    place: Place,
) -> None:
    pipe = place.workspace / "pipe"
    os.mkfifo(pipe)
    settings = place.settings()
    sandbox = Sandbox(settings, find_launch(settings))
    cage = await sandbox.cage("workspace-write", place.workspace)
    script = "env -i setsid sh -c 'exec >pipe; echo up; exec sleep 1000' & cat"
    command = cage.wrap(("sh", "-c", script))
    with trio.fail_after(SOON):
        async with open_child(command, cwd=place.workspace, env=place.env) as child:
            reader = await trio.to_thread.run_sync(open, pipe, "rb", 0)
            with reader:
                assert await trio.to_thread.run_sync(reader.read, 3) == b"up\n"
                child.kill("was killed")
                assert await trio.to_thread.run_sync(reader.read, abandon_on_cancel=True) == b""


# Where there is none


async def open_and_close(settings: Settings) -> None:
    with trio.fail_after(SOON):
        async with open_acp(settings):
            pass


@pytest.mark.parametrize("level", CONFINED)
async def test_without_bubblewrap_nothing_is_started_and_it_is_said_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, level: str
) -> None:
    place = Place(tmp_path)
    place.workspace.mkdir()
    settings = place.settings(choices=Choices(sandbox=level))
    free = place.settings(choices=Choices(sandbox="full"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadSettings, match="install it"):
        await open_and_close(settings)
    [finding] = [each for each in await examine(settings) if not each.well]
    assert "no sandbox without bubblewrap" in finding.what
    assert "apt install bubblewrap" in finding.advice
    await open_and_close(free)


async def test_where_it_cannot_make_one_nothing_is_started_and_it_is_said_why(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = put(place.root / "bin/bwrap", "#!/bin/sh\necho bwrap: No permissions >&2\nexit 1\n")
    broken.chmod(0o755)
    settings = place.settings(choices=Choices(sandbox="read-only"))
    monkeypatch.setenv("PATH", f"{broken.parent}:{os.environ['PATH']}")
    with pytest.raises(BadSettings, match=r"\(No permissions\); let it make user namespaces"):
        await open_and_close(settings)


@caged
async def test_an_agent_that_cannot_be_seen_from_inside_is_told_of_at_the_start(
    place: Place,
) -> None:
    program = put(place.home / ".aws/agent", "#!/bin/sh\n")
    program.chmod(0o755)
    settings = place.settings(str(program), choices=Choices(sandbox="read-only"))
    with pytest.raises(BadSettings, match="is not to be seen in the sandbox"):
        await open_and_close(settings)


@caged
async def test_an_agent_that_would_be_fetched_is_to_be_installed_first(place: Place) -> None:
    npx = put(place.root / "bin/npx", "#!/bin/sh\n")
    npx.chmod(0o755)
    settings = Settings(
        place.workspace,
        agent="claude",
        environment={"PATH": str(npx.parent), "HOME": str(place.home)},
        choices=Choices(sandbox="read-only"),
    )
    with pytest.raises(BadSettings, match="npm install -g @agentclientprotocol/claude-agent-acp@"):
        await open_and_close(settings)


# A scripted agent

Make = Callable[..., Heard]


@pytest.fixture
def make(place: Place) -> Make:
    """Makes a turn of steps for the agent; those of one test follow each other."""
    sessions: dict[str, Metadata | None] = {}

    def make(*steps: list[Any], **options: Any) -> Heard:
        parts = (Part(text=json.dumps(steps)),)
        return Heard(parts, place.workspace, **{"sessions": sessions, **options})

    return make


@asynccontextmanager
async def fake(place: Place, level: str, *flags: str, **more: Any) -> AsyncIterator[Backend]:
    """The scripted agent, which keeps its sessions outside of the workspace."""
    settings = place.settings(
        *place.agent(),
        f"--memory={place.outside}",
        *flags,
        choices=Choices(sandbox=level),
        writable=(place.outside,),
        **more,
    )
    with trio.fail_after(SOON):
        async with open_acp(settings) as backend:
            yield backend


@caged
async def test_an_agent_that_is_served_is_in_the_cage(place: Place, make: Make) -> None:
    async with fake(place, "workspace-write") as backend:
        turn = make(["shell", "touch in"], ["shell", f"touch {place.home}/out"])
        await backend.run(turn)
    assert turn.response == "0\n1\n"
    assert (place.workspace / "in").exists()
    assert not (place.home / "out").exists()


@caged
async def test_a_tighter_level_takes_another_agent_with_the_same_memory(
    place: Place, make: Make
) -> None:
    async with fake(place, "workspace-write") as backend:
        one = make(["shell", "touch one"])
        two = make(["shell", "touch two"], ["past"], choices=Choices(sandbox="read-only"))
        three = make(["shell", "touch three"])
        for turn in (one, two, three):
            await backend.run(turn)
            assert turn.all(Notice) == []
    assert one.response + three.response == "0\n0\n"
    assert two.response.startswith("1\n")
    assert "touch one" in two.response
    assert sorted(os.listdir(place.workspace)) == ["one", "three"]


@caged
async def test_a_request_may_choose_a_cage_where_the_server_has_none(
    place: Place, make: Make
) -> None:
    async with fake(place, "") as backend:
        free = make(["shell", f"touch {place.home}/free"])
        held = make(
            ["shell", f"touch {place.home}/held"], choices=Choices(sandbox="workspace-write")
        )
        for turn in (free, held):
            await backend.run(turn)
    assert free.response + held.response == "0\n1\n"


@caged
async def test_a_looser_level_is_refused_and_nothing_is_prompted(place: Place, make: Make) -> None:
    async with fake(place, "read-only") as backend:
        turn = make(["shell", "touch in"], choices=Choices(sandbox="full"))
        with pytest.raises(AgentRefused, match="'full' cannot be chosen here; there is read-only"):
            await backend.run(turn)
        assert turn.said == []


async def test_a_request_for_a_cage_that_cannot_be_had_is_refused(
    place: Place, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fake(place, "") as backend:
        monkeypatch.setenv("PATH", str(place.outside))
        turn = make(["shell", "touch in"], choices=Choices(sandbox="workspace-write"))
        with pytest.raises(AgentRefused, match="no sandbox without bubblewrap"):
            await backend.run(turn)
    assert os.listdir(place.workspace) == []


@caged
@pytest.mark.parametrize("level", CONFINED)
async def test_an_agent_with_a_sandbox_of_its_own_is_held_by_both(
    place: Place, make: Make, level: str
) -> None:
    flags = ("--name", CODEX, "--choices", json.dumps(LEVELS))
    async with fake(place, level, *flags) as backend:
        turn = make(["chosen"])
        await backend.run(turn)
    assert json.loads(turn.response)["mode"] == level


@caged
async def test_the_doctor_tells_what_holds_the_agent(place: Place) -> None:
    settings = place.settings(*place.agent(), choices=Choices(sandbox="read-only"))
    with trio.fail_after(SOON):
        findings = await examine(settings)
    assert all(finding.well for finding in findings)
    assert "bubblewrap holds it to read-only" in [finding.what for finding in findings]


async def test_the_doctor_tells_the_names_of_what_the_agent_gets_and_no_values(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PASSED", "KEPT_BACK", "A2ACODE_TOKEN"):
        monkeypatch.setenv(name, "s3cret")
    settings = place.settings(*place.agent(), variables=("PASSED",))
    with trio.fail_after(SOON):
        findings = await examine(evolve(settings, environment=None))
    [told] = [each.what for each in findings if "of the environment" in each.what]
    given, _, others = told.partition("--agent-env")
    assert "PASSED" in given
    assert "KEPT_BACK" in others
    assert "A2ACODE_TOKEN" not in told
    assert "s3cret" not in str(findings)


# What each process may have


@caged
@pytest.mark.parametrize("level", ["full", "workspace-write"])
async def test_each_process_of_an_agent_is_limited(place: Place, make: Make, level: str) -> None:
    """Those too that the agent starts."""
    limits = {"open-files": 200, "file-size": 1, "cpu": 500}
    async with fake(place, level, rlimits=limits) as backend:
        turn = make(
            ["shell", "test $(ulimit -n) = 200 -a $(ulimit -t) = 500"],
            ["shell", "head -c 1000000 /dev/zero > small"],
            ["shell", "head -c 2000000 /dev/zero > large"],
        )
        await backend.run(turn)
    small, large = (place.workspace / name for name in ("small", "large"))
    assert turn.response.splitlines()[:2] == ["0", "0"]
    assert turn.response.splitlines()[2] != "0"
    assert (small.stat().st_size, large.stat().st_size) == (1_000_000, 1024 * 1024)


async def test_a_process_that_takes_too_long_is_ended_and_the_turn_says_so(
    place: Place, make: Make
) -> None:
    async with fake(place, "full", rlimits={"cpu": 1}) as backend:
        with pytest.raises(AgentFailed, match=r"(?i)signal 24|cpu time"):
            await backend.run(make(["spin"]))


@pytest.mark.parametrize(
    ("limits", "why"),
    [({"luck": 1}, "No limit is called 'luck'"), ({"cpu": 0}, "at least 1")],
)
async def test_a_limit_that_cannot_be_is_refused_at_the_start(
    place: Place, limits: dict[str, int], why: str
) -> None:
    with pytest.raises(BadSettings, match=why):
        async with fake(place, "full", rlimits=limits):
            pass


# What is done for it outside of the cage


@asynccontextmanager
async def gate(place: Place, level: str, **more: Any) -> AsyncIterator[Backend]:
    settings = place.settings(
        *place.agent(GATE_AGENT),
        "gate",
        choices=Choices(sandbox=level),
        offers=frozenset({"files", "terminals"}),
        **more,
    )
    with trio.fail_after(SOON):
        async with open_acp(settings) as backend:
            yield backend


async def asked(backend: Backend, place: Place, *steps: list[Any]) -> str:
    turn = Heard((Part(text=json.dumps(steps)),), place.workspace, allowing)
    await backend.run(turn)
    return turn.response


def write(path: Path) -> list[Any]:
    return ["call", "fs/write_text_file", {"path": str(path), "content": "new"}]


@caged
@pytest.mark.parametrize("level", CONFINED)
async def test_a_command_that_we_run_for_it_is_in_the_cage_too(place: Place, level: str) -> None:
    script = f"touch in; touch {place.home}/out"
    async with gate(place, level) as backend:
        await asked(
            backend,
            place,
            ["call", "terminal/create", {"command": "sh", "args": ["-c", script]}],
            ["call", "terminal/wait_for_exit", {"terminalId": "$terminal"}],
        )
    assert (place.workspace / "in").exists() == (level == "workspace-write")
    assert not (place.home / "out").exists()


@caged
@pytest.mark.parametrize("level", CONFINED)
async def test_a_file_that_we_write_for_it_is_one_that_it_could_write(
    place: Place, level: str
) -> None:
    make_repository(place.workspace)
    new, hook = place.workspace / "deep/new", place.workspace / ".git/hooks/pre-commit"
    async with gate(place, level) as backend:
        said = await asked(backend, place, write(new), write(hook))
    assert new.exists() == (level == "workspace-write")
    assert not hook.exists()
    assert f"read-only in the sandbox '{level}'" in said


@caged
async def test_a_file_that_we_read_for_it_is_one_that_it_could_read(place: Place) -> None:
    token, note = put(place.workspace / "token"), put(place.workspace / "note", "hello")
    (place.workspace / "link").symlink_to(token)
    async with gate(place, "workspace-write", hidden=(token,)) as backend:
        said = await asked(
            backend,
            place,
            *(
                ["call", "fs/read_text_file", {"path": str(place.workspace / name)}]
                for name in ("token", "link", "note")
            ),
            write(token),
        )
    assert "s3cret" not in said
    assert "hello" in said
    assert (token.read_text(), note.read_text()) == ("s3cret", "hello")


# The command


@pytest.fixture
def core_dumps() -> Iterator[None]:
    """They are made, as far as this process may have them."""
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))


@caged
def test_no_file_that_an_option_names_is_seen_by_the_agent(place: Place, core_dumps: None) -> None:
    """And no dump is made of what the server or the agent had in memory."""
    token = put(place.workspace / "token", "0123456789abcdef0123456789abcdef")
    token.chmod(0o600)
    audit, hidden = place.workspace / "audit.jsonl", put(place.workspace / "hidden/file").parent
    kept = place.workspace / "kept.sqlite"
    files = (token, audit, hidden / "file", kept, kept.with_name("kept.sqlite-wal"))
    steps = [["shell", f"cat {file}"] for file in files] + [["shell", "test $(ulimit -c) = 0"]]
    script = shutil.copy(AGENT, place.workspace)
    agent = ("--backend", "acp", "--agent-command", shlex.join([PYTHON, str(script)]))
    safe = ("--sandbox", "workspace-write", "--sandbox-hide", str(hidden))
    own = ("--auth-token-file", str(token), "--audit", str(audit), "--store", f"sqlite:///{kept}")
    with serving_command("--cwd", str(place.workspace), *agent, *safe, *own) as (url, _):
        done = a2acode("call", json.dumps(steps), "--url", url, A2ACODE_TOKEN=token.read_text())
    assert done.stdout.splitlines()[:6] == [*"111110"], done.stdout + done.stderr
    assert all(file.exists() for file in files[:4])


# Real agents


@caged
@pytest.mark.agents
async def test_a_real_agent_writes_inside_alone_and_nowhere_when_it_may_only_read(
    real_agent: RealAgent, fake_model: FakeModel
) -> None:
    workspace, home = real_agent.workspace, Path(real_agent.env["HOME"])
    note = put(workspace / "note.txt", "OLD\n")
    async with serving(real_agent, choices=Choices(sandbox="workspace-write")) as client:
        context = ""
        for prompt in (
            f"REMEMBER-ME\nRUN:touch {workspace}/in.txt",
            f"RUN:touch {home}/out.txt",
            edit_prompt(note),
        ):
            heard = await tell(client, prompt, allow, context=context)
            assert heard.end.state is TaskState.COMPLETED, heard.texts()
            context = heard.context_id
        assert (workspace / "in.txt").exists()
        assert not (home / "out.txt").exists()
        assert note.read_text() == "NEW\n"

        tighter = {EXTENSION: {"sandbox": "read-only"}}
        put(note, "OLD\n")
        for prompt in (f"RUN:touch {workspace}/second.txt", edit_prompt(note), "SAY:last"):
            heard = await tell(client, prompt, allow, context=context, metadata=tighter)
            assert heard.end.state is TaskState.COMPLETED, heard.texts()
            assert "memory_lost" not in [notice["kind"] for notice in heard.said("notice")]
        assert not (workspace / "second.txt").exists()
        assert note.read_text() == "OLD\n"
        assert "REMEMBER-ME" in fake_model.asked("SAY:last").text
