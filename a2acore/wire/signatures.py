"""Which bytes of a card are signed: how ours are, and how those of others may be.

A signature of ours is over the whole document as it is served, in canonical form, without
`signatures`. That is the one that counts: nothing in the document can be changed, removed or added.

Others verify something else. They read the document into the card that they know, and write it
again: without the members of the other line (A2A 1.0.1 section 8.4.1), without anything empty, or
without what is the default (the official SDKs). So for each of these readings that comes out as
other bytes there is a signature more. It says in its protected header that it covers a reading;
we never take one of those for a proof, because what it covers is less than what is served.

The signatures of others do not say what they cover. Then all readings are tried, and what counts
of the card is what was signed: `Verified.payload`, and nothing else of the document.

Source: A2A 1.0.1 section 8.4; the canonical forms of a2a-sdk 1.3.0, @a2a-js/sdk 1.3.0 and
a2a-sdk 0.3.26.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import msgspec
from attrs import frozen
from msgspec import Raw

from a2acore import jsonrpc
from a2acore.errors import InvalidAgentResponse
from a2acore.signing import (
    BadSignature,
    Header,
    Key,
    NotCanonical,
    Signature,
    UnknownKey,
    canonical,
    prove,
    read,
    read_header,
    sign,
    verify,
)
from a2acore.wire import card as cards
from a2acore.wire.v03.cards import PROTOCOL_VERSION

COVERS = "urn:a2acode:covers"
"""The member of our protected headers that says what a signature is over."""
DOCUMENT, READING = "document", "reading"

KEPT = 64
"""Signed documents that are remembered. A server has three, and one or four of an extended card."""

SIGNATURES = 64
"""Signatures that are looked at on one card: those of ten keys, and no stranger's thousands."""


class Unsigned(BadSignature):
    """The card bears no signature at all."""


@frozen
class Verified:
    """What of a card is proved."""

    payload: bytes
    """The card as it was signed: use this, and nothing of the document that is not in it."""
    key: Key
    whole: bool
    """Whether that is all there is in the document."""


class Seal:
    """Signs documents with all of some keys, each document once.

    `jku` is where the keys can be had.

    Raises:
        BadKey: a key cannot sign, or two have one name.
    """

    def __init__(self, keys: Sequence[Key], jku: str = "") -> None:
        prove(keys)
        self.keys = tuple(keys)
        self._jku = jku
        self._signed = lru_cache(KEPT)(self._sign)

    def document(self, body: bytes) -> bytes:
        """A card with our signatures, in canonical form. Those that it bears already stay.

        Raises:
            NotCanonical: it cannot be signed.
        """
        return self._signed(body)

    def answer(self, body: bytes) -> bytes:
        """The answer to an operation, on either binding, with the card in it signed.

        Raises:
            NotCanonical: it cannot be signed.
        """
        match _answered(body):
            case jsonrpc.Response(id, result):
                return jsonrpc.response(id, Raw(self.document(bytes(result))))
        return self.document(body)

    def _sign(self, body: bytes) -> bytes:
        said = _card(body)
        payloads = {canonical(_without_signatures(said)): DOCUMENT}
        for payload in readings(said):
            payloads.setdefault(payload, READING)
        made = [
            sign(payload, key, jku=self._jku, **{COVERS: covers})._asdict()
            for payload, covers in payloads.items()
            for key in self.keys
        ]
        return canonical({**said, "signatures": [*_listed(said), *made]})


def inside(body: bytes) -> bytes:
    """The card in the answer to an operation, on either binding."""
    match _answered(body):
        case jsonrpc.Response(_, result):
            return bytes(result)
    return body


def _answered(body: bytes) -> jsonrpc.Message | None:
    """The envelope of JSON-RPC; HTTP+JSON has none."""
    try:
        return jsonrpc.read_message(body)
    except jsonrpc.Unreadable:
        return None


def headers(document: bytes) -> Sequence[Header]:
    """What the signatures of a card say of themselves; those that cannot be read are left out.

    Raises:
        NotCanonical: the document is no card that could be signed.
    """
    found = []
    for each in _signatures(_card(document)):
        try:
            found.append(read_header(each.protected))
        except BadSignature:
            continue
    return found


def check(document: bytes, keys: Sequence[Key]) -> Verified:
    """What of a card is signed by one of these keys. The first signature that holds decides.

    Raises:
        Unsigned: there are no signatures.
        BadSignature: none of them holds.
        NotCanonical: the document is no card that could be signed.
    """
    said = _card(document)
    signatures = _signatures(said)
    if not signatures:
        raise Unsigned("the card is not signed")
    whole = canonical(_without_signatures(said))
    wrong: list[BadSignature] = []
    for each in signatures:
        try:
            covers = read_header(each.protected).members.get(COVERS)
            if covers not in (None, DOCUMENT):
                continue
            try:
                return Verified(whole, verify(whole, each, keys), whole=True)
            except BadSignature:
                if covers == DOCUMENT:
                    raise
                return _check_readings(said, each, keys)
        except BadSignature as bad:
            wrong.append(bad)
    if not wrong:
        raise BadSignature("no signature covers the card as it is served")
    # What is wrong with a signature by a trusted key says more than that there are others.
    raise min(wrong, key=lambda bad: isinstance(bad, UnknownKey))


def _check_readings(said: Mapping[str, Any], signature: Signature, keys: Sequence[Key]) -> Verified:
    wrong: BadSignature | None = None
    for payload in readings(said):
        try:
            return Verified(payload, verify(payload, signature, keys), whole=False)
        except BadSignature as bad:
            wrong = bad
    raise wrong or BadSignature("it is not over this document, and this is no card")


# Readings: the bytes that others make of a document


def readings(said: Mapping[str, Any]) -> Iterator[bytes]:
    """What others who read the document have in their hands when they verify it.

    Nothing, when it is not a card that we can read ourselves.
    """
    try:
        card = cards.read(canonical(_without_signatures(said)))
        new: dict[str, Any] = msgspec.json.decode(cards.pure10(card))
        old: dict[str, Any] = msgspec.json.decode(cards.pure03(card))
        if "supportedInterfaces" in said:
            yield canonical(new)
            yield canonical(_compact(new) or {})
            # The JavaScript SDK reads a card twice, and loses the schemes on the second time.
            yield canonical(_compact({**new, "securitySchemes": {}}) or {})
        else:
            yield _old(_without_signatures(said))
            # The Python SDK of line 1.0 reads such a card too, and has its main interface twice.
            main, *further = new["supportedInterfaces"]
            yield canonical(_compact({**new, "supportedInterfaces": [main, main, *further]}) or {})
        if "url" in said:
            yield _old(old)
    except (InvalidAgentResponse, NotCanonical):
        return


def _compact(said: Any) -> Any:
    """The same without anything empty in it; None when that is all."""
    if isinstance(said, dict):
        return {n: kept for n, v in said.items() if (kept := _compact(v)) is not None} or None
    if isinstance(said, list):
        return [kept for v in said if (kept := _compact(v)) is not None] or None
    return None if said == "" else said


def _old(said: Mapping[str, Any]) -> bytes:
    """A card of line 0.3 without what is the default, and without anything empty.

    The line does not say what is signed. This is what its official SDK signs and verifies; it is
    no canonical JSON: other letters than those of ASCII are escaped.
    """
    defaults = {"preferredTransport": "JSONRPC", "protocolVersion": PROTOCOL_VERSION}
    card = {name: value for name, value in said.items() if defaults.get(name) != value}
    schemes = card.get("securitySchemes")
    if isinstance(schemes, dict):
        card["securitySchemes"] = {
            name: {n: v for n, v in scheme.items() if n != "type"}
            for name, scheme in schemes.items()
            if isinstance(scheme, dict)
        }
    return json.dumps(_compact(card), separators=(",", ":"), sort_keys=True).encode()


# Documents


def _card(document: bytes) -> dict[str, Any]:
    said = read(document)
    if not isinstance(said, dict):
        raise NotCanonical("it is no JSON object")
    return said


def _without_signatures(said: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in said.items() if name != "signatures"}


def _listed(said: Mapping[str, Any]) -> Sequence[Any]:
    listed = said.get("signatures")
    return listed if isinstance(listed, list) else ()


def _signatures(said: Mapping[str, Any]) -> Sequence[Signature]:
    return [
        Signature(each["protected"], each["signature"])
        for each in _listed(said)[:SIGNATURES]
        if isinstance(each, dict)
        and isinstance(each.get("protected"), str)
        and isinstance(each.get("signature"), str)
    ]
