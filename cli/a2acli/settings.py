"""The settings of `serve` from a file: `--config FILE`, in TOML or (by its name) JSON.

    port = 9200
    auth-token-file = "${HOME}/.a2acode/token"
    allow-host = ["agent.example.com"]

    [limits]
    tasks_per_caller = 20

A setting is called as its flag is, and means the same: the options of `serve` are the one list that
there is. A flag goes before the environment, the environment before the file. Every text may name
`${VAR}`. All problems are told at once, each with its place; values, which may be secrets, are not.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import click
from attrs import define, field
from click.core import ParameterSource

from a2acli.variables import fill
from a2acore.limits import LIMITS, NAMES, Limits

TABLE = "limits"
"""The table of a file that holds what `--limit` says."""


def one_limit(said: str | tuple[str, int]) -> tuple[str, int]:
    """What `NAME=NUMBER` says.

    Raises:
        click.BadParameter: there is no such limit, or it cannot be so.
    """
    if isinstance(said, tuple):
        return said
    name, _, number = said.partition("=")
    name = name.strip().replace("-", "_")
    if amiss := _amiss(name, number):
        raise click.BadParameter(f"{name} {amiss}")
    return name, int(number)


def _amiss(name: str, number: object) -> str:
    """What is wrong with a limit, if anything is."""
    if name not in NAMES:
        return f"is no limit{_perhaps(name, NAMES)}"
    try:
        Limits(**{name: int(str(number))})
    except ValueError:
        return "must be a whole number, 0 for no limit"
    return ""


limit = click.option(
    "--limit",
    type=one_limit,
    metavar="NAME=NUMBER",
    multiple=True,
    help="How much is taken on, such as tasks=100; 0 is no limit.",
)


def _take(ctx: click.Context, _: click.Parameter, path: Path | None) -> Path | None:
    if path is not None:
        ctx.default_map = read(path, os.environ, _serve(ctx))
    return path


def _serve(ctx: click.Context) -> click.Command:
    """`serve`, whose settings a file holds, also where another command reads it."""
    root = ctx.find_root().command
    found = root.get_command(ctx, "serve") if isinstance(root, click.Group) else None
    return found or ctx.command


config = click.option(
    "--config",
    type=click.Path(dir_okay=False, resolve_path=True, path_type=Path),
    is_eager=True,
    callback=_take,
    help="A file with these settings; see docs/config.md.",
)


def read(path: Path, environment: Mapping[str, str], command: click.Command) -> dict[str, Any]:
    """What a file sets, by the names of the parameters of the command that it is for.

    Raises:
        click.UsageError: it cannot be read, or something in it is not as it should be. What, has
            been said.
    """
    try:
        text = path.read_text("utf-8")
        document = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except OSError as exc:
        raise click.UsageError(f"cannot read {path}: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise click.UsageError(f"{path} is not in UTF-8") from exc
    except (ValueError, RecursionError) as exc:
        raise click.UsageError(f"{path}: {exc}") from exc
    reader = Reader(text, environment, command)
    reader.read(document)
    for line, problem in sorted(reader.problems):
        click.echo(f"a2acode: {path}:{line}: {problem}", err=True)
    if reader.problems:
        raise click.UsageError(f"nothing is done before {path} is mended")
    return reader.settings


@define(eq=False)
class Reader:
    """Reads on past each problem, and remembers it."""

    _text: str
    _environment: Mapping[str, str]
    _command: click.Command
    settings: dict[str, Any] = field(factory=dict)
    problems: list[tuple[int, str]] = field(factory=list)
    """Each with the line that it is in, as far as can be told."""

    def read(self, document: Any) -> None:
        """Read the whole file."""
        if not isinstance(document, dict):
            self.problems.append((1, "must be an object"))
            return
        known = {
            parameter.opts[0].removeprefix("--"): parameter
            for parameter in self._command.params
            if isinstance(parameter, click.Option) and parameter.name not in ("config", "limit")
        }
        for key, said in document.items():
            if key == TABLE:
                self._limits(said)
            elif (parameter := known.get(key.replace("_", "-"))) is not None:
                self._setting(key, said, parameter)
            else:
                self._wrong(key, f"is no setting{_perhaps(key, (*known, TABLE))}")

    def _setting(self, key: str, said: Any, parameter: click.Option) -> None:
        name = parameter.name or ""
        if name in self.settings:
            self._wrong(key, "is set twice")
        if not parameter.multiple:
            self.settings[name] = self._value(key, said, parameter)
        elif isinstance(said, list):
            self.settings[name] = [self._value(key, each, parameter) for each in said]
        else:
            self._wrong(key, "must be a list")

    def _value(self, key: str, said: Any, parameter: click.Option) -> Any:
        """A value as a flag would have it; a text stands for anything, as there."""
        kind = parameter.type
        natural: tuple[type, ...] = ()
        if isinstance(kind, click.types.BoolParamType):
            natural = (bool,)
        elif isinstance(kind, click.types.IntParamType):
            natural = (int,)
        elif isinstance(kind, click.types.FloatParamType):
            natural = (int, float)
        if type(said) is str:
            before = len(self.problems)
            said = fill(said, self._environment, partial(self._wrong, key))
            if len(self.problems) > before:
                return said
        elif type(said) not in natural:
            self._wrong(key, f"must be {_called(natural)}")
            return said
        try:
            kind.convert(said, parameter, click.Context(self._command))
        except click.BadParameter as exc:
            self._wrong(key, f"is not as it should be: {_without(exc.message, said)}")
        return said

    def _limits(self, said: Any) -> None:
        if not isinstance(said, dict):
            self._wrong(TABLE, "must be a table")
            return
        found = []
        for name, value in said.items():
            where = f"{TABLE}.{name}"
            if isinstance(value, str):
                value = fill(value, self._environment, partial(self._wrong, where))
            if amiss := _amiss(name, value):
                self._wrong(where, amiss)
            else:
                found.append((name, int(value)))
        self.settings["limit"] = found

    def _wrong(self, place: str, what: str) -> None:
        key = re.escape(place.rpartition(".")[2])
        spelled = rf"^[\s{{,]*[\"']?{key}[\"']?\s*[=:]|^\s*\[{key}\]"
        found = re.search(spelled, self._text, re.MULTILINE)
        start = found.start() + len(found[0]) - len(found[0].lstrip()) if found else 0
        self.problems.append((self._text.count("\n", 0, start) + 1, f"{place} {what}"))


class Origin(NamedTuple):
    """A setting's value, and where it was set."""

    value: Any
    origin: str


ORIGINS = {
    ParameterSource.COMMANDLINE: "flag",
    ParameterSource.ENVIRONMENT: "environment",
    ParameterSource.DEFAULT_MAP: "file",
}


def origin(ctx: click.Context, name: str) -> str:
    """Where a parameter was set."""
    source = ctx.get_parameter_source(name)
    return ORIGINS.get(source, "default") if source is not None else "default"


def limits(ctx: click.Context) -> Mapping[str, Origin]:
    """Each limit. What is set in several places counts where it goes before the others, limit by
    limit: a flag for one leaves what the file says of another.
    """
    variable = f"{ctx.auto_envvar_prefix}_LIMIT"
    layers: tuple[tuple[str, Iterable[Any]], ...] = (
        ("file", (ctx.default_map or {}).get("limit", ())),
        ("environment", os.environ.get(variable, "").split()),
        ("flag", ctx.params["limit"] if origin(ctx, "limit") == "flag" else ()),
    )
    found = {name: Origin(getattr(LIMITS, name), "default") for name in NAMES}
    for where, said in layers:
        for name, number in (one_limit(each) for each in said):
            found[name] = Origin(number, where)
    return found


def limits_of(ctx: click.Context) -> Limits:
    """The limits that a command was given."""
    return Limits(**{name: each.value for name, each in limits(ctx).items()})


def _perhaps(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name.replace("_", "-"), list(known), 1) or get_close_matches(
        name, list(known), 1
    )
    return f"; did you mean {close[0]}?" if close else ""


def _called(natural: tuple[type, ...]) -> str:
    if bool in natural:
        return "true or false"
    return "a number" if natural else "a text"


def _without(message: str, said: Any) -> str:
    """What click says, without the value: it may be a secret."""
    shown = message.replace(repr(said), "it").replace(str(said), "it") if str(said) else message
    return shown.rstrip(".")
