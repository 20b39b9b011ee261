"""A question to the caller, and what counts as its answer.

Rule 1: an answer binds by the request id. One that names another request never settles this one.
Rule 2: without a request id only a message counts that came in after the question was published
    and was never heard before, and it counts once.
Rule 3: a permission is given by a whole answer that is a word of consent, or by naming an option.
    Everything else denies, and its words go to the agent.
Rule 4: a question that wants data gets data that fits its schema, or is declined in a word.

How it is shown is the business of `a2acore.asking`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import define
from msgspec import UNSET

from a2acore import forms
from a2acore.asking import OPTION, shown
from a2acore.backend import Answer, Asking, Credential, Option, Permission, Question
from a2acore.errors import InvalidParams
from a2acore.lifecycle import EXTENSION
from a2acore.model import Message, Metadata, TaskState
from a2acore.work import Scribe, visible

CONSENT = frozenset({"allow", "yes", "y", "ok", "approve", "accept", "grant"})


@define(eq=False)
class Pause:
    """One question that is waiting for the caller."""

    request_id: str
    asking: Asking
    until: float = float("inf")
    """When it is no longer answered, on the clock of whoever asks."""
    answer: Answer | None = None

    @property
    def state(self) -> TaskState:
        if isinstance(self.asking, Credential):
            return TaskState.AUTH_REQUIRED
        return TaskState.INPUT_REQUIRED

    def message(self, scribe: Scribe, remark: str = "", *, waiting: int = 0) -> Message:
        """The question, for a person and for a program.

        `remark` says why it is asked again, `waiting` how many more are asked after it.
        """
        text, data = shown(self.asking, scribe)
        if waiting:
            text += f"\n{waiting} more {'is' if waiting == 1 else 'are'} waiting behind it."
            data["waiting"] = waiting
        if remark:
            text = f"{remark}\n{text}"
        return scribe.message(text, {**data, "requestId": self.request_id})

    def settles(self, message: Message, *, stale: bool = False) -> bool:
        """Whether a message speaks to this request: by its id, or by naming none for once.

        `stale` says that it was heard before, or that it came in before this was asked.
        """
        named = _ours(message).get("requestId")
        return not stale if named is None else named == self.request_id

    def read(self, message: Message) -> Answer:
        """The answer that a message gives.

        Raises:
            InvalidParams: it picks an option that there is not, or brings data that does not fit.
        """
        ours = _ours(message)
        words = "\n".join(part.text for part in message.parts if part.text is not None).strip()
        data = ours.get("answers", UNSET)
        if data is UNSET:
            data = next((part.data for part in message.parts if part.data is not UNSET), UNSET)
        match self.asking:
            case Permission(options=options):
                return _verdict(options, ours.get("option"), words, data)
            case Question(schema=schema) if schema is not None:
                return _filled(schema, words, data)
            case Credential():
                return Answer(words.rstrip(".!").casefold() not in forms.DECLINES, None, words)
        return Answer(True, None, words, _none(data))


def _verdict(options: tuple[Option, ...], picked: Any, words: str, data: Any) -> Answer:
    if picked is None and words.startswith(OPTION):
        picked = words.removeprefix(OPTION).strip()
    if picked is not None:
        option = _option(options, picked)
        return Answer(option.kind.startswith("allow"), option, words, _none(data))
    # ASCII, because other letters fold into these: the sign of kelvin is a k.
    consents = words.isascii() and words.rstrip(".!").casefold() in CONSENT
    return Answer(consents, None, words, _none(data))


def _filled(schema: Metadata, words: str, data: Any) -> Answer:
    """The answer to a form: data, or a text that means some."""
    if data is UNSET:
        if forms.declines(schema, words):
            return Answer(False, None, words)
        data = forms.read(schema, words)
    if data is UNSET:
        raise InvalidParams(f"{words!r} is no answer to it; what is asked: {_wanted(schema)}")
    forms.check(schema, data)
    return Answer(True, None, words, data)


def _wanted(schema: Metadata) -> str:
    """What a form asks for, on one line."""
    asked = []
    for field in forms.fields(schema):
        titles = " | ".join(choice.title for choice in field.choices)
        asked.append(f"{field.name} ({titles})" if titles else field.name)
    return visible(", ".join(asked))


def _none(data: Any) -> Any:
    return None if data is UNSET else data


def _ours(message: Message) -> Mapping[str, Any]:
    said = (message.metadata or {}).get(EXTENSION)
    return said if isinstance(said, dict) else {}


def _option(options: tuple[Option, ...], picked: Any) -> Option:
    for option in options:
        if option.id == picked:
            return option
    known = ", ".join(option.id for option in options) or "none"
    raise InvalidParams(f"There is no option {picked!r}; the options are: {known}")
