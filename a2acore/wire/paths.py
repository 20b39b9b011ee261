"""From a path to the operation behind it, by a table."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import unquote

from a2acore.wire.dialect import Operation, Route

Table = Mapping[str, dict[str, Operation]]
"""Operations by path and verb. A `{name}` in a path is one segment, whatever is in it."""


class Paths:
    """The routes of one line. The first path of the table that fits decides.

    Each path exists behind every one of `prefixes` too, after all those without.
    """

    def __init__(self, table: Table, prefixes: Sequence[str] = ()) -> None:
        self._patterns = [
            (re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", prefix + path)), operations)
            for prefix in ("", *prefixes)
            for path, operations in table.items()
        ]

    def route(self, verb: str, path: str) -> Route | None:
        """The route that a request takes, if there is one. `path` is still percent-encoded."""
        operations, said = self._match(path)
        return Route(operations[verb], said) if verb in operations else None

    def verbs(self, path: str) -> frozenset[str]:
        """The verbs that a path takes, for a 405; none when there is no such path."""
        return frozenset(self._match(path)[0])

    def _match(self, path: str) -> tuple[Mapping[str, Operation], Mapping[str, str]]:
        """The operations at a path by verb, and what the path says."""
        for pattern, operations in self._patterns:
            match = pattern.fullmatch(path)
            if match is not None:
                try:
                    said = {k: unquote(v, errors="strict") for k, v in match.groupdict().items()}
                except UnicodeDecodeError:
                    break
                return operations, said
        return {}, {}
