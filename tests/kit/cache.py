"""Things that tests install: once for all runs, whole or not at all.

They rest in `$A2ACODE_TEST_CACHE`, by default `a2acode-tests` in the user's cache folder. Runs in
parallel wait for each other; what an interrupted run left half-done is made anew.
"""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

INSTALLING = 600  # seconds for one install command; 400 MB come through a slow line in that

MADE = ".made"  # written last: a folder without it is half-done


class Missing(Exception):
    """Something that a test needs cannot be had on this machine; the text says what and why."""


def cached(name: str, make: Callable[[Path], None]) -> Path:
    """The folder `name` of the cache, filled by `make` unless that has been done before.

    Raises:
        Missing: `make` says so, and will be asked again next time.
    """
    folder = cache_root() / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(folder.name + ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # let go when the file is closed, however we end
        if not (folder / MADE).exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            (folder / MADE).touch()
    return folder


def cache_root() -> Path:
    if told := os.environ.get("A2ACODE_TEST_CACHE"):
        return Path(told).absolute()
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "a2acode-tests"


def npm_package(package: str, version: str) -> Path:
    """An npm prefix holding this one package: its programs are in `node_modules/.bin`.

    Raises:
        Missing: no node, no npm, or the registry does not give the package.
    """
    for needed in ("node", "npm"):
        if shutil.which(needed) is None:
            raise Missing(f"{package}@{version} needs {needed}, which is not on the PATH")

    def make(folder: Path) -> None:
        quiet = ("--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")
        install(["npm", "install", "--prefix", str(folder), *quiet, f"{package}@{version}"])

    return cached(f"npm/{package.replace('/', '+')}@{version}", make)


def install(command: Sequence[str]) -> None:
    """Run a command that installs something.

    Raises:
        Missing: it failed or took too long; with the lines of its output that tell why.
    """
    asked = f"{Path(command[0]).name} {command[-1]}"
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=INSTALLING,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise Missing(f"{asked} took longer than {INSTALLING} s") from exc
    if done.returncode != 0:
        # Both npm and pip begin with the cause and end with advice.
        errors = [line for line in done.stdout.splitlines() if "error" in line.lower()]
        raise Missing(f"{asked} failed: {'; '.join(errors[:3])}")
