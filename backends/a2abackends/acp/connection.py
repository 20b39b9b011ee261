"""JSON-RPC with one child: calls in both directions, one reader.

The reader hears every message in the order in which it was sent, and what it hears is dealt with
before the next one is read. So when an answer is there, everything that was said before it has been
passed on; and what is said behind it is heard when whoever waited for the answer has taken it.
"""

from __future__ import annotations

import json
from typing import Any, Protocol, TypeVar

import msgspec
import trio
from attrs import define, field
from msgspec import UNSET

from a2abackends.process import Child
from a2acore import jsonrpc
from a2acore.backend import AgentFailed
from a2acore.errors import InvalidRequest
from a2acore.jsonrpc import Failure, Fault, Notification, Request, Response, RpcId

EXITING = 2.0
"""Seconds between the end of a child's output and its own, before it is killed."""
DEPTH = 64
"""How deep a message may nest. What an agent says stands a dozen levels deeper in a task, and few
readers of that go beyond a hundred."""
LONGEST_QUESTION = 4 * 1024 * 1024
"""Bytes. Somebody is to look at it as a whole, and others wait until it is laid out for that."""
WORDS = 4000
"""Characters of an error that are told: an error is not where an agent puts its work."""

T = TypeVar("T")


class CallFailed(AgentFailed):
    """The agent answered with an error; its words, and its code."""

    stop_reason = "error"

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class Refused(Exception):
    """The answer to a request of the agent's is an error. `str(error)` is for its model to read,
    `data` any JSON."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.data = data


class Client(Protocol):
    """Whom a connection tells what the agent says of its own accord."""

    async def heard(self, method: str, params: msgspec.Raw) -> None:
        """Take a notification."""
        ...

    async def asked(self, id: RpcId, method: str, params: msgspec.Raw) -> None:
        """Take a request; see to it that `Connection.reply` is called for it."""
        ...


@define(eq=False)
class Call:
    """A call of ours that is on its way."""

    ended: trio.Event = field(factory=trio.Event)
    _result: msgspec.Raw | None = None
    _error: Exception | None = None

    async def result(self, shape: type[T]) -> T:
        """The result, once it is there.

        Raises:
            CallFailed: the agent answered with an error.
            AgentFailed: the agent is gone, or its answer makes no sense.
        """
        await self.ended.wait()
        if self._error is not None:
            raise self._error
        assert self._result is not None
        try:
            return msgspec.json.decode(self._result, type=shape)
        except msgspec.DecodeError as error:
            raise AgentFailed(
                f"The agent's answer makes no sense: {error}", stop_reason="error"
            ) from error

    def succeed(self, result: msgspec.Raw) -> None:
        self._result = result
        self.ended.set()

    def fail(self, error: Exception) -> None:
        """End it from our side; the first end counts."""
        if not self.ended.is_set():
            self._error = error
            self.ended.set()


@define(eq=False)
class Connection:
    """A conversation with one agent, for as long as `run` runs."""

    _child: Child
    _client: Client
    _calls: dict[RpcId, Call] = field(factory=dict)
    _count: int = 0
    _gone: AgentFailed | None = None

    def call(self, method: str, params: Any) -> Call:
        """Call the agent. Never waits: the call can be waited for."""
        call = Call()
        if self._gone is not None:
            call.fail(self._gone)
            return call
        self._count += 1
        self._calls[self._count] = call
        self._child.send(jsonrpc.request(self._count, method, params))
        return call

    def notify(self, method: str, params: Any) -> None:
        self._child.send(jsonrpc.notification(method, params))

    def reply(self, id: RpcId, reply: Any) -> None:
        """Answer a request: with a result, or with `Refused`."""
        if isinstance(reply, Refused):
            data = UNSET if reply.data is None else reply.data
            self._child.send(jsonrpc.failure(id, reply.code, str(reply), data))
        else:
            self._child.send(jsonrpc.response(id, reply))

    async def run(self) -> None:
        """Listen until the child has ended; then, or when cancelled, all calls end too."""
        end = AgentFailed("The agent was stopped")
        try:
            async for line in self._child:
                await self._read(line)
            with trio.move_on_after(EXITING):
                await self._child.exited.wait()
            if not self._child.exited.is_set():
                self._child.kill("closed its output")
            end = AgentFailed(self._child.obituary())
        finally:
            self._gone = end
            for call in self._calls.values():
                call.fail(end)

    async def _read(self, line: bytes) -> None:
        # Many an agent, and what it is started by, has a word for people on stdout.
        if not line.lstrip().startswith(b"{"):
            return
        try:
            message = _message(line)
        except jsonrpc.TooDeep as error:
            self._decline(error)
            return
        except jsonrpc.Unreadable:
            return
        match message:
            case Notification(method, params):
                await self._client.heard(method, params)
            case Request(id, _, params) if len(params) > LONGEST_QUESTION:
                most = f"{LONGEST_QUESTION // 2**20} MB"
                why = f"Nobody can look at more than {most} at once"
                self.reply(id, Refused(InvalidRequest.code, why))
            case Request(id, method, params):
                await self._client.asked(id, method, params)
            case Response(id, result):
                if (call := self._calls.pop(id, None)) is not None:
                    call.succeed(result)
                    await _let_it_be_taken()
            case Failure(id, fault):
                if (call := self._calls.pop(id, None)) is not None:
                    call.fail(self._failure(fault))

    def _decline(self, error: jsonrpc.TooDeep) -> None:
        """Do without what a message says, but let nobody wait for it."""
        match error.message:
            case Request(id):
                self.reply(id, Refused(InvalidRequest.code, str(error)))
            case Response(id) if (call := self._calls.pop(id, None)) is not None:
                why = f"The agent's answer makes no sense: {error}"
                call.fail(AgentFailed(why, stop_reason="error"))
            case Failure(id, fault) if (call := self._calls.pop(id, None)) is not None:
                call.fail(self._failure(Fault(fault.code, fault.message)))

    def _failure(self, fault: Fault) -> CallFailed:
        return CallFailed(self._child.redact(_words(fault), WORDS), fault.code)


async def _let_it_be_taken() -> None:
    """Let whoever waits for an answer go first."""
    # They are to run from now on, and so are we behind a checkpoint, but in which order nobody
    # knows. Behind a second one they have had their turn.
    await trio.lowlevel.checkpoint()
    await trio.lowlevel.checkpoint()


def _message(line: bytes) -> jsonrpc.Message:
    """The message on a line.

    Raises:
        TooDeep: it is one of which no more can be read than what it is.
        Unreadable: there is none.
    """
    try:
        return jsonrpc.read_message(line, DEPTH)
    except jsonrpc.TooDeep:
        raise
    except jsonrpc.Unreadable:
        return jsonrpc.read_message(_mended(line), DEPTH)


def _mended(line: bytes) -> bytes:
    """What is nearly JSON, as JSON: JavaScript cuts texts in the middle of a character, Python
    writes NaN, and what a tool has put out is not always UTF-8."""
    try:
        said = json.loads(line.decode(errors="replace"), parse_constant=lambda name: None)
        return json.dumps(said, ensure_ascii=False).encode(errors="replace")
    except (ValueError, RecursionError):
        return line


def _words(fault: Fault) -> str:
    """What an error says; the details are where the agents put what really happened."""
    message = fault.message or f"error {fault.code}"
    try:
        data = msgspec.json.decode(fault.data) if fault.data else None
    except msgspec.DecodeError:
        data = None
    details = data.get("details") if isinstance(data, dict) else data
    if isinstance(details, str) and details and details not in message:
        return f"{message}: {details}"
    return message
