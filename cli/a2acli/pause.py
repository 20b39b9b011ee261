"""What an agent waits for, and how it is answered: by a program, a person, or another command."""

from __future__ import annotations

import mimetypes
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

from attrs import field, frozen

from a2acli.said import said, texts, words
from a2acli.target import Target
from a2acore.lifecycle import EXTENSION
from a2acore.model import Message, Metadata, Part, Role, TaskState, TaskStatus


@frozen
class Say:
    """What goes to an agent: words and files, and the request that they answer, if they do."""

    text: str = ""
    files: tuple[Path, ...] = ()
    context_id: str = ""
    task_id: str = ""
    request_id: str = ""
    option: str = ""
    answers: Mapping[str, str] = field(factory=dict)

    def message(self) -> Message:
        """The message that says it.

        An option and answers are also said as text, for agents that do not know our extension.
        """
        named: Metadata = {
            name: value
            for name, value in (
                ("requestId", self.request_id),
                ("option", self.option),
                ("answers", dict(self.answers)),
            )
            if value
        }
        lines = [self.text] if self.text else []
        if not lines and self.option:
            lines = [f"option:{self.option}"]
        lines += [f"{question}: {answer}" for question, answer in self.answers.items()]
        parts = [Part(text="\n".join(lines))] if lines else []
        return Message(
            message_id=uuid4().hex,
            role=Role.USER,
            parts=(*parts, *(_file(path) for path in self.files)),
            context_id=self.context_id,
            task_id=self.task_id,
            metadata={EXTENSION: named} if named else None,
            extensions=(EXTENSION,) if named else (),
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

    def answer(self, text: str = "", option: str = "") -> Say:
        """What to say to it."""
        return Say(
            text=text,
            context_id=self.context_id,
            task_id=self.task_id,
            request_id=self.request_id,
            option=option,
        )

    def commands(self, target: Target) -> list[str]:
        """The commands that answer it, ready to be run in a shell."""
        where = ["--task", self.task_id]
        where += ["--request", self.request_id] if self.request_id else []
        where += target.options
        if self.kind == "permission":
            answers = ["allow", "deny", *(f"--option={option.id}" for option in self.options)]
        elif self.choices:
            answers = list(self.choices)
        elif self.state is TaskState.AUTH_REQUIRED:
            answers = ["done"]
        else:
            answers = ["YOUR ANSWER"]
        return [shlex.join(["a2acode", "call", answer, *where]) for answer in answers]


def read_pause(task_id: str, context_id: str, status: TaskStatus) -> Pause:
    """What the status of a paused task asks for."""
    message = status.message
    data = said(message)
    options = data.get("options")
    choices = data.get("choices")
    return Pause(
        task_id,
        context_id,
        status.state,
        texts(message.parts) if message else "",
        words(data, "kind"),
        words(data, "requestId"),
        tuple(_options(options if isinstance(options, list) else [])),
        tuple(str(choice) for choice in choices) if isinstance(choices, list) else (),
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
