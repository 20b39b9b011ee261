"""Who answers when the agent asks: a flag, or the person at the terminal."""

from __future__ import annotations

import sys
import termios
from typing import Any

import click
import trio
from msgspec import UNSET

from a2acli.pause import Pause, Say, takes
from a2acli.plain import one_line
from a2acore.forms import DECLINES, Field


async def consent(word: str, pause: Pause) -> Say | None:
    """One word for every permission. A question is none: a yes says nothing there."""
    return pause.answer(word) if pause.kind == "permission" else None


async def ask_person(pause: Pause) -> Say | None:
    """Ask at the terminal; `None` when the person leaves it open."""
    # What was typed before the question was seen is no answer to it.
    termios.tcflush(sys.stdin, termios.TCIFLUSH)
    if pause.fields:
        return await _fill_in(pause)
    for number, (_, name) in enumerate(_picks(pause), 1):
        click.echo(f"  {number}  {one_line(name)}", err=True)
    permission = pause.kind == "permission"
    what = "[y]es, [n]o, a number, or words that deny it" if permission else "your answer"
    while True:
        line = await _line(f"{what} (Ctrl-D leaves it open)")
        if line is None:
            return None
        if line:
            return _read(pause, line)


async def _fill_in(pause: Pause) -> Say | None:
    """Ask for a form, field by field."""
    click.echo('  ("decline" declines, Ctrl-D leaves it open)', err=True)
    answers: dict[str, Any] = {}
    for field in pause.fields:
        for number, choice in enumerate(field.choices, 1):
            click.echo(f"  {number}  {one_line(choice.title)}", err=True)
        empty = "" if field.required else ", or nothing"
        while True:
            line = await _line(one_line(f"{field.name} ({takes(field)}{empty})"))
            if line is None:
                return None
            if not line and not field.required:
                break
            value = _value(field, line)
            if value is not UNSET:
                answers[field.name] = value
                break
            if line.casefold() in DECLINES:
                return pause.answer("decline")
    return pause.answer(answers=answers)


def _value(field: Field, line: str) -> Any:
    """What was typed into a field, `UNSET` if it is nothing that it takes."""
    choices = field.choices
    if line.isdecimal() and 1 <= int(line) <= len(choices):
        value = choices[int(line) - 1].value
        return [value] if field.kind == "array" else value
    if field.free and line.casefold() == "decline":
        return UNSET
    return field.read(line) if line else UNSET


async def _line(prompt: str) -> str | None:
    """What the person types, `None` at the end of it all."""
    click.echo(f"{prompt}: ", err=True, nl=False)
    line: str = await trio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True)
    if not line:
        click.echo(err=True)
        return None
    return line.strip()


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
