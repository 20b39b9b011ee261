"""An MCP server with one tool, over stdio: `echo` says what it is told, and by whom it was let in.

Its secret it proves to know (ECHO_SECRET, by its SHA-256) but does not tell.
"""

import hashlib
import json
import os
import sys
from typing import Any

TOOL = {
    "name": "echo",
    "description": "Say something again.",
    "inputSchema": {
        "type": "object",
        "properties": {"text": {"type": "string"}},
        "required": ["text"],
    },
}


def proof(secret: str) -> str:
    """What can be told of a secret."""
    return hashlib.sha256(secret.encode()).hexdigest()


def answer(method: str, params: Any) -> Any:
    """The result of a request, or `None` if there is no such method."""
    match method:
        case "initialize":
            return {
                "protocolVersion": params["protocolVersion"],
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "echo", "version": "1"},
            }
        case "ping":
            return {}
        case "tools/list":
            return {"tools": [TOOL]}
        case "tools/call":
            said = f"{params['arguments']['text']} {proof(os.environ['ECHO_SECRET'])}"
            return {"content": [{"type": "text", "text": said}]}
    return None


def serve() -> None:
    """Answer what comes in, until nothing does any more."""
    for line in sys.stdin:
        request = json.loads(line)
        if "id" not in request or "method" not in request:
            continue
        result = answer(request["method"], request.get("params"))
        error = {"code": -32601, "message": "Method not found"}
        reply = {"error": error} if result is None else {"result": result}
        print(json.dumps({"jsonrpc": "2.0", "id": request["id"], **reply}), flush=True)


if __name__ == "__main__":
    serve()
