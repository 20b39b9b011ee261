"""A task as server-sent events.

Each event bears its number in the task as its SSE `id`, so that who was cut off can go on where it
was: `Last-Event-ID` on a subscription. That is beyond the protocol, and does not disturb it.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial

import trio

from a2acore import sse
from a2acore.asgi import Send
from a2acore.errors import InternalError
from a2acore.http.exchange import piece
from a2acore.journal import FellBehind
from a2acore.lifecycle import TERMINAL
from a2acore.model import Message, Task, TaskState, TaskStatusUpdateEvent
from a2acore.service import Stream
from a2acore.wire import v10
from a2acore.wire.dialect import Dialect

HEARTBEAT = 15.0
"""Seconds of silence after which a stream says that it is alive: proxies give up after 30 to 60."""


PIECE = 64 * 1024
"""Bytes that are written at once, or a little more: what a caller who does not read can make us
hold, beside the events, which everybody holds."""


async def tell(
    value: Stream | Message,
    dialect: Dialect,
    ends: Collection[TaskState],
    send: Send,
    *,
    heartbeat: float,
) -> None:
    """Tell a task from where the stream stands to the first event whose state is one of `ends`."""
    if isinstance(value, Message):
        await send(piece(sse.encode(dialect.frame(value, final=True)), more=False))
        return
    follower, form, envelope = value.follower, dialect.form, dialect.envelope
    if not value.resumed:
        over = value.task.status.state in ends
        id = "" if value.ended else str(follower.number)
        snapshot = _snapshot(value.task, dialect, over=over, id=id)
        await send(piece(snapshot, more=not over))
        if over:
            return
        del snapshot
    del value  # the task as it stood may be large, and there may be nothing to tell for days
    while True:
        news = None
        heard = follower.number
        try:
            with trio.move_on_after(heartbeat):
                news = await follower.more()
        except FellBehind:
            error = InternalError("This stream fell too far behind; subscribe again")
            await send(piece(sse.encode(dialect.refusal(error), "error"), more=False))
            return
        if news is None:
            await send(piece(sse.HEARTBEAT))
            continue
        frames, size = [], 0
        over = not news
        for number, event in enumerate(news, heard + 1):
            over = isinstance(event, TaskStatusUpdateEvent) and event.status.state in ends
            write = partial(dialect.text, event, final=over)
            # An end may be one for this stream alone.
            text = write() if over else follower.text(number, form, write)
            frames.append(sse.numbered(text, envelope, number))
            if over:
                break
            if (size := size + len(frames[-1])) >= PIECE:
                await send(piece(b"".join(frames)))
                frames, size = [], 0
        await send(piece(b"".join(frames), more=not over))
        if over:
            return


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
