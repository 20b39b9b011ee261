"""OpenAI Responses: what codex speaks."""

import json
import re
import time
from collections.abc import Iterable, Iterator
from itertools import count

from tests.kit.fakemodel.dialect import OPENAI_ROLES, Event, new_id, text_of
from tests.kit.fakemodel.script import USAGE, Conversation, Json, Reply, Said, spoken
from tests.kit.fakemodel.tools import Tool

PATH = re.compile(r"/responses$")


def streams(path: str, body: Json) -> bool:
    return bool(body.get("stream"))


def read(body: Json) -> Conversation:
    given = body["input"]
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    said: list[Said] = []
    for item in items:
        kind = item.get("type", "message")
        if kind == "message":
            said.append(Said(OPENAI_ROLES[item["role"]], text_of(item["content"])))
        elif kind.endswith("_call_output"):
            said.append(Said("result", text_of(item["output"])))
        elif kind.endswith("_call"):
            said.append(Said("call", item.get("name", kind)))
    tools: dict[str, Tool] = {}
    for tool in body.get("tools") or ():
        if tool["type"] == "namespace":
            inner = [tool_of(member, tool["name"]) for member in tool["tools"]]
        else:
            inner = [tool_of(tool)]
        tools |= {each.name: each for each in inner}
    form = (body.get("text") or {}).get("format") or {}
    return Conversation(said, tools, form.get("schema"))


def tool_of(tool: Json, namespace: str | None = None) -> Tool:
    parameters = frozenset((tool.get("parameters") or {}).get("properties", {}))
    name = tool.get("name", tool["type"])  # the provider's own tools have a type alone
    return Tool(name, parameters, freeform=tool["type"] == "custom", namespace=namespace)


def events(reply: Reply, words: Iterable[str], model: str) -> Iterator[Event]:
    numbers = count()

    def event(name: str, **data: Json) -> Event:
        return Event({"type": name, "sequence_number": next(numbers), **data}, name)

    response = in_progress(model)
    items = items_of(reply)
    yield event("response.created", response=response)
    yield event("response.in_progress", response=response)
    for index, item in enumerate(items):
        place = {"item_id": item["id"], "output_index": index}
        yield event("response.output_item.added", output_index=index, item=emptied(item))
        match item["type"]:
            case "reasoning":
                place |= {"summary_index": 0}
                part = {"type": "summary_text", "text": ""}
                yield event("response.reasoning_summary_part.added", **place, part=part)
                said = "response.reasoning_summary_text"
                for word in spoken(reply.thinking):
                    yield event(f"{said}.delta", **place, delta=word)
                yield event(f"{said}.done", **place, text=reply.thinking)
            case "message":
                place |= {"content_index": 0}
                yield event("response.content_part.added", **place, part=output_text(""))
                for word in words:
                    yield event("response.output_text.delta", **place, delta=word)
                yield event("response.output_text.done", **place, text=reply.text)
                part = output_text(reply.text)
                yield event("response.content_part.done", **place, part=part)
            case "custom_tool_call":
                said, text = "response.custom_tool_call_input", item["input"]
                yield event(f"{said}.delta", **place, delta=text)
                yield event(f"{said}.done", **place, input=text)
            case "function_call":
                said, text = "response.function_call_arguments", item["arguments"]
                yield event(f"{said}.delta", **place, delta=text)
                yield event(f"{said}.done", **place, arguments=text)
        yield event("response.output_item.done", output_index=index, item=item)
    yield event("response.completed", response=completed(response, items))


def whole(reply: Reply, model: str) -> Json:
    return completed(in_progress(model), items_of(reply))


def in_progress(model: str) -> Json:
    return {
        "id": new_id("resp"),
        "object": "response",
        "created_at": int(time.time()),
        "model": model,
        "status": "in_progress",
        "output": [],
    }


def completed(response: Json, items: list[Json]) -> Json:
    usage = {
        "input_tokens": USAGE.input,
        "input_tokens_details": {"cached_tokens": USAGE.cached},
        "output_tokens": USAGE.output,
        "output_tokens_details": {"reasoning_tokens": USAGE.reasoning},
        "total_tokens": USAGE.input + USAGE.output,
    }
    return response | {"status": "completed", "output": items, "usage": usage}


def output_text(text: str) -> Json:
    return {"type": "output_text", "text": text, "annotations": []}


def items_of(reply: Reply) -> list[Json]:
    """The output items, as they are when they are done."""
    items: list[Json] = []
    if reply.thinking:
        summary = [{"type": "summary_text", "text": reply.thinking}]
        thought = {"id": new_id("rs"), "summary": summary, "encrypted_content": "ZmFrZQ=="}
        items.append({"type": "reasoning", **thought})
    content = [output_text(reply.text)]
    items.append(
        {
            "type": "message",
            "id": new_id("msg"),
            "role": "assistant",
            "status": "completed",
            "content": content,
        }
    )
    if reply.call is not None:
        name, arguments, namespace = reply.call
        call: Json = {"call_id": new_id("call"), "name": name, "status": "completed"}
        if isinstance(arguments, str):
            call |= {"type": "custom_tool_call", "id": new_id("ctc"), "input": arguments}
        else:
            call |= {"type": "function_call", "id": new_id("fc")}
            call["arguments"] = json.dumps(arguments)
        if namespace is not None:
            call["namespace"] = namespace
        items.append(call)
    return items


def emptied(item: Json) -> Json:
    """The same item as it is when it is announced: begun, and nothing in it."""
    nothing = {"content": [], "summary": [], "input": "", "arguments": "", "status": "in_progress"}
    return item | {key: empty for key, empty in nothing.items() if key in item}
