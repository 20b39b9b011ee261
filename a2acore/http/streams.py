"""A task as server-sent events.

Each event bears its number in the task as its SSE `id`, so that who was cut off can go on where it
was: `Last-Event-ID` on a subscription. That is beyond the protocol, and does not disturb it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from a2acore import sse
from a2acore.asgi import Send
from a2acore.errors import InternalError
from a2acore.http.exchange import piece
from a2acore.journal import FellBehind, Follower
from a2acore.lifecycle import TERMINAL
from a2acore.model import Message, Task, TaskState, TaskStatusUpdateEvent
from a2acore.service import Stream
from a2acore.wire import v10
from a2acore.wire.dialect import Dialect
from a2acore.work import Written


async def tell(
    value: Stream | Message, dialect: Dialect, ends: Collection[TaskState], send: Send
) -> None:
    """Tell a task from where the stream stands to the first event whose state is one of `ends`."""
    if isinstance(value, Message):
        await send(piece(sse.encode(dialect.frame(value, final=True)), more=False))
        return
    follower = value.follower
    if not value.resumed:
        over = value.task.status.state in ends
        id = "" if value.ended else str(follower.number)
        snapshot = _snapshot(value.task, dialect, over=over, id=id)
        await send(piece(snapshot, more=not over))
        if over:
            return
        del snapshot
    del value  # the task as it stood may be large, and there may be nothing to tell for days
    over = False
    while not over:
        heard = follower.number
        try:
            news = await follower.some()
        except FellBehind:
            error = InternalError("This stream fell too far behind; subscribe again")
            await send(piece(sse.encode(dialect.refusal(error), "error"), more=False))
            return
        if news is None:
            await send(piece(sse.HEARTBEAT))
            continue
        told, over = _told(follower, news, dialect, ends, heard + 1)
        await send(piece(told, more=not over))
        del news, told  # likewise


def _told(
    follower: Follower,
    news: Sequence[Written],
    dialect: Dialect,
    ends: Collection[TaskState],
    first: int,
) -> tuple[bytes, bool]:
    """The news, or as much of it as is told at once, and whether the stream is over with it."""
    texts = follower.texts(dialect.form, news, dialect.text)
    over = not news
    for at, event in enumerate(news[: len(texts)]):
        if isinstance(event, TaskStatusUpdateEvent) and event.status.state in ends:
            # For this stream it is the end; another may go on.
            texts, over = [*texts[:at], dialect.text(event, final=True)], True
            break
    envelope = dialect.envelope
    frames = [sse.numbered(text, envelope, number) for number, text in enumerate(texts, first)]
    return b"".join(frames), over


def _snapshot(task: Task, dialect: Dialect, *, over: bool, id: str) -> bytes:
    """The task as it stands, and, if there is no more to tell, an event that says so.

    It is over when the task waits for an answer that this request was not, or when the same message
    was sent before. A stream of line 0.3 ends with `final`; on 1.0 nothing follows an end.
    """
    frame = sse.encode(dialect.frame(task, final=False), id=id)
    if not over or (dialect.version == v10.VERSION and task.status.state in TERMINAL):
        return frame
    event = TaskStatusUpdateEvent(task.id, task.context_id, task.status)
    return frame + sse.encode(dialect.frame(event, final=True))
