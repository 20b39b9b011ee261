"""Keys: what signs and what verifies, read from PEM, JWK or a set of JWKs.

Rule 1: a key says which algorithms it is good for, by its type; a signature never does. A public
    key is no secret of HS256, and nothing is `none`.
Rule 2: what is secret is in no text and no representation: only `Key.secret` gives it out.

Source: RFC 7517 (JWK), RFC 7518 (which key for which algorithm), RFC 7638 (thumbprint), RFC 8037
(EdDSA).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeGuard

from attrs import field, frozen

from a2acore.signing.canonical import NotCanonical, canonical, read

if TYPE_CHECKING:
    from jwcrypto.jwk import JWK

FITTING: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("RSA", ""): ("RS256", "PS256"),
    ("OKP", "Ed25519"): ("EdDSA",),
    ("oct", ""): ("HS256",),
}
"""The algorithms that a key is good for, by its type and curve; the first is the one it signs with
when nothing else is said."""
ALGS = tuple(alg for fitting in FITTING.values() for alg in fitting)

RSA_BITS = 2048
"""The least for RS256 and PS256 (RFC 7518 section 3.3)."""
NEW_RSA_BITS = 3072
"""For new keys: good beyond 2030 (NIST SP 800-57)."""
SECRET_BYTES = 32
"""The least for HS256: as long as its hash (RFC 7518 section 3.2)."""

MATERIAL = {
    "EC": ("kty", "crv", "x", "y"),
    "RSA": ("kty", "n", "e"),
    "OKP": ("kty", "crv", "x"),
    "oct": ("kty",),
}
"""The members of a JWK that anybody may see, by its type."""
PRIVATE = {
    "EC": ("d",),
    "RSA": ("d", "p", "q", "dp", "dq", "qi"),
    "OKP": ("d",),
    "oct": ("k",),
}


class BadKey(ValueError):
    """It is no key that we can use; the text says why, and holds nothing of the key."""


@frozen(eq=False)
class Key:
    """A key, and what it is good for."""

    kid: str
    """Its name: as it was given, or its thumbprint (RFC 7638)."""
    named: bool
    """Whether the name was given. A key without one is not asked for by any name."""
    algs: tuple[str, ...]
    """What it verifies. It signs with the first."""
    can_sign: bool
    jwk: JWK = field(repr=False)

    @property
    def is_public(self) -> bool:
        """Whether it has a public half: a secret has none."""
        return "HS256" not in self.algs

    @property
    def public(self) -> dict[str, str]:
        """Its public half as a JWK. Only for keys that have one."""
        assert self.is_public, "a secret has no public half"
        return self._members(MATERIAL[self.jwk["kty"]])

    @property
    def secret(self) -> dict[str, str]:
        """All of it as a JWK, for the file that it rests in."""
        kty = self.jwk["kty"]
        return self._members((*MATERIAL[kty], *PRIVATE[kty]))

    def _members(self, names: tuple[str, ...]) -> dict[str, str]:
        material = {name: str(self.jwk[name]) for name in names if name in self.jwk}
        return {**material, "kid": self.kid, "alg": self.algs[0], "use": "sig"}


def new(alg: str, kid: str = "") -> Key:
    """A new key for `alg`.

    Raises:
        BadKey: there is no such algorithm here.
    """
    from jwcrypto.jwk import JWK

    for (kty, crv), fitting in FITTING.items():
        if alg in fitting:
            size = {"RSA": NEW_RSA_BITS, "oct": 8 * SECRET_BYTES}.get(kty)
            jwk = JWK.generate(kty=kty, **({"crv": crv} if crv else {"size": size}))
            # The thumbprint of a secret would help to guess it (RFC 7638 section 7).
            name = kid or (JWK.generate(kty="oct", size=128)["k"] if kty == "oct" else "")
            return _key(jwk, name, alg)
    raise BadKey(f"{alg!r} is no algorithm of ours; there are {', '.join(ALGS)}")


def load(text: bytes, *, kid: str = "", alg: str = "") -> Key:
    """The one key in a PEM text or a JWK; `kid` and `alg` say what it does not say itself.

    Raises:
        BadKey: it cannot be used.
    """
    if b"-----BEGIN" in text:
        return _key(_from_pem(text), kid, alg)
    match _json(text):
        case {"keys": [dict(said)]} | ({"kty": _} as said):
            return _from_jwk(said, kid, alg)
        case {"keys": list(keys)}:
            raise BadKey(f"it holds {len(keys)} keys, and one is wanted")
    raise BadKey("it is neither PEM nor a JWK")


def load_set(text: bytes, *, now: float) -> tuple[Key, ...]:
    """The keys in a set of JWKs that can verify something at `now`; or the one of a PEM or a JWK.

    "Implementations SHOULD ignore JWKs within a JWK Set that use "kty" values that are not
    understood by them [...] or for which values are out of the supported ranges" (RFC 7517,
    section 5). So are keys that have expired or were revoked: no signature is good by them.

    Args:
        now: seconds since 1970.

    Raises:
        BadKey: it is no set of JWKs, or none of its keys can be used.
    """
    match {} if b"-----BEGIN" in text else _json(text):
        case {"keys": list(said)}:
            keys = [key for each in said if (key := _usable(each, now)) is not None]
            if not keys:
                raise BadKey("none of its keys can be used")
            return tuple(keys)
        case {"kty": _} as jwk if not _in_force(jwk, now):
            raise BadKey("it has expired, or was revoked, or is not valid yet")
    return (load(text),)


def _usable(said: Any, now: float) -> Key | None:
    try:
        return _from_jwk(said, "", "") if isinstance(said, dict) and _in_force(said, now) else None
    except BadKey:
        return None


def _in_force(said: Mapping[str, Any], now: float) -> bool:
    """Whether a JWK that tells of its time is in it (OpenID Federation 1.0 section 8.7.2)."""
    begin, end = said.get("nbf", 0), said.get("exp")
    if not _is_time(begin) or not (end is None or _is_time(end)) or "revoked" in said:
        return False
    return begin <= now and (end is None or now < end)


def _is_time(said: Any) -> TypeGuard[float]:
    return isinstance(said, int | float) and not isinstance(said, bool)


def _json(text: bytes) -> Any:
    try:
        return read(text)
    except NotCanonical:
        return None


def _from_pem(text: bytes) -> JWK:
    from jwcrypto.common import JWException
    from jwcrypto.jwk import JWK

    if b"ENCRYPTED" in text:
        raise BadKey("it is encrypted; decrypt it first: openssl pkcs8 -in FILE -out FILE2")
    if b"CERTIFICATE" in text:
        raise BadKey("it is a certificate; only its key is wanted: openssl x509 -pubkey -noout")
    if text.count(b"-----BEGIN") > 1:
        raise BadKey("it holds more than one PEM block, and one key is wanted")
    try:
        return JWK.from_pem(text)
    except (ValueError, TypeError, JWException) as exc:
        # Their texts may quote what they read.
        raise BadKey("its PEM cannot be read as a private or a public key") from exc


def _from_jwk(said: Mapping[str, Any], kid: str, alg: str) -> Key:
    from jwcrypto.common import JWException
    from jwcrypto.jwk import JWK

    kty, own_kid, own_alg = said.get("kty"), said.get("kid", ""), said.get("alg", "")
    if kty not in MATERIAL:
        raise BadKey(f"a key of the type {kty!r} cannot sign" if kty else "it has no type (kty)")
    if not (isinstance(own_kid, str) and isinstance(own_alg, str)):
        raise BadKey("its kid and its alg are to be strings")
    if said.get("use", "sig") != "sig":
        raise BadKey("it is not for signatures (use)")
    operations = said.get("key_ops", ["sign", "verify"])
    if not isinstance(operations, list) or not {"sign", "verify"} & {*map(str, operations)}:
        raise BadKey("it is not for signatures (key_ops)")
    if alg and own_alg and alg != own_alg:
        raise BadKey(f"it is for {own_alg}, not for {alg}")
    names = (*MATERIAL[kty], *PRIVATE[kty])
    material = {name: said[name] for name in names if name in said}
    if not all(isinstance(value, str) for value in material.values()):
        raise BadKey("its members are to be strings")
    try:
        jwk = JWK(**material)
    except (ValueError, TypeError, JWException) as exc:
        raise BadKey(f"its members do not make a key of the type {kty}") from exc
    return _key(jwk, kid or own_kid, alg or own_alg)


def _key(jwk: JWK, kid: str, alg: str) -> Key:
    from jwcrypto.common import JWException, base64url_decode

    kty = jwk["kty"]
    fitting = FITTING.get((kty, jwk.get("crv", "")))
    if fitting is None:
        raise BadKey(f"its curve {jwk.get('crv')} is none of ours; P-256, P-384 and Ed25519 are")
    if alg and alg not in fitting:
        raise BadKey(f"{alg} does not fit it; {' or '.join(fitting)} does")
    try:
        # Only now is it seen whether the point is on the curve, the modulus odd, and so on.
        jwk.get_op_key("verify")
        if jwk.has_private:
            jwk.get_op_key("sign")
    except (ValueError, TypeError, JWException) as exc:
        raise BadKey("its numbers do not make a key") from exc
    if kty == "RSA" and _bits(jwk["n"]) < RSA_BITS:
        raise BadKey(f"an RSA key of {_bits(jwk['n'])} bits is too weak; take {RSA_BITS} or more")
    if kty == "oct":
        if len(base64url_decode(jwk["k"])) < SECRET_BYTES:
            raise BadKey(f"a secret for HS256 has {SECRET_BYTES} bytes or more")
        if not kid:
            raise BadKey("a secret needs a name (kid): its thumbprint would help to guess it")
    return Key(
        kid=kid or jwk.thumbprint(),
        named=bool(kid),
        algs=(alg,) if alg else fitting,
        can_sign=kty == "oct" or jwk.has_private,
        jwk=jwk,
    )


def _bits(number: str) -> int:
    from jwcrypto.common import base64url_decode

    return int.from_bytes(base64url_decode(number)).bit_length()


def as_set(keys: tuple[Key, ...]) -> bytes:
    """The set of JWKs that anybody may have: the public halves. A secret is in no set."""
    return canonical({"keys": [key.public for key in keys if key.is_public]})
