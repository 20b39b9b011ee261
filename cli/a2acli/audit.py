"""`a2acode audit`: is an audit log as it was written, and what does it say?"""

from __future__ import annotations

from pathlib import Path

import click

from a2acli.codes import DONE, FAILED
from a2acli.plain import one_line, plain
from a2acore.audit import Line, lines, verify

FILE = click.Path(dir_okay=False, path_type=Path)


@click.group("audit")
def command() -> None:
    """Check and show the log that `serve --audit` writes."""


@command.command("verify")
@click.argument("file", type=FILE)
@click.option(
    "--head", metavar="DIGEST", default="", help="The digest of a line that has to be there."
)
def verify_command(file: Path, head: str) -> int:
    """Check that no line of FILE, or of the files before it, was changed or taken away.

    It prints the digest of the last line. Note it where the server cannot write, and give it as
    --head another time: without it nobody can tell whether lines are missing at the end.
    """
    found = verify(file, head.strip().lower())
    if found.wrong:
        click.echo(f"a2acode: {one_line(found.wrong)}; {found.lines} lines are good", err=True)
        return FAILED
    torn = f", {found.mended} torn and told of" if found.mended else ""
    click.echo(f"{found.lines} lines are good{torn}; head {found.head}")
    return DONE


@command.command("show")
@click.argument("file", type=FILE)
@click.option("--task", metavar="ID", default="", help="What is about one task alone.")
@click.option("--json", "as_json", is_flag=True, help="Print the lines as JSON.")
def show_command(file: Path, task: str, as_json: bool) -> int:
    """Print what FILE, and the files before it, tell."""
    seen = False
    for _, _, text, line in lines(file):
        seen = True
        if line is None or (task and line.task != task):
            continue
        click.echo(plain(text.decode()).rstrip("\n") if as_json else one_line(in_words(line)))
    if not seen:
        raise click.UsageError(f"{file} is not there, or is empty")
    return DONE


def in_words(line: Line) -> str:
    """A line for a person."""
    said = [line.time, line.who, line.what]
    if line.verdict:
        said.append(f"{line.verdict} by {line.by}")
    if (tool := line.tool) is not None:
        said.append(" ".join(filter(None, (tool.kind, tool.name, tool.title, f"(call {tool.id})"))))
    elif line.asked:
        said.append(f"a {line.asked}")
    if line.option:
        said.append(f"option {line.option}")
    if line.host:
        said.append(f"to {line.host}")
    if line.torn is not None:
        said.append(f"{line.torn.bytes} bytes that were torn")
    if line.task:
        said.append(f"task {line.task}")
    return "  ".join(filter(None, said))
