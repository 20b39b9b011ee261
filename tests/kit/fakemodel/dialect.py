"""What every dialect offers to the server; each is a module of functions, no state."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, Protocol
from uuid import uuid4

from tests.kit.fakemodel.script import Conversation, Json, Reply, Speaker

OPENAI_ROLES: Mapping[str, Speaker] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}


class Event(NamedTuple):
    """One server-sent event; a text is sent as it is, anything else as JSON."""

    data: Json
    name: str | None = None


class Dialect(Protocol):
    """How one provider's API asks and answers."""

    PATH: re.Pattern[str]
    """Searched in the request's path, query left out."""

    def streams(self, path: str, body: Json) -> bool:
        """Does this request want server-sent events?"""

    def read(self, body: Json) -> Conversation:
        """What was said, in the dialect's own order."""

    def events(self, reply: Reply, words: Iterable[str], model: str) -> Iterator[Event]:
        """The answer as a stream; `words` is the reply's text as it becomes known."""

    def whole(self, reply: Reply, model: str) -> Json:
        """The answer as one document."""


def text_of(content: Json) -> str:
    """The text in any of the shapes that providers give to a message's content."""
    match content:
        case str():
            return content
        case list():
            return "\n".join(filter(None, map(text_of, content)))
        case {"text": str(text)} | {"output": str(text)}:
            return text
        case {"content": inner}:
            return text_of(inner)
    return ""


def new_id(kind: str) -> str:
    return f"{kind}_{uuid4().hex[:16]}"
