"""Many who come at once, and one who lets them in."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager

import pytest
import trio

from a2acore.front.door import AT_ONCE, Door


@pytest.fixture
async def listener() -> AsyncIterator[trio.SocketListener]:
    [listener] = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        yield listener


@contextmanager
def crowd(listener: trio.SocketListener, number: int) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        address = listener.socket.getsockname()
        yield [stack.enter_context(socket.create_connection(address)) for _ in range(number)]


async def test_all_who_wait_are_let_in_in_one_turn(listener: trio.SocketListener) -> None:
    with crowd(listener, AT_ONCE) as clients, trio.fail_after(10):
        async with Door(listener) as door:
            streams = [await door.accept()]
            with trio.CancelScope() as turn:
                turn.cancel()
                streams += [await door.accept() for _ in clients[1:]]
            assert not turn.cancelled_caught
            for client, stream in zip(clients, streams, strict=True):
                await stream.send_all(str(client.getsockname()).encode())
                await stream.aclose()
        told = {client.recv(100) for client in clients}
        assert len(told) == len(clients)


async def test_who_comes_later_is_waited_for(listener: trio.SocketListener) -> None:
    with trio.fail_after(10):
        async with Door(listener) as door:
            for _ in range(3):
                with crowd(listener, 1):
                    await (await door.accept()).aclose()
            with trio.move_on_after(0) as nobody:
                await door.accept()
            assert nobody.cancelled_caught


async def test_a_door_that_closes_lets_go_of_all(listener: trio.SocketListener) -> None:
    with crowd(listener, 3) as clients, trio.fail_after(10):
        address = listener.socket.getsockname()
        async with Door(listener) as door:
            stream = await door.accept()
        await stream.aclose()
        assert [client.recv(1) for client in clients] == [b""] * 3
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)
