"""Changes to files: foreseen, to ask about them, or made. Never outside the workspace.

Blocking, and so called in a thread.
"""

from __future__ import annotations

from pathlib import Path

from a2abackends.echo.steps import Change
from a2acore.backend import AgentFailed, AgentRefused, FileChange


def foresee(workspace: Path, change: Change) -> FileChange:
    """What the change would do to the file as it is now.

    Raises:
        AgentRefused: the file is not in the workspace.
        AgentFailed: it cannot be read as text.
    """
    if change.write == "no":
        return FileChange(change.path, change.before, change.after)
    try:
        file = inside(workspace, change.path)
        # Decoded here rather than by read_text, which would turn every line end into its own.
        before = file.read_bytes().decode() if is_there(file) else None
    except (OSError, ValueError) as exc:
        raise cannot(change, exc) from exc
    return FileChange(change.path, before, outcome(change, before))


def make(workspace: Path, change: Change) -> FileChange:
    """Make the change, and tell what it did. Raises as `foresee` does, and when it cannot write."""
    done = foresee(workspace, change)
    if change.write == "no":
        return done
    try:
        file = inside(workspace, change.path)
        if done.after is None:
            file.unlink(missing_ok=True)
        else:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(done.after.encode())
    except (OSError, ValueError) as exc:
        raise cannot(change, exc) from exc
    return done


def outcome(change: Change, before: str | None) -> str | None:
    """The whole text that the file is to hold."""
    if change.write == "append" and before and change.after:
        return before + ("" if before.endswith("\n") else "\n") + change.after
    return change.after


def inside(workspace: Path, path: str) -> Path:
    """The file that the path means, symlinks followed."""
    file = (workspace / path).resolve()
    if not file.is_relative_to(workspace.resolve()):
        raise AgentRefused(f"{path} is outside the workspace")
    return file


def is_there(file: Path) -> bool:
    """Whether there is a file to read: opening a pipe, say, would wait for ever."""
    if file.exists() and not file.is_file():
        raise ValueError("it is not a regular file")
    return file.exists()


def cannot(change: Change, exc: OSError | ValueError) -> AgentFailed:
    """The failure, without the absolute path that an OSError names."""
    reason = exc.strerror if isinstance(exc, OSError) else exc
    return AgentFailed(f"cannot change {change.path}: {reason}")
