"""Extensions: which ones a request activates, which ones it has to, and what it hears of ours.

Line 1.0 names them in `A2A-Extensions`, line 0.3 in `X-A2A-Extensions`; both are read on both,
since callers mix them up. What is not known here is ignored; no version of an extension is taken
for another (A2A 1.0.1 section 4.6.3).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

import msgspec
from attrs import frozen

from a2acore.errors import A2AError, ExtensionSupportRequired
from a2acore.http.exchange import Head
from a2acore.lifecycle import EXTENSION
from a2acore.model import AgentCard, Event
from a2acore.plain import plain
from a2acore.wire import v03
from a2acore.wire.dialect import NOTHING, Dialect, Operation

HEADERS = ("a2a-extensions", "x-a2a-extensions")

Served = Literal["always", "asked"]
"""Whom our extension is told to: everybody, or who names it in a request."""


@frozen
class Extensions:
    """What the card declares."""

    known: frozenset[str]
    required: frozenset[str]
    served: Served = "always"

    @classmethod
    def of(cls, card: AgentCard, served: Served = "always") -> Extensions:
        declared = card.capabilities.extensions
        return cls(
            frozenset(each.uri for each in declared),
            frozenset(each.uri for each in declared if each.required),
            served,
        )

    def activate(self, operation: Operation | None, head: Head) -> Sequence[str]:
        """The extensions that a request activates, in its order.

        Raises:
            ExtensionSupportRequired: it sends a message, and does not name one that is required.
        """
        said = [head.headers[name] for name in HEADERS if name in head.headers]
        named = [uri.strip() for each in said for uri in each.split(",")]
        missing = self.required.difference(named)
        if missing and operation in (Operation.SEND, Operation.STREAM):
            uris = ", ".join(sorted(missing))
            raise ExtensionSupportRequired(
                f"This agent requires {uris}; name it in the header A2A-Extensions",
                metadata={"missingExtensions": uris},
            )
        return [uri for uri in dict.fromkeys(named) if uri in self.known]

    def hears_plain(self, active: Collection[str]) -> bool:
        """Whether a request with these extensions hears A2A without ours."""
        return self.served == "asked" and EXTENSION not in active

    def echo(self, active: Collection[str], line: str) -> list[tuple[bytes, bytes]]:
        """The header that says which are active."""
        if not active:
            return []
        name = b"x-a2a-extensions" if line == v03.VERSION else b"a2a-extensions"
        return [(name, ", ".join(active).encode())]


class Plain:
    """A dialect that tells what another one does, without our extension."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self.version = dialect.version
        self.media_type = dialect.media_type

    def request(
        self,
        operation: Operation,
        body: msgspec.Raw | bytes,
        *,
        path: Mapping[str, str] = NOTHING,
        query: Mapping[str, str] = NOTHING,
    ) -> Any:
        return self._dialect.request(operation, body, path=path, query=query)

    def result(self, operation: Operation, value: Any) -> bytes:
        return self._dialect.result(operation, plain(value))

    @property
    def form(self) -> str:
        return f"{self._dialect.form}, plain"

    @property
    def envelope(self) -> tuple[bytes, bytes]:
        return self._dialect.envelope

    def frame(self, event: Event, *, final: bool) -> bytes:
        return self._dialect.frame(plain(event), final=final)

    def text(self, event: Event, *, final: bool = False) -> bytes:
        return self._dialect.text(plain(event), final=final)

    def refusal(self, error: A2AError) -> bytes:
        return self._dialect.refusal(error)

    def status(self, error: A2AError) -> int:
        return self._dialect.status(error)
