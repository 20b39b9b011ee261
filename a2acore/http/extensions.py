"""Extensions: which ones a request activates, and which ones it has to.

Line 1.0 names them in `A2A-Extensions`, line 0.3 in `X-A2A-Extensions`; both are read on both,
since callers mix them up. What is not known here is ignored; no version of an extension is taken
for another (A2A 1.0.1 section 4.6.3).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from attrs import frozen

from a2acore.errors import ExtensionSupportRequired
from a2acore.http.exchange import Head
from a2acore.model import AgentCard
from a2acore.wire import v03
from a2acore.wire.dialect import Operation

HEADERS = ("a2a-extensions", "x-a2a-extensions")


@frozen
class Extensions:
    """What the card declares."""

    known: frozenset[str]
    required: frozenset[str]

    @classmethod
    def of(cls, card: AgentCard) -> Extensions:
        declared = card.capabilities.extensions
        return cls(
            frozenset(each.uri for each in declared),
            frozenset(each.uri for each in declared if each.required),
        )

    def activate(self, operation: Operation, head: Head) -> Sequence[str]:
        """The extensions that a request activates, in its order.

        Raises:
            ExtensionSupportRequired: it sends a message, and does not name one that is required.
        """
        named = [uri.strip() for name in HEADERS for uri in head.headers.get(name, "").split(",")]
        missing = self.required.difference(named)
        if missing and operation in (Operation.SEND, Operation.STREAM):
            uris = ", ".join(sorted(missing))
            raise ExtensionSupportRequired(
                f"This agent requires {uris}; name it in the header A2A-Extensions",
                metadata={"missingExtensions": uris},
            )
        return [uri for uri in dict.fromkeys(named) if uri in self.known]

    def echo(self, active: Collection[str], line: str) -> list[tuple[bytes, bytes]]:
        """The header that says which are active."""
        if not active:
            return []
        name = b"x-a2a-extensions" if line == v03.VERSION else b"a2a-extensions"
        return [(name, ", ".join(active).encode())]
