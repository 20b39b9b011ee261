"""`a2acode backends`: what can be served."""

from __future__ import annotations

import sys

import click
from rich.table import Table

from a2acli.view import make_console
from a2acore.backend import find_backends


@click.command("backends")
def command() -> None:
    """List the backends that are installed: what `serve --backend` takes."""
    table = Table("backend", "what it is", "what it needs", box=None, pad_edge=False)
    for kind in find_backends().values():
        table.add_row(kind.name, kind.summary, kind.needs)
    make_console(sys.stdout).print(table)
