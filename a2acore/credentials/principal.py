"""Who somebody is to this server, and what they may do.

Scopes say what; the name says whose: who starts a task owns it. Credentials only lead to a name, so
they can be changed for others while the tasks stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

from attrs import field, frozen

from a2acore.credentials.secrets import Password, Secret

Scope = Literal["read", "run", "approve", "admin"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
"""What a caller may do:

- `read`: see tasks, hear them, see their webhooks; the extended card
- `run`: start tasks, cancel them, set and delete their webhooks
- `approve`: answer what a task asks
- `admin`: all that, and see and cancel the tasks of all callers
"""
DISCOVERY = "/.well-known/openid-configuration"
"""Where an issuer says how it works (OpenID Connect Discovery 1.0, section 4)."""
ALL: frozenset[Scope] = frozenset(SCOPES)
USUAL: frozenset[Scope] = ALL - {"admin"}
"""What somebody may do of whom nothing is said."""


@frozen
class Principal:
    """Somebody who is known, for as long as one credential lasts."""

    name: str
    scopes: frozenset[Scope] = USUAL
    expires: float | None = None
    """Seconds since 1970."""


@frozen
class Credential:
    """One way in: what is shown for it, and who comes in by it."""

    secret: Secret
    principal: Principal


@frozen
class Issuer:
    """Somebody whose word counts: who comes with a token of theirs is known as they say.

    The tokens are JWTs, signed with a key of the set at `jwks`.
    """

    name: str
    issuer: str
    """What `iss` has to be, to the letter."""
    audience: tuple[str, ...]
    """What `aud` has to name, one of them."""
    jwks: str = ""
    """A URL or a file; empty where the issuer says it itself (OpenID Connect Discovery 1.0)."""
    claim: str = "sub"
    """Where a token says who it is."""
    scopes_claim: str = "scope"
    scope_prefix: str = "a2acode:"
    """What our scopes begin with in a token, among those of others."""
    scopes: frozenset[Scope] = frozenset()
    """What somebody may do whose token names none of our scopes."""
    algorithms: tuple[str, ...] = ("RS256", "PS256", "ES256", "ES384", "EdDSA")
    leeway: float = 30.0
    """Seconds that their clock and ours may differ."""

    @property
    def configuration(self) -> str:
        """Where the issuer says where its keys are; empty where we were told."""
        return "" if self.jwks else self.issuer.rstrip("/") + DISCOVERY


@frozen
class Credentials:
    """All that lets somebody in."""

    callers: tuple[Credential, ...] = ()
    issuers: tuple[Issuer, ...] = ()
    _principals: Mapping[Secret, Principal] = field(init=False, repr=False, eq=False)
    _passwords: Mapping[str, tuple[Password, ...]] = field(init=False, repr=False, eq=False)

    @_principals.default
    def _index(self) -> Mapping[Secret, Principal]:
        return {each.secret: each.principal for each in self.callers}

    @_passwords.default
    def _by_name(self) -> Mapping[str, tuple[Password, ...]]:
        found: dict[str, tuple[Password, ...]] = {}
        for each in self.callers:
            if isinstance(each.secret, Password):
                name = each.principal.name
                found[name] = (*found.get(name, ()), each.secret)
        return found

    def principal(self, secret: Secret) -> Principal | None:
        """Who comes in by this, whether or not it has expired."""
        return self._principals.get(secret)

    def passwords(self, name: str) -> tuple[Password, ...]:
        """All that somebody may come in by: two of them while one takes the other's place."""
        return self._passwords.get(name, ())

    def has(self, kind: type[Secret]) -> bool:
        """Whether anybody comes in by such a thing."""
        return any(isinstance(each.secret, kind) for each in self.callers)
