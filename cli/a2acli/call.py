"""`a2acode call`: give an agent a task, or an answer, and watch it work."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import click
import trio
from attrs import evolve

from a2acli.ask import ask_person, consent
from a2acli.codes import INTERRUPTED
from a2acli.follow import Decide, Following, converse
from a2acli.jsonlines import JsonLines
from a2acli.pause import Pause, Say, read_pause
from a2acli.target import Target, target_options
from a2acli.view import View, Watching
from a2acore.backend import SANDBOXES
from a2acore.client import BrokenOff, Client
from a2acore.intake import LARGEST_PART
from a2acore.lifecycle import EXTENSION
from a2acore.model import GetTaskRequest


@click.command("call")
@click.argument("text", default="")
@target_options
@click.option("--context", metavar="ID", default="", help="Go on with this conversation.")
@click.option("--task", metavar="ID", default="", help="Answer what this task asks.")
@click.option("--request", metavar="ID", default="", help="The request that is answered.")
@click.option("--option", metavar="ID", default="", help="Pick one of the options it gave.")
@click.option("--answer", metavar="Q=A", multiple=True, help="Fill in one field of what it asks.")
@click.option(
    "--file",
    "files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Send this file along.",
)
@click.option(
    "--reference",
    "references",
    metavar="TASK",
    multiple=True,
    help="Let the agent know what this task came to.",
)
@click.option("--model", metavar="NAME", default="", help="The model to use.")
@click.option("--mode", metavar="NAME", default="", help="The mode to work in.")
@click.option("--effort", metavar="LEVEL", default="", help="How hard to think.")
@click.option(
    "--sandbox", type=click.Choice(SANDBOXES), help="What the agent may do to its machine."
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
    references: tuple[str, ...],
    model: str,
    mode: str,
    effort: str,
    sandbox: str | None,
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
    for file in files:
        _check_size(file)
    named = {"model": model, "mode": mode, "effort": effort, "sandbox": sandbox}
    choices = {name: chosen for name, chosen in named.items() if chosen}
    say = Say(text, files, context, task, request, option, _answers(answer), references, choices)
    watching: Watching = JsonLines(sys.stdout) if as_json else View(sys.stdout, sys.stderr, target)
    following = Following()
    try:
        return trio.run(
            partial(_call, target, say, following, watching, _decider(yes, no, as_json)),
            # Anywhere else it may strike where Python has to ignore it.
            restrict_keyboard_interrupt_to_checkpoints=True,
        )
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
        known = {extension.uri for extension in client.card.capabilities.extensions}
        if say.choices and EXTENSION not in known:
            flags = ", ".join(f"--{name}" for name in say.choices)
            raise click.UsageError(f"{client.card.name} does not let its callers choose: {flags}")
        if say.answers is not None:
            say = await _filled_in(client, say, say.answers)
        return await converse(client, say, following, watching, decide)


async def _filled_in(client: Client, say: Say, texts: Mapping[str, str]) -> Say:
    """An answer with its texts as the values that the form of the task has for them."""
    task = await client.get(GetTaskRequest(say.task_id, history_length=0))
    pause = read_pause(task.id, task.context_id, task.status)
    if say.request_id not in ("", pause.request_id):
        return say  # to something that is asked no more: let the server say so
    try:
        return evolve(say, answers=pause.fill(texts))
    except ValueError as exc:
        raise click.UsageError(f"--answer: {exc}") from exc


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


def _check_size(file: Path) -> None:
    size = file.stat().st_size
    if size > LARGEST_PART:
        raise click.UsageError(
            f"{file} has {size:,} bytes, and a file that is sent may have {LARGEST_PART:,}; put it "
            "where the agent can fetch it, and say where that is"
        )


def _answers(given: tuple[str, ...]) -> dict[str, str] | None:
    answers = {}
    for pair in given:
        question, equals, words = pair.partition("=")
        if not equals or not question:
            raise click.UsageError(
                f"--answer {pair!r} is no answer; write --answer QUESTION=ANSWER"
            )
        answers[question] = words
    return answers or None
