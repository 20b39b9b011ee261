"""With a credential that is none, or is no longer: tokens, passwords, and the tokens of issuers."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from jwcrypto.jwe import JWE
from jwcrypto.jwk import JWK
from jwcrypto.jws import JWS

from a2acore.credentials import Token
from tests.edge import Edge, state
from tests.receiver import Receiver, receiving
from tests.security.house import (
    CALLERS,
    ECHO,
    PASSWORD,
    PATIENT,
    RPC,
    TOKENS,
    House,
    bearer,
    begin,
    command,
    entry,
    guarded,
)

ISSUER = "https://login.example"
KEY = JWK.generate(kty="RSA", size=2048, kid="rsa", alg="RS256")
EC = JWK.generate(kty="EC", crv="P-256", kid="ec")
STRANGE = JWK.generate(kty="EC", crv="P-256", kid="ec")
CORP = f"""
[[issuers]]
name = "corp"
issuer = "{ISSUER}"
audience = "a2acode"
jwks = "keys.json"
scopes = ["read", "run"]
"""


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("shown")
    public = [json.loads(key.export_public()) for key in (KEY, EC)]
    (folder / "keys.json").write_text(json.dumps({"keys": public}))
    with guarded(folder, *ECHO, *PATIENT) as house:
        house.credentials.write_text(CALLERS + CORP)
        house.stop()
        house.start(*house.args)
        yield house


async def turned_away(house: House, *shown: str) -> None:
    """Whoever shows this is a stranger, and starts nothing."""
    verb, target, headers, body = RPC.spell("send", {"message": RPC.message("owned")})
    with house.untouched():
        for each in shown:
            answer = await Edge(house.url).ask(
                verb, target, {**headers, "Authorization": each}, body
            )
            assert answer.status in (400, 401, 431), (each[:100], answer)
            assert b"echo" not in answer.body
    assert "Traceback" not in house.log


# Tokens


async def test_the_right_token_under_another_scheme(house: House) -> None:
    token = TOKENS["alice"]
    basic = base64.b64encode(f"alice:{token}".encode()).decode()
    await turned_away(
        house, f"Basic {token}", f"Basic {basic}", f"Token {token}", f"Digest {token}", token
    )


@pytest.mark.parametrize("shown", ["", "Bearer", "Bearer null", "Bearer undefined", "Basic", ":"])
async def test_no_token_at_all(house: House, shown: str) -> None:
    await turned_away(house, shown)


async def test_a_piece_of_a_token_or_more_than_it(house: House) -> None:
    token = TOKENS["alice"]
    await turned_away(
        house,
        f"Bearer {token[:-1]}",
        f"Bearer {token[1:]}",
        f"Bearer {token}0",
        f"Bearer {token},",
        f"Bearer {token} {token}",
        f"Bearer {token}, Bearer {TOKENS['ops']}",
        f'Bearer "{token}"',
        f"Bearer={token}",
        f"Bearer{token}",
    )


async def test_a_token_in_other_letters(house: House) -> None:
    token = TOKENS["alice"]
    wide = "".join(chr(ord(letter) + 0xFEE0) for letter in token)
    await turned_away(
        house,
        f"Bearer {token.upper()}",
        f"Bearer {token.capitalize()}",
        f"Bearer {wide}".encode().decode("latin-1"),
        f"Bearer {token}\xa0",
        f"Bearer \xef\xbb\xbf{token}",
        "Bearer " + token.replace("a", "\xe0"),
        "Bearer " + "".join(f"%{ord(letter):02x}" for letter in token),
    )


async def test_the_hash_out_of_the_file(house: House) -> None:
    """Who has read the file of credentials cannot come in by what stands in it."""
    digest = str(Token.of(TOKENS["alice"].encode()))
    raw = digest.removeprefix("sha256:")
    await turned_away(
        house, f"Bearer {digest}", f"Bearer {raw}", f"Bearer {bytes.fromhex(raw).hex()}"
    )
    said = command("credentials", "check", str(house.credentials))
    assert said.exit_code == 0
    assert raw not in said.output


async def test_a_token_of_sixty_thousand_letters(house: House) -> None:
    await turned_away(house, "Bearer " + "x" * 60_000, "Bearer " + f"{'x' * 20_000}." * 3)


async def test_a_token_whose_time_is_over(house: House) -> None:
    await turned_away(house, f"Bearer {TOKENS['expired']}")


def test_how_long_it_takes_says_nothing_of_how_much_is_right() -> None:
    """What is compared are digests, of which nobody can choose a beginning."""
    right, close = Token.of(b"t" * 40), Token.of(b"t" * 39 + b"u")
    assert right.digest[:2] != close.digest[:2]
    assert len(right.digest) == 32
    assert right == Token.of(b"t" * 40)
    assert hash(right) != hash(close)


async def test_listening_on_when_the_token_is_taken_back(house: House) -> None:
    """The stream ends, the task does not, and a credential of the same name finds it again."""
    bob = house.edge("bob")
    try:
        async with bob.telling(RPC, "slow:60") as stream:
            task = (await stream.hear(RPC)).inside["id"]
            entry_of_bob = entry("bob", bearer=bearer("bob"))
            house.credentials.write_text(CALLERS.replace(entry_of_bob, "") + CORP)
            with trio.fail_after(10):
                while await stream.stream.receive_some():
                    pass
        assert (await bob.do(RPC, "get", id=task)).status == 401
        house.credentials.write_text(CALLERS + CORP)
        with trio.fail_after(10):
            while (answer := await bob.do(RPC, "get", id=task)).status == 401:
                await trio.lowlevel.checkpoint()
        assert state(RPC.unwrap(answer.json)) == "working"
        await bob.do(RPC, "cancel", id=task)
    finally:
        house.credentials.write_text(CALLERS + CORP)


async def test_a_scope_that_one_gives_oneself(house: House) -> None:
    verb, target, headers, body = RPC.spell("send", {"message": RPC.message("owned")})
    with house.untouched():
        for extra in ({"X-Scope": "admin"}, {"Scope": "run"}, {"A2A-Extensions": "admin"}):
            answer = await house.edge("reader").ask(
                verb, f"{target}?scope=run", headers | extra, body
            )
            assert answer.status in (200, 403)
            assert b"missingScope" in answer.body


def test_a_name_that_the_server_uses_itself(tmp_path: Path) -> None:
    """Who may write entries for others cannot become nobody, everybody, or an issuer's caller."""
    for name in ("anonymous", "bearer", "corp:alice", "a b", "alice\\n", ""):
        file = tmp_path / "callers.toml"
        file.write_text(entry(name, bearer='"sha256:' + "0" * 64 + '"'))
        done = command("credentials", "check", str(file))
        assert done.exit_code != 0
        assert "name" in done.output


# Passwords


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


async def test_a_password_of_somebody_else(house: House) -> None:
    await turned_away(
        house,
        basic("alice", PASSWORD),
        basic("bearer", PASSWORD),
        basic("Carol", PASSWORD),
        basic("carol ", PASSWORD),
        basic("", PASSWORD),
        basic("nobody", PASSWORD),
    )


async def test_a_password_that_is_nearly_right(house: House) -> None:
    """The zero is scrypt's: it knows no end of a password (RFC 7914 by way of HMAC)."""
    await turned_away(
        house,
        basic("carol", PASSWORD + "\0"),
        basic("carol", PASSWORD + "\n"),
        basic("carol", PASSWORD.upper()),
        basic("carol", PASSWORD[:-1]),
        basic("carol", ""),
        basic("carol", "x" * 100_000),
        basic("alice", TOKENS["alice"]),
    )


async def test_a_password_that_cannot_be_read(house: House) -> None:
    await turned_away(
        house,
        "Basic " + base64.b64encode(PASSWORD.encode()).decode(),  # no user
        "Basic " + base64.b64encode(b"carol:\xff\xfe").decode(),
        "Basic !!!!",
        "Basic Y2Fyb2w6" + "\x01",
        basic("carol", PASSWORD) + "====",
        f"Basic carol:{PASSWORD}",
    )


# The tokens of issuers


def encoded(said: Any) -> str:
    given = said if isinstance(said, bytes) else json.dumps(said).encode()
    return base64.urlsafe_b64encode(given).decode().rstrip("=")


def claims(**more: Any) -> dict[str, Any]:
    now = int(time.time())
    said = {"iss": ISSUER, "aud": "a2acode", "sub": "mallory", "exp": now + 600, "iat": now, **more}
    return {name: value for name, value in said.items() if value is not None}


def forged(header: dict[str, Any], signature: bytes = b"", **more: Any) -> str:
    """A token that nobody has signed."""
    return f"Bearer {encoded(header)}.{encoded(claims(**more))}.{encoded(signature)}"


def signed(key: JWK, header: dict[str, Any] | None = None, **more: Any) -> str:
    alg = {"RSA": "RS256", "EC": "ES256", "oct": "HS256"}[key["kty"]]
    head = {"alg": alg, "kid": "rsa" if alg == "RS256" else "ec", **(header or {})}
    made = JWS(json.dumps(claims(**more)).encode())
    made.allowed_algs = [head["alg"]]
    made.add_signature(key, None, json.dumps(head))
    return f"Bearer {made.serialize(compact=True)}"


async def test_a_good_token_is_let_in(house: House) -> None:
    """Or the tests below could not fail."""
    for key in (KEY, EC):
        verb, target, headers, body = RPC.spell("list", {})
        shown = {**headers, "Authorization": signed(key)}
        assert (await Edge(house.url).ask(verb, target, shown, body)).status == 200


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "nOnE", "", None, 0, ["RS256"]])
async def test_a_token_that_says_it_needs_no_signature(house: House, alg: Any) -> None:
    await turned_away(
        house,
        forged({"alg": alg, "kid": "rsa"}),
        forged({"alg": alg}),
        forged({"alg": alg, "kid": "rsa"}, b"x" * 256),
    )


async def test_a_token_whose_signature_was_cut_off(house: House) -> None:
    head, payload, _ = signed(KEY).split(".")
    await turned_away(house, f"{head}.{payload}.", f"{head}.{payload}", f"{head}.{payload}.AA")


async def test_the_public_key_as_the_secret_of_an_hmac(house: House) -> None:
    """Who takes the algorithm from the token verifies it with a key that everybody knows."""
    secrets = (
        KEY.export_to_pem(),
        KEY.export_to_pem().strip(),
        KEY.export_public().encode(),
        base64.urlsafe_b64decode(KEY.export_public(as_dict=True)["n"] + "=="),
    )
    made = []
    for secret in secrets:
        hmac = JWK(kty="oct", k=encoded(secret))
        made += [signed(hmac, {"alg": alg, "kid": "rsa"}) for alg in ("HS256", "HS512")]
    await turned_away(house, *made)


async def test_the_signature_that_is_right_for_every_text(house: House) -> None:
    """r = s = 0 satisfied the equation of ECDSA in a well-known Java."""
    await turned_away(
        house,
        forged({"alg": "ES256", "kid": "ec"}, bytes(64)),
        forged({"alg": "ES256", "kid": "ec"}, bytes.fromhex("3006020100020100")),
        forged({"alg": "ES256", "kid": "ec"}, b"\xff" * 64),
    )


async def test_a_key_of_ones_own_under_the_name_of_theirs(house: House) -> None:
    await turned_away(house, signed(STRANGE), signed(STRANGE, {"kid": "rsa"}))


async def test_a_key_that_the_token_brings_along(house: House) -> None:
    own = STRANGE.export_public(as_dict=True)
    pem = base64.b64encode(STRANGE.export_to_pem()).decode()
    await turned_away(
        house,
        signed(STRANGE, {"jwk": own}),
        signed(STRANGE, {"jwk": own, "kid": None}),
        signed(STRANGE, {"jwk": own, "kid": own.get("kid", "") + "2"}),
        signed(STRANGE, {"x5c": [pem]}),
    )


@asynccontextmanager
async def trap() -> AsyncIterator[Receiver]:
    """A server of the attacker's, where nobody is to come."""
    async with receiving() as receiver:
        yield receiver
        assert not receiver.letters
        assert not receiver.connections


async def test_a_place_for_keys_that_the_token_names(house: House) -> None:
    async with trap() as evil:
        place = f"{evil.url}/keys"
        await turned_away(
            house,
            signed(STRANGE, {"jku": place}),
            signed(STRANGE, {"jku": place, "kid": "new"}),
            signed(STRANGE, {"x5u": place}),
            signed(STRANGE, iss=evil.url),
            signed(STRANGE, {"kid": place}),
        )


@pytest.mark.parametrize(
    "kid",
    [
        "../../../../dev/null",
        "/proc/sys/kernel/randomize_va_space",
        "keys.json",
        "' OR '1'='1",
        "rsa\u0000",
        "RSA",
        "*",
        "",
        "x" * 4000,
    ],
)
async def test_the_name_of_a_key_that_is_a_path_or_a_program(house: House, kid: str) -> None:
    empty = JWK(kty="oct", k=encoded(b"\0" * 32))
    await turned_away(house, signed(STRANGE, {"kid": kid}), signed(empty, {"kid": kid}))


async def test_a_header_that_must_be_understood(house: House) -> None:
    await turned_away(
        house,
        forged({"alg": "RS256", "kid": "rsa", "crit": ["exp"]}, b"x" * 256),
        signed(KEY, {"crit": ["b64"], "b64": True}),
        forged({"alg": "RS256", "kid": "rsa", "crit": ["b64"], "b64": False}, b"x" * 256),
    )


async def test_a_token_for_another_server(house: House) -> None:
    await turned_away(
        house,
        signed(KEY, aud="another"),
        signed(KEY, aud=None),
        signed(KEY, aud=[]),
        signed(KEY, aud="A2ACODE"),
        signed(KEY, aud={"a2acode": 1}),
        signed(KEY, aud="a2acode.evil.example"),
    )


async def test_a_token_of_another_issuer(house: House) -> None:
    await turned_away(
        house,
        signed(KEY, iss=f"{ISSUER}/"),
        signed(KEY, iss=f"{ISSUER}.evil.example"),
        signed(KEY, iss=None),
        signed(KEY, iss=[ISSUER]),
        signed(KEY, iss="HTTPS://LOGIN.EXAMPLE"),
    )


async def test_a_token_out_of_its_time(house: House) -> None:
    now = int(time.time())
    await turned_away(
        house,
        signed(KEY, exp=now - 60),
        signed(KEY, exp=None),
        signed(KEY, exp="9999999999"),
        signed(KEY, exp=True),
        signed(KEY, nbf=now + 600),
        signed(KEY, iat=now + 600),
    )


async def test_a_token_that_is_made_for_something_else(house: House) -> None:
    await turned_away(house, signed(KEY, {"typ": "logout+jwt"}), signed(KEY, {"typ": "dpop+jwt"}))


async def test_a_token_that_says_things_twice(house: House) -> None:
    twice = json.dumps(claims()).replace('"sub"', '"sub": "alice", "sub"').encode()
    made = JWS(twice)
    made.add_signature(KEY, None, json.dumps({"alg": "RS256", "kid": "rsa"}))
    await turned_away(house, f"Bearer {made.serialize(compact=True)}")


async def test_a_token_in_another_form(house: House) -> None:
    sealed = JWE(json.dumps(claims()).encode(), json.dumps({"alg": "RSA-OAEP", "enc": "A128GCM"}))
    sealed.add_recipient(KEY)
    made = JWS(json.dumps(claims()).encode())
    made.add_signature(KEY, None, json.dumps({"alg": "RS256", "kid": "rsa"}))
    whole = signed(KEY)
    await turned_away(
        house,
        f"Bearer {sealed.serialize(compact=True)}",
        f"Bearer {made.serialize()}",
        f"{whole}.x",
        whole.replace(".", "..", 1),
        whole.replace("Bearer", "JWT"),
    )


async def test_a_name_of_the_issuers_that_is_one_of_ours(house: House) -> None:
    """`alice` of an issuer is `corp:alice`, and sees nothing of ours."""
    task = await begin(house.edge("alice"), "permission")
    verb, target, headers, body = RPC.spell("get", {"id": task["id"]})
    with house.untouched():
        for name in ("alice", "corp:alice", "ops", "bearer", "anonymous"):
            shown = {**headers, "Authorization": signed(KEY, sub=name)}
            answer = await Edge(house.url).ask(verb, target, shown, body)
            assert answer.json["error"]["code"] == -32001, name
    await turned_away(
        house, signed(KEY, sub="alice\n"), signed(KEY, sub=""), signed(KEY, sub=["ops"])
    )


async def test_a_scope_of_the_issuers_that_is_not_meant_for_us(house: House) -> None:
    task = await begin(house.edge("alice"), "permission")
    for scope in (
        "admin",
        "a2acode:admin2",
        "A2ACODE:ADMIN",
        "x a2acode:admin,",
        {"a2acode:admin": 1},
    ):
        verb, target, headers, body = RPC.spell("cancel", {"id": task["id"]})
        shown = {**headers, "Authorization": signed(KEY, scope=scope)}
        with house.untouched():
            answer = await Edge(house.url).ask(verb, target, shown, body)
            assert answer.json["error"]["code"] == -32001, scope
