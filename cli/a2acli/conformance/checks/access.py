"""Who may do what: a caller with a token, and one without."""

from __future__ import annotations

from a2acli.conformance.answer import Answer
from a2acli.conformance.faults import KINDS
from a2acli.conformance.peer import DENIED, Peer
from a2acli.conformance.registry import check
from a2acli.conformance.stories import NOBODY, finished, sending
from a2acli.conformance.verdict import Failed, NotApplicable, expect, shown

NOT_SECRET = "not-the-token"  # a token that is nobody's


def _wants_guard(peer: Peer) -> None:
    if not peer.guarded:
        raise NotApplicable("the card asks for no authentication")


def _wants_token(peer: Peer) -> None:
    _wants_guard(peer)
    if not peer.token:
        raise NotApplicable("no credentials were given; see --token-file")


def denied(answer: Answer) -> bool:
    """Whether a caller was turned away: not by an error that tells of tasks."""
    if answer.status in DENIED:
        return True
    try:
        return answer.refused and answer.refusal.name not in KINDS
    except Failed:
        return False


@check("V10-MUST-115", "V10-MUST-145", "V10-MUST-060", "V03-MUST-073")
async def every_operation_wants_a_caller(peer: Peer) -> None:
    _wants_guard(peer)
    said = sending(peer, peer.texts.hello)
    operations = {
        "send": said,
        "stream": said,
        "get": {"task": NOBODY},
        "list": {},
        "cancel": {"task": NOBODY},
        "subscribe": {"task": NOBODY},
        "list_push": {"task": NOBODY},
        "card": {},
    }
    for operation, params in operations.items():
        if operation not in peer.methods:
            continue
        answer = await peer.ask(operation, params, token="")
        expect(denied(answer), f"{operation} without credentials: HTTP {answer.status}")
    wrong = await peer.ask("send", said, token=NOT_SECRET)
    expect(denied(wrong), f"send with wrong credentials: HTTP {wrong.status}")


@check("V03-MUST-006", "V10-MUST-099")
async def the_declared_scheme_is_accepted(peer: Peer) -> None:
    _wants_token(peer)
    answer = await peer.ask("get", {"task": NOBODY}, token=peer.token)
    expect(answer.status not in DENIED, f"with the credentials given: HTTP {answer.status}")


@check("V10-SHOULD-036", "V03-SHOULD-019")
async def strangers_get_401(peer: Peer) -> None:
    _wants_guard(peer)
    answer = await peer.ask("get", {"task": NOBODY}, token="")
    expect(answer.status in DENIED, f"without credentials: HTTP {answer.status}")


@check("V10-SHOULD-028", "V03-SHOULD-020")
async def strangers_are_told_the_scheme(peer: Peer) -> None:
    _wants_guard(peer)
    answer = await peer.ask("get", {"task": NOBODY}, token="")
    expect(answer.headers.get("www-authenticate"), f"HTTP {answer.status}, no WWW-Authenticate")


@check("V10-MUST-062", "V10-SHOULD-032", "V10-MUST-144", "V10-MUST-147", "V10-MUST-148")
async def strangers_learn_nothing_of_tasks(peer: Peer) -> None:
    _wants_token(peer)
    task = await finished(peer)
    for operation in ("get", "cancel", "subscribe", "list_push"):
        real = await peer.ask(operation, {"task": task["id"]}, token="")
        unreal = await peer.ask(operation, {"task": NOBODY}, token="")
        same = (real.status, real.body) == (unreal.status, unreal.body)
        expect(same, f"{operation} without credentials tells a real task from another")
        refused = real.status in DENIED or real.refused
        expect(refused, f"{operation} without credentials: {shown(real.body)}")


@check("V10-MUST-024", "V10-MUST-146", "V10-MUST-144")
async def strangers_see_no_tasks_in_lists(peer: Peer) -> None:
    _wants_token(peer)
    task = await finished(peer)
    answer = await peer.ask("list", token="")
    shows = task["id"].encode() in answer.body
    expect(not shows, "the list without credentials has a task of another caller")


@check("V10-MUST-160", "V03-MUST-083")
async def methods_of_extensions_are_guarded_too(peer: Peer) -> None:
    _wants_guard(peer)
    if not peer.way.rpc:
        raise NotApplicable("extensions add methods to JSON-RPC")
    spelled = peer.way.spell("get", {"task": NOBODY})
    body = (spelled.body or b"").replace(peer.methods["get"].encode(), b"other/method")
    answer = await peer.request(spelled._replace(body=body), token="")
    expect(denied(answer), f"an unknown method without credentials: HTTP {answer.status}")
    found = answer.status in DENIED or answer.refusal.name != "MethodNotFound"
    expect(found, "a stranger is told which methods there are")
