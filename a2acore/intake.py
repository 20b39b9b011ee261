"""What a message has to be like to be taken, and what it chooses: before anything is made of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from attrs import fields
from msgspec import UNSET

from a2acore.backend import SANDBOXES, Choices
from a2acore.errors import ContentTypeNotSupported, InvalidParams
from a2acore.lifecycle import EXTENSION
from a2acore.limits import LIMITS
from a2acore.model import Message, Metadata, Part, Role

LARGEST_PART = 16 * 1024 * 1024
"""Bytes in a file, characters in a text: half of what a whole request may have."""
LONGEST_URL = 8192
"""Characters in a URL: what holds a whole file in itself is to be sent as one."""
MOST_REFERENCES = 16
"""Tasks that one message may refer to: the results of each stand before the prompt."""
CHOICES = tuple(each.name for each in fields(Choices))


def check(message: Message, takes: Sequence[str], parts: int = LIMITS.parts) -> None:
    """Refuse what an agent that `takes` these media types cannot be given, and more than so many
    `parts` (0: any number).

    Raises:
        InvalidParams: it has too many parts or references, one that is too large, or the role of
            an agent; says which.
        ContentTypeNotSupported: the agent does not take what a part holds.
    """
    if message.role is not Role.USER:
        raise InvalidParams.at("message.role", "must be the user's: agents answer, callers ask")
    for place, listed, most in (
        ("message.parts", message.parts, parts),
        ("message.referenceTaskIds", message.reference_task_ids, MOST_REFERENCES),
    ):
        if most and len(listed) > most:
            raise InvalidParams.at(place, f"are {len(listed)}; there may be {most}")
    for number, part in enumerate(message.parts):
        for given, most in (
            (part.text, LARGEST_PART),
            (part.raw, LARGEST_PART),
            (part.url, LONGEST_URL),
        ):
            if given is not None and len(given) > most:
                where = f"message.parts[{number}]"
                raise InvalidParams.at(where, f"is {len(given):,} long; it may be {most:,}")
        if not _taken(media := _media_type(part), takes):
            raise ContentTypeNotSupported(
                f"The agent does not take {media}; it takes {', '.join(takes)}"
            )


def choices(
    in_message: Metadata | None,
    in_request: Metadata | None,
    offered: Collection[str],
    *,
    begun: bool,
) -> Choices:
    """What is chosen under our extension: in a message's own metadata, or in its request's.

    Raises:
        InvalidParams: it is not `offered`, is nothing of that kind, or the task has `begun`.
    """
    chosen: dict[str, str] = {}
    for place, metadata in (("message.metadata", in_message), ("metadata", in_request)):
        ours = (metadata or {}).get(EXTENSION)
        if not isinstance(ours, dict):
            continue
        for name in CHOICES:
            if name not in ours:
                continue
            where = f"{place}['{EXTENSION}'].{name}"
            if begun:
                raise InvalidParams.at(where, "is chosen for a new task, not in the middle")
            if name not in offered:
                raise InvalidParams.at(where, "cannot be chosen here: the agent has no such thing")
            if not isinstance(ours[name], str):
                raise InvalidParams.at(where, "must be a text")
            if name == "sandbox" and ours[name] not in SANDBOXES:
                raise InvalidParams.at(where, f"must be one of {', '.join(SANDBOXES)}")
            chosen[name] = ours[name]
    return Choices(**chosen)


def _media_type(part: Part) -> str:
    if part.media_type:
        return part.media_type.partition(";")[0].strip().lower()
    if part.text is not None:
        return "text/plain"
    if part.data is not UNSET:
        return "application/json"
    return "application/octet-stream"


def _taken(media_type: str, takes: Sequence[str]) -> bool:
    kind = media_type.partition("/")[0]
    return any(mode in (media_type, f"{kind}/*", "*/*") for mode in takes)
