"""What the fake model answers: one decision, on plain values, for all dialects.

The last message of the user is the script. A line of it that starts with one of these words
is a step; a message without any is answered `Hello from fake`.

    RUN:<command>            call the agent's shell tool
    READ:<file>              call its tool for reading a file, or `cat` where there is none
    EDIT:<file>              replace OLD by NEW in the file
    WRITE:<file>             make the file, holding `hello fake`
    PLAN                     write a list of two todos
    TOOL:[<ns>::]<name> <json>   call any tool, by its own name
    THINK                    reason before the last text
    SLOW[:<n>[:<seconds>]]   end with n words (60), so many seconds apart (0.25)
    SAY:<text>               end with this text
    ERR:<status>[:<k>]       refuse with this HTTP status, only the first k times if k is given
    HANG[:<seconds>]         be silent so long (600) before the last text
    DROP                     cut the connection half-way through the last text

The n-th tool step is played in the n-th round of the turn. After them comes `Done: <the last
result's beginning>` unless the script says otherwise. The tool is chosen from those that the
agent offers (`tests.kit.fakemodel.tools`), hence one script suits every agent.

Agents also ask for things that no user sees, such as a title for the session. They are known
by offering no tools, and get `Fake title`; who asks for a JSON schema gets an instance of it.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from tests.kit.fakemodel.tools import Call, Tool, choose

Json = Any  # a document of somebody else's API, read defensively

STEP = re.compile(r"^[ \t]*([A-Z]+)(?::(.*?))?[ \t]*$", re.MULTILINE)
TOOL_STEPS = frozenset({"RUN", "READ", "EDIT", "WRITE", "PLAN", "TOOL"})
OTHER_STEPS = frozenset({"THINK", "SLOW", "SAY", "ERR", "HANG", "DROP"})

# Agents wrap what they add to the user's words in tags: <environment_context>, <system-reminder>.
ADDED_BY_THE_AGENT = re.compile(r"<([A-Za-z_][\w-]*)(?:\s[^>]*)?>.*?</\1>", re.DOTALL)

RESULT_SHOWN = 200  # characters of a tool's result in the closing text; enough to recognise it


class Usage(NamedTuple):
    """Tokens that every answer claims to have cost; `cached` is part of `input`."""

    input: int
    cached: int
    output: int
    reasoning: int


USAGE = Usage(input=1000, cached=400, output=50, reasoning=10)


Speaker = Literal["system", "user", "assistant", "call", "result"]


class Said(NamedTuple):
    """One message of a conversation, or one tool call or tool result within it."""

    by: Speaker
    text: str


@dataclass(frozen=True)
class Conversation:
    """What a dialect found in a request: everything said so far, the tools, the wanted form."""

    said: Sequence[Said]
    tools: Mapping[str, Tool] = field(default_factory=dict)
    schema: Json = None  # JSON Schema of the wanted answer

    def turn(self) -> tuple[str, list[str]]:
        """The user's last words, and the tool results that have come in since."""
        results: list[str] = []
        for said in reversed(self.said):
            if said.by == "result":
                results.insert(0, said.text)
            elif said.by == "user" and (words := ADDED_BY_THE_AGENT.sub("", said.text).strip()):
                return words, results
        return "", results


@dataclass(frozen=True)
class Reply:
    """What to answer; a status other than 200 makes everything else moot."""

    text: str = "Hello from fake"
    thinking: str = ""
    call: Call | None = None
    status: int = 200
    pace: float = 0.0  # seconds between two words
    hang: float = 0.0  # seconds of silence before the first word
    drop: bool = False


def decide(
    conversation: Conversation, *, attempt: int = 1, escalate: bool = False, otherwise: str = ""
) -> Reply:
    """Choose the answer; `attempt` counts how often this very question has been asked, and
    `otherwise` is the script for words that are none."""
    if conversation.schema is not None:
        return Reply(json.dumps(instance(conversation.schema)))
    prompt, results = conversation.turn()
    steps = steps_of(prompt) or steps_of(otherwise)
    for word, rest in steps:
        if word == "ERR":
            status, _, times = rest.partition(":")
            if not times or attempt <= int(times):
                return Reply(status=int(status))
    if not conversation.tools:
        return Reply("Fake title")
    calls = [step for step in steps if step[0] in TOOL_STEPS]
    if len(results) < len(calls):
        word, rest = calls[len(results)]
        call = choose(word, rest, conversation.tools, escalate=escalate)
        if call is None:
            return Reply(f"No tool for {word} among {', '.join(sorted(conversation.tools))}")
        return Reply(f"Calling {call.name}.", call=call)
    return ending(steps, f"Done: {results[-1][:RESULT_SHOWN]}" if calls else Reply.text)


def steps_of(script: str) -> list[tuple[str, str]]:
    """The steps of a script, each with what stands behind its word."""
    known = TOOL_STEPS | OTHER_STEPS
    return [(word, rest) for word, rest in STEP.findall(script) if word in known]


def ending(steps: Sequence[tuple[str, str]], text: str) -> Reply:
    """The answer that closes the turn: `text`, or what the steps make of it."""
    thinking, pace, hang, drop = "", 0.0, 0.0, False
    for word, rest in steps:
        match word:
            case "SAY":
                text = rest
            case "THINK":
                thinking = "Let me think about it step by step."
            case "SLOW":
                count, _, seconds = rest.partition(":")
                text = " ".join(f"w{n}" for n in range(int(count or 60)))
                pace = float(seconds or 0.25)
            case "HANG":
                hang = float(rest or 600)
            case "DROP":
                drop = True
    return Reply(text, thinking=thinking, pace=pace, hang=hang, drop=drop)


def instance(schema: Json) -> Json:
    """The smallest document that a JSON schema of the agents' simple kind allows."""
    if not isinstance(schema, dict):
        return None
    if schema.get("enum"):
        return schema["enum"][0]
    if "const" in schema:
        return schema["const"]
    for alternatives in ("anyOf", "oneOf", "allOf"):
        if schema.get(alternatives):
            return instance(schema[alternatives][0])
    kind = schema.get("type", "object")
    if isinstance(kind, list):
        kind = kind[0]
    if kind.lower() == "object":  # Gemini writes OBJECT
        return {name: instance(kept) for name, kept in schema.get("properties", {}).items()}
    plain = {"array": [], "string": "fake", "number": 1, "integer": 1, "boolean": False}
    return plain.get(kind.lower())


def spoken(text: str) -> list[str]:
    """The text cut as a model streams it: word by word, each with the space that follows."""
    return re.findall(r"\S+\s*|\s+", text) or [""]
