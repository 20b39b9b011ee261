"""Lists of tasks: order, pages and filters."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from a2acli.conformance import view
from a2acli.conformance.checks.errors import must_refuse
from a2acli.conformance.peer import Peer
from a2acli.conformance.registry import check
from a2acli.conformance.stories import conversation, listed, proven
from a2acli.conformance.verdict import Failed, NotApplicable, expect, shown

MOST = 100
DEFAULT = 50


async def _list(peer: Peer, **params: Any) -> dict[str, Any]:
    said = (await peer.ask("list", params)).result
    expect(isinstance(said, dict), f"the list is no object: {shown(said)}")
    expect(isinstance(said.get("tasks"), list), f"the list has no tasks: {shown(said)}")
    found: dict[str, Any] = said
    return found


def _ids(page: dict[str, Any]) -> list[str]:
    return [str(task.get("id")) for task in page["tasks"]]


@check("V10-MUST-024", "V10-MUST-146")
async def the_filter_by_context_holds(peer: Peer) -> None:
    context, tasks = await conversation(peer)
    page = await proven(listed(peer))
    theirs = {str(task.get("contextId")) for task in page["tasks"]}
    expect(theirs <= {context}, f"asked for {context!r}, got {', '.join(sorted(theirs))}")
    missing = {task["id"] for task in tasks} - set(_ids(page))
    expect(not missing, f"{len(missing)} of {len(tasks)} tasks are not in the list")


@check("V10-MUST-025")
async def pages_follow_each_other(peer: Peer) -> None:
    context, tasks = await conversation(peer)
    whole = _ids(await proven(listed(peer)))
    found: list[str] = []
    token = ""
    for _ in range(len(tasks) + 1):
        more = {"pageToken": token} if token else {}
        page = await _list(peer, contextId=context, pageSize=1, **more)
        expect(len(page["tasks"]) <= 1, f"a page of one task has {len(page['tasks'])}")
        found += _ids(page)
        token = str(page.get("nextPageToken") or "")
        if not token:
            break
    expect(found == whole, f"page by page: {shown(found)}; at once: {shown(whole)}")


@check("V10-MUST-025")
async def a_token_of_nobody_is_refused(peer: Peer) -> None:
    await listed(peer)
    await must_refuse(peer, "list", {"pageToken": "no-such-page"}, "InvalidParams")


@check("V10-MUST-026")
async def the_newest_comes_first(peer: Peer) -> None:
    page = await listed(peer)
    times = [_moment(task) for task in page["tasks"]]
    expect(times == sorted(times, reverse=True), f"not the newest first: {shown(_times(page))}")


def _times(page: dict[str, Any]) -> list[Any]:
    return [task.get("status", {}).get("timestamp") for task in page["tasks"]]


def _moment(task: dict[str, Any]) -> datetime:
    said = task.get("status", {}).get("timestamp")
    try:
        return datetime.fromisoformat(said)
    except (TypeError, ValueError):
        raise Failed(f"a task without a time: {shown(task.get('status'))}") from None


@check("V10-MUST-027")
async def the_last_page_says_so(peer: Peer) -> None:
    token = (await listed(peer)).get("nextPageToken")
    expect(token == "", f"nextPageToken of the last page is {token!r}")
    context, _ = await conversation(peer)
    token = (await _list(peer, contextId=context, pageSize=1)).get("nextPageToken")
    expect(isinstance(token, str) and token, f"nextPageToken of the first page is {token!r}")


@check("V10-MUST-028")
async def artifacts_are_left_out(peer: Peer) -> None:
    for task in (await listed(peer))["tasks"]:
        said = shown(task.get("artifacts"))
        expect("artifacts" not in task, f"artifacts that were not asked for: {said}")


@check("V10-SHOULD-008")
async def artifacts_are_there_when_asked_for(peer: Peer) -> None:
    context, _ = await conversation(peer)
    page = await _list(peer, contextId=context, includeArtifacts=True)
    for task in page["tasks"]:
        expect("artifacts" in task, f"artifacts that were asked for: {shown(task)}")


@check("V10-MUST-029")
async def the_list_tells_its_sizes(peer: Peer) -> None:
    page = await proven(listed(peer))
    for member in ("tasks", "nextPageToken", "pageSize", "totalSize"):
        expect(member in page, f"no {member} in {shown({**page, 'tasks': '...'})}")
    total = page["totalSize"]
    expect(total == len(page["tasks"]), f"totalSize of {len(page['tasks'])} tasks is {total}")
    nothing = await _list(peer, contextId="a-context-of-nobody")
    for member in ("tasks", "nextPageToken", "pageSize", "totalSize"):
        expect(member in nothing, f"no {member} in an empty list: {shown(nothing)}")


@check("V10-MUST-030")
async def pages_have_1_to_100_tasks(peer: Peer) -> None:
    await listed(peer)
    for size in (0, -1, MOST + 1):
        await must_refuse(peer, "list", {"pageSize": size}, "InvalidParams")
    page = await _list(peer, pageSize=MOST)
    expect(len(page["tasks"]) <= MOST, f"a page has {len(page['tasks'])} tasks")
    page = await _list(peer)
    expect(len(page["tasks"]) <= DEFAULT, f"a page has {len(page['tasks'])} tasks by default")


@check("V10-MUST-031")
async def the_filter_by_time_holds(peer: Peer) -> None:
    context, _ = await conversation(peer)
    page = await listed(peer)
    newest = page["tasks"][0]
    said = newest.get("status", {}).get("timestamp")
    same = await _list(peer, contextId=context, statusTimestampAfter=said)
    expect(newest["id"] in _ids(same), f"a task of {said} is not among those from {said} on")
    later = (_moment(newest) + timedelta(hours=1)).isoformat().replace("+00:00", "Z")
    none = await _list(peer, contextId=context, statusTimestampAfter=later)
    expect(not none["tasks"], f"a task of {said} is among those from {later} on")


@check("V10-MUST-092")
async def times_are_read_in_any_precision(peer: Peer) -> None:
    context, _ = await conversation(peer)
    count = len((await listed(peer))["tasks"])
    for fraction in ("", ".1", ".123", ".123456", ".123456789"):
        moment = f"2020-01-01T00:00:00{fraction}Z"
        page = await _list(peer, contextId=context, statusTimestampAfter=moment)
        expect(len(page["tasks"]) == count, f"from {moment} on: {len(page['tasks'])} of {count}")
    await must_refuse(peer, "list", {"statusTimestampAfter": "yesterday"}, "InvalidParams")


@check("V10-MUST-063")
async def a_state_of_nobody_is_refused(peer: Peer) -> None:
    await listed(peer)
    await must_refuse(peer, "list", {"status": "TASK_STATE_ASLEEP"}, "InvalidParams")
    await must_refuse(peer, "list", {"historyLength": -1}, "InvalidParams")


@check("V10-MUST-024")
async def the_filter_by_state_holds(peer: Peer) -> None:
    context, tasks = await conversation(peer)
    state = view.state(tasks[0])
    if state not in view.TERMINAL:
        raise NotApplicable("no task has ended")
    name = f"TASK_STATE_{state.upper()}"
    some = await _list(peer, contextId=context, status=name)
    others = [each for each in some["tasks"] if view.state(each) != state]
    expect(not others, f"asked for {name}, got {shown(others[:1])}")
    expect(some["tasks"], f"there are tasks in {name}, and none is in the list")
