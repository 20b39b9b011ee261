"""Detached signatures: a protected header and a signature, over bytes that travel elsewhere.

Rule 1: the key decides what is a signature. An algorithm that the key is not good for is wrong,
    whatever the header says.
Rule 2: a header that asks for something we do not know (`crit`) is refused.
Rule 3: one signature has one text: base64url without padding, and no other spelling of it.

Source: RFC 7515 (JWS; appendix F: detached), RFC 7797 (`b64`, which we do not speak).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from attrs import frozen

from a2acore.signing import base64url
from a2acore.signing.canonical import NotCanonical, canonical, read
from a2acore.signing.keys import BadKey, Key

LENGTHS = {"ES256": 64, "ES384": 96}
"""Bytes of a signature, where one could be spelled longer: r and s, each as long as the curve's
order (RFC 7518 section 3.4)."""


class BadSignature(ValueError):
    """It is no signature of any of the keys over these bytes; the text says why."""


class UnknownKey(BadSignature):
    """It is by a key that is not among those."""


class Signature(NamedTuple):
    """What travels: both in base64url."""

    protected: str
    signature: str


@frozen
class Header:
    """What a signature says of itself, before anybody has verified it."""

    alg: str
    kid: str
    jku: str
    members: Mapping[str, Any]
    """All of it."""


def sign(payload: bytes, key: Key, *, jku: str = "", **more: str) -> Signature:
    """Sign bytes with the first algorithm of a key that can sign.

    `jku` is where the key can be had; `more` goes into the header as well.
    """
    from jwcrypto.jws import JWS

    alg = key.algs[0]
    header = {"alg": alg, "kid": key.kid, "typ": "JOSE", **({"jku": jku} if jku else {}), **more}
    jws = JWS(payload)
    jws.allowed_algs = [alg]
    jws.add_signature(key.jwk, alg, canonical(header).decode())
    said = read(jws.serialize())
    return Signature(said["protected"], said["signature"])


def read_header(protected: str) -> Header:
    """What the protected header of a signature says.

    Raises:
        BadSignature: it cannot be read, lacks what A2A wants, or asks for what we do not do.
    """
    try:
        said = read(_decoded(protected))
    except NotCanonical as exc:
        raise BadSignature(f"the header cannot be read: {exc}") from exc
    match said:
        case {"crit": _} | {"b64": _}:
            # "If any of the listed extension Header Parameters are not understood and supported by
            # the recipient, then the JWS is invalid." (RFC 7515 section 4.1.11)
            raise BadSignature("the header asks for an extension of JWS")
        case {"alg": str(alg), "kid": str(kid)}:
            jku = said.get("jku")
            return Header(alg, kid, jku if isinstance(jku, str) else "", said)
    raise BadSignature("the header does not say alg and kid")


def verify(payload: bytes, signature: Signature, keys: Iterable[Key]) -> Key:
    """The key among `keys` that has signed these bytes.

    Its name selects a key; one that was never given a name is tried under any.

    Raises:
        UnknownKey: it is by none of them, as it says itself.
        BadSignature: it says otherwise, and that is not so.
    """
    from jwcrypto.jws import JWS, InvalidJWSObject, InvalidJWSSignature

    header = read_header(signature.protected)
    keys = tuple(keys)
    named = [key for key in keys if key.kid == header.kid]
    candidates = named or [key for key in keys if not key.named]
    unknown = UnknownKey(f"it is by the key {header.kid!r}, which is none that is trusted")
    if not candidates:
        raise unknown
    fitting = [key for key in candidates if header.alg in key.algs]
    if not fitting:
        raise BadSignature(f"its algorithm {header.alg!r} is none of the key {header.kid!r}")
    given = _decoded(signature.signature)
    if len(given) != LENGTHS.get(header.alg, len(given)):
        raise BadSignature("it has the wrong length")
    detached = canonical(
        {
            "protected": signature.protected,
            "payload": base64url.encode(payload),
            "signature": signature.signature,
        }
    ).decode()
    for key in fitting:
        jws = JWS()
        jws.allowed_algs = [header.alg]
        try:
            jws.deserialize(detached)
            jws.verify(key.jwk)
        except (InvalidJWSObject, InvalidJWSSignature):
            continue
        return key
    if not named:
        raise unknown
    raise BadSignature(f"it is not over this, or not by the key {header.kid!r}")


def prove(keys: Iterable[Key]) -> None:
    """See that keys can sign, by signing: nobody should find out from a card.

    Raises:
        BadKey: one cannot, or two have one name.
    """
    seen: set[str] = set()
    for key in keys:
        if key.kid in seen:
            raise BadKey(f"two of the keys are called {key.kid}")
        seen.add(key.kid)
        if not key.can_sign:
            raise BadKey(f"{key.kid} is a public key; its private half is wanted")
        try:
            verify(b"probe", sign(b"probe", key), [key])
        except BadSignature as exc:
            raise BadKey(f"the halves of {key.kid} do not belong together") from exc


def _decoded(text: str) -> bytes:
    try:
        return base64url.decode(text)
    except ValueError as exc:
        raise BadSignature("it is not in base64url as JWS spells it") from exc
