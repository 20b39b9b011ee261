"""Signed cards on real sockets: as they are served, as others verify them, as our client does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from a2acore.asgi import ASGIApp, Receive, Scope, Send
from a2acore.cards import Document
from a2acore.client import ClientError, Trust, Untrusted, open_client, verify_card
from a2acore.middleware.card_signing import JWKS, CardSigning
from a2acore.model import AgentCard, AgentInterface
from a2acore.server import Options
from a2acore.server import check as check_options
from a2acore.signing import (
    BadKey,
    BadSignature,
    Key,
    NotCanonical,
    as_set,
    canonical,
    load,
    load_set,
    new,
    read,
    sign,
)
from a2acore.wire import card as cards
from a2acore.wire.signatures import Seal, check, inside
from tests.edge import WAYS, Way, echoing
from tests.kit.cache import Missing
from tests.kit.fixtures import unavailable
from tests.kit.verifiers import VERIFIERS, Verifier
from tests.test_card import CARD as WITH_SIGNATURES

PATH = "/.well-known/agent-card.json"
OLD_PATH = "/.well-known/agent.json"
KEY = new("ES256", "one")
OTHER = new("EdDSA", "two")
SECRET = new("HS256", "shared")
FORMS: Mapping[str, dict[str, str]] = {
    "merged": {},
    "1.0": {"A2A-Version": "1.0"},
    "0.3": {"A2A-Version": "0.3"},
}
TOKEN = "open-sesame"
SMALL = AgentCard(
    "Small",
    "",
    (AgentInterface("https://agent.example", "HTTP+JSON", "1.0"),),
    "1",
    WITH_SIGNATURES.capabilities,
    (),
    (),
    (),
)


# As it is served


@pytest.mark.parametrize("token", ["", TOKEN])
@pytest.mark.parametrize("path", [PATH, OLD_PATH])
@pytest.mark.parametrize("form", FORMS)
async def test_the_card_verifies_as_it_is_served(
    form: str, path: str, token: str, tmp_path: Path
) -> None:
    async with echoing(tmp_path, sign_keys=(KEY,), token=token) as edge:
        answer = await edge.ask("GET", path, FORMS[form])
    assert answer.status == 200
    assert answer.media_type == "application/json"
    assert check(answer.body, [KEY]).whole
    said = answer.json
    assert ("supportedInterfaces" in said, "url" in said) == {
        "merged": (True, True),
        "1.0": (True, False),
        "0.3": (False, True),
    }[form]


@pytest.mark.parametrize("form", FORMS)
async def test_the_tag_is_of_the_signed_bytes_and_spares_sending_them(
    form: str, tmp_path: Path
) -> None:
    async with echoing(tmp_path, sign_keys=(KEY,)) as edge:
        first = await edge.ask("GET", PATH, FORMS[form])
        again = await edge.ask("GET", PATH, FORMS[form])
        head = await edge.ask("HEAD", PATH, FORMS[form])
        tag, date = first.headers["etag"], first.headers["last-modified"]
        unchanged = [
            await edge.ask(verb, PATH, {**FORMS[form], **condition})
            for verb in ("GET", "HEAD")
            for condition in (
                {"If-None-Match": tag},
                {"If-None-Match": f'"other", W/{tag}'},
                {"If-None-Match": "*"},
                {"If-Modified-Since": date},
            )
        ]
        changed = [
            await edge.ask("GET", PATH, {**FORMS[form], **condition})
            for condition in (
                {"If-None-Match": '"other"'},
                {"If-None-Match": '"other"', "If-Modified-Since": date},
                {"If-Modified-Since": "Thu, 01 Jan 1970 00:00:00 GMT"},
                {"If-Modified-Since": "yesterday"},
                {"Range": "bytes=0-9"},
            )
        ]
    assert tag == Document(first.body).etag
    assert again.body == first.body
    assert head.status == 200
    assert head.body == b""
    assert head.headers["content-length"] == str(len(first.body))
    for answer in (first, head, *unchanged):
        assert answer.headers["etag"] == tag
        assert answer.headers["last-modified"] == date
        assert answer.headers["vary"] == "A2A-Version"
        assert answer.headers["cache-control"] == "public, max-age=300"
    for answer in unchanged:
        assert (answer.status, answer.body) == (304, b"")
        assert not {"content-type", "content-length"} & answer.headers.keys()
    for answer in changed:
        assert (answer.status, answer.body) == (200, first.body)


async def test_each_form_has_its_own_tag(tmp_path: Path) -> None:
    async with echoing(tmp_path, sign_keys=(KEY,)) as edge:
        tags = {(await edge.ask("GET", PATH, FORMS[form])).headers["etag"] for form in FORMS}
    assert len(tags) == 3


async def test_without_a_key_nothing_is_signed_and_no_keys_are_there(tmp_path: Path) -> None:
    async with echoing(tmp_path) as edge:
        card = await edge.ask("GET", PATH)
        keys = await edge.ask("GET", JWKS)
    assert "signatures" not in card.json
    assert keys.status == 404


async def test_whatever_else_is_asked_of_the_card_is_as_it_was(tmp_path: Path) -> None:
    async with echoing(tmp_path, sign_keys=(KEY,)) as signed, echoing(tmp_path) as plain:
        for verb in ("POST", "DELETE", "OPTIONS"):
            answers = [await edge.ask(verb, PATH) for edge in (signed, plain)]
            assert answers[0].status == answers[1].status
            assert answers[0].body == answers[1].body


@pytest.mark.parametrize("way", WAYS, ids=str)
async def test_the_extended_card_is_signed_on_every_way(way: Way, tmp_path: Path) -> None:
    async with echoing(tmp_path, sign_keys=(KEY, OTHER), token=TOKEN) as edge:
        answer = await edge.do(way, "card")
        public = await edge.ask("GET", PATH, FORMS[way.line])
    card = inside(answer.body)
    assert json.loads(card) == way.unwrap(answer.json)
    assert json.loads(card)["version"] == f"{public.json['version']}+extended"
    for key in (KEY, OTHER):
        assert check(card, [key]).whole


# The keys


async def test_the_public_keys_are_there_for_everybody_and_no_secret_is(tmp_path: Path) -> None:
    keys = (KEY, SECRET, OTHER)
    async with echoing(tmp_path, sign_keys=keys, token=TOKEN) as edge:
        nobody = {"Authorization": ""}
        answer = await edge.ask("GET", JWKS, nobody)
        head = await edge.ask("HEAD", JWKS, nobody)
        unchanged = await edge.ask("GET", JWKS, {**nobody, "If-None-Match": answer.headers["etag"]})
        card = await edge.ask("GET", PATH)
    assert (answer.status, answer.media_type) == (200, "application/jwk-set+json")
    assert answer.body == as_set(keys)
    assert [each["kid"] for each in answer.json["keys"]] == ["one", "two"]
    assert not {"d", "k"} & {name for each in answer.json["keys"] for name in each}
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-length"] == str(len(answer.body))
    assert unchanged.status == 304
    for key in load_set(answer.body, now=0):
        assert check(card.body, [key]).whole
    assert check(card.body, [SECRET]).whole


async def test_the_keys_can_only_be_read(tmp_path: Path) -> None:
    async with echoing(tmp_path, sign_keys=(KEY,)) as edge:
        options = await edge.ask("OPTIONS", JWKS)
        refused = [await edge.ask(verb, JWKS) for verb in ("POST", "PUT", "DELETE")]
    assert (options.status, options.body) == (204, b"")
    for answer in (options, *refused):
        assert answer.headers["allow"] == "GET, HEAD, OPTIONS"
    for answer in refused:
        assert answer.status == 405
        assert answer.json["error"]["code"] == 405


@pytest.mark.parametrize(
    "target",
    [
        f"{JWKS}/",
        f"{JWKS}/message:send",
        f"/x/..{JWKS}",
        f"/{JWKS}",
        "/.well-known/JWKS.json",
        "/.well-known/jwks",
        "/.well-known/message:send",
    ],
)
async def test_nothing_else_is_public_by_looking_like_the_keys(target: str, tmp_path: Path) -> None:
    async with echoing(tmp_path, sign_keys=(KEY,), token=TOKEN) as edge:
        answer = await edge.ask("GET", target, {"Authorization": ""})
    assert answer.status == 401


async def test_keys_are_rotated_without_a_moment_in_which_nobody_can_verify(
    tmp_path: Path,
) -> None:
    served = {}
    for step, keys in {"old": (KEY,), "both": (OTHER, KEY), "new": (OTHER,)}.items():
        async with echoing(tmp_path, sign_keys=keys) as edge:
            served[step] = (await edge.ask("GET", PATH)).body
    holds = {"old": (KEY,), "both": (KEY, OTHER), "new": (OTHER,)}
    for step, document in served.items():
        for key in (KEY, OTHER):
            if key in holds[step]:
                assert check(document, [key]).whole
            else:
                with pytest.raises(BadSignature):
                    check(document, [key])


def test_keys_that_cannot_sign_are_refused_before_anything_is_opened() -> None:
    for keys in [(load(as_set((KEY,))),), (KEY, KEY)]:
        with pytest.raises(BadKey):
            check_options("127.0.0.1", Options(sign_keys=keys), insecure=False)
    with pytest.raises(ValueError, match="no http or https URL"):
        check_options("127.0.0.1", Options(sign_keys=(KEY,), sign_jku="keys"), insecure=False)


# As the official SDKs verify it


READS = {
    "python-0.3": ("merged", "0.3"),
    "python-1.0": ("merged", "1.0", "0.3"),
    "js-1.0": ("merged",),  # it asks for the form of 1.0 by itself
}
"""The forms that each of them can read, where they are what a server gives to everybody."""


@pytest.fixture(params=VERIFIERS)
def verifier(request: pytest.FixtureRequest) -> Verifier:
    found = VERIFIERS[request.param]
    try:
        found.command()
    except Missing as missing:
        unavailable(found.name, missing)
    return found


@pytest.mark.sdks
@pytest.mark.parametrize("token", ["", TOKEN])
@pytest.mark.parametrize(
    ("verifier", "form"),
    [(name, form) for name, forms in READS.items() for form in forms],
    indirect=["verifier"],
)
async def test_the_official_sdks_accept_the_card(
    verifier: Verifier, form: str, token: str, tmp_path: Path
) -> None:
    async with echoing(tmp_path, sign_keys=(OTHER, KEY), token=token, card_default=form) as edge:
        seen = await verifier.verify(edge.url, {KEY.kid: KEY.public}, {})
        assert seen.accepted, seen.why
        stranger = new("ES256", KEY.kid)
        seen = await verifier.verify(edge.url, {KEY.kid: stranger.public}, {})
        assert not seen.accepted


@pytest.mark.sdks
@pytest.mark.parametrize("alg", ["ES384", "RS256", "PS256"])
async def test_the_official_sdks_take_every_algorithm(
    verifier: Verifier, alg: str, tmp_path: Path
) -> None:
    key = new(alg)
    async with echoing(tmp_path, sign_keys=(key,)) as edge:
        seen = await verifier.verify(edge.url, {key.kid: key.public}, {})
    assert seen.accepted, seen.why


# Around any app


def serves(documents: Mapping[str, tuple[int, bytes]], seen: list[Scope]) -> ASGIApp:
    """An app with documents, and with a tag of its own on each; it keeps what it was asked."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        status, body = documents.get(scope.get("path", ""), (404, b"nothing"))
        headers = [
            (b"ETag", b'"of the app"'),
            (b"Content-Length", b"%d" % len(body)),
            (b"Content-Type", b"application/json"),
            (b"X-Other", b"stays"),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body[:5], "more_body": True})
        await send({"type": "http.response.body", "body": body[5:]})

    return app


def http(app: ASGIApp) -> httpx.AsyncClient:
    """A client of an app that no socket lies before. Every host is the app."""
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app),
        base_url="https://agent.example",
    )


async def test_the_middleware_signs_what_any_app_serves() -> None:
    seen: list[Scope] = []
    inner = serves({"/card": (200, b'{"name":"X"}'), "/other": (200, b'{"name":"Y"}')}, seen)
    async with http(CardSigning(inner, Seal([KEY]), {"/card"})) as client:
        card = await client.get("/card")
        told = {"If-None-Match": card.headers["etag"], "Accept-Encoding": "gzip"}
        unchanged = await client.get("/card", headers=told)
        other = await client.get("/other")
    assert check(card.content, [KEY]).payload == b'{"name":"X"}'
    assert card.headers["etag"] == Document(card.content).etag
    assert card.headers["x-other"] == "stays"
    assert int(card.headers["content-length"]) == len(card.content)
    assert unchanged.status_code == 304
    assert other.content == b'{"name":"Y"}'
    assert other.headers["etag"] == '"of the app"'
    asked = [dict(scope["headers"]) for scope in seen]
    assert not [each for each in asked[:2] if {b"if-none-match", b"accept-encoding"} & each.keys()]
    assert b"accept-encoding" in asked[2]


async def test_what_is_no_card_passes_as_it_is() -> None:
    inner = serves({"/card": (503, b"later")}, [])
    async with http(CardSigning(inner, Seal([KEY]), {"/card"})) as client:
        answer, head = await client.get("/card"), await client.head("/card")
    assert (answer.status_code, answer.content) == (503, b"later")
    assert answer.headers["etag"] == '"of the app"'
    assert (head.status_code, head.content) == (503, b"")


@pytest.mark.parametrize("body", [b"[]", b"<html>", b'{"a":1,"a":2}', b'{"a":1e999}'])
async def test_a_card_that_cannot_be_signed_is_not_served(body: bytes) -> None:
    inner = serves({"/card": (200, body)}, [])
    async with http(CardSigning(inner, Seal([KEY]), {"/card"})) as client:
        with pytest.raises(NotCanonical):
            await client.get("/card")


async def test_what_is_no_request_passes() -> None:
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    async def nothing(*_: Any) -> Any:
        raise AssertionError

    await CardSigning(app, Seal([KEY]), {"/card"})({"type": "lifespan"}, nothing, nothing)
    assert seen == [{"type": "lifespan"}]


# As our client verifies it


async def test_the_client_takes_a_card_by_a_pinned_key_and_no_other(tmp_path: Path) -> None:
    # V10-SHOULD-076
    async with echoing(tmp_path, sign_keys=(KEY, OTHER)) as edge:
        for keys in [(KEY,), (OTHER,), load_set(as_set((OTHER, KEY)), now=0)]:
            async with open_client(edge.url, verify=Trust(keys)) as client:
                assert client.card.name == "Echo"
        with pytest.raises(Untrusted, match="none that is trusted"):
            async with open_client(edge.url, verify=Trust((new("ES256", "three"),))):
                raise AssertionError
        with pytest.raises(Untrusted, match="not by the key 'one'"):
            async with open_client(edge.url, verify=Trust((new("ES256", "one"),))):
                raise AssertionError


async def test_an_unsigned_card_is_refused_unless_that_is_allowed(tmp_path: Path) -> None:
    async with echoing(tmp_path) as edge:
        with pytest.raises(Untrusted, match="not signed"):
            async with open_client(edge.url, verify=Trust((KEY,))):
                raise AssertionError
        allowing = Trust((KEY,), require_signed=False)
        async with open_client(edge.url, verify=allowing) as client:
            assert client.card.name == "Echo"
    async with echoing(tmp_path, sign_keys=(OTHER,)) as edge:
        with pytest.raises(Untrusted):
            async with open_client(edge.url, verify=allowing):
                raise AssertionError


@pytest.mark.parametrize("way", WAYS, ids=str)
async def test_the_extended_card_has_to_be_signed_as_well(way: Way, tmp_path: Path) -> None:
    async with (
        echoing(tmp_path, sign_keys=(KEY,), token=TOKEN) as edge,
        open_client(
            edge.url,
            token=TOKEN,
            line=way.line,
            binding=way.binding,
            verify=Trust((KEY,)),
        ) as client,
    ):
        public = client.card
        assert (await client.extended_card()).version == f"{public.version}+extended"


async def test_an_extended_card_by_somebody_else_is_refused(tmp_path: Path) -> None:
    """The public one is the agent's own; what stands in its place later is not."""
    theirs = Seal([OTHER]).document(cards.pure10(SMALL))
    mine = Seal([KEY]).document(cards.pure10(SMALL))
    inner = serves({PATH: (200, mine), "/extendedAgentCard": (200, theirs)}, [])
    async with http(inner) as client:
        way = open_client("https://agent.example", verify=Trust((KEY,)), http=client)
        async with way as found:
            with pytest.raises(Untrusted):
                await found.extended_card()
            assert found.card == SMALL


async def test_what_is_not_signed_of_a_card_is_not_used() -> None:
    """A signature of others covers what they read; what is added beside that may be anybody's."""
    new_form = cards.pure10(SMALL)
    signature = sign(canonical(read(new_form)), KEY)
    document = {
        **json.loads(new_form),
        "url": "https://evil.example",
        "securitySchemes": {"x": {"type": "unheard of"}},
        "signatures": [signature._asdict()],
    }
    async with http(serves({PATH: (200, json.dumps(document).encode())}, [])) as client:
        trust = Trust((KEY,))
        async with open_client("https://agent.example", verify=trust, http=client) as found:
            assert found.card == SMALL


# Keys from elsewhere

JKU = "https://keys.example/agents/jwks.json"


def signed(jku: str, key: Key = KEY) -> bytes:
    return Seal([key], jku).document(cards.pure10(SMALL))


def hosts(answers: Mapping[str, tuple[int, bytes]], asked: list[Scope]) -> httpx.AsyncClient:
    """A client for which these are all the paths, on every host."""
    return http(serves(answers, asked))


@pytest.mark.parametrize(
    ("jku", "allowed"),
    [
        (JKU, "keys.example"),
        (JKU, "KEYS.example"),
        (JKU, "keys.example:443"),
        (JKU, "https://keys.example"),
        (JKU, "https://keys.example/"),
        (JKU, "https://keys.example/agents"),
        (JKU, "https://keys.example/agents/"),
        (JKU, JKU),
        ("https://keys.example:8443/agents/jwks.json", "keys.example:8443"),
        ("http://127.0.0.1:9100/agents/jwks.json", "http://127.0.0.1:9100"),
        ("http://localhost/agents/jwks.json", "http://localhost/agents"),
        ("http://[::1]:9100/agents/jwks.json", "http://[::1]:9100"),
    ],
)
async def test_keys_are_fetched_from_where_that_is_allowed(jku: str, allowed: str) -> None:
    asked: list[Scope] = []
    async with hosts({"/agents/jwks.json": (200, as_set((OTHER, KEY)))}, asked) as client:
        client.headers["Authorization"] = "Bearer secret"
        client.cookies.set("session", "secret")
        verified = await verify_card(signed(jku), Trust(jku_allow=(allowed,)), http=client)
    assert (verified.key.kid, verified.whole) == ("one", True)
    [fetched] = asked
    assert not {b"authorization", b"cookie"} & dict(fetched["headers"]).keys()


@pytest.mark.parametrize(
    ("jku", "allowed"),
    [
        ("", "keys.example"),
        ("https://evil.example/agents/jwks.json", "keys.example"),
        ("https://keys.example.evil.example/agents/jwks.json", "keys.example"),
        ("https://evilkeys.example/agents/jwks.json", "keys.example"),
        ("https://keys.example@evil.example/agents/jwks.json", "keys.example"),
        ("https://evil.example\\@keys.example/agents/jwks.json", "keys.example"),
        ("https://evil.example#@keys.example/agents/jwks.json", "keys.example"),
        ("https://evil.example?keys.example/agents/jwks.json", "keys.example"),
        ("https://keys.example:8443/agents/jwks.json", "keys.example"),
        ("http://keys.example/agents/jwks.json", "keys.example"),
        ("http://keys.example/agents/jwks.json", "https://keys.example"),
        ("https://127.0.0.1/agents/jwks.json", "http://127.0.0.1"),
        ("//keys.example/agents/jwks.json", "keys.example"),
        ("file:///agents/jwks.json", "keys.example"),
        ("https://keys.example/agents-of-others/jwks.json", "https://keys.example/agents"),
        ("https://keys.example/agents/../users/jwks.json", "https://keys.example/agents"),
        ("https://keys.example/agents/%2e%2e/jwks.json", "https://keys.example/agents"),
        ("https://keys.example/agents/..%2fjwks.json", "https://keys.example/agents"),
        ("https://keys.example/Agents/jwks.json", "https://keys.example/agents"),
        ("https://k\u0435ys.example/agents/jwks.json", "keys.example"),
        ("https://keys.example/agents/jwks.json?x=1", "keys.example"),
        (" https://keys.example/agents/jwks.json", "keys.example"),
        ("https://keys.example/agents/jwks.json\n", "keys.example"),
    ],
)
async def test_keys_are_not_fetched_from_anywhere_else(jku: str, allowed: str) -> None:
    # V10-SHOULD-077
    asked: list[Scope] = []
    everything = {"/agents/jwks.json": (200, as_set((KEY,)))}
    async with hosts(everything, asked) as client:
        with pytest.raises(Untrusted):
            await verify_card(signed(jku), Trust(jku_allow=(allowed,)), http=client)
    assert not asked


@pytest.mark.parametrize(
    "place", ["", "http://keys.example", "ftp://keys.example", "https://a@b", "*", "a b", "a/../b"]
)
def test_a_place_that_cannot_be_meant_is_refused(place: str) -> None:
    with pytest.raises(ValueError, match="neither a host nor"):
        Trust(jku_allow=(place,))


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ((404, b"nothing"), "answered 404"),
        ((302, b""), "answered 302"),
        ((200, b"<html>"), "cannot be used"),
        ((200, b'{"keys":[]}'), "cannot be used"),
        ((200, b'{"keys":[' + b" " * 70_000 + b"]}"), "more than a set of keys"),
        ((200, as_set((new("ES256", "one"),))), "not by the key"),
        ((200, as_set((OTHER,))), "none that is trusted"),
    ],
)
async def test_keys_that_cannot_be_had_or_used_prove_nothing(
    answer: tuple[int, bytes], why: str
) -> None:
    async with hosts({"/agents/jwks.json": answer}, []) as client:
        with pytest.raises(ClientError, match=why):
            await verify_card(signed(JKU), Trust(jku_allow=("keys.example",)), http=client)


async def test_a_redirect_is_not_followed_even_by_a_client_that_does() -> None:
    asked = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        asked.append(scope["path"])
        headers = [(b"location", b"https://evil.example/jwks.json")]
        await send({"type": "http.response.start", "status": 302, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async with http(app) as client:
        client.follow_redirects = True
        with pytest.raises(ClientError, match="answered 302"):
            await verify_card(signed(JKU), Trust(jku_allow=("keys.example",)), http=client)
    assert asked == ["/agents/jwks.json"]


async def test_keys_that_take_too_long_are_not_waited_for(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await trio.sleep_forever()

    async with http(app) as client:
        with pytest.raises(ClientError, match="longer than 10 s"):
            await verify_card(signed(JKU), Trust(jku_allow=("keys.example",)), http=client)


async def test_only_a_few_places_are_asked_for_one_card() -> None:
    said = json.loads(signed(JKU))
    said["signatures"] = [
        signature
        for number in range(10)
        for signature in json.loads(signed(f"https://keys.example/{number}"))["signatures"]
    ]
    asked: list[Scope] = []
    answers = {f"/{number}": (200, as_set((OTHER,))) for number in range(10)}
    async with hosts(answers, asked) as client:
        with pytest.raises(Untrusted):
            await verify_card(
                json.dumps(said).encode(), Trust(jku_allow=("keys.example",)), http=client
            )
    assert len(asked) == 4


async def test_a_pinned_key_is_enough_and_nothing_is_fetched() -> None:
    asked: list[Scope] = []
    async with hosts({}, asked) as client:
        trust = Trust((KEY,), ("keys.example",))
        assert (await verify_card(signed(JKU), trust, http=client)).key is KEY
    assert not asked


async def test_the_jku_of_a_server_leads_to_its_keys(tmp_path: Path) -> None:
    async with echoing(tmp_path, sign_keys=(KEY,)) as keys:
        place = f"{keys.url}{JWKS}"
        async with echoing(tmp_path, sign_keys=(KEY,), sign_jku=place) as edge:
            trust = Trust(jku_allow=(keys.url,))
            async with open_client(edge.url, verify=trust) as client:
                assert client.card.name == "Echo"
