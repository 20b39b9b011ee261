"""The documents of `spec/<line>/types`: how each is put into a request, and what has to come of it.

A file holds documents of one type. Its `carrier` tells where in a request they stand: `$` marks the
place. What a server writes (`answer`) is not played; the checks look at what it really writes.
"""

from __future__ import annotations

import base64
import json
import re
from functools import cache
from typing import Any
from uuid import uuid4

from attrs import frozen

from a2acli.conformance.answer import Answer
from a2acli.conformance.faults import Refusal
from a2acli.conformance.musts import spec
from a2acli.conformance.peer import Peer
from a2acli.conformance.spelling import METHODS
from a2acli.conformance.verdict import NotApplicable

PLACE = b'"$"'
CHOSEN_HERE = "[R]"
"""Marks what the specification leaves open: nobody else is judged by it."""
POSTED = ("send", "stream")
"""What has no id in its path on HTTP+JSON, so that its body says all."""

SPECIAL = re.compile(
    rb'"tenant": "[^"]|"role": ("ROLE_AGENT"|"agent"|2)|otification(Config|_config)?": *[{]'
)
"""What makes a document one for a server with tenants, or one that only servers say, or one that
makes a server call others."""


@frozen
class Fixture:
    """One document."""

    section: str
    type: str
    proto: bool
    carrier: dict[str, Any]
    name: str
    body: bytes
    error: str
    """The error that it has to get; empty when it is to be accepted."""

    def __str__(self) -> str:
        return f"{self.type} (section {self.section}), {self.name!r}"

    @property
    def errors(self) -> tuple[str, ...]:
        """The errors that it may get."""
        no_object = self.carrier.get("request") == "$" and not self.body.lstrip().startswith(b"{")
        if self.error == "InvalidParams" and no_object:
            # Params that are no object at all may be no request either: the sources differ.
            return ("InvalidParams", "InvalidRequest")
        return (self.error,)

    @property
    def envelope(self) -> bool:
        """Whether it is about JSON-RPC, and not about what is inside."""
        return "envelope" in self.carrier

    @property
    def lacking(self) -> bool:
        """Whether it lacks something that is required."""
        return "required" in self.name

    @property
    def futuristic(self) -> bool:
        """Whether it has members that nobody knows."""
        return "nobody knows" in self.name


@cache
def fixtures(line: str) -> tuple[Fixture, ...]:
    """The documents of a line that go into requests, as far as the specification decides."""
    found = []
    types = spec() / line / "types"
    files = [each for each in types.iterdir() if each.name.endswith(".json")]
    for file in sorted(files, key=lambda each: each.name):
        told = json.loads(file.read_text("utf-8"))
        carrier = told.get("carrier", {})
        if "request" in carrier or "envelope" in carrier:
            found += _read(told)
    return tuple(found)


def _read(told: dict[str, Any]) -> list[Fixture]:
    where = (told["section"], told["type"], told["form"] == "proto", told["carrier"])
    return [
        Fixture(*where, each["name"], _body(each), each.get("error", ""))
        for each in (*told["accepted"], *told["refused"])
        if CHOSEN_HERE not in each["name"]
    ]


def _body(told: dict[str, Any]) -> bytes:
    """A document is given as JSON, as text, or as bytes."""
    if "bytes" in told:
        return base64.b64decode(told["bytes"])
    if "text" in told:
        return str(told["text"]).encode()
    return json.dumps(told["document"]).encode()


async def play(peer: Peer, fixture: Fixture) -> Refusal | None:
    """Send one document: how it is refused, or None when it is accepted.

    Raises:
        Failed: the answer is neither.
        NotApplicable: it does not fit this interface, or needs what the server does not have.
    """
    answer = await _send(peer, fixture)
    return answer.refusal if answer.refused else None


async def _send(peer: Peer, fixture: Fixture) -> Answer:
    if fixture.envelope and fixture.futuristic:
        raise NotApplicable("JSON-RPC does not say what becomes of members that nobody knows")
    if not fixture.error and SPECIAL.search(fixture.body):
        raise NotApplicable("a good document, but not for every server, or not for a caller")
    if fixture.envelope:
        if fixture.carrier["envelope"] != "request" or not peer.way.rpc:
            raise NotApplicable("an envelope of JSON-RPC")
        return await peer.post(fixture.body)
    if fixture.proto != peer.way.proto:
        raise NotApplicable("the other form of line 0.3")
    operation = _operation(peer, fixture.carrier)
    if "push" in operation or b"otification" in json.dumps(fixture.carrier).encode():
        raise NotApplicable("needs a task with webhooks")
    if operation == "card" and not peer.extended_card:
        raise NotApplicable("needs an extended card")
    if operation == "subscribe" and not peer.capabilities.get("streaming"):
        raise NotApplicable("needs streams")
    params = json.dumps(fixture.carrier["request"]).encode().replace(PLACE, fixture.body)
    if not fixture.error:
        # Else a server that knows the message again would answer with the task of another one.
        params = params.replace(b'"m-1"', json.dumps(uuid4().hex).encode())
    if peer.way.rpc:
        head = {"jsonrpc": "2.0", "id": 1, "method": peer.methods[operation]}
        return await peer.post(json.dumps(head)[:-1].encode() + b', "params": ' + params + b"}")
    if operation not in POSTED:
        raise NotApplicable("stands in a path")
    return await peer.rest("POST", f"/message:{operation}", params)


def _operation(peer: Peer, carrier: dict[str, Any]) -> str:
    """The operation that a carrier means, by its method or by its route."""
    if "route" in carrier:
        verb, _, path = str(carrier["route"]).partition(" ")
        if (verb, path) == ("POST", "/v1/message:send"):
            return "send"
        raise NotApplicable("stands in a path")
    names = {name: operation for operation, name in METHODS[peer.way.line].items()}
    return names[str(carrier["method"])]
