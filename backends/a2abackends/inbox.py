"""The inbox: files that a caller sends and that cannot stand in a prompt, saved for the agent.

They lie in the workspace, where an agent may read: `.a2acode/inbox/<task id>/<name>`. Git does not
see them. They stay until somebody deletes them, because a later turn may speak of them again.

Blocking, and so called in a thread. What lies in a workspace is nobody's word: no symlink is
followed, and nothing that is there already is written to.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

PLACE = (".a2acode", "inbox")
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def folder_of(workspace: Path, task_id: str) -> Path:
    """Where the files of a task are saved."""
    return workspace.joinpath(*PLACE, task_id)


def save(workspace: Path, task_id: str, files: Mapping[str, bytes]) -> None:
    """Save files by their names; one that was saved for this task before is replaced.

    Raises:
        OSError: it cannot be done, or something of another kind is in its place.
    """
    with ExitStack() as stack:
        place = os.open(workspace, DIRECTORY & ~os.O_NOFOLLOW)
        stack.callback(os.close, place)
        for name in PLACE:
            place = _folder(stack, name, place)
        with suppress(FileExistsError):
            _write(".gitignore", b"*\n", place)
        place = _folder(stack, task_id, place)
        for name, content in files.items():
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=place)
            _write(name, content, place)


def _folder(stack: ExitStack, name: str, place: int) -> int:
    """Go into a folder, made if need be."""
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=place)
    entered = os.open(name, DIRECTORY, dir_fd=place)
    stack.callback(os.close, entered)
    return entered


def _write(name: str, content: bytes, place: int) -> None:
    with open(os.open(name, NEW_FILE, 0o600, dir_fd=place), "wb") as file:
        file.write(content)
