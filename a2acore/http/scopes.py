"""What a server may ask of an ASGI app besides to answer a request."""

from __future__ import annotations

from a2acore.asgi import Receive, Scope, Send


async def decline(scope: Scope, receive: Receive, send: Send) -> None:
    """Take part in a lifespan, in which nothing is to be done: what the app needs is open as long
    as the app is there. Turn away a WebSocket, which has no place in A2A.

    Raises:
        ValueError: it is neither.
    """
    match scope["type"]:
        case "lifespan":
            message = await receive()
            while message["type"] != "lifespan.shutdown":
                await send({"type": "lifespan.startup.complete"})
                message = await receive()
            await send({"type": "lifespan.shutdown.complete"})
        case "websocket":
            await receive()
            await send({"type": "websocket.close"})  # before it is accepted: HTTP 403
        case other:
            raise ValueError(f"a2acore does not speak {other}")
