"""Gemini's generateContent: what the Gemini CLI speaks."""

import json
import re
from collections.abc import Iterable, Iterator

from tests.kit.fakemodel.dialect import Event, new_id, text_of
from tests.kit.fakemodel.script import USAGE, Conversation, Json, Reply, Said
from tests.kit.fakemodel.tools import Tool

PATH = re.compile(r"/models/[^/]+:(streamG|g)enerateContent$")


def streams(path: str, body: Json) -> bool:
    return path.endswith(":streamGenerateContent")


def read(body: Json) -> Conversation:
    said: list[Said] = []
    for content in body["contents"]:
        parts = content.get("parts") or ()
        if text := text_of([part for part in parts if not part.get("thought")]):
            said.append(Said("assistant" if content.get("role") == "model" else "user", text))
        for part in parts:
            if call := part.get("functionCall"):
                said.append(Said("call", call["name"]))
            elif result := part.get("functionResponse"):
                said.append(Said("result", json.dumps(result.get("response"))))
    tools = {
        function["name"]: Tool(function["name"], parameters_of(function))
        for tool in body.get("tools") or ()
        for function in tool.get("functionDeclarations") or ()
    }
    wanted = body.get("generationConfig") or {}
    schema = wanted.get("responseJsonSchema") or wanted.get("responseSchema")
    if schema is None and wanted.get("responseMimeType") == "application/json":
        schema = {"type": "object"}
    return Conversation(said, tools, schema)


def parameters_of(function: Json) -> frozenset[str]:
    schema = function.get("parametersJsonSchema") or function.get("parameters") or {}
    return frozenset(schema.get("properties", {}))


def call_parts(reply: Reply) -> list[Json]:
    if reply.call is None:
        return []
    name, arguments, _ = reply.call
    return [{"functionCall": {"id": new_id("fc"), "name": name, "args": arguments}}]


def thought_parts(reply: Reply) -> list[Json]:
    # The CLI takes the text between the first asterisks for the thought's title.
    return [{"text": f"**Thinking** {reply.thinking}", "thought": True}] if reply.thinking else []


def answer(answer_id: str, parts: list[Json]) -> Json:
    candidate = {"index": 0, "content": {"role": "model", "parts": parts}}
    return {"responseId": answer_id, "modelVersion": "fake-model", "candidates": [candidate]}


def finished(document: Json) -> Json:
    document["candidates"][0]["finishReason"] = "STOP"
    document["usageMetadata"] = {
        "promptTokenCount": USAGE.input,
        "cachedContentTokenCount": USAGE.cached,
        "candidatesTokenCount": USAGE.output,
        "thoughtsTokenCount": USAGE.reasoning,
        "totalTokenCount": USAGE.input + USAGE.output + USAGE.reasoning,
    }
    return document


def events(reply: Reply, words: Iterable[str], model: str) -> Iterator[Event]:
    answer_id = new_id("answer")
    if thoughts := thought_parts(reply):
        yield Event(answer(answer_id, thoughts))
    for word in words:
        yield Event(answer(answer_id, [{"text": word}]))
    yield Event(finished(answer(answer_id, call_parts(reply) or [{"text": ""}])))


def whole(reply: Reply, model: str) -> Json:
    parts = [*thought_parts(reply), {"text": reply.text}, *call_parts(reply)]
    return finished(answer(new_id("answer"), parts))
