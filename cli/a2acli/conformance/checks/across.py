"""All interfaces of a line: that they are doors to one house."""

from __future__ import annotations

from typing import Any

from a2acli.conformance import view
from a2acli.conformance.peer import Peer
from a2acli.conformance.registry import check
from a2acli.conformance.spelling import METHODS
from a2acli.conformance.stories import NOBODY, finished, get, wants_push, wants_streams
from a2acli.conformance.verdict import Failed, NotApplicable, expect, shown


def _several(peers: list[Peer]) -> list[Peer]:
    """One interface of each binding."""
    found = {peer.way.binding: peer for peer in peers}
    if len(found) < 2:
        raise NotApplicable("there is one binding only")
    return list(found.values())


@check("V03-MUST-003", "V03-MUST-009", "V10-MUST-096", across=True)
async def every_binding_has_every_operation(peers: list[Peer]) -> None:
    peers = _several(peers)
    names = {
        operation: [(await _told(peer, operation)) for peer in peers]
        for operation in _operations(peers[0])
    }
    for operation, told in names.items():
        there = [name not in ("MethodNotFound", "HTTP 405", "HTTP 501") for name in told]
        expect(len(set(there)) == 1, f"{operation}: {_beside(peers, told)}")


@check("V03-MUST-005", "V10-MUST-098", "V10-MUST-067", across=True)
async def errors_mean_the_same_everywhere(peers: list[Peer]) -> None:
    peers = _several(peers)
    task = await finished(peers[0])
    for operation, params in (
        ("get", {"task": NOBODY}),
        ("cancel", {"task": NOBODY}),
        ("cancel", {"task": task["id"]}),
        ("send", {}),
    ):
        refusals = [(await peer.ask(operation, params)).refusal for peer in peers]
        first = refusals[0]
        name = first.name
        same = all(refusal.is_a(name) for refusal in refusals[1:]) if name else True
        expect(same, f"{operation}: {_beside(peers, [str(each) for each in refusals])}")


@check("V03-MUST-004", "V03-MUST-009", "V10-MUST-097", "V10-MUST-002", across=True)
async def a_task_is_the_same_everywhere(peers: list[Peer]) -> None:
    peers = _several(peers)
    task = await finished(peers[0])
    told = [_essence(await get(peer, task["id"])) for peer in peers]
    expect(all(each == told[0] for each in told), _beside(peers, [shown(each) for each in told]))


def _operations(peer: Peer) -> list[str]:
    found = ["get", "cancel", *(["list"] if "list" in METHODS[peer.way.line] else [])]
    for wants, operations in (
        (wants_streams, ["subscribe"]),
        (wants_push, ["get_push", "list_push", "delete_push"]),
    ):
        try:
            wants(peer)
        except NotApplicable:
            continue
        found += operations
    return found


async def _told(peer: Peer, operation: str) -> str:
    params: dict[str, Any] = {} if operation == "list" else {"task": NOBODY}
    if operation in ("get_push", "delete_push"):
        params["config"] = "of-nobody"
    answer = await peer.ask(operation, params)
    if not answer.refused:
        return "done"
    try:
        refusal = answer.refusal
    except Failed:
        return f"HTTP {answer.status}"
    return refusal.name or f"HTTP {answer.status}"


def _essence(task: dict[str, Any]) -> dict[str, Any]:
    """What must not depend on the binding."""
    return {
        "id": task.get("id"),
        "contextId": task.get("contextId"),
        "state": view.state(task),
        "artifacts": {
            str(each.get("artifactId")): view.text(each) for each in view.artifacts(task)
        },
        "history": [view.text(each) for each in view.history(task)],
    }


def _beside(peers: list[Peer], told: list[str]) -> str:
    return "; ".join(
        f"{peer.way.binding} says {each}" for peer, each in zip(peers, told, strict=True)
    )
