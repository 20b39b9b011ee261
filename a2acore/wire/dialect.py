"""What a protocol line has to be able to do: one `Dialect` per line and binding.

A dialect turns bytes into requests of `a2acore.model` and answers into bytes. It is the only thing
that knows how its line spells methods, paths and members. It decides nothing: no task is looked up
in here, no clock read, nothing awaited.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from a2acore.errors import A2AError
from a2acore.model import Event


class Operation(enum.Enum):
    """What a caller can ask of a server, on any line and binding."""

    __hash__ = object.__hash__  # each is one of a kind; that of `Enum` is slow

    SEND = "send"
    STREAM = "stream"
    GET = "get"
    LIST = "list"
    CANCEL = "cancel"
    SUBSCRIBE = "subscribe"
    SET_PUSH = "set_push"
    GET_PUSH = "get_push"
    LIST_PUSH = "list_push"
    DELETE_PUSH = "delete_push"
    EXTENDED_CARD = "extended_card"


STREAMING = frozenset({Operation.STREAM, Operation.SUBSCRIBE})

NOTHING: Mapping[str, str] = {}


class Dialect(Protocol):
    """One line, on one binding, for one request."""

    version: str
    """`Major.Minor` of the line."""
    media_type: str
    """The content type of its answers that are no streams."""

    @property
    def envelope(self) -> tuple[bytes, bytes]:
        """What stands before and behind an event in the data of a stream."""
        ...

    @property
    def form(self) -> str:
        """The form that it writes events in: many requests have one form."""
        ...

    def request(
        self,
        operation: Operation,
        body: msgspec.Raw | bytes,
        *,
        path: Mapping[str, str] = NOTHING,
        query: Mapping[str, str] = NOTHING,
    ) -> Any:
        """Decode what a caller asks into the request struct of `a2acore.model`.

        An empty `body` means that none was given. `path` and `query` are what a route and a query
        string said (HTTP+JSON only), percent-decoded; `path` is keyed by the field names of the
        struct, `query` as it was spelled on the wire.

        Raises:
            InvalidParams: it does not fit; the violations name the members as this line spells
                them.
            ParseError: the body is not JSON (HTTP+JSON; on JSON-RPC the envelope was read before).
        """
        ...

    def result(self, operation: Operation, value: Any) -> bytes:
        """The body that answers an operation with what the service returned."""
        ...

    def frame(self, event: Event, *, final: bool) -> bytes:
        """One event of a stream, as the data of one server-sent event: its text in the envelope.

        `final` says that the stream ends after this event.
        """
        ...

    def text(self, event: Event, *, final: bool = False) -> bytes:
        """An event as it stands in the envelope: the same in all dialects of one form."""
        ...

    def refusal(self, error: A2AError) -> bytes:
        """The body that refuses a request, or the data of the event that breaks off a stream."""
        ...

    def status(self, error: A2AError) -> int:
        """The HTTP status that goes with a refusal."""
        ...


class Route(msgspec.Struct, frozen=True):
    """An HTTP+JSON route that matched: its operation and what its path says."""

    operation: Operation
    path: Mapping[str, str]
    """By the field names of the request struct: `id`, `task_id`, `tenant`."""


class Sending(msgspec.Struct, frozen=True):
    """An HTTP request that asks for an operation, relative to the URL of an interface."""

    verb: str
    path: str
    """Percent-encoded, with its query string; empty on JSON-RPC."""
    body: bytes
    headers: Mapping[str, str]


class ClientDialect(Protocol):
    """The same line and binding from the other side, for the client."""

    version: str
    binding: str

    def ask(self, operation: Operation, request: Any) -> Sending:
        """The HTTP request for an operation, from its request struct of `a2acore.model`."""
        ...

    def answer(self, operation: Operation, status: int, body: bytes) -> Any:
        """What the operation returned, in the structs of `a2acore.model`.

        Raises:
            A2AError: the server refused; the class is found by code, name or status.
            InvalidAgentResponse: the body is no answer to this operation.
        """
        ...

    def event(self, data: bytes) -> Event:
        """One event of a stream. Raises like `answer`."""
        ...
