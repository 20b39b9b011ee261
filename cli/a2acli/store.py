"""`a2acode store`: what a server has kept, looked at beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import click
from attrs import asdict

from a2acli import options
from a2acli.options import store_options
from a2acli.plain import one_line, plain
from a2acore.model import TaskState
from a2acore.store.sqlite.care import Info, export, info, vacuum
from a2acore.store.sqlite.file import holder

URL = click.argument(
    "store", type=options.StoreURL(), metavar="[URL]", default="", envvar="A2ACODE_STORE"
)


@click.group("store")
def command() -> None:
    """Look into what `serve` has kept.

    Each of these takes the URL of a store, or the options of the server that keeps it. The server
    may go on.
    """


@command.command("info", context_settings=options.SETTINGS)
@URL
@store_options
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def info_command(path: Path, as_json: bool) -> None:
    """Tell how much is kept, since when, and which process has it."""
    found, process = info(path), holder(path)
    if as_json:
        ended = {state.value: number for state, number in found.ended.items()}
        told = {"file": str(path), "process": int(process) if process.isdecimal() else None}
        click.echo(json.dumps({**told, **asdict(found), "ended": ended}))
        return
    lines = [
        ("file", one_line(str(path))),
        ("used by", f"process {process}" if process else "nobody"),
    ]
    for name, said in [*lines, *_in_words(found)]:
        click.echo(f"{name:13} {said}")


@command.command("export", context_settings=options.SETTINGS)
@URL
@store_options
@click.option("--task", metavar="ID", default="", help="One task alone.")
def export_command(path: Path, task: str) -> None:
    """Print every task, whole, as a line of JSON: in the form of A2A 1.0, without webhooks."""
    missing = task
    for each in export(path, task):
        missing = ""
        click.echo(plain(each.decode()))
    if missing:
        raise click.UsageError(f"there is no task {missing} in {path}")


@command.command("vacuum", context_settings=options.SETTINGS)
@URL
@store_options
def vacuum_command(path: Path) -> None:
    """Give back to the disk what is free in the file. Meanwhile a server can keep nothing."""
    before, after = vacuum(path)
    click.echo(f"{_size(before)} before, {_size(after)} now")


def _in_words(found: Info) -> Iterator[tuple[str, str]]:
    states = [
        f"{found.ended[each]:,} {each.name.lower()}" for each in TaskState if each in found.ended
    ]
    yield "tasks", ", ".join([f"{found.unfinished:,} not ended", *states])
    if found.ended:
        yield "ended", f"from {found.oldest} to {found.newest}"
    yield "events", f"{found.events:,}"
    yield "conversations", f"{found.conversations:,}"
    yield "webhooks", f"{found.webhooks:,}; {found.dead_letters:,} letters given up"
    yield "size", f"{_size(found.size)}, {_size(found.free)} of it free"
    yield "version", str(found.version)


def _size(number: int) -> str:
    """Bytes, for a person."""
    return f"{number / 2**20:,.1f} MiB" if number >= 2**20 else f"{number / 2**10:,.0f} KiB"
