"""What an agent tells of a tool that it asks a permission for, sorted by what rules are about.

Agents report the input of a tool in members of their own naming. The known names count for sure;
what stands under others counts too, where it looks like a command, a path or a URL: to overlook
one could allow it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from attrs import frozen

from a2acore.backend import Permission
from a2acore.policy.commands import Command
from a2acore.policy.glob import names

_COMMANDS = frozenset({"command", "cmd"})
_ARGUMENTS = frozenset({"args", "arguments", "argv"})
_ENVIRONMENT = frozenset({"env", "environment"})
_FOLDERS = frozenset({"cwd", "workdir", "workingdirectory", "workingdir"})
_FED = frozenset({"stdin", "input"})
_PATHS = names(
    "path paths file files filepath filename notebookpath absolutepath relativepath dir dirpath "
    "directory folder source src from destination dest to oldpath newpath movepath output "
    "outputfile outputpath root uri target"
)
_URLS = frozenset({"url", "urls", "uri", "host", "hostname", "domain", "server", "endpoint"})
_CONTENT = names(
    "content contents filetext text oldtext newtext oldstring newstring oldstr newstr inserttext "
    "newsource diff unifieddiff description prompt explanation reason instructions title"
)
"""Members that hold what is written or said, and not where."""
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.I)


MOST = 50_000
"""Characters that are looked at, each value counting `VALUE` more. The server does nothing else
meanwhile."""
VALUE = 16


@frozen
class Tool:
    """A tool, as a rule sees it. What is in none of these is no business of a rule's."""

    name: str
    kinds: frozenset[str]
    """Its kind, and what else it does by what is known of it: a kind is the agent's word alone."""
    commands: tuple[Command, ...]
    fed: bool
    """A command is given more than its words: an environment, an input."""
    folders: tuple[str, ...]
    """Where a command would run."""
    paths: tuple[str, ...]
    """Whatever may be a path."""
    texts: tuple[str, ...]
    """Every other text that is short, and not content."""
    urls: tuple[str, ...]
    vast: bool = False
    """There is more to it than is looked at, so that nothing about it is sure."""


def look(permission: Permission) -> Tool:
    """Sort what a permission tells of its tool."""
    tool = permission.tool
    commands: list[Command] = []
    folders = [permission.cwd] if permission.cwd else []
    paths = [place.path for place in tool.locations]
    paths += [path for each in permission.changes for path in (each.path, each.moved_from) if path]
    texts: list[str] = []
    urls: list[str] = []
    fed = bool(permission.env)
    left = MOST
    for key, value, beside in _members(tool.input):
        left -= _length(key, value)
        if left < 0:
            break
        if key in _COMMANDS:
            commands.append(_command(value, beside))
        elif key in _ENVIRONMENT or key in _FED:
            fed = fed or bool(value)
        if not isinstance(value, str) or key in _CONTENT:
            continue
        if key in _FOLDERS:
            folders.append(value)
        if "://" in value or key in _URLS:
            urls.append(value)
        if key in _PATHS or (key not in _COMMANDS | _FOLDERS and _like_a_path(value)):
            paths.append(value)
        texts.append(value)
    if tool.kind == "execute" and not commands:
        commands = [tool.input if isinstance(tool.input, str) else None]
    texts += [word for command in commands if isinstance(command, tuple) for word in command]
    kinds = {
        tool.kind,
        *(["execute"] if commands else []),
        *(["edit"] if permission.changes else []),
    }
    return Tool(
        tool.name,
        frozenset(kinds),
        tuple(commands),
        fed,
        tuple(folders),
        tuple(paths),
        tuple(texts),
        tuple(url for url in urls if not url.startswith("file://")),
        left < 0,
    )


Members = list[tuple[str, Any]]


def _members(given: Any) -> Iterator[tuple[str, Any, Members]]:
    """Every value in an input, however deep: the name that it stands under, it, and its siblings.

    A name that is a path is given as a value too: codex tells its changes so.
    """
    left: list[tuple[str, Any, Members]] = [("", given, [])]
    while left:
        key, value, beside = left.pop()
        yield key, value, beside
        if isinstance(value, dict):
            inner = [(_known_as(str(name)), each) for name, each in value.items()]
            left += [(name, each, inner) for name, each in inner]
            left += [("path", str(name), []) for name in value if _like_a_path(str(name))]
        elif isinstance(value, list | tuple) and key not in _COMMANDS:
            left += [(key, each, []) for each in value]


def _length(key: str, value: Any) -> int:
    """What it takes to look at a value, before anything in it is looked at."""
    if isinstance(value, str):
        return VALUE + (0 if key in _CONTENT else len(value))
    return VALUE * (1 + len(value)) if isinstance(value, dict | list | tuple) else VALUE


def _known_as(name: str) -> str:
    """`file_path`, `filePath` and `file-path` are one name."""
    return re.sub(r"[\W_]", "", name).casefold()


def _like_a_path(text: str) -> bool:
    if _SCHEME.match(text) and not text.startswith("file:"):
        return False
    return "/" in text or "\\" in text or text.startswith((".", "~"))


def _command(value: Any, beside: Members) -> Command:
    arguments = [more for name, more in beside if name in _ARGUMENTS and more]
    if isinstance(value, str) and not arguments:
        return value
    words = [value] if isinstance(value, str) else value
    for more in arguments:
        words = [*words, *more] if isinstance(words, list) and isinstance(more, list) else None
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        return None
    return tuple(words)
