"""What hypercorn on trio can do at best: JSON in, JSON out, and no task in between.

    python bare_echo.py PORT

Answers of the form of line 1.0 on JSON-RPC, made on the spot: a send is a completed task, a stream
one event for each word, a get a task that was always there. Nothing is kept, checked or counted.
"""

import json
import sys
from collections.abc import Sequence
from typing import Any

import hypercorn.config
import hypercorn.trio
import trio

CARD = b'{"name":"Bare echo","description":"Echoes.","version":"1","skills":[]}'
JSON = [(b"content-type", b"application/json")]
EVENTS = [(b"content-type", b"text/event-stream")]
KEPT: list[str] = []
"""The words of the last send, for those who get."""
METHODS = ("SendMessage", "SendStreamingMessage", "GetTask")
STATUS = {"state": "TASK_STATE_COMPLETED", "timestamp": "2025-01-01T00:00:00Z"}


def task(words: Sequence[str]) -> dict[str, Any]:
    parts = [{"text": f"{word} "} for word in words]
    artifact = {"artifactId": "response", "name": "response", "parts": parts}
    return {"id": "task", "contextId": "context", "status": STATUS, "artifacts": [artifact]}


def chunk(word: str, append: bool) -> dict[str, Any]:
    artifact = {"artifactId": "response", "name": "response", "parts": [{"text": f"{word} "}]}
    told = {"taskId": "task", "contextId": "context", "artifact": artifact, "append": append}
    return {"artifactUpdate": told}


def event(id: object, result: object) -> dict[str, Any]:
    said = json.dumps({"jsonrpc": "2.0", "id": id, "result": result})
    return {
        "type": "http.response.body",
        "body": f"data: {said}\n\n".encode(),
        "more_body": True,
    }


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    if scope["path"] == "/.well-known/agent-card.json":
        await whole(send, CARD)
        return
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    call = json.loads(body or b"{}")
    if call.get("method") not in METHODS:
        await whole(send, b'{"error":"this is not an A2A server"}', 404)
        return
    params = call["params"]
    words = params["message"]["parts"][0]["text"].split() if "message" in params else KEPT
    if call["method"] == "SendStreamingMessage":
        await send({"type": "http.response.start", "status": 200, "headers": EVENTS})
        for n, word in enumerate(words):
            await send(event(call["id"], chunk(word, n > 0)))
        end = {"statusUpdate": {"taskId": "task", "contextId": "context", "status": STATUS}}
        await send(event(call["id"], end))
        await send({"type": "http.response.body", "body": b""})
        return
    result = task(words)
    if call["method"] == "SendMessage":
        KEPT[:] = words
        result = {"task": result}
    await whole(send, json.dumps({"jsonrpc": "2.0", "id": call["id"], "result": result}).encode())


async def whole(send: Any, body: bytes, status: int = 200) -> None:
    headers = [*JSON, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    config = hypercorn.config.Config()
    config.bind = [f"127.0.0.1:{sys.argv[1]}"]
    config.keep_alive_max_requests = 10**9
    trio.run(hypercorn.trio.serve, app, config)
