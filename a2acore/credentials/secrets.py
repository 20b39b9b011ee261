"""What a caller shows, as it is kept: nothing that is kept lets anybody in.

A token is long and random, so that its plain digest tells nothing; whoever could guess it could
guess the token. A password is not, so its hash is slow and salted.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

from attrs import define, field, frozen

_TOKEN = re.compile(r"sha256:(?P<digest>[0-9a-f]{64})")
_PASSWORD = re.compile(
    r"scrypt:(?P<n>[0-9]{1,8}),(?P<r>[0-9]{1,3}),(?P<p>[0-9]{1,3})"
    r"\$(?P<salt>[A-Za-z0-9+/]{1,172}={0,2})\$(?P<hash>[A-Za-z0-9+/]{1,172}={0,2})"
)
_CERTIFICATE = re.compile(r"(URI|DNS|CN):[!-~]([ -~]*[!-~])?")

LEAST_WORK = 2**14 * 8
"""`n * r` of the cheapest scrypt that is taken: 16 MiB for each guess."""
MOST_MEMORY = 128 * 2**20
"""Bytes that one check of a password may take."""
MOST_PASSES = 16
SHORTEST_SALT = 16
SHORTEST_HASH = 32
"""Bytes of a salt and of a hash."""

N, R, P = 2**15, 8, 3
"""What new passwords are hashed with: 32 MiB, three times over (OWASP's password storage cheat
sheet has it among the equals)."""


@frozen
class Token:
    """A bearer token, by the SHA-256 of it."""

    digest: bytes = field(repr=False)

    @classmethod
    def of(cls, token: bytes) -> Token:
        return cls(hashlib.sha256(token).digest())

    @classmethod
    def read(cls, text: str) -> Token:
        """Raises: ValueError: it is no such hash; the text does not quote it."""
        found = _TOKEN.fullmatch(text)
        if found is None:
            raise ValueError('must be "sha256:" and 64 hex digits; the token itself never')
        return cls(bytes.fromhex(found["digest"]))

    def __str__(self) -> str:
        return f"sha256:{self.digest.hex()}"


@frozen
class Password:
    """A password, by the scrypt of it (RFC 7914)."""

    n: int
    r: int
    p: int
    salt: bytes = field(repr=False)
    hash: bytes = field(repr=False)

    @classmethod
    def read(cls, text: str) -> Password:
        """Raises: ValueError: it is no such hash, or one too cheap or too dear."""
        found = _PASSWORD.fullmatch(text)
        if found is None:
            raise ValueError(
                'must be "scrypt:<n>,<r>,<p>$<salt>$<hash>", salt and hash in base64; '
                "the password itself never"
            )
        n, r, p = (int(found[name]) for name in ("n", "r", "p"))
        try:
            salt, hash = (base64.b64decode(found[name], validate=True) for name in ("salt", "hash"))
        except ValueError as exc:
            raise ValueError("has a salt or a hash that is not in base64") from exc
        if n < 2 or n & (n - 1) or n * r < LEAST_WORK or p < 1:
            raise ValueError(f"is too cheap: n must be a power of 2, and n times r {LEAST_WORK}")
        if 128 * n * r > MOST_MEMORY or p > MOST_PASSES:
            raise ValueError(f"is too dear: {MOST_MEMORY} bytes and {MOST_PASSES} passes at most")
        if len(salt) < SHORTEST_SALT or len(hash) < SHORTEST_HASH:
            raise ValueError(f"needs {SHORTEST_SALT} bytes of salt and {SHORTEST_HASH} of hash")
        return cls(n, r, p, salt, hash)

    def fits(self, password: bytes) -> bool:
        """Whether it is this password. Slow, on purpose: not for the main thread."""
        said = _scrypt(password, self.salt, self.n, self.r, self.p, len(self.hash))
        return hmac.compare_digest(said, self.hash)

    def __str__(self) -> str:
        salt, hash = (base64.b64encode(each).decode() for each in (self.salt, self.hash))
        return f"scrypt:{self.n},{self.r},{self.p}${salt}${hash}"


def hashed(password: bytes, salt: bytes) -> Password:
    """A password as it is kept; `salt` is `SHORTEST_SALT` random bytes or more. Slow."""
    return Password(N, R, P, salt, _scrypt(password, salt, N, R, P, SHORTEST_HASH))


def _scrypt(password: bytes, salt: bytes, n: int, r: int, p: int, length: int) -> bytes:
    # OpenSSL counts a little more than the 128 * n * r of the algorithm.
    memory = 128 * r * (n + p + 2) + 2**20
    return hashlib.scrypt(password, salt=salt, n=n, r=r, p=p, dklen=length, maxmem=memory)


@frozen
class Certificate:
    """A client's certificate, by the name in it: `URI:`, `DNS:` or `CN:`, and the name.

    The kind is part of it, so that a common name never passes for a URI.
    """

    subject: str

    @classmethod
    def read(cls, text: str) -> Certificate:
        """Raises: ValueError: it is no such name."""
        if not _CERTIFICATE.fullmatch(text):
            raise ValueError('must be "URI:<name>", "DNS:<name>" or "CN:<name>"')
        return cls(text)

    def __str__(self) -> str:
        return self.subject


Secret = Token | Password | Certificate


@define
class Verified:
    """Passwords that were right a moment ago, so that not every request pays for scrypt.

    Rule: it holds no password and nothing that one could be guessed by: digests under a key that is
    this process's alone. Only what was right gets in, so that guesses cannot crowd it.
    """

    key: bytes = field(repr=False)
    """Random, 32 bytes."""
    most: int = 1024
    _known: dict[bytes, Password] = field(factory=dict, repr=False)

    def find(self, name: str, password: bytes) -> Password | None:
        return self._known.get(self._digest(name, password))

    def keep(self, name: str, password: bytes, right: Password) -> None:
        while len(self._known) >= self.most:
            del self._known[next(iter(self._known))]
        self._known[self._digest(name, password)] = right

    def _digest(self, name: str, password: bytes) -> bytes:
        said = b"%d:%b%b" % (len(name.encode()), name.encode(), password)
        return hmac.digest(self.key, said, "sha256")
