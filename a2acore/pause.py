"""A question to the caller, and what counts as its answer.

Rule 1: an answer binds by the request id. One that names another request never settles this one.
Rule 2: without a request id only a message that was never heard before counts, and it counts once.
Rule 3: a permission is given by a whole answer that is a word of consent, or by naming an option.
    Everything else denies, and its words go to the agent.
Rule 4: what is shown is what will be done: nothing is folded together, and nothing is left out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from attrs import define
from msgspec import UNSET

from a2acore.backend import Answer, Asking, Credential, Option, Permission, Question, ToolCall
from a2acore.errors import InvalidParams
from a2acore.lifecycle import EXTENSION
from a2acore.model import Message, Metadata, TaskState
from a2acore.work import Scribe, visible

CONSENT = frozenset({"allow", "yes", "y", "ok", "approve", "accept", "grant"})
OPTION = "option:"


@define(eq=False)
class Pause:
    """One question that is waiting for the caller."""

    request_id: str
    asking: Asking
    answer: Answer | None = None

    @property
    def state(self) -> TaskState:
        if isinstance(self.asking, Credential):
            return TaskState.AUTH_REQUIRED
        return TaskState.INPUT_REQUIRED

    def message(self, scribe: Scribe, remark: str = "") -> Message:
        """The question, for a person and for a program; `remark` says why it is asked again."""
        text, data = _shown(self.asking, scribe)
        if remark:
            text = f"{remark}\n{text}"
        return scribe.message(text, {**data, "requestId": self.request_id})

    def settles(self, message: Message, *, heard: bool = False) -> bool:
        """Whether a message speaks to this request: by its id, or by naming none for once.

        `heard` says that a message of its id was heard before.
        """
        named = _ours(message).get("requestId")
        return not heard if named is None else named == self.request_id

    def read(self, message: Message) -> Answer:
        """The answer that a message gives.

        Raises:
            InvalidParams: it picks an option that there is not.
        """
        ours = _ours(message)
        words = "\n".join(part.text for part in message.parts if part.text is not None).strip()
        data = ours.get("answers", UNSET)
        if data is UNSET:
            data = next((part.data for part in message.parts if part.data is not UNSET), None)
        if not isinstance(self.asking, Permission):
            return Answer(True, None, words, data)
        picked = ours.get("option")
        if picked is None and words.startswith(OPTION):
            picked = words.removeprefix(OPTION).strip()
        if picked is not None:
            option = _option(self.asking.options, picked)
            return Answer(option.kind.startswith("allow"), option, words, data)
        return Answer(words.rstrip(".!").casefold() in CONSENT, None, words, data)


def _ours(message: Message) -> Mapping[str, Any]:
    said = (message.metadata or {}).get(EXTENSION)
    return said if isinstance(said, dict) else {}


def _option(options: tuple[Option, ...], picked: Any) -> Option:
    for option in options:
        if option.id == picked:
            return option
    known = ", ".join(option.id for option in options) or "none"
    raise InvalidParams(f"There is no option {picked!r}; the options are: {known}")


def _shown(asking: Asking, scribe: Scribe) -> tuple[str, Metadata]:
    match asking:
        case Permission():
            return _permission(asking, scribe)
        case Question(text, choices, schema):
            data: Metadata = {"kind": "question", "question": text}
            if choices:
                data["choices"] = list(choices)
                text += "\nSuggestions: " + ", ".join(visible(choice) for choice in choices)
            if schema is not None:
                data["schema"] = schema
            return text, data
        case Credential(text):
            return text, {"kind": "credential"}


def _permission(asking: Permission, scribe: Scribe) -> tuple[str, Metadata]:
    tool = asking.tool
    data: Metadata = {
        "kind": "permission",
        "tool": scribe.tool_data(tool),
        "options": [{"id": o.id, "name": o.name, "kind": o.kind} for o in asking.options],
    }
    lines = [f"Permission requested: {visible(tool.title or tool.name or tool.kind)}"]
    if asking.description:
        data["description"] = asking.description
        lines.append(f"The agent says: {visible(asking.description)}")
    if asking.cwd:
        data["cwd"] = asking.cwd
        lines.append(f"In: {visible(asking.cwd)}")
    if asking.env:
        data["env"] = dict(asking.env)
        lines += [f"With {visible(name)}={visible(value)}" for name, value in asking.env.items()]
    lines += _input(tool)
    if asking.changes:
        diffs = [
            {"path": scribe.relative(change.path), "diff": scribe.diff(change)}
            for change in asking.changes
        ]
        data["changes"] = diffs
        lines += [f"To {visible(each['path'])}:\n{_block(each['diff'])}" for each in diffs]
    lines.append('Answer "allow" to allow it; anything else denies it.')
    lines += [f"{OPTION}{visible(o.id)} = {visible(o.name)} ({o.kind})" for o in asking.options]
    return "\n".join(lines), data


def _input(tool: ToolCall) -> list[str]:
    """What the tool was given, whole: one line a member, and a text of several lines as a block."""
    if tool.input is None:
        return []
    if not isinstance(tool.input, dict):
        return [_block(_readable(tool.input))]
    shown = []
    for name, value in tool.input.items():
        text = _readable(value)
        shown.append(
            f"{visible(str(name))}:"
            + (f"\n{_block(text)}" if "\n" in text else f" {visible(text)}")
        )
    return shown


def _readable(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _block(text: str) -> str:
    """Lines as lines, each marked, so that nothing in them can pass for a line of ours."""
    return "\n".join(f"  | {visible(line)}" for line in text.removesuffix("\n").split("\n"))
