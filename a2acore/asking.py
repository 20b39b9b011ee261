"""What is asked of the caller, as it is shown: a text for a person, and data for a program. Pure.

What is shown is what will be done: nothing is folded together, nothing is left out, and what a
terminal would act on, or an eye would miss, is written out. Words of the agent's are marked as its
own: a text of several lines stands in a block, and no line of it can pass for one of ours.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from a2acore import forms
from a2acore.backend import Asking, Credential, Permission, Question, ToolCall
from a2acore.forms import Field
from a2acore.model import Metadata
from a2acore.work import Scribe, visible

OPTION = "option:"
DECLINING = '"decline" declines.'


LIMITS = ("default", "minimum", "maximum", "minLength", "maxLength", "format", "pattern")
"""What a form says of a field, beside its type and its choices."""


def shown(asking: Asking, scribe: Scribe) -> tuple[str, Metadata]:
    """The text and the data of a question."""
    match asking:
        case Permission():
            return "\n".join(_permission(asking, scribe)), _permission_data(asking, scribe)
        case Question():
            return "\n".join(_question(asking)), _question_data(asking)
        case Credential(text, url):
            lines, data = [_said(text)], {"kind": "credential"}
            if url:
                data["url"] = url
                lines.append(f"To be opened by you: {visible(url)}")
                lines.append(f"Answer when it is done; {DECLINING}")
            return "\n".join(lines), data


def _permission(asking: Permission, scribe: Scribe) -> Iterator[str]:
    tool = asking.tool
    what = f"{visible(tool.name)}, {tool.kind}" if tool.name else tool.kind
    yield f"Permission requested: {what} (call {visible(tool.id)})"
    if tool.title:
        yield f"The agent calls it: {visible(tool.title)}"
    if asking.description:
        yield f"The agent says: {visible(asking.description)}"
    if asking.cwd:
        yield f"In: {visible(asking.cwd)}"
    for name, value in asking.env.items():
        yield f"With {visible(name)}={visible(value)}"
    for place in tool.locations:
        line = "" if place.line is None else f", line {place.line}"
        yield f"At: {visible(scribe.relative(place.path))}{line}"
    yield from _input(tool)
    for change in asking.changes:
        yield f"To {visible(scribe.relative(change.path))}:"
        yield _block(scribe.diff(change))
    yield 'Answer "allow" to allow it; anything else denies it.'
    for option in asking.options:
        yield f"{OPTION}{visible(option.id)} = {visible(option.name)} ({option.kind})"


def _permission_data(asking: Permission, scribe: Scribe) -> Metadata:
    data: Metadata = {
        "kind": "permission",
        "tool": scribe.tool_data(asking.tool),
        "options": [{"id": o.id, "name": o.name, "kind": o.kind} for o in asking.options],
    }
    if asking.description:
        data["description"] = asking.description
    if asking.cwd:
        data["cwd"] = asking.cwd
    if asking.env:
        data["env"] = dict(asking.env)
    if asking.changes:
        data["changes"] = [
            {"path": scribe.relative(change.path), "diff": scribe.diff(change)}
            for change in asking.changes
        ]
    return data


def _input(tool: ToolCall) -> Iterator[str]:
    """What the tool was given, whole: one line a member, and a text of several lines as a block."""
    if isinstance(tool.input, dict):
        for name, value in tool.input.items():
            yield from _member(visible(str(name)), value)
    elif tool.input is not None:
        yield _block(_readable(tool.input))


def _member(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        for number, item in enumerate(value):
            yield from _member(f"{name}[{number}]", item)
        return
    text = _readable(value)
    yield f"{name}:\n{_block(text)}" if "\n" in text else f"{name}: {visible(text)}"


def _question(asking: Question) -> Iterator[str]:
    yield _said(asking.text)
    if asking.choices:
        yield "Suggestions: " + ", ".join(visible(choice) for choice in asking.choices)
    if asking.schema is None:
        return
    for field in forms.fields(asking.schema):
        yield from _field(field)
    if forms.takes_text(asking.schema):
        yield f"Answer with a text, or with data; {DECLINING}"
    else:
        yield f"Answer with data, or with a text that is a JSON object; {DECLINING}"


def _field(field: Field) -> Iterator[str]:
    facts = [field.kind or "anything", *(["required"] if field.required else [])]
    facts += [f"{name} {_readable(field.schema[name])}" for name in LIMITS if name in field.schema]
    words = ": ".join(text for text in (field.title, field.description) if text)
    line = f"- {field.name} ({', '.join(facts)})" + (f" {words}" if words else "")
    yield visible(line)
    for choice in field.choices:
        title = "" if choice.title == str(choice.value) else f" = {choice.title}"
        about = f": {choice.description}" if choice.description else ""
        yield f"  - {visible(f'{choice.value}{title}{about}')}"


def _question_data(asking: Question) -> Metadata:
    data: Metadata = {"kind": "question", "question": asking.text}
    if asking.choices:
        data["choices"] = list(asking.choices)
    if asking.schema is not None:
        data["schema"] = asking.schema
    return data


def _said(text: str) -> str:
    """Words of the agent's: as they are on one line, in a block on several."""
    return f"The agent says:\n{_block(text)}" if "\n" in text else visible(text)


def _readable(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _block(text: str) -> str:
    """Lines as lines, each marked, so that nothing in them can pass for a line of ours."""
    return "\n".join(f"  | {visible(line)}" for line in text.removesuffix("\n").split("\n"))
