"""Which line of the protocol a request speaks.

A caller declares it (header or query `A2A-Version`), and shows it by how it spells a method or a
path. The two must agree. "Agents MUST interpret empty value as 0.3 version" (A2A 1.0.1 section
3.6.2), so a caller of 1.0 that declares nothing is refused, unless `lenient` believes its spelling.

    declared    method of 1.0    method of 0.3    path of 1.0      path of 0.3
    1.0         1.0              no such method   1.0              refused
    0.3         refused          0.3              refused (1.0)    0.3
    nothing     refused (1.0)    0.3              refused (1.0)    0.3
    other       refused          refused          refused          refused

In brackets: what `lenient` makes of it. Refused means VersionNotSupported. What neither line has is
not found, whatever was declared, unless that is no version of ours.
"""

from __future__ import annotations

import re
from typing import Literal, NamedTuple, Protocol

from a2acore.errors import MethodNotFound, VersionNotSupported
from a2acore.wire import v03, v10
from a2acore.wire.dialect import Operation, Route

LINES = (v10.VERSION, v03.VERSION)
"""What is spoken here, the newest first."""

NAME = "A2A-Version"

SHOWN = 80
"""How much of what a caller made up is told back, in characters."""

_VERSION = re.compile(r"(\d+\.\d+)(?:\.\d+)?", re.ASCII)


class Call(NamedTuple):
    """What a JSON-RPC request asks for, and on which line."""

    line: str
    operation: Operation


class Request(NamedTuple):
    """What an HTTP+JSON request asks for, and on which line."""

    line: str
    route: Route


class OtherVerb(MethodNotFound):
    """There is such a path, for other verbs: HTTP 405."""

    status = status_03 = 405
    default = "Method not allowed"

    def __init__(self, verbs: frozenset[str]) -> None:
        super().__init__(f"Method not allowed; possible here: {', '.join(sorted(verbs))}")
        self.verbs = verbs


class Named(Protocol):
    """Headers or a query, of whatever make."""

    def get(self, name: str, default: str, /) -> str: ...


def declared(headers: Named, query: Named) -> str | None:
    """The version that a caller declares, as `Major.Minor`; as it is when it has another form.

    The headers are found under names in lower case, and count before the query. "Patch version
    numbers [...] MUST not be considered when clients and servers negotiate" (section 3.6).
    """
    said = headers.get(NAME.lower(), "").strip() or query.get(NAME, "").strip()
    match = _VERSION.fullmatch(said)
    return match[1] if match else said or None


def json_rpc(declared: str | None, method: str, *, lenient: bool = False) -> Call:
    """The line and the operation of a JSON-RPC request.

    Raises:
        VersionNotSupported: the caller declares a line that is not spoken, or not the one it uses.
        MethodNotFound: the line has no such method.
    """
    _check_spoken(declared)
    if declared != v10.VERSION and method in v03.METHODS:
        return Call(v03.VERSION, v03.METHODS[method])
    if method in v10.METHODS:
        if declared == v10.VERSION or (declared is None and lenient):
            return Call(v10.VERSION, v10.METHODS[method])
        raise _other_line(declared, v10.VERSION)
    raise MethodNotFound(f"Method not found: {method[:SHOWN]!r}")


def lineless(declared: str | None) -> str:
    """The line on which a method of no line is answered: the one declared, or else the newest.

    Raises:
        VersionNotSupported: the caller declares a line that is not spoken.
    """
    _check_spoken(declared)
    return declared or LINES[0]


def http_json(declared: str | None, verb: str, path: str, *, lenient: bool = False) -> Request:
    """The line and the route of an HTTP+JSON request. `path` is percent-encoded.

    Raises:
        VersionNotSupported: the caller declares a line that is not spoken, or not the one it uses.
        OtherVerb: the path is there, but not for this verb.
        MethodNotFound: the line has no such path.
    """
    _check_spoken(declared)
    # `/v1/` is how line 0.3 begins, so that no tenant of line 1.0 can be called `v1`.
    room = v03 if path.startswith("/v1/") else v10
    route = room.route(verb, path)
    if route is None and not room.verbs(path):
        raise MethodNotFound("There is nothing at this path")
    if (declared or v03.VERSION) != room.VERSION and not (lenient and room is v10):
        raise _other_line(declared, room.VERSION)
    if route is None:
        raise OtherVerb(room.verbs(path))
    return Request(room.VERSION, route)


Form = Literal["merged", "1.0", "0.3"]


def card_form(declared: str | None, default: Form) -> Form:
    """The form of the agent card for a caller.

    Who declares a line that is not spoken here gets the default: the card is where it learns what
    is.
    """
    match declared:
        case "1.0" | "0.3":
            return declared
    return default


def _check_spoken(declared: str | None) -> None:
    if declared not in (None, *LINES):
        spoken = " and ".join(LINES)
        raise _refused(declared, f"Protocol version not supported; spoken here: {spoken}")


def _other_line(declared: str | None, line: str) -> VersionNotSupported:
    return _refused(declared, f"This belongs to version {line}; send {NAME}: {line}")


def _refused(declared: str | None, message: str) -> VersionNotSupported:
    metadata = {
        "requestedVersion": (declared or v03.VERSION)[:SHOWN],
        "supportedVersions": ",".join(LINES),
    }
    return VersionNotSupported(message, metadata=metadata)
