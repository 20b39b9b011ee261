"""Which store a URL means.

memory:                      in memory, until the process ends
sqlite:////var/lib/a.sqlite  in that file
sqlite:///tasks.sqlite       in a file beside where the process was started
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from a2acore.store.memory import MemoryStore
from a2acore.store.port import Store
from a2acore.store.terms import KEEP, BadStore, Keep

__all__ = ["BadStore", "Keep", "default_url", "files_of", "open_store", "path_of", "state_folder"]

MEMORY = "memory:"
SQLITE = "sqlite:///"


@asynccontextmanager
async def open_store(url: str, *, keep: Keep = KEEP) -> AsyncIterator[Store]:
    """The store that a URL means, inside the block. One in memory keeps what it does by itself.

    Raises:
        BadStore: there is none, or nothing can be kept in it; it says what to do.
    """
    path = path_of(url)
    if path is None:
        yield MemoryStore()
        return
    from a2acore.store.sqlite import open_sqlite  # loads SQLite, which a store in memory is without

    async with open_sqlite(path, keep=keep) as store:
        yield store


def path_of(url: str) -> Path | None:
    """The file that a store is in, absolute; nothing if it is in memory.

    Raises:
        BadStore: the URL means no store. It is not quoted, as it may hold a password.
    """
    if url == MEMORY:
        return None
    scheme = url.partition(":")[0]
    if scheme in ("postgres", "postgresql"):
        raise BadStore("PostgreSQL is not spoken to yet; name a file, as sqlite:////PATH")
    path = url.removeprefix(SQLITE)
    if path == url or not path or path.endswith("/") or path == ":memory:" or "\0" in path:
        raise BadStore("a store is sqlite:////PATH, sqlite:///RELATIVE-PATH, or memory:")
    return Path(path).absolute()


def files_of(url: str) -> tuple[Path, ...]:
    """Where there is what a server has kept: nobody else's business, nor that of its agents.

    Raises:
        BadStore: the URL means no store.
    """
    path = path_of(url)
    if path is None:
        return (state_folder(),)
    beside = (path.with_name(path.name + end) for end in ("-wal", "-shm", ".lock"))
    return (state_folder(), path, *beside)


def default_url(workspace: Path, agent: Sequence[str]) -> str:
    """The store of an agent in a workspace, where nobody names one: a file of its own."""
    said = "\0".join((str(workspace.resolve()), *agent))
    name = re.sub(r"[^\w.-]+", "-", workspace.resolve().name).strip(".-")[:40] or "store"
    key = hashlib.sha256(said.encode(errors="surrogateescape")).hexdigest()[:12]
    return f"{SQLITE}{state_folder() / f'{name}-{key}.sqlite'}"


def state_folder() -> Path:
    """Where this platform has programs keep what they go on with, and of that our own folder.

    A folder that XDG_STATE_HOME names counts if it is absolute (XDG Base Directory Specification
    0.8, "All paths set in these environment variables must be absolute").
    """
    named = Path(os.environ.get("XDG_STATE_HOME", ""))
    if named.is_absolute():
        return named / "a2acode"
    usual = "Library/Application Support" if sys.platform == "darwin" else ".local/state"
    return Path.home() / usual / "a2acode"
