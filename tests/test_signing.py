"""Canonical JSON, keys and signatures: nothing here waits, so it is tables and properties."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jwcrypto.common import JWSEHeaderParameter
from jwcrypto.jwk import JWK
from jwcrypto.jws import JWS
from msgspec import structs

from a2acore.signing import (
    ALGS,
    BadKey,
    BadSignature,
    Key,
    NotCanonical,
    Signature,
    UnknownKey,
    as_set,
    canonical,
    load,
    load_set,
    new,
    prove,
    read,
    read_header,
    sign,
    verify,
)
from a2acore.wire import card as cards
from a2acore.wire.signatures import COVERS, Seal, Unsigned, check, inside
from tests.test_card import CARD as WITH_SIGNATURES

CARD = structs.replace(WITH_SIGNATURES, signatures=())
KEYS = {alg: new(alg) for alg in ALGS}
KEY = KEYS["ES256"]
SECRET = KEYS["HS256"]


# Canonical JSON

NUMBERS = [
    # RFC 8785 appendix B: the bits of a double, and how it is written
    ("0000000000000000", "0"),
    ("8000000000000000", "0"),
    ("0000000000000001", "5e-324"),
    ("8000000000000001", "-5e-324"),
    ("7fefffffffffffff", "1.7976931348623157e+308"),
    ("ffefffffffffffff", "-1.7976931348623157e+308"),
    ("4340000000000000", "9007199254740992"),
    ("c340000000000000", "-9007199254740992"),
    ("4430000000000000", "295147905179352830000"),
    ("44b52d02c7e14af5", "9.999999999999997e+22"),
    ("44b52d02c7e14af6", "1e+23"),
    ("44b52d02c7e14af7", "1.0000000000000001e+23"),
    ("444b1ae4d6e2ef4e", "999999999999999700000"),
    ("444b1ae4d6e2ef4f", "999999999999999900000"),
    ("444b1ae4d6e2ef50", "1e+21"),
    ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
    ("3eb0c6f7a0b5ed8d", "0.000001"),
    ("41b3de4355555553", "333333333.3333332"),
    ("41b3de4355555554", "333333333.33333325"),
    ("41b3de4355555555", "333333333.3333333"),
    ("41b3de4355555556", "333333333.3333334"),
    ("41b3de4355555557", "333333333.33333343"),
    ("becbf647612f3696", "-0.0000033333333333333333"),
    ("43143ff3c1cb0959", "1424953923781206.2"),
    # the steps of ECMA-262 from both sides
    ("3ff0000000000000", "1"),
    ("4059000000000000", "100"),
    ("3fb999999999999a", "0.1"),
    ("4415af1d78b58c40", "100000000000000000000"),
]


def double(bits: str) -> float:
    [value] = struct.unpack(">d", bytes.fromhex(bits))
    return float(value)


@pytest.mark.parametrize(("bits", "written"), NUMBERS)
def test_a_number_is_written_as_ecmascript_does(bits: str, written: str) -> None:
    # V10-MUST-131
    assert canonical(double(bits)) == written.encode()


@pytest.mark.parametrize("bits", ["7fffffffffffffff", "7ff0000000000000", "fff0000000000000"])
def test_what_is_no_number_has_no_form(bits: str) -> None:
    with pytest.raises(NotCanonical):
        canonical(double(bits))


@given(st.floats(allow_nan=False, allow_infinity=False))
@example(double("444b1ae4d6e2ef4f"))
@example(double("3eb0c6f7a0b5ed8c"))
def test_a_number_reads_back_as_the_same_double(value: float) -> None:
    assert float(canonical(value)) == value


DOCUMENTS = [
    # RFC 8785 section 3.2.2 and 3.2.4
    (
        r"""{
  "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
  "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
  "literals": [null, true, false]
}""",
        "7b226c69746572616c73223a5b6e756c6c2c747275652c66616c73655d2c226e756d62657273223a5b"
        "3333333333333333332e333333333333332c31652b33302c342e352c302e3030322c31652d32375d2c"
        "22737472696e67223a22e282ac245c75303030665c6e4127425c225c5c5c5c5c222f227d",
    ),
    # RFC 8785 section 3.2.3: by UTF-16 code units, where an emoji comes before U+FB33
    (
        r"""{"\u20ac":"Euro Sign","\r":"Carriage Return",
"\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One",
"\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control",
"\u00f6":"Latin Small Letter O With Diaeresis"}""",
        '{"\\r":"Carriage Return","1":"One","\u0080":"Control",'
        '"\u00f6":"Latin Small Letter O With Diaeresis","\u20ac":"Euro Sign",'
        '"\U0001f600":"Emoji: Grinning Face",'
        '"\ufb33":"Hebrew Letter Dalet With Dagesh"}'.encode().hex(),
    ),
    (
        r'"\u0000\u0001\u001f\b\t\n\f\r\u007f\u2028\/"',
        '"\\u0000\\u0001\\u001f\\b\\t\\n\\f\\r\x7f\u2028/"'.encode().hex(),
    ),
    ('[56, {"d":true,"10":null,"1":[ ]}]', b'[56,{"1":[],"10":null,"d":true}]'.hex()),
    (
        "[9007199254740991, -9007199254740991, -0, -0.0]",
        b"[9007199254740991,-9007199254740991,0,0]".hex(),
    ),
    # no form is normalised: what looks alike stays apart
    ('{"\u00e9":1,"e\u0301":2}', '{"e\u0301":2,"\u00e9":1}'.encode().hex()),
]


@pytest.mark.parametrize(("text", "bytes_in_hex"), DOCUMENTS)
def test_a_document_has_one_form(text: str, bytes_in_hex: str) -> None:
    assert canonical(read(text)).hex() == bytes_in_hex
    assert canonical(read(bytes.fromhex(bytes_in_hex))).hex() == bytes_in_hex


DOUBTFUL = [
    '{"a":1,"a":1}',
    '{"a":1,"\\u0061":2}',
    '{"x":[{"a":1,"a":2}]}',
    "NaN",
    "[Infinity]",
    "-Infinity",
    "1e400",
    "-1e400",
    "9007199254740993",
    "-9007199254740993",
    "295147905179352825856",
    "1000000000000000000000",
    "1" * 5000,
    r'"\ud800"',
    r'"\udc00\ud800"',
    r'{"\ud83d":1}',
    "[" * 101 + "]" * 101,
    "[" * 100_000,
    "",
    "{",
    "{'a':1}",
    "01",
    "1 2",
    "\ufeff{}",
    '"\n"',
]


@pytest.mark.parametrize("text", DOUBTFUL, ids=lambda text: text[:12])
def test_what_readers_could_take_differently_is_refused(text: str) -> None:
    with pytest.raises(NotCanonical):
        read(text)


@pytest.mark.parametrize("text", [b'"\xff"', b'"\xed\xa0\x80"', '"a"'.encode("utf-16")])
def test_what_is_not_utf_8_is_refused(text: bytes) -> None:
    with pytest.raises(NotCanonical):
        read(text)


@pytest.mark.parametrize(
    "value",
    [
        2**53 + 1,
        -(2**53) - 1,
        10**21,
        10**400,
        {1: 2},
        {"a": {1, 2}},
        b"bytes",
        "\ud800",
        {"\udfff": 1},
        object(),
    ],
)
def test_what_json_cannot_say_has_no_form(value: Any) -> None:
    with pytest.raises(NotCanonical):
        canonical(value)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_the_form_is_json_and_says_the_same(value: Any) -> None:
    assert read(canonical(value)) == value
    assert canonical(json.loads(canonical(value))) == canonical(value)


@given(JSON, st.sampled_from([None, 1, 4]), st.booleans())
def test_a_document_has_the_same_form_however_it_was_written(
    value: Any, indent: int | None, ascii: bool
) -> None:
    said = json.dumps(value, indent=indent, ensure_ascii=ascii, sort_keys=True)
    assert canonical(read(said)) == canonical(value)


# Keys


def pem(key: Key) -> bytes:
    found: bytes = key.jwk.export_to_pem(private_key=True, password=None)
    return found


def as_json(**members: Any) -> bytes:
    return json.dumps(members).encode()


def test_a_thumbprint_is_that_of_rfc_7638() -> None:
    # The key and the thumbprint of RFC 8037 appendix A.3
    key = load(as_json(kty="OKP", crv="Ed25519", x="11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"))
    assert key.kid == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    assert not key.named


@pytest.mark.parametrize("alg", ALGS)
def test_a_new_key_can_be_read_back_and_signs(alg: str) -> None:
    key = load(canonical(KEYS[alg].secret))
    prove([key])
    assert (key.kid, key.algs) == (KEYS[alg].kid, (alg,))


@pytest.mark.parametrize("alg", [alg for alg in ALGS if alg != "HS256"])
def test_a_key_in_pem_is_the_same_key(alg: str) -> None:
    key = load(pem(KEYS[alg]), alg=alg)
    assert key.kid == KEYS[alg].kid
    assert key.algs == (alg,)
    public = load(KEYS[alg].jwk.export_to_pem())
    assert not public.can_sign
    assert verify(b"x", sign(b"x", key), [public]) is public


def test_an_rsa_key_signs_with_rs256_when_nothing_else_is_said() -> None:
    assert load(pem(KEYS["PS256"])).algs == ("RS256", "PS256")


def test_a_name_that_is_given_counts() -> None:
    assert load(pem(KEY), kid="mine").kid == "mine"
    assert load(canonical({**KEY.secret, "kid": "its own"})).kid == "its own"


WEAK_RSA = JWK.generate(kty="RSA", size=1024).export(as_dict=True)
P521 = JWK.generate(kty="EC", crv="P-521").export(as_dict=True)
X25519 = JWK.generate(kty="OKP", crv="X25519").export(as_dict=True)
OTHER = new("ES256")

BAD_KEYS: list[tuple[bytes, str]] = [
    (as_json(**WEAK_RSA), "1024 bits is too weak"),
    (as_json(**P521), "curve P-521 is none of ours"),
    (as_json(**X25519), "curve X25519 is none of ours"),
    (as_json(kty="oct", k=base64.urlsafe_b64encode(b"s" * 31).decode(), kid="s"), "32 bytes"),
    (as_json(kty="oct", k=SECRET.secret["k"]), "needs a name"),
    (as_json(kty="unknown"), "'unknown' cannot sign"),
    (as_json(kty="EC", crv="P-256", x="AAAA", y="AAAA"), "do not make a key"),
    (as_json(kty="EC", crv="P-256"), "do not make a key"),
    (as_json(kty="EC", crv=5, x="", y=""), "strings"),
    (as_json(**{**KEY.public, "use": "enc"}), "not for signatures"),
    (as_json(**KEY.public, key_ops=["encrypt"]), "not for signatures"),
    (as_json(**KEY.public, key_ops="verify"), "not for signatures"),
    (as_json(**{**KEY.public, "alg": "none"}), "none does not fit"),
    (as_json(**{**KEY.public, "alg": "HS256"}), "HS256 does not fit"),
    (as_json(**{**KEY.public, "kid": 5}), "strings"),
    (as_json(keys=[KEY.public, OTHER.public]), "2 keys"),
    (as_json(keys=[]), "0 keys"),
    (b'{"kty":"EC","kty":"oct"}', "neither PEM nor a JWK"),
    (b"", "neither PEM nor a JWK"),
    (b"ssh-ed25519 AAAA", "neither PEM nor a JWK"),
    (b"[]", "neither PEM nor a JWK"),
    (KEY.jwk.export_to_pem(private_key=True, password=b"open sesame"), "encrypted"),
    (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "certificate"),
    (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "cannot be read"),
    (pem(KEY) + pem(OTHER), "more than one"),
]


@pytest.mark.parametrize(("text", "why"), BAD_KEYS, ids=[why for _, why in BAD_KEYS])
def test_a_key_that_cannot_be_used_is_refused_and_the_text_says_why(text: bytes, why: str) -> None:
    with pytest.raises(BadKey, match=why):
        load(text)


@pytest.mark.parametrize("alg", ["ES384", "RS256", "HS256", "none", "EdDSA"])
def test_an_algorithm_has_to_fit_the_key(alg: str) -> None:
    with pytest.raises(BadKey, match=f"{alg} does not fit"):
        load(pem(KEY), alg=alg)


def test_an_algorithm_that_the_key_names_is_not_overruled() -> None:
    with pytest.raises(BadKey, match="it is for PS256, not for RS256"):
        load(canonical(KEYS["PS256"].secret), alg="RS256")


def test_a_key_says_nothing_of_its_secret() -> None:
    for key in KEYS.values():
        hidden = {*key.secret.values()} - {*(key.public.values() if key.is_public else ())}
        hidden -= {key.kid, key.algs[0], "oct", "sig"}
        assert hidden
        for text in (repr(key), str(key), *map(str, key.public.values() if key.is_public else ())):
            assert not [part for part in hidden if part in text]


def test_the_set_of_public_keys_holds_no_secret() -> None:
    said = json.loads(as_set(tuple(KEYS.values())))
    assert [each["kid"] for each in said["keys"]] == [
        key.kid for key in KEYS.values() if key is not SECRET
    ]
    members = {name for each in said["keys"] for name in each}
    assert members == {"kty", "crv", "x", "y", "n", "e", "kid", "alg", "use"}


def test_keys_that_cannot_sign_or_have_one_name_are_found_before_they_are_needed() -> None:
    public = load(canonical(KEY.public))
    with pytest.raises(BadKey, match="is a public key"):
        prove([public])
    with pytest.raises(BadKey, match="two of the keys are called"):
        prove([KEY, KEY])
    halves = load(canonical({**KEYS["EdDSA"].secret, "x": new("EdDSA").public["x"]}))
    with pytest.raises(BadKey, match="do not belong together"):
        prove([halves])


NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    "members",
    [
        {"exp": NOW},
        {"exp": NOW - 1},
        {"nbf": NOW + 1},
        {"revoked": {"revoked_at": NOW - 5, "reason": "keyCompromise"}},
        {"exp": "tomorrow"},
        {"exp": True},
    ],
)
def test_a_key_that_is_out_of_its_time_verifies_nothing(members: dict[str, Any]) -> None:
    # V10-MUST-140
    gone = {**KEY.public, **members}
    with pytest.raises(BadKey, match="none of its keys"):
        load_set(as_json(keys=[gone]), now=NOW)
    with pytest.raises(BadKey, match="expired"):
        load_set(as_json(**gone), now=NOW)
    [left] = load_set(as_json(keys=[gone, OTHER.public]), now=NOW)
    with pytest.raises(UnknownKey):
        verify(b"x", sign(b"x", KEY), [left])


def test_a_key_in_its_time_verifies() -> None:
    keys = load_set(as_json(keys=[{**KEY.public, "nbf": NOW, "exp": NOW + 1}]), now=NOW)
    assert verify(b"x", sign(b"x", KEY), keys) is keys[0]


def test_keys_of_other_kinds_in_a_set_are_passed_over() -> None:
    others = [P521, WEAK_RSA, {"kty": "AKP"}, {**OTHER.public, "use": "enc"}, "surprise", None]
    [found] = load_set(as_json(keys=[*others, KEY.public]), now=NOW)
    assert found.kid == KEY.kid


@pytest.mark.parametrize("text", [b"", b"[]", b'{"keys":{}}', b'{"keys":[],"keys":[]}', b"<html>"])
def test_what_is_no_set_is_refused(text: bytes) -> None:
    with pytest.raises(BadKey):
        load_set(text, now=NOW)


# Signatures

PAYLOAD = b'{"name":"Adder"}'


def protected(**header: Any) -> str:
    return encoded(canonical(header))


def encoded(text: bytes) -> str:
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def forged(key: JWK, alg: str, header: dict[str, Any]) -> Signature:
    """A signature that is right but for what its header says."""
    jws = JWS(PAYLOAD, header_registry={"exp": JWSEHeaderParameter("exp", False, True, None)})
    jws.allowed_algs = [alg]
    jws.add_signature(key, alg, json.dumps(header))
    said = json.loads(jws.serialize())
    return Signature(said["protected"], said["signature"])


@pytest.mark.parametrize("alg", ALGS)
def test_a_signature_says_what_it_is_and_nothing_more(alg: str) -> None:
    # V10-MUST-138, V10-SHOULD-075
    key = KEYS[alg]
    plain = read_header(sign(PAYLOAD, key).protected)
    assert plain.members == {"alg": alg, "kid": key.kid, "typ": "JOSE"}
    told = read_header(sign(PAYLOAD, key, jku="https://keys.example").protected)
    assert told.members == {**plain.members, "jku": "https://keys.example"}


@pytest.mark.parametrize("alg", ALGS)
def test_any_other_byte_is_not_what_was_signed(alg: str) -> None:
    key = KEYS[alg]
    signature = sign(PAYLOAD, key)
    assert verify(PAYLOAD, signature, [key]) is key
    for other in (PAYLOAD + b" ", PAYLOAD[:-1], PAYLOAD.replace(b"A", b"B"), b""):
        with pytest.raises(BadSignature):
            verify(other, signature, [key])


def test_the_signature_of_rfc_8037_verifies() -> None:
    """Its appendix A.4, by the key of A.1; a kid is asked for, so the header is spelled anew."""
    key = load(
        as_json(
            kty="OKP",
            crv="Ed25519",
            d="nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
            x="11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        )
    )
    # Ed25519 is deterministic, so the whole signature can be compared.
    jws = JWS(b"Example of Ed25519 signing")
    jws.add_signature(key.jwk, "EdDSA", '{"alg":"EdDSA"}')
    assert json.loads(jws.serialize())["signature"] == (
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    )
    signature = sign(b"Example of Ed25519 signing", key)
    assert verify(b"Example of Ed25519 signing", signature, [key]) is key


PUBLIC_PEM = KEYS["RS256"].jwk.export_to_pem()
CONFUSED = JWK(kty="oct", k=encoded(PUBLIC_PEM))
NOBODY = JWK.generate(kty="EC", crv="P-256")

FORGED: dict[str, Callable[[], Signature]] = {
    "no algorithm": lambda: Signature(protected(alg="none", kid=KEY.kid), ""),
    "no algorithm in capitals": lambda: Signature(protected(alg="None", kid=KEY.kid), ""),
    "a public key as a secret": lambda: forged(
        CONFUSED, "HS256", {"alg": "HS256", "kid": KEYS["RS256"].kid}
    ),
    "another algorithm of the same key": lambda: forged(
        KEYS["RS256"].jwk, "PS256", {"alg": "PS256", "kid": KEYS["RS256"].kid}
    ),
    "another key by the same name": lambda: forged(
        NOBODY, "ES256", {"alg": "ES256", "kid": KEY.kid}
    ),
    "a key in the header": lambda: forged(
        NOBODY,
        "ES256",
        {"alg": "ES256", "kid": KEY.kid, "jwk": NOBODY.export_public(as_dict=True)},
    ),
    "something critical": lambda: forged(
        KEY.jwk, "ES256", {"alg": "ES256", "kid": KEY.kid, "crit": ["exp"], "exp": 1}
    ),
    "nothing critical": lambda: Signature(
        protected(alg="ES256", kid=KEY.kid, crit=[]), sign(PAYLOAD, KEY).signature
    ),
    "a payload that is not encoded": lambda: Signature(
        protected(alg="ES256", kid=KEY.kid, b64=False), sign(PAYLOAD, KEY).signature
    ),
    "no name": lambda: forged(KEY.jwk, "ES256", {"alg": "ES256"}),
    "a name that is none": lambda: Signature(
        protected(alg="ES256", kid=None), sign(PAYLOAD, KEY).signature
    ),
    "a header that says it twice": lambda: Signature(
        encoded(b'{"alg":"ES256","kid":"x","kid":"%s"}' % KEY.kid.encode()),
        sign(PAYLOAD, KEY).signature,
    ),
    "a header that is no object": lambda: Signature(protected_of("[]"), ""),
    "a header that is no JSON": lambda: Signature(protected_of("{"), ""),
    "padding": lambda: Signature(sign(PAYLOAD, KEY).protected, sign(PAYLOAD, KEY).signature + "=="),
    "the other base64": lambda: Signature(sign(PAYLOAD, KEY).protected, "+/" * 43),
    "zeros": lambda: Signature(sign(PAYLOAD, KEY).protected, encoded(bytes(64))),
    "no signature": lambda: Signature(sign(PAYLOAD, KEY).protected, ""),
    "DER": lambda: Signature(sign(PAYLOAD, KEY).protected, encoded(b"\x30\x44" + bytes(68))),
    "something that is no ASCII": lambda: Signature("é", "é"),
}


def protected_of(text: str) -> str:
    return encoded(text.encode())


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_signature_is_refused(name: str) -> None:
    with pytest.raises(BadSignature):
        verify(PAYLOAD, FORGED[name](), tuple(KEYS.values()))


@pytest.mark.parametrize("alg", ["ES256", "ES384"])
def test_a_signature_has_one_spelling(alg: str) -> None:
    key = KEYS[alg]
    signature = sign(PAYLOAD, key)
    raw = base64.urlsafe_b64decode(signature.signature + "==")
    half = len(raw) // 2
    longer = b"\0" + raw[:half] + b"\0" + raw[half:]
    with pytest.raises(BadSignature, match="length"):
        verify(PAYLOAD, signature._replace(signature=encoded(longer)), [key])
    # The last character of base64url holds bits that mean nothing.
    last = signature.signature[-1]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    if len(raw) % 3:
        twin = alphabet[alphabet.index(last) ^ 1]
        spelled = signature._replace(signature=signature.signature[:-1] + twin)
        with pytest.raises(BadSignature, match="base64url"):
            verify(PAYLOAD, spelled, [key])


def test_the_name_selects_the_key() -> None:
    one, two = load(pem(KEY), kid="one"), load(pem(OTHER), kid="two")
    assert verify(PAYLOAD, sign(PAYLOAD, two), [one, two]) is two
    renamed = load(pem(OTHER), kid="one")
    with pytest.raises(BadSignature, match="not over this, or not by"):
        verify(PAYLOAD, sign(PAYLOAD, renamed), [one, two])
    with pytest.raises(UnknownKey, match="none that is trusted"):
        verify(PAYLOAD, sign(PAYLOAD, load(pem(KEY), kid="three")), [one, two])


def test_a_key_that_has_no_name_is_trusted_under_any() -> None:
    signature = sign(PAYLOAD, load(pem(KEY), kid="what the server calls it"))
    pinned = load(KEY.jwk.export_to_pem())
    assert verify(PAYLOAD, signature, [pinned]) is pinned


def test_a_public_rsa_key_that_names_no_algorithm_takes_both() -> None:
    public = load(PUBLIC_PEM)
    for alg in ("RS256", "PS256"):
        assert verify(PAYLOAD, sign(PAYLOAD, load(pem(KEYS["RS256"]), alg=alg)), [public])


# Cards

FORMS = {"merged": cards.merged, "1.0": cards.pure10, "0.3": cards.pure03}
SEAL = Seal([KEY])
SIGNED = {form: SEAL.document(write(CARD)) for form, write in FORMS.items()}


def without_signatures(document: bytes) -> Any:
    said = json.loads(document)
    del said["signatures"]
    return said


@pytest.mark.parametrize("form", FORMS)
def test_a_card_verifies_as_it_is_served(form: str) -> None:
    # V10-MUST-137
    said = without_signatures(SIGNED[form])
    assert said == json.loads(FORMS[form](CARD))
    verified = check(SIGNED[form], [KEY])
    assert verified.whole
    assert verified.payload == canonical(said)
    # And by hand, with nothing of ours but the canonical form: the first signature covers it all.
    first = json.loads(SIGNED[form])["signatures"][0]
    assert json.loads(base64.urlsafe_b64decode(first["protected"] + "=="))[COVERS] == "document"
    jws = JWS()
    jws.deserialize(json.dumps({**first, "payload": encoded(canonical(said))}))
    jws.verify(KEY.jwk)


@pytest.mark.parametrize("form", FORMS)
def test_it_is_served_in_canonical_form(form: str) -> None:
    assert canonical(read(SIGNED[form])) == SIGNED[form]


def places(said: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to everything in a document."""
    inside = said.items() if isinstance(said, dict) else enumerate(said)
    for name, value in inside:
        yield (*path, name)
        if isinstance(value, dict | list):
            yield from places(value, (*path, name))


def spoil(said: Any, place: tuple[Any, ...], how: str, value: Any) -> bool:
    """Change what is at a place; whether that has changed anything."""
    *way, last = place
    for step in way:
        said = said[step]
    match how:
        case "remove":
            del said[last]
        case "add" if isinstance(said, dict):
            if "added" in said:
                return False
            said["added"] = value
        case "add":
            said.insert(last, value)
        case _:
            if canonical(said[last]) == canonical(value):
                return False
            said[last] = value
    return True


@settings(max_examples=300)
@given(
    form=st.sampled_from(list(FORMS)),
    where=st.integers(0, 500),
    how=st.sampled_from(["remove", "add", "change"]),
    value=JSON,
)
@example(form="merged", where=0, how="add", value={})
def test_whatever_is_changed_removed_or_added_no_longer_verifies(
    form: str, where: int, how: str, value: Any
) -> None:
    said = json.loads(SIGNED[form])
    signatures = said.pop("signatures")
    known = list(places(said))
    if spoil(said, known[where % len(known)], how, value):
        with pytest.raises(BadSignature):
            check(canonical({**said, "signatures": signatures}), [KEY])


@pytest.mark.parametrize("form", FORMS)
def test_every_single_member_is_signed(form: str) -> None:
    whole = json.loads(SIGNED[form])
    for place in places(without_signatures(SIGNED[form])):
        said = json.loads(json.dumps(whole))
        assert spoil(said, place, "remove", None)
        with pytest.raises(BadSignature):
            check(canonical(said), [KEY])


@pytest.mark.parametrize("form", FORMS)
def test_no_signature_of_one_form_vouches_for_another(form: str) -> None:
    signatures = json.loads(SIGNED[form])["signatures"]
    for other in set(FORMS) - {form}:
        said = without_signatures(SIGNED[other])
        with pytest.raises(BadSignature):
            check(canonical({**said, "signatures": signatures}), [KEY])


def test_what_others_make_of_a_card_is_not_a_card_of_ours() -> None:
    """What a reading leaves out could be left out by anybody; so it proves nothing to us."""
    for each in json.loads(SIGNED["merged"])["signatures"][1:]:
        assert read_header(each["protected"]).members[COVERS] == "reading"
        for form in FORMS:
            said = without_signatures(SIGNED[form])
            said.pop("securityRequirements", None)
            with pytest.raises(BadSignature):
                check(canonical({**said, "signatures": [each]}), [KEY])


def signed_like(payload: bytes, document: dict[str, Any], key: Key = KEY) -> bytes:
    """A document with a signature over other bytes, as somebody else makes it."""
    return canonical({**document, "signatures": [sign(payload, key)._asdict()]})


EMPTIES: dict[str, Any] = {
    # The fragment of A2A 1.0.1 section 8.4.1, in a card that can be read
    "name": "X",
    "description": "",
    "version": "1",
    "supportedInterfaces": [
        {"url": "https://a.example", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}
    ],
    "capabilities": {"streaming": False, "pushNotifications": False, "extensions": []},
    "defaultInputModes": [],
    "defaultOutputModes": [],
    "skills": [],
}


def test_a_card_of_others_is_verified_by_the_presence_of_its_members() -> None:
    # V10-MUST-132 to V10-MUST-136, V10-MUST-139: what is required and what was set stays, also
    # when it is empty; what is neither is left out; so is what is not of line 1.0
    whole = {**EMPTIES, "securitySchemes": {}, "url": "https://old.example", "iconUrl": ""}
    payload = canonical(
        {
            **EMPTIES,
            "capabilities": {"streaming": False, "pushNotifications": False},
            "iconUrl": "",
        }
    )
    verified = check(signed_like(payload, whole), [KEY])
    assert verified.payload == payload
    assert not verified.whole


def test_a_card_of_the_official_sdks_is_verified_without_what_is_empty() -> None:
    payload = canonical(
        {
            "name": "X",
            "version": "1",
            "supportedInterfaces": EMPTIES["supportedInterfaces"],
            "capabilities": {"streaming": False, "pushNotifications": False},
        }
    )
    verified = check(signed_like(payload, {**EMPTIES, "url": "https://old.example"}), [KEY])
    assert verified.payload == payload


def test_a_card_of_the_official_sdk_of_0_3_is_verified_without_its_defaults() -> None:
    document = {
        "protocolVersion": "0.3.0",
        "preferredTransport": "JSONRPC",
        "url": "https://a.example",
        "name": "Adder – ü",
        "capabilities": {},
        "securitySchemes": {"b": {"type": "http", "scheme": "Bearer"}},
        "security": [{"b": []}],
    }
    payload = (
        rb'{"name":"Adder \u2013 \u00fc","securitySchemes":{"b":{"scheme":"Bearer"}},'
        rb'"url":"https://a.example"}'
    )
    verified = check(signed_like(payload, document), [KEY])
    assert verified.payload == payload
    assert cards.read(verified.payload).name == "Adder – ü"


def test_of_a_card_of_others_only_what_is_signed_can_be_had() -> None:
    payload = cards.pure10(CARD)
    signature = json.loads(signed_like(canonical(read(payload)), {}))["signatures"]
    changed = {**json.loads(cards.merged(CARD)), "url": "https://evil.example", "x": 1}
    verified = check(canonical({**changed, "signatures": signature}), [KEY])
    assert b"evil" not in verified.payload
    assert cards.read(verified.payload) == CARD


def test_every_key_signs_and_any_of_them_will_do() -> None:
    document = Seal([KEY, OTHER]).document(cards.merged(CARD))
    for key in (KEY, OTHER):
        assert check(document, [key]).key is key
    with pytest.raises(UnknownKey):
        check(document, [new("ES256")])


def test_signatures_that_a_card_bears_already_stay() -> None:
    once = Seal([OTHER]).document(cards.merged(CARD))
    twice = SEAL.document(once)
    for key in (KEY, OTHER):
        assert check(twice, [key]).whole


def test_a_document_is_signed_once() -> None:
    assert SEAL.document(cards.merged(CARD)) == SIGNED["merged"]
    assert Seal([KEY]).document(cards.merged(CARD)) != SIGNED["merged"]  # ES256 is not repeatable


def test_a_card_in_an_answer_is_signed_where_it_is() -> None:
    card = cards.pure10(CARD)
    answer = b'{"jsonrpc":"2.0","id":"x","result":' + card + b"}"
    sealed = json.loads(SEAL.answer(answer))
    assert (sealed["jsonrpc"], sealed["id"]) == ("2.0", "x")
    assert inside(SEAL.answer(answer)) == inside(SEAL.answer(card)) == SIGNED["1.0"]


UNSIGNED: list[Any] = [{}, {"signatures": []}, {"signatures": None}, {"signatures": {"a": 1}}]


@pytest.mark.parametrize("members", UNSIGNED)
def test_a_card_without_signatures_is_unsigned(members: dict[str, Any]) -> None:
    with pytest.raises(Unsigned):
        check(canonical({"name": "X", **members}), [KEY])


@pytest.mark.parametrize(
    "entry", [None, 5, "x", {}, {"protected": 1, "signature": "x"}, {"protected": "", "x": ""}]
)
def test_an_entry_that_is_no_signature_spoils_no_other(entry: Any) -> None:
    said = json.loads(SIGNED["1.0"])
    said["signatures"].insert(0, entry)
    assert check(canonical(said), [KEY]).whole


def test_a_strangers_thousands_of_signatures_are_not_looked_at() -> None:
    said = json.loads(SIGNED["1.0"])
    said["signatures"] = [{"protected": "", "signature": ""}] * 10_000 + said["signatures"]
    with pytest.raises(BadSignature):
        check(canonical(said), [KEY])


@pytest.mark.parametrize("document", [b"[]", b"<html>", b'{"a":1,"a":2}', b'"x"'])
def test_what_cannot_be_a_signed_card_is_refused(document: bytes) -> None:
    with pytest.raises(NotCanonical):
        check(document, [KEY])
    with pytest.raises(NotCanonical):
        SEAL.document(document)


def test_a_document_that_is_no_card_is_signed_as_a_whole() -> None:
    document = SEAL.document(b'{"hello":[1.50,"\\u00e9"]}')
    assert len(json.loads(document)["signatures"]) == 1
    assert check(document, [KEY]).payload == '{"hello":[1.5,"é"]}'.encode()


def test_what_is_wrong_with_a_trusted_signature_is_told_before_that_there_are_others() -> None:
    said = json.loads(Seal([OTHER, KEY]).document(cards.pure10(CARD)))
    said["name"] = "Subtracter"
    with pytest.raises(BadSignature, match="not over this"):
        check(canonical(said), [KEY])
