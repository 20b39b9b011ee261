"""HTTP+JSON: verbs, paths, media types and statuses."""

from __future__ import annotations

import json

from a2acli.conformance import view
from a2acli.conformance.peer import Peer
from a2acli.conformance.registry import check
from a2acli.conformance.spelling import REST
from a2acli.conformance.stories import (
    NOBODY,
    asked,
    finished,
    hello,
    hello_stream,
    proven,
    sending,
    wants_streams,
)
from a2acli.conformance.verdict import NotApplicable, expect, shown

A2A_JSON = "application/a2a+json"
JSON_TYPES = ("application/json", A2A_JSON)


@check("V03-MUST-024", binding=REST)
async def each_path_keeps_to_its_verbs(peer: Peer) -> None:
    await proven(hello(peer))
    said = json.dumps(sending(peer, peer.texts.hello)).encode()
    for verb, path in (("GET", "/message:send"), ("PUT", "/message:send"), ("DELETE", "/tasks/x")):
        answer = await peer.rest(verb, path, said if verb == "PUT" else None)
        expect(answer.status >= 400, f"{verb} {path} is answered with HTTP {answer.status}")
        expect(answer.status != 500, f"{verb} {path} breaks the server: HTTP 500")


@check("V03-MUST-025", "V03-MUST-029", "V10-MUST-096", binding=REST)
async def the_documented_paths_are_there(peer: Peer) -> None:
    await proven(hello(peer))
    task = await finished(peer)
    answer = await peer.ask("get", {"task": task["id"]})
    expect(answer.status == 200, f"GET of a task is answered with HTTP {answer.status}")
    refusal = (await peer.ask("cancel", {"task": task["id"]})).refusal
    expect(refusal.is_a("TaskNotCancelable"), f"the path of cancel gets {refusal}")
    if not peer.way.old:
        found = (await peer.ask("list")).result
        expect(isinstance(found, dict), f"GET /tasks is answered with {shown(found)}")


@check("V03-MUST-029", "V10-MUST-096", binding=REST)
async def success_is_http_200(peer: Peer) -> None:
    await hello(peer)
    answer = await peer.ask("send", sending(peer, peer.texts.hello))
    expect(answer.result is not None, "an answer without a body")
    expect(answer.status == 200, f"a send is answered with HTTP {answer.status}")


@check("V03-MUST-026", binding=REST)
async def bodies_are_json(peer: Peer) -> None:
    await hello(peer)
    good = await peer.ask("send", sending(peer, peer.texts.hello))
    bad = await peer.ask("get", {"task": NOBODY})
    for answer in (good, bad):
        isjson = answer.media_type == "application/json"
        expect(isjson, f"HTTP {answer.status} with Content-Type {answer.media_type!r}")


@check("V10-SHOULD-050", binding=REST)
async def bodies_use_the_media_type_of_a2a(peer: Peer) -> None:
    await hello(peer)
    spelled = peer.way.spell("send", sending(peer, peer.texts.hello))
    ours = {"Content-Type": A2A_JSON, "Accept": A2A_JSON}
    answer = await peer.request(spelled, headers=ours)
    expect(not answer.refused, f"{A2A_JSON} is refused: HTTP {answer.status}")
    expect(answer.media_type == A2A_JSON, f"answers {A2A_JSON} with {answer.media_type!r}")


@check("V03-MUST-027", binding=REST)
async def statuses_tell_errors_apart(peer: Peer) -> None:
    await hello(peer)
    unknown = await peer.ask("get", {"task": NOBODY})
    expect(unknown.status == 404, f"an unknown task gets HTTP {unknown.status}")
    for body in (b"{", b"{}", b"[]"):
        wrong = await peer.rest("POST", "/message:send", body)
        fits = wrong.status in (400, 422)
        expect(fits, f"the body {shown(body)} gets HTTP {wrong.status}")
    nowhere = await peer.rest("GET", "/no/such/path")
    expect(nowhere.status == 404, f"a path of nothing gets HTTP {nowhere.status}")


@check("V03-MUST-030", binding=REST)
async def errors_have_one_form(peer: Peer) -> None:
    task = await finished(peer)
    answers = [
        await peer.ask("get", {"task": NOBODY}),
        await peer.ask("cancel", {"task": task["id"]}),
        await peer.rest("POST", "/message:send", b"{}"),
    ]
    forms = set()
    for answer in answers:
        document = answer.document
        expect(isinstance(document, dict), f"an error that is no object: {shown(document)}")
        expect(answer.refusal.message, f"an error without a message: {shown(document)}")
        forms.add(", ".join(sorted(document.keys() - {"data", "details"})))
    expect(len(forms) == 1, f"errors of several forms: {' / '.join(sorted(forms))}")


@check("V03-MUST-028", binding=REST)
async def bodies_are_those_of_the_data_model(peer: Peer) -> None:
    await proven(hello(peer))
    task = await finished(peer)
    same = (await peer.ask("get", {"task": task["id"]})).result
    expect(isinstance(same, dict), f"a task is no object: {shown(same)}")
    expect(same.get("id") == task["id"], f"a task is not bare: {shown(same)}")
    expect(view.state(same), f"a task without a state: {shown(same)}")


@check("V03-MUST-031", binding=REST)
async def streams_are_server_sent_events_without_an_envelope(peer: Peer) -> None:
    wants_streams(peer)
    tape = await proven(hello_stream(peer))
    for event in tape.events:
        view.event(peer.way, event.said)
    if not tape.events:
        raise NotApplicable("the stream is empty")


@check("V10-MUST-103", binding=REST)
async def query_names_are_in_camel_case(peer: Peer) -> None:
    page = (await peer.ask("list", {"pageSize": 1})).result
    told = isinstance(page, dict) and page.get("pageSize")
    expect(told == 1, f"pageSize=1 leads to a pageSize of {told!r}")
    expect(len(page.get("tasks") or ()) <= 1, "pageSize=1 leads to several tasks")
    task = (await asked(peer)).after
    short = (await peer.ask("get", {"task": task["id"], "historyLength": 1})).result
    found = len(view.history(short))
    expect(found <= 1, f"historyLength=1 leads to {found} messages")
