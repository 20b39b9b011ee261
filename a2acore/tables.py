"""A TOML file that a person wrote, read to its end: all of its mistakes at once, each with its
place. What its tables mean is the business of who reads them.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from attrs import define, field


class Mistaken(ValueError):
    """A file that cannot be meant. Each of `mistakes` is one line: where, and what."""

    def __init__(self, mistakes: Iterable[str]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(self.mistakes))


def parse(file: Path, kind: type[Mistaken], *, secret: bool = False) -> dict[str, Any]:
    """The tables of a file; raises an error of that kind where it cannot be read.

    Of a `secret` one it is only said where the mistake is: what is wrong there may quote the file.
    """
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise kind([f"{file}: cannot be read: {error.strerror}"]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        if not secret:
            raise kind([f"{file}: is no TOML: {error}"]) from error
        place = re.search(r"\(at .*\)$", str(error))
        raise kind([f"{file}: is no TOML {place[0] if place else ''}".rstrip()]) from None


def at(where: str, name: str) -> str:
    """The place of a name in a table."""
    return f"{where}.{name}" if where else name


@define
class Reading:
    """Reads the tables of a file to their end, whatever is wrong with them."""

    file: Path
    mistakes: list[str] = field(factory=list)

    def wrong(self, where: str, what: str) -> None:
        self.mistakes.append(f"{self.file}: {where}: {what}")

    def known(self, table: Mapping[str, Any], where: str, names: tuple[str, ...]) -> None:
        for name in sorted(table.keys() - set(names)):
            self.wrong(at(where, name), f"is not known; there are {', '.join(names)}")

    def tables(self, given: Mapping[str, Any], name: str) -> list[tuple[dict[str, Any], str]]:
        """The tables of that name, each with its place."""
        tables = given.get(name, [])
        if not isinstance(tables, list) or not all(isinstance(each, dict) for each in tables):
            self.wrong(name, f"must be tables: write [[{name}]] above each")
            return []
        return [(table, f"{name}[{number}]") for number, table in enumerate(tables)]

    def text(self, table: Mapping[str, Any], name: str, where: str) -> str:
        value = table.get(name, "")
        if not isinstance(value, str) or not value.isprintable() or (name in table and not value):
            self.wrong(at(where, name), "must be a text of one line")
            return ""
        return value
