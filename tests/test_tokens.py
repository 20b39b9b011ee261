"""Tokens of others: what makes one good, and where the keys come from that say so.

The issuer is a server of this test, on a real socket; time passes only where a test says so.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from attrs import define, evolve, field
from jwcrypto.jwk import JWK
from jwcrypto.jws import JWS
from jwcrypto.jwt import JWT

from a2acore.asgi import Message, Receive, Scope, Send
from a2acore.credentials import Issuer, Principal, Token
from a2acore.listener import listen
from a2acore.middleware.bearer import Bearer
from a2acore.middleware.keyring import FRESH, LAST, PAUSE, SIZE, TIME, Keyring
from a2acore.middleware.roster import POLL, Stranger, open_roster
from a2acore.middleware.tokens import BadToken, Jwt, KeyMissing
from a2acore.signing import Key, load
from tests.edge import Edge, Way, echoing

ISSUER = "https://login.example"
ENTRY = Issuer("corp", ISSUER, ("a2acode", "another"), "keys.json", scopes=frozenset({"read"}))
NOW = 1_800_000_000.0
ENTRY_OF_ALICE = "bearer = '" + str(Token.of(b"alice")) + "'"
NEW = Way("1.0", "JSONRPC")

RSA = JWK.generate(kty="RSA", size=2048, kid="rsa")
EC = JWK.generate(kty="EC", crv="P-256", kid="ec")
ED = JWK.generate(kty="OKP", crv="Ed25519", kid="ed")
STRANGE = JWK.generate(kty="EC", crv="P-256", kid="strange")


def key(jwk: JWK) -> Key:
    return load(jwk.export_public().encode())


KEYS = [key(RSA), key(EC), key(ED)]
ALGS = {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA"}
CLAIMS = {"iss": ISSUER, "aud": "a2acode", "sub": "alice", "exp": NOW + 60}


def token(
    claims: Any = CLAIMS, jwk: JWK = EC, *, header: dict[str, Any] | None = None, **more: Any
) -> str:
    """A token as issuers make them; what is None in `more` is left out of its claims."""
    said = {**claims, **more} if isinstance(claims, dict) else claims
    if isinstance(said, dict):
        said = {name: value for name, value in said.items() if value is not None}
    head = {"alg": ALGS[jwk["kty"]], "kid": jwk["kid"], "typ": "JWT", **(header or {})}
    head = {name: value for name, value in head.items() if value is not None}
    made = JWS(said if isinstance(said, bytes) else json.dumps(said).encode())
    made.allowed_algs = [head["alg"]]
    made.add_signature(jwk, None, json.dumps(head))
    text: str = made.serialize(compact=True)
    return text


def forged(header: dict[str, Any], claims: dict[str, Any] = CLAIMS, signature: bytes = b"") -> str:
    parts = (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    return ".".join(encoded(part) for part in parts)


def encoded(said: str | bytes) -> str:
    said = said.encode() if isinstance(said, str) else said
    return base64.urlsafe_b64encode(said).decode().rstrip("=")


def admitted(text: str, issuer: Issuer = ENTRY, now: float = NOW) -> Principal:
    jwt = Jwt.read(text)
    if jwt.issuer != issuer.issuer:
        raise BadToken("another issuer")
    return jwt.principal(issuer, KEYS, now)


# A token


@pytest.mark.parametrize("jwk", [RSA, EC, ED], ids=["RS256", "ES256", "EdDSA"])
def test_a_token_of_the_issuer_says_who_comes_and_for_how_long(jwk: JWK) -> None:
    found = admitted(token(jwk=jwk, scope="openid a2acode:run a2acode:approve a2acode:fly run"))
    assert found == Principal("corp:alice", frozenset({"run", "approve"}), NOW + 60 + ENTRY.leeway)


def test_a_token_that_another_library_makes_is_read() -> None:
    jwt = JWT(header={"alg": "RS256", "kid": "rsa", "typ": "at+jwt"}, claims=CLAIMS)
    jwt.make_signed_token(RSA)
    assert admitted(jwt.serialize()).name == "corp:alice"


SCOPES: list[tuple[Any, dict[str, Any], set[str]]] = [
    (None, {}, {"read"}),  # what the entry of the issuer says
    ("openid profile", {}, {"read"}),
    ("read admin", {}, {"read"}),
    (["a2acode:admin", 7, "a2acode:run"], {}, {"admin", "run"}),
    ("a2acode:run", {}, {"run"}),
    ("A2ACODE:run xa2acode:admin", {}, {"read"}),
    ({"a2acode:admin": True}, {}, {"read"}),
    ("run approve", {"scope_prefix": ""}, {"run", "approve"}),
    (None, {"scopes": frozenset()}, set()),
]


@pytest.mark.parametrize(("said", "how", "scopes"), SCOPES, ids=range(len(SCOPES)))
def test_a_token_says_what_may_be_done(said: Any, how: dict[str, Any], scopes: set[str]) -> None:
    assert admitted(token(scope=said), evolve(ENTRY, **how)).scopes == scopes
    named = evolve(ENTRY, scopes_claim="roles", **how)
    assert admitted(token(roles=said), named).scopes == scopes


GOOD: list[dict[str, Any]] = [
    {"aud": ["x", "a2acode"]},
    {"aud": "another"},
    {"exp": NOW - ENTRY.leeway + 1},
    {"nbf": NOW + ENTRY.leeway, "iat": NOW + ENTRY.leeway},
    {"exp": NOW + 0.5},
    {"azp": "somebody"},
]


@pytest.mark.parametrize("more", GOOD, ids=str)
def test_a_token_that_fits_is_good(more: dict[str, Any]) -> None:
    assert admitted(token(**more)).name == "corp:alice"


BAD: list[tuple[str, str]] = [
    # Who signed it
    (forged({"alg": "none", "kid": "ec"}), "algorithm"),
    (forged({"alg": "None", "kid": "ec"}), "algorithm"),
    (forged({"alg": "ES256", "kid": "ec"}), "signature"),
    (forged({"alg": "ES256", "kid": "ec"}, signature=bytes(64)), "signature"),
    (forged({"alg": "ES384", "kid": "ec"}, signature=bytes(96)), "signature"),
    (forged({"alg": "RS256", "kid": "ec"}, signature=bytes(256)), "signature"),
    (forged({"kid": "ec"}), "signature"),
    (forged({"alg": "ES256"}), "signature"),
    (forged({"alg": ["ES256"], "kid": "ec"}), "signature"),
    (token(header={"crit": ["b64"], "b64": True}), "signature"),
    (token(header={"typ": "logout+jwt"}), "typ"),
    (token(header={"typ": "secevent+jwt"}), "typ"),
    (token(header={"typ": 7}), "typ"),
    # For whom, and for how long
    (token(aud=None), "aud"),
    (token(aud="A2ACODE"), "aud"),
    (token(aud=["x"]), "aud"),
    (token(aud=[["a2acode"]]), "aud"),
    (token(aud={"a2acode": 1}), "aud"),
    (token(exp=None), "expired"),
    (token(exp=NOW - ENTRY.leeway), "expired"),
    (token(exp=str(NOW + 60)), "exp in no number"),
    (token(exp=True), "exp in no number"),
    (token(nbf=NOW + ENTRY.leeway + 1), "not valid yet"),
    (token(iat=NOW + ENTRY.leeway + 1), "not valid yet"),
    (token(nbf="now"), "nbf in no number"),
    # Who comes with it
    (token(sub=None), "who comes"),
    (token(sub=""), "who comes"),
    (token(sub=7), "who comes"),
    (token(sub=["alice"]), "who comes"),
    (token(sub="alice\nroot"), "who comes"),
    (token(sub="x" * 257), "who comes"),
]


@pytest.mark.parametrize(("text", "why"), BAD, ids=range(len(BAD)))
def test_a_token_that_does_not_fit_is_no_good(text: str, why: str) -> None:
    with pytest.raises(BadToken, match=why):
        admitted(text)


def claiming(said: str | bytes) -> str:
    return f"{encoded('{}')}.{encoded(said)}."


ILLEGIBLE = [
    "",
    "..",
    "a.b",
    "a.b.c.d",
    "!.!.!",
    claiming("[]"),
    claiming("{}"),
    claiming('{"iss": 7}'),
    claiming('{"iss": "a", "iss": "b"}'),
    claiming('{"iss": NaN}'),
    claiming(b'{"iss": "\xff"}'),
    claiming("[" * 10_000),
    claiming(json.dumps({"iss": "x" * 20_000})),
]


@pytest.mark.parametrize("text", ILLEGIBLE, ids=range(len(ILLEGIBLE)))
def test_what_is_no_token_is_none(text: str) -> None:
    with pytest.raises(BadToken):
        Jwt.read(text)


def test_a_token_with_anything_changed_is_no_good() -> None:
    good = token()
    assert admitted(good)
    for place in range(len(good)):
        other = "A" if good[place] != "A" else "B"
        with pytest.raises(BadToken):
            admitted(good[:place] + other + good[place + 1 :])
    for spoiled in (good + "=", good + "A", good[:-1], f" {good}", good.replace(".", "..")):
        with pytest.raises(BadToken):
            admitted(spoiled)


def test_a_public_key_is_no_secret() -> None:
    """The oldest trick: to sign with HS256 and the public key, which everybody has."""
    for secret in (RSA.export_to_pem(), RSA.export_public().encode()):
        jwk = JWK(kty="oct", k=encoded(secret), kid="rsa")
        made = JWS(json.dumps(CLAIMS).encode())
        made.add_signature(jwk, "HS256", json.dumps({"alg": "HS256", "kid": "rsa"}))
        with pytest.raises(BadToken, match="algorithm"):
            admitted(made.serialize(compact=True))


def test_a_secret_among_the_keys_proves_nothing() -> None:
    """Whoever publishes one has told it to everybody."""
    secret = JWK.generate(kty="oct", size=256, kid="shared")
    made = JWS(json.dumps(CLAIMS).encode())
    made.add_signature(secret, "HS256", json.dumps({"alg": "HS256", "kid": "shared"}))
    shared = load(json.dumps(secret.export(as_dict=True)).encode())
    everything = evolve(ENTRY, algorithms=(*ENTRY.algorithms, "HS256"))
    with pytest.raises(BadToken):
        Jwt.read(made.serialize(compact=True)).principal(everything, [shared], NOW)


def test_only_the_algorithms_of_the_entry_are_taken() -> None:
    only = evolve(ENTRY, algorithms=("RS256",))
    assert admitted(token(jwk=RSA), only)
    with pytest.raises(BadToken, match="algorithm"):
        admitted(token(jwk=EC), only)


def test_another_key_under_the_name_of_one_of_theirs_is_no_good() -> None:
    mine = JWK.generate(kty="EC", crv="P-256", kid="ec")
    with pytest.raises(BadToken, match="signature"):
        admitted(token(jwk=mine))
    # Nor do the keys count that a token brings along, or points to.
    public = mine.export_public(as_dict=True)
    for header in (
        {"jwk": public},
        {"jku": "https://evil.example"},
        {"x5u": "https://evil.example"},
    ):
        with pytest.raises(BadToken, match="signature"):
            admitted(token(jwk=mine, header=header))


def test_a_key_that_nobody_has_heard_of_is_told_from_one_that_is_wrong() -> None:
    with pytest.raises(KeyMissing):
        admitted(token(jwk=STRANGE))


# The keys of an issuer


@define(eq=False)
class Login:
    """An issuer, which counts how often it is asked for what."""

    keys: list[JWK] = field(factory=list)
    url: str = ""
    asked: list[str] = field(factory=list)
    down: bool = False
    special: dict[str, Callable[[Send], Any]] = field(factory=dict)
    configuration: dict[str, Any] = field(factory=dict)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path = scope["path"]
        self.asked.append(path)
        if path in self.special:
            await self.special[path](send)
        elif self.down:
            await answer(send, 503)
        elif path == "/.well-known/openid-configuration":
            said = {"issuer": self.url, "jwks_uri": f"{self.url}/keys", **self.configuration}
            await answer(send, 200, json.dumps(said).encode())
        else:
            keys = [jwk.export_public(as_dict=True) for jwk in self.keys]
            await answer(send, 200, json.dumps({"keys": keys}).encode())

    def token(self, jwk: JWK = EC, **more: Any) -> str:
        return token({**CLAIMS, "iss": self.url, "exp": time.time() + 600}, jwk, **more)


async def answer(
    send: Send, status: int, body: bytes = b"{}", *headers: tuple[bytes, bytes]
) -> None:
    said = [(b"content-length", b"%d" % len(body)), *headers]
    await send({"type": "http.response.start", "status": status, "headers": said})
    await send({"type": "http.response.body", "body": body})


@asynccontextmanager
async def login(*keys: JWK) -> AsyncIterator[Login]:
    found = Login(list(keys))
    async with trio.open_nursery() as nursery:
        bound = await nursery.start(partial(listen, found, port=0))
        found.url = bound.url
        yield found
        nursery.cancel_scope.cancel()


def written(folder: Path, url: str, *lines: str) -> Path:
    file = folder / "credentials.toml"
    entry = ["[[issuers]]", 'name = "corp"', f'issuer = "{url}"', 'audience = "a2acode"']
    file.write_text("\n".join((*entry, 'scopes = ["read"]', *lines)))
    return file


def showing(text: str) -> Scope:
    return {
        "type": "http",
        "path": "/",
        "method": "POST",
        "headers": [(b"authorization", f"Bearer {text}".encode())],
    }


async def test_a_token_of_a_believed_issuer_opens_the_server(tmp_path: Path) -> None:
    """The whole way, with discovery; and its tasks are those of nobody in the file."""
    async with login(RSA, EC) as issuer:
        file = written(tmp_path, issuer.url)
        file.write_text(file.read_text() + "\n[[callers]]\nname = 'alice'\n" + ENTRY_OF_ALICE)
        async with echoing(tmp_path, credentials=file) as edge:
            good = issuer.token(scope="a2acode:run a2acode:read")
            for _ in range(3):
                task = await Edge(edge.url, good).tell(NEW, "hi")
            assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]
            listed = NEW.unwrap((await Edge(edge.url, good).do(NEW, "list")).json)
            assert listed["totalSize"] == 3
            other = issuer.token(RSA, sub="bob")
            for token_of in (other, "alice"):
                found = await Edge(edge.url, token_of).do(NEW, "get", id=task["id"])
                assert found.json["error"]["code"] == -32001
            for bad in (good + "A", token(iss=issuer.url, jwk=STRANGE), token(), "a.b.c"):
                assert (await Edge(edge.url, bad).do(NEW, "list")).status == 401


async def test_the_keys_of_an_issuer_may_lie_in_a_file_beside_the_credentials(
    tmp_path: Path,
) -> None:
    keys = {"keys": [EC.export_public(as_dict=True)]}
    (tmp_path / "corp.json").write_text(json.dumps(keys))
    async with open_roster(file=written(tmp_path, "corp", 'jwks = "corp.json"')) as roster:
        good = token(iss="corp", exp=time.time() + 60)
        assert (await roster.admit(showing(good))).principal.name == "corp:alice"


async def test_new_keys_are_fetched_when_a_token_names_one_and_not_for_every_such_token(
    tmp_path: Path, mock_clock: trio.testing.MockClock
) -> None:
    async with (
        login(EC) as issuer,
        open_roster(file=written(tmp_path, issuer.url, f'jwks = "{issuer.url}/keys"')) as roster,
    ):
        await roster.admit(showing(issuer.token()))
        assert issuer.asked == ["/keys"]
        issuer.keys = [RSA]
        for jwk in [RSA, STRANGE] * 20:
            with pytest.raises(Stranger):  # it was just asked
                await roster.admit(showing(issuer.token(jwk)))
        assert issuer.asked == ["/keys"]
        mock_clock.jump(PAUSE)
        admitted = await roster.admit(showing(issuer.token(RSA)))
        assert admitted.principal.name == "corp:alice"
        with pytest.raises(Stranger):  # its key is gone
            await roster.admit(showing(issuer.token()))
        for _ in range(20):
            with pytest.raises(Stranger):
                await roster.admit(showing(issuer.token(STRANGE)))
        assert issuer.asked == ["/keys"] * 2


async def test_who_was_known_by_a_key_that_is_gone_is_not_known_any_more(
    tmp_path: Path, mock_clock: trio.testing.MockClock
) -> None:
    async with (
        login(EC, RSA) as issuer,
        open_roster(file=written(tmp_path, issuer.url, f'jwks = "{issuer.url}/keys"')) as roster,
    ):
        one, other = issuer.token(EC), issuer.token(RSA)
        for text in (one, other):
            await roster.admit(showing(text))
        issuer.keys = [RSA]
        mock_clock.jump(FRESH)
        await roster.admit(showing(one))  # the keys are fetched beside that
        while len(issuer.asked) < 2:
            await trio.testing.wait_all_tasks_blocked()
        await trio.testing.wait_all_tasks_blocked(0.05)
        await settled(roster, other)
        with pytest.raises(Stranger):
            await roster.admit(showing(one))
        await roster.admit(showing(other))


async def settled(roster: Any, text: str) -> None:
    """Wait until a fetch that runs is over: a missing key waits for it."""
    with pytest.raises(Stranger):
        await roster.admit(showing(token({**CLAIMS, "iss": Jwt.read(text).issuer}, STRANGE)))


async def test_an_issuer_that_is_down_is_believed_for_a_while(
    tmp_path: Path, mock_clock: trio.testing.MockClock
) -> None:
    async with (
        login(EC) as issuer,
        open_roster(file=written(tmp_path, issuer.url, f'jwks = "{issuer.url}/keys"')) as roster,
    ):
        good = issuer.token()
        await roster.admit(showing(good))
        issuer.down = True
        for _ in range(5):
            mock_clock.jump((LAST - 1) / 5)
            await roster.admit(showing(good))
            await roster.admit(showing(issuer.token(jti=str(_))))
            await settled(roster, good)
        mock_clock.jump(PAUSE + 1)
        with pytest.raises(Stranger):
            await roster.admit(showing(good))
        asked = len(issuer.asked)
        with pytest.raises(Stranger):
            await roster.admit(showing(good))
        assert len(issuer.asked) == asked  # it is not asked for each of them
        issuer.down = False
        mock_clock.jump(PAUSE)
        await roster.admit(showing(good))


async def test_nobody_waits_for_an_issuer_but_who_comes_with_its_token(
    tmp_path: Path, mock_clock: trio.testing.MockClock
) -> None:
    async with login(EC) as issuer:

        async def hang(send: Send) -> None:
            await trio.sleep_forever()

        issuer.special["/keys"] = hang
        file = written(tmp_path, issuer.url, f'jwks = "{issuer.url}/keys"')
        file.write_text(file.read_text() + "\n[[callers]]\nname = 'alice'\n" + ENTRY_OF_ALICE)
        async with open_roster(file=file) as roster, trio.open_nursery() as nursery:
            outcome: list[str] = []

            async def wait() -> None:
                try:
                    await roster.admit(showing(issuer.token()))
                except Stranger:
                    outcome.append("stranger")

            nursery.start_soon(wait)
            nursery.start_soon(wait)
            while not issuer.asked:
                await trio.testing.wait_all_tasks_blocked()
            with trio.fail_after(1):
                assert (await roster.admit(showing("alice"))).principal.name == "alice"
            assert not outcome
            mock_clock.jump(TIME)
            while len(outcome) < 2:
                await trio.testing.wait_all_tasks_blocked()
            assert issuer.asked == ["/keys"]


async def test_who_waits_for_an_issuer_that_is_withdrawn_meanwhile_is_not_let_in(
    tmp_path: Path, mock_clock: trio.testing.MockClock
) -> None:
    async with login(EC) as issuer:
        go_on = trio.Event()

        async def wait(send: Send) -> None:
            await go_on.wait()
            await answer(send, 200, json.dumps({"keys": [EC.export_public(as_dict=True)]}).encode())

        issuer.special["/keys"] = wait
        file = written(tmp_path, issuer.url, f'jwks = "{issuer.url}/keys"')
        async with open_roster(file=file) as roster, trio.open_nursery() as nursery:

            async def come() -> None:
                with pytest.raises(Stranger, match="withdrawn"):
                    await roster.admit(showing(issuer.token()))

            nursery.start_soon(come)
            while not issuer.asked:
                await trio.testing.wait_all_tasks_blocked()
            file.write_text("")
            mock_clock.jump(POLL)
            await trio.testing.wait_all_tasks_blocked()
            assert not roster.credentials.issuers
            go_on.set()


async def redirected(url: str, send: Send) -> None:
    await answer(send, 302, b"", (b"location", url.encode()))


async def endless(send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(SIZE // 1000 + 100):
        await send({"type": "http.response.body", "body": b" " * 1000, "more_body": True})
    await send({"type": "http.response.body", "body": b"{}"})


WEAK = JWK.generate(kty="RSA", size=1024, kid="weak")
BAD_KEYS: dict[str, Callable[[Send], Any]] = {
    "no json": lambda send: answer(send, 200, b"<html>"),
    "no keys": lambda send: answer(send, 200, b'{"keys": []}'),
    "an error": lambda send: answer(send, 500),
    "a redirect": partial(redirected, "/elsewhere"),
    "too much": endless,
    "a weak key": lambda send: answer(
        send, 200, json.dumps({"keys": [WEAK.export_public(as_dict=True)]}).encode()
    ),
}


@pytest.mark.parametrize("name", BAD_KEYS)
async def test_keys_that_cannot_be_had_let_nobody_in(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        login(EC, WEAK) as issuer,
        open_roster(file=written(tmp_path, issuer.url, f'jwks = "{issuer.url}/keys"')) as roster,
    ):
        issuer.special["/keys"] = BAD_KEYS[name]
        for jwk in (EC, WEAK):
            with pytest.raises(Stranger):
                await roster.admit(showing(issuer.token(jwk)))
        assert issuer.asked == ["/keys"]
        assert "the keys of issuer corp cannot be had" in caplog.text


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"issuer": "https://login.example"}, "another issuer's"),
        ({"issuer": None}, "another issuer's"),
        ({"jwks_uri": 7}, "does not say"),
        ({"jwks_uri": "http://192.0.2.1/keys"}, "away from https"),
        ({"jwks_uri": "file:///etc/passwd"}, "away from https"),
        ({"jwks_uri": "ftp://127.0.0.1/keys"}, "away from https"),
        ({"jwks_uri": "https://[::1/keys"}, "away from https"),
    ],
)
async def test_a_configuration_that_is_not_the_issuers_own_is_not_followed(
    said: dict[str, Any], why: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with login(EC) as issuer, open_roster(file=written(tmp_path, issuer.url)) as roster:
        issuer.configuration = said
        with pytest.raises(Stranger):
            await roster.admit(showing(issuer.token()))
        assert issuer.asked == ["/.well-known/openid-configuration"]
        assert why in caplog.text


async def test_a_token_is_good_until_it_expires_and_so_is_what_it_opened(
    tmp_path: Path, mock_clock: trio.testing.MockClock
) -> None:
    async with (
        login(EC) as issuer,
        open_roster(file=written(tmp_path, issuer.url, "leeway = 5")) as roster,
    ):
        text = issuer.token(exp=time.time() + 100)
        admitted = await roster.admit(showing(text))
        with roster.inside(admitted) as stay:
            mock_clock.jump(104)
            await trio.lowlevel.checkpoint()
            mock_clock.jump(2)
            await trio.sleep_forever()
        assert stay.cancelled_caught
        with pytest.raises(Stranger):
            await roster.admit(showing(issuer.token(exp=time.time() - 6)))


async def test_who_came_by_an_issuer_leaves_when_it_is_not_believed_any_more(
    tmp_path: Path, mock_clock: trio.testing.MockClock
) -> None:
    heard: list[Message] = []

    async def send(message: Message) -> None:
        heard.append(message)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["a2acode.caller"].name == "corp:alice"
        await trio.sleep_forever()

    async def receive() -> Message:
        await trio.sleep_forever()
        raise AssertionError

    async with login(EC) as issuer:
        file = written(tmp_path, issuer.url)
        async with open_roster(file=file) as roster:
            good = issuer.token()
            await roster.admit(showing(good))
            async with trio.open_nursery() as nursery:
                nursery.start_soon(Bearer(app, roster, ()), showing(good), receive, send)
                await trio.testing.wait_all_tasks_blocked()
                file.write_text(file.read_text() + "\n# nothing of it has changed\n")
                mock_clock.jump(POLL)
                await trio.testing.wait_all_tasks_blocked()
                assert not heard
                file.write_text(file.read_text().replace("a2acode", "another"))
                mock_clock.jump(POLL)
            assert heard[0]["status"] == 401
            with pytest.raises(Stranger):
                await roster.admit(showing(good))


async def test_a_keyring_has_the_same_keys_until_they_change(
    mock_clock: trio.testing.MockClock,
) -> None:
    async with login(EC) as issuer, trio.open_nursery() as nursery:
        keyring = Keyring(Issuer("corp", issuer.url, ("x",), f"{issuer.url}/keys"), nursery)
        first = await keyring.current()
        assert [each.kid for each in first] == ["ec"]
        mock_clock.jump(PAUSE)
        await keyring.renew()
        assert await keyring.current() is first
        issuer.keys.append(RSA)
        mock_clock.jump(PAUSE)
        await keyring.renew()
        assert [each.kid for each in await keyring.current()] == ["ec", "rsa"]
        assert len(issuer.asked) == 3
