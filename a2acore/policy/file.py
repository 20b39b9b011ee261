"""The file of `--policy`, read: all of its mistakes at once, each with its place."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args

from attrs import define

from a2acore import tables
from a2acore.backend import ToolKind
from a2acore.policy import commands, places
from a2acore.policy.rules import Policy, Rule, Verdict
from a2acore.tables import Mistaken, Reading, at

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_HOST = re.compile(r"\*|(?:\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
_VERDICTS = get_args(Verdict)
_KINDS = get_args(ToolKind)
_CONDITIONS = ("tool", "kind", "command", "path", "host")


class BadPolicy(Mistaken):
    """A policy that cannot be kept to. Each of `mistakes` is one line: where, and what."""


def read_policy(file: Path) -> Policy:
    """The policy that a file holds.

    Raises:
        BadPolicy: it cannot be read, or it says what nobody could keep to.
    """
    given = tables.parse(file, BadPolicy)
    reading = _Reading(file)
    policy = reading.policy(given)
    if reading.mistakes:
        raise BadPolicy(reading.mistakes)
    return policy


@define
class _Reading(Reading):
    """What the tables of a file mean."""

    def policy(self, given: Mapping[str, Any]) -> Policy:
        self.known(given, "", ("default", "timeout", "timeout_says", "rules"))
        default: Verdict = self._one_of(given, "default", "", _VERDICTS) or "ask"
        time_limit, says = self._seconds(given), self.text(given, "timeout_says", "")
        if says and "timeout" not in given:
            self.wrong("timeout_says", "needs a timeout")
        rules = [self._rule(table, where) for table, where in self.tables(given, "rules")]
        names = [rule.name for rule in rules]
        for name in sorted({name for name in names if names.count(name) > 1}):
            self.wrong("rules", f"two of them have the name {name!r}")
        return Policy(tuple(rules), default, time_limit, says)

    def _rule(self, table: Mapping[str, Any], where: str) -> Rule:
        self.known(table, where, ("name", "verdict", "says", *_CONDITIONS))
        verdict: Verdict = self._one_of(table, "verdict", where, _VERDICTS) or "ask"
        if "verdict" not in table:
            self.wrong(where, f"needs a verdict: {' or '.join(_VERDICTS)}")
        if not any(name in table for name in _CONDITIONS):
            self.wrong(where, f"needs a condition ({', '.join(_CONDITIONS)}); for all, set default")
        if verdict == "allow" and "command" in table and ("path" in table or "host" in table):
            self.wrong(where, "never allows: what a command reaches cannot be read off it")
        if verdict != "deny" and "says" in table:
            self.wrong(f"{where}.says", "is for what is denied")
        allows = verdict == "allow"
        checks: dict[str, Callable[[str], str]] = {
            "tool": lambda text: "" if text else "must not be empty",
            "kind": lambda text: "" if text in _KINDS else f"must be of {', '.join(_KINDS)}",
            "command": _command,
            "path": lambda text: _path(text, allows=allows),
            "host": lambda text: "" if _HOST.fullmatch(text) else "must be example.com or *.a.com",
        }
        conditions = {
            name: self._patterns(table, name, where, check) for name, check in checks.items()
        }
        name = self.text(table, "name", where)
        if name in ("default", "routine") or name.startswith("rules["):
            self.wrong(f"{where}.name", f"{name!r} means something else already")
        return Rule(name or where, verdict, **conditions, says=self.text(table, "says", where))

    def _one_of(
        self, table: Mapping[str, Any], name: str, where: str, values: tuple[Any, ...]
    ) -> Any:
        value = table.get(name)
        if value is None or value in values:
            return value
        self.wrong(at(where, name), f"must be {' or '.join(values)}, not {value!r}")
        return None

    def _seconds(self, given: Mapping[str, Any]) -> float:
        if "timeout" not in given:
            return float("inf")
        found = re.fullmatch(r"([1-9][0-9]{0,5})([smhd])", str(given["timeout"]))
        if found is None:
            self.wrong("timeout", f'must be like "90s", "10m", "1h", not {given["timeout"]!r}')
            return 0
        return float(int(found[1]) * _SECONDS[found[2]])

    def _patterns(
        self, table: Mapping[str, Any], name: str, where: str, check: Callable[[str], str]
    ) -> tuple[str, ...]:
        value = table.get(name, [])
        many = value if isinstance(value, list) else [value]
        if name in table and not many:
            self.wrong(at(where, name), "must not be empty")
        for number, text in enumerate(many):
            place = f"{at(where, name)}[{number}]" if many is value else at(where, name)
            what = check(text) if isinstance(text, str) else "must be a text, or a list of texts"
            if what:
                self.wrong(place, f"{what}, not {text!r}")
        return tuple(text for text in many if isinstance(text, str))


def _command(text: str) -> str:
    try:
        commands.pattern(text)
    except ValueError as error:
        return str(error)
    return ""


def _path(text: str, *, allows: bool) -> str:
    pieces = places.segments(text)
    if not pieces or ".." in pieces or text.startswith("~") or not text.isprintable():
        return "must be a path below the workspace, or a glob for some"
    if allows and text.startswith("/"):
        return "must be below the workspace to be allowed"
    return ""
