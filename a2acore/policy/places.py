"""Where a tool would reach: files of the machine, hosts of the network.

As with commands there are two readings. To allow, everything that may be a place has to be one that
is understood, and within what the rule names. To deny, whatever looks like the place is enough.

Symbolic links are followed as they lie when it is decided. What puts them elsewhere a moment later
is stopped by a sandbox, and by nothing here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from a2acore.policy.glob import ANY, fits

_ODD = re.compile(r"[*?$\\]|^~")
"""In a path, what the agent's tool may take for more than a name."""
_GIT = ".git"
_URL = re.compile(r"https?://([a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::\d{1,5})?(?:[/?#].*)?", re.I)
_AFTER_SCHEME = re.compile(r"://(?:[^/?#@\s]*@)?([^/?#:\s\"'\\]+)")
# Each try begins where a word does: from within it, a long one would be read again and again.
_NAME = re.compile(r"(?<![\w-])[\w-]++(?:\.[\w-]+)+|\blocalhost\b|\[[\da-fA-F:.]+\]")


def segments(path: str) -> tuple[str, ...]:
    """The pieces of a path, or of a pattern for one."""
    return tuple(part for part in path.split("/") if part not in ("", "."))


def inside(path: str, workspace: Path) -> tuple[str, ...] | None:
    """A path as its segments below the workspace, links followed; `None` if it is not surely there.

    The workspace itself has none.
    """
    path = path.removeprefix("file://")
    if not path or not path.isprintable() or _ODD.search(path):
        return None
    try:
        root = workspace.resolve()
        return (root / path).resolve().relative_to(root).parts
    except (ValueError, OSError, RuntimeError):  # outside; no file name; links in a circle
        return None


def may_reach(path: str, patterns: Sequence[str], workspace: Path) -> bool:
    """Whether a path is surely inside the workspace, and fits a pattern as it is written there.

    What lies in `.git` makes git run programs: it fits only what names it.
    """
    parts = inside(path, workspace)
    if parts is None:
        return False
    git = any(part.casefold() == _GIT for part in parts)
    for pattern in patterns:
        pieces = segments(pattern)
        if git and _GIT not in pieces:
            continue
        if pieces[-1:] == (ANY,):  # what is below, and not the folder
            pieces = (*pieces, "*")
        if fits(parts, pieces):
            return True
    return False


def reaches(path: str, patterns: Sequence[str], workspace: Path) -> bool:
    """Whether a path, as it is written or where it leads, fits a pattern, in whatever case."""
    ways = list(_ways(path, workspace))
    for pattern in patterns:
        pieces = tuple(map(_folded, segments(pattern)))
        absolute = pattern.startswith("/")
        for relative, parts in ways:
            if (relative != absolute or pieces[:1] == (ANY,)) and fits(parts, pieces):
                return True
    return False


def _ways(path: str, workspace: Path) -> Iterator[tuple[bool, tuple[str, ...]]]:
    """Each way to write a path: whether it is relative to the workspace, and its segments."""
    path = path.removeprefix("file://")
    try:
        if path.startswith("~"):
            path = str(Path(path).expanduser())
        root = workspace.resolve()
        for whole in {Path(_normal(root / path)), (root / path).resolve()}:
            yield False, tuple(map(_folded, whole.parts[1:]))
            if whole.is_relative_to(root):
                yield True, tuple(map(_folded, whole.relative_to(root).parts))
    except (ValueError, OSError, RuntimeError):
        yield True, tuple(map(_folded, segments(path)))


def _normal(path: Path) -> str:
    parts: list[str] = []
    for part in path.parts[1:]:
        if part == "..":
            del parts[-1:]
        else:
            parts.append(part)
    return "/" + "/".join(parts)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


def host(url: str) -> str | None:
    """The host of a URL of which nobody could think that it leads elsewhere; else `None`."""
    found = _URL.fullmatch(url) if url.isascii() and url.isprintable() and " " not in url else None
    if found is None or "\\" in url or ".." in found[1]:
        return None
    return found[1].lower()


def hosts(text: str) -> set[str]:
    """Whatever in a text looks like the name of a host, or stands in the place of one."""
    found = {*_AFTER_SCHEME.findall(text), *_NAME.findall(text)}
    return {name.rstrip(".").casefold() for name in found}


def is_host(name: str, patterns: Sequence[str]) -> bool:
    """Whether a host is one of those: `example.com` itself, `*.example.com` any below it."""
    return any(
        pattern in ("*", name)
        or (pattern.startswith("*.") and name.endswith(pattern[1:]) and name != pattern[1:])
        for pattern in patterns
    )
