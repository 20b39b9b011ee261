"""`a2acode conformance`: whether a server keeps to the specification."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click
import trio

from a2acli.codes import ASKED_WRONGLY, DONE, FAILED
from a2acli.conformance.musts import musts
from a2acli.conformance.peer import Texts
from a2acli.conformance.report import as_json, as_junit, as_text, summary
from a2acli.conformance.runner import Plan, Report, run
from a2acli.conformance.site import BINDINGS, LINES
from a2acli.plain import one_line
from a2acli.secret import read_token
from a2acore.client import ClientError

PATIENCE = 30.0
TEXTS = Texts()


@click.command("conformance")
@click.argument("url")
@click.option("--line", type=click.Choice(LINES), help="Play this line only.")
@click.option(
    "--binding",
    type=click.Choice(BINDINGS, case_sensitive=False),
    help="Play this binding only.",
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    help="A file with a token that the server takes.  [default: the token in A2ACODE_TOKEN]",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "junit"]),
    default="text",
    show_default=True,
    help="How the report is written.",
)
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), help="Where it is written."
)
@click.option(
    "--only", multiple=True, metavar="ID", help="Play what proves this statement only; repeatable."
)
@click.option("--strict", is_flag=True, help="A SHOULD that does not hold is a failure too.")
@click.option("--hello-text", default=TEXTS.hello, show_default=True, help="A simple message.")
@click.option(
    "--slow-text", default=TEXTS.slow, show_default=True, help="What takes the agent some seconds."
)
@click.option(
    "--pause-text", default=TEXTS.pause, show_default=True, help="What the agent has to ask about."
)
@click.option(
    "--auth-text",
    default=TEXTS.credential,
    show_default=True,
    help="What the agent needs a credential for.",
)
@click.option(
    "--patience",
    type=click.FloatRange(min=0, min_open=True),
    default=PATIENCE,
    show_default=True,
    metavar="SECONDS",
    help="How long an answer, or the end of a stream, may take.",
)
def command(
    url: str,
    line: str | None,
    binding: str | None,
    token_file: Path | None,
    form: str,
    output: Path | None,
    only: tuple[str, ...],
    strict: bool,
    hello_text: str,
    slow_text: str,
    pause_text: str,
    auth_text: str,
    patience: float,
) -> int:
    """Check that the A2A server at URL keeps to the specification, and report on it.

    Any server will do. It gets a few hundred requests, some of them nonsense, and works on some
    dozens of tasks. Its agent is told the texts below; where it does not do what they are meant to
    bring about, nothing is said of what depends on that. Its webhook is on this machine.

    Exit codes: 0 all holds, 1 a MUST does not, 2 asked wrongly: there is no server, or no card.
    """
    token = read_token(token_file) if token_file else os.environ.get("A2ACODE_TOKEN", "")
    texts = Texts(hello_text, slow_text, pause_text, auth_text)
    if unknown := [id for id in only if id not in musts()]:
        raise click.UsageError(f"there is no {unknown[0]}; ids look like V10-MUST-003")
    plan = Plan(url, token, line, binding, texts, patience, frozenset(only))
    try:
        report = trio.run(run, plan, _say)
    except ClientError as error:
        _say(str(error))
        return ASKED_WRONGLY
    _write(report, form, output, strict)
    wrong = report.failed(should=False) or (strict and report.failed(should=True))
    return FAILED if wrong else DONE


def _write(report: Report, form: str, output: Path | None, strict: bool) -> None:
    match form:
        case "json":
            text = as_json(report)
        case "junit":
            text = as_junit(report, strict=strict)
        case _:
            text = as_text(report)
    if output is None:
        sys.stdout.write(text)
        return
    try:
        output.write_text(text, "utf-8")
    except OSError as error:
        raise click.UsageError(f"cannot write {output}: {error.strerror}") from error
    _say(summary(report))


def _say(text: str) -> None:
    click.echo(f"a2acode: {one_line(text)}", err=True)
