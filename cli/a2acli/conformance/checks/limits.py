"""Requests that are too large."""

from __future__ import annotations

import ssl
from contextlib import suppress
from urllib.parse import SplitResult, urlsplit

import trio

from a2acli.conformance.peer import Peer
from a2acli.conformance.registry import check
from a2acli.conformance.verdict import Failed, expect, shown

HUGE = 64 * 2**20
"""Bytes. A message may well hold a file, but not any number of them."""
CHUNK = b" " * 2**16


@check("V10-SHOULD-084", "V10-SHOULD-094")
async def a_huge_body_is_refused(peer: Peer) -> None:
    said = await _send(peer, HUGE)
    told = shown(said) if said else "the end of the connection"
    expect(b" 413 " in said, f"a body of {HUGE} bytes is answered with {told}")


async def _send(peer: Peer, length: int) -> bytes:
    """Send a body that is nothing but long, as far as it is taken: the first line of the answer."""
    spelled = peer.way.spell("send", {})
    where = urlsplit(spelled.url)
    headers = peer.headers(spelled, {}, None)
    head = [f"POST {where.path or '/'} HTTP/1.1", f"Host: {where.netloc}"]
    head += [f"{name}: {value}" for name, value in headers.items()]
    head += [f"Content-Length: {length}", "", ""]
    said = b""
    with trio.move_on_after(peer.patience) as patience:
        async with await _connect(where) as stream, trio.open_nursery() as nursery:
            nursery.start_soon(_pour, stream, "\r\n".join(head).encode(), length)
            with suppress(trio.BrokenResourceError):
                while b"\r\n" not in said and (more := await stream.receive_some()):
                    said += bytes(more)
            nursery.cancel_scope.cancel()
    if patience.cancelled_caught:
        raise Failed(f"a body of {length} bytes had no answer within {peer.patience:g} s")
    return said.split(b"\r\n")[0]


async def _connect(where: SplitResult) -> trio.abc.Stream:
    host = where.hostname or ""
    if where.scheme == "https":
        port = where.port or 443
        context = ssl.create_default_context()
        return await trio.open_ssl_over_tcp_stream(host, port, ssl_context=context)
    return await trio.open_tcp_stream(host, where.port or 80)


async def _pour(stream: trio.abc.Stream, head: bytes, length: int) -> None:
    with suppress(trio.BrokenResourceError):  # it hung up: what it said is read by the other one
        await stream.send_all(head)
        for _ in range(length // len(CHUNK)):
            await stream.send_all(CHUNK)
