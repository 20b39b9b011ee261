"""Signs letters: whoever gets one can see that it is ours, about which task, and whole.

A letter bears a JWT (RFC 7519) in a header. Its claims tell of the letter: `request_body_sha256` is
its body; `jti` is the same at every attempt, so that a letter that comes twice is known; `aud` is
where it was posted to, so that it is of no use elsewhere. The key is one of those that the server's
card is signed with, and its public half is in the same set.

Pure: told the time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from attrs import frozen

from a2acore.push.guard import Place
from a2acore.signing import Key, base64url, canonical, sign

HEADER = "X-A2A-Notification-Signature"
LIFE = 300
"""Seconds that a signature is good for: a letter's way, and clocks that differ."""


@frozen
class Stamp:
    """What letters are signed with."""

    key: Key
    issuer: str
    """The server's address, as its card says it."""
    jku: str = ""
    """Where the public keys are, if the signature is to say so."""

    @classmethod
    def of(cls, keys: Iterable[Key], issuer: str, jku: str = "") -> Stamp | None:
        """With the first key that strangers can verify with: a shared secret is not for them."""
        public = (key for key in keys if key.is_public)
        return next((cls(key, issuer, jku) for key in public), None)

    def token(self, letter: bytes, *, id: str, task_id: str, place: Place, now: int) -> str:
        """The JWT for one attempt at a letter; `now` is in seconds since 1970."""
        claims = {
            "iss": self.issuer,
            "aud": str(place),
            "iat": now,
            "exp": now + LIFE,
            "jti": id,
            "task_id": task_id,
            "request_body_sha256": hashlib.sha256(letter).hexdigest(),
        }
        payload = canonical(claims)
        protected, signature = sign(payload, self.key, jku=self.jku, typ="JWT")
        return f"{protected}.{base64url.encode(payload)}.{signature}"
