"""`a2acode card`: what an agent says of itself, and who vouches for it."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec
import trio

from a2acli.plain import one_line, plain
from a2acli.sign import KEY_FILE, read_keys
from a2acli.target import Target, target_options
from a2acore.client import ClientError, Trust, verify_card


@click.command("card")
@target_options
@click.option("--raw", is_flag=True, help="Print it exactly as it is served.")
@click.option(
    "--verify", is_flag=True, help="Fail unless it is signed, and print only what is signed of it."
)
@click.option(
    "--key", type=KEY_FILE, multiple=True, help="With --verify: a file with a key to trust."
)
@click.option(
    "--jwks", type=KEY_FILE, multiple=True, help="With --verify: a file with a set of such keys."
)
@click.option(
    "--jku-allow",
    metavar="HOST|URL",
    multiple=True,
    help="With --verify: where to fetch keys from, when a signature says so.",
)
def command(
    target: Target,
    raw: bool,
    verify: bool,
    key: tuple[Path, ...],
    jwks: tuple[Path, ...],
    jku_allow: tuple[str, ...],
) -> None:
    """Print the card of an agent, in the form of the line given by --protocol."""
    if verify != bool(key or jwks or jku_allow):
        raise click.UsageError(
            "--verify needs to know whom to trust, and nothing else does: give it with --key FILE, "
            "--jwks FILE or --jku-allow HOST"
        )
    try:
        keys = [each for path in (*key, *jwks) for each in read_keys(path)]
        trust = Trust(tuple(keys), jku_allow) if verify else None
    except ValueError as exc:
        raise click.UsageError(str(exc)) from exc
    body = trio.run(_fetch, target, trust, raw)
    if raw:
        sys.stdout.buffer.write(body)
        return
    try:
        pretty = msgspec.json.format(body, indent=2)
    except msgspec.DecodeError as exc:
        raise ClientError(f"what {target.url} serves as its card is no JSON; see --raw") from exc
    click.echo(plain(pretty.decode()))


async def _fetch(target: Target, trust: Trust | None, raw: bool) -> bytes:
    """The card as it is to be printed: as it is served, or what of it is signed."""
    document = await target.fetch_card()
    if trust is None:
        return document
    verified = await verify_card(document, trust)
    click.echo(f"a2acode: signed by {one_line(verified.key.kid)}", err=True)
    if raw and verified.whole:
        return document
    if raw:
        raise ClientError("only a part of the card is signed; leave out --raw to see that part")
    if not verified.whole:
        click.echo("a2acode: only a part of the card is signed; this is that part", err=True)
    return verified.payload
