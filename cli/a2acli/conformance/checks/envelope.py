"""JSON-RPC: the envelope around every request and answer."""

from __future__ import annotations

import json
from typing import Any

from a2acli.conformance.answer import Answer
from a2acli.conformance.peer import Peer
from a2acli.conformance.registry import check
from a2acli.conformance.spelling import JSONRPC
from a2acli.conformance.stories import NOBODY, hello, hello_stream, proven
from a2acli.conformance.verdict import NotApplicable, expect, shown
from a2acore import sse

JSON = "application/json"


async def _ask_in_vain(peer: Peer, id: Any) -> Answer:
    """A request that is refused under this id."""
    return await peer.ask("get", {"task": NOBODY}, id=id)


def _envelope(answer: Answer) -> dict[str, Any]:
    document = answer.document
    expect(isinstance(document, dict), f"no JSON-RPC response: {shown(document)}")
    expect(document.get("jsonrpc") == "2.0", f"`jsonrpc` is missing or wrong: {shown(document)}")
    return dict(document)


@check("V03-MUST-012", "V03-MUST-016", "V10-MUST-101", binding=JSONRPC)
async def answers_are_responses(peer: Peer) -> None:
    await proven(hello(peer))
    answer = await peer.ask("get", {"task": NOBODY})
    _envelope(answer)
    expect(answer.status == 200, f"HTTP {answer.status} around a JSON-RPC response")


@check("V03-MUST-013", "V10-MUST-101", binding=JSONRPC)
async def answers_say_that_they_are_json(peer: Peer) -> None:
    answer = await _ask_in_vain(peer, 1)
    expect(answer.media_type == JSON, f"Content-Type is {answer.media_type!r}")


@check("V03-MUST-020", "V10-MUST-101", binding=JSONRPC)
async def every_response_says_version_2(peer: Peer) -> None:
    for body in (b"{", b"[]", b'{"jsonrpc":"2.0","id":1,"method":"no/such/method"}'):
        _envelope(await peer.post(body))


@check("V03-MUST-019", "V10-MUST-101", binding=JSONRPC)
async def the_id_comes_back_as_it_was(peer: Peer) -> None:
    for id in (7, -1, 2**40, "seven", "7", ""):
        said = _envelope(await _ask_in_vain(peer, id))
        same = said.get("id") == id and type(said.get("id")) is type(id)
        expect(same, f"id {id!r} comes back as {said.get('id')!r}")


@check("V03-MUST-021", "V10-MUST-101", binding=JSONRPC)
async def what_cannot_be_read_is_answered_with_a_null_id(peer: Peer) -> None:
    for body in (b"{", b"[]", b'{"jsonrpc":"2.0","id":{},"method":"x"}'):
        document = (await peer.post(body)).document
        expect("id" in document, f"no `id` in the answer to {shown(body)}: {shown(document)}")
        expect(document["id"] is None, f"the id of {shown(body)} is {document['id']!r}")


@check("V03-MUST-022", "V10-MUST-101", binding=JSONRPC)
async def a_result_stands_alone(peer: Peer) -> None:
    await hello(peer)
    name = peer.methods["send"]
    said = {"message": peer.way.message(peer.texts.hello)}
    good = _envelope(await peer.call(name, said))
    expect("result" in good, f"no `result`: {shown(good)}")
    expect("error" not in good, f"`error` beside `result`: {shown(good)}")
    bad = _envelope(await _ask_in_vain(peer, 1))
    expect("result" not in bad, f"`result` beside `error`: {shown(bad)}")


@check("V03-MUST-023", "V10-MUST-065", "V10-MUST-101", binding=JSONRPC)
async def an_error_has_a_code_and_a_message(peer: Peer) -> None:
    for answer in (await _ask_in_vain(peer, 1), await peer.post(b"{"), await peer.call("no/such")):
        error: Any = _envelope(answer).get("error")
        expect(isinstance(error, dict), f"no error object: {shown(answer.document)}")
        expect(type(error.get("code")) is int, f"`code` is no integer: {shown(error)}")
        expect(isinstance(error.get("message"), str), f"`message` is no string: {shown(error)}")
        extra = error.keys() - {"code", "message", "data"}
        expect(not extra, f"an error with {', '.join(extra)}: {shown(error)}")


@check("V03-MUST-017", "V10-MUST-101", binding=JSONRPC)
async def other_versions_of_json_rpc_are_refused(peer: Peer) -> None:
    for version in ({"jsonrpc": "1.0"}, {"jsonrpc": 2.0}, {}):
        call = {**version, "id": 1, "method": peer.methods["get"], "params": {"id": NOBODY}}
        refusal = (await peer.post(json.dumps(call).encode())).refusal
        expect(refusal.code == -32600, f"{shown(version)} gets {refusal}")


@check("V03-MUST-014", binding=JSONRPC)
async def methods_are_named_by_category_and_action(peer: Peer) -> None:
    await proven(hello(peer))
    for operation in ("get", "cancel"):
        refusal = (await peer.ask(operation, {"task": NOBODY})).refusal
        expect(refusal.name != "MethodNotFound", f"there is no {peer.methods[operation]}")


STANDARD = (
    (b"{", "ParseError"),
    (b'{"jsonrpc":"2.0","method":"x","params":{"a":}', "ParseError"),
    (b"\xff", "ParseError"),
    (b"[]", "InvalidRequest"),
    (b'"hello"', "InvalidRequest"),
    (b'{"jsonrpc":"2.0","id":1}', "InvalidRequest"),
    (b'{"jsonrpc":"2.0","id":1,"method":7}', "InvalidRequest"),
    (b'{"jsonrpc":"2.0","id":1,"method":"no/such/method","params":{}}', "MethodNotFound"),
    (b'{"jsonrpc":"2.0","id":1,"method":"NoSuchMethod","params":{}}', "MethodNotFound"),
)
"""Bodies, and the error of JSON-RPC that each has to get."""


@check("V03-MUST-084", "V10-MUST-101", binding=JSONRPC)
async def bodies_get_the_standard_errors(peer: Peer) -> None:
    for body, name in STANDARD:
        refusal = (await peer.post(body)).refusal
        expect(refusal.is_a(name), f"{shown(body)} gets {refusal}, not {name}")


@check("V03-MUST-084", "V10-MUST-101", binding=JSONRPC)
async def wrong_params_get_the_standard_error(peer: Peer) -> None:
    params: tuple[Any, ...] = ({}, {"id": 7}, [NOBODY])
    for each in params:
        refusal = (await peer.call(peer.methods["get"], each)).refusal
        # The order of positional params is known to nobody, so those may be no request either.
        right = refusal.is_a("InvalidParams") or (
            isinstance(each, list) and refusal.is_a("InvalidRequest")
        )
        expect(right, f"params {shown(each)} get {refusal}")


@check("V03-MUST-040", binding=JSONRPC)
async def every_event_is_a_response_to_the_request(peer: Peer) -> None:
    for event in (await hello_stream(peer)).events:
        said = event.document
        expect(isinstance(said, dict), f"an event that is no response: {shown(said)}")
        expect(said.get("jsonrpc") == "2.0", f"an event without `jsonrpc`: {shown(said)}")
        expect(said.get("id") == 1, f"an event with id {said.get('id')!r} for request 1")
        one = ("result" in said) != ("error" in said)
        expect(one, f"an event with both of `result` and `error`, or none: {shown(said)}")


@check("V10-MUST-010", binding=JSONRPC)
async def every_event_answers_the_request(peer: Peer) -> None:
    await every_event_is_a_response_to_the_request(peer)


@check("V03-MUST-039", "V10-MUST-010", "V03-MUST-031")
async def a_stream_is_made_of_server_sent_events(peer: Peer) -> None:
    tape = await proven(hello_stream(peer))
    expect(tape.status == 200, f"a stream with HTTP {tape.status}")
    media_type = tape.headers.get("content-type", "").partition(";")[0].strip()
    expect(media_type == sse.MEDIA_TYPE, f"a stream with Content-Type {media_type!r}")
    if not tape.events:
        raise NotApplicable("the stream is empty")
