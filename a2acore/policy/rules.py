"""Rules on what an agent may do without being asked, and the verdict that they come to.

Rule 1: the first rule that matches decides; if none does, the default.
Rule 2: a rule that allows matches when it can be read for sure that all of its conditions hold, for
    everything that the tool would do. One that denies or asks matches when any of it does.
Rule 3: where a rule that denies or asks cannot be told to hold or not, nothing behind it is allowed
    any more: the caller is asked.
Rule 4: what is decided here counts once.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from attrs import field, frozen

from a2acore.backend import Option, Permission
from a2acore.policy import commands, places
from a2acore.policy.glob import fits
from a2acore.policy.tool import Tool, look

Verdict = Literal["allow", "ask", "deny"]

MOST = 200
"""Paths that are looked at, each on the disk: of more it is not known where they lead."""
_BETWEEN_WORDS = re.compile(r"[\s'\"=:;,&|<>()`]+")
_TOUCHES_FILES = frozenset({"read", "edit", "delete", "move"})


@frozen
class Rule:
    """A verdict on what all of its conditions describe; an empty condition is none.

    Of the patterns of one condition any may fit.
    """

    name: str
    """What decisions call it."""
    verdict: Verdict
    tool: tuple[str, ...] = ()
    """Globs for the tool's name."""
    kind: tuple[str, ...] = ()
    """Kinds, of `backend.ToolKind`."""
    command: tuple[str, ...] = ()
    """The words of a program: each a glob, the last may be `*` for any number of them."""
    path: tuple[str, ...] = ()
    """Globs for paths below the workspace: `*` within one name, `**` over any number of folders."""
    host: tuple[str, ...] = ()
    """`example.com`, `*.example.com` for all below it, `*`."""
    says: str = ""
    """What an agent is told that is denied."""

    def covers(self, tool: Tool, workspace: Path) -> bool:
        """Whether everything that a tool would do is surely what the rule describes."""
        return not tool.vast and all(
            covers(tool, patterns, workspace) for patterns, covers, _ in self._conditions()
        )

    def touches(self, tool: Tool, workspace: Path) -> bool | None:
        """Whether anything that a tool would do is what the rule describes; `None` if it may be."""
        found = [touches(tool, patterns, workspace) for patterns, _, touches in self._conditions()]
        if tool.vast:
            return True if all(found) else None
        return False if False in found else None if None in found else True

    def _conditions(self) -> list[tuple[tuple[str, ...], _Covers, _Touches]]:
        every = (
            (self.tool, _covers_name, _touches_name),
            (self.kind, _covers_kind, _touches_kind),
            (self.command, _covers_command, _touches_command),
            (self.path, _covers_path, _touches_path),
            (self.host, _covers_host, _touches_host),
        )
        return [condition for condition in every if condition[0]]


@frozen
class Decision:
    """What became of a permission, and which rule said so."""

    verdict: Verdict
    rule: str
    says: str = ""
    option: Option | None = None
    """What to pick of the agent's options, where it gives some."""


@frozen
class Policy:
    """What is decided without the caller. The one without rules asks for all but the routine."""

    rules: Sequence[Rule] = ()
    default: Verdict = "ask"
    time_limit: float = field(default=float("inf"))
    """Seconds that the caller has for an answer; then it is no."""
    time_limit_says: str = ""
    """What an agent is told that waited for an answer in vain."""

    def decide(self, permission: Permission, workspace: Path) -> Decision:
        """The verdict on a permission; `ask` leaves it to the caller."""
        tool = look(permission)
        doubtful = ""
        for rule in self.rules:
            if rule.verdict == "allow":
                holds: bool | None = not doubtful and rule.covers(tool, workspace)
            else:
                holds = rule.touches(tool, workspace)
            if holds:
                return _once(Decision(rule.verdict, rule.name, rule.says), permission)
            if holds is None:
                doubtful = doubtful or rule.name
        if self.default == "deny":
            return Decision("deny", "default")
        if doubtful:
            return Decision("ask", doubtful)
        if permission.routine:
            return _once(Decision("allow", "routine"), permission)
        return _once(Decision(self.default, "default"), permission)


def _once(decision: Decision, permission: Permission) -> Decision:
    """The decision, with the option that counts once; the caller decides where there are others."""
    if decision.verdict != "allow" or not permission.options:
        return decision
    for option in permission.options:
        if option.kind == "allow_once":
            return Decision("allow", decision.rule, decision.says, option)
    return Decision("ask", decision.rule)


# The conditions: what each means for a rule that allows, and for one that does not

_Covers = Callable[[Tool, Sequence[str], Path], bool]
_Touches = Callable[[Tool, Sequence[str], Path], bool | None]


def _covers_name(tool: Tool, patterns: Sequence[str], workspace: Path) -> bool:
    return bool(tool.name) and any(fnmatchcase(tool.name, glob) for glob in patterns)


def _touches_name(tool: Tool, patterns: Sequence[str], workspace: Path) -> bool | None:
    if not tool.name:
        return None
    return any(fnmatchcase(tool.name.casefold(), glob.casefold()) for glob in patterns)


def _covers_kind(tool: Tool, patterns: Sequence[str], workspace: Path) -> bool:
    return tool.kinds <= set(patterns)


def _touches_kind(tool: Tool, patterns: Sequence[str], workspace: Path) -> bool | None:
    return not tool.kinds.isdisjoint(patterns)


def _covers_command(tool: Tool, patterns: Sequence[str], workspace: Path) -> bool:
    if not tool.commands or tool.fed:
        return False
    if any(places.inside(folder, workspace) is None for folder in tool.folders):
        return False
    lines = [commands.plain(command) for command in tool.commands]
    globs = [commands.pattern(pattern) for pattern in patterns]
    return all(line and any(fits(line, glob) for glob in globs) for line in lines)


def _touches_command(tool: Tool, patterns: Sequence[str], workspace: Path) -> bool | None:
    globs = [commands.pattern(pattern) for pattern in patterns]
    found = [commands.runs(command, glob) for command in tool.commands for glob in globs]
    return _any(found)


def _covers_path(tool: Tool, patterns: Sequence[str], workspace: Path) -> bool:
    # What a command touches cannot be read off it.
    return (
        0 < len(tool.paths) <= MOST
        and not tool.commands
        and all(places.may_reach(path, patterns, workspace) for path in tool.paths)
    )


def _touches_path(tool: Tool, patterns: Sequence[str], workspace: Path) -> bool | None:
    words = {word for text in tool.texts for word in _BETWEEN_WORDS.split(text) if word}
    paths = sorted({*tool.paths, *words})
    if any(places.reaches(path, patterns, workspace) for path in paths[:MOST]):
        return True
    unknown = not tool.paths and not tool.kinds.isdisjoint(_TOUCHES_FILES)
    return None if unknown or len(paths) > MOST else False


def _covers_host(tool: Tool, patterns: Sequence[str], workspace: Path) -> bool:
    # What a command talks to cannot be read off it, either.
    if not tool.urls or tool.commands:
        return False
    found = {places.host(url) for url in tool.urls}
    for text in {*tool.texts} - {*tool.urls}:
        found |= places.hosts(text)
    return all(host is not None and places.is_host(host, patterns) for host in found)


def _touches_host(tool: Tool, patterns: Sequence[str], workspace: Path) -> bool | None:
    found = {host for text in tool.texts for host in places.hosts(text)}
    if any(places.is_host(host, patterns) for host in found):
        return True
    return None if "fetch" in tool.kinds and not found else False


def _any(found: Sequence[bool | None]) -> bool | None:
    return True if True in found else None if None in found else False
