"""Everybody who is known: who comes in by what a request shows, and for how long.

The file may change while we run. Who is still in it notices nothing; requests and streams of who is
not, or no longer may as much, end at once. So do those of a credential when it expires.

Rule 1: one thing counts. A request that shows two credentials shows none; one with a header
    `Authorization` is judged by that, whatever certificate its connection has.
Rule 2: what takes long (scrypt, an issuer) is waited for by those alone who need it.
"""

from __future__ import annotations

import base64
import logging
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

import trio
from attrs import define, evolve, field, frozen

from a2acore.asgi import Scope
from a2acore.credentials import (
    ALL,
    BadCredentials,
    Credential,
    Credentials,
    Issuer,
    Password,
    Principal,
    Token,
    read_credentials,
)
from a2acore.credentials.secrets import (
    SHORTEST_HASH,
    SHORTEST_SALT,
    N,
    P,
    R,
    Secret,
    Verified,
)
from a2acore.middleware.tokens import BadToken, Jwt, KeyMissing
from a2acore.refusal import Refusal
from a2acore.tls import PEER

if TYPE_CHECKING:
    from a2acore.middleware.keyring import Keyring

POLL = 2.0
"""Seconds from one look at the file to the next."""
CHECKS = 2
"""Passwords that are checked at once. Each takes a thread, and up to 128 MiB."""
WAITING = 16
"""Passwords that may wait for that: a few seconds of work."""
TOKENS = 4096
"""Tokens of issuers that are remembered as good."""

LONGEST_PASSWORD = 1024
"""Bytes of a password."""
NOBODY = Password(N, R, P, bytes(SHORTEST_SALT), bytes(SHORTEST_HASH))
"""What the password of who is nobody is held against, so that the time does not tell them apart."""

log = logging.getLogger(__name__)


class Stranger(Exception):
    """Nobody who is known. The text says why, for the log, and quotes nothing."""

    def __init__(self, why: str, *, token: bool = False, nothing: bool = False) -> None:
        super().__init__(why)
        self.token = token
        """Whether a bearer token was shown, and is wrong."""
        self.nothing = nothing
        """Whether nothing was shown: somebody who does not know better yet."""


class TooManyPasswords(Refusal):
    """More passwords wait to be checked than will be checked soon."""

    def __init__(self) -> None:
        super().__init__(429, "Too many passwords are being checked; try again later")


@frozen
class Admitted:
    """Who comes in, by what, and how long that itself is good, in seconds since 1970."""

    principal: Principal
    by: Secret | Issuer
    until: float = inf

    @property
    def end(self) -> float:
        """When they are to leave."""
        expires = self.principal.expires
        return self.until if expires is None else min(expires, self.until)


@define(eq=False)
class Roster:
    """Everybody who is known. Made by `open_roster`."""

    credentials: Credentials
    _nursery: trio.Nursery
    on_change: Callable[[], None] = lambda: None
    """Called when other credentials have taken the place of those there were."""
    _keyrings: dict[Issuer, Keyring] = field(factory=dict)
    _words: dict[bytes, tuple[object, Admitted]] = field(factory=dict)
    """Tokens that an issuer has vouched for, by their digest, and the keys that proved it."""
    _verified: Verified = field(factory=lambda: Verified(secrets.token_bytes(32)))
    _checks: trio.CapacityLimiter = field(factory=lambda: trio.CapacityLimiter(CHECKS))
    _inside: dict[trio.CancelScope, Admitted] = field(factory=dict)

    async def admit(self, scope: Scope) -> Admitted:
        """Who sends a request.

        Raises:
            Stranger: nobody who is known, or not any more.
            TooManyPasswords: it cannot be said now.
        """
        shown = [value for name, value in scope["headers"] if name == b"authorization"]
        if len(shown) > 1:
            raise Stranger("two credentials are shown")
        if not shown:
            admitted = self._by_certificate(scope)
        else:
            scheme, _, rest = shown[0].partition(b" ")
            match scheme.lower():
                case b"bearer":
                    admitted = await self._by_token(rest.strip())
                case b"basic":
                    admitted = await self._by_password(rest.strip())
                case _:
                    raise Stranger("the scheme of its Authorization is none of ours")
        if self._still(admitted) is None:
            raise Stranger("it was withdrawn while it was looked at")
        if time.time() >= admitted.end:
            raise Stranger("it has expired", token=isinstance(admitted.by, Token | Issuer))
        return admitted

    @contextmanager
    def inside(self, admitted: Admitted) -> Iterator[trio.CancelScope]:
        """Be inside, for as long as what one was admitted by is good."""
        with trio.CancelScope(deadline=_deadline(admitted)) as scope:
            self._inside[scope] = admitted
            try:
                yield scope
            finally:
                del self._inside[scope]

    def replace(self, credentials: Credentials) -> None:
        """Let other credentials take the place of those there are."""
        self.credentials = credentials
        for issuer in self._keyrings.keys() - set(credentials.issuers):
            del self._keyrings[issuer]
        self._words.clear()
        for scope, admitted in self._inside.items():
            still = self._still(admitted)
            if still is None:
                scope.cancel()
            else:
                scope.deadline = _deadline(evolve(admitted, principal=still))
        self.on_change()

    def _still(self, admitted: Admitted) -> Principal | None:
        """Who somebody is now, if they may still do all that they might when they came."""
        then = admitted.principal
        if isinstance(admitted.by, Issuer):
            return then if admitted.by in self.credentials.issuers else None
        now = self.credentials.principal(admitted.by)
        same = now is not None and now.name == then.name and now.scopes >= then.scopes
        return now if same else None

    def _by_certificate(self, scope: Scope) -> Admitted:
        peer = scope.get(PEER)
        if peer is None:
            raise Stranger("no credential is shown", nothing=True)
        found = {
            name: principal
            for name in peer.names
            if (principal := self.credentials.principal(name)) is not None
        }
        if len(found) != 1:
            raise Stranger("its certificate is nobody's, or that of several")
        [(name, principal)] = found.items()
        return Admitted(principal, name, peer.until)

    async def _by_token(self, given: bytes) -> Admitted:
        secret = Token.of(given)
        principal = self.credentials.principal(secret)
        if principal is not None:
            return Admitted(principal, secret)
        if not self.credentials.issuers or given.count(b".") != 2:
            raise Stranger("its token is nobody's", token=True)
        try:
            return await self._by_word(secret.digest, given.decode("ascii"))
        except (BadToken, UnicodeDecodeError) as exc:
            why = exc if isinstance(exc, BadToken) else "it is no JWT"
            raise Stranger(f"its token is not good: {why}", token=True) from exc

    async def _by_word(self, digest: bytes, token: str) -> Admitted:
        """Who somebody is by the word of an issuer."""
        proof, admitted = self._words.get(digest, (None, None))
        if admitted is not None and isinstance(admitted.by, Issuer):
            if proof is await self._keyring(admitted.by).current():
                return admitted
            self._words.pop(digest, None)
        jwt = Jwt.read(token)
        issuer = next((one for one in self.credentials.issuers if one.issuer == jwt.issuer), None)
        if issuer is None:
            raise BadToken("its issuer is none that is believed")
        keyring = self._keyring(issuer)
        keys = await keyring.current()
        try:
            principal = jwt.principal(issuer, keys, time.time())
        except KeyMissing:
            await keyring.renew()
            keys = keyring.keys
            principal = jwt.principal(issuer, keys, time.time())
        admitted = Admitted(principal, issuer, principal.expires or 0)
        while len(self._words) >= TOKENS:
            del self._words[next(iter(self._words))]
        self._words[digest] = (keys, admitted)
        return admitted

    async def _by_password(self, given: bytes) -> Admitted:
        try:
            said = base64.b64decode(given, validate=True).decode()
        except ValueError as exc:
            raise Stranger("its user and password cannot be read") from exc
        user, colon, shown = said.partition(":")
        password = shown.encode()
        # "The user-id and password MUST NOT contain any control characters" (RFC 7617, section 2);
        # to scrypt a password with a zero behind it is the same password.
        if not colon or not said.isprintable() or len(password) > LONGEST_PASSWORD:
            raise Stranger("its user and password cannot be read")
        right = self._verified.find(user, password) or await self._right(user, password)
        principal = self.credentials.principal(right) if right is not None else None
        if right is None or principal is None or principal.name != user:
            raise Stranger("its user or its password is wrong")
        return Admitted(principal, right)

    async def _right(self, user: str, password: bytes) -> Password | None:
        """The password of somebody that this is. It takes as long for who is nobody."""
        if self._checks.statistics().tasks_waiting >= WAITING:
            raise TooManyPasswords
        for kept in self.credentials.passwords(user) or (NOBODY,):
            right = await trio.to_thread.run_sync(
                kept.fits, password, limiter=self._checks, abandon_on_cancel=True
            )
            if right:
                self._verified.keep(user, password, kept)
                return kept
        return None

    def _keyring(self, issuer: Issuer) -> Keyring:
        # Loads an HTTP client, of no use to a server without issuers.
        from a2acore.middleware.keyring import Keyring

        if issuer not in self._keyrings:
            self._keyrings[issuer] = Keyring(issuer, self._nursery)
        return self._keyrings[issuer]


def _deadline(admitted: Admitted) -> float:
    """When somebody is to leave, on trio's clock."""
    return trio.current_time() + admitted.end - time.time()


@asynccontextmanager
async def open_roster(token: str = "", file: Path | None = None) -> AsyncIterator[Roster]:
    """Everybody who is known by a file, and who shows one token, who may do everything.

    Raises:
        BadCredentials: the file cannot be read, or something in it cannot be meant.
    """
    one = [Credential(Token.of(token.encode()), Principal("bearer", ALL))] if token else []
    seen = _stamp(file)
    credentials = _read(file, one)
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        roster = Roster(credentials, nursery)
        if file is not None:
            nursery.start_soon(_watch, roster, file, one, seen)
        try:
            yield roster
        except Exception as error:
            failure = error
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure  # out here, where the nursery does not wrap it


async def _watch(roster: Roster, file: Path, more: list[Credential], seen: object) -> None:
    """Follow what becomes of the file. One that is no good changes nothing."""
    while True:
        await trio.sleep(POLL)
        stamp = _stamp(file)
        if stamp == seen:
            continue
        seen = stamp
        try:
            roster.replace(_read(file, more))
        except BadCredentials as exc:
            for mistake in exc.mistakes:
                log.error("%s", mistake)
            log.error("%s stays as it was before: nobody is let in or out", file)
        else:
            log.info("%s has changed, and counts from now on", file)


def _read(file: Path | None, more: list[Credential]) -> Credentials:
    known = read_credentials(file) if file is not None else Credentials()
    return evolve(known, callers=(*known.callers, *more))


def _stamp(file: Path | None) -> object:
    """What changes when a file does; nothing while it is not there."""
    try:
        said = os.stat(file) if file is not None else None
    except OSError:
        return None
    return said and (said.st_mtime_ns, said.st_ino, said.st_size, said.st_ctime_ns)
