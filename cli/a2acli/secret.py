"""Tokens come from files, never from the command line: every user of a machine can read that."""

from __future__ import annotations

import stat
from pathlib import Path

import click


def read_token(path: Path) -> str:
    """The one token that a file holds. Says so when others can read it; raises as `load_token`."""
    token = load_token(path)
    warn_of_readers(path)
    return token


def read_password(path: Path) -> str:
    """The password that is the first line of a file. Says so when others can read it.

    Raises:
        click.UsageError: the file cannot be read, or is empty.
    """
    try:
        password, *_ = path.read_text("utf-8").splitlines() or [""]
    except OSError as exc:
        raise click.UsageError(f"cannot read the password file {path}: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise click.UsageError(f"{path} holds no password: it is no text") from exc
    if not password:
        raise click.UsageError(f"the password file {path} is empty")
    warn_of_readers(path)
    return password


def warn_of_readers(path: Path) -> None:
    """Say so when others can read a file that is for its owner alone."""
    if others_can_read(path):
        click.echo(f"a2acode: others can read {path}; try `chmod 600 {path}`", err=True)


def others_can_read(path: Path) -> bool:
    """Whether another user of this machine could read a file."""
    return bool(path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))


def load_token(path: Path) -> str:
    """The one token that a file holds.

    Raises:
        click.UsageError: the file cannot be read, or holds something else.
    """
    try:
        token = path.read_text("ascii").strip()
    except OSError as exc:
        raise click.UsageError(f"cannot read the token file {path}: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise click.UsageError(f"{path} holds no token: a token is ASCII") from exc
    if not token:
        raise click.UsageError(f"the token file {path} is empty")
    if not all("!" <= char <= "~" for char in token):
        raise click.UsageError(f"{path} holds more than one token, or none; put one on one line")
    return token
