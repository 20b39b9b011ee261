"""Keys come from files, and the options of `serve` that name them."""

from __future__ import annotations

import functools
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from a2acore.signing import ALGS, BadKey, Key, load, load_set

KEY_FILE = click.Path(path_type=Path)


def read_key(path: Path, *, kid: str = "", alg: str = "") -> Key:
    """The one key in a file; says so when it is secret and others can read it.

    Raises:
        click.UsageError: the file cannot be read, or holds no key that can be used.
    """
    try:
        key = load(_read(path), kid=kid, alg=alg)
    except BadKey as exc:
        raise click.UsageError(f"{path}: {exc}") from exc
    if key.can_sign and path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        click.echo(f"a2acode: others can read {path}; try `chmod 600 {path}`", err=True)
    return key


def read_keys(path: Path) -> tuple[Key, ...]:
    """The keys in a file that can verify something today. Raises like `read_key`."""
    try:
        return load_set(_read(path), now=time.time())
    except BadKey as exc:
        raise click.UsageError(f"{path}: {exc}") from exc


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise click.UsageError(f"cannot read the key file {path}: {exc.strerror}") from exc


def sign_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that say what it signs with, and the keys as `sign_keys`."""

    @click.option(
        "--sign-key",
        type=KEY_FILE,
        multiple=True,
        help="A file with a key to sign the card with; several all sign.",
    )
    @click.option("--sign-kid", metavar="NAME", default="", help="What the key is called.")
    @click.option("--sign-alg", type=click.Choice(ALGS), help="How the key signs.")
    @click.option(
        "--sign-jku",
        metavar="URL",
        default="",
        help="Where callers find the public keys, for signatures to name.",
    )
    @functools.wraps(command)
    def wrapped(
        sign_key: tuple[Path, ...], sign_kid: str, sign_alg: str | None, sign_jku: str, **rest: Any
    ) -> Any:
        if not sign_key and (sign_kid or sign_alg or sign_jku):
            raise click.UsageError("there is nothing to sign with; give --sign-key FILE")
        if len(sign_key) > 1 and (sign_kid or sign_alg):
            raise click.UsageError(
                "--sign-kid and --sign-alg speak of one key; with several, put kid and alg into "
                "the files, as `a2acode keys new` does"
            )
        keys = tuple(read_key(path, kid=sign_kid, alg=sign_alg or "") for path in sign_key)
        return command(sign_keys=keys, sign_jku=sign_jku, **rest)

    return wrapped
