"""Who answers when the agent asks: a flag, or the person at the terminal."""

from __future__ import annotations

import sys
import termios

import click
import trio

from a2acli.pause import Pause, Say
from a2acli.plain import one_line


async def consent(word: str, pause: Pause) -> Say | None:
    """One word for every permission. A question is none: a yes says nothing there."""
    return pause.answer(word) if pause.kind == "permission" else None


async def ask_person(pause: Pause) -> Say | None:
    """Ask at the terminal; `None` when the person leaves it open."""
    for number, (_, name) in enumerate(_picks(pause), 1):
        click.echo(f"  {number}  {one_line(name)}", err=True)
    permission = pause.kind == "permission"
    what = "[y]es, [n]o, a number, or words that deny it" if permission else "your answer"
    # What was typed before the question was seen is no answer to it.
    termios.tcflush(sys.stdin, termios.TCIFLUSH)
    while True:
        click.echo(f"{what} (Ctrl-D leaves it open): ", err=True, nl=False)
        line = await trio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)
        if not line:
            click.echo(err=True)
            return None
        if line.strip():
            return _read(pause, line.strip())


def _picks(pause: Pause) -> list[tuple[Say, str]]:
    """The answers that bear a number, and how they are called."""
    options = [(pause.answer(option=option.id), option.name) for option in pause.options]
    return options + [(pause.answer(choice), choice) for choice in pause.choices]


def _read(pause: Pause, words: str) -> Say:
    picks = _picks(pause)
    if words.isdecimal() and 1 <= int(words) <= len(picks):
        return picks[int(words) - 1][0]
    if pause.kind == "permission":
        words = {"y": "allow", "yes": "allow", "n": "deny", "no": "deny"}.get(words.lower(), words)
    return pause.answer(words)
