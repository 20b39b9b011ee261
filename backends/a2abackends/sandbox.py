"""Keeping an agent in a cage: what it may see and change of this machine, by bubblewrap.

Rules that hold inside:

- One table says what is to be had where; the deepest place that holds a path counts. The options of
  bubblewrap are written from it, and what is done for the agent outside of the cage (its files,
  through us) is measured by it too.
- A place is looked up from outside, where a link may lead anywhere. So each is looked up once, when
  no agent has been in a cage yet; and where an agent may write, a place and the folders on the way
  to it are mounts of their own in every cage. Those can be neither moved away nor replaced.
- There is no half of a cage. Whether one can be had is tried before anything is started in it.
"""

from __future__ import annotations

import glob
import os
import pwd
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

import trio
from attrs import define, field, frozen

from a2abackends.launch import Launch
from a2abackends.rlimits import check, limited
from a2acore.backend import SANDBOXES, BadSettings, Settings

PROOF = 20.0
"""Seconds for an empty cage to be made and left again: a matter of 20 ms on a machine at rest."""
NOBODY = "65534"
"""Who root is inside: one who is root there could not make another cage within, as codex does."""

Access = Literal["none", "read", "write"]
"""To a place and all below it. In place of a folder with `none` there is an empty one, and what is
written to it is gone with the cage."""

ROOT = Path("/")
PRIVATE = ("/tmp", "/var/tmp", "/run", "/home", "/root")
"""What is others': their files, and the sockets of all that runs here."""
SHOWN = ("/etc/resolv.conf", "/run/current-system")
"""What is needed all the same: the way to names, and the programs of NixOS."""
SECRETS = (
    *(".ssh", ".gnupg", ".password-store", ".local/share/keyrings", ".vault-token"),
    *(".aws", ".azure", ".config/gcloud", ".kube", ".docker", ".terraform.d"),
    *(".netrc", ".pgpass", ".git-credentials", ".config/git/credentials", ".config/gh"),
    *(".npmrc", ".yarnrc.yml", ".pypirc", ".cargo/credentials.toml", ".gem/credentials"),
    *(".m2/settings.xml", ".mozilla", ".config/google-chrome", ".config/chromium"),
    *(".bash_history", ".zsh_history", ".python_history", ".psql_history"),
)
"""What a home folder holds that lets somebody in somewhere, or tells how."""
RUNS_CODE = ("hooks", "config", "config.worktree")
"""What of a repository says what git runs: it would run it outside, for whoever comes later."""


class LooserSandbox(ValueError):
    """A request wants the agent to be freer than the server lets it be."""


def held_to(server: str, request: str = "") -> str:
    """The level that an agent is held to: the server's, or a tighter one that a request chooses.

    Raises:
        LooserSandbox: the request chooses a looser one.
    """
    usual = server or "full"
    level, there = request or usual, SANDBOXES[: SANDBOXES.index(usual) + 1]
    if level not in there:
        raise LooserSandbox(
            f"The sandbox {level!r} cannot be chosen here; there is {', '.join(there)}"
        )
    return level


@frozen
class Cage:
    """A cage around an agent and all that is done for it, and what each process in it may have; one
    of the level `full` has no walls."""

    level: str
    _table: Mapping[Path, Access] = field(factory=dict)
    _rlimits: Mapping[str, int] = field(factory=dict)

    def access(self, path: Path) -> Access:
        """What may be done with a file, given by an absolute path without links."""
        if self.level == "full":
            return "write"
        return next(self._table[place] for place in (path, *path.parents) if place in self._table)

    def wrap(self, command: Sequence[str]) -> tuple[str, ...]:
        """The command that runs another one inside.

        bubblewrap is not told to die with its parent: that is a thread of ours that ends long
        before the agent. Nor to begin a session: whoever starts it does so, and what leads a
        session can be killed with all that is in it.

        Raises:
            BadSettings: there is no bubblewrap.
        """
        if self.level == "full":
            return limited(command, self._rlimits)
        options = ["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts"]
        options += ["--unshare-cgroup-try", "--cap-drop", "ALL"]
        if os.geteuid() == 0:
            options += ["--uid", NOBODY, "--gid", NOBODY]
        for variable in ("TMPDIR", "XDG_RUNTIME_DIR"):  # neither is there
            options += ["--unsetenv", variable]
        options += [*_mount(ROOT, self._table[ROOT]), "--dev", "/dev", "--proc", "/proc"]
        for place in sorted(self._table.keys() - {ROOT}):  # each behind what it lies in
            options += _mount(place, self._table[place])
        return limited((find_bubblewrap(), *options, "--", *command), self._rlimits)


@define(eq=False)
class Sandbox:
    """Makes the cages of one agent."""

    _settings: Settings
    _launch: Launch
    _common: dict[Path, Access] = field(factory=dict)
    """What is to be had where in all of them, once there is one."""
    _hidden: list[Path] = field(factory=list)
    _workspaces: dict[Path, dict[Path, Access]] = field(factory=dict)
    """What must stay as it is in each workspace."""
    _proven: set[tuple[str, Path]] = field(factory=set)

    async def cage(self, level: str, workspace: Path) -> Cage:
        """A cage that was tried, with the agent in it.

        Raises:
            BadSettings: there can be none. Why, and what to do.
        """
        check(self._settings.rlimits)
        if level == "full":
            return Cage("full", {}, self._settings.rlimits)
        if self._launch.downloads:
            raise BadSettings(
                f"{self._launch.title} cannot be fetched by npx into a sandbox; install it first: "
                f"npm install -g {self._launch.downloads}"
            )
        cage = Cage(level, self._table(level, workspace), self._settings.rlimits)
        if (level, workspace) not in self._proven:
            await self._prove(cage, workspace)
            self._proven.add((level, workspace))
        return cage

    async def _prove(self, cage: Cage, workspace: Path) -> None:
        program = self._launch.command[0]
        trial = cage.wrap(("test", "-x", program, "-a", "-d", str(workspace)))
        with trio.move_on_after(PROOF) as patience:
            done = await trio.run_process(
                trial, capture_stderr=True, check=False, env=dict(self._launch.env), cwd=ROOT
            )
        if patience.cancelled_caught:
            raise BadSettings(f"bubblewrap made no sandbox within {PROOF:g} s; try it by hand")
        said = done.stderr.decode(errors="replace").strip()
        if done.returncode != 0 and said.startswith("bwrap: "):
            raise BadSettings(
                f"bubblewrap cannot make the sandbox {cage.level!r} "
                f"({said.removeprefix('bwrap: ')}); let it make user namespaces on this machine, "
                "or choose --sandbox full"
            )
        if done.returncode != 0:
            raise BadSettings(
                f"{program} is not to be seen in the sandbox {cage.level!r}; install it where it "
                "is neither temporary nor another user's"
            )

    def _table(self, level: str, workspace: Path) -> dict[Path, Access]:
        """What is to be had where: places that exist, without links on the way to them."""
        workspace = workspace.resolve()
        if not self._common:
            self._look_up()
        if workspace not in self._workspaces:
            self._workspaces[workspace] = _repository(workspace)
        table = {**self._common, workspace: "read"}
        if level == "workspace-write":
            table |= {workspace: "write", **self._workspaces[workspace]}
        hidden = (found for path in self._hidden for found in _with_older(path))
        table |= dict.fromkeys(hidden, "none")
        return _with_ways({place: how for place, how in table.items() if _is_solid(place)})

    def _look_up(self) -> None:
        settings, launch = self._settings, self._launch
        homes = {Path(launch.env.get("HOME") or ROOT)}
        with suppress(KeyError):  # in a container, a user may be but a number
            homes.add(Path(pwd.getpwuid(os.getuid()).pw_dir))
        homes.discard(ROOT)
        writable = [*_there((*_state(launch.state), *settings.writable))]
        common: dict[Path, Access] = {ROOT: "read"}
        common |= dict.fromkeys(_there(map(Path, PRIVATE)), "none")
        common |= dict.fromkeys(_there((*homes, *map(Path, SHOWN))), "read")
        common |= dict.fromkeys(_there(home / name for home in homes for name in SECRETS), "none")
        common |= dict.fromkeys(writable, "write")
        for place in writable:
            common |= _repository(place)
        common |= dict.fromkeys(_solid(map(Path, launch.config)), "read")
        self._common = common
        self._hidden = [path.resolve() for path in settings.hidden]


def find_bubblewrap() -> str:
    """Where it is installed, by our own PATH.

    Raises:
        BadSettings: it is not.
    """
    found = shutil.which("bwrap")
    if found is None:
        raise BadSettings(
            "there is no sandbox without bubblewrap, a program for Linux; install it (apt install "
            "bubblewrap), or choose --sandbox full"
        )
    return found


def _mount(place: Path, access: Access) -> tuple[str, ...]:
    here = str(place)
    if access == "none":
        return ("--tmpfs", here) if place.is_dir() else ("--ro-bind", "/dev/null", here)
    return ("--bind-try" if access == "write" else "--ro-bind-try", here, here)


def _with_ways(table: Mapping[Path, Access]) -> dict[Path, Access]:
    """The same, and the folders on the way from a place that can be written to one within it."""
    whole = dict(table)
    for place in table:
        way: list[Path] = []
        for folder in place.parents:
            if folder in table:
                if table[folder] == "write":
                    whole |= dict.fromkeys(way, "write")
                break
            way.append(folder)
    return whole


def _there(paths: Iterable[Path]) -> Iterator[Path]:
    """Where those are that exist, links resolved."""
    return (path.resolve() for path in paths if os.path.exists(path))


def _solid(paths: Iterable[Path]) -> Iterator[Path]:
    """Where those are that exist and are no links themselves."""
    places = (path.parent.resolve() / path.name for path in paths)
    return filter(_is_solid, places)


def _is_solid(place: Path) -> bool:
    # Unlike those of Path, these raise nothing where nobody may look.
    return os.path.exists(place) and not os.path.islink(place)


def _state(places: Iterable[str]) -> Iterator[Path]:
    """Where the agent keeps what it remembers; a folder is made, as it would make it."""
    for text in places:
        path = Path(text)
        if text.endswith("/"):
            with suppress(OSError):  # the agent has the same trouble, and says so
                path.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield path


def _repository(folder: Path) -> dict[Path, Access]:
    """What must stay as it is of the repository that a folder has or is."""
    [*found] = _solid([folder if folder.name == ".git" else folder / ".git"])
    if not found:
        return {}
    [git] = found
    if not git.is_dir():  # of a second worktree: it says where the repository is
        return {git: "read"}
    return dict.fromkeys(_solid(git / name for name in RUNS_CODE), "read")


def _with_older(path: Path) -> Iterator[Path]:
    """A file, and those that it was turned into when it was full, or made anew."""
    yield path
    yield from path.parent.glob(glob.escape(path.name) + ".*")
