"""Tokens of others: JWTs, signed by an issuer that we were told to believe.

Rule 1: nothing is asked of anybody because of what an unverified token says. `iss` selects among
    the issuers that we were told of; `jku`, `x5u`, `jwk` are not looked at.
Rule 2: a key says which algorithms it is good for, the issuer's entry which are taken, and the
    token has to fit both. Secrets that both sides know (HS256) are no keys here: the set is public.
Rule 3: what a token does not say it does not have: without `exp`, `aud` or a name it is no good.

Source: RFC 7519 (JWT), RFC 8725 (what goes wrong with them), RFC 9068 (as access tokens).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import field, frozen

from a2acore.credentials import SCOPES, Issuer, Principal
from a2acore.signing import (
    BadSignature,
    Key,
    NotCanonical,
    Signature,
    UnknownKey,
    base64url,
    read,
    read_header,
    verify,
)

LONGEST = 16 * 1024
"""Characters of a token: those with a hundred groups in them fit."""
LONGEST_NAME = 256
TYPES = frozenset({"jwt", "at+jwt"})
"""What a token may say it is (`typ`); others, like a logout, are signed with the same keys."""


class BadToken(ValueError):
    """It lets nobody in. The text says why, to whoever runs this server, and quotes nothing."""


class KeyMissing(BadToken):
    """It is by a key that its issuer had not when it was asked last."""


@frozen
class Jwt:
    """A token, taken apart; nothing of it is verified."""

    signature: Signature = field(repr=False)
    payload: bytes = field(repr=False)
    issuer: str
    claims: Mapping[str, Any] = field(repr=False)

    @classmethod
    def read(cls, token: str) -> Jwt:
        """Raises: BadToken: it is no JWT."""
        parts = token.split(".")
        if len(parts) != 3 or len(token) > LONGEST:
            raise BadToken("it is no JWT")
        try:
            payload = base64url.decode(parts[1])
            claims = read(payload)
        except (ValueError, NotCanonical) as exc:
            raise BadToken("its claims cannot be read") from exc
        if not isinstance(claims, dict) or not isinstance(claims.get("iss"), str):
            raise BadToken("it does not say who issued it")
        return cls(Signature(parts[0], parts[2]), payload, claims["iss"], claims)

    def principal(self, issuer: Issuer, keys: Sequence[Key], now: float) -> Principal:
        """Who comes with it, if it is the issuer's and meant for us.

        Args:
            now: seconds since 1970.

        Raises:
            KeyMissing: it names a key that is not among `keys`.
            BadToken: it is not.
        """
        self._verify(issuer, keys)
        expires = self._time("exp")
        if expires is None or now >= expires + issuer.leeway:
            raise BadToken("it has expired, or does not say when it does")
        for moment in ("nbf", "iat"):
            begin = self._time(moment)
            if begin is not None and now < begin - issuer.leeway:
                raise BadToken(f"it is not valid yet ({moment})")
        audience = self.claims.get("aud")
        meant = audience if isinstance(audience, list) else [audience]
        if not any(isinstance(each, str) and each in issuer.audience for each in meant):
            raise BadToken("it is not meant for this server (aud)")
        name = self.claims.get(issuer.claim)
        if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) <= LONGEST_NAME:
            raise BadToken(f"it does not say who comes with it ({issuer.claim})")
        scopes = self._scopes(issuer)
        return Principal(f"{issuer.name}:{name}", scopes, expires + issuer.leeway)

    def _verify(self, issuer: Issuer, keys: Sequence[Key]) -> None:
        try:
            header = read_header(self.signature.protected)
            if header.alg not in issuer.algorithms:
                raise BadToken("its algorithm is none that is taken from this issuer")
            kind = header.members.get("typ", "JWT")
            if not isinstance(kind, str) or kind.lower().removeprefix("application/") not in TYPES:
                raise BadToken("it is another kind of token (typ)")
            verify(self.payload, self.signature, [key for key in keys if key.is_public])
        except UnknownKey as exc:
            raise KeyMissing("it is by no key that its issuer has") from exc
        except BadSignature as exc:
            raise BadToken("its signature is wrong") from exc

    def _time(self, name: str) -> float | None:
        said = self.claims.get(name)
        if said is None:
            return None
        if isinstance(said, bool) or not isinstance(said, int | float):
            raise BadToken(f"it says {name} in no number")
        return float(said)

    def _scopes(self, issuer: Issuer) -> frozenset[Any]:
        said = self.claims.get(issuer.scopes_claim, "")
        words = said.split() if isinstance(said, str) else said if isinstance(said, list) else []
        ours = {f"{issuer.scope_prefix}{scope}": scope for scope in SCOPES}
        found = {ours[word] for word in words if isinstance(word, str) and word in ours}
        return frozenset(found) or issuer.scopes
