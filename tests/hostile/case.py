"""A row of the tables: what a hostile agent does, and how the task has to end. And words for it.

The steps are those of `agent.py`. Where nothing else is said the task is completed, what the agent
says last arrives, and the same agent goes on to work for the context.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from attrs import field, frozen

from a2abackends.acp import Limits
from a2acore.lifecycle import EXTENSION
from a2acore.model import TaskArtifactUpdateEvent, TaskState
from tests.caller import Heard

COMPLETED, FAILED = TaskState.COMPLETED, TaskState.FAILED
CANCELED, REJECTED = TaskState.CANCELED, TaskState.REJECTED

PATIENT = Limits(start=10, silence=10, turn=10, leaving=0.3, settling=0.3)
HASTY = Limits(start=2, silence=0.7, turn=10, leaving=0.3, settling=0.3)
"""For who says nothing."""
BUSY = Limits(start=10, silence=10, turn=1, leaving=0.3, settling=0.3)
"""For who goes on for ever."""
CURT = Limits(start=10, silence=10, turn=10, volume=8 * 2**20, leaving=0.3, settling=0.3)
"""For who says too much."""

SECRET = "s3cr3t-of-the-agent"
"""Stands in the agent's environment as a token."""
MB = 2**20

Step = tuple[Any, ...]
Check = Callable[[Heard], object]


@frozen
class Case:
    """A misbehaviour."""

    name: str
    plan: dict[str, list[Step]]
    """By moment."""
    state: TaskState = COMPLETED
    stop: str = "end_turn"
    """The stop reason that is told."""
    text: str | None = "still here"
    """The answer, whole; None where nothing is promised of it."""
    end: str = ""
    """Stands in the last words on the task."""
    answer: str = ""
    """What the caller answers, whatever is asked."""
    cancel: bool = False
    """The caller cancels when the agent has begun to speak, or asks."""
    after: Literal["same", "another", "first"] = "same"
    """Who works for the context afterwards: the agent that is there, or another one, which knows
    nothing of the conversation or, when there has not been any, need not."""
    kin: int = 0
    """Processes of its making that live on beside the agents, until the server closes."""
    escaped: int = 0
    """Processes that it has put out of our reach: they live on, and we do not wait for them."""
    flood: bool = False
    """It sends far more than there may be left of it in memory."""
    limits: Limits = PATIENT
    within: float = 6.0
    """Seconds to the end of the task."""
    also: Check = field(default=lambda heard: True)
    """What else is true of what was heard."""


# Words for steps


def line(text: str) -> Step:
    return ("line", text)


def say(text: str) -> Step:
    return ("say", text)


NO_TEXTS: tuple[Any, ...] = (5, [], {})


def update(kind: str, /, **members: Any) -> Step:
    return ("update", {"sessionUpdate": kind, **members})


def tool(id: Any = "t", /, **members: Any) -> Step:
    return update("tool_call", toolCallId=id, **members)


def speech(text: str) -> dict[str, Any]:
    content = {"type": "text", "text": text}
    update = {"sessionUpdate": "agent_message_chunk", "content": content}
    params = {"sessionId": "session", "update": update}
    return {"jsonrpc": "2.0", "method": "session/update", "params": params}


def chunk(content: Any) -> Step:
    return update("agent_message_chunk", content=content)


def option(id: Any, kind: Any, name: Any = "An option") -> dict[str, Any]:
    return {"optionId": id, "name": name, "kind": kind}


OPTIONS = [option("yes", "allow_once"), option("no", "reject_once")]


def ask(id: Any = "q", tool: Any = None, options: Any = OPTIONS) -> Step:
    return ("ask", id, tool or {"toolCallId": "t", "title": "touch it"}, options)


def request(id: Any, method: str, params: Any = None) -> Step:
    return ("send", {"id": id, "method": method, "params": params})


STILL = say("still here")
MUTE, HANG = ("mute",), ("hang",)
DIE = ("exit", 3)
PERMISSION = "session/request_permission"


def prompt(*steps: Step) -> dict[str, list[Step]]:
    return {"session/prompt": list(steps)}


def by_hand(member: str, text: str) -> Step:
    """An answer to the prompt with a member of any text."""
    return line(f'{{"jsonrpc": "2.0", "id": "$id", "{member}": {text}}}')


def result(text: str) -> Step:
    return by_hand("result", text)


def fault(text: str) -> Step:
    return by_hand("error", text)


def update_by_hand(text: str) -> Step:
    params = f'{{"sessionId": "session", "update": {text}}}'
    return line(f'{{"jsonrpc": "2.0", "method": "session/update", "params": {params}}}')


def tool_by_hand(id: str, raw_input: str) -> Step:
    return update_by_hand(
        f'{{"sessionUpdate": "tool_call", "toolCallId": "{id}", "rawInput": {raw_input}}}'
    )


def nested(depth: int) -> str:
    return "[" * depth + "]" * depth


# Words for checks


def shows(*words: str) -> Check:
    """Somebody who reads finds these."""
    return lambda heard: all(word in heard.texts() for word in words)


def hides(*words: str) -> Check:
    return lambda heard: not any(word in heard.texts() for word in words)


def notices(kind: str) -> Check:
    return lambda heard: [said for said in heard.said("notice") if said["notice"] == kind]


def both(one: Check, other: Check) -> Check:
    return lambda heard: one(heard) and other(heard)


def no_diffs(heard: Heard) -> bool:
    return not heard.diffs()


def no_usage(heard: Heard) -> bool:
    return "usage" not in heard.end_data


def usage(**told: Any) -> Check:
    return lambda heard: heard.end_data.get("usage") == told


def tools(**statuses: str) -> Check:
    """How each tool ended."""
    return lambda heard: {id: said[-1] for id, said in heard.tools().items()} == statuses


def plan_of(length: int) -> Check:
    def check(heard: Heard) -> bool:
        [entries] = [
            part.data["entries"]
            for event in heard.events
            if isinstance(event, TaskArtifactUpdateEvent)
            and (event.artifact.metadata or {}).get(EXTENSION, {}).get("kind") == "plan"
            for part in event.artifact.parts
            if isinstance(part.data, dict)
        ]
        return len(entries) == length

    return check


def short(heard: Heard) -> bool:
    """What is told of an error can be read in one sitting."""
    return len(heard.texts()) < 20_000
