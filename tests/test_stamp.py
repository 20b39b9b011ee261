"""Letters to webhooks that are signed: through the whole server, and by its published keys."""

from __future__ import annotations

import hashlib
import json
import time
from pathlib import Path
from typing import Any

import pytest
import trio
from jwcrypto.common import JWException
from jwcrypto.jwk import JWKSet
from jwcrypto.jwt import JWT

from a2acore.push.guard import read
from a2acore.push.stamp import HEADER, LIFE, Stamp
from a2acore.signing import new
from tests.edge import WAYS, Edge, Way, echoing
from tests.receiver import Letter, Reply, receiving
from tests.test_push import sending, spelled

each_way = pytest.mark.parametrize("way", WAYS, ids=str)
ALGS = ["ES256", "ES384", "EdDSA", "RS256"]


def token(letter: Letter) -> str:
    return letter.headers[HEADER.lower()]


def verified(token: str, keys: JWKSet, **expected: Any) -> dict[str, Any]:
    """What a token claims, as a receiver with a library of its own reads it."""
    jwt = JWT(algs=ALGS, check_claims=expected or None)
    jwt.deserialize(token, keys)
    claims: dict[str, Any] = json.loads(jwt.claims)
    return claims


async def published(edge: Edge) -> JWKSet:
    return JWKSet.from_json((await edge.ask("GET", "/.well-known/jwks.json")).body.decode())


@each_way
async def test_each_letter_says_whose_it_is_and_what_is_in_it(way: Way, tmp_path: Path) -> None:
    """The receiver verifies it with the keys that the server publishes."""
    options: dict[str, Any] = {
        "sign_keys": (new("HS256"), new("ES256")),
        "webhook_allow_private": True,
    }
    async with receiving() as hook, echoing(tmp_path, **options) as edge:
        task = await edge.tell(way, "hi", configuration=sending(way, spelled(way, hook.url)))
        await hook.count(1)  # 0.3 may tell all in one
        keys = await published(edge)
    seen = set()
    for letter in hook.letters:
        claims = verified(token(letter), keys, iss=edge.url, aud=hook.url.partition("/hook")[0])
        assert claims["task_id"] == task["id"]
        assert claims["request_body_sha256"] == hashlib.sha256(letter.body).hexdigest()
        assert claims["exp"] - claims["iat"] == LIFE
        assert abs(claims["iat"] - time.time()) < 60
        assert claims["jti"] == letter.headers["x-a2a-notification-id"]
        seen.add(claims["jti"])
    assert len(seen) == len(hook.letters)


async def test_a_letter_that_is_tried_again_bears_the_same_id(tmp_path: Path) -> None:
    way = WAYS[0]
    said = [Reply(503)]

    async def answer(letter: Letter) -> Reply:
        return said.pop() if said else Reply()

    options: dict[str, Any] = {"sign_keys": (new("EdDSA"),), "webhook_allow_private": True}
    with trio.fail_after(20):
        async with receiving(answer) as hook, echoing(tmp_path, **options) as edge:
            configuration = sending(way, spelled(way, hook.url))
            await edge.tell(way, "hi", configuration=configuration)
            first, second, third, *_ = await hook.count(3)
            keys = await published(edge)
    ids = [verified(token(letter), keys)["jti"] for letter in (first, second, third)]
    assert first.body == second.body
    assert ids[0] == ids[1] != ids[2]


async def test_without_a_key_for_strangers_nothing_is_signed(tmp_path: Path) -> None:
    way = WAYS[0]
    for keys in ((), (new("HS256"),)):
        options: dict[str, Any] = {"sign_keys": keys, "webhook_allow_private": True}
        async with receiving() as hook, echoing(tmp_path, **options) as edge:
            configuration = sending(way, spelled(way, hook.url))
            await edge.tell(way, "hi", configuration=configuration)
            [letter, *_] = await hook.count(1)
        assert HEADER.lower() not in letter.headers


@pytest.mark.parametrize("alg", ALGS)
def test_what_is_changed_on_the_way_is_noticed(alg: str) -> None:
    key = new(alg)
    stamp = Stamp(key, "https://agent.example")
    place = read("https://hooks.example/path?token=s3cret")
    said = stamp.token(b"letter", id="1", task_id="t", place=place, now=int(time.time()))
    keys = JWKSet.from_json(json.dumps({"keys": [key.public]}))
    claims = verified(said, keys)
    assert claims["aud"] == "https://hooks.example"
    header, payload, signature = said.split(".")
    other = stamp.token(b"other", id="1", task_id="t", place=place, now=int(time.time()))
    for forged in (
        f"{header}.{other.split('.')[1]}.{signature}",
        f"{header}.{payload}.{signature[:-4]}AAAA",
    ):
        with pytest.raises(JWException):
            verified(forged, keys)
