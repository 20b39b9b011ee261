"""One page of a list of tasks: which, in what order, and how the next page is asked for.

Newest status first, and tasks of one moment by their ids, so that a spot in the order is a spot
for good. A cursor is such a spot; it holds no more than the caller has seen.
"""

from __future__ import annotations

import base64
import binascii

import msgspec
from msgspec import structs

from a2acore.errors import InvalidParams
from a2acore.model import ListTasksRequest, ListTasksResponse, Task, TaskState
from a2acore.store import Entry, Page, Query, Spot

PAGE = 50
LARGEST_PAGE = 100


def query(request: ListTasksRequest, owner: str | None) -> Query:
    """What the store is asked for, of the tasks of one owner or, with none, of all.

    Raises:
        InvalidParams: there is no such page.
    """
    size = PAGE if request.page_size is None else request.page_size
    if not 1 <= size <= LARGEST_PAGE:
        raise InvalidParams.at("pageSize", f"must be from 1 to {LARGEST_PAGE}")
    return Query(
        size,
        owner,
        request.context_id,
        None if request.status is TaskState.UNSPECIFIED else request.status,
        request.status_timestamp_after,
        _read_cursor(request.page_token) if request.page_token else None,
    )


def response(page: Page, query: Query, request: ListTasksRequest) -> ListTasksResponse:
    """The page as it was asked for."""
    return ListTasksResponse(
        tasks=tuple([_listed(entry, request) for entry in page.entries]),
        next_page_token=_cursor(page.entries[-1]) if page.more else "",
        page_size=query.size,
        total_size=page.total,
    )


def _cursor(entry: Entry) -> str:
    spot = (entry.timestamp, entry.id)
    return base64.urlsafe_b64encode(msgspec.json.encode(spot)).decode()


def _read_cursor(token: str) -> Spot:
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(token), type=tuple[str, str])
    except (binascii.Error, ValueError) as error:
        raise InvalidParams.at("pageToken", "is not a token that this server gave") from error


def _listed(entry: Entry, request: ListTasksRequest) -> Task:
    task = entry.task(request.history_length)
    return task if request.include_artifacts else structs.replace(task, artifacts=())
