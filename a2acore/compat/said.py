"""What our own events say under our extension, read again."""

from __future__ import annotations

from shlex import join

from a2acore.lifecycle import EXTENSION
from a2acore.model import Artifact, Message, Metadata


def of_message(message: Message | None) -> Metadata:
    """The data of a message of ours, with its `kind`; empty when it is none."""
    if message is None or EXTENSION not in (message.metadata or {}):
        return {}
    return next((part.data for part in message.parts if isinstance(part.data, dict)), {})


def of_artifact(artifact: Artifact) -> Metadata:
    """What the metadata of an artifact of ours says, with its `kind`; empty when it is none."""
    said = (artifact.metadata or {}).get(EXTENSION)
    return said if isinstance(said, dict) else {}


def words(message: Message | None) -> str:
    """What a message says to a person."""
    parts = () if message is None else message.parts
    return "\n".join(part.text for part in parts if part.text is not None)


def command(tool: Metadata) -> str:
    """The command line of a tool call, as far as it is known; else what the agent calls it."""
    given = tool.get("input")
    line = given.get("command") if isinstance(given, dict) else None
    if isinstance(line, list) and all(isinstance(word, str) for word in line):
        line = join(line)
    return line if isinstance(line, str) else str(tool["title"])
