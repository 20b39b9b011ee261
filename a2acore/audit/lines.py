"""The lines of the audit log, and the files that they stand in."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from a2acore.backend import ToolCall
from a2acore.redaction import Redactor

TITLE = 200
"""Characters of a title."""
START = "0" * 64
"""What the first line of all has in place of a digest."""
_TELLING = frozenset({"execute", "fetch", "other"})
"""Kinds of tools whose titles are apt to quote their input."""


class Torn(Struct, frozen=True):
    """What stands between two lines and is none: a line that was begun and not ended."""

    bytes: int
    sha256: str


class ToolSeen(Struct, frozen=True, omit_defaults=True):
    """A tool, without what it was given."""

    id: str
    name: str = ""
    kind: str = ""
    title: str = ""
    input_sha256: str = ""
    """Of the input as JSON with sorted members, without spaces, in UTF-8."""

    @classmethod
    def of(cls, tool: ToolCall) -> ToolSeen:
        given = ""
        if tool.input is not None:
            given = digest(msgspec.json.encode(tool.input, order="sorted"))
        title = "" if tool.kind in _TELLING else _redact.beginning(tool.title, TITLE)
        return cls(tool.id, tool.name, tool.kind, title, given)


class Line(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One line; the log fills in the first three."""

    seq: int = 0
    """Its number, from 1, through all files."""
    prev: str = ""
    time: str = ""
    """RFC 3339, UTC."""
    what: str
    """`opened`, `mended`, `started`, `asked`, `decided`, `cancelled`, `webhook set`, `webhook
    deleted`."""
    who: str = ""
    """The caller: who asked for it, or whose task it is."""
    task: str = ""
    context: str = ""
    request: str = ""
    """The id of the question, of an agent's that asked."""
    asked: str = ""
    """What was asked: `permission`, `question`, `credential`."""
    tool: ToolSeen | None = None
    verdict: str = ""
    """`allow` or `deny`; `answer` or `decline` of what is no permission."""
    by: str = ""
    """`caller`, `policy:<rule>`, `timeout`."""
    option: str = ""
    """The id of the agent's option that was picked."""
    host: str = ""
    """Where a webhook leads."""
    torn: Torn | None = None


def archive(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def archives(path: Path) -> list[int]:
    """The numbers of the files before this one."""
    pattern = re.compile(re.escape(path.name) + r"\.([1-9][0-9]*)")
    found = (pattern.fullmatch(file.name) for file in path.parent.iterdir())
    return sorted(int(match[1]) for match in found if match)


def files(path: Path) -> list[Path]:
    """All files of a log, the oldest first."""
    old = [archive(path, number) for number in archives(path)]
    return [*old, path] if path.exists() else old


def lines(path: Path) -> Iterator[tuple[Path, int, bytes, Line | None]]:
    """Each line of all files, with its file, its number in it and its bytes; `None` is not one."""
    for file in files(path):
        with file.open("rb") as given:
            for number, text in enumerate(given, 1):
                yield file, number, text, read(text)


def read(text: bytes) -> Line | None:
    """The line that stands there, if one does."""
    try:
        return _decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def digest(text: bytes) -> str:
    """SHA-256, in hexadecimal."""
    return hashlib.sha256(text).hexdigest()


_decode = msgspec.json.Decoder(Line).decode
_redact = Redactor()
