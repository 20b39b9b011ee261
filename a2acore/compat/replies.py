"""Answers in the form of codex-a2a and opencode-a2a, as answers of ours.

Rule: what is answered counts for what it says and no more. A choice that the agent does not offer
is refused, and the question stays open.
"""

from __future__ import annotations

from typing import Literal

from a2acore import forms
from a2acore.backend import Answer, Option, Permission, Question
from a2acore.errors import InvalidParams
from a2acore.ids import new_hex
from a2acore.lifecycle import EXTENSION
from a2acore.model import Message, Metadata, Part, Role
from a2acore.pause import Pause
from a2acore.wire.shared import (
    ANSWERS,
    ElicitationReply,
    InterruptNotFound,
    InterruptTypeMismatch,
    Kind,
    PermissionReply,
    QuestionReply,
    Reply,
)


def kind(pause: Pause) -> Kind | None:
    """The type of what is asked, if they know such a thing: a credential they do not."""
    match pause.asking:
        case Permission():
            return "permission"
        case Question(schema=schema):
            return "question" if schema is None else "elicitation"
    return None


def read(pause: Pause, reply: Reply) -> Answer:
    """The answer that a reply gives to what is asked under its id.

    Raises:
        InterruptNotFound: they cannot answer this.
        InterruptTypeMismatch: it answers something else.
        InvalidParams: it picks what the agent does not offer, or brings data that does not fit.
    """
    asked, answers = kind(pause), ANSWERS[type(reply)]
    if asked is None:
        raise InterruptNotFound(reply.request_id)
    if asked != answers:
        raise InterruptTypeMismatch(
            reply.request_id, expected_interrupt_type=answers, actual_interrupt_type=asked
        )
    match reply, pause.asking:
        case PermissionReply(), Permission(options=options):
            return _verdict(reply, options)
        case QuestionReply(answers=said), _:
            return Answer(True, None, _words(reply), [list(chosen) for chosen in said])
        case ElicitationReply(action="accept", content=content), Question(schema=schema):
            forms.check(schema or {}, content)
            return Answer(True, None, "", content)
    return Answer(False, None, _words(reply))


def message(reply: Reply, answer: Answer, task_id: str, context_id: str) -> Message:
    """The reply as the message of ours that would have said the same, for the history."""
    ours: Metadata = {"requestId": reply.request_id}
    if answer.option is not None:
        ours["option"] = answer.option.id
    parts: tuple[Part, ...] = (Part(text=_words(reply) or _verb(reply)),)
    if answer.data is not None:
        parts = (*parts, Part(data=answer.data))
    return Message(
        new_hex(),
        Role.USER,
        parts,
        context_id,
        task_id,
        {EXTENSION: ours},
    )


def _verdict(reply: PermissionReply, options: tuple[Option, ...]) -> Answer:
    words = reply.message or ""
    match reply.reply:
        case "once":
            return Answer(True, _offered(options, "allow_once", reply), words)
        case "always":
            option = _offered(options, "allow_always", reply)
            if option is None:
                raise InvalidParams.at("reply", "cannot be always: the agent offers no options")
            return Answer(True, option, words)
        case "reject":
            rejecting = (option for option in options if option.kind == "reject_once")
            return Answer(False, next(rejecting, None), words)


def _offered(
    options: tuple[Option, ...], kind: Literal["allow_once", "allow_always"], reply: PermissionReply
) -> Option | None:
    """The option of a kind; none where the agent offers no options at all."""
    for option in options:
        if option.kind == kind:
            return option
    if options:
        offered = ", ".join(sorted({option.kind for option in options}))
        raise InvalidParams.at(
            "reply", f"cannot be {reply.reply}: what the agent offers is {offered}"
        )
    return None


def _words(reply: Reply) -> str:
    """What a reply says to the agent."""
    match reply:
        case PermissionReply(message=words):
            return words or ""
        case QuestionReply(answers=answers):
            return "\n".join(", ".join(chosen) for chosen in answers)
    return ""


def _verb(reply: Reply) -> str:
    """What a reply does, in their word."""
    match reply:
        case PermissionReply(reply=word) | ElicitationReply(action=word):
            return word
    return "answer" if isinstance(reply, QuestionReply) else "reject"
