"""`a2acode credentials`: what lets callers in."""

from __future__ import annotations

import json
import re
import secrets
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from a2acli.secret import warn_of_readers
from a2acore.credentials import (
    SCOPES,
    BadCredentials,
    Certificate,
    Credentials,
    Password,
    Scope,
    Token,
    hashed,
    is_name,
    read_credentials,
)

PREFIX = "a2acode_"
"""What tokens begin with, so that whoever finds one knows what it opens."""
RANDOM = 32
"""Random bytes in a token: nobody guesses one, however fast its hash is."""
SALT = 16
SHORTEST = 12
"""Characters of a new password."""

FILE = click.Path(dir_okay=False, path_type=Path)


class Duration(click.ParamType[timedelta]):
    """A time from now, like `90d`."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        found = re.fullmatch(r"([1-9][0-9]{0,4})([mhdw])", str(value))
        if found is None:
            self.fail("must be like 30m, 12h, 90d or 4w", param, ctx)
        units = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
        return timedelta(**{units[found[2]]: int(found[1])})


@click.group("credentials")
def command() -> None:
    """Make and show what lets callers in."""


@command.command("new")
@click.argument("name")
@click.option(
    "--scope", type=click.Choice(SCOPES), multiple=True, help="What NAME may do; several may be."
)
@click.option("--expires", type=Duration(), metavar="TIME", help="How long it is good: 90d, 12h.")
@click.option("--basic", is_flag=True, help="Ask for a password, instead of making a token.")
@click.option("--certificate", metavar="SUBJECT", default="", help="URI:, DNS: or CN: and a name.")
def make(
    name: str,
    scope: tuple[Scope, ...],
    expires: timedelta | None,
    basic: bool,
    certificate: str,
) -> None:
    """Make a credential for NAME, and print what to add to the file of `serve --credentials`.

    The token is shown once, apart from that: on stderr. The entry holds its hash alone.
    """
    if not is_name(name):
        raise click.UsageError("NAME is letters, digits and . _ @ + -, 128 at most")
    if basic and certificate:
        raise click.UsageError("--basic and --certificate are two credentials; make one each")
    token = ""
    try:
        if certificate:
            kind, secret = "certificate", str(Certificate.read(certificate))
        elif basic:
            kind, secret = "basic", str(hashed(_password().encode(), secrets.token_bytes(SALT)))
        else:
            token = PREFIX + secrets.token_urlsafe(RANDOM)
            kind, secret = "bearer", str(Token.of(token.encode()))
    except ValueError as exc:
        raise click.UsageError(f"--certificate {exc}") from exc
    lines = ["[[callers]]", f"name = {json.dumps(name)}", f"{kind} = {json.dumps(secret)}"]
    if scope:
        lines.append(f"scopes = {json.dumps(list(dict.fromkeys(scope)))}")
    if expires is not None:
        end = (datetime.now(UTC) + expires).replace(microsecond=0)
        lines.append(f"expires = {end.isoformat().replace('+00:00', 'Z')}")
    click.echo("\n".join(lines))
    if token:
        click.echo(f"a2acode: the token of {name}, which is shown this once:", err=True)
        click.echo(token, err=True)


@command.command("check")
@click.argument("file", type=FILE)
def check(file: Path) -> None:
    """See whether FILE can be served with, and who is let in by it."""
    for line in _told(read(file)):
        click.echo(line)


def read(file: Path) -> Credentials:
    """The credentials in a file; says so when others can read it.

    Raises:
        click.UsageError: it cannot be read, or cannot be meant; each mistake has been shown.
    """
    try:
        credentials = read_credentials(file)
    except BadCredentials as exc:
        for mistake in exc.mistakes:
            click.echo(f"a2acode: {mistake}", err=True)
        raise click.UsageError("--credentials: nobody is let in before that is mended") from exc
    warn_of_readers(file)
    return credentials


def _password() -> str:
    """A password, from whoever sits here, or from a pipe."""
    if not sys.stdin.isatty():
        password = sys.stdin.readline().rstrip("\n")
    else:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    if len(password) < SHORTEST or not password.isprintable():
        raise click.UsageError(f"a password is {SHORTEST} characters or more, on one line")
    return password


def _told(credentials: Credentials) -> Sequence[str]:
    """Who is let in, a line each."""
    kinds = {Token: "bearer", Password: "basic", Certificate: "certificate"}
    lines = []
    for each in credentials.callers:
        who, end = each.principal, ""
        if who.expires is not None:
            end = f" until {datetime.fromtimestamp(who.expires, UTC):%Y-%m-%d %H:%M}Z"
        lines.append(f"{who.name}: {kinds[type(each.secret)]}, {_scopes(who.scopes)}{end}")
    for issuer in credentials.issuers:
        scopes = _scopes(issuer.scopes)
        lines.append(f"{issuer.name}:*: tokens of {issuer.issuer}, {scopes} if they do not say")
    return lines or ["nobody is let in"]


def _scopes(scopes: frozenset[Scope]) -> str:
    return " ".join(scope for scope in SCOPES if scope in scopes) or "no scopes"
