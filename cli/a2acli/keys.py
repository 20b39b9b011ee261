"""`a2acode keys`: what cards are signed with."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from a2acli.sign import KEY_FILE, read_key
from a2acore.signing import ALGS, Key, new

OWNER_ONLY = 0o600


@click.group("keys")
def command() -> None:
    """Make and show the keys that cards are signed with."""


@command.command("new")
@click.argument("file", type=KEY_FILE)
@click.option("--alg", type=click.Choice(ALGS), default="ES256", show_default=True)
@click.option("--kid", metavar="NAME", default="", help="Its name.  [default: its thumbprint]")
def make(file: Path, alg: str, kid: str) -> None:
    """Make a key in FILE, for you alone to read, and show its public half."""
    key = new(alg, kid)
    try:
        # Created, never opened: what is there is not overwritten, nor is what a link leads to.
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
        with os.fdopen(descriptor, "w") as opened:
            json.dump(key.secret, opened)
            opened.write("\n")
    except FileExistsError as exc:
        raise click.UsageError(f"{file} exists already; choose another name") from exc
    except OSError as exc:
        raise click.UsageError(f"cannot make {file}: {exc.strerror}") from exc
    _show(key)


@command.command("show")
@click.argument("file", type=KEY_FILE)
def show(file: Path) -> None:
    """Show the public half of the key in FILE, as a JWK; give it to those who verify."""
    _show(read_key(file))


def _show(key: Key) -> None:
    click.echo(f"a2acode: its kid is {key.kid}", err=True)
    if key.is_public:
        click.echo(json.dumps(key.public, indent=2))
    else:
        click.echo("a2acode: it has no public half: who verifies needs the file", err=True)
