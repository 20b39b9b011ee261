"""What an agent waits for, and how it is answered: by a program, a person, or another command."""

from __future__ import annotations

import json
import mimetypes
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from attrs import field, frozen
from msgspec import UNSET

from a2acli.said import said, texts, words
from a2acli.target import Target
from a2acore import forms
from a2acore.forms import Field
from a2acore.lifecycle import EXTENSION
from a2acore.model import Message, Metadata, Part, Role, SendMessageRequest, TaskState, TaskStatus


@frozen
class Say:
    """What goes to an agent: words and files, and the request that they answer, if they do."""

    text: str = ""
    files: tuple[Path, ...] = ()
    context_id: str = ""
    task_id: str = ""
    request_id: str = ""
    option: str = ""
    answers: Mapping[str, Any] | None = None
    """What is filled into a form: a value for each field."""
    references: tuple[str, ...] = ()
    """Other tasks, whose results are to be known."""
    choices: Mapping[str, str] = field(factory=dict)
    """How the agent is to work: a model, a mode."""

    @property
    def words(self) -> str:
        """All of it that can be said in words."""
        lines = [self.text] if self.text else []
        if not lines and self.option:
            lines = [f"option:{self.option}"]
        for name, value in (self.answers or {}).items():
            lines.append(f"{name}: {value if isinstance(value, str) else json.dumps(value)}")
        return "\n".join(lines)

    def request(self) -> SendMessageRequest:
        """The request that sends it."""
        chosen = {EXTENSION: dict(self.choices)} if self.choices else None
        return SendMessageRequest(self.message(), metadata=chosen)

    def message(self) -> Message:
        """The message that says it.

        An option and answers are also said as text, for agents that do not know our extension.
        """
        named: Metadata = {}
        if self.request_id:
            named["requestId"] = self.request_id
        if self.option:
            named["option"] = self.option
        if self.answers is not None:
            named["answers"] = dict(self.answers)
        parts = [Part(text=self.words)] if self.words else []
        return Message(
            message_id=uuid4().hex,
            role=Role.USER,
            parts=(*parts, *(_file(path) for path in self.files)),
            context_id=self.context_id,
            task_id=self.task_id,
            metadata={EXTENSION: named} if named else None,
            extensions=(EXTENSION,) if named or self.choices else (),
            reference_task_ids=self.references,
        )


@frozen
class Option:
    """One way to answer a permission."""

    id: str
    name: str


@frozen
class Pause:
    """A task that waits, and what for."""

    task_id: str
    context_id: str
    state: TaskState
    text: str
    kind: str = ""
    """"permission", "question" or "credential"; empty when the agent does not tell."""
    request_id: str = ""
    options: tuple[Option, ...] = ()
    choices: tuple[str, ...] = ()
    fields: tuple[Field, ...] = ()
    """The form that is to be filled in, if there is one."""

    def answer(
        self, text: str = "", option: str = "", answers: Mapping[str, Any] | None = None
    ) -> Say:
        """What to say to it."""
        return Say(
            text=text,
            context_id=self.context_id,
            task_id=self.task_id,
            request_id=self.request_id,
            option=option,
            answers=answers,
        )

    def fill(self, texts: Mapping[str, str]) -> dict[str, Any]:
        """What texts mean in the fields of the form, each found by its name or its title.

        Raises:
            ValueError: there is no such field, or it takes something else. One line: what.
        """
        if not self.fields:
            return dict(texts)
        filled = {}
        for name, text in texts.items():
            place = next((f for f in self.fields if name in (f.name, f.title)), None)
            if place is None:
                known = ", ".join(f.name for f in self.fields)
                raise ValueError(f"nothing called {name!r} is asked; what is asked: {known}")
            filled[place.name] = value = place.read(text)
            if value is UNSET:
                raise ValueError(f"{name} cannot be {text!r}; it takes {takes(place)}")
        return filled

    def commands(self, target: Target) -> list[str]:
        """The commands that answer it, ready to be run in a shell."""
        where = ["--task", self.task_id]
        where += ["--request", self.request_id] if self.request_id else []
        where += target.options
        if self.fields:
            wanted = [place for place in self.fields if place.required] or self.fields
            filled = [f"--answer={place.name}={place.kind.upper() or 'VALUE'}" for place in wanted]
            return [
                shlex.join(["a2acode", "call", *filled, *where]),
                shlex.join(["a2acode", "call", "decline", *where]),
            ]
        if self.kind == "permission":
            answers = ["allow", "deny", *(f"--option={option.id}" for option in self.options)]
        elif self.choices:
            answers = list(self.choices)
        elif self.state is TaskState.AUTH_REQUIRED:
            answers = ["done"]
        else:
            answers = ["YOUR ANSWER"]
        return [shlex.join(["a2acode", "call", answer, *where]) for answer in answers]


def takes(field: Field) -> str:
    """What a field takes, in a few words."""
    choices = " | ".join(choice.title for choice in field.choices)
    several = ", several of them with commas between them" if field.kind == "array" else ""
    return (choices or field.kind or "anything") + several


def read_pause(task_id: str, context_id: str, status: TaskStatus) -> Pause:
    """What the status of a paused task asks for."""
    message = status.message
    data = said(message)
    options = data.get("options")
    choices = data.get("choices")
    schema = data.get("schema")
    return Pause(
        task_id,
        context_id,
        status.state,
        texts(message.parts) if message else "",
        words(data, "kind"),
        words(data, "requestId"),
        tuple(_options(options if isinstance(options, list) else [])),
        tuple(str(choice) for choice in choices) if isinstance(choices, list) else (),
        forms.fields(schema) if isinstance(schema, dict) else (),
    )


def _options(listed: list[Any]) -> list[Option]:
    return [
        Option(words(option, "id"), words(option, "name"))
        for option in listed
        if isinstance(option, dict) and words(option, "id")
    ]


def _file(path: Path) -> Part:
    kind, encoding = mimetypes.guess_type(path.name)
    known = kind if kind and not encoding else "application/octet-stream"
    return Part(raw=path.read_bytes(), filename=path.name, media_type=known)
