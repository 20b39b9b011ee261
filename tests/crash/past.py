"""What a log amounts to: how a task stood after each of its events.

Written once more, from the specification and not with `a2acore`, so that it can be noticed when
what callers are told and what is kept come apart. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import define, field, frozen

from tests.edge import state

ENDS = frozenset({"completed", "failed", "canceled", "rejected"})
PAUSES = frozenset({"input-required", "auth-required"})
OURS = "urn:a2acode:work:v1"

Said = Mapping[str, Any]
"""Something as it stood on the wire."""
Status = tuple[str, str, str]
"""A status: its state, when it came, and the id of its message."""
BEGINNING: Status = ("submitted", "", "")
"""The status before the first event. Only the record knows its time."""


def status_of(said: Said) -> Status:
    """The status of a task, or of a status update, of either line."""
    status = said["status"]
    id = status.get("message", {}).get("messageId", "")
    if state(said) == "submitted" and not id:
        return BEGINNING
    return (state(said), status.get("timestamp", ""), id)


def asked(said: Said) -> str:
    """The id of the request that a task, or a status update, puts to its caller."""
    if state(said) not in PAUSES:
        return ""
    ours = said["status"].get("message", {}).get("metadata", {}).get(OURS, {})
    return str(ours.get("requestId", ""))


def text_of(artifact: Said) -> str:
    return "".join(part.get("text", "") for part in artifact.get("parts", ()))


@frozen
class Sight:
    """A task as it stood at one moment, as far as it is compared."""

    status: Status
    texts: Mapping[str, str]
    """The text of each artifact."""
    heard: tuple[str, ...]
    """The ids of its caller's messages."""

    @property
    def state(self) -> str:
        return self.status[0]


def sight(task: Said) -> Sight:
    """What there is to see of a task, of either line."""
    roles = ("ROLE_USER", "user")
    return Sight(
        status_of(task),
        {each["artifactId"]: text_of(each) for each in task.get("artifacts", ())},
        tuple(each["messageId"] for each in task.get("history", ()) if each["role"] in roles),
    )


@define(eq=False)
class Past:
    """The events of a task from the first on, and how it stood after each. Event 0 is none."""

    events: list[Said] = field(factory=list)
    statuses: list[Status] = field(factory=lambda: [BEGINNING])
    texts: list[Mapping[str, str]] = field(factory=lambda: [{}])

    def take(self, event: Said) -> None:
        """The next event."""
        status, texts = self.statuses[-1], self.texts[-1]
        if "statusUpdate" in event:
            status = status_of(event["statusUpdate"])
        else:
            artifact = event["artifactUpdate"]["artifact"]
            before = texts.get(artifact["artifactId"], "")
            before = before if event["artifactUpdate"].get("append") else ""
            texts = {**texts, artifact["artifactId"]: before + text_of(artifact)}
        self.events.append(event)
        self.statuses.append(status)
        self.texts.append(texts)

    def stood(self, seen: Sight, number: int) -> bool:
        """Whether the task was seen as it stood after that event."""
        known = 0 <= number < len(self.statuses)
        return known and (self.statuses[number], self.texts[number]) == (seen.status, seen.texts)

    def places(self, seen: Sight) -> list[int]:
        """The numbers of the events after which the task stood as it was seen."""
        return [number for number in range(len(self.statuses)) if self.stood(seen, number)]

    @property
    def ends(self) -> list[int]:
        """The numbers of the events that ended the task."""
        return [
            number
            for number, event in enumerate(self.events, 1)
            if "statusUpdate" in event and self.statuses[number][0] in ENDS
        ]


def past(events: Sequence[Said]) -> Past:
    """A task's past, of its events."""
    made = Past()
    for event in events:
        made.take(event)
    return made


Word = tuple[str, ...]
"""What is told, apart from how many events it takes: a status, or a run of an artifact's text."""


def words(events: Sequence[Said]) -> list[Word]:
    """What events tell. Pieces of one artifact that follow each other are one word, as the events
    that are told to a webhook may be joined."""
    return list(_joined(events))


def _joined(events: Sequence[Said]) -> Iterator[Word]:
    name, run = "", ""
    for event in events:
        update = event.get("artifactUpdate", {})
        artifact = update.get("artifact", {})
        goes_on = update.get("append") and artifact["artifactId"] == name
        if run and not goes_on:
            yield ("text", name, run)
            run = ""
        if update:
            name = artifact["artifactId"]
            run += text_of(artifact)
        else:
            yield ("status", *status_of(event["statusUpdate"]))
    if run:
        yield ("text", name, run)
