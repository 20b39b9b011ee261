"""`a2acode call`: give an agent a task, or an answer, and watch it work."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import click
import trio

from a2acli.ask import ask_person, consent
from a2acli.codes import INTERRUPTED
from a2acli.follow import Decide, Following, converse
from a2acli.jsonlines import JsonLines
from a2acli.pause import Pause, Say
from a2acli.target import Target, target_options
from a2acli.view import View, Watching
from a2acore.client import BrokenOff


@click.command("call")
@click.argument("text", default="")
@target_options
@click.option("--context", metavar="ID", default="", help="Go on with this conversation.")
@click.option("--task", metavar="ID", default="", help="Answer what this task asks.")
@click.option("--request", metavar="ID", default="", help="The request that is answered.")
@click.option("--option", metavar="ID", default="", help="Pick one of the options it gave.")
@click.option("--answer", metavar="Q=A", multiple=True, help="Answer one of its questions.")
@click.option(
    "--file",
    "files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Send this file along.",
)
@click.option("--json", "as_json", is_flag=True, help="Print each event as a line of JSON.")
@click.option("--yes", is_flag=True, help="Allow whatever it asks permission for.")
@click.option("--no", is_flag=True, help="Deny whatever it asks permission for.")
def command(
    target: Target,
    text: str,
    context: str,
    task: str,
    request: str,
    option: str,
    answer: tuple[str, ...],
    files: tuple[Path, ...],
    as_json: bool,
    yes: bool,
    no: bool,
) -> int:
    """Say TEXT to an agent, and watch what it does; `-` reads the text from stdin.

    The answer goes to stdout, everything else to stderr. When the agent asks something, it is asked
    on here if this is a terminal; otherwise the command says how to answer, and exits with 3.
    """
    if yes and no:
        raise click.UsageError("--yes and --no exclude each other")
    if (request or option or answer) and not task:
        raise click.UsageError("an answer needs the task that asked: --task ID")
    text = _text(text)
    if not (text or option or answer or files):
        raise click.UsageError("there is nothing to say: give a text, or `-` to read it from stdin")
    say = Say(text, files, context, task, request, option, _answers(answer))
    watching: Watching = JsonLines(sys.stdout) if as_json else View(sys.stdout, sys.stderr, target)
    following = Following()
    try:
        return trio.run(_call, target, say, following, watching, _decider(yes, no, as_json))
    except (KeyboardInterrupt, BrokenOff) as error:
        if following.task_id:
            watching.end()
            where = " ".join([following.task_id, *target.options])
            click.echo(
                f"a2acode: no longer watching; try `a2acode get {where}`, "
                f"or `a2acode cancel {where}` to stop it",
                err=True,
            )
        if isinstance(error, BrokenOff):
            raise
        return INTERRUPTED


async def _call(
    target: Target, say: Say, following: Following, watching: Watching, decide: Decide
) -> int:
    async with target.open() as client:
        return await converse(client, say, following, watching, decide)


def _decider(yes: bool, no: bool, as_json: bool) -> Decide:
    if yes or no:
        return partial(consent, "allow" if yes else "deny")
    if not as_json and sys.stdin.isatty() and sys.stderr.isatty():
        return ask_person
    return _leave


async def _leave(pause: Pause) -> None:
    """Nobody is here to answer."""


def _text(given: str) -> str:
    try:
        text = sys.stdin.buffer.read().decode() if given == "-" else given
        text.encode()  # arguments may hold bytes that are no text, in disguise
    except UnicodeError as exc:
        raise click.UsageError("the text is not in UTF-8; send it with --file") from exc
    return text


def _answers(given: tuple[str, ...]) -> dict[str, str]:
    answers = {}
    for pair in given:
        question, equals, words = pair.partition("=")
        if not equals or not question:
            raise click.UsageError(
                f"--answer {pair!r} is no answer; write --answer QUESTION=ANSWER"
            )
        answers[question] = words
    return answers
