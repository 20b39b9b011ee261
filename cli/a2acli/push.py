"""`a2acode push`: letters to webhooks that a server has given up."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click
from attrs import asdict

from a2acli import options
from a2acli.options import store_options
from a2acli.plain import one_line
from a2acore.push.port import DeadLetter
from a2acore.store.sqlite import dead

IDS = click.argument("ids", metavar="[ID]...", nargs=-1)
ALL = click.option("--all", "all_", is_flag=True, help="All that were given up.")


@click.group("push")
def command() -> None:
    """Show letters to webhooks that `serve` has given up, and have them tried again.

    An ID is that of a webhook, or of a task with all its webhooks. The server may go on.
    """


@command.command("list", context_settings=options.SETTINGS)
@options.store
@store_options
@click.option("--json", "as_json", is_flag=True, help="Print each as a line of JSON.")
def list_command(path: Path, as_json: bool) -> None:
    """Show what was given up, and why, the oldest first."""
    for letter in dead.dead_letters(path):
        if as_json:
            click.echo(json.dumps(asdict(letter)))
        else:
            click.echo(one_line(_in_words(letter)))


@command.command("resend", context_settings=options.SETTINGS)
@IDS
@ALL
@options.store
@store_options
def resend_command(path: Path, ids: tuple[str, ...], all_: bool) -> None:
    """Have letters tried again: by the server within seconds, or by the next one as it starts."""
    found = dead.want(path, _chosen(ids, all_))
    click.echo(f"{_number(found, ids)} will be tried again")


@command.command("forget", context_settings=options.SETTINGS)
@IDS
@ALL
@options.store
@store_options
def forget_command(path: Path, ids: tuple[str, ...], all_: bool) -> None:
    """Forget letters: their webhooks are never told what is in them."""
    found = dead.forget(path, _chosen(ids, all_))
    click.echo(f"{_number(found, ids)} forgotten")


def _chosen(ids: tuple[str, ...], all_: bool) -> Sequence[str] | None:
    if bool(ids) == all_:
        raise click.UsageError("say which by the ids of webhooks or tasks, or --all")
    return None if all_ else ids


def _number(letters: Sequence[DeadLetter], ids: Sequence[str]) -> str:
    if ids and not letters:
        raise click.UsageError("nothing of that was given up; `a2acode push list` shows what was")
    return "1 letter" if len(letters) == 1 else f"{len(letters)} letters"


def _in_words(letter: DeadLetter) -> str:
    run = (
        f"event {letter.first}"
        if letter.first == letter.last
        else f"events {letter.first} to {letter.last}"
    )
    said = [
        letter.timestamp,
        f"task {letter.task_id}",
        f"webhook {letter.webhook_id}",
        run,
        letter.why,
    ]
    return "  ".join([*said, "to be tried again"] if letter.wanted else said)
