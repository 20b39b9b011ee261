"""Anthropic Messages: what Claude Code speaks."""

import json
import re
from collections.abc import Iterable, Iterator

from tests.kit.fakemodel.dialect import Event, new_id, text_of
from tests.kit.fakemodel.script import USAGE, Conversation, Json, Reply, Said, spoken
from tests.kit.fakemodel.tools import Tool

PATH = re.compile(r"/messages$")

SIGNATURE = "ZmFrZQ=="  # of a thinking block; opaque to everybody but the provider


def streams(path: str, body: Json) -> bool:
    return bool(body.get("stream"))


def read(body: Json) -> Conversation:
    said: list[Said] = []
    for message in body["messages"]:
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if text := text_of([block for block in blocks if block["type"] == "text"]):
            said.append(Said(message["role"], text))
        for block in blocks:
            if block["type"] == "tool_use":
                said.append(Said("call", block["name"]))
            elif block["type"] == "tool_result":
                said.append(Said("result", text_of(block.get("content"))))
    tools = {
        tool["name"]: Tool(
            tool["name"], frozenset(tool.get("input_schema", {}).get("properties", {}))
        )
        for tool in body.get("tools") or ()
    }
    wanted = body.get("output_config") or body.get("output_format") or {}
    return Conversation(said, tools, wanted.get("format", wanted).get("schema"))


def usage(output: int) -> Json:
    return {
        "input_tokens": USAGE.input - USAGE.cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": USAGE.cached,
        "output_tokens": output,
        "service_tier": "standard",
    }


def blocks_of(reply: Reply) -> list[Json]:
    blocks: list[Json] = [{"type": "text", "text": reply.text}]
    if reply.thinking:
        thought = {"type": "thinking", "thinking": reply.thinking, "signature": SIGNATURE}
        blocks.insert(0, thought)
    if reply.call is not None:
        call = {"id": new_id("toolu"), "name": reply.call.name, "input": reply.call.arguments}
        blocks.append({"type": "tool_use", **call})
    return blocks


def message(model: str) -> Json:
    return {
        "id": new_id("msg"),
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage(output=1),
    }


def stop_reason(reply: Reply) -> str:
    return "end_turn" if reply.call is None else "tool_use"


def events(reply: Reply, words: Iterable[str], model: str) -> Iterator[Event]:
    def event(name: str, **data: Json) -> Event:
        return Event({"type": name, **data}, name)

    yield event("message_start", message=message(model))
    for index, block in enumerate(blocks_of(reply)):
        empty: Json
        deltas: Iterator[Json]
        match block["type"]:
            case "thinking":
                empty = {"thinking": "", "signature": ""}
                said = [("thinking", word) for word in spoken(reply.thinking)]
                deltas = (
                    {"type": f"{key}_delta", key: value}
                    for key, value in [*said, ("signature", SIGNATURE)]
                )
            case "text":
                empty = {"text": ""}
                deltas = ({"type": "text_delta", "text": word} for word in words)
            case _:
                empty = {"input": {}}
                written = json.dumps(block["input"])
                deltas = iter([{"type": "input_json_delta", "partial_json": written}])
        yield event("content_block_start", index=index, content_block=block | empty)
        for delta in deltas:
            yield event("content_block_delta", index=index, delta=delta)
        yield event("content_block_stop", index=index)
    end = {"stop_reason": stop_reason(reply), "stop_sequence": None}
    yield event("message_delta", delta=end, usage={"output_tokens": USAGE.output})
    yield event("message_stop")


def whole(reply: Reply, model: str) -> Json:
    return message(model) | {
        "content": blocks_of(reply),
        "stop_reason": stop_reason(reply),
        "usage": usage(USAGE.output),
    }
