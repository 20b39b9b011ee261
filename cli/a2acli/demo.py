"""`a2acode demo`: see it all work, with nothing installed."""

from __future__ import annotations

import shlex
import sys
import tempfile
from functools import partial
from pathlib import Path

import click
import trio

from a2acli.follow import Following, converse
from a2acli.pause import Pause, Say
from a2acli.plain import one_line
from a2acli.target import Target
from a2acli.view import View
from a2acore.backend import Settings, find_backends
from a2acore.client import open_client
from a2acore.server import Options, serve

PROMPT = "think plan tool sudo edit notes.md"
NOTES = "# Notes\n\nThis file is there to be changed.\n"

BEGIN = """\
A server with the echo agent is up at {url}, in a workspace of its own.
A caller gives it a task, as `a2acode call {prompt}` would:
"""
NEXT = """
notes.md now reads:

{notes}
That was A2A over HTTP, from the card to the permission. What to try next:
  a2acode serve --agent claude --cwd .     put a real agent behind it (`a2acode backends`)
  a2acode call "what is in this folder?"   give it something to do
"""


@click.command("demo")
def command() -> int:
    """Start a server, give its agent a task, and watch: text, a tool, a permission, a diff."""
    with tempfile.TemporaryDirectory(prefix="a2acode-demo-") as folder:
        return trio.run(_demo, Path(folder))


async def _demo(workspace: Path) -> int:
    notes = workspace / "notes.md"
    notes.write_text(NOTES)
    kind = find_backends()["echo"]
    async with kind.open(Settings(workspace)) as backend, trio.open_nursery() as nursery:
        bound = await nursery.start(
            partial(serve, backend, port=0, options=Options(workspace=workspace))
        )
        click.echo(BEGIN.format(url=bound.url, prompt=shlex.quote(PROMPT)), err=True)
        view = View(sys.stdout, sys.stderr, Target(bound.url))
        async with open_client(bound.url) as client:
            code = await converse(client, Say(PROMPT), Following(), view, _allow)
        click.echo(NEXT.format(notes=_indented(notes.read_text())), err=True)
        nursery.cancel_scope.cancel()
    return code


async def _allow(pause: Pause) -> Say:
    return pause.answer("allow")


def _indented(text: str) -> str:
    return "".join(f"    {one_line(line)}\n" for line in text.splitlines())
