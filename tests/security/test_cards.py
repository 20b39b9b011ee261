"""At the signed card on its way: somebody between the server and its caller changes what it says.

The card is the one that the server serves; the attacker serves it again, changed, and the client is
ours, which knows the key. Where requests go is on the card, and with them the token.
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from jwcrypto.jwk import JWK

from a2acore.client import ClientError, Trust, open_client
from a2acore.signing import Key, canonical, load, new, sign
from tests.receiver import Letter, Receiver, Reply, receiving
from tests.security.house import ECHO, TOKENS, House, guarded
from tests.test_cli import A2ACODE, a2acode, environment

CARD = "/.well-known/agent-card.json"
OWN = new("ES256", "k")
"""The attacker's key, under the name of the server's."""
Change = Callable[[dict[str, Any]], Any]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("cards")
    assert a2acode("keys", "new", str(folder / "card.key"), "--kid", "k").returncode == 0
    with guarded(folder, *ECHO, "--sign-key", str(folder / "card.key")) as house:
        yield house


def key_of(house: House) -> Key:
    """The public half, as callers have it."""
    private = json.loads((house.folder / "card.key").read_text())
    return load(JWK(**private).export_public().encode())


@asynccontextmanager
async def between(house: House, change: Change, version: str = "") -> AsyncIterator[Receiver]:
    """Somebody who serves the card, changed; and who would like to have a token."""
    asked = {"A2A-Version": version} if version else {}
    card = (await house.edge().ask("GET", CARD, asked)).json
    changed = change(card)
    body = (
        changed
        if isinstance(changed, bytes)
        else json.dumps(card if changed is None else changed).encode()
    )

    async def serve(letter: Letter) -> Reply:
        return Reply(200, {"Content-Type": "application/json"}, body)

    async with receiving(serve) as evil:
        evil.url = evil.url.partition("/hook")[0]
        yield evil


async def disbelieved(house: House, change: Change, version: str = "", **trust: Any) -> None:
    """The client does not take the card, and shows its token to nobody."""
    async with between(house, change, version) as evil:
        known = Trust(keys=(key_of(house),), **trust)
        with pytest.raises(ClientError):
            async with open_client(evil.url, token=TOKENS["alice"], verify=known):
                raise AssertionError("the card was believed")
        assert evil.letters
        for letter in evil.letters:
            assert TOKENS["alice"] not in json.dumps(dict(letter.headers)) or letter.verb == "GET"


FORMS = pytest.mark.parametrize("version", ["", "1.0", "0.3"], ids=["both", "1.0", "0.3"])


@FORMS
async def test_the_card_as_it_is(house: House, version: str) -> None:
    """Or the tests below could not fail."""
    async with between(house, lambda card: None, version) as evil:
        known = Trust(keys=(key_of(house),))
        async with open_client(evil.url, verify=known) as client:
            assert client.card.name


CHANGES: dict[str, Change] = {
    "another name": lambda card: card.update(name="Another"),
    "no security": lambda card: (
        [card.pop(n, None) for n in ("security", "securityRequirements")] and None
    ),
    "no schemes": lambda card: card.pop("securitySchemes") and None,
    "a skill more": lambda card: card["skills"].append({**card["skills"][0], "id": "x"}),
    "a member that nobody knows": lambda card: card.update(x=1),
    "an empty member": lambda card: card.update(x=[]),
    "a default": lambda card: card.update(documentationUrl=""),
    "other letters": lambda card: card.update(name=card["name"] + "\u200b"),
    "no signature": lambda card: card.pop("signatures") and None,
    "no signature in the list": lambda card: card.update(signatures=[]),
    "a signature that is none": lambda card: card.update(signatures=[{}]),
}


@FORMS
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
async def test_a_card_that_was_changed(house: House, change: Change, version: str) -> None:
    """On a peer's verified card the security could be taken away (1.14)."""
    await disbelieved(house, change, version)


@FORMS
async def test_a_card_that_leads_elsewhere(house: House, version: str) -> None:
    def lead(card: dict[str, Any]) -> None:
        if "url" in card:
            card["url"] = "http://evil.example/"
        for each in card.get("supportedInterfaces", card.get("additionalInterfaces", [])):
            each["url"] = "http://evil.example/"

    await disbelieved(house, lead, version)


async def test_the_signatures_of_another_form(house: House) -> None:
    """One of line 0.3 under a card of line 1.0, and the other way round."""
    forms = {
        version: (await house.edge().ask("GET", CARD, {"A2A-Version": version})).json
        for version in ("1.0", "0.3")
    }
    for one, other in (("1.0", "0.3"), ("0.3", "1.0")):
        mixed = {**forms[one], "name": "Another", "signatures": forms[other]["signatures"]}
        await disbelieved(house, lambda card, mixed=mixed: mixed)  # type: ignore[misc]
        both = {**forms[one], **forms[other], "name": "Another"}
        await disbelieved(house, lambda card, both=both: both)  # type: ignore[misc]


async def test_a_signature_over_less_than_what_is_served(house: House) -> None:
    """A signature over a reading proves the reading; our client takes none of ours for more."""

    def strip(card: dict[str, Any]) -> None:
        kept = []
        for each in card["signatures"]:
            head = json.loads(base64.urlsafe_b64decode(each["protected"] + "=="))
            if head["urn:a2acode:covers"] == "reading":
                kept.append(each)
        card["signatures"] = kept
        card["x"] = "not signed"

    await disbelieved(house, strip)


def signed_by(card: dict[str, Any], key: Key, **header: Any) -> None:
    rest = {name: value for name, value in card.items() if name != "signatures"}
    card["name"] = rest["name"] = "Another"
    card["signatures"] = [sign(canonical(rest), key, **header)._asdict()]


async def test_a_signature_by_another_key_of_the_same_name(house: House) -> None:
    await disbelieved(house, lambda card: signed_by(card, OWN))


async def test_a_key_in_the_signature_itself(house: House) -> None:
    public = json.loads(OWN_PUBLIC)
    await disbelieved(house, lambda card: signed_by(card, OWN, jwk=public))


OWN_PUBLIC = json.dumps({"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"})


async def test_a_place_for_keys_that_is_the_attackers(house: House) -> None:
    """Nobody goes there, also if it begins like one that is trusted."""
    async with receiving() as trap:
        trusted = ("keys.example.com", "https://keys.example.com/agents/")
        for jku in (
            trap.url,
            "https://keys.example.com.evil.example/",
            "https://keys.example.com@evil.example/",
            "https://evil.example/?keys.example.com",
            "https://keys.example.com:8443/",
            "https://keys.example.com/agents/../evil",
            "https://keys.example.com/agents/%2e%2e/evil",
            "http://keys.example.com/agents/",
            "file:///etc/passwd",
        ):
            change = partial(signed_by, key=OWN, jku=jku)
            await disbelieved(house, change, jku_allow=trusted[1:])
        assert not trap.connections


def header(card: dict[str, Any], **members: Any) -> None:
    """The server's own signatures under another header."""
    for each in card["signatures"]:
        head = json.loads(base64.urlsafe_b64decode(each["protected"] + "=="))
        head.update(members)
        text = json.dumps({name: value for name, value in head.items() if value is not None})
        each["protected"] = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "members",
    [
        {"alg": "none"},
        {"alg": "HS256"},
        {"alg": "ES384"},
        {"crit": ["urn:a2acode:covers"]},
        {"urn:a2acode:covers": None},
        {"urn:a2acode:covers": "reading"},
        {"b64": False},
        {"kid": None},
    ],
    ids=str,
)
async def test_another_header_over_the_same_signature(
    house: House, members: dict[str, Any]
) -> None:
    await disbelieved(house, lambda card: header(card, **members))


async def test_the_public_key_as_a_shared_secret(house: House) -> None:
    public = json.loads(JWK(**json.loads((house.folder / "card.key").read_text())).export_public())
    secret = base64.urlsafe_b64encode(json.dumps(public).encode()).decode().rstrip("=")
    shared = load(json.dumps({"kty": "oct", "k": secret, "kid": "k", "alg": "HS256"}).encode())
    await disbelieved(house, lambda card: signed_by(card, shared))


async def test_a_member_that_stands_twice(house: House) -> None:
    """Which one is signed, and which one is used?"""

    def twice(card: dict[str, Any]) -> bytes:
        return json.dumps(card).replace('"name"', '"name": "Another", "name"', 1).encode()

    await disbelieved(house, twice)


async def test_thousands_of_signatures(house: House) -> None:
    def many(card: dict[str, Any]) -> None:
        card["name"] = "Another"
        card["signatures"] = card["signatures"] * 3000

    with trio.fail_after(10):
        await disbelieved(house, many)


async def test_the_command_that_verifies(house: House, tmp_path: Path) -> None:
    file = tmp_path / "card.pub"
    private = json.loads((house.folder / "card.key").read_text())
    file.write_text(JWK(**private).export_public())

    async def verify(url: str) -> int:
        command = [*A2ACODE, "card", "--url", url, "--verify", "--key", str(file)]
        done = await trio.run_process(
            command, check=False, capture_stdout=True, capture_stderr=True, env=environment()
        )
        assert b"Traceback" not in done.stderr
        assert done.returncode == 0 or not done.stdout
        return int(done.returncode or 0)

    assert await verify(house.url) == 0
    for change in (CHANGES["no security"], CHANGES["no signature"]):
        async with between(house, change) as evil:
            assert await verify(evil.url) == 1


async def test_a_card_that_sends_the_token_to_another_machine_in_clear(house: House) -> None:
    """Also unsigned: a token goes to https addresses and to this machine alone."""

    def lead(card: dict[str, Any]) -> None:
        for each in card["supportedInterfaces"]:
            each["url"] = "http://192.0.2.1/"
        card["url"] = "http://192.0.2.1/"

    async with between(house, lead) as evil:
        with pytest.raises(ClientError, match=r"(?i)https|insecure|token"):
            async with open_client(evil.url, token=TOKENS["alice"]) as client:
                await client.extended_card()
