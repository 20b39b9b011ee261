"""The file of `--credentials`, read: all of its mistakes at once, each with its place.

Rule: no text of a mistake quotes a value that could be a secret. Somebody who puts a token where
its hash belongs is told so, and the log does not have it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from attrs import define

from a2acore import tables
from a2acore.credentials.principal import (
    SCOPES,
    USUAL,
    Credential,
    Credentials,
    Issuer,
    Principal,
    Scope,
)
from a2acore.credentials.secrets import Certificate, Password, Secret, Token
from a2acore.tables import Mistaken, Reading, at

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}")
"""No colon: `<issuer>:<name>` is somebody whom an issuer knows, and Basic ends a name there."""
_SECRETS: Mapping[str, Callable[[str], Secret]] = {
    "bearer": Token.read,
    "basic": Password.read,
    "certificate": Certificate.read,
}
_CALLER = ("name", *_SECRETS, "scopes", "expires")
_ISSUER = (
    "name",
    "issuer",
    "audience",
    "jwks",
    "claim",
    "scopes_claim",
    "scope_prefix",
    "scopes",
    "algorithms",
    "leeway",
)
_OURS = frozenset({"anonymous", "bearer"})
"""Names that this server gives itself: to all, where nobody has to be known, and to who shows the
one token of `--auth-token-file`."""
MOST_LEEWAY = 300.0
"""Seconds. Clocks that differ by more are broken."""


class BadCredentials(Mistaken):
    """Nobody can be let in by this. Each of `mistakes` is one line: where, and what."""


def is_name(text: str) -> bool:
    """Whether a caller can be called so."""
    return bool(_NAME.fullmatch(text)) and text not in _OURS


def read_credentials(file: Path) -> Credentials:
    """The credentials that a file holds.

    Raises:
        BadCredentials: it cannot be read, or something in it cannot be meant.
    """
    given = tables.parse(file, BadCredentials, secret=True)
    reading = _Reading(file)
    credentials = reading.credentials(given)
    if reading.mistakes:
        raise BadCredentials(reading.mistakes)
    return credentials


@define
class _Reading(Reading):
    """What the tables of a file mean."""

    def credentials(self, given: Mapping[str, Any]) -> Credentials:
        self.known(given, "", ("callers", "issuers"))
        callers = [self._caller(table, where) for table, where in self.tables(given, "callers")]
        issuers = [self._issuer(table, where) for table, where in self.tables(given, "issuers")]
        for what, each in (
            ("name", [issuer.name for issuer in issuers]),
            ("issuer", [issuer.issuer for issuer in issuers]),
        ):
            for twice in sorted({one for one in each if one and each.count(one) > 1}):
                self.wrong("issuers", f"two of them have the {what} {twice!r}")
        secrets = [each.secret for each in callers if each is not None]
        if len(set(secrets)) < len(secrets):
            self.wrong("callers", "two of them are let in by the same thing")
        return Credentials(tuple(each for each in callers if each is not None), tuple(issuers))

    def _caller(self, table: Mapping[str, Any], where: str) -> Credential | None:
        self.known(table, where, _CALLER)
        name, expires = self._name(table, where), self._moment(table, where)
        principal = Principal(name, self._scopes(table, where, USUAL), expires)
        kinds = [kind for kind in _SECRETS if kind in table]
        if len(kinds) != 1:
            self.wrong(where, f"needs one of {', '.join(_SECRETS)}; for another, write another")
            return None
        [kind] = kinds
        try:
            return Credential(_SECRETS[kind](str(table[kind])), principal)
        except ValueError as error:
            self.wrong(f"{where}.{kind}", str(error))
            return None

    def _issuer(self, table: Mapping[str, Any], where: str) -> Issuer:
        self.known(table, where, _ISSUER)
        usual = Issuer("", "", ())
        audience = self._texts(table, "audience", where)
        if not audience:
            self.wrong(where, "needs an audience: the name that its tokens call this server by")
        issuer, jwks = self.text(table, "issuer", where), self.text(table, "jwks", where)
        if "issuer" not in table:
            self.wrong(where, "needs an issuer: what its tokens say in iss")
        elif "jwks" not in table and (what := _unsafe(issuer)):
            self.wrong(f"{where}.issuer", f"{what}; or say where its keys are: jwks")
        if "://" in jwks and (what := _unsafe(jwks)):
            self.wrong(f"{where}.jwks", what)
        if jwks and "://" not in jwks:  # beside this file, wherever the server was started
            jwks = str(self.file.parent / jwks)
        algorithms = self._texts(table, "algorithms", where) or usual.algorithms
        for one in algorithms:
            if one not in usual.algorithms:
                known = ", ".join(usual.algorithms)
                self.wrong(f"{where}.algorithms", f"{one!r} is not taken; there are {known}")
        return Issuer(
            name=self._name(table, where),
            issuer=issuer,
            audience=audience,
            jwks=jwks,
            claim=self.text(table, "claim", where) or usual.claim,
            scopes_claim=self.text(table, "scopes_claim", where) or usual.scopes_claim,
            scope_prefix=self._prefix(table, where, usual.scope_prefix),
            scopes=self._scopes(table, where, usual.scopes),
            algorithms=algorithms,
            leeway=self._leeway(table, where, usual.leeway),
        )

    def _name(self, table: Mapping[str, Any], where: str) -> str:
        name = table.get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            self.wrong(at(where, "name"), "must be letters, digits and . _ @ + -, 128 at most")
            return ""
        if name in _OURS:
            self.wrong(at(where, "name"), f"{name!r} means something else already")
        return name

    def _prefix(self, table: Mapping[str, Any], where: str, usual: str) -> str:
        """What scopes begin with: nothing at all, where an issuer knows no scopes but ours."""
        if table.get("scope_prefix") == "":
            return ""
        return self.text(table, "scope_prefix", where) or usual

    def _texts(self, table: Mapping[str, Any], name: str, where: str) -> tuple[str, ...]:
        """A text, or a list of them."""
        value = table.get(name, [])
        many = value if isinstance(value, list) else [value]
        if not all(isinstance(each, str) and each and each.isprintable() for each in many):
            self.wrong(at(where, name), "must be a text, or a list of texts")
            return ()
        if name in table and not many:
            self.wrong(at(where, name), "must not be empty")
        return tuple(many)

    def _scopes(
        self, table: Mapping[str, Any], where: str, usual: frozenset[Scope]
    ) -> frozenset[Scope]:
        if "scopes" not in table:
            return usual
        value = table["scopes"]
        if not isinstance(value, list) or not all(each in SCOPES for each in value):
            self.wrong(at(where, "scopes"), f"must be a list of {', '.join(SCOPES)}")
            return frozenset()
        return frozenset(cast("list[Scope]", value))

    def _moment(self, table: Mapping[str, Any], where: str) -> float | None:
        value = table.get("expires")
        if value is None:
            return None
        if not isinstance(value, datetime) or value.tzinfo is None:
            self.wrong(
                at(where, "expires"), "must be a date and time with its zone: 2030-01-31T00:00:00Z"
            )
            return None
        return value.timestamp()

    def _leeway(self, table: Mapping[str, Any], where: str, usual: float) -> float:
        value = table.get("leeway", usual)
        if isinstance(value, bool) or not isinstance(value, int | float):
            value = -1
        if not 0 <= value <= MOST_LEEWAY:
            self.wrong(at(where, "leeway"), f"must be seconds, from 0 to {MOST_LEEWAY:g}")
        return float(value)


def _unsafe(url: str) -> str:
    """Why keys are not fetched from there; nothing if they can be."""
    try:
        place = urlsplit(url)
        place.port  # noqa: B018  it raises
    except ValueError:
        return "is no URL"
    if place.scheme == "http" and place.hostname in ("localhost", "127.0.0.1", "::1"):
        return ""
    if place.scheme != "https" or not place.hostname or "@" in place.netloc:
        return "must be an https URL, or an http URL of this machine"
    return ""
