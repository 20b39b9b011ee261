"""Tokens come from files, never from the command line: every user of a machine can read that."""

from __future__ import annotations

import stat
from pathlib import Path

import click


def read_token(path: Path) -> str:
    """The one token that a file holds.

    Raises:
        click.UsageError: the file cannot be read, or holds something else.
    """
    try:
        mode = path.stat().st_mode
        token = path.read_text("ascii").strip()
    except OSError as exc:
        raise click.UsageError(f"cannot read the token file {path}: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise click.UsageError(f"{path} holds no token: a token is ASCII") from exc
    if not token:
        raise click.UsageError(f"the token file {path} is empty")
    if not all("!" <= char <= "~" for char in token):
        raise click.UsageError(f"{path} holds more than one token, or none; put one on one line")
    if mode & (stat.S_IRGRP | stat.S_IROTH):
        click.echo(f"a2acode: others can read {path}; try `chmod 600 {path}`", err=True)
    return token
