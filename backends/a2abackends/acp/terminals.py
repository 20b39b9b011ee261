"""Commands that an agent has us run.

Each is asked for with all that decides what it does. It runs in the workspace with a small
environment of its own: what the server knows is not the command's business. Its output is kept from
the end backwards. It dies with its terminal, and the terminal with the turn, with all that it has
started.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import trio
from attrs import define, evolve, field

from a2abackends.acp.connection import Refused
from a2abackends.acp.gate import Gate, denial
from a2abackends.acp.requests import CreateTerminal
from a2abackends.acp.tools import LONGEST_OUTPUT
from a2abackends.acp.wire import NOT_FOUND
from a2abackends.sandbox import Cage
from a2abackends.tree import fresh_mark, kill_tree
from a2acore.backend import Permission, ToolCall, ToolStatus
from a2acore.errors import InternalError, InvalidParams, InvalidRequest

MOST = 16
"""Terminals that may be open at once."""
USUAL_OUTPUT = 1024 * 1024
LARGEST_OUTPUT = 8 * 1024 * 1024
"""Bytes of output that are kept where the agent does not say how many, and at the very most."""
READ = 64 * 1024
LINGER = 0.5
"""Seconds that the output of a command is waited for when it has ended: what it has left running
may hold it open for ever."""
TELLING = 1.0
"""Seconds between two words on what a command has put out while it runs."""
EXCERPT = 4096
"""Characters of it that are told then; all that is kept is told at the end."""
REAPING = 2.0
"""Seconds to be reaped after SIGKILL."""
PASSED_ON = frozenset({"PATH", "HOME", "LANG", "TMPDIR", "TERM", "SHELL", "USER", "TZ"})
"""What a command gets of the server's environment, beside `LC_*`."""


@define(eq=False)
class Terminal:
    """One command, from its start to its release."""

    tool: ToolCall
    limit: int
    process: trio.Process
    mark: Mapping[str, str]
    released: trio.Event = field(factory=trio.Event)
    ended: trio.Event = field(factory=trio.Event)
    """Set when the command has ended and its output is there."""
    silent: trio.Event = field(factory=trio.Event)
    """Set when nobody is left who could put out more."""
    news: trio.Event = field(factory=trio.Event)
    """Set when it has put out more than was told."""
    killed: bool = False
    truncated: bool = False
    _kept: bytearray = field(factory=bytearray)

    def keep(self, data: bytes | bytearray) -> None:
        self.news.set()
        self._kept += data
        if len(self._kept) > self.limit:
            del self._kept[: len(self._kept) - self.limit]
            self.truncated = True

    @property
    def output(self) -> str:
        """What is kept, as text of no more bytes than the limit."""
        text = _from_boundary(self._kept).decode(errors="replace")
        encoded = text.encode()
        if len(encoded) <= self.limit:
            return text
        # What is no text takes more room written out than it took itself.
        return _from_boundary(encoded[len(encoded) - self.limit :]).decode()

    @property
    def exit_status(self) -> dict[str, Any] | None:
        """How the command has ended, if it has."""
        code = self.process.returncode
        if code is None:
            return None
        if code < 0:
            return {"exitCode": None, "signal": signal.Signals(-code).name}
        return {"exitCode": code, "signal": None}

    async def kill(self) -> None:
        """End it, and all that it has started; to look for those takes a moment, in a thread."""
        reaped = self.process.returncode is not None
        self.killed = self.killed or not reaped
        kill = partial(kill_tree, self.process.pid, self.mark, reaped=reaped)
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(kill)

    def glimpse(self) -> ToolCall:
        """The call while it runs."""
        # A character takes no more than four bytes, and the first one may be cut.
        end = _from_boundary(self._kept[-4 * EXCERPT :])
        return evolve(self.tool, output=end.decode(errors="replace")[-EXCERPT:])

    def view(self) -> ToolCall:
        """The call as it has ended."""
        code = self.process.returncode
        status: ToolStatus = "completed" if code == 0 else "failed"
        return evolve(
            self.tool,
            status="cancelled" if self.killed else status,
            output=self.output[-LONGEST_OUTPUT:],
            exit_code=None if code is None or code < 0 else code,  # a signal gives none
        )


@define(eq=False)
class Terminals:
    """The terminals of one turn."""

    _gate: Gate
    _nursery: trio.Nursery
    _environment: Mapping[str, str]
    _cage: Cage
    _open: dict[str, Terminal] = field(factory=dict)
    _coming: int = 0
    """Those that are asked for."""

    async def create(self, request: CreateTerminal) -> dict[str, str]:
        """terminal/create.

        Raises:
            Refused: it is denied, or cannot be started.
        """
        if len(self._open) + self._coming >= MOST:
            why = f"{MOST} terminals are open; release one first"
            raise Refused(InvalidRequest.code, why)
        self._coming += 1
        try:
            return {"terminalId": await self._create(request)}
        finally:
            self._coming -= 1

    async def output(self, terminal_id: str) -> dict[str, Any]:
        """terminal/output."""
        terminal = self._find(terminal_id)
        said = {"output": terminal.output, "truncated": terminal.truncated}
        status = terminal.exit_status
        return said if status is None else {**said, "exitStatus": status}

    async def wait_for_exit(self, terminal_id: str) -> dict[str, Any]:
        """terminal/wait_for_exit."""
        terminal = self._find(terminal_id)
        await terminal.ended.wait()
        return terminal.exit_status or {}

    async def kill(self, terminal_id: str) -> dict[str, Any]:
        """terminal/kill: what it has put out can still be had."""
        await self._find(terminal_id).kill()
        return {}

    async def release(self, terminal_id: str) -> dict[str, Any]:
        """terminal/release: it is killed and forgotten."""
        terminal = self._find(terminal_id)
        del self._open[terminal_id]
        terminal.released.set()
        await terminal.kill()
        await terminal.ended.wait()
        return {}

    def _find(self, terminal_id: str) -> Terminal:
        try:
            return self._open[terminal_id]
        except KeyError:
            raise Refused(NOT_FOUND, f"Resource not found: terminal {terminal_id}") from None

    async def _create(self, request: CreateTerminal) -> str:
        args, given = request.args or [], _environment(request)
        cwd = self._folder(request.cwd)
        tool = ToolCall(
            uuid4().hex,
            shlex.join([request.command, *args]),
            "terminal/create",
            "execute",
            input={"command": request.command, "args": args},
        )
        say = self._gate.turn.say
        say(tool)
        try:
            answer = await self._gate.ask(Permission(tool, cwd=cwd, env=given))
            if not answer.allowed:
                raise denial("The command", answer)
            mark = fresh_mark()
            env = {**self._passed_on(), **given, **mark}
            with trio.CancelScope(shield=True):  # a matter of milliseconds; half a process is none
                command = self._cage.wrap([request.command, *args])
                process = await _start(command, self._folder(cwd), env)
        except Refused as refused:
            say(evolve(tool, status="failed", output=str(refused)))
            raise
        except trio.Cancelled:
            say(evolve(tool, status="cancelled"))
            raise
        running = evolve(tool, status="in_progress")
        wanted = request.output_byte_limit
        limit = USUAL_OUTPUT if wanted is None else min(wanted, LARGEST_OUTPUT)
        terminal = Terminal(running, limit, process, mark)
        terminal_id = f"terminal-{uuid4().hex}"
        self._open[terminal_id] = terminal
        self._nursery.start_soon(self._keep, terminal)
        say(running)
        return terminal_id

    async def _keep(self, terminal: Terminal) -> None:
        """See a command to its end, and all of it to the end of its terminal or of the turn."""
        process = terminal.process
        assert process.stdout is not None
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._listen, terminal, process.stdout)
                nursery.start_soon(self._tell, terminal)
                await process.wait()
                with trio.move_on_after(LINGER):
                    await terminal.silent.wait()
                self._tell_end(terminal)
                await terminal.released.wait()
                nursery.cancel_scope.cancel()
        finally:
            await terminal.kill()
            with trio.move_on_after(REAPING, shield=True):
                await process.wait()
            self._tell_end(terminal)
            await trio.aclose_forcefully(process.stdout)

    async def _listen(self, terminal: Terminal, stdout: trio.abc.ReceiveStream) -> None:
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            while data := await stdout.receive_some(READ):
                terminal.keep(data)
                self._gate.alive()
        terminal.silent.set()

    async def _tell(self, terminal: Terminal) -> None:
        """Say what it puts out while it runs, now and then."""
        while True:
            await terminal.news.wait()
            await trio.sleep(TELLING)
            if terminal.ended.is_set():
                return
            terminal.news = trio.Event()
            self._gate.turn.say(terminal.glimpse())

    def _tell_end(self, terminal: Terminal) -> None:
        if not terminal.ended.is_set():
            terminal.ended.set()
            self._gate.turn.say(terminal.view())

    def _passed_on(self) -> dict[str, str]:
        return {
            name: value
            for name, value in self._environment.items()
            if name in PASSED_ON or name.startswith("LC_")
        }

    def _folder(self, given: str | None) -> str:
        """Where a command is to run, links resolved."""
        root = os.path.realpath(self._gate.turn.workspace)
        try:
            folder = os.path.realpath(Path(root, given or root))
        except ValueError as error:
            raise Refused(InvalidParams.code, f"cwd {given!r}: {error}") from error
        if folder != root and not folder.startswith(f"{root.rstrip('/')}/"):
            raise Refused(InvalidParams.code, f"cwd {given} is not in the workspace")
        if not os.path.isdir(folder):
            raise Refused(InvalidParams.code, f"cwd {given} is no folder")
        return folder


async def _start(command: Sequence[str], cwd: str, env: Mapping[str, str]) -> trio.Process:
    try:
        return await trio.lowlevel.open_process(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=env,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise Refused(NOT_FOUND, f"Resource not found: command {command[0]}") from error
    except (OSError, ValueError) as error:
        raise Refused(InternalError.code, f"Cannot start {command[0]}: {error}") from error


def _environment(request: CreateTerminal) -> dict[str, str]:
    """What the agent wants set."""
    given = {variable.name: variable.value for variable in request.env or ()}
    for name in given:
        if not name or "=" in name:
            raise Refused(InvalidParams.code, f"{name!r} is no name of a variable")
    return given


def _from_boundary(data: bytes | bytearray) -> bytes:
    """UTF-8 whose head was cut off, from its first whole character on."""
    start = 0
    while start < min(3, len(data)) and data[start] & 0xC0 == 0x80:
        start += 1
    return bytes(data[start:])
