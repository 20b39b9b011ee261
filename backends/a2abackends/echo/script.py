"""Scripts: rules that say which messages are met with which steps.

The first rule that matches a message decides; its file is read once, when the backend is opened.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from a2abackends.echo.steps import Reply, Spelled, Step
from a2acore.backend import BadSettings
from a2acore.model import Message, Metadata


class When(Spelled, frozen=True):
    """What a message must be like: everything that is given must hold."""

    message_id: str = ""
    """How its id begins."""
    text: str = ""
    """A pattern (Python's `re`) that is found somewhere in its text."""
    metadata: Metadata = msgspec.field(default_factory=dict)
    """Members that its metadata has, among others; so too for objects within."""
    turn: Literal["first", "followup"] | None = None
    """Whether it opens its context, or comes after other turns in it."""

    def __post_init__(self) -> None:
        try:
            re.compile(self.text)
        except re.error as exc:
            raise ValueError(f"`text` is not a pattern: {exc}") from exc


class Rule(Spelled, frozen=True):
    """What to do when. Without a `when`, always."""

    steps: tuple[Step | Reply, ...]
    when: When = When()

    def __post_init__(self) -> None:
        if len(self.steps) > 1 and any(isinstance(step, Reply) for step in self.steps):
            raise ValueError("`message` must be the only step of its rule")


class Document(Spelled, frozen=True):
    """The file. The rules stay raw, so that what is wrong in one can be told with its number."""

    rules: tuple[msgspec.Raw, ...]


def load(path: Path) -> tuple[Rule, ...]:
    """Read a script.

    Raises:
        BadSettings: it cannot be read, or something in it is not as it should be; says which file,
            which rule (counted from 1) and where in it.
    """
    parse = PARSERS.get(path.suffix.lower())
    if parse is None:
        raise BadSettings(f"{path}: a script is a .toml or a .json file")
    try:
        # By way of JSON, whichever it was: a date in TOML then is the string that metadata holds.
        document = msgspec.json.decode(
            msgspec.json.encode(parse(path.read_text("utf-8"))), type=Document
        )
    except OSError as exc:
        raise BadSettings(f"{path}: {exc.strerror}") from exc
    except (ValueError, msgspec.MsgspecError) as exc:
        raise BadSettings(f"{path}: {exc}") from exc
    rules = []
    for number, raw in enumerate(document.rules, start=1):
        try:
            rules.append(msgspec.json.decode(raw, type=Rule))
        except msgspec.ValidationError as exc:
            raise BadSettings(f"{path}: rule {number}: {exc}") from exc
    return tuple(rules)


PARSERS: Mapping[str, Callable[[str], Any]] = {
    ".toml": tomllib.loads,
    ".json": msgspec.json.decode,
}


def matches(when: When, message: Message, text: str, number: int) -> bool:
    """Whether a message, the opening of the `number`th turn of its context, is of this kind."""
    return (
        message.message_id.startswith(when.message_id)
        and (when.turn is None or (when.turn == "first") == (number == 1))
        and within(when.metadata, message.metadata or {})
        and (not when.text or re.search(when.text, text) is not None)
    )


def within(wanted: Any, given: Any) -> bool:
    """Whether what is wanted is there: equal, or an object with at least these members."""
    if isinstance(wanted, dict) and isinstance(given, dict):
        return all(key in given and within(value, given[key]) for key, value in wanted.items())
    return bool(wanted == given)
