"""The files of the workspace, as an agent reads and writes them through us.

Nothing outside the workspace is touched, whatever links lead there. To read is routine; to write
is asked for with the whole change, and what is done is what was shown: if the file has become
another one meanwhile, it is not written. Nor is anything seen or written that the agent in its cage
could not see or write.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

import trio
from attrs import define, evolve

from a2abackends.acp.connection import Refused
from a2abackends.acp.gate import Gate, denial
from a2abackends.acp.requests import ReadFile, WriteFile
from a2abackends.acp.wire import NOT_FOUND
from a2abackends.beneath import Outside, Place, Unsuitable, open_place
from a2abackends.sandbox import Access, Cage
from a2acore.backend import FileChange, Location, Permission, ToolCall
from a2acore.errors import InternalError, InvalidParams

LARGEST = 8 * 1024 * 1024
"""Bytes of a file that is read or written."""

T = TypeVar("T")


@define(eq=False)
class Files:
    """The files of one turn."""

    _gate: Gate
    _cage: Cage

    @property
    def _root(self) -> Path:
        return self._gate.turn.workspace

    async def read(self, request: ReadFile) -> dict[str, str]:
        """fs/read_text_file.

        Raises:
            Refused: it is denied, or there is no such text in the workspace.
        """
        tool = ToolCall(
            uuid4().hex,
            f"Read {request.path}",
            "fs/read_text_file",
            "read",
            input=_given(request),
            locations=(Location(request.path, request.line or None),),
        )
        answer = await self._gate.ask(Permission(tool, routine=True))
        if not answer.allowed:
            raise denial("Reading", answer)
        data = await self._do(request.path, lambda place: place.read(LARGEST), "read")
        if data is None:
            raise Refused(NOT_FOUND, f"Resource not found: {request.path}")
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            why = f"{request.path} is not a text in UTF-8"
            raise Refused(InvalidParams.code, why) from error
        return {"content": _part(text, request.line, request.limit)}

    async def write(self, request: WriteFile) -> dict[str, str]:
        """fs/write_text_file.

        Raises:
            Refused: it is denied, or cannot be written in the workspace.
        """
        path, new = request.path, _encoded(request)
        old = await self._before(path)
        if old == new:  # as opencode tells of what it has written itself
            return {}
        change = _change(path, old, request.content)
        given = {"path": path, "content": request.content} if change.binary else {"path": path}
        tool = ToolCall(
            uuid4().hex,
            f"Write {path}",
            "fs/write_text_file",
            "edit",
            input=given,
            locations=(Location(path),),
        )
        self._gate.turn.say(tool)
        try:
            answer = await self._gate.ask(Permission(tool, changes=(change,)))
            if not answer.allowed:
                raise denial("Writing", answer)
            await self._replace(path, old, new)
        except Refused as refused:
            self._gate.turn.say(evolve(tool, status="failed", output=str(refused)))
            raise
        except trio.Cancelled:
            self._gate.turn.say(evolve(tool, status="cancelled"))
            raise
        self._gate.turn.say(change)
        self._gate.turn.say(evolve(tool, status="completed"))
        return {}

    async def _before(self, path: str) -> bytes | None:
        try:
            return await self._do(path, lambda place: place.read(LARGEST), "write")
        except Refused as refused:
            if refused.code == NOT_FOUND:
                return None
            raise

    async def _replace(self, path: str, old: bytes | None, new: bytes) -> None:
        def replace(place: Place) -> None:
            if place.read(LARGEST) != old:
                raise Unsuitable("has changed since this was asked for")
            place.write(new)

        await self._do(path, replace, "write", make=True)

    async def _do(
        self, path: str, do: Callable[[Place], T], needed: Access, *, make: bool = False
    ) -> T:
        """Do something with a file that the cage gives access to, in a thread."""

        def find_and_do() -> T:
            with open_place(self._root, path, make=make) as place:
                self._check(place, needed)
                return do(place)

        try:
            return await trio.to_thread.run_sync(find_and_do)
        except Outside as error:
            why = f"{path} is not in the workspace"
            raise Refused(InvalidParams.code, why) from error
        except Unsuitable as error:
            raise Refused(InvalidParams.code, f"{path} {error}") from error
        except FileNotFoundError as error:
            raise Refused(NOT_FOUND, f"Resource not found: {path}") from error
        except (OSError, ValueError) as error:  # a name that no file can have is a ValueError
            reason = error.strerror if isinstance(error, OSError) else str(error)
            raise Refused(InternalError.code, f"{path}: {reason}") from error

    def _check(self, place: Place, needed: Access) -> None:
        if self._cage.level == "full":
            return
        folder = os.readlink(f"/proc/self/fd/{place.folder}")
        access = self._cage.access(Path(folder, place.name))
        if access == "none":
            raise FileNotFoundError
        if needed == "write" and access != "write":
            raise Unsuitable(f"is read-only in the sandbox {self._cage.level!r}")


def _given(request: ReadFile) -> dict[str, str | int]:
    asked = {"path": request.path, "line": request.line, "limit": request.limit}
    return {name: value for name, value in asked.items() if value is not None}


def _part(text: str, line: int | None, limit: int | None) -> str:
    """Some lines of a text; each ends with its newline."""
    if line is None and limit is None:
        return text
    begin = max((line or 1) - 1, 0)
    end = None if limit is None else begin + limit
    lines = text.split("\n")
    part = "\n".join(lines[begin:end])
    return f"{part}\n" if end is not None and begin < end < len(lines) else part


def _encoded(request: WriteFile) -> bytes:
    try:
        data = request.content.encode()
    except UnicodeEncodeError as error:
        raise Refused(InvalidParams.code, f"The content is no text: {error}") from error
    if len(data) > LARGEST:
        raise Refused(InvalidParams.code, f"The content is larger than {LARGEST} bytes")
    return data


def _change(path: str, old: bytes | None, new: str) -> FileChange:
    try:
        before = None if old is None else old.decode()
    except UnicodeDecodeError:
        return FileChange(path, None, None, binary=True)
    return FileChange(path, before, new)
