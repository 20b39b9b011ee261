"""OpenAI Chat Completions: what opencode speaks to an "OpenAI compatible" provider."""

import json
import re
import time
from collections.abc import Iterable, Iterator

from tests.kit.fakemodel.dialect import OPENAI_ROLES, Event, new_id, text_of
from tests.kit.fakemodel.script import USAGE, Conversation, Json, Reply, Said, spoken
from tests.kit.fakemodel.tools import Tool

PATH = re.compile(r"/chat/completions$")


def streams(path: str, body: Json) -> bool:
    return bool(body.get("stream"))


def read(body: Json) -> Conversation:
    said: list[Said] = []
    for message in body["messages"]:
        text = text_of(message.get("content"))
        if message["role"] == "tool":
            said.append(Said("result", text))
            continue
        if text:
            said.append(Said(OPENAI_ROLES[message["role"]], text))
        for call in message.get("tool_calls") or ():
            said.append(Said("call", call["function"]["name"]))
    functions = [tool["function"] for tool in body.get("tools") or ()]
    tools = {
        function["name"]: Tool(
            function["name"], frozenset(function.get("parameters", {}).get("properties", {}))
        )
        for function in functions
    }
    wanted = body.get("response_format") or {}
    return Conversation(said, tools, wanted.get("json_schema", {}).get("schema"))


def usage() -> Json:
    return {
        "prompt_tokens": USAGE.input,
        "prompt_tokens_details": {"cached_tokens": USAGE.cached},
        "completion_tokens": USAGE.output,
        "completion_tokens_details": {"reasoning_tokens": USAGE.reasoning},
        "total_tokens": USAGE.input + USAGE.output,
    }


def tool_calls(reply: Reply) -> list[Json]:
    if reply.call is None:
        return []
    function = {"name": reply.call.name, "arguments": json.dumps(reply.call.arguments)}
    return [{"index": 0, "id": new_id("call"), "type": "function", "function": function}]


def events(reply: Reply, words: Iterable[str], model: str) -> Iterator[Event]:
    head = {
        "id": new_id("chatcmpl"),
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": model,
    }

    def chunk(delta: Json, finish: str | None = None) -> Event:
        return Event(head | {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})

    yield chunk({"role": "assistant", "content": ""})
    if reply.thinking:
        for word in spoken(reply.thinking):
            yield chunk({"reasoning_content": word})
    for word in words:
        yield chunk({"content": word})
    if calls := tool_calls(reply):
        yield chunk({"tool_calls": calls})
    yield chunk({}, "tool_calls" if calls else "stop")
    yield Event(head | {"choices": [], "usage": usage()})
    yield Event("[DONE]")


def whole(reply: Reply, model: str) -> Json:
    message: Json = {"role": "assistant", "content": reply.text}
    if calls := tool_calls(reply):
        message["tool_calls"] = calls
    finish = "tool_calls" if calls else "stop"
    return {
        "id": new_id("chatcmpl"),
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": usage(),
    }
