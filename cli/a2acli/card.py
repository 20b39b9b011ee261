"""`a2acode card`: what an agent says of itself."""

from __future__ import annotations

import sys
from functools import partial

import click
import msgspec
import trio

from a2acli.plain import plain
from a2acli.target import Target, target_options
from a2acore.client import NEWEST, ClientError, fetch_card


@click.command("card")
@target_options
@click.option("--raw", is_flag=True, help="Print it exactly as it is served.")
def command(target: Target, raw: bool) -> None:
    """Print the card of an agent, in the form of the line given by --protocol."""
    body = trio.run(partial(fetch_card, target.url, token=target.token, line=target.line or NEWEST))
    if raw:
        sys.stdout.buffer.write(body)
        return
    try:
        pretty = msgspec.json.format(body, indent=2)
    except msgspec.DecodeError as exc:
        raise ClientError(f"what {target.url} serves as its card is no JSON; see --raw") from exc
    click.echo(plain(pretty.decode()))
