"""One page of a list of tasks: which, in what order, and how the next page is asked for.

Newest status first, and tasks of one moment by their ids, so that a place in the order is a place
for good. A cursor is such a place; it holds no more than the caller has seen.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable

import msgspec
from msgspec import structs

from a2acore.errors import InvalidParams
from a2acore.model import ListTasksRequest, ListTasksResponse, Task, TaskState
from a2acore.store import Entry

PAGE = 50
LARGEST_PAGE = 100


def page(entries: Iterable[Entry], request: ListTasksRequest) -> ListTasksResponse:
    """The page that was asked for, of all tasks that the caller may see.

    Raises:
        InvalidParams: there is no such page.
    """
    size = PAGE if request.page_size is None else request.page_size
    if not 1 <= size <= LARGEST_PAGE:
        raise InvalidParams.at("pageSize", f"must be from 1 to {LARGEST_PAGE}")
    found = sorted((e for e in entries if _asked_for(e, request)), key=_place, reverse=True)
    rest = found
    if request.page_token:
        after = _read_cursor(request.page_token)
        rest = [entry for entry in found if _place(entry) < after]
    shown = rest[:size]
    return ListTasksResponse(
        tasks=tuple(_listed(entry, request) for entry in shown),
        next_page_token=_cursor(shown[-1]) if len(rest) > size else "",
        page_size=size,
        total_size=len(found),
    )


def _asked_for(entry: Entry, request: ListTasksRequest) -> bool:
    return (
        (not request.context_id or entry.context_id == request.context_id)
        and (request.status in (None, TaskState.UNSPECIFIED) or entry.state is request.status)
        and entry.timestamp >= request.status_timestamp_after
    )


def _place(entry: Entry) -> tuple[str, str]:
    return (entry.timestamp, entry.id)


def _cursor(entry: Entry) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode(_place(entry))).decode()


def _read_cursor(token: str) -> tuple[str, str]:
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(token), type=tuple[str, str])
    except (binascii.Error, ValueError) as error:
        raise InvalidParams.at("pageToken", "is not a token that this server gave") from error


def _listed(entry: Entry, request: ListTasksRequest) -> Task:
    task = entry.task(request.history_length)
    return task if request.include_artifacts else structs.replace(task, artifacts=())
