"""One child process that speaks lines.

    async with open_child(command, cwd=workspace, env=env) as child:
        child.send(b'{"id": 1}')
        async for line in child:
            ...

Rules that hold inside:

- Nobody waits for the child. What is sent goes through a queue to one writer, so that no line is
  ever cut by a cancellation; a child that does not read is killed after a while.
- stderr is read from the first moment to the last, and its end is kept for the obituary.
- The child leads a process group. When the child is gone, by itself or by us, so is its group:
  the wrappers that agents are started by (npx, node) do not take their children with them.
- Leaving the block ends the child: politely first, and in bounded time.
"""

from __future__ import annotations

import codecs
import os
import re
import signal
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from subprocess import PIPE

import trio
from attrs import define, field

from a2abackends.lines import LineTooLong, Splitter
from a2acore.backend import AgentFailed
from a2acore.redaction import Flow, Redactor, secrets_of

LONGEST_LINE = 32 * 1024 * 1024
"""Bytes. Lines of 400 KB are ordinary (an image, a long diff); this is where memory is guarded."""
READ = 256 * 1024
"""Bytes asked for at once; a pipe seldom holds more than 64 KB."""
SLICE = 0.005
"""Seconds in which line may follow on line before others get their turn."""
OUTBOX = 1000
"""Lines that may wait to be written. A child that lets so many pile up no longer reads."""
OUTBOX_SIZE = 256 * 1024 * 1024
"""Bytes that may: a file that an agent reads through us is a line of up to 8 MB."""
WRITING = 60.0
"""Seconds in which a child has to take one line."""
EOF_GRACE = 3.0
"""Seconds to end after stdin was closed: codex-acp needs two, the others hardly any."""
TERM_GRACE = 2.0
"""Seconds to end after SIGTERM."""
KILL_GRACE = 5.0
"""Seconds to be reaped after SIGKILL: only a process stuck in the kernel takes longer."""
LINGER = 1.0
"""Seconds that a dead child is still listened to: whoever escaped its process group may
hold the pipe open for ever. And that one with a closed input may take to die of it."""
TAIL = 16 * 1024
"""Characters of stderr that are kept."""
LAST_WORDS = 20
"""Lines of stderr that an obituary quotes, and how long each may be."""
LAST_WORD = 500

_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])|\r")


@define(eq=False)
class Child:
    """A running child, to be had from `open_child`. Iterating yields its lines until it ends."""

    _process: trio.Process
    _redactor: Redactor
    exited: trio.Event = field(factory=trio.Event)
    """Set once the process has ended, its group was killed and its stderr was read."""
    _fault: str = ""
    _lines: deque[bytes] = field(factory=deque)
    _waiting: int = 0
    """Bytes that wait to be written."""
    _yielding: float = 0.0
    _splitter: Splitter = field(factory=lambda: Splitter(LONGEST_LINE))
    _stderr: str = ""
    """The end of it, fit to be shown."""
    _silent: trio.Event = field(factory=trio.Event)
    _services: trio.CancelScope = field(factory=lambda: trio.CancelScope(shield=True))
    _outbox: trio.MemorySendChannel[bytes] = field(init=False)
    _outgoing: trio.MemoryReceiveChannel[bytes] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._outbox, self._outgoing = trio.open_memory_channel(OUTBOX)

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, line: bytes) -> None:
        """Send one line, given without its newline.

        Never waits and never fails: that the child is gone is heard by reading.
        """
        if self._waiting + len(line) > OUTBOX_SIZE:
            self.kill(f"did not read its input ({OUTBOX_SIZE // 2**20} MB are waiting)")
            return
        try:
            self._outbox.send_nowait(line)
            self._waiting += len(line)
        except trio.WouldBlock:
            self.kill(f"did not read its input ({OUTBOX} lines are waiting)")
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        # One read may hold tens of thousands of lines, and nobody else is to wait for all of them.
        if trio.current_time() >= self._yielding:
            await trio.lowlevel.checkpoint()
            self._yielding = trio.current_time() + SLICE
        while not self._lines:
            self._lines.extend(await self._read())
        return self._lines.popleft()

    def kill(self, fault: str) -> None:
        """End the child and its group at once; `fault` completes the sentence "The agent ..."."""
        self._fault = self._fault or fault
        if self._process.returncode is None:
            self._signal(signal.SIGKILL)

    def obituary(self) -> str:
        """How the child ended: one line, and below it the last lines of its stderr."""
        return "\n".join([f"The agent {self._fate()}", *self.last_words()])

    def last_words(self) -> list[str]:
        """The last lines of stderr, without colours and secrets."""
        lines = [line for line in self._stderr.splitlines() if line.strip()]
        return [line[:LAST_WORD] for line in lines[-LAST_WORDS:]]

    def redact(self, text: str, most: int) -> str:
        """The first characters of a text of the child's, fit to be shown."""
        return _shown(text, partial(self._redactor.beginning, most=most))

    def _fate(self) -> str:
        code = self._process.returncode
        if self._fault:
            return self._fault
        if code is None:
            return "closed its output"
        if code < 0:
            return f"was killed by signal {-code} ({signal.strsignal(-code)})"
        return f"exited with code {code}"

    async def _read(self) -> list[bytes]:
        stdout = self._process.stdout
        assert stdout is not None
        try:
            data = bytes(await stdout.receive_some(READ))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            data = b""
        try:
            lines = self._splitter.feed(data) if data else self._splitter.rest()
        except LineTooLong as error:
            self.kill(f"sent {error}")
            raise StopAsyncIteration from error
        if not data and not lines:
            raise StopAsyncIteration
        return lines

    # What runs beside it

    async def _serve(self) -> None:
        # Shielded by `_services`: when all around is cancelled, the child still wants to say its
        # last words, and blocks if nobody reads them.
        with self._services:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write)
                nursery.start_soon(self._listen_to_stderr)
                nursery.start_soon(self._watch)

    async def _write(self) -> None:
        stdin = self._process.stdin
        assert stdin is not None
        try:
            async with self._outgoing:
                async for line in self._outgoing:
                    with trio.move_on_after(WRITING) as patience:
                        await stdin.send_all(line + b"\n")
                    if patience.cancelled_caught:
                        self.kill(f"did not read its input for {WRITING:.0f} s")
                        return
                    self._waiting -= len(line)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            with trio.move_on_after(LINGER):
                await self._process.wait()
            if self._process.returncode is None:
                self.kill("closed its input")
        finally:
            await trio.aclose_forcefully(stdin)

    async def _listen_to_stderr(self) -> None:
        stderr = self._process.stderr
        assert stderr is not None
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        flow = Flow(partial(_shown, redact=self._redactor))
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            while data := await stderr.receive_some(READ):
                heard = self._stderr + flow.feed(decoder.decode(bytes(data)))
                self._stderr = heard[-TAIL:]
        self._stderr += flow.rest()
        self._silent.set()

    async def _watch(self) -> None:
        await self._process.wait()
        self._signal(signal.SIGKILL)  # whoever is left of its group
        deadline = trio.current_time() + LINGER
        with trio.move_on_at(deadline):
            await self._silent.wait()
        self.exited.set()
        await trio.sleep_until(deadline)
        assert self._process.stdout is not None
        await trio.aclose_forcefully(self._process.stdout)

    async def _stop(self) -> None:
        self._outbox.close()  # the writer closes stdin behind the last line
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._discard)
            for wait, then in (
                (EOF_GRACE, signal.SIGTERM),
                (TERM_GRACE, signal.SIGKILL),
                (KILL_GRACE, None),
            ):
                with trio.move_on_after(wait):
                    await self.exited.wait()
                    break
                # Once it was waited for, its number may already be somebody else's.
                if then is not None and self._process.returncode is None:
                    self._signal(then)
            nursery.cancel_scope.cancel()
        self._services.cancel()
        for pipe in (self._process.stdout, self._process.stderr):
            assert pipe is not None
            await trio.aclose_forcefully(pipe)

    async def _discard(self) -> None:
        assert self._process.stdout is not None
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            while await self._process.stdout.receive_some(READ):
                pass

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


@asynccontextmanager
async def open_child(
    command: Sequence[str], *, cwd: Path, env: Mapping[str, str], secrets: Iterable[str] = ()
) -> AsyncIterator[Child]:
    """Start a child; leaving the block ends it, within ten seconds at the very most.

    `secrets` are such as it is told in another way than by its environment.

    Raises:
        AgentFailed: it cannot be started. One line: why.
    """
    try:
        process = await trio.lowlevel.open_process(
            list(command),
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            cwd=cwd,
            env=dict(env),
            start_new_session=True,
        )
    except OSError as error:
        raise AgentFailed(f"Cannot start {command[0]}: {_why(error, cwd)}") from error
    child = Child(process, Redactor(secrets_of(env, secrets)))
    async with open_background() as nursery:
        nursery.start_soon(child._serve)
        try:
            yield child
        finally:
            with trio.CancelScope(shield=True):
                await child._stop()


@asynccontextmanager
async def open_background() -> AsyncIterator[trio.Nursery]:
    """A nursery for what runs beside a block: it is cancelled when the block ends.

    What the block raises leaves as it is: whoever opens something is not to find its errors in a
    group because of tasks that it knows nothing of.
    """
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        try:
            yield nursery
        except Exception as error:
            failure = error
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


def _shown(text: str, redact: Callable[[str], str]) -> str:
    """A text without colours, and with `***` for what must not be told."""
    return redact(_ESCAPE.sub("", text).expandtabs(4))


def _why(error: OSError, cwd: Path) -> str:
    if error.filename == str(cwd) or error.filename == cwd:
        return f"its working directory {cwd} does not exist or is no directory"
    return (error.strerror or str(error)).lower()
